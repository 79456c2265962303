from itertools import permutations

import pytest
from msgspec.structs import replace

from connprof.cli import cli, guarded
from connprof.errors import FileError
from connprof.gate import Policy
from connprof.merge import merge
from connprof.model import Failed, VerdictStatus
from connprof.report import build, words
from connprof.store import load_report, save_report
from connprof.verdict import contradiction
from tests import samples
from tests.gate.sides import POOLED, judged, outcome_of, with_changed, with_identity

WHOLE = samples.report()
FLOOR_TITLE = build(WHOLE).strategies.rows[-1].cells[0].text


def shard(*numbers, **changes):
    chosen = [samples.SKETCHES[k] for k in numbers]
    return replace(samples.report(chosen), **changes)


def test_shards_make_the_whole_and_its_verdict_is_made_anew():
    parts = [("a", shard(0, 1, 2, 3)), ("b", samples.not_measured()), ("c", shard(4, 5, 6, 7))]
    joined = merge(parts)
    assert {record.case for record in joined.records} == {record.case for record in WHOLE.records}
    assert joined.verdict.regression.status is VerdictStatus.REPRODUCED
    assert joined.verdict.fix.status is VerdictStatus.CONFIRMED
    assert len(joined.strategies) == len(samples.SKETCHES)


def test_the_commands_of_a_merged_report_are_no_pipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = ["nox -s bench -- --only floor --seed 1", "nox -s bench -- --only one-client --seed 2"]
    for number, command in enumerate(commands):
        save_report(shard(7 * number, run=samples.run(command=command, seed=number + 1)), tmp_path / f"{number}.json")
    assert guarded(cli, ["merge", "the whole", "0.json", "1.json"]) == 0
    joined = load_report(tmp_path / "the whole")
    made = build(joined)
    assert made.commands == (*commands, "connprof merge 'the whole' 0.json 1.json")
    assert ("Seeds", "1 and 2") in made.provenance.pairs
    assert any("seeds 1 and 2" in each.text for each in made.assurances)
    assert build(load_report(tmp_path / "0.json")).commands == (commands[0],)


def test_a_case_with_the_same_figures_is_kept_once():
    assert merge([("a", WHOLE), ("b", WHOLE)]).records == WHOLE.records


def test_one_report_is_left_as_it_is():
    assert merge([("a", WHOLE)]) == WHOLE


def test_what_may_differ_is_kept_side_by_side():
    other = shard(7, run=samples.run(started_at="2026-11-19T00:00:00+00:00", command="x", duration_s=1.0, dirty=True))
    other = replace(other, environment=replace(other.environment, context={"cpu": "Other"}))
    joined = merge([("a", shard(0)), ("b", other)])
    assert joined.run.started_at == "2026-11-19T00:00:00+00:00"
    assert joined.run.command == f"{WHOLE.run.command}\nx\nconnprof merge OUT REPORT..."
    assert joined.run.dirty is True
    assert joined.environment.context["cpu"] == "Example CPU @ 2.10GHz | Other"
    assert joined.environment.context["cores"] == "2"


def clash_of_figures():
    return with_changed(WHOLE, POOLED, "counts", client__contexts_count=6)


def clash_of_notes():
    return replace(shard(7), strategies=tuple(replace(note, title="x") for note in WHOLE.strategies))


def clash_of_incidents():
    other = shard(7)
    return samples.with_halves(other, incident=replace(other.verdict.incident, ssl_bytes=1))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (clash_of_figures(), ["both measured", POOLED, "different figures"]),
        (clash_of_notes(), ["describe the strategy 'floor' differently"]),
        (
            with_identity(shard(7), openssl="OpenSSL 3.5", arch=None),
            ["'openssl' ('OpenSSL 3.0.15", "'arch' ('x86_64' and 'not"],
        ),
        (shard(7, run=samples.run(commit=None)), ["different commits", "not known"]),
        (shard(7, schema="connprof/9"), ["schemas are connprof/1 and connprof/9"]),
        (clash_of_incidents(), ["different incidents"]),
    ],
)
def test_clashes_are_refused_in_words_that_name_both_files(other, words):
    with pytest.raises(FileError) as caught:
        merge([("first.json", WHOLE), ("second.json", other)])
    assert all(word in str(caught.value) for word in ["first.json", "second.json", *words])
    assert "\n" not in str(caught.value)


def test_a_bundle_of_unknown_size_makes_no_verdict():
    parts = [with_identity(part, ca_bundle_certificates_count=None) for part in (shard(3), shard(5))]
    with pytest.raises(FileError, match="how many certificates"):
        merge([("a", parts[0]), ("b", parts[1])])


def test_the_command_merges_files_and_folders(tmp_path, capsys):
    save_report(shard(0, 1, 2, 3), tmp_path / "shards" / "one.json")
    save_report(shard(4, 5), tmp_path / "shards" / "two.json")
    save_report(shard(6, 7), tmp_path / "third" / "report.json")
    arguments = ["merge", str(tmp_path / "out"), str(tmp_path / "shards"), str(tmp_path / "third")]
    assert guarded(cli, arguments) == 0
    assert "8 cases from 3 reports" in capsys.readouterr().out
    assert len(load_report(tmp_path / "out").records) == 8
    parts = [str(tmp_path / "shards" / "two.json"), str(tmp_path / "third")]
    assert guarded(cli, ["merge", str(tmp_path / "out.json"), *parts]) == 0
    assert len(load_report(tmp_path / "out.json").records) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["one", "two"], "a report is there already"),
        (["one", "two", "three"], "a report is there already"),
        (["one/report.json", "two", "three"], "a report is there already"),
        (["shards", "two", "three"], "a report is there already"),
        (["shards", "shards"], "is or holds one of the reports"),
        (["shards", "shards/a.json", "two"], "is or holds one of the reports"),
        (["--force", "link", "one", "two"], "is or holds one of the reports"),
        (["--force", "one", "one", "two"], "is or holds one of the reports"),
        (["--force", "one", "two"], "it takes two or more"),
        (["new", "two", "two/report.json"], "it takes two or more"),
    ],
)
def test_a_forgotten_out_costs_no_report(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    places = ["one/report.json", "two/report.json", "three/report.json", "shards/a.json", "shards/b.json"]
    for number, place in enumerate(places):
        save_report(shard(number), tmp_path / place)
    (tmp_path / "link").symlink_to("one")
    before = {place: (tmp_path / place).read_bytes() for place in places}
    assert guarded(cli, ["merge", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert {str(file.relative_to(tmp_path)): file.read_bytes() for file in tmp_path.rglob("*.json")} == before


# --- of several runs ------------------------------------------------------------------------------------------------


def of_two_runs(*, slower=1):
    """The floor from one machine, all else from another, and the second ``slower`` times as slow."""
    rest = shard(*range(1, 8), run=samples.run(duration_s=7.0))
    for name in (sketch.name for sketch in samples.SKETCHES[1:]):
        timing = tuple(
            replace(
                each,
                wall_ns=tuple(slower * one for one in each.wall_ns),
                thread_time_ns=tuple(slower * one for one in each.thread_time_ns),
            )
            for each in outcome_of(rest, name).timing
        )
        rest = samples.with_outcome(rest, name, replace(outcome_of(rest, name), timing=timing))
    return merge([("a", shard(0)), ("b", rest)])


def test_each_case_keeps_the_run_that_measured_it_through_further_merges():
    joined = of_two_runs()
    shards = {record.case.strategy: record.shard for record in joined.records}
    assert len(set(shards.values())) == 2
    assert [name for name in shards if shards[name] == shards["floor"]] == ["floor"]
    assert merge([("a", joined), ("b", shard(0, run=samples.run(seed=9)))]).records == joined.records


@pytest.mark.parametrize("sides", [(of_two_runs(), of_two_runs(slower=3)), (WHOLE, of_two_runs(slower=3))])
def test_no_time_is_divided_by_that_of_another_run(sides):
    policy = Policy(limits_ppm={"cpu_over_floor": 10_000, "wall_over_floor": 10_000})
    found = judged(*sides, policy)
    rows = [each for each in found.rows if each.pair.metric is not None and "over_floor" in each.pair.metric.name]
    assert rows
    assert {each.status.value for each in rows} == {"incomparable"}
    assert all("floor was measured in another run" in each.pair.reason for each in rows)
    within = [
        each for each in found.rows if each.pair.metric is not None and "over_regression" in each.pair.metric.name
    ]
    assert {each.status.value for each in within} == {"shown"}


def test_a_merged_page_divides_no_time_by_that_of_another_run():
    made = build(of_two_runs())
    floor, *others = sorted(made.strategies.rows, key=lambda row: row.cells[0].text != FLOOR_TITLE)
    assert [cell.text for cell in floor.cells[-3:-1]] == ["1.00x", "1.00x"]
    assert {cell.text for row in others for cell in row.cells[-3:-1]} == {words.ABSENT}
    assert {row.cells[5].text for row in made.brief.rows if row.cells[0].text != "floor"} == {words.ABSENT}
    latency = next(plot for plot in made.plots if plot.key == "latency")
    assert "floor" not in {box.label for box in latency.series.boxes}
    assert latency.left_out == "Not drawn, because another run measured them: floor."
    whole = build(WHOLE)
    assert words.ABSENT not in {cell.text for row in whole.strategies.rows for cell in row.cells[-3:-1]}


def test_shards_whose_peaks_cannot_be_compared_are_refused():
    other = shard(7)
    packages = {name: version for name, version in other.environment.packages.items() if name != "h2"}
    ours = replace(WHOLE, environment=replace(WHOLE.environment, packages=packages | {"h2": "4.3.0"}))
    theirs = replace(other, environment=replace(other.environment, packages=packages))
    with pytest.raises(FileError, match="only one of them was measured with h2 installed"):
        merge([("a", ours), ("b", theirs)])


def test_a_merge_is_made_again_by_force(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        save_report(shard(number), tmp_path / f"{number}.json")
    assert [guarded(cli, ["merge", *more, "out", "0.json", "1.json"]) for more in ((), (), ("--force",))] == [0, 2, 0]


def test_the_command_refuses_in_one_sentence(tmp_path, capsys):
    save_report(WHOLE, tmp_path / "a.json")
    save_report(clash_of_figures(), tmp_path / "b.json")
    assert guarded(cli, ["merge", str(tmp_path / "out"), str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert guarded(cli, ["merge", str(tmp_path / "out")]) == 2


def test_what_one_shard_left_out_and_another_measured_was_not_left_out():
    parts = [shard(k, run=samples.run(left_out=("floor", "one-client", "lazy-service"))) for k in (0, 6)]
    parts[1] = replace(parts[1], run=replace(parts[1].run, ended="server-lost", interrupted="The server was lost."))
    run = merge([("a", parts[0]), ("b", parts[1])]).run
    assert (run.left_out, run.ended, run.interrupted) == (("lazy-service",), "server-lost", "The server was lost.")


def test_outcomes_that_failed_survive_a_merge():
    joined = merge([("a", samples.failed_cases()), ("b", shard(0))])
    assert outcome_of(joined, "lazy-service").stage == "memory"


def test_a_case_from_the_cache_is_the_case_that_was_measured():
    cached = replace(
        WHOLE, records=tuple(replace(each, cached_from="2026-11-19T00:00:00+00:00") for each in WHOLE.records)
    )
    assert merge([("a", WHOLE), ("b", cached)]).records == WHOLE.records


def test_what_only_a_later_shard_tells_is_kept():
    parts = [shard(0, run=samples.run(in_quick=("floor",))), shard(7, run=samples.run(in_quick=("x",), quick=True))]
    joined = merge([("a", parts[0]), ("b", parts[1])])
    assert joined.run.in_quick == ("floor", "x")
    assert joined.run.quick


def test_of_several_headrooms_the_smallest_is_kept():
    assert WHOLE.headroom is not None
    least = replace(WHOLE.headroom, server_requests_per_s=WHOLE.headroom.server_requests_per_s / 2)
    parts = [("a", shard(0)), ("b", shard(6, headroom=least)), ("c", shard(7, headroom=None))]
    assert merge(parts).headroom == least
    assert merge(parts[::-1]).headroom == least


def test_the_lowest_headroom_is_that_of_the_least_ratio():
    assert WHOLE.headroom is not None
    wide = replace(WHOLE.headroom, server_requests_per_s=3_000.0, fastest_requests_per_s=500.0)
    narrow = replace(WHOLE.headroom, server_requests_per_s=4_000.0, fastest_requests_per_s=2_000.0)
    parts = [("a", shard(0, headroom=wide)), ("b", shard(6, headroom=narrow))]
    assert merge(parts).headroom == narrow
    assert merge(parts[::-1]).headroom == narrow


def elsewhere(**axes):
    """The sample's cases at another setting."""
    records = tuple(replace(record, case=replace(record.case, **axes)) for record in WHOLE.records)
    return replace(WHOLE, records=records)


def test_a_merged_report_does_not_contradict_itself_in_any_order():
    here, there, further = ("a", WHOLE), ("b", elsewhere(workload="x")), ("c", elsewhere(workload="y"))
    wanted = merge([here, here]).verdict
    for parts in ([there, further], [further, there], [here, there], [there, here]):
        joined = merge(parts)
        assert contradiction(joined) is None
        if here in parts:
            assert joined.verdict == wanted
        else:
            assert joined.verdict.regression.status is VerdictStatus.NOT_MEASURED
            assert joined.verdict.regression.reason == (
                "No case of per-call-async has 40 calls of llm-session and the default of every axis."
            )


def test_shards_of_one_setting_are_judged_at_it():
    whole = elsewhere(workload="x")
    parts = [("a", replace(whole, records=whole.records[:4])), ("b", replace(whole, records=whole.records[4:]))]
    assert merge(parts).verdict.regression.status is VerdictStatus.REPRODUCED


def interrupted_in(strategy):
    """A run that was stopped in the midst of one case."""
    run = samples.run(ended="interrupted", interrupted="The run was interrupted.", seed=5)
    stopped = Failed(stage="interrupted", message="the run was interrupted", partial=outcome_of(WHOLE, strategy))
    return replace(samples.with_outcome(WHOLE, strategy, stopped), run=run)


def test_a_case_that_one_run_did_not_end_is_the_one_that_another_measured():
    parts = [("a", WHOLE), ("b", interrupted_in(POOLED))]
    for order in (parts, parts[::-1]):
        joined = merge(order)
        assert outcome_of(joined, POOLED) == outcome_of(WHOLE, POOLED)
        assert joined.verdict == merge([parts[0], parts[0]]).verdict
        assert contradiction(joined) is None
        assert joined.run.ended == "interrupted"
    assert outcome_of(merge([parts[1], parts[1]]), POOLED).stage == "interrupted"


def test_a_merge_ends_as_the_gravest_of_its_runs_in_any_order():
    ends = [("interrupted", "Stopped."), ("server-lost", "The server was lost."), ("complete", None)]
    parts = [(end, shard(k, run=samples.run(ended=end, interrupted=why))) for k, (end, why) in enumerate(ends)]
    assert {merge(order).run.ended for order in permutations(parts)} == {"interrupted"}
    assert {merge(order).run.ended for order in permutations(parts[1:])} == {"server-lost"}


def test_the_earliest_of_several_starts_is_a_moment_whatever_its_zone():
    starts = ["2026-11-20T10:00:00+05:00", "2026-11-20T09:00:00+00:00", "2026-11-20T09:30:00"]
    parts = [("a", shard(k, run=samples.run(started_at=start))) for k, start in enumerate(starts)]
    assert {merge(order).run.started_at for order in permutations(parts)} == {starts[0]}
