from dataclasses import dataclass, field

import httpx

shared = httpx.Client()


@dataclass
class Service:
    base: str
    client: httpx.Client = field(default_factory=lambda: shared)


def fetch(path):
    return Service("https://api.example").client.get(path)
