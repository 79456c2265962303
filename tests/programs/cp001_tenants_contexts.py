"""A connection per call over the kept context of one of three tenants: the contexts are none too many.

contexts: 3
handshakes: 12
"""

import http.client
import os
import ssl
from urllib.parse import urlsplit

HOST = urlsplit(os.environ["API_URL"]).netloc


def ask(context):
    connection = http.client.HTTPSConnection(HOST, timeout=10, context=context)  # finding: CP001
    connection.request("GET", "/api/x")
    status = connection.getresponse().status
    connection.close()
    return status


def main():
    contexts = [ssl.create_default_context() for _ in "abc"]
    print([ask(context) for _ in range(4) for context in contexts])


main()
