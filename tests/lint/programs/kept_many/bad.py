"""Clients that are kept, each with a context of its own."""
import httpx


class Proxies:
    def __init__(self, proxies):
        self.clients = {}
        for proxy in proxies:
            self.clients[proxy] = httpx.AsyncClient(proxy=proxy)  # expect: CP008 likely


CLIENTS = {name: httpx.Client(base_url=f"https://{name}.example") for name in "abc"}  # expect: CP008 likely
