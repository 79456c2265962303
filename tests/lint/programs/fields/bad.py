"""A dataclass that makes a client for each of its objects."""
from dataclasses import dataclass, field

import httpx


@dataclass
class Service:
    base: str
    client: httpx.Client = field(default_factory=httpx.Client)


def fetch(path):
    return Service("https://api.example").client.get(path)  # expect: CP001 likely
