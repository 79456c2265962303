"""Everything that is replaced is put back, in every library that is installed; and nothing is replaced unasked."""

from __future__ import annotations

import contextlib
import dis
import functools
import gc
import http.client
import inspect
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
from importlib import import_module
from weakref import ref

import httpx
import pytest

from connprof.observe import imports, libraries, observe, patches, recorder, standard, window
from connprof.observe.originals import HOOK_FILE
from connprof.observe.recorder import RECORDER
from connprof.observe.sites import DEFAULT_FINDER

ABSENT = object()


def places():
    """Owner and attribute of everything that a window replaces here."""
    found = [(owner, name) for owner, name, _ in standard.replacements()]
    for module_name in libraries.MODULES:
        try:
            module = import_module(module_name)
        except ImportError:  # not installed, or another system's
            continue
        found += [(owner, name) for owner, name, _ in libraries.replacements(module, module_name) if owner is not None]
    return found


def own(owner, name):
    return vars(owner).get(name, ABSENT)


def test_each_attribute_is_the_very_object_that_it_was():
    wanted = places()
    before = [own(owner, name) for owner, name in wanted]
    for _ in range(2):
        with observe() as observation:
            during = [own(owner, name) for owner, name in wanted]
        after = [own(owner, name) for owner, name in wanted]
        pairs = zip(wanted, before, during, strict=True)
        assert [place for place, was, then in pairs if then is was] == []  # all of them are replaced
        assert [place for place, was, now in zip(wanted, before, after, strict=True) if now is not was] == []
        assert observation.errors.errors_count == 0, observation.errors.first


def test_warnings_pass_over_whatever_is_replaced():
    with observe():
        found = [own(owner, name) for owner, name in places()]
    assert {getattr(each, "__func__", each).__code__.co_filename for each in found} == {HOOK_FILE}


def closers():
    """The same of what closes a response, in all modules that are loaded."""
    loaded = [(sys.modules[name], name) for name in sorted(libraries.RESPONSE_MODULES) if name in sys.modules]
    return [(owner, name) for module in loaded for owner, name, _ in libraries.response_replacements(*module) if owner]


def test_what_closes_responses_is_replaced_once_one_is_handed_out_unread():
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, stream=httpx.ByteStream(b"x")))
    before = [own(owner, name) for owner, name in closers()]
    assert before
    for _ in range(2):
        with observe() as observation, httpx.Client(transport=transport) as client:
            client.get("http://host/")
            read = [own(owner, name) for owner, name in closers()]
            with client.stream("GET", "http://host/"):
                unread = [own(owner, name) for owner, name in closers()]
        assert [was is now for was, now in zip(before, read, strict=True)] == [True] * len(before)
        assert [was is now for was, now in zip(before, unread, strict=True)] == [False] * len(before)
        assert [own(owner, name) for owner, name in closers()] == before
        assert observation.errors.errors_count == 0, observation.errors.first


def test_what_closes_responses_is_replaced_in_modules_that_come_later(tmp_path, monkeypatch):
    (tmp_path / "late_responses.py").write_text("class Response:\n    def close(self): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(libraries, "RESPONSES", (*libraries.RESPONSES, ("late_responses", "Response.close")))
    monkeypatch.setattr(libraries, "MODULES", (*libraries.MODULES, "late_responses"))
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, stream=httpx.ByteStream(b"x")))
    with observe() as observation, httpx.Client(transport=transport) as client:
        with client.stream("GET", "http://host/"):
            pass
        late = import_module("late_responses")
        assert late.Response.close.__wrapped__
    assert not hasattr(late.Response.close, "__wrapped__")
    assert observation.errors.errors_count == 0, observation.errors.first
    del sys.modules["late_responses"]


def put_over(monkeypatch, owner, name, how):
    """Somebody's wrapper, which may tell what it is around. It is gone after the test, and so is what it is around."""
    monkeypatch.setattr(owner, name, vars(owner)[name])  # while no window is open
    with observe():
        below = getattr(owner, name)

        def wrapper(*args, **kwargs):
            return below(*args, **kwargs)

        wrapper = functools.update_wrapper(wrapper, below) if how == "wraps" else wrapper
        setattr(owner, name, staticmethod(wrapper) if name == "__new__" else wrapper)
    return below


def counted_in_a_window(url):
    with observe() as observation:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        httpx.get(url)
        connection = http.client.HTTPConnection(url.partition("//")[2].rstrip("/"))
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()
    assert observation.errors.errors_count == 0, observation.errors.first
    return observation.counts.contexts_count, observation.counts.requests_count


@pytest.mark.parametrize("how", ["wraps", "hides"])
def test_what_was_wrapped_in_a_window_is_counted_once_in_the_next_ones(monkeypatch, plain_server, how):
    expected = counted_in_a_window(plain_server.url)
    h11 = import_module("h11")
    for owner, name in (
        (ssl.SSLContext, "__new__"),
        (http.client.HTTPConnection, "endheaders"),
        (h11.Connection, "send_with_data_passthrough"),
    ):
        put_over(monkeypatch, owner, name, how)
    theirs = own(ssl.SSLContext, "__new__")
    assert [counted_in_a_window(plain_server.url) for _ in range(3)] == [expected] * 3
    assert own(ssl.SSLContext, "__new__") is theirs


@pytest.mark.parametrize("when", ["before the next window", "in the next window"])
def test_what_was_wrapped_in_a_window_and_put_back_later_is_the_original_again(monkeypatch, when):
    original = own(ssl.SSLContext, "__new__")
    below = put_over(monkeypatch, ssl.SSLContext, "__new__", "wraps")
    if when == "before the next window":
        ssl.SSLContext.__new__ = below  # as they have found it, and no static method
    with observe() as observation:
        if when == "in the next window":
            ssl.SSLContext.__new__ = staticmethod(below)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert observation.counts.contexts_count == 1
    assert own(ssl.SSLContext, "__new__") is original


def test_what_was_wrapped_in_a_window_is_not_kept(monkeypatch):
    below = ref(put_over(monkeypatch, http.client.HTTPConnection, "endheaders", "hides"))
    theirs = ref(http.client.HTTPConnection.endheaders)
    assert below() is not None
    monkeypatch.undo()
    gc.collect()
    assert (below(), theirs()) == (None, None)


def test_a_window_leaves_no_code_behind():
    """Whoever observes each step of a long program would have a copy of all replacements for each."""
    codes = []
    for _ in range(3):
        with observe(), httpx.Client(verify=False) as client, contextlib.suppress(httpx.ConnectError):
            replaced = (httpx.Client.send, httpx.AsyncClient.send, http.client.HTTPConnection.endheaders)
            codes.append([each.__code__ for each in replaced])
            client.get("https://127.0.0.1:9/")
        codes[-1].append(len(DEFAULT_FINDER._codes))
    assert all(one is other for one, other in zip(codes[0][:-1], codes[1][:-1], strict=True))
    assert codes[1] == codes[2]


def test_who_does_without_our_replacement_once_is_counted_in_the_next_window(plain_server):
    original = socket.socket.connect

    def guarded(self, address):
        return original(self, address)

    counts = []
    try:
        for number in range(4):
            with observe() as seen:
                if not number:
                    socket.socket.connect = guarded
                socket.create_connection(("127.0.0.1", plain_server.port), timeout=10).close()
            gc.collect()
            counts.append(seen.counts.connections_count)
    finally:
        del socket.socket.connect
    assert counts == [0, 1, 1, 1]
    assert socket.socket.connect is original


def test_a_wrapper_of_before_that_is_undone_in_a_window_hides_nothing_later(plain_server, monkeypatch):
    original = http.client.HTTPConnection.endheaders

    @functools.wraps(original)
    def wrapper(*arguments, **options):
        return original(*arguments, **options)

    monkeypatch.setattr(http.client.HTTPConnection, "endheaders", wrapper)
    with observe():
        kept = http.client.HTTPConnection.endheaders  # which leads to what is put back, and is not below it
        monkeypatch.undo()
    with observe() as seen:
        connection = http.client.HTTPConnection("127.0.0.1", plain_server.port)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()
    assert kept is not original
    assert http.client.HTTPConnection.endheaders is original
    assert seen.counts.requests_count == 1


def test_of_what_others_put_there_nothing_is_kept(monkeypatch):
    space = {"original": httpx.Client.send}
    # as a library that instruments others does it: a walk up the stack goes on to the replacement over it
    source = "def send(self, *args, **options):\n    return original(self, *args, **options)\n"
    exec(compile(source, httpx.__file__, "exec"), space)
    theirs = ref(space["send"])
    monkeypatch.setattr(httpx.Client, "send", space.pop("send"))
    for _ in range(2):
        with observe(), pytest.raises(httpx.ConnectError):
            httpx.get("https://127.0.0.1:9/", verify=False)
    monkeypatch.undo()
    gc.collect()
    with observe():
        """It forgets what is gone by now."""
    assert theirs() is None


LOOKS = frozenset(
    {
        "RESUME",
        "CALL",
        "CALL_KW",
        "CALL_FUNCTION_EX",
        "CALL_FUNCTION",
        "CALL_METHOD",
        "JUMP_BACKWARD",
        "WITH_EXCEPT_START",
    }
)
"""Python looks for signals as it does one of these."""
FOLLOWED = frozenset(module.__file__ for module in (imports, patches, recorder, window))


def interrupted_at(step, do):
    """Whether an interruption at a step was raised by ``do``."""
    left, before = [step], {}

    def trace(frame, event, _argument):
        frame.f_trace_opcodes = True
        if frame.f_code.co_filename not in FOLLOWED:
            return None
        if event == "call":
            before[frame] = "RESUME"
        elif event == "opcode":
            if before.get(frame) in LOOKS:
                left[0] -= 1
            name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            is_now, before[frame] = left[0] == -1 and before.get(frame) in LOOKS, name
            if is_now:
                signal.raise_signal(signal.SIGINT)
        return trace

    tracing = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 looks whether any frame asks for them while tracing begins
    sys.settrace(trace)
    try:
        do()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(tracing)
        before.clear()
    return False


def open_and_close():
    with observe() as observation:
        pass
    return observation


@pytest.mark.parametrize("where", ["alone", "in another"])
def test_a_signal_amid_opening_or_closing_leaves_nothing_behind(monkeypatch, where):
    """Whatever its handler raises goes on to the user, once all is as it was."""
    monkeypatch.setattr(libraries, "MODULES", ("http.client",))
    wanted, handler = places(), signal.getsignal(signal.SIGINT)

    def state():
        return [own(owner, name) for owner, name in wanted], list(sys.meta_path), RECORDER.windows

    before, is_interrupted, steps, left = state(), True, 0, 0
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        while is_interrupted:
            with observe() if where == "in another" else contextlib.nullcontext() as outer:
                during = state()
                is_interrupted = interrupted_at(steps, open_and_close)
                left += state() != during
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            assert outer is None or outer.counts.contexts_count == 1
            with observe() as later:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            assert later.counts.contexts_count == 1
            assert state() == before
            steps += 3
    finally:
        signal.signal(signal.SIGINT, handler)
    assert steps > 100
    assert left <= 1  # as __exit__ begins, where nothing can guard it: the next window puts that right


def test_importing_replaces_nothing():
    named = [
        (owner.__name__, "", name) if inspect.ismodule(owner) else (owner.__module__, owner.__qualname__, name)
        for owner, name in places()
    ]
    program = f"""
        import sys
        from importlib import import_module

        def own():
            for module, path, name in {named}:
                owner = import_module(module)
                yield vars(getattr(owner, path) if path else owner).get(name)

        before = list(own()), list(sys.meta_path)
        import connprof, connprof.observe, connprof.cli, connprof.plugin
        after = list(own()), list(sys.meta_path)
        print(all(was is now for was, now in zip(before[0], after[0], strict=True)), before[1] == after[1])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "True True\n", done.stderr
