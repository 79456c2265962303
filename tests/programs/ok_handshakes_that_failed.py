"""A session and a pool that do not trust the server: their contexts were used, for nothing but in vain.

environment: others
contexts: 2
handshakes: 0
"""

import os

import requests
import urllib3

API = os.environ["API_URL"]

session = requests.Session()
session.trust_env = False  # not the CA bundle of the environment
try:
    session.get(f"{API}/api/item", timeout=10)
except requests.exceptions.SSLError as error:
    print(type(error).__name__)

pool = urllib3.PoolManager(ca_certs=requests.certs.where())
try:
    pool.request("GET", f"{API}/api/item", timeout=10, retries=False)
except urllib3.exceptions.SSLError as error:
    print(type(error).__name__)
