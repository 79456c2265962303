"""Made for each call, and kept by the first."""
import ssl

import httpx

clients = {}
contexts = {}


def client_for(tenant):
    return clients.setdefault(tenant, httpx.Client())  # expect: CP001 likely


def all_of(tenants):
    for tenant in tenants:
        clients.setdefault(tenant, httpx.AsyncClient())  # expect: CP004 likely
        contexts.setdefault(tenant, ssl.create_default_context())  # expect: CP003 likely
