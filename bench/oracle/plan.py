"""Which libraries the oracle looks at, in which environments, and how many connections each opens in which way."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.environments import Requirements, environment
from bench.libraries import find
from bench.wide.interpreters import requirements_for

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SUBJECTS", "Subject", "interpreter_of"]

_PINS = Path(__file__).with_name("constraints.txt")

_SYNC: Final = {"per-call": 60, "closing": 260, "kept": 60, "threads": 240, "untrusted": 10}
_CHILDREN: Final = {"fork": 60, "spawn": 60, "subprocess": 60}
_ASYNC: Final = {"async-per-call": 60, "async-closing": 260, "gather": 50, "async-untrusted": 10}
_HTTP2: Final = {"http2": 10}
_UVLOOP: Final = {"uvloop": 200}
_TRIO: Final = {"trio": 200}


@dataclass(frozen=True, slots=True)
class Subject:
    """A client library at one version.

    Attributes:
        name: as it is asked for, ``requests==2.31.0``; the bare name for what Python brings.
        module: what a program imports.
        ways: way -> how many connections it opens at full size, or clients where a client opens several.
        beside: other packages in its environment.
        is_async: whether it has asynchronous clients alone.
        sees_requests: whether anybody can know of its requests; bytes on a bare stream are none that can be told.
    """

    name: str
    module: str
    ways: Mapping[str, int]
    beside: tuple[str, ...] = ()
    is_async: bool = False
    sees_requests: bool = True

    @property
    def packages(self) -> tuple[str, ...]:
        """What is installed for it."""
        return (self.name, *self.beside) if "==" in self.name else self.beside

    def scaled(self, factor: float) -> Subject:
        """The same with fewer or more connections, one for each of two processes and four threads at least."""
        return replace(self, ways={way: max(4, round(count * factor / 4) * 4) for way, count in self.ways.items()})


def _subjects() -> tuple[Subject, ...]:
    both = {**_SYNC, **_ASYNC, **_CHILDREN, **_HTTP2}
    botocore = next(line for line in _pins() if line.startswith("botocore=="))
    return (
        Subject("http.client", "http.client", {**_SYNC, **_CHILDREN}),
        Subject("urllib.request", "urllib.request", {**_SYNC, **_CHILDREN}),
        Subject("ssl", "ssl", {**_SYNC, **_CHILDREN, "resumed": 60}),
        Subject(
            "asyncio",
            "asyncio",
            {**_ASYNC, **_CHILDREN, **_UVLOOP},
            ("uvloop",),
            is_async=True,
            sees_requests=False,
        ),
        *_cases("httpx", {**both, **_UVLOOP, **_TRIO}, "h2", "trio", "uvloop"),
        *_cases("httpx2", {**both, **_UVLOOP, **_TRIO}, "h2", "trio", "uvloop"),
        *(replace(each, is_async=True) for each in _cases("aiohttp", {**_ASYNC, **_CHILDREN, **_UVLOOP}, "uvloop")),
        *_cases("requests", {**_SYNC, **_CHILDREN}),
        *_cases("urllib3", {**_SYNC, **_CHILDREN}),
        *_cases("niquests", both),
        Subject(botocore, "botocore", {**_SYNC, **_CHILDREN}, ("urllib3",)),
    )


def _cases(name: str, ways: Mapping[str, int], *beside: str) -> tuple[Subject, ...]:
    """One for each version that the suite measures."""
    return tuple(Subject(case, name, ways, beside) for case in find(name).cases())


def _pins() -> list[str]:
    return [line for line in _PINS.read_text(encoding="utf-8").splitlines() if "==" in line]


def interpreter_of(packages: tuple[str, ...], folder: Path) -> Path:
    """The interpreter of an environment with these packages at pinned versions, made in ``folder`` if need be.

    Without packages it is the suite's own.

    Raises:
        RunError: it cannot be made.
        Stopped: making it was given up.
    """
    if not packages:
        return Path(sys.executable)
    like = requirements_for("http.client", "")
    pins = {_key(line): line for line in (*like.packages, *like.constraints, *_pins())}
    asked = {_key(package): package if "==" in package else pins[_key(package)] for package in packages}
    wanted = Requirements(
        packages=tuple(sorted(asked.values())),
        constraints=tuple(line for name, line in sorted(pins.items()) if name not in asked),
        python=like.python,
        interpreter=like.interpreter,
    )
    return environment(wanted, folder)


def _key(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package.partition("==")[0]).lower()


SUBJECTS: Final = _subjects()
