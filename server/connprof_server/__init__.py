"""The local TLS server: a process of its own, with a ledger of what it saw.

This is the parent's side. It needs the standard library alone; what the server itself is made of
(uvicorn, starlette, httptools, trustme, certifi) is imported in the child process only.

    from connprof_server import serve

    with serve(origins=("search", "files")) as server:
        before = server.ledger()
        ...                                     # a client, with SSL_CERT_FILE=server.target.bundle
        seen = server.settled_ledger().minus(before)
        print(seen.total.handshakes_full_count)

PYTEST_DONT_REWRITE: a program that imports this before pytest would be warned, and there is nothing to rewrite.
"""

from connprof_server.errors import ServerError
from connprof_server.ledger import LedgerSnapshot, OriginLedger
from connprof_server.process import RunningServer, serve
from connprof_server.target import Target, json_size_bytes

__all__ = [
    "LedgerSnapshot",
    "OriginLedger",
    "RunningServer",
    "ServerError",
    "Target",
    "json_size_bytes",
    "serve",
]
