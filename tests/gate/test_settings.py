import re

import pytest

from connprof.errors import FileError
from connprof.gate import Policy
from connprof.settings import load_policy


@pytest.fixture
def read(tmp_path):
    def one(text):
        file = tmp_path / "pyproject.toml"
        file.write_text(text, encoding="utf-8")
        return load_policy(file)

    return one


def test_a_whole_policy(read):
    policy = read("""
        [tool.connprof.gate]
        allow_missing = ["a"]
        allow_failed = ["b", "c"]
        [tool.connprof.gate.limits]
        ssl_bytes = 2
        peak_bytes = 0.29
        retained_bytes = 0
        cpu_over_floor = 10000
        [tool.connprof.gate.cases."one-client/llm-session/calls=40"]
        context_bytes = 0.0001
    """)
    assert policy.limits_ppm == {
        "ssl_bytes": 20_000,
        "peak_bytes": 2_900,
        "retained_bytes": 0,
        "cpu_over_floor": 100_000_000,
    }
    assert policy.case_limits_ppm == {"one-client/llm-session/calls=40": {"context_bytes": 1}}
    assert (policy.allow_missing, policy.allow_failed) == ({"a"}, {"b", "c"})
    assert policy.source.endswith("pyproject.toml")


@pytest.mark.parametrize("text", ["", "[tool.other]\na = 1", "[tool.connprof]\nother = 1", "[tool.connprof.gate]"])
def test_without_the_table_the_defaults_hold(read, text):
    assert read(text) == Policy()


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    file = tmp_path / "pyproject.toml"
    for size, sentence in (
        (10_000_000, "is not valid TOML"),
        (10_000_001, "is larger than 10 MB: that"),
    ):
        with file.open("wb") as opened:
            opened.truncate(size)
        with pytest.raises(FileError, match=sentence):
            load_policy(file)


GATE = "tool.connprof.gate"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool", "is not valid TOML"),
        ("[tool.connprof.gate.limits]\nssl_bytes = 1e999999999999999999999", "holds a number that is too large"),
        ("tool = 1", "tool must be a table, not a number"),
        ("[tool]\nconnprof = 'x'", "tool.connprof must be a table, not a text"),
        ("[tool.connprof]\ngate = []", f"{GATE} must be a table, not a list"),
        ("[tool.connprof.gate]\nlimit = 1", f"{GATE} has no key 'limit'; there are: limits, cases"),
        ("[tool.connprof.gate]\nlimits = 1979-05-27", "must be a table, not a date or time"),
        ("[tool.connprof.gate]\nallow_missing = 'a'", f"{GATE}.allow_missing must be a list of names"),
        ("[tool.connprof.gate]\nallow_failed = [1]", f"{GATE}.allow_failed must be a list of names"),
        ("[tool.connprof.gate.limits]\nbytes = 1", f"{GATE}.limits has no metric 'bytes'; limits can be set for"),
        ("[tool.connprof.gate.limits]\ncontexts = 1", f"{GATE}.limits.contexts cannot be set"),
        ("[tool.connprof.gate.limits]\nssl_bytes = '1 %'", "ssl_bytes must be a number of per cent, not a text"),
        ("[tool.connprof.gate.limits]\nssl_bytes = true", "ssl_bytes must be a number of per cent, not a truth value"),
        ("[tool.connprof.gate.limits]\nssl_bytes = -0.0001", "ssl_bytes must be between 0 and 10,000"),
        ("[tool.connprof.gate.limits]\nssl_bytes = 10000.0001", "ssl_bytes must be between 0 and 10,000"),
        ("[tool.connprof.gate.limits]\nssl_bytes = nan", "ssl_bytes must be between 0 and 10,000"),
        ("[tool.connprof.gate.limits]\nssl_bytes = inf", "ssl_bytes must be between 0 and 10,000"),
        ("[tool.connprof.gate.limits]\nssl_bytes = 0.00001", "ssl_bytes has more than four decimals"),
        ("[tool.connprof.gate.cases]\none = 1", "cases.'one' must be a table"),
        ("[tool.connprof.gate.cases.one]\nfoo = 1", "cases.'one' has no metric 'foo'"),
    ],
)
def test_what_is_wrong_is_named_in_one_sentence(read, text, message):
    with pytest.raises(FileError, match=re.escape(message)) as caught:
        read(text)
    assert "pyproject.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "p.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(FileError, match="is not valid TOML"):
        load_policy(tmp_path / "p.toml")


def test_without_a_file_that_of_the_current_folder_is_read_if_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_policy() == Policy()
    (tmp_path / "pyproject.toml").write_text("[tool.connprof.gate.limits]\nssl_bytes = 7", encoding="utf-8")
    assert load_policy().limits_ppm == {"ssl_bytes": 70_000}
    with pytest.raises(FileError, match=r"absent\.toml cannot be read"):
        load_policy(tmp_path / "absent.toml")
