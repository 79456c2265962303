"""Responses that are asked for as streams and neither read nor closed.

contexts: 1
handshakes: 8
"""

import os

import httpx

client = httpx.Client(base_url=os.environ["API_URL"])  # finding: CP011


def is_there(name):
    request = client.build_request("GET", f"/api/files/{name}")
    return client.send(request, stream=True).status_code == 200


print([is_there(name) for name in "abcdefgh"])
client.close()
