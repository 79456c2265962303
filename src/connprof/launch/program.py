"""What the words after ``connprof run`` mean: a script, a module, or a command that starts Python."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from connprof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Program", "command", "interpreter", "module", "script"]


@dataclass(frozen=True, slots=True)
class Program:
    """What is started.

    Attributes:
        arguments: the command line of the process.
        shown: what a profile says of it: the program and the number of its arguments, which may hold secrets.
        name: the program, for sentences.
        files: what it may consist of, or be asked to read: itself, and each of its words.
    """

    arguments: tuple[str, ...]
    shown: tuple[str, ...]
    name: str
    files: tuple[str, ...] = ()


def interpreter(name: str | None) -> str:
    """The Python that is asked for, by default the one that runs this.

    Raises:
        UsageError: there is no such command.
    """
    if name is None:
        return sys.executable
    found = shutil.which(name)
    if found is None:
        raise UsageError(f"there is no Python interpreter {name!r}.")
    return found


def script(target: str, arguments: Sequence[str], python: str) -> Program:
    """A file, a folder or a zip file, as ``python target`` would run it.

    Raises:
        UsageError: there is none, or it is not Python's; with what may have been meant.
    """
    try:
        path = Path(target)
        if path.is_dir():
            if not (path / "__main__.py").is_file():
                raise UsageError(f"{target} is a folder without a __main__.py{_meant(target)}.")
        elif not path.exists():
            raise UsageError(f"there is no file {target!r}{_meant(target)}.")
        elif _is_foreign(path):
            raise UsageError(f"{target} is no Python program; a command is observed with: connprof run -- {target}")
    except (OSError, ValueError) as error:
        raise UsageError(f"{target!r} cannot be run: {getattr(error, 'strerror', None) or error}.") from None
    return Program((python, target, *arguments), (target, *_counted(arguments)), target, _files(target, arguments))


def module(name: str, arguments: Sequence[str], python: str) -> Program:
    """A module or package, as ``python -m name`` would run it.

    Raises:
        UsageError: it is the name of a file.
    """
    if name.endswith(".py") and Path(name).is_file() and not Path(_place(name)).exists():
        raise UsageError(f"{name} is a file, and no name of a module. A script is run with: connprof run {name}")
    return Program(
        (python, "-m", name, *arguments), ("-m", name, *_counted(arguments)), name, _files(_place(name), arguments)
    )


def command(name: str, arguments: Sequence[str]) -> Program:
    """A command that is found on the path.

    Raises:
        UsageError: there is no such command.
    """
    found = shutil.which(name)
    if found is None:
        is_script = name.endswith(".py") and Path(name).is_file()
        hint = f" A script is run with: connprof run {name}" if is_script else ""
        raise UsageError(f"there is no command {name!r}.{hint}")
    return Program((name, *arguments), (name, *_counted(arguments)), name, _files(found, arguments))


def _files(target: str, arguments: Sequence[str]) -> tuple[str, ...]:
    main = str(Path(target) / "__main__.py")
    return (target, main, f"{target}.py", *(word for word in arguments if "\0" not in word))


def _place(module: str) -> str:
    return module.replace(".", "/")


def _counted(arguments: Sequence[str]) -> tuple[str, ...]:
    count = len(arguments)
    return (f"[{count} argument{'' if count == 1 else 's'}]",) if count else ()


def _meant(target: str) -> str:
    """The end of a sentence: what else may have been meant."""
    if target == "-":
        return "; a program on standard input is run with: connprof run -- python -"
    if _is_module(target.rstrip("/")):
        return f"; a module is run with: connprof run -m {target.rstrip('/')}"
    if shutil.which(target) is not None:
        return f"; a command is run with: connprof run -- {target}"
    return ""


def _is_module(name: str) -> bool:
    """Whether a module of this name can be found, of which nothing but the top is looked at: looking imports it."""
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    top = name.partition(".")[0]
    if Path(f"{top}.py").is_file() or (Path(top) / "__init__.py").is_file():
        return True
    try:
        return find_spec(top) is not None
    except (ImportError, ValueError):
        return False


_ELF, _MACH_O, _SCRIPT = b"\x7fELF", b"\xcf\xfa\xed\xfe", b"#!"


def _is_foreign(path: Path) -> bool:
    """Whether a file is surely none for Python: a machine's program, or a script that names another interpreter."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(1_000)
    if first.startswith((_ELF, _MACH_O)):
        return True
    return first.startswith(_SCRIPT) and not any(name in first for name in (b"python", b"pypy", b"env -S", b"uv run"))
