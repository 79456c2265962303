"""The oracle: what ``connprof run`` counts, held against what the server saw, library by library.

``nox -s oracle`` runs one program (:mod:`bench.oracle.program`) in an environment of each client library under
``connprof run``, in every way in which people open connections, and compares each count: handshakes, connections and
requests with the server's ledger, contexts with the interpreter's own events.

This package's ``__init__`` and the program itself need the standard library alone.
"""
