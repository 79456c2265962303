"""What results depend on, and so under which keys they are kept."""

from __future__ import annotations

import hashlib
import os
import platform
import ssl
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import msgspec

from bench.hazards.registry import load as load_hazard
from bench.libraries import find
from bench.registry import StrategyError
from bench.surroundings import CLEARED, cpu_model
from bench.wide.cache import key_of
from bench.wide.sources import PROJECT, closure, digest_of, foreign_names, installed, is_as_read

if TYPE_CHECKING:
    from bench.wide.interpreters import Interpreter
    from bench.wide.plan import Probe
    from connprof.model import Case

__all__ = ["Keys"]

_WORKERS = frozenset({"bench.worker", "bench.passes", "bench.axes", "connprof.observe", "connprof.memory"})
_PROBES = frozenset({"bench.hazards.worker", "bench.hazards.subject", "bench.hazards.stage"})
# Of what runs in the parent, those that decide how a process is started, what its surroundings are and how it is read.
_PARENT = ("surroundings.py", "lanes.py", "measuring.py", "children.py", "gathered.py")
_PROBES_PARENT = ("surroundings.py", "children.py", "hazards/runner.py")
# Variables that workers inherit and that change what is allocated, how long it takes or how TLS is spoken.
_SWITCHES = ("PYTHON", "MALLOC_", "GLIBC_", "LD_", "OPENSSL_", "SSL", "HTTPX_", "AIOHTTP_", "CELERY_")
_SET_BY_US = {"PYTHONPATH", "PYTHONHASHSEED", "SSL_CERT_FILE", "SSL_CERT_DIR"}
_CHANGE_NOTHING = {"PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED"}
# Beside what is imported by name: what the server is made of, and what clients use when they find it installed.
_ALSO = (
    "memray", "certifi", "cryptography", "httptools", "starlette", "trustme", "uvicorn", "zttp", "h2", "hpack",
    "hyperframe", "socksio", "sniffio", "trio", "brotli", "zstandard", "truststore",
)  # fmt: skip


@dataclass
class Keys:
    """Makes keys; reads each file and each distribution once.

    Attributes:
        project: the checkout whose source counts.
    """

    project: Path = PROJECT
    _files: dict[str, frozenset[Path]] = field(default_factory=dict)

    def is_current(self, key: str) -> bool:
        """Whether all source that ``key`` stands for is as it was when the key was made.

        It is not when somebody edits during a run: what is measured from then on is of other source than its key says.
        """
        return all(map(is_as_read, self._files.get(key, ())))

    def case(self, case: Case, interpreter: Interpreter, *, rounds_count: int) -> str:
        """The key of a case that runs under ``interpreter``.

        Raises:
            OSError: a file of the project cannot be read.
        """
        files = self._closure(_WORKERS) | self._server | self._named(*_PARENT) | self._strategy(case)
        return self._key(
            files,
            {
                "case": msgspec.to_builtins(case),
                "rounds_count": rounds_count,
                "packages": [interpreter.packages, self._packages(files)],
                "store": self._system_store if case.trust_store.startswith("system-") else "",
                **self._place(interpreter),
            },
        )

    def cell(self, probe: Probe, interpreter: Interpreter) -> str:
        """The key of a hazard cell that is probed under ``interpreter``.

        Raises:
            HazardError: there is no such hazard.
            OSError: a file of the project cannot be read.
        """
        own = f"bench.hazards.{Path(load_hazard(probe.hazard).source).stem}"
        files = (
            self._closure(_PROBES)
            | self._server
            | self._probes_servers
            | self._named(*_PROBES_PARENT)
            | self._closure(frozenset({own}))
            | self._closure(frozenset({_module(probe.strategy)}))
        )
        return self._key(
            files,
            {
                "cell": list(probe),
                "packages": [interpreter.packages, self._packages(files)],
                **self._place(interpreter),
            },
        )

    def _key(self, files: frozenset[Path], depends_on: dict[str, object]) -> str:
        key = key_of(depends_on | {"source": digest_of(files, self.project)} | _switches())
        self._files[key] = files
        return key

    def _strategy(self, case: Case) -> frozenset[Path]:
        if case.client_library == "httpx":
            return self._closure(frozenset({_module(case.strategy)}))
        try:
            source = find(case.client_library).strategies[case.strategy].source
        except (StrategyError, KeyError):
            return frozenset()
        module = ".".join(Path(source).with_suffix("").parts)
        return self._closure(frozenset({module})) | self._named("libraries/constraints.txt")

    def _closure(self, modules: frozenset[str]) -> frozenset[Path]:
        return closure(modules, self.project)

    def _named(self, *names: str) -> frozenset[Path]:
        return frozenset(self.project / "bench" / name for name in names)

    @cached_property
    def _server(self) -> frozenset[Path]:
        return frozenset((self.project / "server").rglob("*.py"))

    @cached_property
    def _probes_servers(self) -> frozenset[Path]:
        # Probes start them by name, and import none of them.
        return frozenset((self.project / "bench" / "hazards" / "servers").rglob("*.py"))

    @staticmethod
    def _packages(files: frozenset[Path]) -> dict[str, str]:
        return _installed(foreign_names(files))

    @cached_property
    def _system_store(self) -> list[str]:
        """The machine's own CA certificates: its file, and the names in its directory, which are their hashes."""
        paths = ssl.get_default_verify_paths()
        file = hashlib.sha256(Path(paths.cafile).read_bytes()).hexdigest() if paths.cafile else ""
        return [file, *sorted(each.name for each in Path(paths.capath).iterdir())] if paths.capath else [file]

    def _place(self, interpreter: Interpreter) -> dict[str, object]:
        return {
            "python": interpreter.python,
            "openssl": interpreter.openssl,
            "machine": self._machine,
            "bundle": self._bundle,
        }

    @cached_property
    def _machine(self) -> list[str]:
        """Times are of one machine."""
        return [platform.system(), platform.machine(), platform.release(), cpu_model(), str(os.cpu_count())]

    @cached_property
    def _bundle(self) -> str:
        return hashlib.sha256(Path(certifi.where()).read_bytes()).hexdigest()


def _module(strategy: str) -> str:
    return f"bench.strategies.{strategy.replace('-', '_')}"


def _switches() -> dict[str, object]:
    """Those of this process's variables that its workers inherit and that may change results; mostly there are none."""
    found = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_SWITCHES) and name not in {*CLEARED, *_SET_BY_US, *_CHANGE_NOTHING}
    }
    return {"variables": found} if found else {}


@cache
def _installed(names: frozenset[str]) -> dict[str, str]:
    return installed(names, _ALSO)
