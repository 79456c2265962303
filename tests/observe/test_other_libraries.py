"""The same counts for other client libraries, where they are installed."""

from __future__ import annotations

import asyncio
import ssl

import httpx
import pytest

from connprof.observe import observe

from .test_counts import eventually


def check(observation, server, *, requests, connections):
    counts = observation.counts
    eventually(lambda: server.full_count >= connections)
    assert (requests, connections, connections) == (
        counts.requests_count,
        counts.connections_count,
        counts.handshakes_full_count,
    )
    assert (requests, connections, connections) == (
        server.seen.requests_count,
        server.seen.connections_count,
        server.full_count,
    )
    assert observation.errors.errors_count == 0, observation.errors.first
    assert {server.origin} == set(observation.origins)
    functions = {entry.site.function.rpartition(".")[2] for entry in observation.sites}
    assert functions <= {"call", "main", "<lambda>"}, observation.sites


@pytest.mark.parametrize("name", ["httpx2", "requests", "niquests"])
def test_sync_sessions(server, ca_file, name):
    library = pytest.importorskip(name)

    def call():
        session = library.Client() if name == "httpx2" else library.Session()
        with session:
            if name != "httpx2":
                session.verify = str(ca_file)
            for _ in range(3):
                assert session.get(server.url).text == "ok"

    with observe() as observation:
        call()
        call()
    check(observation, server, requests=6, connections=2)


def test_urllib3(server, ca_file):
    urllib3 = pytest.importorskip("urllib3")

    def call():
        with urllib3.PoolManager(ca_certs=str(ca_file)) as pool:
            for _ in range(3):
                assert pool.request("GET", server.url).data == b"ok"

    with observe() as observation:
        call()
    check(observation, server, requests=3, connections=1)


def test_httpx2_async(server):
    httpx2 = pytest.importorskip("httpx2")

    async def main():
        async with httpx2.AsyncClient() as client:
            for _ in range(3):
                await client.get(server.url)

    with observe() as observation:
        asyncio.run(main())
    check(observation, server, requests=3, connections=1)


def test_aiohttp(server, ca_file):
    aiohttp = pytest.importorskip("aiohttp")

    async def main():
        context = ssl.create_default_context(cafile=str(ca_file))
        async with aiohttp.ClientSession() as session:
            for _ in range(3):
                async with session.get(server.url, ssl=context) as response:
                    assert await response.text() == "ok"

    with observe() as observation:
        asyncio.run(main())
    check(observation, server, requests=3, connections=1)


def test_trio(server):
    trio = pytest.importorskip("trio")

    async def call(client):
        await client.get(server.url)

    async def main():
        async with httpx.AsyncClient() as client:
            await call(client)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.get, server.url)
                nursery.start_soon(call, client)

    with observe() as observation:
        trio.run(main)
    check(observation, server, requests=3, connections=2)


def test_uvloop(server):
    uvloop = pytest.importorskip("uvloop")

    async def main():
        async with httpx.AsyncClient() as client:
            for _ in range(3):
                await client.get(server.url)

    with observe() as observation:
        uvloop.run(main())
    check(observation, server, requests=3, connections=1)


def test_uvloop_streams(server):
    uvloop = pytest.importorskip("uvloop")
    context = ssl.create_default_context()

    async def main():
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        writer.transport.abort()

    with observe() as observation:
        loop = uvloop.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    counts = observation.counts
    assert (counts.connections_count, counts.handshakes_full_count) == (1, 1)
    assert {"main"} == {entry.site.function.rpartition(".")[2] for entry in observation.sites}


def test_uvloop_refused(refused_port):
    uvloop = pytest.importorskip("uvloop")

    async def main():
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", refused_port)

    with observe() as observation:
        uvloop.run(main())
    counts = observation.counts
    assert (counts.connections_count, counts.connections_failed_count) == (0, 1)
    assert {f"127.0.0.1:{refused_port}"} == set(observation.origins)


def test_truststore_makes_two_contexts_for_one():
    truststore = pytest.importorskip("truststore")
    with observe() as observation:
        truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert observation.counts.contexts_count == 2
