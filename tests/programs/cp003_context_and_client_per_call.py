"""A context for each call, in a client for each call: two lines that both cost.

contexts: 8
handshakes: 8
"""

import os
import ssl

import httpx

API = os.environ["API_URL"]


def tls():
    context = ssl.create_default_context()  # finding: CP003
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def fetch(number):
    with httpx.Client(verify=tls()) as client:  # finding: CP001
        return client.get(f"{API}/api/items/{number}").status_code


print([fetch(number) for number in range(8)])
