import aiohttp
import httpx


def main():
    client = httpx.Client()  # expect: CP007 likely
    print(client.get("https://api.example"))


async def amain():
    session = aiohttp.ClientSession()  # expect: CP007 likely
    await session.get("https://api.example")
