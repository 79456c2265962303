"""What one test cost, as a frozen value that travels from pytest-xdist's workers to its controller."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from connprof.observe import CallSite, Counts, SiteCounts

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Cost", "handshakes_count", "line_text", "sort_key"]

_SITES_MAX_COUNT = 50
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One test, or what happened outside of tests.

    Attributes:
        counts: its setup's and its call's; see docs/pytest.md.
        sites: the lines that pay, the costliest first; at most 50.
        ssl_bytes: cumulative SSL bytes; ``None`` where no limit asked for them.
        limits: the limits in force, as they were written.
        exceeded: the limits that the test did not keep, as sentences.
        unseen: why nothing could be seen although a limit was asked for; empty where that is not so.
        blind_spots: sentences on libraries whose work is not in the counts; only where a limit was asked for.
    """

    counts: Counts
    sites: tuple[SiteCounts, ...] = ()
    ssl_bytes: int | None = None
    limits: tuple[str, ...] = ()
    exceeded: tuple[str, ...] = ()
    unseen: str = ""
    blind_spots: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and for execnet."""
        return {
            "counts": asdict(self.counts),
            "sites": [
                {"site": asdict(entry.site), "counts": asdict(entry.counts)} for entry in self.sites[:_SITES_MAX_COUNT]
            ],
            "ssl_bytes": self.ssl_bytes,
            "limits": list(self.limits),
            "exceeded": list(self.exceeded),
            "unseen": self.unseen,
            "blind_spots": list(self.blind_spots),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Cost:
        """The cost that ``to_dict`` made these values of."""
        return cls(
            counts=_made(Counts, values["counts"]),
            sites=tuple(
                SiteCounts(site=_made(CallSite, entry["site"]), counts=_made(Counts, entry["counts"]))
                for entry in values["sites"]
            ),
            ssl_bytes=values["ssl_bytes"],
            limits=tuple(values["limits"]),
            exceeded=tuple(values["exceeded"]),
            unseen=values["unseen"],
            blind_spots=tuple(values["blind_spots"]),
        )


def handshakes_count(counts: Counts) -> int:
    """Handshakes that succeeded, full and resumed."""
    return counts.handshakes_full_count + counts.handshakes_resumed_count


def sort_key(counts: Counts) -> tuple[int, int, int, int]:
    """What to sort by: contexts cost most, then handshakes, connections and requests."""
    return (
        counts.contexts_count + counts.ca_loads_count,
        handshakes_count(counts) + counts.handshakes_failed_count,
        counts.connections_count + counts.connections_failed_count,
        counts.requests_count or 0,
    )


def line_text(site: CallSite, shown_file: str) -> str:
    """A line of the user's code, for people."""
    return f"{shown_file}:{site.line} in {site.function}" if site.file else "at a line that is not known"


def _made(kind: type[_T], values: dict[str, Any]) -> _T:
    known: Iterable[str] = {item.name for item in fields(kind)}  # type: ignore[arg-type]  # all of them are dataclasses
    return kind(**{key: value for key, value in values.items() if key in known})
