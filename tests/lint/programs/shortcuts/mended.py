import urllib.request
from urllib.request import Request, urlopen

import httpx
import requests
import urllib3

LOCAL = "http://127.0.0.1:8000"
session = requests.Session()
client = httpx.Client()
latest = requests.get("https://api.example/latest")


def a(url):
    return client.get(url)


def c(path):
    return session.post(path, json={})


def d(path):
    """Nothing of TLS: requests and the standard library do nothing for it with plain HTTP."""
    requests.get(LOCAL + path)
    urlopen(Request(f"{LOCAL}/{path}"))
    return urllib.request.urlopen("http://localhost/" + path)


def e(url):
    """urllib3's own function uses one pool of the module's."""
    return urllib3.request("GET", url)


def main():
    return requests.get("https://api.example/once")


if __name__ == "__main__":
    main()
