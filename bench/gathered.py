"""What is known so far of one case: passes come in one by one, a record's outcome comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from bench.children import plain
from bench.registry import AsyncStrategy, StrategyError, load
from connprof.checks import problems_of
from connprof.model import CountsPass, Failed, Measured, MemoryPass, RetainedPass, StrategyNote, TimingPass

if TYPE_CHECKING:
    from bench.matrix import Pass
    from bench.registry import Strategy
    from connprof_server import LedgerSnapshot

__all__ = ["Gathered", "ledger_sums", "note_from", "note_of"]


@dataclass(slots=True)
class Gathered:
    """The passes of one case.

    Attributes:
        note: what its strategy says of itself.
        failure: the stage at which the case failed, and why; its other jobs are not run then.
    """

    note: StrategyNote
    failure: tuple[str, str] | None = None
    counts: CountsPass | None = None
    memory: MemoryPass | None = None
    retained: RetainedPass | None = None
    growth: list[MemoryPass] = field(default_factory=list)
    timing: list[TimingPass] = field(default_factory=list)

    def fold(self, kind: Pass, outcome: dict[str, Any]) -> None:
        """Take what a worker of the pass ``kind`` answered, with the ledger's sums in it.

        Raises:
            msgspec.ValidationError: it has the wrong shape.
        """
        match kind:
            case "counts":
                self.counts = msgspec.convert(outcome, CountsPass)
            case "memory":
                self.memory = msgspec.convert(outcome, MemoryPass)
            case "retained":
                self.retained = msgspec.convert(outcome, RetainedPass)
            case "growth":
                self.growth.append(msgspec.convert(outcome, MemoryPass))
            case "timing":
                self.timing.append(msgspec.convert(outcome, TimingPass))

    def measured(self) -> Measured:
        """What there is, and every reason not to trust it."""
        found = Measured(
            counts=self.counts,
            memory=self.memory,
            retained=self.retained,
            growth=tuple(sorted(self.growth, key=lambda each: each.calls_count)),
            timing=tuple(self.timing),
        )
        return msgspec.structs.replace(found, problems=problems_of(self.note, found))

    def outcome(self) -> Measured | Failed:
        """What a record says of the case."""
        if self.failure is None:
            return self.measured()
        stage, message = self.failure
        return Failed(stage=stage, message=message, partial=self.measured())


def note_of(name: str) -> tuple[StrategyNote, tuple[str, str] | None]:
    """What a strategy says of itself; or, where its file cannot be loaded, why: its case has failed at once."""
    try:
        strategy = load(name)
    except StrategyError as error:
        source = f"bench/strategies/{name.replace('-', '_')}.py"
        nothing = StrategyNote(
            name=name, title=name, source=source, is_async=False, fixes=None, contexts="calls", handshakes="calls"
        )
        return nothing, ("load", plain(str(error)))
    return note_from(strategy), None


def note_from(strategy: Strategy, *, client_library: str = "httpx") -> StrategyNote:
    """What a strategy of ``client_library`` says of itself."""
    return StrategyNote(
        name=strategy.name,
        title=strategy.title,
        source=strategy.source,
        is_async=isinstance(strategy, AsyncStrategy),
        fixes=strategy.fixes,
        contexts=strategy.contexts,
        handshakes=strategy.handshakes,
        scope=strategy.scope,
        world=strategy.world,
        fails=strategy.fails,
        client_library=client_library,
    )


def ledger_sums(seen: LedgerSnapshot) -> dict[str, Any]:
    """The ledger's sums as the record names them."""
    total = seen.total
    return {
        "tcp_accepted_count": total.tcp_accepts_count,
        "handshakes_full_count": total.handshakes_full_count,
        "handshakes_resumed_count": total.handshakes_resumed_count,
        "handshakes_failed_count": total.handshakes_failed_count,
        "connections_count": total.connections_opened_count,
        "connections_open_count": total.connections_open_count,
        "requests_count": total.requests_count,
        "requests_per_connection": total.requests_per_connection,
        "tls_versions": total.tls_versions,
        "ciphers": total.ciphers,
        "alpn": total.alpn,
        "disagreements": seen.disagreements,
    }
