"""What a program notices of being observed: nothing. What its ends look like from outside: as ever."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipapp
from pathlib import Path

import pytest
from msgspec.structs import replace

from connprof.launch import child, folder
from connprof.launch.gathered import gather
from connprof.launch.limits import Limits, broken, held
from connprof.observe import start
from connprof.profile import Counts
from tests import run_samples
from tests.run.conftest import GET


def plain(runs, *words, **options):
    """The same without us."""
    options = {"capture_output": True, **options}
    return subprocess.run([sys.executable, *words], cwd=runs.folder, env=runs.variables, check=False, **options)


# --- what is run ------------------------------------------------------------------------------------------

SURROUNDINGS = """\
import json, os, sys
print(json.dumps([__name__, __file__, sys.argv, sys.path, sys.flags.dev_mode, sys.executable, os.getcwd(),
    __spec__ is None, sorted(name for name in sys.modules if "sitecustomize" in name or "connprof" in name),
    [str(each) for each in sys.meta_path if "Waiting" not in str(each) and " at 0x" not in str(each)]]))
"""


def test_a_script_finds_itself_as_ever(runs):
    app = runs.write(SURROUNDINGS)
    done = runs(app, "--json", "x", "--", "-m")
    assert done.out == plain(runs, app, "--json", "x", "--", "-m").stdout
    assert json.loads(done.out)[2] == ["app.py", "--json", "x", "--", "-m"]


@pytest.mark.parametrize("variables", [{}, {"PYTHONPATH": "a:b"}, {"PYTHONSAFEPATH": "1"}, {"PYTHONDEVMODE": "1"}])
def test_its_path_is_what_it_would_be(runs, variables):
    runs.variables |= variables
    app = runs.write(SURROUNDINGS)
    runs.variables["PYTHONPATH"] = os.pathsep.join(
        filter(None, [variables.get("PYTHONPATH"), os.environ.get("PYTHONPATH")])
    )
    assert runs(app).out == plain(runs, app).stdout


def test_a_module_a_folder_and_a_zip_file(runs):
    runs.write(SURROUNDINGS, "pkg/__main__.py")
    runs.write("", "pkg/__init__.py")
    zipapp.create_archive(runs.folder / "pkg", runs.folder / "pkg.zip")
    for words in (("-m", "pkg", "--help"), ("pkg", "--help"), ("pkg.zip", "-h")):
        done = runs(*words)
        assert (done.code, done.out) == (0, plain(runs, *words).stdout)


def test_a_command_that_starts_python(runs):
    app = runs.program("print(get())")
    done = runs("--", "sh", "-c", f'"{sys.executable}" {app} && exit 7')
    assert (done.code, done.out, done.counts) == (7, b"200\n", (1, 1, 1, 1))
    assert done.profile.command == ("sh", "[2 arguments]")


def test_python_options_by_way_of_a_command(runs):
    app = runs.program("print(sys.flags.dev_mode, get())")
    done = runs("--", sys.executable, "-X", "dev", app)
    assert (done.out, done.counts) == (b"True 200\n", (1, 1, 1, 1))


TYPED = (
    GET
    + """
import dataclasses
get()
def other():
    get()
other(); other()
@dataclasses.dataclass
class Holder:
    context: ssl.SSLContext = dataclasses.field(default_factory=ssl.create_default_context)
Holder()
"""
)
TYPED_LINES = [TYPED[: TYPED.index(text)].count("\n") + 1 for text in ("connection = ", "Holder()")]


@pytest.mark.parametrize(("words", "stdin", "file"), [(("-c", TYPED), None, "<string>"), (("-",), TYPED, "<stdin>")])
def test_a_program_without_a_file_has_lines(runs, words, stdin, file):
    done = runs("--sarif", "x.sarif", "--", sys.executable, *words, stdin=stdin and stdin.encode())
    contexts = {
        (site.site.file, site.site.line): site.counts.contexts_count
        for site in done.profile.sites
        if site.counts.contexts_count
    }
    assert contexts == {(file, TYPED_LINES[0]): 3, (file, TYPED_LINES[1]): 1}
    assert "artifactLocation" not in (runs.folder / "x.sarif").read_text()


def test_a_spawned_process_begins_with_nobodys_line(runs):
    text = """if True:
        import multiprocessing, ssl
        process = multiprocessing.get_context("spawn").Process(target=ssl.create_default_context)
        process.start(); process.join()
    """
    done = runs("--", sys.executable, "-c", text)
    assert [site.site.file for site in done.profile.sites if site.counts.contexts_count] == [""]


def test_another_interpreter_is_run(runs):
    app = runs.write("import sys; print(sys.executable)")
    link = runs.folder / "snake"
    link.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    link.chmod(0o755)
    assert runs("--python", str(link), app).out == plain(runs, app).stdout


def test_arguments_are_not_recorded(runs):
    app = runs.program("get()")
    done = runs(app, "--password", "hunter2")
    assert done.profile.command == ("app.py", "[2 arguments]")
    assert "hunter2" not in runs.file.read_text() + done.err


@pytest.mark.once
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "name the program to run"),
        (("nothing.py",), "there is no file 'nothing.py'."),
        (("http.server",), "there is no file 'http.server'; a module is run with: connprof run -m http.server"),
        (("sh",), "there is no file 'sh'; a command is run with: connprof run -- sh"),
        (("-",), "a program on standard input is run with: connprof run -- python -"),
        (("empty",), "empty is a folder without a __main__.py"),
        (("/bin/sh",), "/bin/sh is no Python program; a command is observed with: connprof run -- /bin/sh"),
        (("script.sh",), "script.sh is no Python program"),
        (("--", "no-such-command"), "there is no command 'no-such-command'"),
        (("--", "app.py"), "there is no command 'app.py'. A script is run with: connprof run app.py"),
        (("-m", "app.py"), "app.py is a file, and no name of a module. A script is run with: connprof run app.py"),
        (("--fail-on", "CP001 CP002", "app.py"), "CP016. Commas stand between codes."),
        (("--", "./broken"), "'./broken' cannot be started: Exec format error"),
        (("--python", "no-such-python", "app.py"), "there is no Python interpreter 'no-such-python'"),
        (("--python", "python3", "--", "sh"), "--python is for a script or a module"),
        (("--surprise", "app.py"), "No such option"),
        (("--fail-on", "CP999", "app.py"), "there is no code 'CP999'; a run finds CP001"),
        (("--fail-on", "cp004", "app.py"), "a run reports CP004 as CP001"),
        (("--fail-on", ",", "app.py"), "--fail-on: no code is named"),
        (("--max-handshakes", "x", "app.py"), "'--max-handshakes': it must be a whole number from 0, not 'x'."),
        (("--max-contexts", "1.5", "app.py"), "it must be a whole number from 0, not '1.5'."),
        (("--max-connections", "-1", "app.py"), "it must be a whole number from 0, not '-1'."),
        (("--min-requests-per-connection", "x", "app.py"), "it must be a number from 0, not 'x'."),
        (("--min-requests-per-connection", "nan", "app.py"), "it must be a number from 0, not 'nan'."),
        (("--min-requests-per-connection", "-0.5", "app.py"), "it must be a number from 0, not '-0.5'."),
        (("--html", "profile.json", "app.py"), "two outputs would be written into one file"),
        (("--html", "empty", "app.py"), "empty"),
        (("--sarif", "app.py/x", "app.py"), "app.py/x cannot be written"),
        (("--lint", "nowhere", "app.py"), "nowhere"),
    ],
)
def test_wrong_use_is_one_sentence(runs, words, sentence):
    runs.write("print('it ran')")
    (runs.folder / "empty").mkdir()
    runs.write("#!/bin/sh\n", "script.sh")
    (runs.folder / "broken").write_bytes(b"\x00\x01")
    (runs.folder / "broken").chmod(0o755)
    done = runs(*words)
    assert (done.code, done.out, runs.file.exists()) == (2, b"", False)
    assert sentence in " ".join(done.err.split())
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--json", "-", "app.py"), "standard output is the program's own: name a file instead of '-'."),
        (("--json", "app.py", "app.py"), "app.py would be overwritten, and it is the program's"),
        (("--json", "link.py", "app.py"), "link.py would be overwritten, and it is the program's"),
        (("--json", "app.py", "link.py"), "app.py would be overwritten, and it is the program's"),
        (("--json", "pkg/__main__.py", "pkg"), "pkg/__main__.py would be overwritten"),
        (("--json", "pkg/__main__.py", "-m", "pkg"), "pkg/__main__.py would be overwritten"),
        (("--json", "pkg/tool.py", "-m", "pkg.tool"), "pkg/tool.py would be overwritten"),
        (("--json", "app.py", "--", sys.executable, "app.py"), "app.py would be overwritten, and it is the program's"),
        (("--json", "pkg/tool.py", "--lint", "pkg", "app.py"), "pkg/tool.py would be overwritten, and --lint reads it"),
        (("--json", "out", "app.py"), "out would be overwritten, and the program reads or writes it"),
        (("--json", "/dev/stdout", "app.py"), "/dev/stdout would be overwritten"),
    ],
)
def test_no_output_takes_the_place_of_an_input(runs, words, sentence):
    for name in ("app.py", "pkg/__main__.py", "pkg/tool.py"):
        runs.write("print('it ran')", name)
    (runs.folder / "link.py").symlink_to("app.py")
    with (runs.folder / "out").open("w") as out:
        done = plain(runs, "-m", "connprof", "run", *words, stdout=out, stderr=subprocess.PIPE, capture_output=False)
    assert (done.returncode, (runs.folder / "out").read_text()) == (2, "")
    assert sentence in done.stderr.decode()
    assert {each.read_text() for each in runs.folder.rglob("*.py")} == {"print('it ran')"}
    assert not (runs.folder / "-").exists()


def test_no_place_for_temporary_files(runs):
    runs.write("print('it ran')")
    # As root may write anywhere: every place that is tried is no folder.
    code = (
        "import sys, tempfile; tempfile._candidate_tempdir_list = lambda: ['/dev/null/x']\n"
        "from connprof.cli import main; main(['run', 'app.py'])"
    )
    done = plain(runs, "-c", code)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Error: no temporary folder can be made: No usable temporary directory found" in done.stderr


# --- input, output, exit codes ----------------------------------------------------------------------------


def test_bytes_pass_through_as_they_are(runs):
    content = bytes(range(256)) * 400
    app = runs.write("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()); sys.stderr.write('theirs\\n')")
    done = runs("--quiet", app, stdin=content)
    assert (done.code, done.out, done.err) == (0, content, "theirs\n")


def test_nothing_of_ours_is_on_standard_output(runs):
    app = runs.program("get()")
    done = runs(app)
    assert (done.out, done.counts) == (b"", (1, 1, 1, 1))
    assert "1 TLS handshake" in done.err


def test_inheritable_files_are_the_programs_too(runs):
    reading, writing = os.pipe()
    app = runs.write(f"import os; os.write({writing}, b'by number')")
    done = runs(app, pass_fds=[writing])
    os.close(writing)
    assert (done.code, os.read(reading, 100)) == (0, b"by number")
    os.close(reading)


@pytest.mark.parametrize(
    ("end", "code", "word"),
    [
        ("sys.exit(0)", 0, "exit"),
        ("sys.exit(3)", 3, "exit"),
        ("sys.exit('sorry')", 1, "exit"),
        ("raise ValueError('mine')", 1, "exit"),
        ("os._exit(5)", 5, "os._exit"),
        ("os.kill(os.getpid(), 15)", -15, "signal"),
        ("os.kill(os.getpid(), 1)", -1, "signal"),
        ("os.kill(os.getpid(), 2)", -2, "exit"),
        ("os.kill(os.getpid(), 9)", -9, "running"),
        ("os.abort()", -6, "running"),
        ("import ctypes; ctypes.string_at(0)", -11, "running"),
        ("import threading; threading.Thread(target=lambda: os._exit(6)).start()", 6, "os._exit"),
        ("import threading; threading.Thread(target=get).start()", 0, "exit"),
    ],
)
def test_every_end_is_the_programs_own(runs, end, code, word):
    app = runs.program(f"import time; get(); time.sleep(0.3); get(); {end}")
    before = plain(runs, app)
    done = runs(app)
    assert (done.code, before.returncode) == (code, code)
    assert done.profile.exit_code == code
    (process,) = done.profile.processes
    assert process.ended == word
    assert done.counts[0] == (3 if "target=get" in end else 2) or word == "running"
    assert done.counts[0] >= 1
    if word == "running":
        assert "killed or crashed" in done.notes
    if "mine" in end:
        assert before.stderr.decode() in done.err


def test_an_exit_handler_of_the_program_is_counted(runs):
    app = runs.program("import atexit; atexit.register(get)")
    done = runs(app)
    assert (done.counts, done.profile.processes[0].ended) == ((1, 1, 1, 1), "exit")


def test_little_is_lost_when_it_is_killed(runs):
    app = runs.program("import time\nfor _ in range(10): get()\ntime.sleep(1); get(); os.kill(os.getpid(), 9)")
    assert runs(app).counts[0] >= 10


def test_what_happens_before_a_long_wait_is_not_lost(runs):
    app = runs.program("""
        import gc, threading, time
        for _ in range(4): get()
        time.sleep(0.6)
        print(threading.active_count(), gc.isenabled(), flush=True)
        os.kill(os.getpid(), 9)
    """)
    done = runs(app)
    assert (done.code, done.out, done.counts) == (-9, b"1 True\n", (4, 4, 4, 4))


def test_what_waits_to_be_written_does_not_make_forks_warn(runs):
    app = runs.program("""
        import warnings
        warnings.simplefilter("error")
        from connprof.observe import start
        for _ in range(10):
            start._follower._due_ns += 1_000_000_000
            get()
            if not (pid := os.fork()):
                get(); os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        print("well")
    """)
    done = runs(app)
    assert (done.code, done.out, done.counts) == (0, b"well\n", (20, 20, 20, 20)), done.err
    assert "multi-threaded" not in done.err


def test_what_waits_to_be_written_is_written_before_a_fork(runs):
    app = runs.program("""
        from connprof.observe import start
        start._follower._due_ns = 1 << 60
        get()
        if not os.fork(): os._exit(0)
        os.kill(os.getpid(), 9)
    """)
    done = runs(app)
    assert (done.code, done.counts) == (-9, (1, 1, 1, 1))


# --- signals ----------------------------------------------------------------------------------------------

WAITING = """
import signal, time
get()
open("ready", "w").write(str(os.getpid()))
while True:
    time.sleep(0.05)
"""
OWN_HANDLER = """
import signal
def stop(number, frame):
    get()
    print("stopped", number, flush=True)
    sys.exit(4)
signal.signal(signal.SIGTERM, stop)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_to_us_alone_reaches_the_program(runs, number):
    process = runs.start(runs.program(WAITING))
    runs.until("ready")
    os.kill(process.pid, number)
    done = runs.end(process)
    assert (done.code, done.counts) == (-number, (1, 1, 1, 1))
    assert "1 TLS handshake" in done.err


def test_a_signal_to_the_program_alone(runs):
    process = runs.start(runs.program(WAITING))
    os.kill(int(runs.until("ready")), signal.SIGTERM)
    done = runs.end(process)
    assert (done.code, done.counts, done.profile.processes[0].signal) == (-15, (1, 1, 1, 1), 15)


def test_a_handler_of_the_program_decides(runs):
    process = runs.start(runs.program(OWN_HANDLER + WAITING))
    runs.until("ready")
    os.kill(process.pid, signal.SIGTERM)
    done = runs.end(process)
    assert (done.code, done.out, done.counts) == (4, b"stopped 15\n", (2, 2, 2, 2))


def test_a_signal_to_all_is_not_sent_twice(runs):
    app = runs.program("""
        import signal, time
        def stop(number, frame):
            os.write(1, b"stopped 15\\n")
            open("got", "w").write("x")
            while not os.path.exists("both"): time.sleep(0.02)
            time.sleep(0.3)
            os._exit(4)
        signal.signal(signal.SIGTERM, stop)
        open("ready", "w").write(str(os.getpid()))
        while True: time.sleep(0.05)
    """)
    # However slow the machine is: its patience is longer.
    code = (
        "from connprof.launch import child; child._GRACE_S = 30\n"
        f"from connprof.cli import main; raise SystemExit(main(['run', '--quiet', '{app}']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=runs.folder,
        env=runs.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    runs.started.append(process)
    os.kill(int(runs.until("ready")), signal.SIGTERM)
    runs.until("got")
    os.kill(process.pid, signal.SIGTERM)
    runs.write("x", "both")
    done = runs.end(process)
    assert (done.code, done.out) == (4, b"stopped 15\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_signal_that_we_were_told_to_ignore_reaches_a_program_that_handles_it(runs, number):
    """A shell ignores both for what a script starts in the background; many servers handle them all the same."""
    app = runs.program(f"import signal\nsignal.signal({int(number)}, lambda *_: sys.exit(4))\n{WAITING}")
    process = runs.start(app, preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    runs.until("ready")
    os.kill(process.pid, number)
    done = runs.end(process)
    assert (done.code, done.counts) == (4, (1, 1, 1, 1))


def test_stopped_and_continued_it_goes_on(runs):
    process = runs.start(runs.program("import time; get(); open('ready', 'w').write('x'); time.sleep(2); sys.exit(5)"))
    runs.until("ready")
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(1.3)  # longer than one wait for a signal
    os.killpg(process.pid, signal.SIGCONT)
    done = runs.end(process)
    assert (done.code, done.counts) == (5, (1, 1, 1, 1))


@pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="the system has none")
def test_a_signal_that_nobody_asked_for_is_none(monkeypatch):
    answers = iter(
        [signal.struct_siginfo((437918234, 0, 1, 0, 0, 0, 0)), signal.struct_siginfo((15, 0, 0, 0, 0, 0, 0))]
    )
    monkeypatch.setattr(signal, "sigtimedwait", lambda _watched, _timeout_s: next(answers))
    assert child._next({15}, 1) is None
    assert child._next({15}, 1).number == 15


def test_ctrl_c_at_a_terminal_comes_once_and_the_summary_still_comes(runs):
    app = runs.program(
        "import signal, time; get()\n"
        "def stop(number, frame):\n    print('INT', flush=True); time.sleep(0.6); get(); sys.exit(3)\n"
        "signal.signal(signal.SIGINT, stop); open('ready', 'w').write('x')\nwhile True: time.sleep(0.05)"
    )
    code = """if True:
        import os, pty, subprocess, sys, time
        pid, terminal = pty.fork()
        if not pid:
            os.execv(sys.executable, [sys.executable, "-m", "connprof", "run", "--json", "profile.json", "app.py"])
        while not os.path.exists("ready"): time.sleep(0.02)
        time.sleep(0.1); os.write(terminal, b"\\x03"); out = b""
        try:
            while part := os.read(terminal, 4096): out += part
        except OSError: pass
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out.count(b"INT"), b"2 TLS handshakes" in out)
    """
    assert app == "app.py"
    done = plain(runs, "-c", code, timeout=60)
    assert (done.stdout, done.stderr) == (b"3 1 True\n", b"")


def test_the_program_sees_no_handler_of_ours(runs):
    app = runs.program("""
        import signal
        print(signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP))
        print(signal.signal(signal.SIGTERM, signal.SIG_IGN), signal.signal(signal.SIGTERM, signal.SIG_DFL))
        get(); os.kill(os.getpid(), 15)
    """)
    done = runs(app)
    assert done.out == plain(runs, app).stdout
    assert (done.code, done.counts, done.profile.processes[0].ended) == (-15, (1, 1, 1, 1), "signal")


def test_an_ignored_signal_stays_ignored(runs):
    app = runs.program("""
        import signal
        get(); print(*(signal.getsignal(each) == signal.SIG_IGN for each in (1, 2, 15, signal.SIGCHLD)), flush=True)
    """)
    done = runs("--", "sh", "-c", f"trap '' HUP INT TERM; exec '{sys.executable}' {app}")
    assert done.out == b"True True True False\n"

    def ignore():
        for each in (1, 2, 15, signal.SIGCHLD):
            signal.signal(each, signal.SIG_IGN)

    done = runs("--quiet", app, preexec_fn=ignore)
    assert (done.code, done.out, done.err) == (0, b"True True True True\n", "")


def test_asyncio_handles_its_own_signals(runs):
    process = runs.start(
        runs.program("""
            import asyncio, signal
            async def main():
                done = asyncio.Event()
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
                await asyncio.to_thread(get)
                open("ready", "w").write("x")
                await done.wait()
                print("gracefully")
            asyncio.run(main())
        """)
    )
    runs.until("ready")
    os.kill(process.pid, signal.SIGTERM)
    done = runs.end(process)
    assert (done.code, done.out, done.counts) == (0, b"gracefully\n", (1, 1, 1, 1))


def test_only_the_program_leaves_a_core(runs):
    code = (
        "import os, resource; from connprof.launch.child import end_alike\n"
        "resource.setrlimit = lambda which, limits: print(which == resource.RLIMIT_CORE, limits)\n"
        "os.kill = lambda pid, number: print(pid == os.getpid(), number)\n"
        "print(end_alike(-6))"
    )
    assert plain(runs, "-c", code).stdout == b"True (0, 0)\nTrue 6\n134\n"


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="the system has none")
def test_no_signal_finds_the_thread_that_writes_later():
    masks, is_done = [], threading.Event()

    def look():
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        is_done.set()

    later = start._Later(look, 0.0)
    assert is_done.wait(30)
    later.stop()
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD} <= masks[0]


# --- several processes ------------------------------------------------------------------------------------


def test_forks_are_counted_apart_and_merged(runs):
    app = runs.program("""
        get()
        for code in range(3):
            if not os.fork():
                get(); get()
                if code == 2: sys.exit(0)
                os._exit(code)
        for _ in range(3): os.wait()
        get()
    """)
    done = runs(app)
    assert done.counts == (8, 8, 8, 8)
    processes = done.profile.processes
    assert sorted(each.counts.contexts_count for each in processes) == [2, 2, 2, 2]
    assert sorted((each.is_fork, each.ended) for each in processes) == [
        (False, "exit"), (True, "exit"), (True, "os._exit"), (True, "os._exit"),
    ]  # fmt: skip


def test_a_fork_that_does_nothing_leaves_nothing(runs):
    app = runs.program("get()\nfor _ in range(5):\n    if not os.fork(): os._exit(0)\n    os.wait()")
    assert len(runs(app).profile.processes) == 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(runs, method):
    app = runs.program(f"""
        import multiprocessing
        def work(_): return get()
        if __name__ == "__main__":
            with multiprocessing.get_context("{method}").Pool(2) as pool:
                assert pool.map(work, range(4), chunksize=1) == [200] * 4
            print(get())
    """)
    done = runs(app)
    assert (done.code, done.out, done.counts, done.profile.notes) == (0, b"200\n", (5, 5, 5, 5), ()), done.err


@pytest.mark.skipif(sys.platform != "linux", reason="who handles which signal, as Linux tells it")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_is_ended_by_sigterm_at_once(runs, method):
    """A handler of ours would let it wait for ever where the signal comes just before it waits for a lock."""
    app = runs.program(f"""
        import multiprocessing, signal
        def caught(_=None):
            get()
            words = dict(line.split(":\\t") for line in open("/proc/self/status") if line.startswith("SigCgt"))
            return int(words["SigCgt"], 16) >> signal.SIGTERM - 1 & 1
        if __name__ == "__main__":
            with multiprocessing.get_context("{method}").Pool(1) as pool:
                print(caught(), pool.map(caught, [1]))
    """)
    done = runs(app)
    assert (done.code, done.out, done.counts, done.profile.notes) == (0, b"1 [0]\n", (2, 2, 2, 2), ()), done.err
    assert [each.is_told for each in done.profile.processes] == [False, True]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_a_worker_saw_is_written_before_it_tells_of_it_however_long_that_takes(runs, method):
    app = runs.program(f"""
        import multiprocessing
        def begin():
            import connprof.observe.start as start
            start._follower._spent_ns = 1 << 50
        def work(_): return get()
        if __name__ == "__main__":
            with multiprocessing.get_context("{method}").Pool(2, begin) as pool:
                assert pool.map(work, range(20), chunksize=1) == [200] * 20
    """)
    done = runs("--max-handshakes", "20", app)
    assert (done.code, done.counts, done.profile.notes) == (0, (20, 20, 20, 20), ()), done.err


def test_a_worker_that_saw_more_than_it_wrote_is_not_said_to_have_been_seen_up_to_its_end(runs):
    app = runs.program("""
        import multiprocessing
        def work(pipe):
            from connprof.observe import start
            get(); pipe.send(1)
            start._follower._stop_later(); start._follower._due_ns = 1 << 60; get()
            os.kill(os.getpid(), 9)
        if __name__ == "__main__":
            ours, theirs = multiprocessing.Pipe()
            child = multiprocessing.Process(target=work, args=(theirs,)); child.start(); child.join(); get()
    """)
    done = runs(app)
    told = [(each.ended, each.is_told, each.is_alive) for each in done.profile.processes]
    assert told == [("exit", False, False), ("running", False, False)]
    assert f"{done.profile.processes[1].pid} was killed or crashed" in done.notes


@pytest.mark.parametrize(
    ("unwritten", "code", "sentence"),
    [
        ("start._follower._due_ns = 1 << 60; get()", 1, "there: killed or crashed before that."),
        (
            "get(); start._follower._stop_later(); start._follower._due_ns = 1 << 60; get()",
            1,
            "before the last that was seen was written.",
        ),
        ("get(); start._follower.write('running', wait_s=9)", 0, "may be missing"),
    ],
)
def test_what_a_killed_process_had_not_written_is_known_to_be_missing(runs, unwritten, code, sentence):
    app = runs.program(f"""
        from connprof.observe import start
        if not os.fork():
            {unwritten}
            os.kill(os.getpid(), 9)
        os.wait()
    """)
    done = runs("--max-handshakes", "5", app)
    assert (done.code, "Limit: Limits could not be checked" in done.err) == (code, bool(code))
    assert (sentence in done.notes, done.profile.is_incomplete) == (True, bool(code))


def test_process_pools(runs):
    app = runs.program("""
        from concurrent.futures import ProcessPoolExecutor
        if __name__ == "__main__":
            with ProcessPoolExecutor(2) as pool:
                print(sum(each.result() for each in [pool.submit(get) for _ in range(4)]))
    """)
    done = runs(app)
    assert (done.code, done.out, done.counts) == (0, b"800\n", (4, 4, 4, 4))


def test_a_terminated_child_has_its_say(runs):
    app = runs.program("""
        import multiprocessing, time
        def work(ready): get(); ready.set(); time.sleep(60)
        if __name__ == "__main__":
            ready = multiprocessing.Event()
            child = multiprocessing.Process(target=work, args=(ready,)); child.start(); ready.wait()
            child.terminate(); child.join(); print(child.exitcode)
    """)
    done = runs(app)
    assert (done.code, done.out, done.counts, done.profile.notes) == (0, b"-15\n", (1, 1, 1, 1), ())


def test_subprocesses_of_subprocesses(runs):
    runs.program("get()", "inner.py")
    runs.program("import subprocess; get(); subprocess.run([sys.executable, 'inner.py'], check=True)", "middle.py")
    app = runs.program("import subprocess; subprocess.run([sys.executable, 'middle.py'], check=True); get()")
    done = runs(app)
    assert (done.counts, len(done.profile.processes)) == ((3, 3, 3, 3), 3)


@pytest.mark.parametrize(
    "how", ["execv(sys.executable, [sys.executable, 'next.py'])", "execlp('python3', 'python3', 'next.py')"]
)
def test_exec_keeps_what_was_seen_before(runs, how):
    runs.variables["PATH"] = os.pathsep.join(["/nowhere", os.path.dirname(sys.executable), runs.variables["PATH"]])  # noqa: PTH120
    runs.program("get(); print('next')", "next.py")
    done = runs(runs.program(f"get(); os.{how}"))
    assert (done.code, done.out, done.counts) == (0, b"next\n", (2, 2, 2, 2))
    assert {each.ended for each in done.profile.processes} == {"exec", "exit"}


def test_an_exec_that_fails_goes_on(runs):
    app = runs.program("""
        open("broken", "wb").write(bytes(2)); os.chmod("broken", 0o755)
        for path in ("broken", "nowhere"):
            try: os.execv(path, [path])
            except OSError as error: print(error.strerror)
        get()
    """)
    done = runs(app)
    assert done.out == plain(runs, app).stdout
    assert (done.counts, done.profile.processes[0].ended) == ((1, 1, 1, 1), "exit")


def test_a_child_that_lives_on_is_counted_up_to_then(runs):
    runs.program(
        "get(); open('ready', 'w').write(str(os.getpid())); sys.stdin.read(); get(); open('over', 'w').write('x')",
        "child.py",
    )
    app = runs.program("""
        import subprocess, time
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        child = subprocess.Popen([sys.executable, "child.py"], stdin=reading, close_fds=False, start_new_session=True)
        while not (os.path.exists("ready") and open("ready").read()): time.sleep(0.02)
        get(); os._exit(0)
    """)
    process = runs.start(app, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.wait(30)
    pid = int(runs.until("ready"))
    from connprof.store import load_profile

    profile = load_profile(runs.file)
    os.kill(pid, signal.SIGKILL)
    assert (process.returncode, profile.counts.contexts_count) == (0, 2)
    assert (f"Process {pid} was still running" in " ".join(profile.notes), profile.is_incomplete) == (True, True)
    assert {each.pid for each in profile.processes if each.is_alive} == {pid}


def test_threads_that_end_after_the_main_one(runs):
    app = runs.program("""
        import threading, time
        def late(): time.sleep(0.3); get()
        threading.Thread(target=late).start(); get()
    """)
    assert runs(app).counts == (2, 2, 2, 2)


# --- what is odd about some programs ----------------------------------------------------------------------


def test_no_tls_at_all(runs):
    done = runs(runs.write("print('hello')"))
    assert (done.code, done.out, done.counts, done.profile.processes) == (0, b"hello\n", (0, 0, 0, None), ())
    assert done.profile.notes == ()
    assert done.err.splitlines() == ["connprof: No TLS and no HTTP was seen."]


@pytest.mark.parametrize("command", [("sh", "-c", "exit 3"), (sys.executable, "-I", "-c", "raise SystemExit(3)")])
def test_no_python_that_listens(runs, command):
    done = runs("--max-handshakes", "5", "--", *command)
    assert done.code == 3
    assert "started no Python process, or one that ignores PYTHONPATH" in done.notes
    assert "No limit could be checked" in done.err


def test_the_environment_emptied_for_a_child(runs):
    runs.write("print('alone')", "child.py")
    app = runs.program("import subprocess; get(); subprocess.run([sys.executable, 'child.py'], env={}, check=True)")
    done = runs(app)
    assert (done.code, done.counts) == (0, (1, 1, 1, 1))


def test_ssl_is_replaced(runs):
    pytest.importorskip("truststore")
    app = runs.program("import truststore; truststore.inject_into_ssl(); print(get()); truststore.extract_from_ssl()")
    done = runs(app)
    assert (done.code, done.out, done.counts[1:]) == (0, b"200\n", (1, 1, 1))


def test_the_ssl_module_gives_way_to_another(runs):
    app = runs.program("""
        import types
        other = types.ModuleType("ssl"); vars(other).update(vars(ssl)); sys.modules["ssl"] = other
        print(get()); del sys.modules["ssl"]; import ssl; print(ssl.create_default_context() is not None)
    """)
    done = runs(app)
    assert (done.code, done.out, done.counts[1:]) == (0, b"200\nTrue\n", (1, 1, 1))


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "cProfile", "-o", "stats", "app.py"),
        ("-m", "trace", "--count", "-C", "counts", "app.py"),
        ("-m", "coverage", "run", "app.py"),
        ("tracing.py",),
        ("-m", "pdb", "-c", "continue", "app.py"),
    ],
)
def test_under_another_profiler(runs, words):
    runs.program("print(get())")
    runs.write(
        "import sys, runpy\nsys.settrace(lambda *_: None); sys.setprofile(lambda *_: None)\nrunpy.run_path('app.py')",
        "tracing.py",
    )
    done = runs(*words)
    assert (done.code, done.counts) == (0, (1, 1, 1, 1)), done.err
    assert b"200\n" in done.out


def test_a_sitecustomize_of_the_users_own_still_works(runs):
    runs.write("import os, sys; sys.theirs = 'theirs'; os.write(2, b'customized')", "site/sitecustomize.py")
    runs.variables["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(runs.folder / "site"), os.environ.get("PYTHONPATH")])
    )
    app = runs.program("import sitecustomize; print(sys.theirs, sitecustomize.__file__, get())")
    done = runs(app)
    assert (done.out, done.counts) == (plain(runs, app).stdout, (1, 1, 1, 1))
    assert done.err.count("customized") == 2, "once in connprof's own process, and once in the program's"


def test_a_sitecustomize_that_fails_fails_as_ever(runs):
    runs.write("raise ValueError('theirs')", "site/sitecustomize.py")
    runs.variables["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(runs.folder / "site"), os.environ.get("PYTHONPATH")])
    )
    app = runs.program("print(get())")
    command = subprocess.run(
        [sys.executable, app], cwd=runs.folder, env=runs.variables, capture_output=True, check=False
    )
    done = runs("--", sys.executable, app)
    assert command.stderr.decode() in done.err
    assert "ValueError: theirs" in command.stderr.decode()
    assert (done.out, done.counts) == (command.stdout, (1, 1, 1, 1))


def test_runs_within_a_run(runs):
    runs.program("print(get())", "inner.py")
    app = runs.program("""
        import subprocess; get()
        subprocess.run([sys.executable, "-m", "connprof", "run", "--json", "inner.json", "inner.py"], check=True)
    """)
    done = runs(app)
    from connprof.store import load_profile

    assert load_profile(str(runs.folder / "inner.json")).counts.contexts_count == 1
    assert (done.code, done.counts[1:]) == (0, (1, 1, 1))


def test_a_program_that_observes_itself(runs):
    app = runs.program(
        "import connprof\nwith connprof.observe() as seen: get()\nget(); print(seen.counts.contexts_count)"
    )
    done = runs(app)
    assert (done.out, done.counts) == (b"1\n", (2, 2, 2, 2))


def test_its_folder_is_taken_away_meanwhile(runs):
    app = runs.program(
        "import shutil; get(); folder = os.environ['CONNPROF_RUN_FOLDER']\n"
        "while os.path.exists(folder): shutil.rmtree(folder, ignore_errors=True)\n"
        "get(); print('well')"
    )
    done = runs("--max-handshakes", "5", app)
    assert (done.code, done.out) == (1, b"well\n")
    assert done.err.startswith("connprof: Nothing was recorded.\nNote        What processes had left")
    assert ("Limit: Limits could not be checked: What processes had left" in done.err, "Traceback" in done.err) == (
        True, False,
    )  # fmt: skip
    assert "started no Python process" not in done.err


def test_files_in_its_folder_are_taken_away_meanwhile(runs):
    app = runs.program(
        "import glob; get(); folder = os.environ['CONNPROF_RUN_FOLDER']\n"
        "for each in glob.glob(folder + '/*'): os.path.isfile(each) and os.unlink(each)\n"
    )
    done = runs(app)
    assert (done.code, done.counts, done.profile.is_incomplete) == (0, (1, 1, 1, 1), True)
    assert ("What processes had left" in done.notes, "started no Python process" in done.notes) == (True, False)


def test_the_disk_is_full(runs):
    app = runs.program("""
        import glob, resource, signal, time
        def written(): return glob.glob(os.environ["CONNPROF_RUN_FOLDER"] + "/process-*.json")
        while not any("handshakes_full_count\\": 1" in open(each).read() for each in written()): get(); time.sleep(0.1)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        get(); print("well")
    """)
    done = runs(app, stdout=subprocess.PIPE)
    assert (done.code, done.out) == (0, b"well\n")
    assert done.counts[0] >= 1
    assert ("not able to write" in done.notes, "killed" in done.notes) == (True, False)


@pytest.mark.parametrize(
    ("first", "sentence"),
    [
        ("", "not able to write what was seen there: File too large."),
        ("os.symlink = None", "A process was not able to write what was seen there."),
    ],
)
def test_a_disk_that_is_full_from_the_start_lets_no_limit_pass(runs, first, sentence):
    app = runs.write(
        "import os, resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n" + first + "\n" + GET + "get()"
    )
    done = runs("--max-handshakes", "0", app)
    assert (done.code, done.counts[:3]) == (1, (0, 0, 0))
    assert (sentence in done.notes, done.profile.is_incomplete) == (True, True)
    assert "was seen." not in done.err.splitlines()[0]
    assert "Limit: Limits could not be checked: " in done.err


def test_a_process_that_could_not_write_is_not_said_to_have_had_nothing_to_write(runs):
    runs.write("print('quiet')", "quiet.py")
    app = runs.write(
        "import os, resource, subprocess, sys; subprocess.run([sys.executable, 'quiet.py'])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n" + GET + "get()"
    )
    done = runs(app)
    assert (done.code, done.profile.processes, done.profile.quiet_processes_count) == (0, (), 1)
    assert done.err.startswith("connprof: No TLS and no HTTP is in what was recorded, which is not all.\n")


def test_a_process_that_left_no_name_is_not_called_none(tmp_path):
    (tmp_path / "trouble").write_text("x")
    assert gather(tmp_path, "app.py").notes == ("A process was not able to write what was seen there.",)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may become another user")
def test_a_worker_that_becomes_another_user_lets_no_limit_pass(runs):
    app = runs.program("""
        get()
        if not os.fork():
            context = ssl.create_default_context()
            os.setuid(65534)
            http.client.HTTPSConnection(URL.netloc, context=context).request("GET", URL.path)
            os._exit(0)
        os.wait()
    """)
    done = runs("--max-handshakes", "5", app)
    assert (done.code, "A process was not able to write what was seen there." in done.notes) == (1, True), done.err


def test_a_disk_that_was_full_for_a_while_loses_nothing(runs):
    app = runs.program("""
        import glob, resource
        get()
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        from connprof.observe import start
        start._follower.write("running", wait_s=9)
        print(len(glob.glob(os.environ["CONNPROF_RUN_FOLDER"] + "/unwritten-*")))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    """)
    done = runs("--max-handshakes", "1", app)
    assert (done.code, done.out, done.counts) == (0, b"1\n", (1, 1, 1, 1)), done.err


def test_a_file_that_is_cut_off_loses_no_other(runs):
    app = runs.program("""
        get()
        folder = os.environ["CONNPROF_RUN_FOLDER"]
        open(f"{folder}/process-1-1.json", "w").write('{"schema": "connprof-pro')
        open(f"{folder}/process-2-1.json", "w").write('{"schema": "connprof-process/2", "new": 1}')
        open(f"{folder}/process-3-1.json", "w").write('{"schema": "connprof/1"}')
        open(f"{folder}/process-4-1.json", "w").close()
    """)
    done = runs(app)
    assert (done.code, done.counts) == (0, (1, 1, 1, 1))
    for sentence in ("process-1-1.json is damaged", "process-2-1.json was written by a newer connprof",
                     "process-3-1.json is not a connprof process profile", "process-4-1.json is empty"):  # fmt: skip
        assert f"A process is left out: {sentence}" in done.notes
    assert "which is not all. At least 1 SSL" in done.err


def test_the_place_for_the_file_is_gone_at_the_end(runs):
    app = runs.program("get(); os.mkdir('profile.json')")
    done = runs(app)
    assert (done.code, "profile.json cannot be written" in done.err) == (2, True)
    app = runs.program("sys.exit(9)")
    (runs.folder / "profile.json").rmdir()
    assert runs(runs.program("os.mkdir('profile.json'); sys.exit(9)")).code == 9


@pytest.mark.parametrize("code", [0, 9])
def test_the_folder_it_was_started_in_is_gone_at_the_end(runs, tmp_path_factory, code):
    runs.program(f"import shutil; get(); eval('get()'); shutil.rmtree(os.getcwd()); sys.exit({code})")
    runs.file = tmp_path_factory.mktemp("kept") / "profile.json"
    done = runs("--lint", ".", "--sarif", str(runs.file.with_name("s.sarif")), "--markdown", "m.md", "app.py")
    assert (done.code, done.counts) == (code or 2, (2, 2, 2, 2)), done.err
    assert ("Nothing found. 2 SSL contexts" in done.err, "Traceback" in done.err) == (True, False)
    assert "Error: m.md cannot be written" in done.err


def test_a_folder_that_is_gone_from_the_start_is_wrong_use(runs):
    gone = runs.folder / "gone"
    gone.mkdir()
    start = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    done = subprocess.run(
        [sys.executable, "-c", start, "-m", "connprof", "run", "-m", "this"],
        cwd=gone, env=runs.variables, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.decode()) == (2, "Error: the current folder is not there any more.\n")


def test_nobody_reads_the_summary(runs):
    reading, writing = os.pipe()
    os.close(reading)
    app = runs.program("get(); sys.exit(5)")
    process = runs.start(app, stderr=writing)
    os.close(writing)
    assert process.wait(30) == 5
    assert runs.file.exists()


def test_what_a_killed_run_has_left_goes_with_the_next(runs):
    process = runs.start(runs.program(WAITING))
    pid = int(runs.until("ready"))
    process.kill()
    process.wait()
    assert len(list(runs.temporary.iterdir())) == 1
    os.kill(pid, 0)  # the program itself goes on
    runs.write("print()", "other.py")
    assert runs("other.py").code == 0
    os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells")
def test_a_process_that_has_ended_is_not_alive_though_nobody_has_taken_notice():
    child = subprocess.Popen([sys.executable, "-c", ""])
    assert folder.is_alive(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not folder.is_alive(child.pid)
    child.wait()


def test_what_others_have_left_stays(tmp_path, monkeypatch):
    left = tmp_path / "connprof-run-999999999-x"
    left.mkdir()
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    folder._sweep(tmp_path)
    assert left.exists()
    monkeypatch.undo()
    folder._sweep(tmp_path)
    assert not left.exists()


# --- limits -----------------------------------------------------------------------------------------------


@pytest.mark.once
def test_a_limit_behind_the_program_is_said_to_hold_nothing(runs):
    app = runs.program("get()")
    note = "--max-handshakes stands behind the program and was given to it"
    done = runs(app, "--max-handshakes=0", "--html", "x.html")
    assert (done.code, done.profile.limits) == (0, ())
    assert [each for each in done.profile.notes if note in each]
    assert not [each for each in done.profile.notes if "--html" in each]
    inner = runs("--", sys.executable, "-m", "connprof", "run", "--quiet", "--max-handshakes", "5", app)
    assert not [each for each in inner.profile.notes if note in each]


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--max-contexts", "3"), 0, ""),
        (("--max-ssl-contexts", "2"), 1, "3 SSL contexts, where 2 are allowed (--max-contexts)."),
        (("--max-contexts", "2"), 1, "3 SSL contexts, where 2 are allowed (--max-contexts)."),
        (("--max-handshakes", "3"), 0, ""),
        (("--max-handshakes", "2"), 1, "3 handshakes, where 2 are allowed (--max-handshakes)."),
        (("--max-connections", "3"), 0, ""),
        (("--max-connections", "2"), 1, "3 connections, where 2 are allowed (--max-connections)."),
        (("--min-requests-per-connection", "1"), 0, ""),
        (("--min-requests-per-connection", "1.01"), 1, "1.00 requests per connection (3 on 3), where at least 1.01"),
        (("--fail-on", "any"), 1, "was found at 1 line (--fail-on any)."),
        (("--fail-on", "CP003,cp008,CP001"), 1, "was found at 1 line (--fail-on CP"),
        (("--fail-on", "CP015"), 0, ""),
    ],
)
def test_limits(runs, options, code, sentence):
    app = runs.program("get(); get(); get()" if "--fail-on" not in options else "for _ in range(3): get()")
    done = runs("--quiet", *options, app)
    assert (done.code, "Limit: " in done.err) == (code, bool(sentence)), done.err
    assert sentence in done.err
    assert runs.file.exists()


@pytest.mark.parametrize(
    ("counts", "wanted", "sentence"),
    [
        (Counts(connections_count=5, connections_unknown_count=4, requests_count=1), 1, ""),
        (
            Counts(connections_count=5, connections_unknown_count=4, requests_count=1),
            2,
            "1.00 requests per connection (1 on 1, 4 left out that nothing known sent on), where at least 2 are asked",
        ),
        (Counts(connections_count=4, connections_unknown_count=4, requests_count=0), 1, "cannot be told"),
        (Counts(connections_count=4, requests_count=0), 1, "0.00 requests per connection (0 on 4), where"),
        (Counts(requests_count=0), 1, ""),
        (Counts(requests_count=None), 1, ""),
        (Counts(connections_count=1, requests_count=None), 1, "cannot be told, because no library was seen"),
    ],
)
def test_a_ratio_is_of_the_connections_whose_requests_are_known(counts, wanted, sentence):
    profile = replace(run_samples.clean(), counts=counts)
    limits = held(profile, Limits(requests_per_connection_min=wanted), was_observed=True)
    said = " ".join(broken(limits, was_observed=True))
    assert (sentence in said) if sentence else not said


@pytest.mark.parametrize(
    ("blind_spots", "state", "sentence"),
    [
        ((), "kept", "No connection was opened, where at least 1.5 requests on each are asked for"),
        (("pycurl is in use.",), "unchecked", "cannot be told"),
    ],
)
def test_where_no_connection_was_opened_none_carried_too_few(blind_spots, state, sentence):
    profile = replace(run_samples.clean(), counts=Counts(), blind_spots=blind_spots)
    (limit,) = held(profile, Limits(requests_per_connection_min=1.5), was_observed=True)
    assert (limit.state, limit.figure) == (state, None)
    assert sentence in limit.sentence


def test_a_program_without_http_keeps_every_limit(runs):
    options = ("--min-requests-per-connection", "1", "--max-handshakes", "0")
    done = runs("--quiet", *options, runs.write("print(1)", "none.py"))
    assert (done.code, done.err) == (0, "")


def test_no_ratio_is_held_to_a_limit_where_something_is_missing():
    profile = replace(run_samples.partial(), counts=Counts(connections_count=1, requests_count=1))
    limits = held(profile, Limits(requests_per_connection_min=2), was_observed=True, losses=("One is lost.",))
    assert [(each.state, each.figure) for each in limits] == [("unchecked", 1.0)]
    assert broken(limits, was_observed=True, losses=("One is lost.",)) == ("Limits could not be checked: One is lost.",)


ALL_LIMITS = Limits(
    codes=frozenset({"CP001", "CP015"}), contexts_max=39, handshakes_max=40, requests_per_connection_min=2
)


@pytest.mark.parametrize(
    ("losses", "was_observed", "states"),
    [
        ((), True, "broken kept broken kept broken"),
        (("One is lost.",), True, "broken unchecked broken unchecked unchecked"),
        ((), False, "unchecked unchecked unchecked unchecked unchecked"),
    ],
)
def test_every_limit_is_told_with_its_figure(losses, was_observed, states):
    limits = held(run_samples.incident(), ALL_LIMITS, was_observed=was_observed, losses=losses)
    assert " ".join(each.state for each in limits) == states
    assert [(each.option, each.code, each.limit) for each in limits] == [
        ("--fail-on", "CP001", 0),
        ("--fail-on", "CP015", 0),
        ("--max-contexts", "", 39),
        ("--max-handshakes", "", 40),
        ("--min-requests-per-connection", "", 2),
    ]
    assert [each.figure for each in limits] == ([5, 0, 40, 40, 1.0] if was_observed else [None] * 5)
    said = broken(limits, was_observed=was_observed, losses=losses)
    assert bool(said) == ("broken" in states or "unchecked" in states)


def test_others_could_not_be_checked_where_there_are_others():
    limits = held(run_samples.incident(), Limits(contexts_max=39), was_observed=True, losses=("One is lost.",))
    assert broken(limits, was_observed=True, losses=("One is lost.",)) == (
        "40 SSL contexts, where 39 are allowed (--max-contexts).",
    )


def test_limits_stand_in_every_file(runs):
    app = runs.program("get(); get(); get()")
    files = {"--html": "page.html", "--sarif": "s.sarif", "--markdown": "m.md"}
    options = [word for pair in files.items() for word in pair]
    done = runs("--max-handshakes", "2", "--max-contexts", "3", *options, app)
    assert [(each.option, each.limit, each.figure, each.state) for each in done.profile.limits] == [
        ("--max-contexts", 3, 3, "kept"),
        ("--max-handshakes", 2, 3, "broken"),
    ]
    for name in files.values():
        text = (runs.folder / name).read_text().replace("\\", "")
        shown = re.sub("</?span[^>]*>", "", text)  # a page keeps options whole
        assert "3 handshakes, where 2 are allowed (--max-handshakes)." in shown
        assert "3 SSL contexts, where 3 are allowed (--max-contexts)." in shown


def test_a_broken_limit_does_not_hide_the_programs_own_code(runs):
    done = runs("--max-handshakes", "0", runs.program("get(); sys.exit(7)"))
    assert (done.code, "1 handshake, where 0 are allowed" in done.err) == (7, True)


# --- files, lint, memory, live ----------------------------------------------------------------------------


@pytest.mark.once
def test_every_format_is_written(runs):
    app = runs.program("for _ in range(3): get()")
    done = runs("--html", "a/page.html", "--sarif", "s.sarif", "--markdown", "m.md", app)
    assert done.code == 0
    assert "<html" in (runs.folder / "a" / "page.html").read_text()
    assert json.loads((runs.folder / "s.sarif").read_text())["runs"]
    assert "connprof run" in (runs.folder / "m.md").read_text()


@pytest.mark.once
def test_lint_findings_that_ran_are_marked(runs):
    pytest.importorskip("httpx")
    app = runs.write("""\
        import os
        import httpx

        def hot():
            with httpx.Client() as client:
                return client.get(os.environ["URL"])

        def cold():
            with httpx.Client() as client:
                return client.get(os.environ["URL"])

        for _ in range(3):
            hot()
        if os.environ.get("NEVER"):
            for _ in range(3):
                cold()
    """)
    files = {"--html": "page.html", "--sarif": "s.sarif", "--markdown": "m.md"}
    options = [word for option, name in files.items() for word in (option, name)]
    done = runs("--lint", ".", *options, app)
    assert done.code == 0
    marks = [(each.file, each.line, each.code, each.ran, each.contexts_count) for each in done.profile.lint.marks]
    assert marks == [("app.py", 5, "CP001", True, 3), ("app.py", 9, "CP001", False, 0)]
    for name in files.values():
        assert "has 2 findings there, of which 1 was seen to run." in (runs.folder / name).read_text().replace("\\", "")
    assert "connprof lint has 2 findings there, of which 1 was seen to run." in done.err
    assert "Ran: app.py:5 (CP001" in done.err
    assert "3 clients, 3 SSL contexts" in done.err
    assert "Not seen to run: app.py:9 (CP001)." in done.err


@pytest.mark.once
def test_what_a_helper_makes_ran_at_the_line_that_asked_for_it(runs):
    pytest.importorskip("httpx")
    app = runs.write("""\
        import contextlib
        import os
        import ssl

        import httpx

        def make_client():
            return httpx.Client()

        class Api:
            def __enter__(self):
                self.http = httpx.Client()
                return self

            def __exit__(self, *_):
                self.http.close()

        @contextlib.contextmanager
        def managed():
            with httpx.Client() as client:
                yield client

        def make_context():
            return ssl.create_default_context()

        def by_function():
            with make_client() as client:
                return client.get(os.environ["URL"])

        def by_class():
            api = Api()
            with api:
                return api.http.get(os.environ["URL"])

        def by_manager():
            with managed() as client:
                return client.get(os.environ["URL"])

        def by_context():
            return httpx.get(os.environ["URL"], verify=make_context())

        def never():
            with make_client() as client:
                return client.get(os.environ["URL"])

        for number in range(4):
            by_function()
            by_class()
            by_manager()
            by_context()
            by_context()
            if number > 4:
                never()
    """)
    done = runs("--lint", app, app)
    assert done.code == 0
    marks = {
        (each.line, each.code): (
            each.clients_count, each.contexts_count, each.handshakes_count, each.connections_count
        )
        for each in done.profile.lint.marks
    }  # fmt: skip
    assert marks == {
        (27, "CP001"): (4, 4, 4, 4),
        (31, "CP001"): (4, 4, 4, 4),
        (36, "CP001"): (4, 4, 4, 4),
        (40, "CP002"): (8, 0, 8, 8),
        (40, "CP003"): (0, 8, 0, 0),
        (43, "CP001"): (0, 0, 0, 0),
    }
    assert "Not seen to run: app.py:43 (CP001)." in done.err


def test_many_lines_that_share_a_helper_are_told_apart(runs):
    pytest.importorskip("httpx")
    names = [f"f{number}" for number in range(12)]
    users = [f"def {name}():\n    with make() as client:\n        client.get(URL)\n" for name in names]
    calls = "".join(f"    {name}()\n" for name in names[:-1])
    head = "import os, httpx\nURL = os.environ['URL']\ndef make():\n    return httpx.Client()\n"
    app = runs.write(f"{head}{''.join(users)}for _ in range(3):\n{calls}    if not URL: {names[-1]}()\n")
    done = runs("--quiet", "--lint", app, app)
    made = {each.line: each.clients_count for each in done.profile.lint.marks}
    assert made == {6 + 3 * number: 3 for number in range(11)} | {39: 0}


def test_what_lint_could_not_check_is_said(runs):
    (runs.folder / "source").mkdir()
    (runs.folder / "source" / "broken\n::error::\x1b.py").write_text("def f(:\n")
    done = runs("--lint", "source", runs.program(""))
    assert (done.code, "nothing in what it could check" in done.err, "nothing there" in done.err) == (0, True, False)
    assert "\nNot checked: source/broken ::error::\ufffd.py cannot be parsed" in done.err


def test_quiet_says_of_the_source_nothing_either(runs):
    app = runs.program("get()")
    done = runs("--quiet", "--lint", ".", "--max-handshakes", "0", app)
    assert (done.code, done.err) == (1, "Limit: 1 handshake, where 0 are allowed (--max-handshakes).\n")
    assert done.profile.lint is not None


def test_memory_by_line(runs):
    pytest.importorskip("memray")
    app = runs.program("""
        def twice():
            get(); get()
        twice()
        if not os.fork():
            get(); os._exit(0)
        os.wait()
    """)
    done = runs("--memory", app)
    assert (done.code, done.counts, done.profile.memory) == (0, (3, 3, 3, 3), True)
    amounts = {each.site.line: each.ssl_bytes for each in done.profile.sites}
    context = GET_LINE
    assert amounts[context] > 3 * 4_000_000
    assert "The SSL bytes were measured in the same run as the counts." in done.notes
    assert not list(runs.folder.glob("*.bin*"))


GET_LINE = 4
"""Where ``get()`` makes its connection object, and so its context."""


@pytest.mark.once
def test_memray_is_missing_there(runs):
    app = runs.write("print('it ran')")
    runs.write("raise ImportError('no memray here')", "shadow/memray.py")
    runs.variables["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(runs.folder / "shadow"), os.environ.get("PYTHONPATH")])
    )
    done = runs("--memory", app)
    assert (done.code, done.out) == (2, b"")
    assert "memray is" in done.err


def test_live_counters(runs):
    app = runs.program("import time; get(); time.sleep(2.5); get(); os.write(2, b'OVER')")
    done = runs("--live", "--quiet", app)
    before, _, after = done.err.partition("OVER")
    assert (done.code, done.counts) == (0, (2, 2, 2, 2))
    assert before.startswith("connprof: ")
    assert after == "connprof: 1 process, 2 SSL contexts, 2 handshakes, 2 connections, 2 requests\n"


def test_live_counters_on_a_terminal_leave_what_the_program_writes(runs):
    app = runs.program("os.write(2, b'one\\n'); get(); os.write(2, b'Downloading ...')")
    ours, theirs = os.openpty()
    process = runs.start("--live", "--quiet", app, stderr=theirs)
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
        while part := os.read(ours, 10_000):
            written += part
    os.close(ours)
    assert process.wait() == 0
    screen = as_shown(written.decode())
    assert "\x1b" not in written.decode()
    assert "one" in screen
    assert screen[-2] == "Downloading ..."
    assert screen[-1] == "connprof: 1 process, 1 SSL context, 1 handshake, 1 connection, 1 request"


def as_shown(written, width=80):
    """The rows of a terminal that wraps, without trailing blanks and empty ones."""
    rows, at = [""], 0
    for letter in written:
        if letter == "\n":
            rows.append("")
        elif letter == "\r":
            at = 0
        else:
            if at == width:
                rows.append("")
                at = 0
            rows[-1] = rows[-1][:at].ljust(at) + letter + rows[-1][at + 1 :]
            at += 1
    return [row.rstrip() for row in rows if row.strip()]


def test_what_was_not_recorded_is_not_counted_as_nothing(runs):
    pytest.importorskip("memray")
    app = runs.write("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n" + GET + "get()")
    done = runs("--live", "--memory", app)
    live, first, *_ = done.err.splitlines()
    assert (live, first) == ("connprof: nothing recorded so far", "connprof: Nothing was recorded.")
    assert "The SSL bytes were measured" not in done.err


def test_live_does_not_make_forks_warn(runs):
    app = runs.program("""
        import time, warnings; warnings.simplefilter("always")
        get(); time.sleep(0.1); get()
        if not os.fork():
            get(); os._exit(0)
        os.wait(); get()
    """)
    done = runs("--live", "--quiet", app)
    assert (done.code, done.counts) == (0, (4, 4, 4, 4)), done.err
    assert "Warning" not in done.err


@pytest.mark.skipif(sys.platform != "linux", reason="the environment of others is read in /proc")
def test_a_fork_that_goes_on_and_has_left_nothing_is_told_of(runs):
    file = runs.program("""
        import os, sys, time
        from pathlib import Path
        if not os.fork():
            os.setsid()
            for number in range(3):
                os.close(number)
            Path("pid").write_text(str(os.getpid()))
            while not Path("over").exists():
                time.sleep(0.02)
            os._exit(0)
        while not Path("pid").exists():
            time.sleep(0.02)
    """)
    try:
        done = runs(file)
        pid = int((runs.folder / "pid").read_text())
    finally:
        (runs.folder / "over").touch()
    assert done.code == 0
    note = f"Process {pid} was still running when the program had ended, with nothing seen by then."
    assert note in done.profile.notes
    assert done.profile.is_incomplete


def test_a_fork_that_has_ended_is_no_such_thing(runs):
    done = runs(runs.program("import os\nif not os.fork(): os._exit(0)\nos.wait()\n"))
    assert (done.code, done.profile.notes, done.profile.is_incomplete) == (0, (), False)
