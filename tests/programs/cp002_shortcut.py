"""httpx.get in a function.

contexts: 10
handshakes: 10
"""

import os

import httpx

API = os.environ["API_URL"]


def price(symbol):
    answer = httpx.get(f"{API}/api/prices/{symbol}")  # finding: CP002
    answer.raise_for_status()
    return answer.json()["path"]


def main():
    for symbol in "ABCDEFGHIJ":
        print(price(symbol))


main()
