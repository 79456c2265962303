"""Under which interpreters, and in which environments, cases run."""

from __future__ import annotations

import json
import os
import platform
import re
import ssl
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bench.environments import Requirements, environment
from bench.libraries import split
from bench.wide.sources import installed
from connprof.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "OWN_PYTHON",
    "SUPPORTED",
    "Interpreter",
    "existing",
    "interpreter_for",
    "needs_environment",
    "own_interpreter",
    "pythons",
    "requirements_for",
]

_PROJECT = Path(__file__).resolve().parents[2]
SUPPORTED = ("3.11", "3.12", "3.13")
"""The Pythons that are measured where they are found."""

OWN_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_LIMIT_S = 30.0
_SPEAK_HTTP2 = {"httpx", "httpx2"}
_ASK = """
import json, platform, ssl, sys
from importlib import metadata
packages = {each.name.lower(): each.version for each in metadata.distributions()}
python = f"{platform.python_implementation()} {platform.python_version()}"
print(json.dumps({"python": python, "openssl": ssl.OPENSSL_VERSION, "packages": dict(sorted(packages.items()))}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter with what is installed for it.

    Attributes:
        path: its file.
        python: implementation and version, ``CPython 3.12.1``.
        openssl: what its ``ssl`` module is linked with.
        packages: distribution -> version; empty for the suite's own, whose packages matter by what imports them.
    """

    path: str
    python: str
    openssl: str
    packages: dict[str, str] = field(default_factory=dict)


def own_interpreter() -> Interpreter:
    """The one that runs the suite."""
    return Interpreter(
        sys.executable, f"{platform.python_implementation()} {platform.python_version()}", ssl.OPENSSL_VERSION
    )


@cache
def pythons() -> dict[str, str]:
    """Other supported Pythons that are on the path or installed by pyenv: ``3.12`` -> the interpreter's file."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found: dict[str, str] = {}
    for version in SUPPORTED:
        if version == OWN_PYTHON:
            continue
        on_path = [Path(folder, f"python{version}") for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)]
        of_pyenv = sorted(root.glob(f"{version}.*/bin/python{version}"), key=_newest, reverse=True)
        for candidate in (*of_pyenv, *on_path):
            if os.access(candidate, os.X_OK) and _is(candidate, version):
                found[version] = str(candidate)
                break
    return found


def _newest(candidate: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", candidate.parts[-3])))


def _is(candidate: Path, version: str) -> bool:
    """Whether it runs, and is that version: pyenv puts stand-ins on the path that refuse to."""
    code = "import sys; print(f'{sys.version_info.major}.{sys.version_info.minor}')"
    try:
        done = subprocess.run(
            [str(candidate), "-I", "-c", code], capture_output=True, text=True, check=False, timeout=_LIMIT_S
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.stdout.strip() == version


def existing(client_library: str, python: str, folder: Path) -> Interpreter | None:
    """The interpreter for a case; nothing where its environment has still to be made.

    Raises:
        RunError: it does not run.
    """
    if not needs_environment(client_library, python):
        return own_interpreter()
    home = folder / requirements_for(client_library, python).key
    return _asked(str(home / "bin" / "python")) if (home / "complete").exists() else None


def interpreter_for(client_library: str, python: str, folder: Path, is_stopped: Callable[[], bool]) -> Interpreter:
    """The interpreter for a case, in an environment that is made now if there is none yet.

    Args:
        client_library: as a case names it.
        python: likewise.
        folder: where environments are kept.
        is_stopped: asked while one is made; when it says so, making it is given up.

    Raises:
        RunError: the environment cannot be made.
        Stopped: it was given up.
    """
    if not needs_environment(client_library, python):
        return own_interpreter()
    wanted = requirements_for(client_library, python)
    path = str(environment(wanted, folder, is_stopped))
    return _asked(path)


def needs_environment(client_library: str, python: str) -> bool:
    """Whether a case has to run elsewhere than under the suite's own interpreter."""
    return bool(python) or bool(split(client_library)[1])


@cache
def requirements_for(client_library: str, python: str) -> Requirements:
    """What the environment of a case is made of: its library, memray, and pins for all that they require.

    Of the suite's own pins only those count that can come into it, so that a new version of a tool makes no new one.
    """
    needed = installed(("httpx", "memray", "h2"))
    lines = (_PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() in needed]
    extra = (_PROJECT / "bench" / "libraries" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    name, version = split(client_library)
    by_name = {line.partition("==")[0].lower(): line for line in (*pins, *extra) if "==" in line}
    asked = {name.lower(): f"{name}=={version}"} if version else {"httpx": by_name["httpx"]}
    asked["memray"] = by_name["memray"]
    if name in _SPEAK_HTTP2:  # with h2, which they import only when they are told to speak it
        asked["h2"] = by_name["h2"]
    interpreter = pythons()[python] if python else sys.executable
    return Requirements(
        packages=tuple(sorted(asked.values())),
        constraints=tuple(line for pinned, line in sorted(by_name.items()) if pinned not in asked),
        python=f"{python} {interpreter}" if python else platform.python_version(),
        interpreter=interpreter,
    )


@cache
def _asked(path: str) -> Interpreter:
    try:
        done = subprocess.run([path, "-I", "-c", _ASK], capture_output=True, text=True, check=True, timeout=_LIMIT_S)
        said = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise RunError(f"the interpreter of the environment does not run ({type(error).__name__}).") from None
    return Interpreter(path, said["python"], said["openssl"], said["packages"])
