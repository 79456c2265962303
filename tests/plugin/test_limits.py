"""Limits: how they are written, and on which side of them a test fails."""

import re
from fractions import Fraction
from types import SimpleNamespace

import pytest

from connprof.observe import CallSite, Counts, SiteCounts
from connprof.plugin.cost import Cost
from connprof.plugin.judging import exceeded, uncounted, untested
from connprof.plugin.markers import MARKERS, BadLimitError, limit_from_ini, limits_of


def limit(name, *args, **kwargs):
    """The limit of a test with one marker."""
    mark = SimpleNamespace(name=name, args=args, kwargs=kwargs)
    item = SimpleNamespace(nodeid="test_x.py::test_x", get_closest_marker={name: mark}.get)
    (one,) = limits_of(item, ())
    return one


def sentence(name, value, counts, ssl_bytes=None):
    """What is said of a test with one limit; nothing if it was kept."""
    return "".join(each.sentence for each in exceeded((limit(name, value),), counts, (), ssl_bytes, str))


@pytest.mark.parametrize(
    ("name", "field", "what"),
    [
        ("max_ssl_contexts", "contexts_count", "SSL context"),
        ("max_handshakes", "handshakes_full_count", "TLS handshake"),
        ("max_handshakes", "handshakes_resumed_count", "TLS handshake"),
        ("max_connections", "connections_count", "connection"),
    ],
)
def test_a_count_is_held_at_its_limit_and_not_one_above(name, field, what):
    for n in (0, 3):
        assert [sentence(name, n, Counts(**{field: count})) for count in range(n + 1)] == [""] * (n + 1)
        assert sentence(name, n, Counts(**{field: n + 1})) == (
            f"{n + 1} {what}{'s' if n else ''}, at most {n} allowed by {name}({n})"
        )


def test_full_and_resumed_handshakes_add_up_and_failed_ones_do_not():
    counts = Counts(handshakes_full_count=2, handshakes_resumed_count=1, handshakes_failed_count=5)
    assert not sentence("max_handshakes", 3, counts)
    assert sentence("max_handshakes", 2, counts).startswith("3 TLS handshakes")


@pytest.mark.parametrize("connections", [1, 3, 7])
@pytest.mark.parametrize("x", [1, 1.5, Fraction(7, 3), 2])
def test_requests_per_connection_are_held_at_the_limit_and_not_just_below(connections, x):
    enough = -(-x * connections // 1)

    def said(sent):
        return sentence(
            "min_requests_per_connection", float(x), Counts(connections_count=connections, requests_count=sent)
        )

    assert said(int(enough)) == ""
    assert "per connection" in said(int(enough) - 1)


def test_without_a_connection_there_is_nothing_to_hold():
    assert not sentence("min_requests_per_connection", 2, Counts(requests_count=0))
    assert not sentence("min_requests_per_connection", 2, Counts(requests_count=5))


def test_bytes_are_held_at_the_limit_and_not_one_above():
    at = {"context": 900_000, "handshake": 90_000, "io": 10_000}
    assert not sentence("max_ssl_bytes", "1 MB", Counts(), at)
    assert sentence("max_ssl_bytes", "1 MB", Counts(), at | {"io": 10_001}) == (
        "1,000,001 SSL bytes (contexts 900,000, handshakes 90,000, reading and writing 10,001),"
        " at most 1,000,000 allowed by max_ssl_bytes('1 MB')"
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("10 MB", 10_000_000),
        ("10MB", 10_000_000),
        (" 1.5 kB ", 1_500),
        ("512 KiB", 524_288),
        ("0.1 GB", 100_000_000),
        ("1GiB", 1 << 30),
        ("2 MiB", 2 << 20),
        ("7 B", 7),
        (7, 7),
    ],
)
def test_sizes(written, expected):
    assert limit("max_ssl_bytes", written).value == expected


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("max_handshakes", (), "max_handshakes(): missing a required argument: 'n'"),
        ("max_handshakes", (1, 2), "max_handshakes(1, 2): too many positional arguments"),
        ("max_handshakes", (-1,), "max_handshakes(-1): it must be a whole number from 0, not -1"),
        ("max_connections", (1.5,), "max_connections(1.5): it must be a whole number, not 1.5"),
        ("max_ssl_contexts", (True,), "max_ssl_contexts(True): it must be a whole number, not True"),
        ("max_ssl_contexts", ("1",), "max_ssl_contexts('1'): it must be a whole number, not '1'"),
        ("min_requests_per_connection", ("2",), "min_requests_per_connection('2'): it must be a number, not '2'"),
        ("min_requests_per_connection", (float("nan"),), "it must be a number from 0, not nan"),
        ("max_ssl_bytes", ("10 XB",), "there is no unit 'XB': use one of B, kB, KB, MB, GB, KiB, MiB, GiB"),
        ("max_ssl_bytes", ("10 mb",), "there is no unit 'mb'"),
        ("max_ssl_bytes", ("10",), "'10' has no unit"),
        ("max_ssl_bytes", ("-1 MB",), "it must be bytes such as '10 MB', not '-1 MB'"),
        ("max_ssl_bytes", (1.5,), "it must be bytes such as '10 MB', not 1.5"),
        ("max_handshakes", (10**5_000,), "max_handshakes(<int>): it must be a number up to 10**18"),
        ("max_connections", (-(10**5_000),), "max_connections(<int>): it must be a whole number from 0, not <int>"),
        ("min_requests_per_connection", (10**400,), "it must be a number up to 10**18"),
        ("min_requests_per_connection", (10**5_000,), "it must be a number up to 10**18"),
        ("max_ssl_bytes", ("9" * 400 + " MB",), "it must be a number up to 10**18"),
    ],
)
def test_arguments_that_make_no_sense_are_named_in_one_sentence(name, args, said):
    with pytest.raises(BadLimitError, match=re.escape(said)) as caught:
        limit(name, *args)
    assert str(caught.value).startswith(f"test_x.py::test_x: {name}(")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", MARKERS)
def test_none_lifts_the_limit_of_the_ini_file(name):
    default = limit_from_ini(name, "1 MB" if name == "max_ssl_bytes" else "1", file="pytest.ini")
    mark = SimpleNamespace(name=name, args=(None,), kwargs={})
    item = SimpleNamespace(nodeid="x", get_closest_marker=lambda _name: None)
    assert limits_of(item, (default,)) == (default,)
    item.get_closest_marker = {name: mark}.get
    assert limits_of(item, (default,)) == ()


@pytest.mark.parametrize("value", [None, "", "none", " None "])
def test_an_empty_default_is_none(value):
    assert limit_from_ini("max_handshakes", value, file="pytest.ini") is None


@pytest.mark.parametrize("value", ["few", "1.5", "-1", "1_0 MB"])
def test_a_default_that_makes_no_sense_names_the_file(value):
    with pytest.raises(BadLimitError, match=r"^pytest\.ini: connprof_max_handshakes = "):
        limit_from_ini("max_handshakes", value, file="pytest.ini")


def test_what_was_not_put_to_the_test():
    names = ("max_ssl_contexts", "max_handshakes", "max_connections", "min_requests_per_connection", "max_ssl_bytes")
    limits = tuple(limit(name, 1) for name in names)

    def named(found):
        return tuple(each.name for each in found)

    assert named(untested(limits, Counts())) == names
    assert named(untested(limits, Counts(contexts_count=1))) == names[1:4]
    assert untested(limits, Counts(connection_attempts_count=1)) == ()
    assert untested(limits, Counts(requests_count=1)) == ()
    assert named(uncounted(limits, Counts(connections_count=1, connection_attempts_count=1))) == (names[3],)
    assert uncounted(limits, Counts(connections_count=1, requests_count=0)) == ()
    some = Counts(connections_count=2, connections_unknown_count=1, requests_count=0)
    assert uncounted(limits, some) == ()
    assert named(uncounted(limits, Counts(connections_count=1, connections_unknown_count=1, requests_count=0))) == (
        names[3],
    )
    assert uncounted(limits, Counts()) == ()


def test_connections_on_which_nothing_known_was_sent_are_left_out_of_the_ratio():
    counts = Counts(connections_count=5, connections_unknown_count=4, requests_count=1)
    assert sentence("min_requests_per_connection", 1, counts) == ""
    assert sentence("min_requests_per_connection", 1.5, counts) == (
        "1 request per connection (1 request on 1 connection, 4 left out that nothing known sent on), at least 1.5"
        " required by min_requests_per_connection(1.5)"
    )


def site(line, certainty="stack", **counts):
    where = CallSite(file="/p/app.py", line=line, function="get", certainty=certainty)
    return SiteCounts(site=where, counts=Counts(**counts))


def test_lines_that_pay_are_told_once_and_at_most_five():
    sites = [site(line, connections_count=9 - line) for line in range(1, 8)]
    sites += [site(7, "context", connections_count=40), site(8, contexts_count=1)]
    (found,) = exceeded((limit("max_connections", 1),), Counts(connections_count=99), sites, None, str)
    assert found.lines == (
        "42 connections: /p/app.py:7 in get",
        "8 connections: /p/app.py:1 in get",
        "7 connections: /p/app.py:2 in get",
        "6 connections: /p/app.py:3 in get",
        "5 connections: /p/app.py:4 in get",
        "and 2 more lines",
    )


def test_a_line_that_nobody_knows():
    nowhere = CallSite(file="", line=0, function="", certainty="unknown")
    sites = [SiteCounts(site=nowhere, counts=Counts(contexts_count=2))]
    (found,) = exceeded((limit("max_ssl_contexts", 1),), Counts(contexts_count=2), sites, None, str)
    assert found.lines == ("2 SSL contexts: at a line that is not known",)


def test_a_cost_survives_its_way_between_processes():
    cost = Cost(
        counts=Counts(contexts_count=2, requests_count=3),
        sites=(site(3, contexts_count=2),),
        ssl_bytes=5,
        limits=("max_ssl_contexts(1)",),
        exceeded=("2 SSL contexts",),
        unseen="nothing",
        blind_spots=("pycurl",),
    )
    assert Cost.from_dict(cost.to_dict()) == cost
    newer = cost.to_dict()
    newer["counts"]["of_a_later_version"] = 1
    assert Cost.from_dict(newer) == cost
