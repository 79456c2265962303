"""One truststore context, and a handshake with each of eight hosts: on Linux each reads the CA bundle again.

contexts: 2
handshakes: 8
"""

import os
import ssl

import httpx
import truststore

context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # finding: CP014

with httpx.Client(verify=context) as client:
    for url in os.environ["API_URLS"].split():
        print(client.get(f"{url}/api/status").status_code)
