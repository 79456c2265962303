"""The client is handed in, or made once for all batches."""
import asyncio

import httpx


def forecasts(client, urls):
    return [client.get(url).json() for url in urls]


async def gathered(client, urls):
    return await asyncio.gather(*(client.get(url) for url in urls))


def main():
    batches = [["https://api.example/1", "https://api.example/2"], ["https://api.example/3"]]
    with httpx.Client() as client:
        for urls in batches:
            forecasts(client, urls)
    asyncio.run(amain())


async def amain():
    async with httpx.AsyncClient() as client:
        await gathered(client, ["https://api.example/1"])


if __name__ == "__main__":
    main()
