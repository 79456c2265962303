try:
    import httpx2 as httpx
except ImportError:
    import httpx

client = httpx.Client()


def fetch(url):
    return client.get(url)
