"""What a run may cost, for CI: limits on its figures and codes that it must not find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connprof.profile import Profile

__all__ = ["ANY", "Limits", "broken"]

ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``None`` for no limit.

    Attributes:
        codes: findings that must not be; :data:`ANY` for all of them.
    """

    codes: frozenset[str] = frozenset()
    contexts_max: int | None = None
    handshakes_max: int | None = None
    connections_max: int | None = None
    requests_per_connection_min: float | None = None

    @property
    def are_set(self) -> bool:
        """Whether there is any."""
        return self != Limits()


def broken(profile: Profile, limits: Limits, *, was_observed: bool, losses: Sequence[str] = ()) -> tuple[str, ...]:
    """A sentence for each limit that does not hold, or of which nobody can tell.

    Args:
        profile: the run's.
        limits: what it is held to.
        was_observed: whether there was any process to observe.
        losses: what is known to be missing in the profile, in sentences.
    """
    if not limits.are_set:
        return ()
    if not was_observed and not losses:
        return ("No limit could be checked, because no Python process was observed.",)
    sentences = (*_codes(profile, limits), *_counts(profile, limits))
    if losses:  # a ratio could be anything
        return (*sentences, f"{'Others' if sentences else 'Limits'} could not be checked: {' '.join(losses)}")
    return (*sentences, *_reuse(profile, limits))


def _codes(profile: Profile, limits: Limits) -> Iterator[str]:
    for code in dict.fromkeys(finding.code for finding in profile.findings):
        if code in limits.codes or ANY in limits.codes:
            found = [finding for finding in profile.findings if finding.code == code]
            lines = "1 line" if len(found) == 1 else f"{len(found)} lines"
            yield f"{code} was found at {lines} (--fail-on {ANY if ANY in limits.codes else code})."


def _counts(profile: Profile, limits: Limits) -> Iterator[str]:
    counts = profile.counts
    for what, count, limit, option in (
        ("SSL context", counts.contexts_count, limits.contexts_max, "--max-contexts"),
        ("handshake", counts.handshakes_count, limits.handshakes_max, "--max-handshakes"),
        ("connection", counts.connections_count, limits.connections_max, "--max-connections"),
    ):
        if limit is not None and count > limit:
            yield f"{count:,} {what}{'' if count == 1 else 's'}, where {limit:,} are allowed ({option})."


def _reuse(profile: Profile, limits: Limits) -> Iterator[str]:
    wanted = limits.requests_per_connection_min
    if wanted is None:
        return
    counts, option = profile.counts, "(--min-requests-per-connection)"
    requests, unknown = counts.requests_count, counts.connections_unknown_count
    connections = counts.connections_count - unknown
    if requests is None:
        yield f"Requests per connection cannot be told, because no library was seen that sends them {option}."
    elif connections and requests < wanted * connections:
        beside = f", {unknown:,} left out that nothing known sent on" if unknown else ""
        yield (
            f"{requests / connections:.2f} requests per connection ({requests:,} on {connections:,}{beside}), where at"
            f" least {wanted:g} are asked for {option}."
        )
    elif not connections and unknown and wanted:
        yield (
            f"Requests per connection cannot be told, because nothing was sent by a library that is known on any of"
            f" {unknown:,} {option}."
        )
