"""requests: two services, a task for each, and one session. Both set a cookie of the same name, and get their own back.

environment: others
handshakes: 2
"""

import asyncio
import os

import requests

API = os.environ["API_URL"]


async def call(session, service):
    for number in range(3):
        session.get(f"{service}/cookies/set?session=1")
        print(number, session.get(f"{service}/cookies").text)
        await asyncio.sleep(0.1)


async def main():
    with requests.Session() as session:
        async with asyncio.TaskGroup() as group:
            for service in (API, API.replace("localhost", "127.0.0.1")):
                group.create_task(call(session, service))
                await asyncio.sleep(0.05)


asyncio.run(main())
