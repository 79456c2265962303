import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Suite:
    """Runs ``python -m bench`` (or another module) as its users do, in a copy of the project that a test may break."""

    def __init__(self, root, module="bench"):
        self.root = root
        self.module = module
        self.processes = []

    def start(self, *arguments, stdout=subprocess.PIPE, **variables):
        """A running suite, in a session of its own so that signals reach it alone."""
        paths = os.pathsep.join(str(self.root / name) for name in ("", "src", "server"))
        process = subprocess.Popen(
            [sys.executable, "-m", self.module, *map(str, arguments)],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": paths, "COLUMNS": "100"} | variables,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def end(self):
        """Kill what a failed test has left running."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
        self.processes.clear()

    def run(self, *arguments, **variables):
        """Exit code, what it printed, what it complained of."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=150)
        return process.returncode, out, err

    def add_strategy(self, name, body, *, contexts="one", handshakes="origins"):
        """Add a synchronous strategy whose generator function has this body."""
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        (self.root / "bench" / "strategies" / f"{name.replace('-', '_')}.py").write_text(
            f"import os, sys, time\nimport httpx\nfrom bench.registry import strategy\n\n\n"
            f'@strategy("{name}", contexts="{contexts}", handshakes="{handshakes}")\n'
            f'def run(target):\n    """A strategy of a test."""\n{lines}\n'
        )


@pytest.fixture(scope="session")
def suite():
    """The suite as it stands."""
    return Suite(ROOT)


@pytest.fixture(autouse=True)
def nothing_left_running(suite):
    yield
    suite.end()


@pytest.fixture
def copied_suite(tmp_path):
    """A copy that a test may change."""
    root = tmp_path / "project"
    for name in ("bench", "src", "server"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return Suite(root)


def processes_of(marker):
    """Command lines of live processes that carry ``marker`` in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip())
        except OSError:
            continue
    return [line for line in found if line]
