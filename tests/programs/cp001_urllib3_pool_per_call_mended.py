"""urllib3: one pool manager.

environment: others
contexts: 1
handshakes: 1
"""

import os

import urllib3

API = os.environ["API_URL"]


def size(pool, number):
    return len(pool.request("GET", f"{API}/bytes/{number}").data)


with urllib3.PoolManager() as pool:
    print(sum(size(pool, number) for number in range(100, 108)))
