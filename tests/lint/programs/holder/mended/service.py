import httpx


class Api:
    def __init__(self, base, client=None):
        self.client = client or httpx.Client(base_url=base)

    def get(self, path):
        return self.client.get(path)


class Users(Api):
    def __init__(self):
        self.client = None
