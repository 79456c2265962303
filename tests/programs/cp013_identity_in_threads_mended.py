"""A client for each visitor, thin: they share context and connections.

contexts: 1
handshakes: 1
"""

import os
import threading

import httpx

API = os.environ["API_URL"]


class Kept(httpx.HTTPTransport):
    """Is not closed with the client that uses it."""

    def __exit__(self, *_):
        pass

    def close(self):
        pass


transport = Kept()


def visit(user):
    with httpx.Client(base_url=API, transport=transport) as client:
        before = client.get("/cookies").json()
        client.get("/cookies/set", params={"session": user})
        print(user, before, client.get("/cookies").json())


for user in ("alice", "bob", "carol"):
    thread = threading.Thread(target=visit, args=(user,))
    thread.start()
    thread.join()
