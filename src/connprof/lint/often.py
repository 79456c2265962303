"""How often a function runs, as far as the source tells."""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from connprof.lint.fates import is_given, last_name, passed_on
from connprof.lint.finding import Sureness
from connprof.lint.frameworks import Role, is_cached, is_called_by, is_fixture, role_of, way_of_passing
from connprof.lint.libraries import MADE_BY
from connprof.lint.project import PARTIAL, External
from connprof.lint.rounds import is_last_round
from connprof.lint.source import Class, Function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connprof.lint.frameworks import Way
    from connprof.lint.project import Known, Partial, Project
    from connprof.lint.source import Scope

__all__ = ["Callers", "Handed", "Often", "Site", "in_loop"]

_MANY_PLACES: Final = 3
_DEEPEST: Final = 10
_TASKS: Final = frozenset({"create_task", "ensure_future", "start_soon"})
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


@dataclass(frozen=True, slots=True)
class Often:
    """How sure it is that something runs many times; ``None`` for "once". ``handler`` is what calls it, if one does."""

    sureness: Sureness | None
    why: str
    handler: bool = False
    started: bool = False
    """Whether each is a thread, process or task, which may go on for long."""
    assumed: bool = False
    """Whether no loop, handler or the like is seen: nothing says that it runs once, and that is all."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a function or class is called, or given to something that calls it (``way``)."""

    scope: Scope
    node: ast.expr
    way: Way | None = None

    @property
    def shown(self) -> str:
        """``file:line``."""
        return f"{self.scope.module.shown}:{self.node.lineno}"


@dataclass(frozen=True, slots=True)
class Handed:
    """A library's function that a call is given, to call it: ``pool.map(requests.get, urls)``."""

    name: External
    given: ast.Call
    """The arguments that it is called with, as far as they are seen."""
    way: Way


def in_loop(scope: Scope, node: ast.AST) -> ast.AST | None:
    """The loop of the same function in which ``node`` runs in each round, if there is one.

    A loop that ends as soon as ``node`` is done is a retry, and none.
    """
    parents = scope.module.parents
    inner: ast.AST = node
    done: ast.AST = node
    around = parents.get(inner)
    while around is not None and not isinstance(around, _SCOPES):
        if isinstance(around, _LOOPS):
            if not (_is_head(around, inner) or is_last_round(parents, around, done)):
                return around
            # What leaves this loop does not leave those around it.
            done = around
        if isinstance(around, _COMPREHENSIONS) and not _is_first_source(around, inner):
            return around
        if isinstance(around, ast.Lambda):
            call = parents.get(around)
            if isinstance(call, ast.Call) and way_of_passing(call, None).why.startswith("mapped over"):
                return call
            return None
        inner, around = around, parents.get(around)
    return None


def _is_head(loop: ast.For | ast.AsyncFor | ast.While, inner: ast.AST) -> bool:
    """Evaluated once: what a ``for`` goes over, and what stands behind ``else``."""
    return inner in loop.orelse or (not isinstance(loop, ast.While) and inner is loop.iter)


def _is_first_source(node: ast.AST, inner: ast.AST) -> bool:
    return isinstance(inner, ast.comprehension) and inner is getattr(node, "generators", [None])[0]


def _is_started(site: Site) -> bool:
    """Whether the function is started as a thread, process or task, which may be a worker that lives long."""
    parents = site.scope.module.parents
    around = parents.get(site.node)
    if isinstance(around, ast.keyword):
        return around.arg == "target"
    return isinstance(around, ast.Call) and site.way is None and last_name(around.func) in _TASKS


class Callers:
    """Who calls whom, for all functions and classes of a project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.sites: dict[Function | Class, list[Site]] = defaultdict(list)
        self.called: dict[ast.Call, Known | None] = {}
        self.partials: dict[ast.Call, Partial] = {}
        """Calls of a ``functools.partial``, and where that is made."""
        self.handed: dict[ast.Call, Handed] = {}
        self._memo: dict[Function, Often] = {}
        self._entries = _entry_points(project)
        for module in project.modules:
            for scope in module.all_scopes():
                for call in scope.calls:
                    self._note(scope, call)
                if isinstance(scope, Class | Function):
                    self._note_decorators(scope)

    def _note(self, scope: Scope, call: ast.Call) -> None:
        known = self.project.called(scope, call)
        if known is None:
            partial = self.project.partial(scope, call.func)
            if partial is not None:
                known, self.partials[call] = partial.of, partial
        self.called[call] = known
        if isinstance(known, Function | Class):
            self.sites[known].append(Site(scope, call))
        for keyword, value in (
            *((None, each) for each in call.args),
            *((each.arg, each.value) for each in call.keywords),
        ):
            for each in value.elts if isinstance(value, ast.List | ast.Tuple) else (value,):
                self._note_reference(scope, call, keyword, each)

    def _note_shortcut(self, scope: Scope, call: ast.Call, keyword: str | None, node: ast.expr) -> None:
        partial = self.project.partial(scope, node)
        known = partial.of if partial is not None else self.project.expression(scope, node)
        if not isinstance(known, External) or known not in MADE_BY or MADE_BY[known].kind != "shortcut":
            return
        way = way_of_passing(call, keyword)
        if is_called_by(way) and self.called[call] != PARTIAL:
            before = partial.node if partial is not None else None
            place = call.args.index(node) if node in call.args else len(call.args)
            args = [*(before.args[1:] if before is not None else ()), *call.args[place + 1 :]]
            keywords = [*(before.keywords if before is not None else ()), *call.keywords]
            given = ast.Call(node, args if not way.why.startswith("mapped") else args[:0], keywords)
            self.handed[call] = Handed(known, ast.copy_location(given, call), way)

    def _note_reference(self, scope: Scope, call: ast.Call, keyword: str | None, node: ast.expr) -> None:
        if isinstance(node, ast.Name | ast.Attribute | ast.Call):
            self._note_shortcut(scope, call, keyword, node)
        if not isinstance(node, ast.Name | ast.Attribute):
            return
        known = self.project.expression(scope, node)
        if known is None and isinstance(node, ast.Attribute):
            owner = self.project.type_of(scope, node.value)
            known = self.project.method(owner, node.attr) if isinstance(owner, Class) else None
        if isinstance(known, Function | Class):
            self.sites[known].append(Site(scope, node, way_of_passing(call, keyword)))

    def _note_decorators(self, scope: Function | Class) -> None:
        for each in scope.node.decorator_list:
            known = self.project.expression(scope.parent or scope.module, each)
            if isinstance(known, Function):
                self.sites[known].append(Site(scope.parent or scope.module, each))

    def often_without(self, function: Function, parameter: str, depth: int = 0) -> Often:
        """How often ``function`` is called without an argument that it can do without."""
        sites = self._sites_of(function)
        left = self._left_out(function, parameter, sites)
        if sites and not left:
            return Often(None, f"every caller passes {parameter}")
        often = self._often(function, depth, list(left), left)
        if left or often.sureness is None:
            return often
        sureness = max(often.sureness, Sureness.LIKELY, key=_order)
        return Often(sureness, f"{often.why}; unless {parameter} is passed", assumed=often.assumed)

    def _left_out(self, function: Function, parameter: str, sites: list[Site], depth: int = 0) -> dict[Site, str]:
        """Where ``function`` gets no such argument.

        Beside a place that passes on what its own caller may leave out, and somebody does: that parameter's name.
        """
        found: dict[Site, str] = {}
        for site in sites:
            if not (isinstance(site.node, ast.Call) and is_given(function, parameter, site.node)):
                found[site] = ""
            elif depth < _DEEPEST and isinstance(site.scope, Function):
                name = passed_on(site.scope, function, parameter, site.node)
                if name and self._left_out(site.scope, name, self._sites_of(site.scope), depth + 1):
                    found[site] = name
        return found

    def often(self, scope: Scope, depth: int = 0) -> Often:
        """How often the body of ``scope`` runs."""
        if isinstance(scope, Class):
            return self.often(scope.parent, depth) if scope.parent is not None else Often(None, "")
        if not isinstance(scope, Function):
            return Often(None, "it runs once, when the module is imported")
        if scope not in self._memo:
            self._memo[scope] = Often(None, "it calls itself")
            self._memo[scope] = self._often(scope, depth, self._sites_of(scope))
        return self._memo[scope]

    def _often(
        self, function: Function, depth: int, sites: list[Site], without: Mapping[Site, str] | None = None
    ) -> Often:
        way = role_of(self.project, function)
        handled = _handled(function, way) if way.role is Role.HANDLER else None
        if handled is not None and way.sure:
            return handled
        if way.role is Role.ONCE or is_cached(function) or is_fixture(function) or function in self._entries:
            return Often(None, way.why)
        if depth > _DEEPEST:
            return Often(Sureness.GUESS, f"{function.title} is called from far away")
        names = without or {}
        seen = [
            self._at(site, depth, names.get(site, ""))
            for site in sites
            if function.module.is_test or not site.scope.module.is_test
        ]
        many = [*([handled] if handled is not None else []), *(each for each in seen if each.sureness is not None)]
        if many:
            return min(many, key=_rank)
        if seen:
            return self._from_places(function, [site for site in sites if not site.scope.module.is_test] or sites)
        return self._uncalled(function, way)

    def _sites_of(self, function: Function) -> list[Site]:
        sites = list(self.sites.get(function, ()))
        if function.name == "__init__" and function.own_class is not None:
            sites += self.sites.get(function.own_class, ())
        return [site for site in sites if site.scope is not function]

    def _at(self, site: Site, depth: int, without: str = "") -> Often:
        """How often one place calls; of a parameter that it passes on, only where its own caller leaves that out."""
        way = site.way
        if way is not None and way.role is Role.HANDLER:
            sureness = Sureness.CERTAIN if way.sure else Sureness.LIKELY
            return Often(sureness, f"{way.why} at {site.shown}", handler=not way.why.startswith("mapped"))
        if way is not None and way.role is Role.ONCE:
            return Often(None, way.why)
        if in_loop(site.scope, site.node) is not None:
            return _in_rounds(site)
        if without and isinstance(site.scope, Function):
            outer = self.often_without(site.scope, without, depth + 1)
        else:
            outer = self.often(site.scope, depth + 1)
        if outer.sureness is None:
            return outer
        if outer.why.startswith(("called ", "mapped ", "by way of ")):
            # Over several hands, conditions and caches on the way make it less than certain.
            far = outer.why.startswith("by way of ") and outer.sureness is Sureness.CERTAIN
            why = f"by way of {site.shown}, {outer.why.removeprefix('by way of ')}"
            return Often(Sureness.LIKELY if far else outer.sureness, why, assumed=outer.assumed)
        sureness = Sureness.GUESS if way is not None and way.why != "called" else outer.sureness
        return Often(sureness, f"called at {site.shown}, and {outer.why}", assumed=outer.assumed)

    @staticmethod
    def _from_places(function: Function, sites: list[Site]) -> Often:
        places = len({site.shown for site in sites})
        if places >= _MANY_PLACES:
            return Often(Sureness.GUESS, f"{function.title} is called from {places} places")
        return Often(None, "it is called once")

    @staticmethod
    def _uncalled(function: Function, way: Way) -> Often:
        if function.module.is_test:
            return Often(None, "only tests call it")
        if way.role is Role.START:
            return Often(Sureness.GUESS, way.why, assumed=True)
        needed = [name for name in function.parameters if name not in {"self", "cls"}]
        if needed or function.own_class is not None:
            why = f"nothing in the project keeps {function.title} to one call"
            return Often(Sureness.LIKELY, why, assumed=True)
        why = f"{function.title} takes no argument, and nothing in the project calls it"
        return Often(Sureness.GUESS, why, assumed=True)


def _handled(function: Function, way: Way) -> Often:
    sureness = Sureness.CERTAIN if way.sure else Sureness.LIKELY
    return Often(sureness, f"{function.title} runs for every request or task ({way.why})", handler=True)


def _in_rounds(site: Site) -> Often:
    """How often a place in a loop calls."""
    if _is_started(site):
        return Often(Sureness.GUESS, f"started in a loop at {site.shown}, maybe as a worker", started=True)
    return Often(Sureness.CERTAIN, f"called in a loop at {site.shown}")


def _order(sureness: Sureness) -> int:
    return sureness.rank


def _rank(often: Often) -> int:
    assert often.sureness is not None
    return often.sureness.rank


def _entry_points(project: Project) -> set[Function]:
    """Functions that ``pyproject.toml`` names as commands."""
    file = project.root / "pyproject.toml"
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        table = content.get("project", {})
        targets = [*table.get("scripts", {}).values(), *table.get("gui-scripts", {}).values()]
    except (OSError, ValueError, AttributeError, RecursionError):
        return set()
    found = set()
    for target in targets:
        module_name, _, path = str(target).partition(":")
        for module in project.modules:
            if module.dotted_name == module_name and path:
                known = project.name(module, path.strip())
                if isinstance(known, Function):
                    found.add(known)
    return found
