"""What surrounds a measurement: environment variables that switch code paths, and where it is made."""

from __future__ import annotations

import hashlib
import os
import platform
import ssl
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from bench.axes import trust_variables
from connprof.model import Environment

if TYPE_CHECKING:
    from connprof_server.target import Target

__all__ = ["CLEARED", "child_variables", "cpu_model", "describe"]

_PROJECT = Path(__file__).resolve().parent.parent

CLEARED = (
    # trust stores and proxies: clients read these when they are made
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSLKEYLOGFILE", "OPENSSL_CONF",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    # switches of the interpreter that change what is allocated or how long it takes
    "PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONMALLOC", "PYTHONTRACEMALLOC", "PYTHONPROFILEIMPORTTIME",
    "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONVERBOSE",
    # switches of the tools that run the passes
    "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_XDIST_WORKER", "COVERAGE_PROCESS_START",
)  # fmt: skip
"""Variables that are taken away from every worker, beside all others that end in ``_proxy``, in any case.

``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` are set or taken away as the case's trust store asks for.
"""

_PACKAGES = (
    "httpx", "httpcore", "h11", "anyio", "certifi", "idna", "sniffio",
    # Imported by clients during a session where they are installed, which its peak shows.
    "h2", "hpack", "hyperframe", "socksio", "trio", "brotli", "zstandard", "truststore",
    "memray", "pytest", "pytest-benchmark",
    "uvicorn", "starlette", "httptools", "zttp", "trustme", "cryptography",
    "matplotlib", "jinja2", "rich", "msgspec", "click",
)  # fmt: skip


def child_variables(target: Target, case: object | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """The environment for a worker, and what was done to get it: variable -> what was done, without old values.

    ``SSL_CERT_FILE`` names the trust bundle, so that unmodified client code trusts our server and pays for a whole
    CA bundle, as it does everywhere; another trust store is what ``case`` (a :class:`connprof.model.Case`, or the
    mapping in a worker's job) says.

    Raises:
        AxisError: the case's axes contradict each other, or the server lacks what they need.
    """
    variables = dict(os.environ)
    # urllib, and so every client that asks it, takes proxies in any spelling
    proxies = {name for name in variables if name.lower().endswith("_proxy")}
    done = {
        name: "cleared" if variables.pop(name, None) is not None else "was not set"
        for name in {*CLEARED, *proxies, "SSL_CERT_FILE", "SSL_CERT_DIR"}
    }
    settings = {
        **{name: wanted for name, wanted in trust_variables(target, case).items() if wanted is not None},
        "PYTHONHASHSEED": ("0", "set to 0"),
        "PYTHONPATH": (os.pathsep.join(str(_PROJECT / part) for part in ("", "src", "server")), "set to the project"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": ("1", "set to 1"),
    }
    for name, (value, what) in settings.items():
        variables[name] = value
        done[name] = what
    return variables, dict(sorted(done.items()))


def describe(target: Target, done: dict[str, str]) -> Environment:
    """Where this run is made; ``done`` is what :func:`child_variables` did."""
    packages = {name: version for name in _PACKAGES if (version := _version(name))}
    return Environment(
        identity={
            "os": platform.system(),
            "arch": platform.machine(),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "openssl": ssl.OPENSSL_VERSION,
            "client_library": "httpx",
            "client_library_version": packages.get("httpx", "unknown"),
            "ca_bundle_certificates_count": str(target.bundle_certificates_count),
            "ca_bundle_sha256": target.bundle_sha256,
        },
        context={
            "cpu": cpu_model(),
            "cores": str(os.cpu_count() or "unknown"),
            "load_at_start": _load(),
            "os_release": platform.release(),
            "libc": " ".join(platform.libc_ver()) or "unknown",
            "hash_of_suite": _suite_hash(),
        },
        packages=packages,
        variables=done,
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _load() -> str:
    try:
        return " ".join(f"{value:.2f}" for value in os.getloadavg())
    except OSError:
        return "unknown"


def cpu_model() -> str:
    """The processor, as its maker calls it."""
    if sys.platform == "linux":
        try:
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
        except OSError:
            pass
    return platform.processor() or "unknown"


def _suite_hash() -> str:
    """SHA-256 of the suite's own source, so that a report tells which strategies it ran."""
    digest = hashlib.sha256()
    for file in sorted((_PROJECT / "bench").rglob("*.py")):
        digest.update(file.relative_to(_PROJECT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
