"""Requests that never reach a socket: which of them were made, and what answered them.

A table, as in :mod:`connprof.observe.libraries`: another mock is another line in it. What a line names, and the
installed version does not have, is left alone.
"""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from connprof.observe.imports import ImportHooks
from connprof.observe.patches import Patches

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["MockCalls"]

__tracebackhide__ = True  # pytest leaves the replacements' frames out

_MOCKS: Final = (
    ("httpx", "MockTransport.handle_request", "httpx.MockTransport"),
    ("httpx", "MockTransport.handle_async_request", "httpx.MockTransport"),
    ("httpx", "ASGITransport.handle_async_request", "httpx.ASGITransport"),
    ("httpx", "WSGITransport.handle_request", "httpx.WSGITransport"),
    ("httpx2", "MockTransport.handle_request", "httpx2.MockTransport"),
    ("httpx2", "MockTransport.handle_async_request", "httpx2.MockTransport"),
    ("httpx2", "ASGITransport.handle_async_request", "httpx2.ASGITransport"),
    ("httpx2", "WSGITransport.handle_request", "httpx2.WSGITransport"),
    ("starlette.testclient", "_TestClientTransport.handle_request", "Starlette's TestClient"),
    ("respx.router", "Router.handler", "respx"),
    ("respx.router", "Router.async_handler", "respx"),
    ("pytest_httpx._httpx_mock", "HTTPXMock._handle_request", "pytest-httpx"),
    ("pytest_httpx._httpx_mock", "HTTPXMock._handle_async_request", "pytest-httpx"),
    ("responses", "RequestsMock._on_request", "responses"),
    ("requests_mock.adapter", "Adapter.send", "requests-mock"),
    ("aioresponses.core", "aioresponses._request_mock", "aioresponses"),
    ("vcr.cassette", "Cassette.play_response", "a VCR.py cassette"),
    ("pook.engine", "Engine.match", "pook"),
)
"""Module, method that answers one request, and what to call it."""

_ENTRIES: Final = (
    ("httpx", "Client.send"),
    ("httpx", "AsyncClient.send"),
    ("httpx2", "Client.send"),
    ("httpx2", "AsyncClient.send"),
    ("requests.sessions", "Session.send"),
    ("niquests.sessions", "Session.send"),
    ("aiohttp.client", "ClientSession._request"),
)
"""Where a request begins, for mocks that no line above knows."""

_REAL_TRANSPORTS: Final = {"HTTPTransport", "AsyncHTTPTransport"}


class MockCalls:
    """Counts requests that were begun and those that a mock answered, while it is installed."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._hooks = ImportHooks(
            sorted({module for module, *_ in (*_MOCKS, *_ENTRIES)}), self._module_arrived, lambda _place, _error: None
        )
        self._answered: Counter[str] = Counter()
        self._begun: Counter[str] = Counter()

    def install(self) -> None:
        """Count from here on."""
        self._hooks.install()

    def uninstall(self) -> None:
        """Put everything back."""
        self._hooks.uninstall()
        self._patches.restore()

    def reset(self) -> None:
        """Count from zero."""
        self._answered.clear()
        self._begun.clear()

    def story(self) -> str | None:
        """How requests were made, as the end of "... because"; ``None`` where none was seen."""
        if self._answered:
            count = self._answered.total()
            by = " and ".join(name for name, _ in self._answered.most_common())
            return f"{_requests(count)} answered by {by}"
        if self._begun:
            count = self._begun.total()
            through = " and ".join(name for name, _ in self._begun.most_common())
            return f"{_requests(count)} made through {through} and reached no network"
        return None

    def _module_arrived(self, module: ModuleType, _late: bool) -> None:
        for name, path, label in _MOCKS:
            if name == module.__name__:
                self._follow(module, path, _counting(self._answered, label))
        for name, path in _ENTRIES:
            if name == module.__name__:
                self._follow(module, path, _counting(self._begun, None))

    def _follow(self, module: ModuleType, path: str, hook: Callable[[Any], Any]) -> None:
        class_name, method = path.split(".")
        try:
            self._patches.replace(vars(module)[class_name], method, hook)
        except (AttributeError, KeyError, TypeError):
            return


def _requests(count: int) -> str:
    return "its one request was" if count == 1 else f"all {count} requests were"


def _transport_of(client: Any) -> str:
    """The transport of a client if it is somebody's own, else the client's class."""
    transport = getattr(client, "_transport", None)
    kind = type(client) if transport is None or type(transport).__name__ in _REAL_TRANSPORTS else type(transport)
    return f"{kind.__module__.partition('._')[0]}.{kind.__qualname__}"


def _counting(counter: Counter[str], label: str | None) -> Callable[[Any], Callable[..., Any]]:
    """A hook that counts a method's calls, under the name of the client's transport where no label is given."""

    def hook(original: Any) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def counted_async(self: Any, *args: Any, **kwargs: Any) -> Any:
                counter[label or _transport_of(self)] += 1
                return await original(self, *args, **kwargs)

            return counted_async

        @functools.wraps(original)
        def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
            counter[label or _transport_of(self)] += 1
            return original(self, *args, **kwargs)

        return counted

    return hook
