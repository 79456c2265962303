import json
import os
import random

import msgspec
import pytest

from connprof.errors import FileError
from connprof.store import encode, load_report, save_report, write_atomically, write_together
from tests import samples


@pytest.fixture
def saved(tmp_path):
    """A folder with a good report in it."""
    save_report(samples.report(), tmp_path / "report.json")
    return tmp_path


def test_what_is_saved_is_what_is_loaded(saved):
    assert load_report(saved / "report.json") == samples.report()
    assert load_report(saved) == samples.report()


def test_failed_and_partial_cases_survive_the_file(tmp_path):
    for report in (samples.failed_cases(), samples.interrupted(), samples.invalid(), samples.hostile()):
        save_report(report, tmp_path / "report.json")
        assert load_report(tmp_path) == report


def test_saving_leaves_no_other_file(saved):
    assert [file.name for file in saved.iterdir()] == ["report.json"]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_report_is_refused_in_one_sentence(saved, share):
    file = saved / "report.json"
    text = file.read_bytes()
    file.write_bytes(text[: int(len(text) * share)])
    with pytest.raises(FileError, match=r"report\.json (is empty|is damaged)") as caught:
        load_report(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", [b'"per-call-async"', b'"strategy"'])
def test_a_report_that_is_not_utf_8_is_said_to_be_so(saved, place):
    file = saved / "report.json"
    text = file.read_bytes()
    at = text.index(place) + 2
    file.write_bytes(text[:at] + b"\xe9" + text[at + 1 :])
    with pytest.raises(FileError) as caught:
        load_report(file)
    assert str(caught.value) == f"{file} is damaged: it is not UTF-8 text (byte {at + 1:,} is 0xE9)."
    file.write_bytes(text.decode().encode("utf-16-le"))
    with pytest.raises(FileError, match=r"is damaged: JSON is malformed"):
        load_report(file)
    file.write_bytes(text.decode().encode("utf-16"))
    with pytest.raises(FileError, match=r"is damaged: it is not UTF-8 text \(byte 1 is 0xFF\)\.$"):
        load_report(file)
    file.write_bytes(b'{"of a newer connprof": ' + b"[" * 100_000)
    with pytest.raises(FileError, match=r"is damaged: it is nested too deeply to be read\.$"):
        load_report(file)


def test_single_byte_mutations_load_or_are_refused_but_never_crash(saved):
    file = saved / "report.json"
    text = bytearray(file.read_bytes())
    draw = random.Random(1)
    refused = 0
    for _number in range(500):
        mutated = bytearray(text)
        mutated[draw.randrange(len(mutated))] = draw.randrange(256)
        file.write_bytes(mutated)
        try:
            load_report(file)
        except FileError:
            refused += 1
    assert refused > 50


def change(file, **fields):
    content = json.loads(file.read_bytes())
    file.write_text(json.dumps(content | fields), encoding="utf-8")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": "connprof/2"}, r"was written by a newer connprof \(schema connprof/2\)"),
        ({"schema": "connprof/0"}, "which no connprof has written"),
        ({"schema": "other/1"}, "is not a connprof report: its schema is 'other/1'"),
        ({"schema": 1}, "is not a connprof report"),
        ({"schema": "connprof/1", "surprise": 1}, "unknown field `surprise`"),
        ({"records": [{"case": 1}]}, r"`\$\.records\[0\]\.case`"),
    ],
)
def test_other_kinds_of_file_are_refused_with_the_place(saved, fields, message):
    change(saved / "report.json", **fields)
    with pytest.raises(FileError, match=message):
        load_report(saved)


@pytest.mark.parametrize("text", [b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 100_000])
def test_files_without_a_schema_are_refused(tmp_path, text):
    (tmp_path / "report.json").write_bytes(text)
    with pytest.raises(FileError):
        load_report(tmp_path)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"nowhere\.json cannot be read: No such file"):
        load_report(tmp_path / "nowhere.json")


def test_a_write_that_fails_keeps_the_old_file(saved, monkeypatch):
    before = (saved / "report.json").read_bytes()

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileError, match=r"report\.json cannot be written: No space left on device"):
        save_report(samples.quick(), saved / "report.json")
    assert (saved / "report.json").read_bytes() == before
    assert [file.name for file in saved.iterdir()] == ["report.json"]


def test_of_several_files_all_are_written_or_none(tmp_path, monkeypatch):
    files = {tmp_path / "one": b"1", tmp_path / "other": b"2"}
    (tmp_path / "one").write_bytes(b"old")
    calls = iter((False, True))

    def full(_handle):
        if next(calls):
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(FileError, match=r"other cannot be written: No space left on device"):
            write_together(files)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("one", b"old")]
    write_together(files)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"one": b"1", "other": b"2"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        write_atomically(tmp_path / "file" / "report.json", b"")


def test_the_file_is_json_that_other_tools_can_read():
    content = json.loads(encode(samples.report()))
    assert content["schema"] == "connprof/1"
    assert content["verdict"]["regression"]["status"] == "reproduced"
    assert content["verdict"]["fix"]["status"] == "confirmed"
    assert msgspec.json.decode(encode(samples.report())) == content


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, b"said")
        assert os.read(reader, 10) == b"said"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_link_stays_one(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/file")
    for content in (b"new", b"newer"):
        write_atomically(tmp_path / "link", content)
        assert (tmp_path / "there" / "file").read_bytes() == content
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "link", "there"]
