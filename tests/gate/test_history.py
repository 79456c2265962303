import pytest
from msgspec.structs import replace

from connprof.cli import cli, guarded
from connprof.errors import FileError
from connprof.gate import Policy
from connprof.history import history
from connprof.model import Failed, Problem
from connprof.report import past
from connprof.store import abridge, save_report
from tests import samples
from tests.gate.sides import POOLED, outcome_of, with_changed, with_identity

pytestmark = pytest.mark.once


def on(day, report=None):
    report = report or samples.report()
    return replace(report, run=samples.run(started_at=f"2026-11-{day:02}T09:00:00+00:00", seed=day))


def more(contexts, **changes):
    return with_changed(samples.report(), POOLED, "counts", client__contexts_count=contexts, **changes)


def course(found, metric, strategy=POOLED):
    return next(one for one in found.courses if (one.subject.strategy, one.metric.name) == (strategy, metric))


def over(*reports, policy=None):
    return history([(f"{k}.json", abridge(report)) for k, report in enumerate(reports)], policy or Policy())


def test_reports_are_ordered_by_their_time_whatever_their_names_and_zones():
    later = replace(samples.report(), run=samples.run(started_at="2026-11-02T00:30:00+02:00"))
    naive = replace(samples.report(), run=samples.run(started_at="2026-11-01T22:45:00"))
    found = over(on(3), later, naive, on(1))
    assert [moment.name for moment in found.moments] == ["3.json", "1.json", "2.json", "0.json"]


def test_any_change_of_a_count_is_a_step():
    found = over(on(1), on(2, more(6)), on(3, more(6)), on(4))
    assert course(found, "contexts").points == ((0, 5), (1, 6), (2, 6), (3, 5))
    steps = [(step.start, step.end, step.row.status.value) for step in course(found, "contexts").steps]
    assert steps == [(0, 1, "regressed"), (2, 3, "improved")]
    assert course(found, "ca_loads").steps == ()


@pytest.mark.parametrize(("by", "steps_count"), [(1_410_000, 0), (1_410_001, 1)])
def test_bytes_step_only_beyond_their_limit(by, steps_count):
    ssl_bytes = 47_000_000
    io_bytes = 11_640_000 + by
    found = over(on(1), on(2, with_changed(samples.report(), POOLED, "memory", ssl__io_bytes=io_bytes)))
    assert course(found, "ssl_bytes").points == ((0, ssl_bytes), (1, ssl_bytes + by))
    assert len(course(found, "ssl_bytes").steps) == steps_count


def test_a_run_that_failed_in_between_hides_no_step():
    broken = samples.with_outcome(samples.report(), POOLED, Failed(stage="counts", message="It died."))
    found = over(on(1), on(2, broken), on(3, more(6)))
    (step,) = course(found, "contexts").steps
    assert (step.start, step.end) == (0, 2)


def test_churn_that_no_file_declares_is_a_step():
    churn = more(40)
    outcome = replace(
        outcome_of(churn, POOLED), problems=(Problem(code="claim", sentence="It is declared to make 5."),)
    )
    found = over(on(1), on(2, samples.with_outcome(churn, POOLED, outcome)))
    assert course(found, "contexts").points == ((0, 5), (1, 40))
    assert len(course(found, "contexts").steps) == 1


def test_bytes_take_no_step_where_the_environment_changed():
    other = with_identity(more(6), openssl="OpenSSL 3.5.1")
    other = with_changed(other, POOLED, "memory", ssl__context_bytes=1_000)
    found = over(on(1), on(2, other))
    assert course(found, "context_bytes").steps == ()
    assert len(course(found, "contexts").steps) == 1
    assert any("openssl: OpenSSL 3.0.15 3 Sep 2024 -> OpenSSL 3.5.1" in line for line in past.lines(found))


@pytest.mark.parametrize(("by", "steps_count"), [(1.004, 0), (1.006, 1)])
def test_context_bytes_may_differ_a_little_between_two_patch_versions_of_python(by, steps_count):
    was = next(record for record in samples.report().records if record.case.strategy == POOLED)
    python = samples.report().environment.identity["python"]
    other = with_identity(samples.report(), python=f"{python}9")
    size = round(was.outcome.memory.ssl.context_bytes * by)
    found = over(on(1), on(2, with_changed(other, POOLED, "memory", ssl__context_bytes=size)))
    assert len(course(found, "context_bytes").steps) == steps_count
    found = over(on(1), on(2, with_changed(samples.report(), POOLED, "memory", ssl__context_bytes=size)))
    assert len(course(found, "context_bytes").steps) == 1


def test_times_take_no_step_without_a_limit():
    slow = samples.with_outcome(samples.report(), POOLED, samples.measured(samples.sketch_of("per-call-async")))
    found = over(on(1), on(2, slow))
    assert course(found, "cpu_over_floor").steps == ()
    assert course(found, "contexts").steps
    limited = over(on(1), on(2, slow), policy=Policy(limits_ppm={"cpu_over_floor": 1_000_000}))
    assert len(course(limited, "cpu_over_floor").steps) == 1


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "9999-12-31T23:59:59-23:00"])
def test_a_report_without_a_time_is_named(text):
    with pytest.raises(FileError, match=r"is no time - at `\$\.run\.started_at`"):
        over(replace(samples.report(), run=samples.run(started_at=text)))


@pytest.fixture
def folder(tmp_path):
    for day in range(1, 6):
        save_report(on(day, more(6) if day in {3, 4} else None), tmp_path / "all" / f"{day}.json")
    save_report(on(6, samples.hostile()), tmp_path / "all" / "sixth" / "report.json")
    return tmp_path / "all"


def test_the_command_prints_steps_and_draws_a_page(folder, tmp_path, capsys):
    assert guarded(cli, ["history", str(folder), "--html", str(tmp_path / "page")]) == 0
    out = capsys.readouterr().out
    assert "6 reports, 2 steps: 1 regressed and 1 improved." in out
    assert "run 3: client-per-helper/llm-session/calls=40, SSL contexts: 5 -> 6 (ratio 1.2000), regressed" in out
    names = {file.name for file in (tmp_path / "page").iterdir()}
    assert {"index.html", "contexts.png", "context-bytes.png", "cpu-over-floor.png"} <= names
    assert "handshakes-failed.png" not in names
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "2 steps, each with a ring." in page
    assert (tmp_path / "page" / "contexts.png").read_bytes().startswith(b"\x89PNG")


def test_a_single_report_has_a_history_too(tmp_path, capsys):
    save_report(on(1), tmp_path / "one" / "1.json")
    assert guarded(cli, ["history", str(tmp_path / "one")]) == 0
    assert "1 report, 0 steps." in capsys.readouterr().out


def test_the_commands_limits_come_from_a_file(folder, tmp_path, monkeypatch, capsys):
    # Its environment is another, in which nothing but counts can be compared.
    (folder / "sixth" / "report.json").unlink()
    save_report(on(7, with_changed(samples.report(), POOLED, "memory", peak_bytes=9_500_000)), folder / "7.json")
    assert guarded(cli, ["history", str(folder)]) == 0
    assert "peak bytes" in capsys.readouterr().out
    (tmp_path / "pyproject.toml").write_text("[tool.connprof.gate.limits]\npeak_bytes = 50", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for options in ([], ["--config", "pyproject.toml"]):
        assert guarded(cli, ["history", str(folder), *options]) == 0
        assert "peak bytes" not in capsys.readouterr().out


def test_what_the_command_cannot_do_is_an_exit_code(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert guarded(cli, ["history", str(tmp_path / "empty")]) == 2
    assert guarded(cli, ["history", str(tmp_path / "absent")]) == 2
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.json").write_text("{", encoding="utf-8")
    assert guarded(cli, ["history", str(tmp_path / "broken")]) == 2
    assert "a.json is" in capsys.readouterr().err
    save_report(on(1, replace(samples.report(), records=())), tmp_path / "none" / "a.json")
    assert guarded(cli, ["history", str(tmp_path / "none")]) == 4


def test_more_lines_than_can_be_told_apart_are_left_out_and_counted():
    records = tuple(
        replace(record, case=replace(record.case, concurrency_count=k)) for k in (1, 2) for record in on(1).records
    )
    found = over(replace(on(1), records=records))
    from connprof.compare import metric_named

    plot = past._plot(found, metric_named("contexts"))
    assert len(plot.series.lines) == past.MOST_LINES
    assert plot.left_out == "8 more cases not drawn."


def test_peaks_take_no_step_where_only_one_side_has_what_is_imported_during_a_session():
    def on_packages(day, names, **changes):
        report = on(day, with_changed(samples.report(), POOLED, "memory", **changes) if changes else None)
        return replace(report, environment=replace(report.environment, packages=dict.fromkeys(names, "1")))

    for names, steps_count in (((), 1), (("h2",), 0)):
        found = over(on_packages(1, ()), on_packages(2, names, peak_bytes=99_000_000))
        assert len(course(found, "peak_bytes").steps) == steps_count


def test_what_the_tool_writes_beside_reports_is_passed_over_and_named(folder, capsys):
    for name, text in (
        ("duel.json", '{"schema": "connprof-duel/1"}'),
        ("compare.json", '{"schema": "connprof-comparison/1"}'),
        ("calibration-samples.json", "[]"),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    assert guarded(cli, ["history", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "6 reports, " in out
    assert f"Passed over: {folder / 'duel.json'} is a duel, not a report" in err
    assert f"Passed over: {folder / 'compare.json'} is a comparison" in err
    assert f"Passed over: {folder / 'calibration-samples.json'} is the samples of a calibration" in err
    (folder / "other.json").write_text('{"schema": "else/1"}', encoding="utf-8")
    assert guarded(cli, ["history", str(folder)]) == 2


def test_a_folder_of_nothing_but_other_files_says_what_they_are(tmp_path, capsys):
    (tmp_path / "duel.json").write_text('{"schema": "connprof-duel/1"}', encoding="utf-8")
    assert guarded(cli, ["history", str(tmp_path)]) == 2
    assert "duel.json is a duel, not a report (its schema is 'connprof-duel/1')." in capsys.readouterr().err


def test_the_terminal_shows_first_and_last_of_the_main_metrics_and_which_way_steps_went():
    gone = replace(on(3), records=tuple(one for one in on(3).records if one.case.strategy != "per-call-get"))
    said = past.lines(over(on(1), on(2, more(40)), gone))
    rows = {line.split()[0]: line for line in said if line}
    assert rows["client-per-helper"].split()[1:5] == ["5", "+", "5", "47.0"]
    assert rows["per-call-get"].startswith("per-call-get (to run 2)  ")
    said = past.lines(over(on(1), on(2, more(40))))
    assert said.index(next(line for line in said if "5 -> 40 !" in line)) == said.index("") + 2


@pytest.mark.parametrize(
    ("reports", "word"),
    [
        ((on(1), on(2)), "Steady"),
        ((on(1), on(2, more(40))), "Worse"),
        ((on(1), on(2, more(40)), on(3)), "Better"),
        ((on(1),), "Nothing to compare"),
    ],
)
def test_the_page_begins_with_a_word_on_what_became_of_the_figures(tmp_path, reports, word):
    page = past.write(over(*reports), tmp_path).read_text(encoding="utf-8")
    assert f'<strong class="lead">{word}:</strong>' in page


def test_a_line_that_ends_before_the_last_run_slopes_towards_no_label():
    """Its way to the label is level inside the plot: anything else looks like a fall."""
    from connprof.compare import metric_named
    from connprof.report import plots

    gone = replace(on(3), records=tuple(one for one in on(3).records if not one.case.strategy.startswith("per-call-")))
    plot = past._plot(over(on(1), on(2), gone), metric_named("contexts"))
    figure = plots._lines(plot.series, plots._LOOKS["wide"], plots.LIGHT)
    edge = figure.axes[0].get_position().x1
    inside = [line.get_ydata() for line in figure.artists if line.get_xdata()[0] < edge - 0.01]
    assert len(inside) == 4
    assert all(ys[0] == ys[-1] for ys in inside)
    assert "per-call-get (to run 2)" in {line.label for line in plot.series.lines}
