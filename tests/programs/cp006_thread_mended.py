"""A session for each thread.

environment: others
contexts: 2
handshakes: 2
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import requests

API = os.environ["API_URL"]
local = threading.local()


def begin():
    local.session = requests.Session()


def fetch(number):
    return local.session.get(f"{API}/gate/2/{number // 2}", timeout=10).status_code


with ThreadPoolExecutor(2, initializer=begin) as pool:
    print(list(pool.map(fetch, range(6))))
