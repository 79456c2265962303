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


def test_what_is_used_is_not_looked_up_by_name():
    made = shaped(original, ["_o_tell({first})", "return {call}"], {"_o_tell": print})
    assert print in made.__code__.co_consts
    assert original not in made.__code__.co_consts
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


def test_code_is_the_same_for_each_function_with_these_parameters():
    def like(self, first, /, second=3, *more, key="other", **others):
        return "like", self, first, second, more, key, others

    like.__name__ = "original"
    one, other = (shaped(each, ["return {call}"], {}) for each in (original, like))
    assert one.__code__ is other.__code__
    assert one(1, 2) == (1, 2, [], (), "k", {})
    assert other(1, 2) == ("like", 1, 2, 3, (), "other", {})
    assert shaped(like, ["_o_tell()", "return {call}"], {"_o_tell": print}).__code__ is not other.__code__


@pytest.mark.parametrize("changed", ["__defaults__", "__kwdefaults__", "__code__"])
def test_a_function_that_was_changed_in_place_is_what_it_is_now(changed):
    def one(self, second=1, *, key=2):
        return self, second, key

    def other(self, third=3, *, word=4):
        return self, third, word

    before = shaped(one, ["return {call}"], {})
    assert before(0) == (0, 1, 2)
    one.__defaults__, one.__kwdefaults__ = other.__defaults__, {"key": 4} if changed != "__code__" else {"word": 4}
    if changed == "__code__":
        one.__code__ = other.__code__
    assert shaped(one, ["return {call}"], {})(0) == (0, 3, 4)
    assert inspect.signature(shaped(one, ["return {call}"], {})) == inspect.signature(one)
