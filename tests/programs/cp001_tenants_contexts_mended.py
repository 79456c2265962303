"""A connection for each of three tenants.

contexts: 3
handshakes: 3
"""

import http.client
import os
import ssl
from urllib.parse import urlsplit

HOST = urlsplit(os.environ["API_URL"]).netloc


def ask(connection):
    connection.request("GET", "/api/x")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def main():
    contexts = [ssl.create_default_context() for _ in "abc"]
    connections = [http.client.HTTPSConnection(HOST, timeout=10, context=context) for context in contexts]
    print([ask(connection) for _ in range(4) for connection in connections])
    for connection in connections:
        connection.close()


main()
