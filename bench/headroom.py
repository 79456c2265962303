"""How many requests per second the server sustains when many connections ask at once: is it the bottleneck?"""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
import time
from typing import Any
from urllib.parse import urlsplit

from bench.reason import reason
from bench.strategies.floor import read_answer
from bench.worker import die_with_parent
from connprof_server.target import Target

__all__ = ["main", "requests_per_s"]

_CONNECTIONS = 16


def requests_per_s(target: Target, seconds: float) -> float:
    """Requests answered per second over :data:`_CONNECTIONS` connections that each have one on the way."""
    url = urlsplit(next(iter(target.origins.values())))
    context = ssl.create_default_context()
    request = f"GET /api/1/datasets/dataset-1/ HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode()
    connections: list[ssl.SSLSocket] = []
    try:
        for _number in range(_CONNECTIONS):
            raw = socket.create_connection((url.hostname, url.port), timeout=10)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connections.append(context.wrap_socket(raw, server_hostname=url.hostname))
        answered, start_ns = 0, time.perf_counter_ns()
        while time.perf_counter_ns() - start_ns < seconds * 1e9:
            for connection in connections:
                connection.sendall(request)
            for connection in connections:
                read_answer(connection)
            answered += _CONNECTIONS
        return answered / ((time.perf_counter_ns() - start_ns) / 1e9)
    finally:
        for connection in connections:
            connection.close()


def main() -> None:
    """Worker: a job line in, an outcome line out."""
    job = json.loads(sys.stdin.readline())
    die_with_parent(sys.stdin)
    try:
        rate = requests_per_s(Target(**job["target"]), job["options"]["seconds"])
        line: dict[str, Any] = {"outcome": {"requests_per_s": rate}}
        code = 0
    except Exception as error:  # noqa: BLE001 - said to the parent, which says it to the user
        line, code = {"failed": reason(error)}, 1
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
