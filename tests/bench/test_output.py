"""Standard output that is full, closed, or that nobody reads any more: the command goes on to its end."""

import dis
import io
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from bench import progress, reserve
from bench.command import bench
from bench.output import console_on_stdout
from connprof.cli.exits import guarded
from connprof.cli.printing import drop
from connprof.errors import FileError

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")


@pytest.fixture
def unread(monkeypatch):
    """Standard output is a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        yield stream


@pytest.mark.usefixtures("unread")
def test_a_reader_that_has_gone_ends_nothing():
    said = []
    with console_on_stdout() as console:
        for number in range(3):
            console.print(number)
            said.append(number)
    assert said == [0, 1, 2]


@needs_full
def test_a_full_output_is_said_at_the_end(monkeypatch):
    said = []

    def block():
        with console_on_stdout() as console:
            for number in range(3):
                console.print(number)
                said.append(number)

    with FULL.open("w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(FileError, match=r"^standard output cannot be written: No space left on device\.$"):
            block()
    assert said == [0, 1, 2]


def test_a_closed_output_is_said_at_the_end(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(FileError, match="it is closed"), console_on_stdout() as console:
        console.print("one")


def test_what_the_encoding_cannot_say_is_a_question_mark(monkeypatch, tmp_path):
    with (tmp_path / "printed").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with console_on_stdout() as console:
            console.print("a → b")
    assert (tmp_path / "printed").read_text() == "a ? b\n"


def test_where_nobody_watches_a_line_of_progress_is_printed_every_half_minute(monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    printed = io.StringIO()
    with progress.progress_on(Console(file=printed)) as listener:
        listener.planned(60)
        for _job in range(60):
            now_s[0] += 2.0
            listener.finished("job", None)
    assert printed.getvalue().splitlines() == [f"{count} of 60 jobs done" for count in (15, 30, 45, 60)]


# --- the commands ---------------------------------------------------------------------------------------------

SMALL = ("--only", "floor", "--workload", "single-origin", "--calls", "1", "--processes", "1", "--quick")


@pytest.mark.once
def test_a_run_whose_reader_has_gone_writes_its_report_and_ends_with_its_own_code(suite, tmp_path):
    pytest.importorskip("memray", reason="memray is not installed here")
    process = suite.start(*SMALL, "--out", tmp_path / "out")
    process.stdout.close()
    process.stdout = None
    _printed, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (4, "")
    assert {"report.json", "index.html"} <= {path.name for path in (tmp_path / "out").iterdir()}


@needs_full
@pytest.mark.parametrize(
    ("module", "arguments"), [("bench", "--list"), ("bench.hazards", "--list"), ("bench.hazards", "floor/H1")]
)
def test_a_full_output_is_one_sentence_and_exit_code_two(suite, monkeypatch, module, arguments):
    monkeypatch.setattr(suite, "module", module)
    with FULL.open("wb") as stream:
        process = suite.start(arguments, stdout=stream)
        _printed, complaints = process.communicate(timeout=60)
    assert process.returncode == 2
    assert complaints == "Error: standard output cannot be written: No space left on device.\n"


@needs_full
@pytest.mark.parametrize("wrong", ["--only=nothing", "--nothing"])
def test_wrong_use_keeps_its_exit_code_where_nobody_can_be_told(monkeypatch, wrong):
    with FULL.open("w", encoding="utf-8", buffering=1) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        assert guarded(bench, [wrong]) == 2
        drop(stream)


# --- signals --------------------------------------------------------------------------------------------------


@pytest.fixture
def signals():
    """The handlers as they are, and so again afterwards."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 130)])
def test_the_first_signal_ends_a_run_and_the_second_does_not(monkeypatch, number, code):
    monkeypatch.setattr(reserve, "_received", set())
    reserve.interrupt_once()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    for each in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.raise_signal(each)
    assert reserve.code_of_end(130) == code
    assert [reserve.code_of_end(other) for other in (0, 1, 2, 3, 4)] == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("signals")
def test_a_run_under_nohup_outlives_its_terminal():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    reserve.interrupt_once()
    signal.raise_signal(signal.SIGHUP)


@pytest.mark.usefixtures("signals")
def test_an_interruption_leaves_no_lock_at_whatever_instruction_it_comes(monkeypatch, tmp_path):
    monkeypatch.setattr(reserve, "_received", set())
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    ends = {True: 0, False: 0}
    while not ends[False]:
        for number, handler in before.items():
            signal.signal(number, handler)
        reserve.interrupt_once()
        out = tmp_path / str(ends[True])
        is_interrupted = _is_interrupted_at(ends[True], out)
        ends[is_interrupted] += 1
        assert not out.exists() or list(out.iterdir()) == []
        assert reserve._put_off == []
    assert ends[True] > 100


NOP = dis.opmap["NOP"]
"""Where Python never looks for signals, and which belongs to no ``try`` yet."""


def _is_interrupted_at(step, out):
    left = [step]

    def trace(frame, event, _argument):
        frame.f_trace_opcodes = True
        if frame.f_code.co_filename != reserve.__file__:
            return None
        if event == "opcode" and frame.f_code.co_code[frame.f_lasti] != NOP:
            left[0] -= 1
            if left[0] == -1:
                signal.raise_signal(signal.SIGINT)
        return trace

    tracing = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 looks whether any frame asks for them while tracing begins
    sys.settrace(trace)
    try:
        with reserve.reserved(out):
            pass
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(tracing)
    return False
