"""A session for each thread: it builds a context for each of its connections, and is no finding for that.

environment: others
contexts: 6
handshakes: 6
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import requests

ORIGINS = os.environ["API_URLS"].split()[:2]
local = threading.local()


def begin():
    local.session = requests.Session()


def fetch(number):
    for index, origin in enumerate(ORIGINS):
        answer = local.session.get(f"{origin}/gate/3/{index}-{number // 3}", timeout=10)
        answer.raise_for_status()
    return number


with ThreadPoolExecutor(3, initializer=begin) as pool:
    print(list(pool.map(fetch, range(12))))
