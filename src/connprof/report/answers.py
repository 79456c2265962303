"""What the incident did not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof.report import words
from connprof.report.shapes import Cell, Column, Row, Table

if TYPE_CHECKING:
    from connprof.model import Answers, SslBytes
    from connprof.report.cases import Seen

__all__ = ["answer_sentences", "answer_table"]

_CHURN_SHARE = 0.5


def _same(one: Seen | None, ssl: SslBytes | None) -> Seen | None:
    """The case, if the answers speak of it: its other figures may then stand beside theirs."""
    return one if one is not None and ssl is not None and one.ssl == ssl else None


def answer_sentences(
    answers: Answers | None, before: Seen | None, shared: Seen | None, after: Seen | None
) -> tuple[str, ...]:
    """The sentences, each only where its figures exist."""
    if answers is None:
        return ()
    before = _same(before, answers.before)
    shared = _same(shared, answers.shared_context)
    after = _same(after, answers.after)
    sentences = []
    old = answers.before
    if old.total_bytes > 0:
        parts = [
            (old.context_bytes, "creating SSL contexts and loading the CA bundle into them"),
            (old.handshake_bytes, "handshakes"),
            (old.io_bytes, "reading and writing"),
        ]
        shares = [f"{words.share(size / old.total_bytes)} ({words.bytes_text(size)}) on {what}" for size, what in parts]
        sentences.append(
            f"Of the regression's {words.bytes_text(old.total_bytes)} of SSL bytes, "
            f"{words.joined([shares[0].replace(' on ', ' were spent on ', 1), *shares[1:]])}."
        )
    if before is not None:
        sentences.append(_live(before, after))
    only_context = answers.shared_context
    if only_context is not None and old.total_bytes > 0:
        saved = old.total_bytes - only_context.total_bytes
        sentence = (
            f"Sharing only the SSL context, with a client for every call as before, would have saved "
            f"{words.bytes_text(saved)} ({words.share(saved / old.total_bytes)}) and left "
            f"{words.bytes_text(only_context.total_bytes)}"
        )
        if before and shared and before.handshakes is not None and before.handshakes == shared.handshakes:
            sentence += ", without saving a single handshake"
        sentences.append(f"{sentence}.")
    if answers.after is not None:
        sentences.append(_what_is_left(answers.after, after))
    sentences += [_why_less(shared, after), _why_io(before, after)]
    return tuple(sentence for sentence in sentences if sentence)


def _live(before: Seen, after: Seen | None) -> str:
    """How much of the cumulative bytes was in use at once."""
    if before.memory is None:
        return ""
    peaks = [f"{words.bytes_text(before.memory.peak_bytes)} with the regression"]
    if after is not None and after.memory is not None:
        peaks.append(f"{words.bytes_text(after.memory.peak_bytes)} with the fix")
    sentence = f"Of all that the process allocated, never more than {words.joined(peaks)} was live at once"
    if before.ssl_bytes and before.memory.peak_bytes < before.ssl_bytes * _CHURN_SHARE:
        sentence += ": the regression is churn, memory allocated and freed over and over, not a leak"
    return f"{sentence}."


def _why_less(shared: Seen | None, after: Seen | None) -> str:
    """Why sharing only the context can need fewer bytes than the fix, and what it does not save."""
    if shared is None or after is None or shared.ssl_bytes is None or after.ssl_bytes is None:
        return ""
    if shared.contexts is None or after.contexts is None or shared.handshakes is None or after.handshakes is None:
        return ""
    fewer = shared.ssl_bytes < after.ssl_bytes and shared.contexts < after.contexts
    if not fewer or shared.handshakes <= after.handshakes:
        return ""
    kept = f"But it makes {words.plural(shared.handshakes, 'handshake')}"
    if shared.handshakes == shared.calls_count:
        kept = (
            f"But every call still opens a connection, so it keeps all {words.plural(shared.handshakes, 'handshake')}"
        )
    return (
        f"That sharing only the context needs fewer SSL bytes than the fix ({words.bytes_text(shared.ssl_bytes)} "
        f"against {words.bytes_text(after.ssl_bytes)}) is because it creates "
        f"{words.plural(shared.contexts, 'context')}, the fix {words.count(after.contexts)}. {kept}, "
        f"where the fix makes {words.count(after.handshakes)}."
    )


def _why_io(before: Seen | None, after: Seen | None) -> str:
    """Why reading and writing differs although the calls are the same."""
    if before is None or after is None or before.ssl is None or after.ssl is None:
        return ""
    if before.connections is None or after.connections is None or before.calls_count != after.calls_count:
        return ""
    if before.ssl.io_bytes <= after.ssl.io_bytes or before.connections <= after.connections:
        return ""
    return (
        f"Reading and writing takes {words.bytes_text(before.ssl.io_bytes)} with the regression and "
        f"{words.bytes_text(after.ssl.io_bytes)} with the fix, for the same calls: a new connection reads and writes "
        f"more than one that is kept open, and there are {words.count(before.connections)} against "
        f"{words.count(after.connections)}."
    )


def _what_is_left(left: SslBytes, after: Seen | None) -> str:
    parts = []
    contexts, handshakes = (after.contexts, after.handshakes) if after else (None, None)
    if contexts:
        each = words.bytes_text(left.context_bytes / contexts)
        parts.append(f"{words.bytes_text(left.context_bytes)} for {words.plural(contexts, 'context')} ({each} each)")
    else:
        parts.append(f"{words.bytes_text(left.context_bytes)} for contexts")
    number = words.plural(handshakes, "handshake") if handshakes else "handshakes"
    parts.append(f"{words.bytes_text(left.handshake_bytes)} for {number}")
    parts.append(f"{words.bytes_text(left.io_bytes)} for reading and writing")
    return f"After the fix {words.bytes_text(left.total_bytes)} are left: {words.joined(parts)}."


def answer_table(answers: Answers | None, titles: tuple[str, str, str]) -> Table:
    """Where the SSL bytes went."""
    columns = [Column(title="SSL bytes", is_number=False)]
    found: list[SslBytes] = []
    if answers is not None:
        for title, part in zip(titles, (answers.before, answers.shared_context, answers.after), strict=True):
            if part is not None:
                columns.append(Column(title=title, unit="MB"))
                found.append(part)
    rows = []
    for label, attribute in (
        ("Creating contexts", "context_bytes"),
        ("Handshakes", "handshake_bytes"),
        ("Reading and writing", "io_bytes"),
        ("Together", "total_bytes"),
    ):
        cells = [Cell(text=label)]
        for part in found:
            size: int = getattr(part, attribute)
            note = words.share(size / part.total_bytes) if part.total_bytes else ""
            cells.append(Cell(text=words.megabytes(size), note=note))
        rows.append(Row(cells=tuple(cells)))
    return Table(
        caption="Where the SSL bytes went",
        columns=tuple(columns),
        rows=tuple(rows) if found else (),
        empty="This needs a valid measurement of the regression with its memory pass; this run has none.",
    )
