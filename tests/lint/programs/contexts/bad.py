"""SSL contexts: each loads the whole CA bundle."""
import ssl
import urllib.request
from ssl import create_default_context as new_context

import aiohttp
import httpx
import truststore


def a(url):
    context = ssl.create_default_context()  # expect: CP003 likely
    return urllib.request.urlopen(url, context=context)  # expect: CP002 likely


async def b(url):
    async with aiohttp.ClientSession() as session:  # expect: CP001 likely
        return await session.get(url, ssl=ssl.create_default_context(cafile="ca.pem"))  # expect: CP003 guess


def c(url):
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # expect: CP003 likely
    with httpx.Client(verify=context) as client:  # expect: CP001 likely
        return client.get(url)


def d(host, sockets):
    for each in sockets:
        context = new_context()  # expect: CP003 certain
        context.wrap_socket(each, server_hostname=host)


def e():
    return new_context()


def f(url):
    with httpx.Client(verify=e()) as client:  # expect: CP001 likely, CP003 likely
        return client.get(url)
