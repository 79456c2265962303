"""``python -m connprof_server``: the server for a person with curl and a question."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING

from connprof_server.errors import ServerError
from connprof_server.process import HOSTS, HTTP_VERSIONS, serve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import NoReturn

    from connprof_server.ledger import LedgerSnapshot
    from connprof_server.process import RunningServer
    from connprof_server.target import Target

_REFRESH_S = 1.0
_FAILED = 1
_WRONG = 2

_EPILOG = """\
what it answers:
  /api/ANYTHING            JSON of 1 to 16 KiB, always the same for the same path
  /bytes/N                 N bytes                   /delay/MS       after so many milliseconds
  /stream/CHUNKS/BYTES     CHUNKS chunks of BYTES    /redirect/N     N redirects, then JSON
  /cookies/set?NAME=VALUE  sets, /cookies echoes     /status/CODE    that status
  /executions/KEY          POST counts, GET reads    /close          closes the connection after it
  /gate/N/NAME             JSON once N such requests wait, or after 2 s

examples:
  python -m connprof_server
  python -m connprof_server --origins search,files --rtt 20ms
  SSL_CERT_FILE=BUNDLE python app.py       # the bundle's path is printed at the start
  REQUESTS_CA_BUNDLE=BUNDLE python app.py  # for what uses requests

The certificate authority is made at each start and its files are gone at the end.
Ctrl-C or SIGTERM ends the server; the last counts are printed and the exit status is 0.
Exit status 1: the server could not start, or stopped by itself. 2: the command line is wrong, or
standard output cannot be written.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the server until it is told to end; returns the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    names = tuple(arguments.origins.split(","))
    if sys.stdout is None:  # the shell's >&-
        return _complain("standard output cannot be written: it is closed", _WRONG)
    ports = tuple(range(arguments.port, arguments.port + len(names))) if arguments.port else ()
    # Like Ctrl-C, so that the block below is left in order.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    counters = _Counters(as_json=arguments.json)
    try:
        with serve(
            names,
            rtt_ms=arguments.rtt,
            http_version=arguments.http,
            host=arguments.host,
            ports=ports,
            keep_alive_s=arguments.keep_alive / 1_000,
        ) as server:
            _run(server, counters, as_json=arguments.json)
    except KeyboardInterrupt:
        pass
    except ValueError as error:
        parser.error(str(error))
    except ServerError as error:
        return _complain(str(error), _FAILED)
    except _OutputError as error:
        return _complain(str(error), _WRONG)
    with contextlib.suppress(KeyboardInterrupt):  # nobody reads the summary
        try:
            counters.summarize()
        except _OutputError as error:
            return _complain(str(error), _WRONG)
    return 0


def _complain(sentence: str, status: int) -> int:
    with contextlib.suppress(OSError):  # the exit status still tells
        print(f"connprof_server: {sentence}", file=sys.stderr)  # noqa: T201 - this is a command
    return status


class _OutputError(Exception):
    """Standard output cannot be written; the message is one sentence."""


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence, without the usage in front."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit status 2."""
        self.exit(2, f"connprof_server: {message} (--help says more)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m connprof_server",
        description="A local TLS server that counts what its clients cost it: TCP connections, TLS handshakes "
        "full and resumed, requests on each connection.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--origins",
        default="main",
        metavar="NAMES",
        help="names of the origins, with commas between; each has a port",
    )
    parser.add_argument(
        "--rtt",
        type=_milliseconds,
        default=0.0,
        metavar="TIME",
        help="round trip to model, e.g. 20ms (default: none)",
    )
    parser.add_argument(
        "--http",
        choices=HTTP_VERSIONS,
        default="1.1",
        help="highest version of HTTP that is offered (default: 1.1)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=0,
        help="port of the first origin, the next ones follow (default: any free)",
    )
    parser.add_argument("--host", choices=HOSTS, default="localhost", help="host in the URLs (default: localhost)")
    parser.add_argument(
        "--keep-alive",
        type=_milliseconds,
        default=5_000.0,
        metavar="TIME",
        help="idle time after which a connection is closed, e.g. 5s (default: 5s)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON lines: the target, then the counts as they change"
    )
    return parser


def _milliseconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text.strip())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write e.g. 20ms or 1.5s")
    return float(match[1]) * (1_000 if match[2] == "s" else 1)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; write a number from 1 to 65535")
    return int(text)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    # A second one must not break off the cleaning up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _introduce(target: Target, *, as_json: bool) -> None:
    if as_json:
        _say(json.dumps({"target": target.to_dict()}))
        return
    for name, url in target.origins.items():
        _say(f"{name}: {url}")
    _say(f"bundle: {target.bundle} ({target.bundle_certificates_count} certificates, ours is the last)")
    if target.http_version != "1.1":
        _say(f"HTTP: 1.1 and {target.http_version}, as the client chooses by ALPN")
    if target.rtt_ms:
        _say(f"round trip: {target.rtt_ms:g} ms, modelled by a proxy")
    _say(f"try: curl --cacert {target.bundle} {target.url('/api/hello')}")
    _say("Ctrl-C ends it.")


def _run(server: RunningServer, counters: _Counters, *, as_json: bool) -> None:
    """Shows the counts until it is interrupted, and then once more."""
    try:
        _introduce(server.target, as_json=as_json)
        while True:
            counters.show(server.ledger())
            time.sleep(_REFRESH_S)
    except KeyboardInterrupt:
        counters.show(server.ledger())


class _Counters:
    """Prints the counts when they changed: in place on a terminal, one line after another elsewhere."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._in_place = sys.stdout.isatty() and not as_json
        self._last: LedgerSnapshot | None = None

    def show(self, taken: LedgerSnapshot) -> None:
        """Prints ``taken``, if it differs from the last one."""
        if taken == self._last:
            return
        self._last = taken
        if self._as_json:
            _say(json.dumps(taken.to_dict()))
        elif self._in_place:
            _say("\r\x1b[K" + _line(taken), end="")
        else:
            _say(_line(taken))

    def summarize(self) -> None:
        """Prints the last counts, one line for each origin."""
        if self._last is None or self._as_json:
            return
        if self._in_place:
            _say("")
        for name, ledger in self._last.origins.items():
            per_connection = ledger.requests_count / max(1, ledger.connections_opened_count)
            _say(
                f"{name}: {ledger.requests_count} requests on {ledger.connections_opened_count} connections "
                f"({per_connection:.1f} each), handshakes {ledger.handshakes_full_count} full, "
                f"{ledger.handshakes_resumed_count} resumed, {ledger.handshakes_failed_count} failed"
            )
        for sentence in self._last.disagreements:
            _say(f"disagreement: {sentence}")


def _line(taken: LedgerSnapshot) -> str:
    total = taken.total
    return (
        f"TCP {total.tcp_accepts_count}, handshakes {total.handshakes_full_count} full "
        f"{total.handshakes_resumed_count} resumed {total.handshakes_failed_count} failed, "
        f"open {total.connections_open_count}, requests {total.requests_count}"
    )


def _say(text: str, end: str = "\n") -> None:
    try:
        print(text, end=end, flush=True)  # noqa: T201 - this is a command
    except BrokenPipeError:
        # Whoever read this has seen enough, e.g. `head`.
        _drop_stdout()
        raise KeyboardInterrupt from None
    except OSError as error:
        _drop_stdout()
        raise _OutputError(f"standard output cannot be written: {error.strerror or error}") from None


def _drop_stdout() -> None:
    """Let what is left in its buffer go nowhere: Python would complain again when it closes stdout."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
