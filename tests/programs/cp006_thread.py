"""A requests session in several threads, which its library does not call safe.

environment: others
contexts: 2
handshakes: 2
"""

import os
from concurrent.futures import ThreadPoolExecutor

import requests

API = os.environ["API_URL"]
session = requests.Session()  # finding: CP006


def fetch(number):
    return session.get(f"{API}/gate/2/{number // 2}", timeout=10).status_code


with ThreadPoolExecutor(2) as pool:
    print(list(pool.map(fetch, range(6))))
session.close()
