"""From calls that make something to findings: which of them are not kept, and run often."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from connprof.codes import BY_CODE
from connprof.lint.batches import is_for_batch, is_used_in_loop
from connprof.lint.fates import Ending
from connprof.lint.finding import Finding, Place, Sureness
from connprof.lint.frameworks import Role, is_property
from connprof.lint.loops import second_loops
from connprof.lint.makers import Makers
from connprof.lint.often import Callers, Often, in_loop
from connprof.lint.source import Class, Function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connprof.lint.fates import Fate
    from connprof.lint.libraries import Maker
    from connprof.lint.makers import Made
    from connprof.lint.project import Project
    from connprof.lint.source import Module, Scope

__all__ = ["check"]

_GONE: Final = frozenset({Ending.LOCAL, Ending.PASSED, Ending.SPARE})
_HANDED_BACK: Final = frozenset({Ending.RETURNED, Ending.YIELDED})


@dataclass(frozen=True, slots=True)
class _Rules:
    project: Project
    callers: Callers
    makers: Makers


def check(project: Project, extra: dict[str, Maker]) -> Iterator[Finding]:
    """All findings in all files of the project."""
    callers = Callers(project)
    rules = _Rules(project, callers, Makers(project, callers, extra))
    for module in project.modules:
        for scope in module.all_scopes():
            for call in scope.calls if scope in rules.makers.fertile else ():
                made = rules.makers.of(scope, call, rules.callers.called.get(call))
                if made is not None:
                    yield from _judged(rules, made)
                handed = rules.makers.handed_over(scope, call)
                if handed is not None:
                    yield from _shortcut(rules, handed)
    for made, why, sureness in second_loops(project, rules.callers, rules.makers):
        yield _finding("CP006", made, sureness, why, f"{made.label} is used on more than one event loop")


def _judged(rules: _Rules, made: Made) -> Iterator[Finding]:
    if _in_body_of_class(made.scope):
        return
    if made.maker.kind == "shortcut":
        yield from _shortcut(rules, made)
        return
    fate = rules.makers.fate(made)
    if fate.ending in _HANDED_BACK:
        yield from _dependency(rules, made)
    elif _is_gone(made, fate):
        yield from _not_kept(rules, made, fate)
    elif fate.ending not in {Ending.SERVER, Ending.ABSORBED}:
        yield from _kept(made, fate)


def _shortcut(rules: _Rules, made: Made) -> Iterator[Finding]:
    handed = rules.callers.handed.get(made.node)
    if handed is not None and handed.way.role is Role.HANDLER:
        often: Often | None = Often(Sureness.CERTAIN if handed.way.sure else Sureness.LIKELY, handed.way.why)
    else:
        often = _how_often(rules, made, made.node)
    if often is not None:
        yield _finding("CP002", made, often.sureness, often.why, f"{made.label} makes {_costs(made)} each time")


def _is_gone(made: Made, fate: Fate) -> bool:
    if fate.ending is Ending.ABSORBED:  # a client goes into the other one, a context is a cost of its own beside it
        return made.maker.kind == "context"
    if fate.ending is Ending.SERVER:
        return made.maker.kind != "context"
    return fate.ending in _GONE or _is_replaced(made, fate)


def _is_replaced(made: Made, fate: Fate) -> bool:
    """A variable of the module that gets another client in the next round."""
    return (
        fate.ending is Ending.NAMED
        and not fate.by_loop
        and in_loop(made.scope, fate.collection or made.node) is not None
    )


def _in_body_of_class(scope: Scope) -> bool:
    return isinstance(scope, Class)


def _not_kept(rules: _Rules, made: Made, fate: Fate) -> Iterator[Finding]:
    often = _how_often(rules, made, fate.collection or made.node)
    if fate.ending is Ending.SPARE:
        if often is not None and (made.maker.own_context or made.maker.kind == "context"):
            sureness = max(often.sureness or Sureness.GUESS, Sureness.LIKELY, key=lambda each: each.rank)
            what = f"{made.label} is made each time and kept the first time only: an SSL context each time"
            yield _finding(_code(made, often), made, sureness, often.why, what)
        return
    if in_loop(made.scope, made.node) is not None and (often is None or often.sureness is Sureness.GUESS):
        # One of many that are kept beside each other, in a function that may well run once.
        yield from _kept(made, fate)
    elif often is not None and not (often.started and is_used_in_loop(made)):
        if often.assumed and made.maker.kind != "context" and is_for_batch(rules.callers, made):
            why = f"{often.why}; it serves a batch there"
            yield _finding(_code(made, often), made, Sureness.GUESS, why, _what(made, often), fix=_FOR_BATCH)
        else:
            sureness, why = _weighed(made, fate, often)
            yield _finding(_code(made, often), made, sureness, why, _what(made, often))
    # Whether a class closes what it makes is its own affair.
    local = isinstance(made.scope, Function) and fate.ending is Ending.LOCAL and not isinstance(made.by, Class)
    if made.maker.must_close and not fate.closed and local and not _in_test(made.scope):
        yield _finding(
            "CP007", made, Sureness.LIKELY, "nothing closes it, and nothing keeps it", f"{made.label} is never closed"
        )


def _in_test(scope: Scope) -> bool:
    return isinstance(scope, Function) and scope.module.is_test


def _weighed(made: Made, fate: Fate, often: Often) -> tuple[Sureness, str]:
    """The sureness of how often, less what is not known of the object."""
    assert often.sureness is not None
    if fate.ending is Ending.PASSED and not fate.closed:
        return Sureness.GUESS, f"{often.why}; whoever it is passed to may keep it"
    if made.maker.kind == "context" and not fate.connects and often.sureness is not Sureness.CERTAIN:
        return Sureness.GUESS, f"{often.why}; what it is used for is not seen"
    if often.why == _IN_A_LOOP and _is_per_host(made):
        return Sureness.GUESS, f"{often.why}; where each has another host, only its handshakes are paid"
    return often.sureness, often.why


def _is_per_host(made: Made) -> bool:
    """Whether a loop's clients may each have a host of their own, and share their context."""
    loop = in_loop(made.scope, made.node)
    given = next((each.value for each in _keywords(made) if each.arg == "base_url"), None)
    if given is None or not isinstance(loop, ast.For | ast.AsyncFor) or "context" in _costs(made):
        return False
    names = {each.id for each in ast.walk(loop.target) if isinstance(each, ast.Name)}
    return any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(given))


def _code(made: Made, often: Often) -> str:
    if made.maker.kind == "context":
        return "CP003"
    if often.why == _IN_A_LOOP:
        return "CP004"
    return "CP005" if often.handler else "CP001"


def _what(made: Made, often: Often) -> str:
    where = f"in {made.scope.title}" if isinstance(made.scope, Function) else "here"
    if often.why == _IN_A_LOOP:
        where = "in each round of a loop"
    return f"{made.label} is made {where} and not kept: {_costs(made)} each time"


def _keywords(made: Made) -> list[ast.keyword]:
    """What the library's call is given, a partial's arguments among them."""
    found: list[ast.keyword] = []
    inner: Made | None = made
    while inner is not None:
        if inner.by is None:
            found = [*inner.node.keywords, *found]
        inner = inner.inner
    return found


def _costs(made: Made) -> str:
    """What one costs, as far as the arguments show it."""
    maker = made.maker
    given = {each.arg: each.value for each in _keywords(made) if each.arg}
    for name in maker.context_arguments:
        value = given.get(name)
        if isinstance(value, ast.Name | ast.Attribute) or (isinstance(value, ast.Constant) and value.value is False):
            return maker.costs.replace("an SSL context and ", "")
    return maker.costs


_IN_A_LOOP: Final = "it is in a loop"
_FOR_BATCH: Final = (
    "Where a client serves a batch, it is right to make one for that; if the function is called often, hand one in."
)


def _how_often(rules: _Rules, made: Made, node: ast.AST) -> Often | None:
    """How often ``node``, the call or the collection that its object is put into, is reached; nothing for once."""
    if in_loop(made.scope, node) is not None:
        return Often(Sureness.CERTAIN, _IN_A_LOOP)
    if made.guard and isinstance(made.scope, Function):
        often = rules.callers.often_without(made.scope, made.guard)
    else:
        often = rules.callers.often(made.scope)
    if often.sureness is None:
        return None
    if often.sureness is Sureness.CERTAIN and _may_be_remembered(made):
        return Often(Sureness.LIKELY, f"{often.why}; it may return what it remembers before", often.handler)
    if _in_lambda(made.scope.module, made.node):
        return Often(Sureness.GUESS, "how often the lambda runs is not seen")
    return often


def _may_be_remembered(made: Made) -> bool:
    """Whether the function can return an item or attribute before it comes to the call, as a cache does."""
    scope = made.scope
    if not isinstance(scope, Function):
        return False
    names = (load for loads in scope.loads.values() for load in loads if load.lineno < made.node.lineno)
    parents = scope.module.parents
    for name in names:
        node: ast.AST = name
        while isinstance(parents.get(node), ast.Attribute | ast.Subscript):
            node = parents[node]
        if node is not name and isinstance(parents.get(node), ast.Return):
            return True
    return False


def _in_lambda(module: Module, node: ast.AST) -> bool:
    around: ast.AST | None = node
    while around is not None and not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
        if isinstance(around, ast.Lambda):
            return True
        around = module.parents.get(around)
    return False


def _dependency(rules: _Rules, made: Made) -> Iterator[Finding]:
    """A function that hands its client back is judged where it is called; frameworks call it out of sight."""
    if not isinstance(made.scope, Function) or rules.callers.often(made.scope).sureness is None:
        return
    if is_property(made.scope) and not _in_test(made.scope):
        shared = isinstance(made.scope.module.parents.get(made.node), ast.BoolOp | ast.IfExp) or _may_be_remembered(
            made
        )
        what = f"{made.label} is made in {made.scope.title.removesuffix('()')} and not kept: {_costs(made)} each time"
        often = Often(Sureness.GUESS if shared else Sureness.LIKELY, "each use of a property calls it")
        yield _finding(_code(made, often), made, often.sureness, often.why, what)
        return
    for site in rules.callers.sites.get(made.scope, ()):
        if site.way is not None and site.way.why in {"Depends()", "Security()", "Provide()"}:
            why = f"{made.scope.title} runs for every request ({site.way.why} at {site.shown})"
            what = f"{made.label} is made in {made.scope.title} and not kept: {_costs(made)} each time"
            yield _finding("CP005", made, Sureness.CERTAIN, why, what)
            return


def _kept(made: Made, fate: Fate) -> Iterator[Finding]:
    """Clients that are kept, many of them, each with a context of its own."""
    if fate.ending is Ending.ABSORBED:
        call = made.node
        is_like_any = made.by is None and not call.args and not call.keywords
        if is_like_any and isinstance(made.scope.module.parents.get(call), ast.keyword | ast.Call):
            what = f"{made.label} is made in each round of a loop for a client that is kept, and could be shared"
            yield _finding("CP008", made, Sureness.LIKELY, "it is like any other", what)
        return
    inner = made
    while inner.inner is not None:
        inner = inner.inner
    given = {each.arg for each in _keywords(made)}
    own = made.maker.own_context and made.maker.kind == "client" and inner.by is None
    if not own or None in given or given & {*made.maker.context_arguments, *made.maker.given}:
        return
    is_filled_once = fate.collection is not None and not fate.by_loop
    if in_loop(made.scope, made.node) is not None and not is_filled_once and not _in_test(made.scope):
        what = f"{made.label} is made in each round of a loop and kept: an SSL context each, which could be shared"
        yield _finding("CP008", made, Sureness.LIKELY, "no context is passed in", what)


def _finding(code: str, made: Made, sureness: Sureness | None, why: str, what: str, *, fix: str = "") -> Finding:
    assert sureness is not None
    known = BY_CODE[code]
    chain = []
    inner = made.inner
    while inner is not None:
        chain.append(_place(inner.scope.module, inner.node))
        inner = inner.inner
    return Finding(
        code=code,
        place=_place(made.scope.module, made.node),
        function=made.scope.title.removesuffix("()") if isinstance(made.scope, Function) else "",
        what=what,
        sureness=sureness,
        why=why,
        fix=fix or known.fix,
        documentation=known.anchor,
        measured_as=known.measured_as or code,
        chain=tuple(chain),
    )


def _place(module: Module, node: ast.expr) -> Place:
    lines = module.text.split("\n")

    def column(line: int, offset: int) -> int:
        return len(lines[line - 1].encode()[:offset].decode(errors="ignore")) + 1

    end_line, end_offset = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
    return Place(
        path=module.shown,
        line=node.lineno,
        column=column(node.lineno, node.col_offset),
        end_line=end_line,
        end_column=column(end_line, end_offset),
    )
