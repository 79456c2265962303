import httpx

client = httpx.Client()


def fetch(url):
    return client.get(url)


def fetch_with(url, client):
    return client.get(url)


class Api:
    def __init__(self):
        self.client = httpx.Client()

    def fetch(self, path):
        return self.client.get(path)


api = Api()
