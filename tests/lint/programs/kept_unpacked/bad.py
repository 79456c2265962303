"""Collections that are made anew, without what was in them."""
import requests


def main():
    for name in ("a", "b"):
        last = [*name, requests.Session()]  # expect: CP004 certain
        print(last[-1].get("https://api.example"))


if __name__ == "__main__":
    main()
