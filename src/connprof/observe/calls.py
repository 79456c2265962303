"""A hook around a client's method in which a request begins, written out as source.

Every request goes through it, and what it adds to one is mostly memory that the processor has to fetch: each function
that is called is some more of that. So what most calls need stands in the replacement itself, and whatever is unusual
about a call is left to :meth:`Recorder.call_begins` and :meth:`Recorder.call_ends`, which know all of it.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connprof.observe.originals import caller, now_ns, quick_task_in, running_loop, thread_id
from connprof.observe.recorder import RECORDER, fails_on_its_way
from connprof.observe.shapes import shaped
from connprof.observe.sites import CARRIED, THREAD_LINES, Carried, Carrier, carried_now, of_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PLAIN", "Sender", "sender"]


class Sender(NamedTuple):
    """What is particular to a library's method that sends. Neither may raise.

    Attributes:
        before: told the call and the method's first argument, where there are cookies that may be somebody else's.
        after: told the call, the client, and the response, before the caller gets it.
        after_unless: an expression of ``{first}``, the client, and ``_o_response``: where it is true there is nothing
            to tell ``after``, which is spared a call. It may raise.
    """

    before: Callable[[Carried, Any], None] | None = None
    after: Callable[[Carried, Any, Any], None] | None = None
    after_unless: str = ""


PLAIN: Final = Sender()

# A usual call: of a client that was used some times before, of which it is known whether it speaks TLS, and which is
# where it was; from a place that has called it before, most often the last one; no more calls at once than before.
# A signal's handler may raise wherever a function has returned: nothing is begun by then, or all of it, and in the end
# nothing stays behind.
_BEGINS: Final = """
_o_call = _o_client = None
if _o_recorder.windows:
    try:
        _o_known = _o_recorder.clients.get(_o_id({first}))
        if (
            _o_known is not None
            and _o_known.calls_now() < _o_known.in_flight_peak
            and (_o_known.tls or _o_known.counted_plain or not _o_known.contexts)
            and not _o_known.is_watched
            and (not _o_known.is_bound or {at_home})
        ):
            _o_spot, _o_lane = _o_known.latest
            _o_above = _o_frame(1)
            for _o_code in _o_spot.between:
                if _o_above.f_code is not _o_code:
                    break
                _o_above = _o_above.f_back
            if _o_above is None or _o_above.f_code is not _o_spot.code or _o_above.f_lasti != _o_spot.at:
                _o_lane = _o_other(_o_known, _o_known.lanes, _o_frame(1))
            _o_outer = _o_carried_now()
            if _o_outer is None and _o_thread_lines:
                _o_outer = _o_of_thread()
            if _o_lane is not None:
                _o_call = _o_new(_o_class)
                _o_call.client = _o_known
                _o_call.lines = _o_lane.lines
                _o_call.certainty = _o_lane.certainty
                _o_call.caller = _o_recorder.root if _o_outer is None else _o_outer.caller
                _o_call.live = True
                _o_call.connection = None
                _o_call.lane = _o_lane
                _o_call.tally = _o_lane.nowhere
                _o_begun_ns[_o_thread()] = _o_call.start_ns = _o_now()
                _o_call.token = _o_carried.set(_o_call)
                _o_known.in_flight += 1
                if _o_known.standing is not None:
                    _o_known.standing.is_off = True
                _o_client = _o_known
    except _o_exception as _o_error:
        if _o_call is not None:
            _o_call.live = False
        _o_note('a usual call', _o_error)
    _o_above = _o_outer = None
    if _o_client is None:
        _o_call = _o_begins({first}, _o_caller())
if _o_call is None:
    return {call}
"""

_ENDS: Final = """
finally:
    if _o_client is None:
        try:
            _o_ends(_o_call)
        finally:
            if _o_call.live:
                _o_ends(_o_call)
    else:
        try:
            _o_end_ns = _o_now()
            _o_call.tally.spent_ns += _o_end_ns - _o_call.start_ns
            if _o_call.connection is not None:
                _o_call.connection.last_ns = _o_end_ns
                if _o_client.http2 and _o_fails(_o_frame(0)):  # as in call_ends
                    _o_call.connection.is_left = True
            _o_client.last_ns = _o_end_ns
        finally:
            _o_call.live = False
            _o_client.in_flight -= 1
            try:
                _o_carried.reset(_o_call.token)
                if _o_client.may_stand and not _o_client.in_flight:
                    _o_stands(_o_client, _o_call)
            except _o_value_error:  # finished from another context, as async generators are
                pass
            _o_call.token = None
"""

# Most calls: standing ones, and those of what is known to be a part of their client. Whether it is one is found out
# first, so that nothing comes between its becoming this call's and the block that ends it, not even a signal or another
# thread. That the stack ends early is no failure.
_STANDS: Final = """
_o_call = _o_standing(_o_id({first}))
if _o_call is not None:
    try:
        _o_above = _o_frame(_o_call.depth)
        if _o_call.below is None:
            _o_moved = False
        else:
            _o_moved = _o_above.f_code is not _o_call.below
            _o_above = _o_above.f_back
        _o_moved = _o_moved or _o_above.f_lasti != _o_call.at or _o_above.f_code is not _o_call.code
    except _o_stack_errors:
        _o_moved = True
    _o_above = None
    _o_carrier = _o_carried_get()
    _o_start_ns = _o_now()
    if (
        _o_type(_o_carrier) is _o_carrier_class
        and {in_place}
        and _o_carrier.call is None
        and not _o_call.live
        and not _o_call.is_off
    ):
        _o_call.live = True
        _o_carrier.call = _o_call
        try:
            _o_call.start_ns = _o_start_ns
            if _o_moved:
                _o_moves(_o_call, _o_caller())
            {middle}
        finally:
            try:
                _o_end_ns = _o_now()
                if _o_call.has_sent:
                    _o_call.end_ns = _o_end_ns
                    _o_call.spent_ns += _o_end_ns - _o_call.start_ns
                else:
                    _o_call.lane.nowhere.spent_ns += _o_end_ns - _o_call.start_ns
                    _o_call.client.last_ns = _o_end_ns
            finally:
                _o_call.has_sent = _o_call.live = False
                _o_carrier.call = None
"""

# Of coroutine functions this is not asked: some of them are a loop's, whose callbacks are to carry the call.
_IS_PART: Final = """
else:
    _o_carrier = _o_carried_get()
    if (
        _o_type(_o_carrier) is _o_carrier_class
        and (_o_known := _o_carrier.call) is not None
        and _o_known.client.kind.library in _o_parts(_o_type({first}), ())
        and _o_id({first}) not in _o_recorder.clients
    ):
        return {call}
"""

_BEFORE: Final = """
    if _o_call.client is not None and _o_call.client.cookie_names:
        _o_before(_o_call, {second})
"""

_AFTER: Final = """
    _o_response = {call}
    _o_after(_o_call, {first}, _o_response)
    return _o_response
"""

_AFTER_UNLESS: Final = """
    _o_response = {call}
    try:
        if not ({after_unless}):
            _o_after(_o_call, {first}, _o_response)
    except _o_exception as _o_error:
        _o_note('after a response', _o_error)
    return _o_response
"""

_IN_ITS_LOOP: Final = "(_o_known.loop is not None and _o_known.loop() is _o_loop())"
_IN_ITS_THREAD: Final = "_o_known.thread == _o_thread()"
_IN_THIS_TASK: Final = "_o_carrier.home is _o_call.home and _o_carrier.task() is _o_task_in(_o_carrier.home())"
_IN_THIS_THREAD: Final = (
    "_o_carrier.thread == _o_thread() and (not _o_call.thread or _o_call.thread == _o_carrier.thread)"
)


def _note(place: str, error: Exception) -> None:
    """A failure; but that a stack ends within the way that was known is none, and the long way looks at it."""
    hook = caller()
    is_end = (isinstance(error, AttributeError) and error.obj is None and error.name == "f_code") or (
        isinstance(error, ValueError) and hook is not None and hook.f_back is None
    )
    if not is_end:
        RECORDER.note_error(place, error)


def sender(particular: Sender) -> Callable[[Any], Any]:
    """A hook for a method in which a request begins, sync or async."""
    before, after, after_unless = particular

    def hook(original: Any) -> Any:
        if after is None:
            middle = "\n    return {call}\n"
        elif after_unless:
            middle = _AFTER_UNLESS.replace("{after_unless}", after_unless)
        else:
            middle = _AFTER
        is_async = inspect.iscoroutinefunction(original)
        at_home = _IN_ITS_LOOP if is_async else _IN_ITS_THREAD
        # A standing call sends no cookies that may be somebody else's: its client has none.
        stands = _STANDS.replace("{in_place}", _IN_THIS_TASK if is_async else _IN_THIS_THREAD)
        told = middle.replace("_o_after(_o_call,", "_o_after(_o_carrier.told(),")
        stands = stands.replace("            {middle}\n", textwrap.indent(told, "        "))
        begins = ("" if is_async else _IS_PART) + _BEGINS.replace("{at_home}", at_home)
        source = stands + begins + "try:" + ("" if before is None else _BEFORE) + middle + _ENDS
        names = {
            # What standing calls need, side by side: these are fetched from memory for each of them.
            "_o_id": id,
            "_o_standing": RECORDER.standing.get,
            "_o_frame": sys._getframe,  # noqa: SLF001 - the documented way to the caller's frame that costs little
            "_o_carried_get": CARRIED.get,
            "_o_now": now_ns,
            "_o_type": type,
            "_o_carrier_class": Carrier,
            "_o_thread": thread_id,
            "_o_task_in": quick_task_in(),
            "_o_moves": RECORDER.standing_moves,
            "_o_parts": RECORDER.parts.get,
            "_o_recorder": RECORDER,
            "_o_caller": caller,
            "_o_loop": running_loop,
            "_o_stands": RECORDER.call_stands,
            "_o_carried_now": carried_now,
            "_o_new": object.__new__,
            "_o_class": Carried,
            "_o_carried": CARRIED,
            "_o_thread_lines": THREAD_LINES,
            "_o_of_thread": of_thread,
            "_o_begun_ns": RECORDER.begun_ns,
            "_o_other": RECORDER.known_lane,
            "_o_begins": RECORDER.call_begins,
            "_o_ends": RECORDER.call_ends,
            "_o_fails": fails_on_its_way,
            "_o_before": before,
            "_o_after": after,
            "_o_exception": Exception,
            "_o_value_error": ValueError,
            "_o_stack_errors": (ValueError, AttributeError),
            "_o_note": _note,
        }
        return shaped(original, [line for line in source.splitlines() if line], names)

    return hook
