"""Client libraries, one file each: a new client per call and a shared one, as people write them.

Each runs at pinned versions, in an environment that holds nothing else but memray. So a file here imports its library
inside its functions: the suite reads what the file says of itself without having the library installed. Workers
import the library before anything is measured, as a program does when it starts (:func:`load`).

Standard library only, as :mod:`bench.registry`.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from bench.registry import AsyncStrategy, Strategy, StrategyError, SyncStrategy

__all__ = [
    "PER_CALL",
    "SHARED",
    "Claim",
    "Library",
    "PlainAnswer",
    "find",
    "library",
    "library_names",
    "load",
    "split",
    "stand_in",
]

PER_CALL, SHARED = "per-call", "shared-client"
_PROJECT = Path(__file__).resolve().parents[2]

_F = TypeVar("_F", bound=Callable[..., Any])


class PlainAnswer(NamedTuple):
    """An answer of a library whose own is shaped otherwise."""

    status_code: int
    content: bytes


class Claim(NamedTuple):
    """What one version is declared to cost: contexts and full handshakes, as :func:`bench.registry.strategy` has it.

    ``factor`` multiplies the contexts, for a version that makes several for each client.
    """

    contexts: Any
    handshakes: Any
    factor: int = 1


@dataclass(slots=True)
class Library:
    """A client library.

    Attributes:
        name: its distribution, or its module where it is the standard library's.
        modules: what a program that uses it imports when it starts.
        versions: those that are measured, oldest first; empty where Python's own version decides.
        strategies: by name, as they are at the latest version.
        claims: strategy -> the first version of an era -> what that era is declared to cost, where it differs.
    """

    name: str
    modules: tuple[str, ...]
    versions: tuple[str, ...]
    strategies: dict[str, Strategy] = field(default_factory=dict)
    claims: dict[str, Mapping[str, Claim]] = field(default_factory=dict)

    def strategy(
        self, name: str, *, contexts: Any, handshakes: Any, eras: Mapping[str, Claim] = MappingProxyType({})
    ) -> Callable[[_F], _F]:
        """Register the decorated generator function; ``eras`` are what other versions are declared to cost.

        Raises:
            StrategyError: it is no generator function, or has no docstring.
        """

        def register(function: _F) -> _F:
            title = (inspect.getdoc(function) or name).partition("\n")[0].rstrip(".")
            source = Path(inspect.getfile(function)).resolve().relative_to(_PROJECT).as_posix()
            common: dict[str, Any] = {
                "name": name, "title": title, "source": source, "fixes": PER_CALL if name == SHARED else None,
                "contexts": contexts, "handshakes": handshakes, "scope": "call" if name == PER_CALL else "batch",
                "world": "script", "fails": "", "signatures": MappingProxyType({}),
            }  # fmt: skip
            if inspect.isasyncgenfunction(function):
                self.strategies[name] = AsyncStrategy(**common, enter=asynccontextmanager(function))
            elif inspect.isgeneratorfunction(function):
                self.strategies[name] = SyncStrategy(**common, enter=contextmanager(function))
            else:
                raise StrategyError(f"{source}: a strategy must be a generator function that yields how to send.")
            self.claims[name] = eras
            return function

        return register

    def cases(self) -> tuple[str, ...]:
        """What a case's ``client_library`` says for each version: ``requests==2.31.0``; the bare name without one."""
        return tuple(f"{self.name}=={version}" for version in self.versions) or (self.name,)

    def at(self, version: str, name: str, calls_count: int) -> Strategy:
        """The strategy ``name`` with what ``version`` is declared to cost."""
        found = self.strategies[name]
        claim = self.claims[name].get(version)
        if claim is None:
            return found
        contexts = claim.contexts if claim.factor == 1 else claim.factor * calls_count
        return replace(found, contexts=contexts, handshakes=claim.handshakes)


_registry: dict[str, Library] = {}


def library(name: str, *, modules: tuple[str, ...], versions: tuple[str, ...] = ()) -> Library:
    """Register a library; the file that calls this is named like it, with underscores for dots and dashes."""
    _registry[name] = Library(name, modules, versions)
    return _registry[name]


def library_names() -> list[str]:
    """The names of all libraries that have a file, in the order of the alphabet. Imports those files, no library."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return sorted(_registry)


def split(client_library: str) -> tuple[str, str]:
    """``requests==2.31.0`` -> the library's name and its version, which is empty where none is pinned."""
    name, _, version = client_library.partition("==")
    return name, version


def find(client_library: str) -> Library:
    """The library of a case; by its bare name, at whichever version.

    Raises:
        StrategyError: there is none of that name, or it is not measured at that version.
    """
    name, version = split(client_library)
    if name not in library_names():
        raise StrategyError(f"there is no client library {name!r}; there are: {', '.join(library_names())}.")
    found = _registry[name]
    if version and client_library not in found.cases():
        raise StrategyError(f"{name} is not measured at {version!r}: {', '.join(found.cases())}.")
    return found


def load(client_library: str, name: str) -> Strategy:
    """In a worker: import the library, and return one of its strategies.

    Whatever the library takes its CA certificates from by default is the trust bundle then: see
    :func:`trust_everywhere`.

    Raises:
        StrategyError: there is no such library or strategy.
    """
    found = find(client_library)
    if name not in found.strategies:
        raise StrategyError(f"{found.name} has no strategy {name!r}; it has: {', '.join(found.strategies)}.")
    trust_everywhere(os.environ["SSL_CERT_FILE"])
    for module in found.modules:
        importlib.import_module(module)
    return found.strategies[name]


def stand_in(client_library: str) -> None:
    """In a worker: let a library with httpx's interface take httpx's place, for strategies that are written for that.

    ``SSL_CERT_FILE`` stays in force. With ``httpx`` itself nothing is done.
    """
    name, _version = split(client_library)
    if name != "httpx":
        sys.modules["httpx"] = importlib.import_module(name)


def trust_everywhere(bundle: str) -> None:
    """Make ``bundle`` what libraries find by themselves: OpenSSL's default file, certifi's file, the system's.

    ``SSL_CERT_FILE`` would do for most of them, but it switches code paths: httpx2 leaves truststore alone where it is
    set. So the variable is hidden from Python and left to OpenSSL, which reads the process's own environment: to a
    library that looks like a machine on which the company's CA was added to each of these places, and where OpenSSL's
    default is a file, as it is on Fedora (Debian's is a hashed directory, which the axis of trust stores measures).
    """
    os.environ._data.pop(os.fsencode("SSL_CERT_FILE"), None)  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    nowhere = str(Path(bundle).with_name("nothing-here"))
    paths = ssl.get_default_verify_paths()._replace(
        cafile=bundle, capath=nowhere, openssl_cafile=bundle, openssl_capath=nowhere
    )
    vars(ssl)["get_default_verify_paths"] = lambda: paths
    for name in ("certifi", "certifi.core"):
        with suppress(ImportError):
            vars(importlib.import_module(name))["where"] = lambda: bundle
    with suppress(ImportError):
        vars(importlib.import_module("wassima._os._linux"))["BUNDLE_TRUST_STORE_DIRECTORIES"] = [
            str(Path(bundle).parent)
        ]
