import queue
import ssl
from contextlib import ExitStack

import httpx

PROXIES = ["http://a.example", "http://b.example"]
CONTEXT = ssl.create_default_context()


class Api:
    def __init__(self, proxy, context):
        self.client = httpx.Client(proxy=proxy, verify=context)

    def close(self):
        self.client.close()


class Tenant:
    client = None


def main():
    listed = [httpx.Client(proxy=proxy, verify=CONTEXT) for proxy in PROXIES]
    named = {proxy: httpx.Client(proxy=proxy, verify=CONTEXT) for proxy in PROXIES}
    appended = []
    stored = {}
    waiting = queue.Queue()
    wrapped = [Api(proxy, CONTEXT) for proxy in PROXIES]
    tenants = [Tenant(), Tenant()]
    for proxy in PROXIES:
        client = httpx.Client(proxy=proxy, verify=CONTEXT)
        appended.append(client)
        stored[proxy] = httpx.Client(proxy=proxy, verify=CONTEXT)
        waiting.put(httpx.Client(proxy=proxy, verify=CONTEXT))
    for tenant in tenants:
        tenant.client = httpx.Client(verify=CONTEXT)
    joined = []
    for proxy in PROXIES:
        joined = joined + [httpx.Client(proxy=proxy, verify=CONTEXT)]
        joined.append(httpx.Client(proxy=proxy, verify=CONTEXT))
    first, second = (httpx.Client(proxy=proxy, verify=CONTEXT) for proxy in PROXIES)
    for client in (first, second, *joined):
        client.close()
    for tenant in tenants:
        context = ssl.create_default_context()
        context.load_cert_chain(tenant)
        listed.append(httpx.Client(verify=context))
    with ExitStack() as stack:
        opened = [stack.enter_context(httpx.Client(verify=CONTEXT)) for _ in PROXIES]
        for client in [*listed, *opened]:
            client.get("https://api.example/")
    for client in listed:
        client.close()
    for client in named.values():
        client.close()
    for client in appended:
        client.close()
    for _, client in stored.items():
        client.close()
    for api in wrapped:
        api.close()
    while not waiting.empty():
        waiting.get().close()


def amain():
    later = None
    for proxy in PROXIES:
        if later is None:
            later = httpx.Client(verify=CONTEXT)
        later.get(proxy)
    later.close()


if __name__ == "__main__":
    main()
    amain()


current = None
for proxy in PROXIES:
    current = current or httpx.Client(proxy=proxy)
    current.get(proxy)
