"""Retries whose ``break`` stands after the ``try``, or that ask for the status."""
import itertools
import time

import requests


def main():
    while True:
        try:
            response = requests.get("https://api.example")
        except requests.ConnectionError:
            continue
        break
    for number in itertools.count():
        try:
            response = requests.get("https://api.example")
            response.raise_for_status()
        except requests.RequestException:
            time.sleep(number)
            continue
        print(response)
        break
    for _ in range(3):
        response = requests.get("https://api.example")
        if response.status_code != 503:
            break
    for _ in range(3):
        response = requests.get("https://api.example")
        if response.status_code in {429, 503}:
            continue
        break


if __name__ == "__main__":
    main()
