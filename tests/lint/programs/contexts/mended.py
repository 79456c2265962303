import asyncio
import functools
import ssl
import urllib.request

import httpx

CONTEXT = ssl.create_default_context()


@functools.cache
def context():
    return ssl.create_default_context()


def a(url, opener=urllib.request.build_opener(urllib.request.HTTPSHandler(context=CONTEXT))):
    return opener.open(url)


def b(host, sockets):
    for each in sockets:
        context().wrap_socket(each, server_hostname=host)


class Api:
    def __init__(self):
        inner = ssl.create_default_context()
        inner.load_verify_locations("ca.pem")
        self.client = httpx.Client(verify=inner)


api = Api()


async def serve_tls(handler, host):
    """A server's context is made once for each server."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    plain = ssl.SSLContext()
    await asyncio.start_server(handler, host, ssl=plain)
    return await asyncio.start_server(handler, host, ssl=tls or other)
