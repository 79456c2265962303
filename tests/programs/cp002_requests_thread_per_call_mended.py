"""A thread that is kept, with a session.

environment: others
contexts: 1
handshakes: 1
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import requests

URL = os.environ["API_URLS"].split()[0]
local = threading.local()


def begin():
    local.session = requests.Session()


def fetch(number):
    answer = local.session.get(f"{URL}/api/{number}", timeout=10)
    answer.raise_for_status()


with ThreadPoolExecutor(1, initializer=begin) as pool:
    list(pool.map(fetch, range(6)))
