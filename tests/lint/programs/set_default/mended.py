import httpx
import requests

clients = {}
sessions = {}


def client_for(tenant):
    if tenant not in clients:
        clients.setdefault(tenant, httpx.Client())
    return clients[tenant]


def session_for(tenant):
    return sessions.setdefault(tenant, requests.Session())


def remembered(tenant):
    client = clients.get(tenant)
    if client is not None:
        return client
    return clients.setdefault(tenant, httpx.Client())
