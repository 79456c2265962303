"""requests.get in a comprehension, all responses kept: each holds the connection of a session that is closed.

environment: others
contexts: 12
handshakes: 12
"""

import os

import requests

API = os.environ["API_URL"]

responses = [requests.get(f"{API}/api/items/{number}", timeout=10) for number in range(12)]  # finding: CP002
print([response.status_code for response in responses])
