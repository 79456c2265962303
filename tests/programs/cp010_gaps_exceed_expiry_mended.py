"""Connections are kept for longer than the intervals.

contexts: 1
handshakes: 1
"""

import os
import time

import httpx

limits = httpx.Limits(keepalive_expiry=4)

with httpx.Client(base_url=os.environ["API_URL"], limits=limits) as client:
    for number in range(6):
        print(client.get(f"/api/readings/{number}").status_code)
        time.sleep(0.15)
