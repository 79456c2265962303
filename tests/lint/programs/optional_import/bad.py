"""The fork where it is installed."""
try:
    import httpx2 as httpx
except ImportError:
    import httpx


def fetch(url):
    with httpx.Client() as client:  # expect: CP001 likely
        return client.get(url)
