"""What a probe found, and how it counts. Standard library only: workers import this under other interpreters."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.workloads import Call

__all__ = ["Finding", "Outcome", "Reply", "Tally", "does_not_apply", "error_text", "of_an_earlier_loop"]

Outcome: TypeAlias = Literal["held", "broke", "hung", "silent harm", "does not apply"]
"""As :class:`connprof.model.HazardOutcome` has them; a probe that did not work itself raises instead."""

_OBJECT = re.compile(r"<([\w.]+)[^<>]*>")
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_PORT = re.compile(r"(?<=[\w\]]:)\d{4,5}\b|(?<=port[ =])\d{4,5}\b")
_NESTING = 5
_LOOP_CLOSED = "RuntimeError: Event loop is closed"
_OF_LOOPS = frozenset({"H1", "H1b", "H1c", "H2", "H2s"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one probe; the fields are those of :class:`connprof.model.SafetyCell`.

    Attributes:
        outcome: how the strategy came through.
        symptom: what happened, in a sentence with its figures.
        attempts_count: calls, clients or connections; the symptom says which.
        failed_count: how many failed with an exception that their caller saw.
        harmed_count: how many were harmed without their caller's knowing.
        errors: the exact exceptions with their counts, as :func:`error_text` writes them.
        observed: other counts, by name.
    """

    outcome: Outcome
    symptom: str
    attempts_count: int = 0
    failed_count: int = 0
    harmed_count: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    observed: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def does_not_apply(why: str) -> Finding:
    """The strategy cannot meet the hazard, for this reason."""
    return Finding("does not apply", why)


def of_an_earlier_loop(hazard: str, finding: Finding) -> Finding:
    """``finding`` under ``hazard``; failures of event loops that had ended are told as what they are."""
    count = finding.errors.get(_LOOP_CLOSED, 0)
    if not count or hazard in _OF_LOOPS:
        return finding
    return replace(finding, symptom=f"{finding.symptom} {count} failed as under H1, of an event loop that had ended.")


def error_text(error: BaseException) -> str:
    """``error`` exactly, but for addresses, ports and the insides of objects, so that two runs agree."""
    if isinstance(error, BaseExceptionGroup):  # how many are in it is a matter of chance
        return f"{type(error).__name__}: of {', '.join(sorted(_leaves(error)))}"
    message = " ".join(str(error).split())
    for _level in range(_NESTING):  # a task's repr holds its coroutine's, which holds others
        message = _OBJECT.sub(r"\1", message)
    message = _PORT.sub("PORT", _ADDRESS.sub("ADDRESS", message))
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _leaves(group: BaseExceptionGroup[BaseException]) -> set[str]:
    """The types of the exceptions in ``group``, and in groups in it."""
    found: set[str] = set()
    for error in group.exceptions:
        found |= _leaves(error) if isinstance(error, BaseExceptionGroup) else {type(error).__name__}
    return found


@dataclass(frozen=True, slots=True)
class Reply:
    """What a caller got for one call.

    Attributes:
        call: what was asked.
        error: the exception that the caller saw, if any.
        wrong: what is wrong with an answer that looks right to its caller, e.g. that it is somebody else's.
        hung: the caller was still waiting when the probe gave up.
    """

    call: Call
    error: str | None = None
    wrong: str | None = None
    hung: bool = False

    @classmethod
    def failed(cls, call: Call, error: BaseException) -> Reply:
        """The caller saw ``error``."""
        if isinstance(error, asyncio.CancelledError) and not error.args:
            return cls(call, "CancelledError: in a task that nobody cancelled")
        return cls(call, error_text(error))

    @property
    def is_right(self) -> bool:
        """The caller has the answer to its call."""
        return not (self.error or self.wrong or self.hung)


@dataclass(slots=True)
class Tally:
    """Adds replies up to a finding."""

    replies: list[Reply] = field(default_factory=list)
    observed: dict[str, int] = field(default_factory=dict)

    def add(self, *replies: Reply) -> None:
        """Count these too."""
        self.replies.extend(replies)

    def extend(self, replies: Iterable[Reply]) -> None:
        """Count these too."""
        self.replies.extend(replies)

    @property
    def attempts_count(self) -> int:
        """All calls."""
        return len(self.replies)

    @property
    def failed_count(self) -> int:
        """Calls whose caller saw an exception."""
        return sum(reply.error is not None for reply in self.replies)

    @property
    def wrong_count(self) -> int:
        """Calls whose answer was another's."""
        return sum(reply.wrong is not None for reply in self.replies)

    @property
    def hung_count(self) -> int:
        """Calls that never ended."""
        return sum(reply.hung for reply in self.replies)

    @property
    def errors(self) -> dict[str, int]:
        """Exact exceptions, sorted, with their counts."""
        return dict(sorted(Counter(reply.error for reply in self.replies if reply.error).items()))

    @property
    def course(self) -> str:
        """The replies in their order: ``ok, error, ok``."""
        words = ["hung" if r.hung else "error" if r.error else "wrong" if r.wrong else "ok" for r in self.replies]
        return ", ".join(words)

    def finding(self, symptom: str, *, harmed_count: int | None = None) -> Finding:
        """The finding; the gravest thing that happened decides its outcome.

        Args:
            symptom: what happened, in a sentence.
            harmed_count: calls harmed unseen; by default those whose answer was wrong.
        """
        harmed_count = self.wrong_count if harmed_count is None else harmed_count
        outcome: Outcome = "held"
        if harmed_count:
            outcome = "silent harm"
        elif self.hung_count:
            outcome = "hung"
        elif self.failed_count:
            outcome = "broke"
        hung = {"hung": self.hung_count} if self.hung_count else {}
        return Finding(
            outcome,
            symptom,
            attempts_count=self.attempts_count,
            failed_count=self.failed_count,
            harmed_count=harmed_count,
            errors=self.errors,
            observed=self.observed | hung,
        )
