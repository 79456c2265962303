"""What a result depends on: the source that its process runs, found by following imports, and installed packages."""

from __future__ import annotations

import ast
import hashlib
import re
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["closure", "digest_of", "foreign_names", "installed", "is_as_read"]

PROJECT = Path(__file__).resolve().parents[2]
_ROOTS = {"bench": "", "connprof": "src", "connprof_server": "server"}
_DOTTED = re.compile(r"(?:bench|connprof|connprof_server)(?:\.\w+)+")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@cache
def closure(modules: frozenset[str], project: Path = PROJECT) -> frozenset[Path]:
    """The project's files that ``modules`` are made of: their own, and those of all that they import, and so on.

    What is imported for types alone does not count. A module that is named in a string does: that is how a process is
    started (``python -m bench.worker``). What is found by looking into a folder (strategies, hazards) is not seen, and
    has to be among ``modules``; so a change of one strategy changes what depends on that one alone.
    """
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        for file in _files(waiting.pop(), project):
            if file not in found:
                found.add(file)
                waiting.extend(name for name in _names(file) if name.partition(".")[0] in _ROOTS)
                waiting.extend(name for name in _strings(file) if _is_module(name, project))
    return frozenset(found)


def foreign_names(files: Iterable[Path]) -> frozenset[str]:
    """The top-level modules that ``files`` import beside the project's own."""
    return frozenset().union(*(_foreign(file) for file in files if file.suffix == ".py"))


def digest_of(files: Iterable[Path], project: Path = PROJECT) -> str:
    """SHA-256 of the names and contents of ``files``."""
    lines = sorted(f"{_name(file, project)} {_digest(file)}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def is_as_read(file: Path) -> bool:
    """Whether ``file``, of which a digest was taken, is still the same file, by its size and time."""
    _digest(file)
    try:
        return _stamps[file] == _stamp(file)
    except OSError:
        return False


def installed(modules: Iterable[str], also: Iterable[str] = ()) -> dict[str, str]:
    """Distribution -> version: those that bring ``modules``, those in ``also`` that are there, and all they require."""
    by_module = _distributions()
    waiting = [name for module in modules for name in by_module.get(module, ())] + list(also)
    found: dict[str, str] = {}
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = distribution.version
        for requirement in distribution.requires or ():
            match = _REQUIREMENT.match(requirement)
            if match and "extra ==" not in requirement:
                waiting.append(match.group())
    return dict(sorted(found.items()))


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


@cache
def _files(module: str, project: Path) -> tuple[Path, ...]:
    return tuple(_files_on_the_way(module, project))


def _files_on_the_way(module: str, project: Path) -> Iterator[Path]:
    """The file of ``module`` and those of the packages that it lies in, which are imported with it."""
    top, *rest = module.split(".")
    folder = project / _ROOTS[top] / top
    yield from filter(Path.is_file, [folder / "__init__.py"])
    for part in rest:
        file = folder / f"{part}.py"
        if file.is_file():
            yield file
            return  # what follows is a name in it
        folder /= part
        if not (folder / "__init__.py").is_file():
            return
        yield folder / "__init__.py"


@cache
def _name(file: Path, project: Path) -> str:
    return file.relative_to(project).as_posix()


@cache
def _foreign(file: Path) -> frozenset[str]:
    return frozenset(name.partition(".")[0] for name in _names(file)) - frozenset(_ROOTS)


_stamps: dict[Path, tuple[int, int]] = {}


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


@cache  # a run reads each file once, and holds all of its results to that
def _digest(file: Path) -> str:
    _stamps[file] = _stamp(file)  # before it is read, so that a change in between is seen
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _is_module(name: str, project: Path) -> bool:
    """Whether ``name`` is a module of the project as it stands, and no word that only looks like one."""
    top, *rest = name.split(".")
    place = Path(project, _ROOTS[top], top, *rest)
    return place.with_name(f"{place.name}.py").is_file() or (place / "__init__.py").is_file()


@cache
def _names(file: Path) -> frozenset[str]:
    """Dotted names that ``file`` imports when it runs; ``from a import b`` may mean ``a.b``."""
    return frozenset(name for is_import, name in _found_in(file) if is_import)


@cache
def _strings(file: Path) -> frozenset[str]:
    """Strings in ``file`` that may name a module of the project."""
    return frozenset(name for is_import, name in _found_in(file) if not is_import)


@cache
def _found_in(file: Path) -> frozenset[tuple[bool, str]]:
    try:
        return frozenset(_walk(ast.parse(file.read_bytes())))
    except (SyntaxError, ValueError):  # it cannot be imported either, which whoever tries will say
        return frozenset()


def _walk(node: ast.AST) -> Iterator[tuple[bool, str]]:
    """What is imported, and strings that may be names."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        for each in node.orelse:
            yield from _walk(each)
        return
    if isinstance(node, ast.Import):
        yield from ((True, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield True, node.module
        yield from ((True, f"{node.module}.{alias.name}") for alias in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
        yield False, node.value
    for child in ast.iter_child_nodes(node):
        yield from _walk(child)
