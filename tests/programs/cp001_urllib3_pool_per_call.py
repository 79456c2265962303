"""urllib3: a pool manager for every call.

environment: others
contexts: 8
handshakes: 8
"""

import os

import urllib3

API = os.environ["API_URL"]


def size(number):
    with urllib3.PoolManager() as pool:  # finding: CP001
        return len(pool.request("GET", f"{API}/bytes/{number}").data)


print(sum(size(number) for number in range(100, 108)))
