"""Async clients that are kept and then used on more than one event loop."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from connprof.lint.fates import Ending
from connprof.lint.finding import Sureness
from connprof.lint.libraries import ASYNC_RUNNERS
from connprof.lint.often import Site, in_loop
from connprof.lint.project import External
from connprof.lint.source import Class, Function, Module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connprof.lint.makers import Made, Makers
    from connprof.lint.often import Callers
    from connprof.lint.project import Project
    from connprof.lint.source import Scope

__all__ = ["second_loops"]


def second_loops(project: Project, callers: Callers, makers: Makers) -> Iterator[tuple[Made, str, Sureness]]:
    """Each such client, why, and how sure that is."""
    runs = list(_runs(project, callers))
    if not runs:
        return
    for made, holder, name in _kept_clients(project, callers, makers):
        users = _users(project, callers, holder, name)
        reached = [
            (site, coroutine) for site, coroutine in runs
            if coroutine in users or (site.scope, name) in _direct(project, holder, name, site)
        ]  # fmt: skip
        verdict = _verdict(callers, [site for site, _ in reached])
        if verdict is not None:
            yield (made, *verdict)


def _kept_clients(project: Project, callers: Callers, makers: Makers) -> Iterator[tuple[Made, Module, str]]:
    """Async clients in variables of modules, made there or by a function that sets the global."""
    for module in project.modules:
        for scope in module.all_scopes():
            if isinstance(scope, Class) or scope not in makers.fertile:
                continue
            for call in scope.calls:
                made = makers.of(scope, call, callers.called.get(call))
                if made is not None and made.maker.is_async and made.maker.kind == "client":
                    name = _global_name(scope, call, makers, made)
                    if name:
                        yield made, module, name


def _global_name(scope: Scope, call: ast.Call, makers: Makers, made: Made) -> str:
    node: ast.AST = call
    parent = scope.module.parents.get(node)
    while isinstance(parent, ast.Await | ast.BoolOp | ast.IfExp | ast.NamedExpr):
        node, parent = parent, scope.module.parents.get(parent)
    if not isinstance(parent, ast.Assign | ast.AnnAssign):
        return ""
    target = parent.targets[0] if isinstance(parent, ast.Assign) else parent.target
    if not isinstance(target, ast.Name):
        return ""
    is_global = isinstance(scope, Module) or target.id in scope.outer_names
    return target.id if is_global and makers.fate(made).ending in {Ending.KEPT, Ending.NAMED} else ""


def _runs(project: Project, callers: Callers) -> Iterator[tuple[Site, Function | None]]:
    """Calls of ``asyncio.run`` and the like, with the coroutine function that they run."""
    for module in project.modules:
        for scope in module.all_scopes():
            for call in scope.calls:
                known = callers.called.get(call)
                if isinstance(known, External) and known in ASYNC_RUNNERS and call.args:
                    first = call.args[0]
                    what = project.called(scope, first) if isinstance(first, ast.Call) else None
                    if what is None and not isinstance(first, ast.Call):
                        what = project.expression(scope, first)
                    yield Site(scope, call), what if isinstance(what, Function) else None


def _users(project: Project, callers: Callers, holder: Module, name: str) -> set[Function]:
    """Functions that read the variable, and those that call one of them."""
    found = [
        scope
        for module in project.modules
        if name in module.text
        for scope in module.all_scopes()
        if isinstance(scope, Function) and _reads(project, scope, holder, name)
    ]
    users = set(found)
    for function in found:
        for site in callers.sites.get(function, ()):
            if isinstance(site.scope, Function) and site.scope not in users:
                users.add(site.scope)
                found.append(site.scope)
    return users


def _reads(project: Project, scope: Scope, holder: Module, name: str) -> bool:
    if scope.module is holder and name in scope.loads:
        return project.holder(scope, name) is holder
    for read, loads in scope.loads.items():
        if not loads:
            continue
        owner = project.holder(scope, read)
        if owner is None:
            continue
        for binding in owner.bindings[read]:
            if binding.imported is None:
                continue
            before, _, last = binding.imported.rpartition(".")
            if last == name and project.module_named(before, scope.module) is holder:
                return True
            if project.module_named(binding.imported, scope.module) is holder:
                attributes = (scope.module.parents.get(load) for load in loads)
                if any(isinstance(each, ast.Attribute) and each.attr == name for each in attributes):
                    return True
    return False


def _direct(project: Project, holder: Module, name: str, site: Site) -> set[tuple[Scope, str]]:
    """``asyncio.run(client.get(url))``: the run reads the variable itself."""
    inside = {each.id for each in ast.walk(site.node) if isinstance(each, ast.Name)}
    for read in inside:
        owner = project.holder(site.scope, read)
        if owner is holder and read == name:
            return {(site.scope, name)}
    return set()


def _verdict(callers: Callers, sites: list[Site]) -> tuple[str, Sureness] | None:
    sites = [site for site in sites if not site.scope.module.is_test]
    for site in sites:
        if in_loop(site.scope, site.node) is not None:
            return f"asyncio.run() at {site.shown} is in a loop", Sureness.CERTAIN
    often = [(site, callers.often(site.scope)) for site in sites]
    many = [(each.sureness, site, each.why) for site, each in often if each.sureness is not None]
    if many:
        sureness, site, why = min(many, key=lambda each: each[0].rank)
        return f"asyncio.run() at {site.shown} makes a loop each time, and {why}", sureness
    if len(sites) > 1:
        together = len({site.scope for site in sites}) == 1
        places = " and ".join(sorted({site.shown for site in sites})[:2])
        return f"asyncio.run() at {places}", Sureness.CERTAIN if together else Sureness.GUESS
    return None
