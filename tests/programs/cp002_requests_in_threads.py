"""requests.get in threads, to two origins.

environment: others
contexts: 24
handshakes: 24
"""

import os
from concurrent.futures import ThreadPoolExecutor

import requests

ORIGINS = os.environ["API_URLS"].split()[:2]


def fetch(number):
    for index, origin in enumerate(ORIGINS):
        answer = requests.get(f"{origin}/gate/3/{index}-{number // 3}", timeout=10)  # finding: CP002
        answer.raise_for_status()
    return number


with ThreadPoolExecutor(3) as pool:
    print(list(pool.map(fetch, range(12))))
