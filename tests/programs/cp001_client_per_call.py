"""A client for every call.

contexts: 12
handshakes: 12
"""

import os

import httpx

API = os.environ["API_URL"]


def fetch(number):
    with httpx.Client(timeout=10) as client:  # finding: CP001
        return client.get(f"{API}/api/items/{number}").json()


def main():
    items = [fetch(number) for number in range(12)]
    print(len(items), "items")


if __name__ == "__main__":
    main()
