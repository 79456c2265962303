"""A context for each job that might need one, and none does.

contexts: 7
handshakes: 1
"""

import os
import ssl

import httpx


class Sync:
    def __init__(self, name):
        self.name = name
        self.context = ssl.create_default_context()  # finding: CP009

    def run(self, client):
        return self.name, client.get(f"/api/sync/{self.name}").status_code


with httpx.Client(base_url=os.environ["API_URL"]) as client:
    for job in [Sync(name) for name in "abcdef"]:
        print(*job.run(client))
