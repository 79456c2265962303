"""Replacements with the original's own parameters, and what they use among their constants."""

from __future__ import annotations

import inspect

import httpx
import pytest

from connprof.observe import observe
from connprof.observe.shapes import shaped


def original(self, first, /, second=[], *more, key="k", **others):  # noqa: B006 - a default that is one and the same object
    return self, first, second, more, key, others


class Unhashable:
    """What somebody has put in a method's place."""

    __hash__ = None

    def __call__(self, one, two=2):
        return one, two


def test_the_parameters_and_defaults_are_the_originals():
    told = []
    made = shaped(original, ["_o_tell({first}, {second})", "return {call}"], {"_o_tell": lambda *a: told.append(a)})
    assert inspect.signature(made) == inspect.signature(original)
    assert made(1, 2) == (1, 2, [], (), "k", {})
    assert made(1, 2)[2] is original(1, 2)[2]
    assert made(1, 2, 3, 4, key=5, other=6) == (1, 2, 3, (4,), 5, {"other": 6})
    assert told == [(1, 2)] * 3


MANY = ", ".join(f"k{number}=None" for number in range(40))


@pytest.mark.parametrize("others", ["", ", **others"])
def test_many_keywords_are_passed_on_as_they_are_given(others):
    """Python makes a dictionary of more than a dozen first: of those that nobody has given, too."""
    space = {}
    exec(f"def many(self, url, *more, {MANY}{others}): return self, url, more, locals()", space)
    told, body = [], ["_o_tell({first}, {second})", "return {call}"]
    made = shaped(space["many"], body, {"_o_tell": lambda *a: told.append(a)})
    assert inspect.signature(made) == inspect.signature(space["many"])
    assert made(1, 2, 3, k0=4, k39=5) == space["many"](1, 2, 3, k0=4, k39=5)
    assert told == [(1, 2)]
    assert made.__code__.co_kwonlyargcount == 0
    if others:
        assert made(1, 2, other=3) == space["many"](1, 2, other=3)
    else:
        with pytest.raises(TypeError, match=r"got an unexpected keyword argument 'other'"):
            made(1, 2, other=3)


def test_what_is_used_is_not_looked_up_by_name():
    made = shaped(original, ["_o_tell({first})", "return {call}"], {"_o_tell": print})
    assert print in made.__code__.co_consts
    assert original in made.__code__.co_consts
    assert not [name for name in made.__code__.co_names if name.startswith("_o_")]


def test_what_cannot_be_hashed_is_used_all_the_same():
    made = shaped(Unhashable(), ["if _o_seen:", "    return {call}"], {"_o_seen": {"not": "empty"}})
    assert made(1) == (1, 2)
    assert hash(made.__code__) == hash(made.__code__)


@pytest.mark.parametrize("of", [httpx.Client, httpx.AsyncClient])
def test_tools_may_keep_the_code_of_what_is_replaced(of):
    with observe():
        assert hash(of.send.__code__) == hash(of.send.__code__)
        assert of.send.__code__ in {of.send.__code__: "a debugger's"}


def test_a_name_in_a_string_stays_as_it_is():
    assert shaped(lambda: None, ["return '_o_tell', {call}"], {"_o_none": None})() == ("_o_tell", None)
