"""urllib.request.urlopen, a connection for each call.

handshakes: 8
"""

import json
import os
import urllib.request

API = os.environ["API_URL"]


def load(page):
    with urllib.request.urlopen(f"{API}/api/pages/{page}", timeout=10) as answer:  # finding: CP002
        return json.load(answer)


print([load(page)["page"] for page in range(8)])
