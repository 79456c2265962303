import ssl

import httpx

CONTEXT = ssl.create_default_context()
TRANSPORT = httpx.HTTPTransport(verify=CONTEXT)


class Proxies:
    def __init__(self, proxies):
        self.clients = {}
        for proxy in proxies:
            self.clients[proxy] = httpx.AsyncClient(proxy=proxy, verify=CONTEXT)


CLIENTS = {name: httpx.Client(base_url=f"https://{name}.example", transport=TRANSPORT) for name in "abc"}
