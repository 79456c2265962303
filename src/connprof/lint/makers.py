"""Which calls make a client, a context or a request of their own, directly or by way of the project's own code."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from connprof.lint.fates import Ending, Fate, fate_of, is_given, last_name
from connprof.lint.frameworks import is_cached, is_context_manager, is_fixture
from connprof.lint.libraries import MADE_BY
from connprof.lint.project import External
from connprof.lint.source import Class, Function

if TYPE_CHECKING:
    from connprof.lint.libraries import Maker
    from connprof.lint.often import Callers
    from connprof.lint.project import Known, Project
    from connprof.lint.source import Scope

__all__ = ["Made", "Makers", "first_argument"]


@dataclass(frozen=True, slots=True)
class Made:
    """What one call makes."""

    maker: Maker
    scope: Scope
    node: ast.Call
    by: Function | Class | None = None
    """The project's function or class that does it, if the call is not the library's own."""
    inner: Made | None = None
    """The call in there that makes it."""
    guard: str = ""
    """The parameter of the scope's function that, when given, stands in for it."""

    @property
    def label(self) -> str:
        """What is made, in words."""
        if self.by is None:
            return self.maker.label
        name = self.by.name if isinstance(self.by, Class) else self.by.title
        return f"{self.maker.label} by way of {name}"


_DEEPEST: Final = 6
_PREPARING: Final = ("__init__", "__post_init__", "__enter__", "__aenter__")
_OFFLINE: Final = frozenset({"MockTransport", "ASGITransport", "WSGITransport", "ASGIWebSocketTransport"})
_SERVER_SIDE: Final = frozenset({"CLIENT_AUTH", "PROTOCOL_TLS_SERVER"})


class Makers:
    """Looks calls up, and remembers what the project's functions and classes make."""

    def __init__(self, project: Project, callers: Callers, extra: dict[str, Maker]) -> None:
        self.project = project
        self.callers = callers
        self.fertile = _fertile(project, callers, {**MADE_BY, **extra})
        self.extra = extra
        self._made: dict[ast.Call, Made | None] = {}
        self._functions: dict[Function, tuple[Made, ...]] = {}
        self._classes: dict[Class, tuple[Made, ...]] = {}
        self._fates: dict[ast.Call, Fate] = {}

    def fate(self, made: Made) -> Fate:
        """What becomes of it."""
        if made.node not in self._fates:
            self._fates[made.node] = fate_of(self.project, made.scope, made.node)
        return self._fates[made.node]

    def of(self, scope: Scope, call: ast.Call, known: Known | None, depth: int = 0) -> Made | None:
        """What ``call``, which calls ``known``, makes; nothing that is kept for the next call."""
        if call not in self._made:
            self._made[call] = None
            self._made[call] = self._of(scope, call, known, depth)
        return self._made[call]

    def _of(self, scope: Scope, call: ast.Call, known: Known | None, depth: int) -> Made | None:
        if isinstance(known, External):
            maker = MADE_BY.get(known) or self.extra.get(known)
            return self._by_library(maker, scope, call) if maker is not None else None
        if depth > _DEEPEST or known not in self.fertile:
            return None
        if isinstance(known, Function):
            for inner in self.by_function(known, depth + 1):
                if not is_given(known, inner.guard, call):
                    return Made(inner.maker, scope, call, known, inner)
        if isinstance(known, Class):
            return self._by_class(known, scope, call, depth)
        return None

    def handed_over(self, scope: Scope, call: ast.Call) -> Made | None:
        """The shortcut that ``call`` is given and calls."""
        handed = self.callers.handed.get(call)
        if handed is None:
            return None
        made = self._by_library(MADE_BY[handed.name], scope, handed.given)
        return replace(made, node=call) if made is not None else None

    def _by_library(self, maker: Maker, scope: Scope, call: ast.Call) -> Made | None:
        partial = self.callers.partials.get(call)
        named = {each.arg: (scope, each.value) for each in call.keywords if each.arg}
        if partial is not None:
            named = {**{each.arg: (partial.scope, each.value) for each in partial.node.keywords if each.arg}, **named}
        if any(self._is_shared(*named[name]) for name in maker.given if name in named):
            return None
        if maker.kind == "context" and (_is_server_side(call) or (partial and _is_server_side(partial.node))):
            return None
        if maker.plain_http_is_free and self._is_plain_http(scope, first_argument(call)):
            return None
        made = Made(maker, scope, call, inner=Made(maker, partial.scope, partial.node) if partial is not None else None)
        return replace(made, guard=self.fate(made).guard) if isinstance(scope, Function) else made

    def _is_shared(self, scope: Scope, value: ast.expr) -> bool:
        """A transport, connector or client that is not made for this one call, or that speaks to no network."""
        if isinstance(value, ast.Constant) and value.value is None:
            return False
        if isinstance(value, ast.Call):
            known = self.project.called(scope, value)
            return last_name(value.func) in _OFFLINE or (
                isinstance(known, Function) and self.of(scope, value, known) is None
            )
        if isinstance(value, ast.Name) and isinstance(scope, Function):
            holder = self.project.holder(scope, value.id)
            if holder is scope and value.id not in scope.parameters:
                values = [each.value for each in scope.bindings[value.id] if each.value is not None and each.exactly]
                return all(self._is_shared(scope, each) for each in values)
        return isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.Await)

    def _is_plain_http(self, scope: Scope, node: ast.expr | None) -> bool:
        """Whether the source shows that a URL begins with ``http://``."""
        for _ in range(_DEEPEST):
            if isinstance(node, ast.JoinedStr) and node.values:
                node = node.values[0]
            elif isinstance(node, ast.FormattedValue):
                node = node.value
            elif isinstance(node, ast.BinOp):
                node = node.left
            elif isinstance(node, ast.Call) and last_name(node.func) == "Request":
                node = first_argument(node)
            elif isinstance(node, ast.Name):
                holder = self.project.holder(scope, node.id)
                values = [each.value for each in holder.bindings[node.id]] if holder is not None else []
                node = values[0] if len(values) == 1 else None
            else:
                break
        return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("http://")

    # --- the project's own --------------------------------------------------------------------------------

    def by_function(self, function: Function, depth: int = 0) -> tuple[Made, ...]:
        """What a call of ``function`` makes and hands back."""
        if function not in self._functions:
            self._functions[function] = ()
            if not (
                is_cached(function) or is_fixture(function) or (function.yields and not is_context_manager(function))
            ):
                self._functions[function] = self._ending(function, {Ending.RETURNED, Ending.YIELDED}, depth)
        return self._functions[function]

    def _ending(self, function: Function, endings: set[Ending], depth: int) -> tuple[Made, ...]:
        found = []
        for call in function.calls:
            made = self.of(function, call, self.callers.called.get(call), depth + 1)
            if made is not None and made.maker.kind != "shortcut":
                fate = self.fate(made)
                if fate.ending in endings:
                    found.append(replace(made, guard=fate.guard))
        return tuple(found)

    def by_class(self, owner: Class, depth: int = 0) -> tuple[Made, ...]:
        """What making an object of ``owner`` makes, and leaves in the object."""
        if owner not in self._classes:
            self._classes[owner] = ()
            found = [made for method in self._preparing(owner) for made in self._ending(method, {Ending.SELF}, depth)]
            self._classes[owner] = (*found, *self._by_fields(owner))
        return self._classes[owner]

    def _by_class(self, owner: Class, scope: Scope, call: ast.Call, depth: int) -> Made | None:
        for base in self.project.outer_bases(owner):
            maker = MADE_BY.get(base) or self.extra.get(base)
            if maker is not None and maker.kind == "client":
                made = self._by_library(maker, scope, call)
                return replace(made, by=owner) if made is not None else None
        for inner in self.by_class(owner, depth + 1):
            start = self.project.method(owner, "__init__")
            guarded = inner.scope if isinstance(inner.scope, Function) else None
            if guarded is not start or start is None or not is_given(start, inner.guard, call):
                return Made(inner.maker, scope, call, owner, inner)
        return None

    def _preparing(self, owner: Class) -> list[Function]:
        """``__init__`` and the like, and the methods that they call on the object itself."""
        found = [method for name in _PREPARING if (method := self.project.method(owner, name)) is not None]
        for method in found:
            for call in method.calls:
                known = self.project.called(method, call)
                if isinstance(known, Function) and known.own_class is not None and known not in found:
                    upwards = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name | ast.Call)
                    if upwards and known.own_class in self.project.lineage(owner):
                        found.append(known)
        return found

    def _by_fields(self, owner: Class) -> list[Made]:
        """``client: httpx.Client = field(default_factory=httpx.Client)``."""
        found = []
        for call in owner.calls:
            for each in call.keywords:
                if each.arg in {"default_factory", "factory"} and isinstance(each.value, ast.Name | ast.Attribute):
                    known = self.project.expression(owner, each.value)
                    maker = MADE_BY.get(known) if isinstance(known, External) else None
                    if maker is not None and maker.kind != "shortcut":
                        found.append(Made(maker, owner, call))
        return found


def _fertile(project: Project, callers: Callers, makers: dict[str, Maker]) -> set[Scope]:
    """Scopes in which something may be made, directly or by way of another one: the only ones worth a closer look."""
    below: dict[Class, list[Class]] = defaultdict(list)
    waiting: list[Scope] = []
    for module in project.modules:
        for scope in module.all_scopes():
            if any(callers.called[call] in makers or call in callers.handed for call in scope.calls):
                waiting.append(scope)
            if isinstance(scope, Class):
                for base in project.lineage(scope)[1:]:
                    below[base].append(scope)
                waiting += [scope] if _makes_by_itself(project, scope, makers) else []
    found: set[Scope] = set()
    while waiting:
        scope = waiting.pop()
        if scope not in found:
            found.add(scope)
            waiting += _touched_by(scope, callers, below)
    return found


def _touched_by(scope: Scope, callers: Callers, below: dict[Class, list[Class]]) -> list[Scope]:
    """Callers, a method's class, and subclasses."""
    touched: list[Scope] = []
    if isinstance(scope, Function | Class):
        touched += [site.scope for site in callers.sites.get(scope, ())]
    if isinstance(scope, Function) and scope.own_class is not None:
        touched.append(scope.own_class)
    if isinstance(scope, Class):
        touched += below[scope]
    return touched


def _makes_by_itself(project: Project, owner: Class, makers: dict[str, Maker]) -> bool:
    """A subclass of a library's client, or a class with a field that is made by one."""
    if any(base in makers for base in project.outer_bases(owner)):
        return True
    values = (
        each.value for call in owner.calls for each in call.keywords if each.arg in {"default_factory", "factory"}
    )
    return any(project.expression(owner, value) in makers for value in values)


def first_argument(call: ast.Call) -> ast.expr | None:
    """The first argument, or the one called ``url``."""
    if call.args:
        return call.args[0]
    return next((each.value for each in call.keywords if each.arg == "url"), None)


def _is_server_side(call: ast.Call) -> bool:
    named = (each.value for each in call.keywords if each.arg in {"purpose", "protocol"})
    return any(last_name(each) in _SERVER_SIDE for each in (*call.args[:1], *named))
