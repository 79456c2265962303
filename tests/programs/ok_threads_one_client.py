"""One httpx client in four threads, which it is made for.

contexts: 1
handshakes: 4
"""

import os
from concurrent.futures import ThreadPoolExecutor

import httpx

with httpx.Client(base_url=os.environ["API_URL"]) as client, ThreadPoolExecutor(4) as pool:
    for turn in range(3):
        print(list(pool.map(lambda _: client.get(f"/gate/4/turn{turn}").status_code, range(4))))
