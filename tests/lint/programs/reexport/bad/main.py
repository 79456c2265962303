"""Through two packages, by another name, and by a star."""
import pkg.net
from pkg import Client, open_session, opened


def a(url):
    with Client() as client:  # expect: CP001 likely
        return client.get(url)


def b(url):
    with open_session() as session:  # expect: CP001 likely
        return session.get(url)


def c(url):
    with opened() as session:  # expect: CP001 likely
        return session.get(url)


def d(url):
    with pkg.net.core.open_session() as session:  # expect: CP001 likely
        return session.get(url)
