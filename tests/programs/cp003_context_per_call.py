"""A probe that looks at certificates over bare sockets, with a context for each look.

contexts: 10
handshakes: 10
"""

import os
import socket
import ssl
from urllib.parse import urlsplit

API = urlsplit(os.environ["API_URL"])


def expires(host, port):
    context = ssl.create_default_context()  # finding: CP003
    with socket.create_connection((host, port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=host) as tls:
            return tls.getpeercert()["notAfter"]


print(len({expires(API.hostname, API.port) for _ in range(10)}), "date")
