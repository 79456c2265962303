"""Responses that are read to their end.

contexts: 1
handshakes: 1
"""

import os

import httpx

client = httpx.Client(base_url=os.environ["API_URL"])


def is_there(name):
    with client.stream("GET", f"/api/files/{name}") as answer:
        answer.read()
        return answer.status_code == 200


print([is_there(name) for name in "abcdefgh"])
client.close()
