"""connprof: what a Python HTTP client costs, and which line pays.

PYTEST_DONT_REWRITE: a program that imports this before pytest would be warned, and there is nothing to rewrite.
"""

from __future__ import annotations

from typing import Any

__all__ = ["__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``connprof.observe`` after a mere ``import connprof``, loaded when it is first asked for."""
    if name == "observe":
        from importlib import import_module

        return import_module("connprof.observe")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
