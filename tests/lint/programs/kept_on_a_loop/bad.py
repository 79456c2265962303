"""What it is put on is made anew by the project's own function, whatever that is called."""

import asyncio

import httpx


class Holder: ...


def get_current_holder():
    return Holder()


async def session():
    for number in range(10):
        holder = get_current_holder()
        holder.client = httpx.AsyncClient()  # expect: CP004 certain
        await holder.client.get(f"https://api.example/{number}")
        await holder.client.aclose()


asyncio.run(session())
