"""What results depend on, and so under which keys they are kept."""

from __future__ import annotations

import hashlib
import os
import platform
import ssl
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import msgspec

from bench.hazards.registry import load as load_hazard
from bench.libraries import find
from bench.registry import StrategyError
from bench.surroundings import cpu_model
from bench.wide.cache import key_of
from bench.wide.sources import PROJECT, closure, digest_of, foreign_names, installed

if TYPE_CHECKING:
    from bench.wide.interpreters import Interpreter
    from bench.wide.plan import Probe
    from connprof.model import Case

__all__ = ["Keys"]

_WORKERS = frozenset({"bench.worker", "bench.passes", "bench.axes", "connprof.observe", "connprof.memory"})
_PROBES = frozenset({"bench.hazards.worker", "bench.hazards.subject", "bench.hazards.stage"})
# Of what runs in the parent, those that decide how a process is started and what its surroundings are.
_PARENT = ("surroundings.py", "lanes.py", "measuring.py", "children.py")
_PROBES_PARENT = ("surroundings.py", "hazards/runner.py")
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

    def case(self, case: Case, interpreter: Interpreter, *, rounds_count: int) -> str:
        """The key of a case that runs under ``interpreter``.

        Raises:
            OSError: a file of the project cannot be read.
        """
        files = self._closure(_WORKERS) | self._server | self._named(*_PARENT) | self._strategy(case)
        return key_of(
            {
                "case": msgspec.to_builtins(case),
                "rounds_count": rounds_count,
                "source": digest_of(files, self.project),
                "packages": [interpreter.packages, self._packages(files)],
                "store": self._system_store if case.trust_store.startswith("system-") else "",
                **self._place(interpreter),
            }
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
        return key_of(
            {
                "cell": list(probe),
                "source": digest_of(files, self.project),
                "packages": [interpreter.packages, self._packages(files)],
                **self._place(interpreter),
            }
        )

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


@cache
def _installed(names: frozenset[str]) -> dict[str, str]:
    return installed(names, _ALSO)
