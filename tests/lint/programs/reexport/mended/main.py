import pkg
from pkg import session


def a(url):
    return session.get(url)


def b(url):
    return pkg.session.get(url)
