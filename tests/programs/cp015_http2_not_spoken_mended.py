"""It is not asked for.

contexts: 1
handshakes: 4
"""

import asyncio
import os

import httpx


async def main():
    async with httpx.AsyncClient(base_url=os.environ["API_URL"]) as client:
        answers = await asyncio.gather(*(client.get("/gate/4/all") for _ in range(4)))
        print([(answer.status_code, answer.http_version) for answer in answers])


asyncio.run(main())
