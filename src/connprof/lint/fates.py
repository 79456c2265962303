"""What becomes of an object that an expression makes: kept, handed back, or gone with the call."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from connprof.lint.libraries import MADE_BY
from connprof.lint.project import External
from connprof.lint.source import Class, Function, dotted

if TYPE_CHECKING:
    from connprof.lint.project import Known, Project
    from connprof.lint.source import Scope

__all__ = ["Ending", "Fate", "fate_of", "is_given", "last_name", "parameter_at", "passed_on"]


class Ending(IntEnum):
    """Where an object goes, the one that lives longest first: of several, the first counts."""

    KEPT = 0
    """Into something that lives on: a global, an attribute of another object, a collection that is kept."""
    SELF = 1
    """Into an attribute of the object whose method this is."""
    RETURNED = 2
    YIELDED = 3
    NAMED = 4
    """Into a variable of the module: kept until that gets another value."""
    ABSORBED = 5
    """Into another client, which is then the one to look at."""
    SERVER = 6
    """It is a server's context."""
    PASSED = 7
    """Into a function that is not known."""
    SPARE = 8
    """Into a collection, if there is none yet at its place."""
    LOCAL = 9
    """Nowhere: it is gone when the function is."""


@dataclass(frozen=True, slots=True)
class Fate:
    """The ending, and what was seen on the way."""

    ending: Ending
    closed: bool = False
    by_loop: bool = False
    """Collected in a list or the like."""
    guard: str = ""
    """The parameter that, when it is given, stands in for the object."""
    connects: bool = False
    """A context that a client or a request used."""
    collection: ast.AST | None = None
    """Where, in the same function, that is made which outlives the round of a loop: a list or the like, or a variable
    that is filled once."""


_DEEPEST: Final = 8
_PASS_THROUGH: Final = frozenset(
    {"enter_context", "enter_async_context", "push_async_exit", "push", "closing", "aclosing", "cast", "ensure_future"}
)
_COLLECTING_BUILTINS: Final = frozenset(
    {"list", "tuple", "dict", "set", "frozenset", "zip", "enumerate", "reversed", "sorted", "iter", "copy"}
)
_BUILTINS: Final = {
    **dict.fromkeys(
        ("len", "print", "isinstance", "repr", "str", "id", "type", "hasattr", "getattr", "bool", "sum", "max"),
        Ending.LOCAL,
    ),
    "setattr": Ending.KEPT,
}
_FINDING: Final = ("get_running_", "get_event_", "get_current_", "current_")
_CLOSING: Final = frozenset({"close", "aclose", "shutdown", "__exit__", "__aexit__"})
_CLOSED_BY: Final = frozenset({"closing", "aclosing", "enter_context", "enter_async_context"})
_COLLECTIONS: Final = frozenset({"list", "tuple", "dict", "set", "frozenset", "sorted"})
"""Of these builtins, those that go through everything at once."""
_TAKING_OUT: Final = {"values": True, "items": True, "copy": True, "get": False, "pop": False, "popitem": False,
                      "popleft": False, "setdefault": False, "get_nowait": False}  # fmt: skip
"""Methods of a collection that give what is in it, and whether they give a collection again."""
_STORING: Final = frozenset(
    {"append", "add", "put", "put_nowait", "setdefault", "insert", "extend", "update", "register",
     "appendleft", "set", "set_result"}
)  # fmt: skip
_SERVING: Final = frozenset(
    {"start_server", "create_server", "start_unix_server", "run_app", "TCPSite", "serve", "HTTPServer", "run",
     "make_server", "listen", "WSGIServer", "start_tls_server"}
)  # fmt: skip


def last_name(node: ast.expr) -> str:
    """``c`` of ``a.b.c``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def fate_of(project: Project, scope: Scope, node: ast.expr, depth: int = 0) -> Fate:
    """What becomes of the object that ``node`` makes in ``scope``."""
    return _Walk(project, scope, depth, frozenset()).up(node)


def _outermost(parents: dict[ast.AST, ast.AST], nodes: list[ast.AST | None]) -> ast.AST | None:
    """The node with the fewest loops around it."""
    return min(
        (each for each in nodes if each is not None), key=lambda each: _loops_around(parents, each), default=None
    )


def _loops_around(parents: dict[ast.AST, ast.AST], node: ast.AST) -> int:
    count = 0
    around = parents.get(node)
    while around is not None and not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
        count += isinstance(around, _REPEATING)
        around = parents.get(around)
    return count


class _Walk:
    """From an expression outwards, through assignments to every use of the name.

    ``held`` is whether the expression is a collection that holds the object, and not the object itself.
    """

    def __init__(
        self, project: Project, scope: Scope, depth: int, seen: frozenset[tuple[Scope, str]], *, held: bool = False
    ) -> None:
        self.project = project
        self.scope = scope
        self.depth = depth
        self.seen = seen
        self.held = held
        self.parents = scope.module.parents

    def _longest(self, fates: list[Fate]) -> Fate:
        chosen = min(fates, key=lambda each: each.ending)
        return replace(
            chosen,
            closed=any(each.closed for each in fates),
            by_loop=any(each.by_loop for each in fates),
            guard=next((each.guard for each in fates if each.guard), ""),
            connects=any(each.connects for each in fates),
            collection=_outermost(self.parents, [each.collection for each in fates]),
        )

    def up(self, node: ast.AST) -> Fate:
        by_loop = False
        held = self.held
        collection: ast.AST | None = None
        guard = ""
        while True:
            parent = self.parents.get(node)
            joined = held and isinstance(parent, ast.BinOp)
            if parent is not None and (joined or isinstance(parent, _TRANSPARENT) or _is_element(parent, node)):
                by_loop = by_loop or isinstance(parent, _COLLECTING)
                held = isinstance(parent, _COLLECTING) or (held and not isinstance(parent, ast.Subscript))
                if isinstance(parent, _COMPREHENSIONS) or _is_unpacked(self.parents, parent):
                    collection = parent
                if isinstance(parent, ast.BoolOp | ast.IfExp):
                    guard = guard or self._guard_in(parent, node)
                    if guard == _NOT_THE_VALUE:
                        return Fate(Ending.LOCAL)
                node = parent
                continue
            walk = _Walk(self.project, self.scope, self.depth, self.seen, held=held)
            fate = walk._at(parent, node)
            return replace(
                fate,
                by_loop=by_loop or fate.by_loop,
                guard=fate.guard or guard or self._guard_around(node),
                collection=_outermost(self.parents, [collection, fate.collection]),
            )

    def _at(self, parent: ast.AST | None, node: ast.AST) -> Fate:
        if isinstance(parent, ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.AugAssign):
            return self._assigned(parent) if not isinstance(parent, ast.AugAssign) else self._stored_in(parent.target)
        if isinstance(parent, ast.withitem):
            return self._managed(parent)
        if isinstance(parent, ast.Attribute):
            return self._attribute(parent)
        if isinstance(parent, ast.keyword | ast.Call):
            return self._handed_over(parent, node)
        if isinstance(parent, ast.For | ast.AsyncFor | ast.comprehension) and node is parent.iter:
            walk = _Walk(self.project, self.scope, self.depth, self.seen, held=False)
            return walk._target(parent.target)
        return Fate(_PLAIN.get(parent.__class__, Ending.LOCAL))

    def _handed_over(self, parent: ast.keyword | ast.Call, node: ast.AST) -> Fate:
        if isinstance(parent, ast.Call):
            position = next((index for index, each in enumerate(parent.args) if each is node), None)
            return self._argument(parent, position) if position is not None else Fate(Ending.LOCAL)
        call = self.parents.get(parent)
        return self._argument(call, parent.arg) if isinstance(call, ast.Call) else Fate(Ending.LOCAL)

    # --- names --------------------------------------------------------------------------------------------

    def _assigned(self, statement: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> Fate:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        joined = self.held and isinstance(targets[0], ast.Name)
        if joined and any(_reads(each, targets[0]) for each in _joined(statement.value)):
            return self._collected(last_name(targets[0]))
        fates = [self._target(target) for target in targets]
        if self._is_asked_for(targets[0], statement):
            fates = [replace(fate, collection=self._first_place(targets[0])) for fate in fates]
        if isinstance(statement, ast.NamedExpr):
            fates.append(self.up(statement))
        return self._longest(fates)

    def _is_asked_for(self, target: ast.expr, statement: ast.AST) -> bool:
        """Whether it is made only where there is none yet: ``if client is None: client = ...``."""
        name = dotted(target)
        value = getattr(statement, "value", None)
        tests = value.values[:-1] if isinstance(value, ast.BoolOp) else []
        tests += [value.test] if isinstance(value, ast.IfExp) else []
        node, around = statement, self.parents.get(statement)
        while around is not None and not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
            tests += [around.test] if isinstance(around, ast.If) and node is not around.test else []
            node, around = around, self.parents.get(around)
        named = (each for test in tests for each in ast.walk(test) if isinstance(each, ast.Name | ast.Attribute))
        return bool(name) and any(dotted(each) == name for each in named)

    def _is_always_reached(self, node: ast.expr) -> bool:
        """Whether nothing around or before ``node`` in its function can keep it from being evaluated."""
        around: ast.AST | None = node
        while around is not None and not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(around, ast.If | ast.IfExp | ast.BoolOp | ast.ExceptHandler):
                return False
            around = self.parents.get(around)
        before = ast.walk(around) if around is not None else ()
        return not any(isinstance(each, ast.Return) and each.lineno < node.lineno for each in before)

    def _first_place(self, target: ast.expr) -> ast.AST:
        """Where the name gets its first value; the head of the function for what comes from outside."""
        head = self.scope.node.args if isinstance(self.scope, Function) else self.scope.module.tree
        if not isinstance(target, ast.Name) or self.scope is self.scope.module:
            return head
        places = [binding.target for binding in self.scope.bindings.get(target.id, ())]
        others: list[ast.AST | None] = [each if each is not None else head for each in places if each is not target]
        return _outermost(self.parents, others) or head

    def _target(self, target: ast.expr) -> Fate:
        if isinstance(target, ast.Name):
            return self._variable(target.id)
        if isinstance(target, ast.Attribute):
            return self._stored_on(target)
        if isinstance(target, ast.Subscript):
            return self._stored_in(target.value)
        if isinstance(target, ast.Tuple | ast.List):
            return self._longest([self._target(each) for each in target.elts] or [Fate(Ending.LOCAL)])
        return self._target(target.value) if isinstance(target, ast.Starred) else Fate(Ending.LOCAL)

    def _stored_on(self, target: ast.Attribute) -> Fate:
        owner = target.value
        if isinstance(owner, ast.Name) and isinstance(self.scope, Function):
            if self.scope.own_class is not None and self.scope.parameters[:1] == [owner.id]:
                static = owner.id == "cls"
                return Fate(Ending.KEPT if static else Ending.SELF)
            if self._is_local(owner.id) and owner.id not in self.scope.parameters:
                return Fate(Ending.KEPT) if self._is_part(owner.id) else self._variable(owner.id)
        return Fate(Ending.KEPT)

    def _is_part(self, name: str) -> bool:
        """Whether a local name stands for a part of something else, or for what lives on without this function.

        An item that a loop goes over, an attribute, the running loop or thread.
        """
        return any(
            isinstance(binding.value, ast.Subscript | ast.Attribute)
            or self._is_found(binding.value)
            or isinstance(self.parents.get(binding.target), ast.For | ast.AsyncFor)
            for binding in self.scope.bindings[name]
            if binding.target is not None
        )

    def _is_found(self, value: ast.expr | None) -> bool:
        """Whether a library is asked for something that is there already, by the name of its function."""
        return (
            isinstance(value, ast.Call)
            and last_name(value.func).startswith(_FINDING)
            and isinstance(self.project.called(self.scope, value), External)
        )

    def _stored_in(self, owner: ast.expr) -> Fate:
        if isinstance(owner, ast.Name) and self._is_local(owner.id):
            if isinstance(self.scope, Function) and owner.id in self.scope.parameters:
                return Fate(Ending.KEPT)
            return Fate(Ending.KEPT) if self._is_part(owner.id) else self._collected(owner.id)
        if isinstance(owner, ast.Attribute):
            fate = self._stored_on(owner)
            return fate if fate.ending in {Ending.KEPT, Ending.SELF} else self._collected(_root(owner))
        return Fate(Ending.KEPT)

    def _collected(self, name: str) -> Fate:
        """The fate of what is put into a collection of this function."""
        walk = _Walk(self.project, self.scope, self.depth, self.seen, held=True)
        fate = walk._variable(name)
        made = [
            binding.target
            for binding in self.scope.bindings[name]
            if binding.target is not None
            and not isinstance(self.parents.get(binding.target), ast.AugAssign)
            and not _reads(binding.value, binding.target)
        ]
        # Where it is made again in some loop, that is where it ends.
        where = max(made, key=lambda each: _loops_around(self.parents, each), default=None)
        return replace(fate, by_loop=True, collection=_outermost(self.parents, [where, fate.collection]))

    def _is_local(self, name: str) -> bool:
        return isinstance(self.scope, Function) and self.project.holder(self.scope, name) is self.scope

    def _variable(self, name: str) -> Fate:
        """The fate of whatever the name stands for: the longest of all its uses."""
        if isinstance(self.scope, Class) or name in self.scope.outer_names:
            return Fate(Ending.KEPT)
        key = (self.scope, name)
        if key in self.seen or self.depth > _DEEPEST:
            return Fate(Ending.LOCAL)
        walk = _Walk(self.project, self.scope, self.depth + 1, self.seen | {key}, held=self.held)
        fates = [Fate(Ending.LOCAL)]
        fates += [walk.up(load) for load in self.scope.loads.get(name, ())]
        if self.scope is self.scope.module:
            fates.append(Fate(Ending.NAMED))
        else:
            fates += [fate for inner in self.scope.functions() for fate in self._captured(inner, name)]
        return self._longest(fates)

    def _captured(self, inner: Function, name: str) -> list[Fate]:
        """Uses in a function inside this one: where that lives on, so does what it uses."""
        loads = inner.loads.get(name, ())
        if not loads or self.project.holder(inner, name) is not self.scope:
            return []
        closed = any(_closes(inner.module.parents.get(load)) for load in loads)
        own_loads = self.scope.loads.get(inner.name, ())
        called_here = bool(own_loads) and all(map(self._is_called, own_loads))
        outlives = (bool(inner.node.decorator_list) and not called_here) or inner.own_class is not None
        if not outlives and inner.parent is self.scope:
            walk = _Walk(self.project, self.scope, self.depth + 1, self.seen | {(self.scope, name)})
            uses = [walk.up(load) for load in own_loads if not self._is_called(load)]
            fate = self._longest([Fate(Ending.LOCAL), *uses])
            return [replace(fate, closed=closed or fate.closed)]
        return [Fate(Ending.KEPT if outlives else Ending.LOCAL, closed=closed)]

    def _is_called(self, load: ast.Name) -> bool:
        around = self.parents.get(load)
        return isinstance(around, ast.Call) and around.func is load

    # --- uses ---------------------------------------------------------------------------------------------

    def _managed(self, item: ast.withitem) -> Fate:
        if item.optional_vars is None:
            return Fate(Ending.LOCAL, closed=True)
        fate = self._target(item.optional_vars)
        ending = Ending.LOCAL if fate.ending is Ending.NAMED else fate.ending
        return replace(fate, ending=ending, closed=True, collection=None)

    def _attribute(self, node: ast.Attribute) -> Fate:
        """``client.get(url)`` and ``client.chat.create()`` use it; ``client.chat`` handed on lives where that goes."""
        outer = node
        parent = self.parents.get(outer)
        while isinstance(parent, ast.Attribute):
            outer, parent = parent, self.parents.get(parent)
        if isinstance(parent, ast.Call) and parent.func is outer:
            return self._method_call(outer.attr, parent)
        if outer.attr in _CLOSING or not isinstance(outer.ctx, ast.Load):
            # A method that closes, handed on, will be called at the end.
            return Fate(Ending.LOCAL, closed=outer.attr in _CLOSING)
        fate = self.up(outer)
        return fate if fate.ending is not Ending.PASSED else Fate(Ending.LOCAL)

    def _method_call(self, method: str, call: ast.Call) -> Fate:
        if self.held and method in _TAKING_OUT:
            return _Walk(self.project, self.scope, self.depth, self.seen, held=_TAKING_OUT[method]).up(call)
        if method in {"__enter__", "__aenter__"}:
            return replace(self.up(call), closed=True)
        if method == "wrap_socket" and _says(call, "server_side"):
            return Fate(Ending.SERVER)
        return Fate(Ending.LOCAL, closed=method in _CLOSING, connects=method in {"wrap_socket", "wrap_bio"})

    def _argument(self, call: ast.Call, place: str | int | None) -> Fate:
        name = last_name(call.func)
        if isinstance(call.func, ast.Name) and name in _BUILTINS:
            return Fate(_BUILTINS[name])
        if name in _PASS_THROUGH or (isinstance(call.func, ast.Name) and name in _COLLECTING_BUILTINS):
            fate = self.up(call)
            where = _outermost(self.parents, [call if name in _COLLECTIONS else None, fate.collection])
            return replace(fate, closed=fate.closed or name in _CLOSED_BY, collection=where)
        called = self.project.called(self.scope, call)
        if isinstance(called, External) and called in MADE_BY:
            return self._given_to_library(call, called)
        if isinstance(call.func, ast.Attribute) and name in _STORING:
            if name == "setdefault" and self._is_always_reached(call):
                return Fate(Ending.SPARE)
            return self._stored_in(call.func.value)
        return self._given_to_code(call, called, place, name)

    def _given_to_code(self, call: ast.Call, called: Known | None, place: str | int | None, name: str) -> Fate:
        if name in _SERVING:
            return Fate(Ending.SERVER)
        if isinstance(called, Function) and self.depth < _DEEPEST:
            return self._given_to_function(call, called, place)
        if isinstance(called, Class) or name[:1].isupper():
            return self.up(call)
        # What an unknown function gives back may hold what it was given.
        return Fate(Ending.PASSED, closed=self.up(call).closed)

    def _given_to_library(self, call: ast.Call, called: External) -> Fate:
        if MADE_BY[called].kind == "shortcut":
            return Fate(Ending.LOCAL, connects=True)
        outer = self.up(call)
        return replace(outer, ending=min(Ending.ABSORBED, outer.ending), connects=True, closed=True)

    def _given_to_function(self, call: ast.Call, called: Function, place: str | int | None) -> Fate:
        parameter = parameter_at(called, place)
        if not parameter or (called, parameter) in self.seen:
            return Fate(Ending.PASSED)
        walk = _Walk(self.project, called, self.depth + 1, self.seen, held=self.held)
        fate = replace(walk._variable(parameter), collection=None)
        if fate.ending in {Ending.RETURNED, Ending.YIELDED}:
            return replace(self.up(call), closed=fate.closed)
        if fate.ending is Ending.SELF:
            return self.up(call) if called.name == "__init__" else Fate(Ending.KEPT, closed=fate.closed)
        return fate

    # --- guards -------------------------------------------------------------------------------------------

    def _guard_in(self, parent: ast.BoolOp | ast.IfExp, node: ast.AST) -> str:
        if isinstance(parent, ast.IfExp):
            return _NOT_THE_VALUE if node is parent.test else self._parameter_in(parent.test)
        if parent.values[-1] is not node:
            return ""
        return next(filter(None, map(self._parameter_in, parent.values[:-1])), "")

    def _guard_around(self, node: ast.AST) -> str:
        """The parameter that an ``if`` around the statement asks about."""
        while True:
            parent = self.parents.get(node)
            if parent is None or isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                return ""
            if isinstance(parent, ast.If) and node is not parent.test:
                guard = self._parameter_in(parent.test)
                if guard:
                    return guard
            node = parent

    def _parameter_in(self, test: ast.expr) -> str:
        """A parameter named in ``test``, in itself or by way of one variable."""
        if not isinstance(self.scope, Function):
            return ""
        parameters = set(self.scope.parameters) - {"self", "cls"}
        names = [each.id for each in ast.walk(test) if isinstance(each, ast.Name)]
        for name in names:
            if name in parameters:
                return name
        for name in names:
            for binding in self.scope.bindings.get(name, ()):
                if binding.value is not None and binding.exactly:
                    inner = {each.id for each in ast.walk(binding.value) if isinstance(each, ast.Name)}
                    if isinstance(binding.value, ast.Compare | ast.BoolOp | ast.UnaryOp) and inner & parameters:
                        return min(inner & parameters)
        return ""


_NOT_THE_VALUE: Final = "\0"
_PLAIN: Final[dict[type, Ending]] = {
    ast.Return: Ending.RETURNED,
    ast.Yield: Ending.YIELDED,
    ast.YieldFrom: Ending.YIELDED,
    ast.Lambda: Ending.KEPT,
}
_COLLECTING = (ast.Tuple, ast.List, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp)
"""Those that make a collection; a generator gives each object on as it comes."""
_REPEATING = (ast.For, ast.AsyncFor, ast.While, *_COMPREHENSIONS, ast.GeneratorExp)
_TRANSPARENT = (*_COLLECTING, ast.Await, ast.Starred, ast.BoolOp, ast.IfExp)


def _is_element(parent: ast.AST | None, node: ast.AST) -> bool:
    return isinstance(parent, ast.Subscript) and parent.value is node and isinstance(parent.ctx, ast.Load)


def _is_unpacked(parents: dict[ast.AST, ast.AST], node: ast.AST) -> bool:
    """Whether ``node`` is a generator that is run to its end: ``a, b = (make() for _ in range(2))``."""
    outer = parents.get(node) if isinstance(node, ast.GeneratorExp) else None
    return isinstance(outer, ast.Assign) and isinstance(outer.targets[0], ast.Tuple | ast.List)


def _reads(value: ast.expr | None, target: ast.expr) -> bool:
    """Whether a name gets a new value that is made of its old one."""
    nodes = ast.walk(value) if value is not None else ()
    return any(isinstance(each, ast.Name) and each.id == last_name(target) for each in nodes)


def _joined(value: ast.expr | None) -> list[ast.expr]:
    """What goes whole into a new collection: ``a`` of ``a + [b]``, ``[*a, b]`` and ``{**a, b: c}``."""
    if isinstance(value, ast.BinOp):
        return [value]
    if isinstance(value, ast.Dict):
        return [each for key, each in zip(value.keys, value.values, strict=True) if key is None]
    if isinstance(value, ast.List | ast.Tuple | ast.Set):
        return [each.value for each in value.elts if isinstance(each, ast.Starred)]
    return []


def _root(node: ast.expr) -> str:
    """``a`` of ``a.b.c``."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return last_name(node)


def _closes(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in _CLOSING


def _says(call: ast.Call, keyword: str) -> bool:
    return any(
        each.arg == keyword and isinstance(each.value, ast.Constant) and each.value.value is True
        for each in call.keywords
    )


def parameter_at(called: Function, place: str | int | None) -> str:
    """The parameter that gets the argument at a position or of a name."""
    given = called.node.args
    positional = [each.arg for each in (*given.posonlyargs, *given.args)]
    if called.own_class is not None and positional and not _is_static(called):
        positional = positional[1:]
    if isinstance(place, int):
        return positional[place] if place < len(positional) else ""
    return place if place in called.parameters else ""


def is_given(function: Function, parameter: str, call: ast.Call) -> bool:
    """Whether a call passes ``parameter``, and something else than ``None`` or ``False``."""
    if not parameter:
        return False
    if any(each.arg is None for each in call.keywords) or any(isinstance(each, ast.Starred) for each in call.args):
        return True
    given = _given(function, parameter, call)
    return any(not (isinstance(each, ast.Constant) and not each.value) for each in given)


def _given(function: Function, parameter: str, call: ast.Call) -> list[ast.expr]:
    by_name = [each.value for each in call.keywords if each.arg == parameter]
    return by_name + [each for index, each in enumerate(call.args) if parameter_at(function, index) == parameter]


def passed_on(scope: Function, function: Function, parameter: str, call: ast.Call) -> str:
    """The parameter of ``scope``, ``None`` unless it is passed, that a call in there hands on as it is."""
    given = _given(function, parameter, call)
    if len(given) != 1 or not isinstance(given[0], ast.Name):
        return ""
    name = given[0].id
    own = scope.node.args
    positional = [*own.posonlyargs, *own.args]
    defaults = {
        **{each.arg: value for each, value in zip(reversed(positional), reversed(own.defaults), strict=False)},
        **{each.arg: value for each, value in zip(own.kwonlyargs, own.kw_defaults, strict=True)},
    }
    default = defaults.get(name)
    is_none = isinstance(default, ast.Constant) and default.value is None
    return name if is_none and len(scope.bindings[name]) == 1 else ""


def _is_static(function: Function) -> bool:
    return any(last_name(each) == "staticmethod" for each in function.node.decorator_list)
