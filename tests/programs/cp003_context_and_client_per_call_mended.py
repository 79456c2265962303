"""One context, one client.

contexts: 1
handshakes: 1
"""

import functools
import os
import ssl

import httpx

API = os.environ["API_URL"]


@functools.cache
def tls():
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def fetch(client, number):
    return client.get(f"{API}/api/items/{number}").status_code


with httpx.Client(verify=tls()) as client:
    print([fetch(client, number) for number in range(8)])
