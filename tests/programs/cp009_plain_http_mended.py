"""The same clients with one empty context, since nothing is to be verified: no CA bundle is read.

contexts: 1
handshakes: 0
"""

import contextlib
import os
import ssl

import httpx

INSIDE = os.environ["PLAIN_URL"]
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

with contextlib.ExitStack() as stack:
    services = {
        name: stack.enter_context(httpx.Client(base_url=f"{INSIDE}/{name}", verify=NO_TLS))
        for name in ("users", "stock", "mail", "search")
    }
    for turn in range(4):
        print(turn, [service.get("/health").text for service in services.values()])
