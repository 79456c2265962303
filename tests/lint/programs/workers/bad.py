"""A thread for each call, each with a session of its own: whether they are workers is not seen."""
import threading

import requests


def fetch(url):
    session = requests.Session()  # expect: CP001 guess
    print(session.get(url))


def read(url):
    session = requests.Session()  # expect: CP001 certain
    for page in range(3):
        print(session.get(url, params={"page": page}))


def main():
    urls = [f"https://api.example/{number}" for number in range(9)]
    for url in urls:
        threading.Thread(target=fetch, args=(url,)).start()
    for url in urls:
        read(url)


if __name__ == "__main__":
    main()
