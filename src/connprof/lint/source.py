"""One source file as scopes, names and calls. Nothing in it is ever imported or run."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Binding", "Class", "Function", "FunctionNode", "Module", "Scope", "dotted"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Binding:
    """What gives a name its meaning at one place.

    ``imported`` is the full name behind an import; ``scope`` a function or class defined here; ``value`` the expression
    assigned, with ``exactly`` false where the name gets only a part of it.
    """

    imported: str | None = None
    scope: Function | Class | None = None
    value: ast.expr | None = None
    exactly: bool = True
    annotation: ast.expr | None = None
    target: ast.Name | None = None
    """Where the name is written, if by a statement that assigns to it."""


@dataclass(eq=False, slots=True)
class Scope:
    """Where names live. ``loads`` are the reads of a name in this scope alone."""

    module: Module
    parent: Scope | None
    name: str
    bindings: dict[str, list[Binding]] = field(default_factory=lambda: defaultdict(list))
    loads: dict[str, list[ast.Name]] = field(default_factory=lambda: defaultdict(list))
    inner: list[Function | Class] = field(default_factory=list)
    calls: list[ast.Call] = field(default_factory=list)
    outer_names: set[str] = field(default_factory=set)
    """Names declared global or nonlocal."""

    def functions(self) -> Iterator[Function]:
        """Every function below, at any depth."""
        waiting: list[Function | Class] = list(self.inner)
        while waiting:
            scope = waiting.pop()
            waiting += scope.inner
            if isinstance(scope, Function):
                yield scope


@dataclass(eq=False, slots=True)
class Function(Scope):
    """A function or method."""

    node: FunctionNode = field(kw_only=True)
    yields: bool = False
    own_class: Class | None = None

    parameters: list[str] = field(init=False)
    """Names of all parameters, ``self`` among them."""

    def __post_init__(self) -> None:
        given = self.node.args
        both = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
        self.parameters = [each.arg for each in both]

    @property
    def title(self) -> str:
        """As a message calls it."""
        return f"{self.own_class.name}.{self.name}()" if self.own_class is not None else f"{self.name}()"


@dataclass(eq=False, slots=True)
class Class(Scope):
    """A class, with its methods by name."""

    node: ast.ClassDef = field(kw_only=True)
    methods: dict[str, Function] = field(default_factory=dict)
    _assigned: dict[str, list[tuple[Function, ast.expr]]] | None = None

    def assigned(self, attribute: str) -> list[tuple[Function, ast.expr]]:
        """What methods of this class assign to an attribute of their object."""
        if self._assigned is None:
            self._assigned = defaultdict(list)
            for method in self.methods.values():
                for name, value in _assigned_to_self(method):
                    self._assigned[name].append((method, value))
        return self._assigned.get(attribute, [])


def _assigned_to_self(method: Function) -> Iterator[tuple[str, ast.expr]]:
    parents = method.module.parents
    for load in method.loads.get(method.parameters[0], ()) if method.parameters else ():
        around = parents[load]
        if isinstance(around, ast.Attribute) and isinstance(around.ctx, ast.Store):
            statement = parents[around]
            if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
                yield around.attr, statement.value


class Module(Scope):
    """A file. ``parents`` leads from each node to the one around it, ``scopes`` from a function's node to its scope."""

    __slots__ = ("dotted_name", "folder", "is_package", "is_test", "parents", "path", "shown", "stars", "text", "tree")

    def __init__(self, path: Path, shown: str, dotted_name: str, text: str, tree: ast.Module, *, is_test: bool) -> None:
        super().__init__(self, None, "module")
        self.path = path
        self.folder = path.parent.as_posix()
        self.shown = shown
        self.dotted_name = dotted_name
        self.is_package = path.name == "__init__.py"
        self.is_test = is_test
        self.text = text
        self.tree = tree
        self.parents: dict[ast.AST, ast.AST] = {}
        self.stars: list[str] = []
        _read(self)

    def all_scopes(self) -> Iterator[Scope]:
        """This module, and every class and function in it."""
        waiting: list[Scope] = [self]
        while waiting:
            scope = waiting.pop()
            waiting += scope.inner
            yield scope

    def absolute(self, node: ast.ImportFrom) -> str:
        """The full name of the module that ``node`` imports from."""
        if not node.level:
            return node.module or ""
        parts = self.dotted_name.split(".")
        up = node.level - (1 if self.is_package else 0)
        kept = parts[: len(parts) - up] if up else parts
        return ".".join([*kept, *([node.module] if node.module else [])])


def _read(module: Module) -> None:
    """Walk a tree without recursion: how deep a file is nested is not for its writer to decide alone."""
    parents = module.parents
    waiting: list[tuple[ast.AST, Scope]] = [(module.tree, module)]
    while waiting:
        node, scope = waiting.pop()
        handle = _HANDLERS.get(node.__class__)
        if handle is not None:
            handle(node, scope, module)
        # The body of a function or class is inside the scope that its handler has just made; the rest is outside.
        inside = scope.inner[-1] if node.__class__ in _OPENING else scope
        found: list[tuple[ast.AST, Scope]] = []
        for field_name in node._fields:
            if field_name in _NO_NODES:
                continue
            value = getattr(node, field_name, None)
            if value.__class__ is list:
                place = inside if field_name == "body" else scope
                found += [(each, place) for each in value if isinstance(each, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append((value, scope))
        for child, _ in found:
            parents[child] = node
        found.reverse()
        waiting += found


_NO_NODES = frozenset({"ctx", "op", "ops", "id", "attr", "arg", "lineno", "kind", "type_comment", "type_ignores", "n"})
_OPENING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _import(node: ast.Import, scope: Scope, _module: Module) -> None:
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        scope.bindings[name].append(Binding(imported=alias.name if alias.asname else name))


def _import_from(node: ast.ImportFrom, scope: Scope, module: Module) -> None:
    source = module.absolute(node)
    for alias in node.names:
        if alias.name == "*":
            module.stars.append(source)
        else:
            target = f"{source}.{alias.name}" if source else alias.name
            scope.bindings[alias.asname or alias.name].append(Binding(imported=target))


def _function(node: FunctionNode, scope: Scope, module: Module) -> None:
    function = Function(module, scope, node.name, node=node)
    if isinstance(scope, Class):
        function.own_class = scope
        scope.methods.setdefault(node.name, function)
    scope.inner.append(function)
    scope.bindings[node.name].append(Binding(scope=function))
    given = node.args
    for each in (*given.posonlyargs, *given.args, *given.kwonlyargs):
        function.bindings[each.arg].append(Binding(annotation=each.annotation))
    for each in filter(None, (given.vararg, given.kwarg)):
        function.bindings[each.arg].append(Binding())


def _class(node: ast.ClassDef, scope: Scope, module: Module) -> None:
    found = Class(module, scope, node.name, node=node)
    scope.inner.append(found)
    scope.bindings[node.name].append(Binding(scope=found))


def _name(node: ast.Name, scope: Scope, module: Module) -> None:
    if isinstance(node.ctx, ast.Load):
        scope.loads[node.id].append(node)
    elif isinstance(node.ctx, ast.Store):
        holder = _enclosing(scope) if node.id in scope.outer_names else scope
        holder.bindings[node.id].append(_bound(node, module))


def _enclosing(scope: Scope) -> Scope:
    """Where a name that is declared global or nonlocal lives: the module, for both, is near enough."""
    return scope.module


def _bound(node: ast.Name, module: Module) -> Binding:
    parent = module.parents[node]
    if isinstance(parent, ast.AnnAssign):
        return Binding(value=parent.value, annotation=parent.annotation, target=node)
    if isinstance(parent, ast.Assign | ast.NamedExpr):
        return Binding(value=parent.value, target=node)
    if isinstance(parent, ast.withitem):
        return Binding(value=parent.context_expr, target=node)
    return Binding(exactly=False, target=node)


def _outer_names(node: ast.Global | ast.Nonlocal, scope: Scope, _module: Module) -> None:
    scope.outer_names.update(node.names)


def _call(node: ast.Call, scope: Scope, _module: Module) -> None:
    scope.calls.append(node)


def _yield(_node: ast.Yield, scope: Scope, _module: Module) -> None:
    if isinstance(scope, Function):
        scope.yields = True


_HANDLERS: dict[type[ast.AST], Callable[[Any, Scope, Module], None]] = {
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Name: _name,
    ast.Global: _outer_names,
    ast.Nonlocal: _outer_names,
    ast.Call: _call,
    ast.Yield: _yield,
}


def dotted(node: ast.expr) -> str:
    """``a.b.c`` as it is written, with ``()`` for calls; empty where the expression is anything else."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call) and parts:
            parts[-1:] = [f"().{parts[-1]}"]
            node = node.func
        elif isinstance(node, ast.Name):
            parts.append(node.id)
            return ".".join(reversed(parts)).replace(".().", "().")
        else:
            return ""
