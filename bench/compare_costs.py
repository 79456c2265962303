"""What ``connprof compare`` costs on reports of 10,000 cases, beside ``pytest-benchmark compare`` on as many.

Part of ``nox -s costs``. Both tools get two files and print a table with a row for everything in them; each run is a
process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connprof.model import (
    SCHEMA,
    CallSite,
    Case,
    ClientCounts,
    CountsPass,
    Environment,
    Half,
    Incident,
    LedgerCounts,
    Measured,
    MemoryPass,
    Record,
    Report,
    RetainedPass,
    Run,
    SiteCounts,
    SslBytes,
    StrategyNote,
    TimingPass,
    Verdict,
    VerdictStatus,
)
from connprof.store import save_report

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CASES_COUNT", "Cost", "compare_ours", "compare_theirs", "write_ours", "write_theirs"]

CASES_COUNT = 10_000
_PER_STRATEGY = 10
_CALLS = 40
_PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall and CPU time and peak memory of one process."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def write_ours(file: Path, *, cases_count: int = CASES_COUNT, candidate: bool = False) -> None:
    """A report with all four passes and two processes of timing for each case, without timelines.

    In the candidate one case in a hundred has regressed and one has improved.
    """
    records = []
    for number in range(cases_count):
        case = Case(
            strategy=f"strategy-{number // _PER_STRATEGY}" if number // _PER_STRATEGY else "floor",
            workload="llm-session",
            calls_count=_CALLS,
            concurrency_count=number % _PER_STRATEGY + 1,
        )
        moved = {7: 1, 57: -1}.get(number % 100, 0) if candidate else 0
        records.append(Record(case=case, outcome=_measured(number, 5 + moved)))
    strategies = dict.fromkeys(record.case.strategy for record in records)
    save_report(
        Report(
            schema=SCHEMA,
            run=Run(
                command="nox -s costs",
                seed=2 if candidate else 1,
                started_at="2026-11-20T09:41:05+00:00",
                duration_s=1.0,
                connprof_version="0",
                commit=None,
                dirty=None,
                quick=False,
            ),
            environment=_ENVIRONMENT,
            strategies=tuple(
                StrategyNote(
                    name=name,
                    title="One of many",
                    source="none.py",
                    is_async=True,
                    fixes=None,
                    contexts="origins",
                    handshakes="origins",
                )
                for name in strategies
            ),
            records=tuple(records),
            verdict=_VERDICT,
        ),
        file,
    )


def write_theirs(folder: Path, *, cases_count: int = CASES_COUNT) -> tuple[Path, Path]:
    """Two files as pytest-benchmark saves them by default, which is without samples."""
    stats = {
        "min": 1.0e-3, "max": 2.0e-3, "mean": 1.2e-3, "stddev": 1.0e-4, "rounds": 5, "median": 1.1e-3, "iqr": 1.0e-4,
        "q1": 1.0e-3, "q3": 1.3e-3, "iqr_outliers": 0, "stddev_outliers": 1, "outliers": "1;0", "ld15iqr": 1.0e-3,
        "hd15iqr": 2.0e-3, "ops": 833.0, "total": 6.0e-3, "iterations": 1,
    }  # fmt: skip
    options = {
        "disable_gc": False, "timer": "perf_counter", "min_rounds": 5, "max_time": 1.0, "min_time": 5e-6,
        "warmup": False,
    }  # fmt: skip
    files = []
    for side, factor in (("0001_base", 1.0), ("0002_head", 1.01)):
        content: dict[str, Any] = {
            "machine_info": {"node": "x", "processor": "x", "machine": "x86_64", "python_version": "3.12", "cpu": {}},
            "commit_info": {"id": "0" * 40, "time": None, "author_time": None, "dirty": False, "branch": "main"},
            "benchmarks": [
                {
                    "group": None,
                    "name": f"test_strategy[{number}]",
                    "fullname": f"bench/test_strategies.py::test_strategy[{number}]",
                    "params": None,
                    "param": None,
                    "extra_info": {},
                    "options": options,
                    "stats": {**stats, "mean": 1.2e-3 * factor},
                }
                for number in range(cases_count)
            ],
            "datetime": "2026-11-20T09:41:05+00:00",
            "version": "5.0.0",
        }
        file = folder / f"{side}.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        files.append(file)
    return files[0], files[1]


def compare_ours(base: Path, head: Path, *options: str) -> Cost:
    """One ``connprof compare`` in a process of its own; ``--all`` prints every row."""
    return _run([sys.executable, "-m", "connprof", "compare", str(base), str(head), *options], allowed=(0, 1))


def compare_theirs(base: Path, head: Path) -> Cost:
    """One ``pytest-benchmark compare`` of the same number of cases."""
    return _run([sys.executable, "-m", "pytest_benchmark", "compare", str(base), str(head)], allowed=(0,))


def _run(command: Sequence[str], *, allowed: Sequence[int]) -> Cost:
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=_PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    # wait4 has taken the exit status away from Popen, which would wait for it in vain.
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in allowed, f"{' '.join(command[:6])} ended with exit code {process.returncode}"
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


# --- what is in our files -----------------------------------------------------------------------------------------


def _measured(number: int, contexts: int) -> Measured:
    ledger = LedgerCounts(
        tcp_accepted_count=contexts,
        handshakes_full_count=contexts,
        connections_count=contexts,
        requests_count=_CALLS,
        requests_per_connection=(8,) * contexts,
        tls_versions={"TLSv1.3": contexts},
        ciphers={"TLS_AES_256_GCM_SHA384": contexts},
        alpn={"http/1.1": contexts},
    )
    client = ClientCounts(
        contexts_count=contexts,
        ca_loads_count=contexts,
        handshakes_full_count=contexts,
        connections_count=contexts,
        requests_count=_CALLS,
    )
    site = CallSite(file=f"app/client_{number % 7}.py", line=31, function="fetch")
    wall_ns = 40_000_000 + number * 1_000
    return Measured(
        counts=CountsPass(
            calls_count=_CALLS,
            origins_count=5,
            client=client,
            sites=(SiteCounts(site=site, counts=client),),
            ledger=ledger,
            events=(),
        ),
        memory=MemoryPass(
            calls_count=_CALLS,
            ssl=SslBytes(context_bytes=6_600_000 * contexts, handshake_bytes=1_600_000, io_bytes=8_000_000),
            ssl_allocations_count=90_000,
            functions=(),
            total_bytes=60_000_000,
            allocations_count=900_000,
            peak_bytes=9_000_000,
            ledger=ledger,
        ),
        retained=RetainedPass(calls_count=_CALLS, peak_bytes=9_000_000, retained_bytes=8_700_000, ledger=ledger),
        timing=tuple(
            TimingPass(
                calls_count=_CALLS,
                warmup_calls_count=5,
                warmup_origins_count=2,
                wall_ns=(wall_ns + process,),
                thread_time_ns=(wall_ns * 4 // 5 + process,),
                latency_ns=(tuple(range(1_000_000, 1_000_000 + _CALLS)),),
                ledger=ledger,
            )
            for process in range(2)
        ),
    )


_ENVIRONMENT = Environment(
    identity={
        "os": "Linux",
        "arch": "x86_64",
        "python": "CPython 3.12.8",
        "openssl": "OpenSSL 3.0.15 3 Sep 2024",
        "client_library": "httpx",
        "client_library_version": "0.28.1",
        "ca_bundle_certificates_count": "119",
        "ca_bundle_sha256": "9f2c" * 16,
    },
    context={},
    packages={},
    variables={},
)
_HALF = Half(status=VerdictStatus.NOT_MEASURED, reason="Synthetic.")
_VERDICT = Verdict(
    incident=Incident(
        id="none",
        title="None",
        reference="none",
        published_on="2026-03-05",
        before="none",
        after="none",
        shared_context="none",
        calls_count=_CALLS,
        ssl_bytes=1,
        reference_certificates_count=119,
        band_low_ratio=0.8,
        band_high_ratio=1.25,
    ),
    regression=_HALF,
    fix=_HALF,
)
