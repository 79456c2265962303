import asyncio

import httpx


def main(urls):
    with httpx.Client() as client:
        for url in urls:
            client.get(url)


async def gathered(urls):
    async def fetch(url):
        return await client.get(url)

    async with httpx.AsyncClient() as client:
        await asyncio.gather(*[fetch(url) for url in urls])


def mapped(pool, urls):
    return list(pool.map(client.get, urls))


with httpx.Client() as client:
    main([])
    for number in range(3):
        client.get(f"https://api.example/{number}")
    asyncio.run(gathered([]))

for response in httpx.Client().get("https://api.example").json():
    print(response)
