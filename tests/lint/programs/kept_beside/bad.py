"""Clients that a local collection keeps beside each other, each with a context of its own; and some that only seem so."""
import ssl

import httpx
from fastapi import FastAPI

PROXIES = ["http://a.example", "http://b.example"]
app = FastAPI()


class Api:
    def __init__(self, proxy):
        self.client = httpx.Client(proxy=proxy)

    def close(self):
        self.client.close()


def main():
    listed = [httpx.Client(proxy=proxy) for proxy in PROXIES]  # expect: CP008 likely
    named = {proxy: httpx.Client(proxy=proxy) for proxy in PROXIES}  # expect: CP008 likely
    appended = []
    stored = {}
    wrapped = []
    for proxy in PROXIES:
        appended.append((proxy, httpx.Client(proxy=proxy)))  # expect: CP008 likely
        stored[proxy] = httpx.Client(proxy=proxy)  # expect: CP008 likely
        wrapped += [Api(proxy)]  # expect: CP008 likely
    contexts = [httpx.Client(verify=ssl.create_default_context()) for _ in PROXIES]  # expect: CP008 likely
    for client in contexts:
        client.close()
    for _ in range(100):
        for client in [*listed, *named.values(), *stored.values()]:
            client.get("https://api.example/")
        for _, client in appended:
            client.get("https://api.example/")
        for api in wrapped:
            api.client.get("https://api.example/")
    for client in [*listed, *named.values()]:
        client.close()
    for _, client in appended:
        client.close()
    while stored:
        stored.popitem()[1].close()
    for api in wrapped:
        api.close()


@app.get("/")
def handler():
    clients = [httpx.Client(proxy=proxy) for proxy in PROXIES]  # expect: CP005 certain
    answers = [client.get("https://api.example/").text for client in clients]
    for client in clients:
        client.close()
    return answers


def amain():
    seen = []
    for proxy in PROXIES:
        clients = []
        for _ in range(3):
            clients.append(httpx.Client(proxy=proxy))  # expect: CP004 certain
        for client in clients:
            client.close()
        with httpx.Client(proxy=proxy) as closed:  # expect: CP004 certain
            seen.append(closed)
        seen.append(httpx.get(proxy))  # expect: CP002 certain
    for client in (httpx.Client(proxy=proxy) for proxy in PROXIES):  # expect: CP004 certain
        client.get("https://api.example/")
        client.close()


if __name__ == "__main__":
    main()
    amain()
