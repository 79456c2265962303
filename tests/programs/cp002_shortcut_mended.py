"""The same method of a client that is kept for the whole process, and never closed: it ends with it.

contexts: 1
handshakes: 1
"""

import os

import httpx

API = os.environ["API_URL"]
client = httpx.Client()


def price(symbol):
    answer = client.get(f"{API}/api/prices/{symbol}")
    answer.raise_for_status()
    return answer.json()["path"]


def main():
    for symbol in "ABCDEFGHIJ":
        print(price(symbol))


main()
