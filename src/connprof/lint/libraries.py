"""What makes a client, a context or a request of its own, as tables: another library is a few lines in them.

What each costs was measured; METHODOLOGY.md and ``nox -s matrix`` say how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["ASYNC_RUNNERS", "KNOWN_TOPS", "MADE_BY", "Kind", "Maker", "extra_clients"]

Kind = Literal["client", "part", "shortcut", "context"]
"""A client or session; a part of one (a transport, a connector); a function that makes one for a single request; an
SSL context."""


@dataclass(frozen=True, slots=True)
class Maker:
    """A callable of a library, and what calling it makes."""

    label: str
    """As people write it."""
    kind: Kind
    costs: str
    """What each object, or each call of a shortcut, costs when it is used once."""
    is_async: bool = False
    must_close: bool = False
    """Dropping it unclosed warns or leaks."""
    own_context: bool = False
    """Each one builds an SSL context that could have been passed in."""
    context_arguments: tuple[str, ...] = ()
    """Keywords that may bring a context."""
    given: tuple[str, ...] = ()
    """Keywords that bring the whole pool of connections: what is made is then a thin shell."""
    plain_http_is_free: bool = False
    """Nothing of TLS is done for a URL that begins with http://."""


_BOTH = "an SSL context and a TLS handshake"
_HANDSHAKE = "a TLS handshake"


def _httpx(name: str) -> dict[str, Maker]:
    made = {}
    for client in ("Client", "AsyncClient"):
        made[f"{name}.{client}"] = Maker(
            f"{name}.{client}", "client", _BOTH, client == "AsyncClient", True, True,
            ("verify", "transport"), ("transport", "app"),
        )  # fmt: skip
    for part in ("HTTPTransport", "AsyncHTTPTransport"):
        made[f"{name}.{part}"] = Maker(
            f"{name}.{part}", "part", _BOTH, part.startswith("Async"), False, True, ("verify",)
        )
    for verb in ("get", "post", "put", "patch", "delete", "head", "options", "request", "stream"):
        made[f"{name}.{verb}"] = Maker(f"{name}.{verb}", "shortcut", _BOTH, context_arguments=("verify",))
    made[f"{name}.create_ssl_context"] = Maker(f"{name}.create_ssl_context", "context", "a CA load")
    return made


def _requests(name: str, costs: str = _BOTH) -> dict[str, Maker]:
    """Requests builds a context for each connection; niquests keeps them."""
    made = {}
    for session in ("Session", "session", "sessions.Session"):
        made[f"{name}.{session}"] = Maker(f"{name}.Session", "client", costs)
    for verb in ("get", "post", "put", "patch", "delete", "head", "options", "request"):
        made[f"{name}.{verb}"] = Maker(f"{name}.{verb}", "shortcut", costs, plain_http_is_free=True)
        made[f"{name}.api.{verb}"] = made[f"{name}.{verb}"]
    return made


def _niquests() -> dict[str, Maker]:
    made = _requests("niquests", _HANDSHAKE)
    for session in ("AsyncSession", "async_session.AsyncSession"):
        made[f"niquests.{session}"] = Maker("niquests.AsyncSession", "client", _HANDSHAKE, True, True)
    for verb in ("aget", "apost", "aput", "apatch", "adelete", "ahead", "aoptions", "arequest"):
        made[f"niquests.{verb}"] = Maker(f"niquests.{verb}", "shortcut", _HANDSHAKE, True, plain_http_is_free=True)
    return made


def _aiohttp() -> dict[str, Maker]:
    session = Maker("aiohttp.ClientSession", "client", _HANDSHAKE, True, True, given=("connector",))
    connector = Maker("aiohttp.TCPConnector", "part", _HANDSHAKE, True)
    return {
        "aiohttp.ClientSession": session,
        "aiohttp.client.ClientSession": session,
        "aiohttp.TCPConnector": connector,
        "aiohttp.connector.TCPConnector": connector,
        "aiohttp.request": Maker("aiohttp.request", "shortcut", _HANDSHAKE, True, given=("connector",)),
    }


def _urllib3() -> dict[str, Maker]:
    made = {}
    for name in ("PoolManager", "ProxyManager", "HTTPSConnectionPool", "connection_from_url"):
        maker = Maker(f"urllib3.{name}", "client", _BOTH, own_context=True, context_arguments=("ssl_context",))
        for path in ("", "poolmanager.", "connectionpool."):
            made[f"urllib3.{path}{name}"] = maker
    # urllib3.request is no shortcut of this kind: it uses one pool of the module's.
    context = Maker("urllib3.util.create_urllib3_context", "context", "an SSL context")
    for path in ("util", "util.ssl_"):
        made[f"urllib3.{path}.create_urllib3_context"] = context
    return made


def _standard() -> dict[str, Maker]:
    connection = Maker(
        "http.client.HTTPSConnection", "client", _BOTH, own_context=True, context_arguments=("context",)
    )  # fmt: skip
    opener = Maker(
        "urllib.request.urlopen", "shortcut", _BOTH, context_arguments=("context",), plain_http_is_free=True
    )  # fmt: skip
    return {
        "http.client.HTTPSConnection": connection,
        "urllib.request.urlopen": opener,
        "urllib.request.urlretrieve": Maker(
            "urllib.request.urlretrieve", "shortcut", _BOTH, plain_http_is_free=True
        ),
        "ssl.create_default_context": Maker("ssl.create_default_context", "context", "a CA load"),
        "ssl.SSLContext": Maker("ssl.SSLContext", "context", "an SSL context"),
        "truststore.SSLContext": Maker("truststore.SSLContext", "context", "an SSL context"),
    }  # fmt: skip


def _botocore() -> dict[str, Maker]:
    made = {}
    costs = "an SSL context, a TLS handshake and the reading of the service's model"
    for session in ("boto3", "boto3.Session()", "boto3.session.Session()"):
        for name in ("client", "resource"):
            made[f"{session}.{name}"] = Maker(f"boto3.{name}", "client", costs)
    for session in ("botocore.session.get_session()", "botocore.session.Session()"):
        made[f"{session}.create_client"] = Maker("botocore client", "client", costs)
    for session in (
        "aioboto3.Session()", "aioboto3.session.Session()",
        "aiobotocore.session.get_session()", "aiobotocore.session.AioSession()",
    ):  # fmt: skip
        for name in ("client", "resource", "create_client"):
            made[f"{session}.{name}"] = Maker(f"{session.partition('.')[0]} client", "client", costs, True)
    return made


def _sdks() -> dict[str, Maker]:
    made = {}
    for name in (
        "openai.OpenAI", "openai.AsyncOpenAI", "openai.AzureOpenAI", "openai.AsyncAzureOpenAI",
        "anthropic.Anthropic", "anthropic.AsyncAnthropic",
    ):  # fmt: skip
        made[name] = Maker(name, "client", _BOTH, ".Async" in name, given=("http_client",))
    return made


MADE_BY: Final[dict[str, Maker]] = {
    **_httpx("httpx"), **_httpx("httpx2"), **_requests("requests"), **_niquests(), **_aiohttp(), **_urllib3(),
    **_standard(), **_botocore(), **_sdks(),
}  # fmt: skip
"""By full name; ``()`` in a name is an object made by calling what stands before it."""

KNOWN_TOPS: Final = frozenset(name.partition(".")[0] for name in MADE_BY)
"""Top-level packages whose names are the library's, even where a folder in the project has the same one."""

ASYNC_RUNNERS: Final = frozenset({"asyncio.run", "anyio.run", "uvloop.run", "trio.run", "asyncio.runners.run"})
"""Functions that run a coroutine on an event loop of its own."""


def extra_clients(names: tuple[str, ...]) -> dict[str, Maker]:
    """Makers for the client classes that a project's settings name."""
    return {
        name: Maker(name, "client", "a new pool of connections", given=("http_client", "transport")) for name in names
    }
