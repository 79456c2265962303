"""The hazards, found by their files: ``bench/hazards/h01b_sent_twice.py`` holds ``H1b``. Standard library only."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import bench.hazards

if TYPE_CHECKING:
    from bench.hazards.finding import Finding
    from bench.hazards.stage import Stage
    from bench.hazards.subject import Subject

__all__ = ["Hazard", "HazardError", "Probe", "hazard", "load", "names"]

_ROOT = Path(__file__).resolve().parents[2]
_FILE = re.compile(r"h(\d\d)([a-z]*)_\w+")

Probe: TypeAlias = Callable[["Subject", "Stage"], "Finding"]
_F = TypeVar("_F", bound=Callable[..., object])


class HazardError(Exception):
    """A hazard's file is missing, or is not what the suite can run; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Hazard:
    """A hazard and its probe.

    Attributes:
        id: ``H1``, ``H1b``, ...; the same as its file's.
        title: the hazard in a few words.
        raised_by: what the probe does to raise it, in a sentence.
        statistical: its outcome is a rate: it is reported, and never held against a signature.
        timed: its outcome depends on when things happen, so that nothing else may run beside it.
        by_dials: it is raised by limits, expiry, timeouts or HTTP/2 that :mod:`bench.hazards.dials` turns, and so does
            not apply to client libraries that dials do not reach.
        limit_s: after that long the probe is killed, and has hung. A probe ends in a fraction of it, also where it
            finds that something hangs.
        signatures: strategy -> the outcome that it is expected to have, as :attr:`SafetyCell.signature` says it; with
            " or " between, where Pythons differ. What a strategy's own file says comes first.
        source: its file, relative to the project.
        probe: the probe.
    """

    id: str
    title: str
    raised_by: str
    statistical: bool
    timed: bool
    by_dials: bool
    limit_s: float
    signatures: Mapping[str, str]
    source: str
    probe: Probe


_registry: dict[str, Hazard] = {}


def hazard(
    id: str,  # noqa: A002 - it is what the thing is called
    *,
    title: str,
    raised_by: str,
    statistical: bool = False,
    timed: bool = False,
    by_dials: bool = False,
    limit_s: float = 20.0,
    signatures: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[_F], _F]:
    """Register the decorated function as the probe of the hazard ``id``. See :class:`Hazard` for the arguments.

    Raises:
        HazardError: the id is not the file's, so that two files cannot be swapped unseen.
    """

    def register(function: _F) -> _F:
        file = Path(inspect.getfile(function)).resolve()
        if _id(file.stem) != id:
            raise HazardError(f"{file.name} registers the hazard {id!r}; its file's name must begin with that id.")
        if not inspect.getdoc(function):
            raise HazardError(f"{file.name}: the probe needs a docstring that says what it does.")
        source = file.relative_to(_ROOT).as_posix() if file.is_relative_to(_ROOT) else file.name
        _registry[id] = Hazard(
            id, title, raised_by, statistical, timed or statistical, by_dials, limit_s,
            MappingProxyType(dict(signatures)), source, function,  # type: ignore[arg-type]  # a probe, as registered
        )  # fmt: skip
        return function

    return register


def names() -> list[str]:
    """The ids of all hazards that have a file, in their order; nothing is imported for it."""
    return list(_modules())


def load(id: str) -> Hazard:  # noqa: A002 - it is what the thing is called
    """The hazard ``id``; imports its file and no other.

    Raises:
        HazardError: there is no such file, two claim the same id, it cannot be imported, or it registers nothing.
    """
    modules = _modules()
    if id not in modules:
        raise HazardError(f"there is no hazard {id!r}; there are: {', '.join(modules)}.")
    found = modules[id]
    if len(found) > 1:
        raise HazardError(f"the hazard {id} has more than one file: {', '.join(f'{name}.py' for name in found)}.")
    try:
        importlib.import_module(f"bench.hazards.{found[0]}")
    except HazardError:
        raise
    except (Exception, SystemExit) as error:
        raise HazardError(f"the hazard {id} cannot be imported: {type(error).__name__}: {error}.") from error
    if id not in _registry:
        raise HazardError(f"{found[0]}.py registers no hazard {id}.")
    return _registry[id]


def _modules() -> dict[str, list[str]]:
    """Id -> the modules whose names begin with it, in their order."""
    found: dict[str, list[str]] = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(bench.hazards.__path__)):
        if identity := _id(module):
            found.setdefault(identity, []).append(module)
    return found


def _id(stem: str) -> str | None:
    """``h01b_sent_twice`` -> ``H1b``."""
    match = _FILE.fullmatch(stem)
    return f"H{int(match[1])}{match[2]}" if match else None
