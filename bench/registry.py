"""The strategies, found by their files: ``bench/strategies/per_call_async.py`` holds ``per-call-async``.

A strategy is a generator function that takes the :class:`~connprof_server.Target`, prepares what it needs, yields
*how to send* one call, and cleans up. Written with ``async def`` it runs on an event loop; the two kinds are siblings
and nothing inside a strategy asks which it is.

Standard library only: workers import this under other interpreters.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

import bench.strategies

if TYPE_CHECKING:
    from bench.workloads import Call
    from connprof_server.target import Target

__all__ = [
    "Answer",
    "AsyncStrategy",
    "InParallel",
    "Strategy",
    "StrategyError",
    "SyncStrategy",
    "load",
    "names",
    "strategy",
]

_WITHOUT_DOCSTRINGS = 2  # python -OO
_ROOT = Path(__file__).resolve().parent.parent


class Answer(Protocol):
    """What a strategy returns for a call: the part of :class:`httpx.Response` that is checked."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""

    @property
    def content(self) -> bytes:
        """The whole body."""


Send: TypeAlias = Callable[["Call"], Answer]
AsyncSend: TypeAlias = Callable[["Call"], Awaitable[Answer]]

Contexts: TypeAlias = Literal["calls", "origins", "one", "batches", "tasks", "threads", "loops", "processes"] | int
Handshakes: TypeAlias = Literal["calls", "origins", "tasks", "threads", "loops"] | int
Scope: TypeAlias = Literal["call", "batch", "process"]
World: TypeAlias = Literal["script", "threads", "loops", "asgi", "celery", "processes"]


@dataclass(frozen=True, slots=True)
class InParallel:
    """What a strategy yields that makes calls beside each other itself: how to send one, and how to send several."""

    send: AsyncSend
    send_all: Callable[[Sequence[Call]], Awaitable[Sequence[Answer]]]

    def __call__(self, call: Call) -> Awaitable[Answer]:
        """Send one call, as with any other strategy."""
        return self.send(call)


class StrategyError(Exception):
    """A strategy's file is missing, or is not what the suite can run; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class _Strategy:
    """What both kinds have in common.

    Attributes:
        name: its name, the same as its file's, with dashes.
        title: the first line of its docstring.
        source: its file, relative to the project.
        fixes: the strategy that it mends, if any.
        contexts: how many SSL contexts it claims to create; see :func:`strategy`.
        handshakes: how many full handshakes it claims to make.
        scope: how long its clients live: for one ``call``, for a ``batch`` (as a block around it, in one event loop),
            or for the ``process`` (made once, used from wherever). Hazard probes use it as its users would.
        world: where its calls are made: in a ``script``, in several ``threads``, in several event ``loops``, in an
            ``asgi`` application, in ``celery`` workers, or in child ``processes``.
        signatures: hazard id -> the outcome that it is expected to have, as :attr:`SafetyCell.signature` says it.
        fails: the exception that ends its sessions, for a known-bad one that cannot do two calls.
    """

    name: str
    title: str
    source: str
    fixes: str | None
    contexts: Contexts
    handshakes: Handshakes
    scope: Scope
    world: World
    signatures: Mapping[str, str]
    fails: str


@dataclass(frozen=True, slots=True)
class SyncStrategy(_Strategy):
    """A strategy of plain functions."""

    enter: Callable[[Target], AbstractContextManager[Send]]


@dataclass(frozen=True, slots=True)
class AsyncStrategy(_Strategy):
    """A strategy that runs on an event loop."""

    enter: Callable[[Target], AbstractAsyncContextManager[AsyncSend]]


Strategy: TypeAlias = SyncStrategy | AsyncStrategy

_F = TypeVar("_F", bound=Callable[..., Any])
_registry: dict[str, Strategy] = {}


def strategy(
    name: str,
    *,
    contexts: Contexts,
    handshakes: Handshakes,
    fixes: str | None = None,
    scope: Scope = "batch",
    world: World = "script",
    signatures: Mapping[str, str] = MappingProxyType({}),
    fails: str = "",
) -> Callable[[_F], _F]:
    """Register the decorated generator function as the strategy ``name``.

    Args:
        name: the file's name with dashes for underscores.
        contexts: the SSL contexts it creates: one for each of the ``calls``, of the ``origins``, or of the ``batches``
            of calls that are handed over together; one for each of the ``tasks``, ``threads`` or event ``loops`` that
            send calls, or of the child ``processes``; ``one`` in all; or a number. Every run checks this claim, and a
            case that breaks it is invalid.
        handshakes: its full TLS handshakes: one for each of the ``calls``; what one pool needs for its ``origins``,
            which is one for each of them where calls follow each other; the same for each of the ``tasks``,
            ``threads`` or ``loops``; or a number.
        fixes: the strategy that this one mends, if any.
        scope: how long its clients live; see :class:`SyncStrategy`.
        world: where its calls are made.
        signatures: what it is expected to do under each hazard that does not spare it.
        fails: the exception that ends any session of more than one call, for a strategy that is known to be bad.

    Raises:
        StrategyError: when the name is not the file's, so that two files cannot be swapped unseen.
    """

    def register(function: _F) -> _F:
        file = Path(inspect.getfile(function)).resolve()
        if file.stem != name.replace("-", "_"):
            raise StrategyError(f"{file.name} registers the strategy {name!r}; its name must be that of its file.")
        title = (inspect.getdoc(function) or "").partition("\n")[0].rstrip(".")
        if not title and sys.flags.optimize >= _WITHOUT_DOCSTRINGS:
            title = name
        if not title:
            raise StrategyError(f"{file.name}: the strategy needs a docstring; its first line is shown in reports.")
        source = file.relative_to(_ROOT).as_posix() if file.is_relative_to(_ROOT) else file.name
        given = MappingProxyType(dict(signatures))
        common = (name, title, source, fixes, contexts, handshakes, scope, world, given, fails)
        if inspect.isasyncgenfunction(function):
            entered: Callable[[Target], AsyncIterator[AsyncSend]] = function
            _registry[name] = AsyncStrategy(*common, asynccontextmanager(entered))
        elif inspect.isgeneratorfunction(function):
            plain: Callable[[Target], Iterator[Send]] = function
            _registry[name] = SyncStrategy(*common, contextmanager(plain))
        else:
            raise StrategyError(f"{file.name}: a strategy must be a generator function that yields how to send.")
        return function

    return register


def names() -> list[str]:
    """The names of all strategies that have a file, sorted; nothing is imported for it."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(bench.strategies.__path__))


def load(name: str) -> Strategy:
    """The strategy ``name``; imports its file and no other.

    Raises:
        StrategyError: there is no such file, it cannot be imported, or it registers nothing.
    """
    if name not in names():
        raise StrategyError(f"there is no strategy {name!r}; there are: {', '.join(names())}.")
    try:
        importlib.import_module(f"bench.strategies.{name.replace('-', '_')}")
    except StrategyError:
        raise
    except ModuleNotFoundError as error:
        package = (error.name or "?").partition(".")[0]
        raise StrategyError(
            f"the strategy {name!r} needs {package}, which is not installed here: nox -s matrix installs all that "
            "strategies need, and so does pip install '.[matrix]'."
        ) from error
    except (Exception, SystemExit) as error:
        raise StrategyError(f"the strategy {name!r} cannot be imported: {type(error).__name__}: {error}.") from error
    if name not in _registry:
        raise StrategyError(f"the file of the strategy {name!r} registers none of that name.")
    return _registry[name]
