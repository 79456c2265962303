"""One client around the whole batch.

contexts: 1
handshakes: 1
"""

import os

import httpx

API = os.environ["API_URL"]


def fetch(client, number):
    return client.get(f"{API}/api/items/{number}").json()


def main():
    with httpx.Client(timeout=10) as client:
        items = [fetch(client, number) for number in range(12)]
    print(len(items), "items")


if __name__ == "__main__":
    main()
