"""A library that makes its calls in tasks of its own: the user's line that asked the library, not the loop's.

handshakes: 4
unknown: 0
"""

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("site-packages")))

import acme

API = os.environ["API_URL"]


async def main():
    service = acme.Service(API)
    print(await service.fetch("/close"))  # pays: 1 handshakes
    background = service.begin("/close")  # pays: 1 handshakes
    print(await background)
    async with service.batch() as batch:
        batch.add("/close")  # pays: 1 handshakes
        batch.add("/close")  # pays: 1 handshakes
    print(batch.codes)


asyncio.run(main())
