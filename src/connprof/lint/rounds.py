"""Whether a loop goes on to its next round once a statement of it is done without an error."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Loop", "is_last_round"]

_LOOPS: Final = (ast.For, ast.AsyncFor, ast.While)
Loop = ast.For | ast.AsyncFor | ast.While

_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_STREAMED: Final = frozenset({"iter_lines", "aiter_lines", "iter_text", "aiter_text", "iter_sse", "aiter_sse"})
_FIRST_FAILURE: Final = 400


def is_last_round(parents: dict[ast.AST, ast.AST], loop: Loop, node: ast.AST) -> bool:
    """Whether a round in which ``node`` runs without an error leaves the loop, or never ends.

    That is a retry, or a client that connects again.
    """
    inner = node
    while inner is not loop:
        around = parents[inner]
        if isinstance(inner, ast.stmt) and (_ends(inner) or _is_left_after(around, inner)):
            return True
        if around is loop:
            return _is_stream(loop, inner)
        inner = around
    return False


def _ends(statement: ast.AST) -> bool:
    """Whether a statement ends in leaving the loop around it, by way of ``with``, ``try`` and the like."""
    while True:
        if isinstance(statement, ast.Return | ast.Break):
            return True
        if _is_endless(statement):
            return not any(isinstance(each, ast.Break) for each in _of_this_loop(statement))
        body = getattr(statement, "body", None)
        if isinstance(statement, ast.Try) and statement.orelse:
            body = statement.orelse
        if not isinstance(statement, ast.With | ast.AsyncWith | ast.Try) or not body:
            return False
        statement = body[-1]


def _is_endless(statement: ast.AST) -> bool:
    return isinstance(statement, ast.While) and isinstance(statement.test, ast.Constant) and bool(statement.test.value)


def _of_this_loop(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a statement, but for loops and functions inside, and for what follows an error."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _SCOPES + _LOOPS + (ast.ExceptHandler,)):
            yield child
            yield from _of_this_loop(child)


def _is_left_after(around: ast.AST, inner: ast.stmt) -> bool:
    """Whether a statement behind ``inner`` in the same block leaves the loop, always or after a success."""
    blocks = [getattr(around, name, None) for name in ("body", "orelse", "finalbody")]
    block = next((each for each in blocks if isinstance(each, list) and inner in each), [inner])
    behind = block[block.index(inner) + 1 :]
    for place, each in enumerate(behind):
        if isinstance(each, ast.If) and each.body and _ends(each.body[-1]) and _succeeds(each.test) is True:
            return True
        if _ends(each):
            return not any(_goes_on(one) for one in (inner, *behind[:place]))
    return False


def _goes_on(statement: ast.AST) -> bool:
    """Whether a ``continue`` in a statement starts another round, though nothing has failed."""
    if isinstance(statement, ast.If) and _succeeds(statement.test) is False:
        return any(_goes_on(each) for each in statement.orelse)
    return isinstance(statement, ast.Continue) or any(
        _goes_on(each)
        for each in ast.iter_child_nodes(statement)
        if not isinstance(each, _SCOPES + _LOOPS + (ast.ExceptHandler, ast.expr))
    )


def _succeeds(test: ast.expr) -> bool | None:
    """Whether a test of a response holds for those that succeeded, or for those that failed; ``None`` for others."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _succeeds(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.Attribute):
        return {"ok": True, "is_success": True, "is_error": False, "is_server_error": False}.get(test.attr)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.left, ast.Attribute):
        return None
    if test.left.attr not in {"status_code", "status"}:
        return None
    given = test.comparators[0]
    items = given.elts if isinstance(given, ast.Tuple | ast.List | ast.Set) else [given]
    numbers = [each.value for each in items if isinstance(each, ast.Constant) and isinstance(each.value, int)]
    if not numbers or len(numbers) != len(items):
        return None
    return _compared(test.ops[0], numbers)


def _compared(operator: ast.cmpop, numbers: list[int]) -> bool | None:
    failed = all(each >= _FIRST_FAILURE for each in numbers)
    if isinstance(operator, ast.Lt | ast.LtE):
        return True
    if isinstance(operator, ast.Gt | ast.GtE):
        return False
    if not failed and any(each >= _FIRST_FAILURE for each in numbers):
        return None
    if isinstance(operator, ast.Eq | ast.In):
        return not failed
    return failed if isinstance(operator, ast.NotEq | ast.NotIn) else None


def _is_stream(loop: Loop, statement: ast.AST) -> bool:
    """Whether a round of an endless loop reads one stream, the same in each, and connects again after an error."""
    if not _is_endless(loop) or not isinstance(statement, ast.Try) or not statement.handlers:
        return False
    last: ast.AST = statement
    while isinstance(last, ast.With | ast.AsyncWith | ast.Try) and last.body:
        last = last.body[-1]
    read = last.iter if isinstance(last, ast.For | ast.AsyncFor) else None
    if not isinstance(read, ast.Call) or getattr(read.func, "attr", "") not in _STREAMED:
        return False
    others = (each for one in loop.body if one is not statement for each in ast.walk(one))
    given = {each.id for each in others if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    return not any(isinstance(each, ast.Name) and each.id in given for each in ast.walk(statement))
