"""Contexts that are kept, one for each tenant, and clients that are held together: dropped when all is done.

contexts: 3
handshakes: 3
"""

import os
import ssl

import httpx

API = os.environ["API_URL"]


def main():
    contexts = {tenant: ssl.create_default_context() for tenant in "abc"}
    clients = {tenant: httpx.Client(verify=context) for tenant, context in contexts.items()}
    print([client.get(f"{API}/api/{number}").status_code for number in range(5) for client in clients.values()])
    for client in clients.values():
        client.close()


main()
