from __future__ import annotations

from typing import TYPE_CHECKING

from bench.helpers import BY_ORIGIN
from bench.registry import strategy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from bench.registry import AsyncSend
    from bench.workloads import Call
    from connprof_server import Target


@strategy("client-per-helper", contexts="origins", handshakes="origins", fixes="per-call-async", scope="process")
async def client_per_helper(target: Target) -> AsyncIterator[AsyncSend]:
    """One module-level AsyncClient per helper module (the fix)."""
    for origin, module in BY_ORIGIN.items():
        vars(module)["BASE_URL"] = target.origins[origin]

    async def send(call: Call) -> httpx.Response:
        operation = getattr(BY_ORIGIN[call.origin], call.operation)
        response: httpx.Response = await operation(*call.arguments)
        return response

    yield send
    for module in BY_ORIGIN.values():
        await module.close()
