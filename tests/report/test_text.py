import io
import re

import pytest
from rich.console import Console

from connprof.report import print_summary
from tests import samples


def printed(state, *, terminal, width=80, **settings):
    sink = io.StringIO()
    console = Console(file=sink, force_terminal=terminal, width=width, color_system="256" if terminal else None)
    print_summary(samples.STATES[state](), console, **settings)
    return sink.getvalue()


@pytest.mark.parametrize("state", samples.STATES)
def test_plain_lines_when_piped(state):
    lines = printed(state, terminal=False).splitlines()
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert not re.search("[\u2500-\u257f]", text)
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("state", samples.STATES)
def test_a_terminal_of_80_columns_is_not_overrun(state):
    text = printed(state, terminal=True)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b" not in shown
    # Wide characters take two columns; none of the names here has more than a few.
    assert all(len(line.rstrip()) <= 80 for line in shown.splitlines())


def test_what_is_said():
    text = printed("failed", terminal=False, page="/tmp/out/index.html")
    flat = " ".join(text.split())
    assert flat.startswith("Reproduced and fixed: 40 calls with a new AsyncClient")
    assert "SSL allocations: 299.1 MB -> 47.0 MB (6.4x less, also cumulative)" in flat
    assert "TLS handshakes: 40 -> 5 (8x fewer)" in flat
    assert "per-call-async 40 40 299.1" in flat
    assert "- lazy-service: failed: Failed in the memory pass: The worker was killed" in flat
    assert flat.endswith("Page: /tmp/out/index.html")


def test_markup_from_outside_is_not_read():
    report = samples.report()
    sink = io.StringIO()
    from msgspec.structs import replace

    verdict = replace(report.verdict, regression=replace(report.verdict.regression, reason="[bold]x[/] :smile:"))
    print_summary(replace(report, verdict=verdict), Console(file=sink, force_terminal=True, width=80))
    assert "[bold]x[/] :smile:" in sink.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_an_output_that_knows_only_ascii(terminal):
    raw = io.BytesIO()
    sink = io.TextIOWrapper(raw, encoding="ascii")
    print_summary(samples.failed_cases(), Console(file=sink, force_terminal=terminal, width=80))
    sink.flush()
    assert b"Reproduced and fixed" in raw.getvalue()


@pytest.mark.parametrize(("count", "said"), [(5, "- case-4: failed: "), (6, "- 6 cases: failed: ")])
def test_a_problem_that_many_cases_have_in_common_is_said_once(count, said):
    from msgspec.structs import replace

    from connprof.model import Failed

    report = samples.report()
    failed = tuple(
        replace(report.records[0], case=samples.case(f"case-{number}"), outcome=Failed(stage="load", message="stopped"))
        for number in range(count)
    )
    sink = io.StringIO()
    print_summary(replace(report, records=(*report.records, *failed)), Console(file=sink, width=80))
    lines = [line for line in sink.getvalue().splitlines() if "stopped" in line]
    assert lines[-1].startswith(said)
    assert len(lines) == (count if count == 5 else 1)
