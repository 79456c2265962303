"""A context for each call of urlopen, on its line: no call's own, and lost all the same.

contexts: 6
handshakes: 6
"""

import json
import os
import ssl
import urllib.request

API = os.environ["API_URL"]


def load(page):
    url = f"{API}/api/pages/{page}"
    with urllib.request.urlopen(url, context=ssl.create_default_context()) as answer:  # finding: CP002, CP003
        return json.load(answer)["page"]


print([load(page) for page in range(6)])
