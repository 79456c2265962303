"""The same with a synchronous client, and a thread for each visitor.

contexts: 1
handshakes: 1
"""

import os
import threading

import httpx

client = httpx.Client(base_url=os.environ["API_URL"])  # finding: CP013


def visit(user):
    before = client.get("/cookies").json()
    client.get("/cookies/set", params={"session": user})
    print(user, before)


for user in ("alice", "bob", "carol"):
    thread = threading.Thread(target=visit, args=(user,))
    thread.start()
    thread.join()
client.close()
