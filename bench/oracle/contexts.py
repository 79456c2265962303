"""How many SSL contexts a process makes, and how often it loads CA certificates, counted by the interpreter itself.

Every context, of whatever class, is made by the code of ``ssl.SSLContext.__new__``, and every load is a call of one of
two functions in C. The interpreter says when that code runs and these are called; nothing is replaced, so that it makes
no difference who else has replaced what. Standard library only.
"""

from __future__ import annotations

import inspect
import ssl
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import CodeType, FrameType

__all__ = ["ca_loads_count", "contexts_count", "follow", "forget"]

_TOOL: Final = 4
_LOADS: Final = frozenset({"load_verify_locations", "set_default_verify_paths"})
"""On Windows ``load_default_certs`` calls the first of them once for each store as well."""
_made: list[None] = []
"""One entry for each: appending is safe in threads."""
_loaded: list[None] = []


def follow() -> None:
    """Count from now on, in all threads."""
    new: Any = inspect.unwrap(vars(ssl.SSLContext)["__new__"].__func__)
    code: CodeType = new.__code__
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is not None:
        events = monitoring.events
        monitoring.use_tool_id(_TOOL, "contexts")
        monitoring.register_callback(_TOOL, events.PY_START, lambda *_: _made.append(None))
        monitoring.register_callback(_TOOL, events.CALL, lambda _code, _offset, callee, _first: _called_in_c(callee))
        monitoring.set_local_events(_TOOL, code, events.PY_START)
        monitoring.set_events(_TOOL, events.CALL)
        return

    def called(frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call":
            _called_in_c(argument)
        elif event == "call" and frame.f_code is code:
            _made.append(None)

    threading.setprofile(called)
    sys.setprofile(called)


def _called_in_c(callee: Any) -> None:
    if type(callee) in _IN_C and callee.__name__ in _LOADS:
        _loaded.append(None)


_IN_C: Final = frozenset({type(len), type(ssl.SSLContext.set_default_verify_paths)})
"""Functions, bound or not, and methods as their class has them."""


def forget() -> None:
    """Begin at zero, as a forked child does."""
    _made.clear()
    _loaded.clear()


def contexts_count() -> int:
    """How many were made since."""
    return len(_made)


def ca_loads_count() -> int:
    """How many loads of CA certificates there were since."""
    return len(_loaded)
