"""Whether a client serves many requests before its function lets it go."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from connprof.lint.fates import last_name, parameter_at
from connprof.lint.frameworks import way_of_passing
from connprof.lint.often import in_loop
from connprof.lint.source import Function

if TYPE_CHECKING:
    from connprof.lint.makers import Made
    from connprof.lint.often import Callers
    from connprof.lint.source import Scope

__all__ = ["is_for_batch", "is_used_in_loop"]

_DEEPEST: Final = 4
_WRAPPING: Final = frozenset({"enter_context", "enter_async_context", "closing", "aclosing"})
_AT_ONCE: Final = frozenset({"gather", "create_task", "ensure_future", "start_soon", "submit"})


def is_used_in_loop(made: Made) -> bool:
    """Whether a loop uses what a function makes before it: a worker's client."""
    return any(in_loop(made.scope, load) is not None for load in made.scope.loads.get(_name_of(made), ()))


def is_for_batch(callers: Callers, made: Made) -> bool:
    """Whether a loop, a map, tasks or a function that it is passed to make many requests with it."""
    name = _name_of(made)
    return bool(name) and _is_for_many(callers, made.scope, name)


def _name_of(made: Made) -> str:
    """The variable that it is put into."""
    parents = made.scope.module.parents
    around = parents.get(made.node)
    while isinstance(around, ast.Await) or (isinstance(around, ast.Call) and last_name(around.func) in _WRAPPING):
        around = parents.get(around)
    target = around.optional_vars if isinstance(around, ast.withitem) else getattr(around, "target", None)
    if isinstance(around, ast.Assign):
        target = around.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _is_for_many(callers: Callers, scope: Scope, name: str, depth: int = 0) -> bool:
    loads = scope.loads.get(name, ())
    if any(in_loop(scope, load) is not None or _is_mapped(scope, load) for load in loads):
        return True
    if sum(_is_at_once(scope, load) for load in loads) > 1:
        return True
    if depth > _DEEPEST:
        return False
    if any(_is_handed_to_many(callers, scope, load, depth) for load in loads):
        return True
    return any(
        _is_for_many(callers, inner, name, depth + 1) or _is_for_many(callers, scope, inner.name, depth + 1)
        for inner in scope.functions()
        if inner.loads.get(name) and callers.project.holder(inner, name) is scope
    )


def _is_mapped(scope: Scope, load: ast.Name) -> bool:
    """``pool.map(client.get, urls)``, with a partial or the like in between as well."""
    node: ast.AST = load
    around = scope.module.parents.get(node)
    while isinstance(around, ast.expr):
        if isinstance(around, ast.Call) and around.args[:1] == [node] and _maps(around):
            return True
        node, around = around, scope.module.parents.get(around)
    return False


def _maps(call: ast.Call) -> bool:
    return way_of_passing(call, None).why.startswith("mapped over")


def _is_at_once(scope: Scope, load: ast.Name) -> bool:
    """Whether it is one of several calls that go on beside each other."""
    around = scope.module.parents.get(load)
    while isinstance(around, ast.expr | ast.keyword):
        if isinstance(around, ast.Call) and last_name(around.func) in _AT_ONCE:
            return True
        around = scope.module.parents.get(around)
    return False


def _is_handed_to_many(callers: Callers, scope: Scope, load: ast.Name, depth: int) -> bool:
    around = scope.module.parents.get(load)
    call = scope.module.parents.get(around) if isinstance(around, ast.keyword) else around
    called = callers.called.get(call) if isinstance(call, ast.Call) else None
    if not isinstance(called, Function) or not isinstance(call, ast.Call):
        return False
    place = (
        around.arg
        if isinstance(around, ast.keyword)
        else next((index for index, each in enumerate(call.args) if each is load), None)
    )
    parameter = parameter_at(called, place)
    return bool(parameter) and _is_for_many(callers, called, parameter, depth + 1)
