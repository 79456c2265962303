"""A client for each job, used well and let go without being closed.

contexts: 2
handshakes: 2
"""

import os

import httpx

API = os.environ["API_URL"]


class Job:
    def __init__(self, name):
        self.name = name
        self.client = httpx.Client(base_url=API)  # finding: CP007

    def run(self):
        return sum(self.client.get(f"/api/{self.name}/{page}").status_code == 200 for page in range(6))


for name in ("import", "report"):
    print(name, Job(name).run())
