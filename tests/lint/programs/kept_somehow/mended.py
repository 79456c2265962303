"""All the ways of keeping one."""
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, cached_property

import httpx
import openai

local = threading.local()
current = ContextVar("current")
registry = {}
clients = []


def a():
    if not hasattr(local, "client"):
        local.client = httpx.Client()
    return local.client


def b(key):
    if key not in registry:
        registry[key] = httpx.Client()
    return registry[key]


def c(key):
    return registry[key] if key in registry else registry.setdefault(key, httpx.Client())


def d(key):
    client = registry.get(key)
    if client is None:
        client = httpx.Client()
        registry[key] = client
    return client.get("https://api.example")


def e():
    current.set(httpx.Client())


def f():
    clients.append(httpx.Client())


@cache
def g():
    return httpx.Client()


def of_sdk(values):
    values["chat"] = openai.OpenAI().chat.completions


class Keeper:
    _client = None
    _shared = httpx.Client()

    @cached_property
    def lazy(self):
        return httpx.Client()

    @property
    def client(self):
        if self._client is None:
            self._client = httpx.Client()
        return self._client

    @classmethod
    def shared(cls):
        cls._shared = cls._shared or httpx.Client()
        return cls._shared

    def opened(self):
        self.opened_client = client = httpx.Client()
        return client.get("https://api.example")

    async def connect(self):
        client = httpx.AsyncClient()
        await client.get("https://api.example")
        self._async = client


@dataclass
class Settings:
    client: httpx.Client = field(default_factory=httpx.Client)


settings = Settings()


def h():
    client = httpx.Client()

    def fetch(url):
        return client.get(url)

    return fetch


fetch = h()


def i(url):
    return fetch(url), g().get(url), a().get(url), b("x").get(url)
