"""Replacements with the original's own parameters.

A replacement that takes ``*args, **kwargs`` makes a tuple and a dictionary for every call and takes them apart again:
on a method that every request goes through, that alone is a third of what an observer may cost. So the source of such
a replacement is written out, as :mod:`dataclasses` does for ``__init__``.

What it uses is among its constants, side by side: a dictionary of globals is several more places in memory to fetch
from, and a check for each name.
"""

from __future__ import annotations

import functools
import inspect
import keyword
import re
import sys
from types import BuiltinFunctionType, CodeType, FunctionType, MethodDescriptorType, WrapperDescriptorType
from typing import TYPE_CHECKING, Any, Final

from connprof.observe.originals import HOOK_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["is_lasting", "shaped"]

_KINDS: Final = {
    inspect.Parameter.POSITIONAL_ONLY: "{0}",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "{0}",
    inspect.Parameter.VAR_POSITIONAL: "*{0}",
    inspect.Parameter.KEYWORD_ONLY: "{0}={0}",
    inspect.Parameter.VAR_KEYWORD: "**{0}",
}

_KEYWORDS_MAX: Final = 12


def _argument(parameters: Sequence[inspect.Parameter], number: int) -> str:
    """An expression for an argument; it never raises, whatever somebody else's wrapper takes."""
    for position, parameter in enumerate(parameters):
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            index = number - position
            return f"({parameter.name}[{index}] if len({parameter.name}) > {index} else None)"
        if parameter.kind in {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}:
            break
        if position == number:
            return parameter.name
    return "None"


def _few(signature: inspect.Signature) -> list[inspect.Parameter]:
    """The parameters; where too many of them are keywords only, one for all of those that a caller gives.

    Of many keywords Python makes a dictionary first, and takes that apart again: of those that nobody gives as well.
    """
    parameters = list(signature.parameters.values())
    named = [each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
    if len(named) <= _KEYWORDS_MAX:
        return parameters
    others = [each for each in parameters if each.kind not in {each.KEYWORD_ONLY, each.VAR_KEYWORD}]
    return [*others, inspect.Parameter("_o_named", inspect.Parameter.VAR_KEYWORD)]


def is_lasting(function: Any) -> bool:
    """Whether a function holds nothing but its module, which lasts: not one that was made in another, nor a mock."""
    if type(function) is not FunctionType:
        return type(function) in {MethodDescriptorType, WrapperDescriptorType, BuiltinFunctionType}
    module = sys.modules.get(function.__module__)
    return (
        function.__globals__ is getattr(module, "__dict__", None)
        and "<locals>" not in function.__qualname__
        and function.__code__.co_freevars in {(), ("__class__",)}
    )


class _Named:
    """A default value that stands in a signature's text by a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


def shaped(original: Any, body: Sequence[str], names: Mapping[str, Any]) -> Any:
    """A function with the parameters of ``original``, or a coroutine function if that is one.

    Args:
        original: what it stands in for.
        body: its lines. ``{first}`` and ``{second}`` are its first arguments, ``None`` where they were given in
            another way than by position; ``{call}`` is the call of the original with all of them, awaited if need be;
            ``{other}`` is the same of the function ``_o_other``.
        names: what else the body uses, and never assigns to; each begins with an underscore and ``o``, which no
            library's parameters do.

    Raises:
        ValueError: ``original`` does not tell its parameters.
    """
    signature = inspect.signature(original, follow_wrapped=False)
    space: dict[str, Any] = {"__tracebackhide__": True}  # pytest leaves frames of such modules out
    used = {"_o_original": original, **names}
    # Code is kept for as long as it may be met on a stack, and what somebody has put there for a while is not to be.
    loose = frozenset() if is_lasting(original) else frozenset({"_o_original", "_o_other"})
    parameters, arguments = [], []
    for number, parameter in enumerate(_few(signature)):
        default = parameter.default
        if default is not parameter.empty:
            space[f"_o_default_{number}"] = default
            default = _Named(f"_o_default_{number}")
        parameters.append(parameter.replace(annotation=parameter.empty, default=default))
        arguments.append(_KINDS[parameter.kind].format(parameter.name))
    is_async = inspect.iscoroutinefunction(original)
    plain = signature.replace(parameters=parameters, return_annotation=signature.empty)
    called = f"{'await ' if is_async else ''}_o_original({', '.join(arguments)})"
    other = called.replace("_o_original", "_o_other", 1)
    first, second = _argument(parameters, 0), _argument(parameters, 1)
    name = getattr(original, "__name__", "")
    if not name.isidentifier() or keyword.iskeyword(name):  # a lambda that somebody put there
        name = "replacement"
    lines = [line.format(first=first, second=second, call=called, other=other) for line in body]
    source = f"{'async ' if is_async else ''}def {name}{plain}:\n" + "".join(f"    {line}\n" for line in lines)
    exec(_compiled(source, used, loose, space), space)  # noqa: S102 - made of the lines above and parameters' names
    return functools.wraps(original)(space[name])


def _compiled(source: str, used: Mapping[str, Any], loose: frozenset[str], space: dict[str, Any]) -> CodeType:
    """The code that defines the function; what it uses is in its constants, or in ``space`` where it may not be."""
    constants: dict[str, Any] = {}

    def constant(found: re.Match[str]) -> str:
        name = found[0]
        if name not in used:
            return name
        if name in loose or not _can_be_constant(used[name]):
            space[name] = used[name]
            return name
        marker = f"\0{name}"
        constants[marker] = used[name]
        return f"({marker!r} if 1 else 0)"  # not the string alone: that somebody calls that would be warned of

    code = compile(re.sub(r"\b_o_\w+", constant, source), HOOK_FILE, "exec")
    return _with_constants(code, constants)


def _with_constants(code: CodeType, constants: Mapping[str, Any]) -> CodeType:
    """The code, and the functions in it, with the strings that stand for constants replaced."""
    return code.replace(
        co_consts=tuple(
            _with_constants(each, constants)
            if isinstance(each, CodeType)
            else constants.get(each, each)
            if isinstance(each, str)
            else each
            for each in code.co_consts
        )
    )


def _can_be_constant(value: Any) -> bool:
    """Whether a code object may have it: tools keep those as keys, and their hash is that of their constants, too."""
    try:
        hash(value)
    except Exception:  # noqa: BLE001 - whatever somebody has put in a method's place
        return False
    return True
