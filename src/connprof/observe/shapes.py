"""Replacements with the original's own parameters.

A replacement that takes ``*args, **kwargs`` makes a tuple and a dictionary for every call and takes them apart again:
on a method that every request goes through, that alone is a third of what an observer may cost. So the source of such
a replacement is written out, as :mod:`dataclasses` does for ``__init__``.

What it uses is among its constants, side by side: a dictionary of globals is several more places in memory to fetch
from, and a check for each name. The original is not: code is kept for as long as it may be met on a stack, and is the
same for each window, and for each original with these parameters.
"""

from __future__ import annotations

import functools
import inspect
import keyword
import re
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

from connprof.observe.originals import HOOK_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["shaped"]

_KINDS: Final = {
    inspect.Parameter.POSITIONAL_ONLY: "{0}",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "{0}",
    inspect.Parameter.VAR_POSITIONAL: "*{0}",
    inspect.Parameter.KEYWORD_ONLY: "{0}={0}",
    inspect.Parameter.VAR_KEYWORD: "**{0}",
}


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
    held = {"_o_original": original, "_o_other": names.get("_o_other")}
    used = {each: value for each, value in names.items() if each not in held}
    parameters, arguments = [], []
    for number, parameter in enumerate(signature.parameters.values()):
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
    kept = {each: value for each, value in used.items() if _can_be_constant(value)}
    space |= {each: value for each, value in used.items() if each not in kept}
    source = (
        f"def _o_making({', '.join(held)}):\n"
        f"    {'async ' if is_async else ''}def {name}{plain}:\n"
        + "".join(f"        {line}\n" for line in lines)
        + f"    return {name}\n"
    )
    exec(_compiled(source, kept), space)  # noqa: S102 - made of the lines above and parameters' names
    return functools.wraps(original)(space.pop("_o_making")(**held))


_codes: dict[tuple[str, tuple[tuple[str, Any], ...]], CodeType] = {}
"""What was compiled for an earlier window: code is kept, and each window would leave some more."""
_CODES_MAX: Final = 1_000


def _compiled(source: str, used: Mapping[str, Any]) -> CodeType:
    """The code that defines the function, with what it uses among its constants."""
    key = source, tuple(used.items())
    code = _codes.get(key)
    if code is None:
        if len(_codes) >= _CODES_MAX:
            _codes.clear()
        code = _codes[key] = _with_used(source, used)
    return code


def _with_used(source: str, used: Mapping[str, Any]) -> CodeType:
    constants: dict[str, Any] = {}

    def constant(found: re.Match[str]) -> str:
        name = found[0]
        if name not in used:
            return name
        marker = f"\0{name}"
        constants[marker] = used[name]
        return f"({marker!r} if 1 else 0)"  # not the string alone: that somebody calls that would be warned of

    return _with_constants(compile(re.sub(r"\b_o_\w+", constant, source), HOOK_FILE, "exec"), constants)


def _with_constants(code: CodeType, constants: Mapping[str, Any]) -> CodeType:
    """The code, and the functions in it, with the strings that stand for constants replaced."""
    return code.replace(
        co_qualname=code.co_qualname.removeprefix("_o_making.<locals>."),
        co_consts=tuple(
            _with_constants(each, constants)
            if isinstance(each, CodeType)
            else constants.get(each, each)
            if isinstance(each, str)
            else each
            for each in code.co_consts
        ),
    )


def _can_be_constant(value: Any) -> bool:
    """Whether a code object may have it: tools keep those as keys, and their hash is that of their constants, too."""
    try:
        hash(value)
    except Exception:  # noqa: BLE001 - whatever somebody has put in a method's place
        return False
    return True
