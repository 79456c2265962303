"""A probe that looks at certificates over bare sockets, with one context.

contexts: 1
handshakes: 10
"""

import os
import socket
import ssl
from urllib.parse import urlsplit

API = urlsplit(os.environ["API_URL"])
CONTEXT = ssl.create_default_context()


def expires(host, port):
    with socket.create_connection((host, port), timeout=10) as plain:
        with CONTEXT.wrap_socket(plain, server_hostname=host) as tls:
            return tls.getpeercert()["notAfter"]


print(len({expires(API.hostname, API.port) for _ in range(10)}), "date")
