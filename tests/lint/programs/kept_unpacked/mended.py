"""Sessions that are kept beside each other in a collection which is built again by unpacking."""
import requests


def main():
    some = ()
    by_name = {}
    more = []
    for name in ("a", "b"):
        some = (*some, requests.Session())
        by_name = {**by_name, name: requests.Session()}
        more = [*more, requests.Session()]
    for session in (*some, *by_name.values(), *more):
        session.get("https://api.example")


if __name__ == "__main__":
    main()
