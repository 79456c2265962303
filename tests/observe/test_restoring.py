"""Everything that is replaced is put back, in every library that is installed; and nothing is replaced unasked."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from importlib import import_module

import httpx

from connprof.observe import libraries, observe, standard

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
