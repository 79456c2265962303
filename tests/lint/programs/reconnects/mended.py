"""Loops of which a round ends by an error only: a client for each time that it connects again."""
import asyncio

import httpx


async def polls():
    while True:
        try:
            async with httpx.AsyncClient() as client:
                while True:
                    await client.get("https://api.example")
                    await asyncio.sleep(1)
        except httpx.HTTPError:
            await asyncio.sleep(5)


async def listens():
    while True:
        try:
            async with httpx.AsyncClient() as client:
                async with client.stream("GET", "https://api.example") as response:
                    async for line in response.aiter_lines():
                        print(line)
        except httpx.HTTPError:
            await asyncio.sleep(5)


async def main():
    await asyncio.gather(polls(), listens())


if __name__ == "__main__":
    asyncio.run(main())
