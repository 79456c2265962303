import httpx


def make_client(token):
    headers = {"Authorization": token}
    client = httpx.AsyncClient(headers=headers)
    client.headers["x"] = "y"
    return client
