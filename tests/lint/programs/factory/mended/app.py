from clients import fresh_client, make_client, the_client

kept = fresh_client()


async def fetch(url, token):
    return await make_client(token).get(url)


async def fetch_again(url):
    await the_client().get(url)
    return await kept.get(url)


class Service:
    def __init__(self):
        self._client = fresh_client()


service = Service()
