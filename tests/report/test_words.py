import pytest

from connprof.report import words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 B"),
        (360, "360 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (38_400, "38.4 kB"),
        (999_999, "1000.0 kB"),
        (1_000_000, "1.0 MB"),
        (295_000_000, "295.0 MB"),
        (1_234_567_890, "1,234.6 MB"),
    ],
)
def test_bytes_are_decimal(value, expected):
    assert words.bytes_text(value) == expected


@pytest.mark.parametrize(("value", "expected"), [(295e6, "295 MB"), (147.5e6, "147.5 MB"), (73.75e6, "73.8 MB")])
def test_published_bytes_keep_their_places(value, expected):
    assert words.round_bytes(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (42_000, "0.042"),
        (420_000, "0.42"),
        (2_344_000, "2.34"),
        (9_994_000, "9.99"),
        (23_400_000, "23.4"),
        (234_400_000, "234"),
        (12_345_600_000, "12,346"),
    ],
)
def test_milliseconds(value, expected):
    assert words.milliseconds(value) == expected


@pytest.mark.parametrize(("value", "expected"), [(1, "1.00x"), (1.014, "1.01x"), (5.83, "5.8x"), (25.4, "25x")])
def test_times(value, expected):
    assert words.times(value) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (40, 5, "8x fewer"),
        (40, 40, "no change"),
        (5, 6, "1.2x more"),
        (40, 0, ""),
        (0, 4, ""),
        (299.1, 47.0, "6.4x fewer"),
        (299, 2, "150x fewer"),
    ],
)
def test_change(before, after, expected):
    assert words.change(before, after, less="fewer", more="more") == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(48.21, "48.2 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (372.4, "6 min 12 s"), (3900, "1 h 5 min")],
)
def test_duration(seconds, expected):
    assert words.duration(seconds) == expected


def test_moments_do_not_depend_on_the_locale():
    assert words.moment("2026-11-20T09:41:05+00:00") == "20 November 2026, 09:41 UTC"
    assert words.moment("2026-11-20T09:41:05Z") == "20 November 2026, 09:41 UTC"
    assert words.moment("yesterday") == "yesterday"
    assert words.day("2026-03-05") == "5 March 2026"
    assert words.day("then") == "then"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\n b\t c", "a b c"),
        ("x\x00y\x1b[31m", "x\ufffdy\ufffd[31m"),
        ("\u202eevil\u2069", "\ufffdevil\ufffd"),
        ("\ud800", "\ufffd"),
        ("\u0441\u043b\u043e\u0432\u043e 漢字 👩‍💻 é", "\u0441\u043b\u043e\u0432\u043e 漢字 👩‍💻 é"),
    ],
)
def test_foreign_text_is_made_plain(text, expected):
    assert words.plain(text) == expected


def test_lists_of_words():
    assert words.joined([]) == ""
    assert words.joined(["a"]) == "a"
    assert words.joined(["a", "b"]) == "a and b"
    assert words.joined(["a", "b", "c"]) == "a, b and c"
    assert words.plural(1, "process", "processes") == "1 process"
    assert words.plural(2, "process", "processes") == "2 processes"
    assert words.plural(1000, "call") == "1,000 calls"
