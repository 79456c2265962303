"""Loops whose rounds end by themselves."""
import time

import httpx


def main():
    while True:
        try:
            with httpx.Client() as client:  # expect: CP004 certain
                while True:
                    if client.get("https://api.example").json():
                        break
        except httpx.HTTPError:
            time.sleep(5)


def jobs(names):
    while True:
        url = names.get()
        try:
            with httpx.Client() as client, client.stream("GET", url) as response:  # expect: CP004 certain
                for line in response.iter_lines():
                    print(line)
        except httpx.HTTPError:
            time.sleep(5)


if __name__ == "__main__":
    main()
