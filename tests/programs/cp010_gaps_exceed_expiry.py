"""Polling at longer intervals than connections are kept for.

contexts: 1
handshakes: 6
"""

import os
import time

import httpx

limits = httpx.Limits(keepalive_expiry=0.05)

with httpx.Client(base_url=os.environ["API_URL"], limits=limits) as client:  # finding: CP010
    for number in range(6):
        print(client.get(f"/api/readings/{number}").status_code)
        time.sleep(0.15)
