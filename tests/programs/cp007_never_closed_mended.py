"""A client for each job, closed with it.

contexts: 2
handshakes: 2
"""

import os

import httpx

API = os.environ["API_URL"]


class Job:
    def __init__(self, name, client):
        self.name = name
        self.client = client

    def run(self):
        return sum(self.client.get(f"/api/{self.name}/{page}").status_code == 200 for page in range(6))


for name in ("import", "report"):
    with httpx.Client(base_url=API) as client:
        print(name, Job(name, client).run())
