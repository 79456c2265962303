import httpx

client = httpx.AsyncClient()  # expect: CP006 certain
_lazy = None


def lazy():
    global _lazy
    if _lazy is None:
        _lazy = httpx.AsyncClient()  # expect: CP006 likely
    return _lazy
