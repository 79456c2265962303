import httpx
import service
from service import Api

shared = httpx.Client()
api = Api("https://api.example")


def a(path):
    return Api("https://api.example", client=shared).get(path)


def b(path):
    return service.Users().get(path)


def c(path, client):
    return Api("https://api.example", client).get(path)


def d(path):
    return api.get(path)
