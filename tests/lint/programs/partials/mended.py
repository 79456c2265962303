import functools

import httpx

TRANSPORT = httpx.HTTPTransport()
make = functools.partial(httpx.Client, transport=TRANSPORT)
fresh = functools.partial(httpx.Client, timeout=5)
client = fresh()


def a(url):
    return make().get(url)


def b(url):
    with fresh(transport=TRANSPORT) as other:
        return other.get(url)


def c(url):
    return client.get(url)
