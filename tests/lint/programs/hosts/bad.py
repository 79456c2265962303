"""A client for each host, with a context that they share: that may be as it should."""
import ssl

import httpx


def main():
    context = ssl.create_default_context()
    for host in ("https://a.example", "https://b.example"):
        with httpx.Client(base_url=host, verify=context) as client:  # expect: CP004 guess
            print(client.get("/"), client.get("/more"))
    for host in ("https://a.example", "https://b.example"):
        with httpx.Client(base_url=host) as client:  # expect: CP004 certain
            print(client.get("/"))
    for path in ("/", "/more"):
        with httpx.Client(base_url="https://a.example", verify=context) as client:  # expect: CP004 certain
            print(client.get(path))


if __name__ == "__main__":
    main()
