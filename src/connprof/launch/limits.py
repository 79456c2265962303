"""What a run may cost, for CI: limits on its figures and codes that it must not find."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from connprof.findings import not_judged_codes
from connprof.profile import HeldLimit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connprof.profile import LimitState, Profile

__all__ = ["ANY", "Limits", "broken", "held"]

ANY = "any"
_FAIL_ON = "--fail-on"
_REUSE = "--min-requests-per-connection"


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


def held(profile: Profile, limits: Limits, *, was_observed: bool, losses: Sequence[str] = ()) -> tuple[HeldLimit, ...]:
    """Each limit that was asked for, and how the run did.

    Args:
        profile: the run's.
        limits: what it is held to.
        was_observed: whether there was any process to observe.
        losses: what is known to be missing in the profile, in sentences. What is too much without it is too much all
            the same; what is little enough may have been more, and a ratio could be anything.
    """
    found = (*_codes(profile, limits), *_counts(profile, limits), *_reuse(profile, limits))
    if was_observed and not losses:
        return found
    if not losses:
        return tuple(
            replace(each, figure=None, state="unchecked", sentence=f"No Python process was observed {_option(each)}.")
            for each in found
        )
    return tuple(each if _is_broken_anyway(each) else _of_what_is_left(each) for each in found)


def broken(limits: Sequence[HeldLimit], *, was_observed: bool, losses: Sequence[str] = ()) -> tuple[str, ...]:
    """A sentence for each limit that does not hold, or of which nobody can tell; the rest is as for :func:`held`."""
    if not limits:
        return ()
    if not was_observed and not losses:
        return ("No limit could be checked, because no Python process was observed.",)
    unchecked = [each.sentence for each in limits if each.state == "unchecked"]
    sentences = tuple(each.sentence for each in limits if each.state == "broken")
    if losses and unchecked:
        return (*sentences, f"{'Others' if sentences else 'Limits'} could not be checked: {' '.join(losses)}")
    return (*sentences, *unchecked)


def _is_broken_anyway(each: HeldLimit) -> bool:
    return each.state == "broken" and each.option != _REUSE


def _of_what_is_left(each: HeldLimit) -> HeldLimit:
    said = each.sentence if each.figure is None else f"{each.sentence.removesuffix('.')}, but not all was recorded."
    return replace(each, state="unchecked", sentence=said)


def _option(each: HeldLimit) -> str:
    return f"({each.option} {each.code})" if each.code else f"({each.option} {each.limit:g})"


def _codes(profile: Profile, limits: Limits) -> Iterator[HeldLimit]:
    found = Counter(finding.code for finding in profile.findings)
    not_judged = {code for process in profile.processes for code in not_judged_codes(process)}
    for code in [ANY] if ANY in limits.codes else sorted(limits.codes):
        lines = [(each, count) for each, count in found.items() if code in {each, ANY}]
        nothing = "Nothing was" if code == ANY else f"{code} was not"
        said = ", ".join(f"{each} was found at {count:,} line{'' if count == 1 else 's'}" for each, count in lines)
        unknown = sorted(not_judged if code == ANY else not_judged & {code})
        if unknown and not lines:
            why = "because of what was made at unknown lines; --user-code names packages of yours"
            said = f"{' and '.join(unknown)} cannot be told, {why}"
        yield HeldLimit(
            option=_FAIL_ON,
            code=code,
            limit=0,
            figure=sum(count for _, count in lines),
            state="broken" if lines else "unchecked" if unknown else "kept",
            sentence=f"{said or f'{nothing} found'} ({_FAIL_ON} {code}).",
        )


def _counts(profile: Profile, limits: Limits) -> Iterator[HeldLimit]:
    counts = profile.counts
    for what, count, limit, option in (
        ("SSL context", counts.contexts_count, limits.contexts_max, "--max-contexts"),
        ("handshake", counts.handshakes_count, limits.handshakes_max, "--max-handshakes"),
        ("connection", counts.connections_count, limits.connections_max, "--max-connections"),
    ):
        if limit is not None:
            are = "is" if limit == 1 else "are"
            yield HeldLimit(
                option=option,
                limit=limit,
                figure=count,
                state="broken" if count > limit else "kept",
                sentence=f"{count:,} {what}{'' if count == 1 else 's'}, where {limit:,} {are} allowed ({option}).",
            )


def _reuse(profile: Profile, limits: Limits) -> Iterator[HeldLimit]:
    wanted = limits.requests_per_connection_min
    if wanted is None:
        return
    counts = profile.counts
    state: LimitState = "kept"
    requests, unknown = counts.requests_count, counts.connections_unknown_count
    connections = counts.connections_count - unknown
    if requests is None and (counts.connections_count or profile.blind_spots):
        state, said = "unchecked", "Requests per connection cannot be told, because no library was seen that sends them"
    elif requests is None:
        said = f"No connection was opened, where at least {wanted:g} requests on each are asked for"
    elif connections:
        if requests < wanted * connections:
            state = "broken"
        beside = f", {unknown:,} left out that nothing known sent on" if unknown else ""
        said = (
            f"{requests / connections:.2f} requests per connection ({requests:,} on {connections:,}{beside}), where at"
            f" least {wanted:g} are asked for"
        )
    elif unknown and wanted:
        state = "unchecked"
        said = (
            f"Requests per connection cannot be told, because nothing was sent by a library that is known on any of"
            f" {unknown:,}"
        )
    else:
        said = f"No connection that requests are known of, where at least {wanted:g} requests on each are asked for"
    yield HeldLimit(
        option=_REUSE,
        limit=wanted,
        figure=counts.requests_per_connection,
        state=state,
        sentence=f"{said} ({_REUSE}).",
    )
