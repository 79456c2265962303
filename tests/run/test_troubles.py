"""What must hold whatever happens: nothing private is written, nothing grows, nothing is raised into a program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import connprof.observe
from connprof.observe import libraries, start

KEEP = f'"{sys.executable}" app.py; code=$?; cp -r "$CONNPROF_RUN_FOLDER" kept; exit $code'
"""A command that keeps what the processes have left for the run."""


@pytest.mark.once
def test_nothing_private_is_written(runs):
    runs.write("""\
        import http.client, os, ssl, urllib.parse, urllib.request, uuid
        url = os.environ["URL"]
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPSConnection(parts.netloc)
        for _ in range(2):
            connection.request("POST", parts.path + "/SECRETpath?key=SECRETquery#SECRETfragment", b"SECRETbody", {
                "Authorization": "Bearer SECRETtoken", "Cookie": "a=SECRETcookie", "X-SECRETname": "SECRETheader"})
            connection.getresponse().read()
        try:
            import httpx
        except ImportError:
            pass
        else:
            with httpx.Client(cookies={"a": "SECRETjar"}, auth=("SECRETuser", "SECRETpassword")) as client:
                client.post(url.replace("https://", "https://SECREThim:SECRETword@") + "?q=SECRETmore",
                    data={"SECRETfield": "SECRETvalue"})
            for _ in range(3):
                httpx.get(url + "?q=SECRETagain", headers={"X-API-Key": "SECRETkey"})
        try:
            urllib.request.urlopen("https://SECRETuser:SECRETpassword@127.0.0.1:1/SECRETpath?SECRETquery")
        except Exception:
            pass
    """, "app.py")  # fmt: skip
    outputs = {kind: f"out.{kind}" for kind in ("html", "sarif", "markdown")}
    options = [word for kind, file in outputs.items() for word in (f"--{kind}", file)]
    done = runs(*options, "--", "sh", "-c", KEEP.replace("app.py", "app.py --password SECRETargument"))
    assert (done.code, done.counts[2] >= 1) == (0, True), done.err
    files = [*(runs.folder / "kept").rglob("*"), *(runs.folder / file for file in outputs.values()), runs.file]
    contents = {each.name: each.read_bytes() for each in files if each.is_file()}
    assert sum(name.startswith("process-") for name in contents) == 1
    assert [name for name, content in contents.items() if b"SECRET" in content] == []
    assert "SECRET" not in done.err
    origins = [each.origin for each in done.profile.origins]
    assert all(re.fullmatch(r"[\w.]+:\d+", each) for each in origins), origins


def test_no_argument_is_written_with_memory(runs):
    pytest.importorskip("memray")
    runs.program("""
        import subprocess
        get(); print(sys.argv[1:])
        if sys.argv[1] == "SECRETone":
            if not os.fork(): get(); os._exit(0)
            os.wait()
            subprocess.run([sys.executable, "app.py", "SECRETtwo"], check=True)
    """)
    done = runs("--memory", "--", "sh", "-c", KEEP.replace("app.py", "app.py SECRETone"))
    assert (done.code, done.counts) == (0, (3, 3, 3, 3)), done.err
    assert sorted(done.out.splitlines()) == [b"['SECRETone']", b"['SECRETtwo']"]
    captures = list((runs.folder / "kept").glob("memory-*.bin*"))
    assert len(captures) == 3
    assert [
        each.name for each in (runs.folder / "kept").iterdir() if each.is_file() and b"SECRET" in each.read_bytes()
    ] == []


@pytest.mark.once
def test_what_processes_leave_is_nobody_elses(runs):
    runs.program("get()")
    runs("--", "sh", "-c", f'stat -c "%a" "$CONNPROF_RUN_FOLDER" >modes; {KEEP}')
    modes = [(runs.folder / "modes").read_text().strip()]
    modes += [f"{each.stat().st_mode & 0o077:o}" for each in (runs.folder / "kept").glob("p*-*")]
    assert modes == ["700", *["0"] * (len(modes) - 1)]


@pytest.mark.once
def test_a_big_program_has_a_small_file(runs):
    """Lines are what is written, not events: ten thousand requests take the room of ten."""
    sizes = []
    for count in (10, 10_000):
        app = runs.write(f"""\
            import http.client, os, urllib.parse
            parts = urllib.parse.urlsplit(os.environ["URL"])
            left = {count}
            while left:
                connection = http.client.HTTPSConnection(parts.netloc)
                for _ in range(min(left, {count} // 10)):
                    connection.request("GET", parts.path)
                    connection.getresponse().read()
                    left -= 1
                connection.close()
        """)
        assert app == "app.py"
        done = runs("--", "sh", "-c", f"rm -rf kept; {KEEP}")
        assert (done.code, done.counts) == (0, (10, 10, 10, count))
        (file,) = (runs.folder / "kept").glob("process-*.json")
        sizes.append(file.stat().st_size)
    assert sizes[1] < sizes[0] + 500
    assert sizes[0] < 10_000


@pytest.mark.once
def test_two_processes_of_one_number(runs):
    """Numbers come round again; processes are told apart by the time of their start as well."""
    app = runs.program("""
        import glob, json
        get(); sys.stdout.flush()
        if not os.fork(): get(); os._exit(0)
        os.wait()
        folder = os.environ["CONNPROF_RUN_FOLDER"]
        (other,) = [each for each in map(lambda name: json.load(open(name)), glob.glob(folder + "/process-*"))
            if each["pid"] != os.getpid()]
        name = f"{folder}/process-{other['pid']}-{other['started_at_ns']}.json"
        other |= {"pid": os.getpid()}
        json.dump(other, open(f"{folder}/process-{os.getpid()}-{other['started_at_ns']}.json", "w"))
        os.unlink(name)
    """)
    done = runs(app)
    processes = done.profile.processes
    assert done.counts == (2, 2, 2, 2)
    assert len({each.pid for each in processes}) == 1
    assert len({each.started_at_ns for each in processes}) == 2


def test_a_signal_amid_the_last_words(runs):
    """A pool ends its workers by both ways at once; what they did is not lost for it."""
    app = runs.program("""
        import json
        get()
        real = json.dumps
        def dumps(*args, **kwargs):
            json.dumps = real
            os.kill(os.getpid(), 15)
            return real(*args, **kwargs)
        json.dumps = dumps
        os._exit(0)
    """)
    done = runs(app)
    assert (done.code, done.counts, done.profile.processes[0].ended) == (-15, (1, 1, 1, 1), "signal")


def test_a_signal_while_the_interpreter_is_taken_down(runs):
    """Our handler has nothing left to stand on then: it must not swallow what would have killed."""
    app = runs.program("""
        import builtins
        get()
        class Late:
            def __del__(self, kill=os.kill, pid=os.getpid()):
                kill(pid, 15)
        builtins.late = Late()
    """)
    done = runs(app)
    assert (done.code, done.profile.processes[0].ended) == (plain_code(runs, app), "exit")
    assert (done.counts, "Exception ignored" in done.err) == ((1, 1, 1, 1), False)


def plain_code(runs, app):
    return subprocess.run([sys.executable, app], cwd=runs.folder, env=runs.variables, check=False).returncode


BREAKS = {
    "json": "import json; json.dumps = json.loads = broken",
    "os": "os.open = os.replace = os.write = broken",
    "time": "import time; time.time = time.time_ns = time.perf_counter = time.monotonic = broken",
    "frames": "sys._getframe = broken",
    "threading": "import threading; threading.current_thread = threading.main_thread = broken",
    "recursion": "sys.setrecursionlimit(60)",
    "modules": "for name in [each for each in sys.modules if each.startswith('connprof')]: del sys.modules[name]",
    "folder": "import shutil; os.chdir('/')\n"
              "while os.path.exists(os.environ['CONNPROF_RUN_FOLDER']):\n"  # something may be written amid it
              "    shutil.rmtree(os.environ['CONNPROF_RUN_FOLDER'], ignore_errors=True)",
    "environment": "for name in set(os.environ) - {'SSL_CERT_FILE'}: del os.environ[name]",
    "files": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))",
    "recorder": "from connprof.observe.recorder import RECORDER\nRECORDER.on_event = broken",
    "window": "from connprof.observe.observation import Observation\n"
              "for name in ('add', 'snapshot', 'cost', 'clear'): setattr(Observation, name, broken)",
    "sites": "from connprof.observe.sites import SiteFinder\n"
             "for name in list(vars(SiteFinder)):\n"
             "    if name.startswith('find'): setattr(SiteFinder, name, broken)",
    "exit": "import atexit; atexit._clear()",
    "path": "sys.path.clear(); sys.meta_path.clear()",
    "builtins": "import builtins; builtins.open = broken",
}  # fmt: skip


@pytest.mark.parametrize("what", BREAKS)
def test_nothing_is_raised_into_a_program(runs, what):
    """Whatever a program breaks, in itself or in us, it sees what it would see without us."""
    app = runs.program("""
        url, calls = os.environ["URL"], 0
        get(); http.client.HTTPSConnection("localhost"); assert not "".encode("idna"); import subprocess
        def broken(*args, **kwargs): raise ValueError("broken by the program")
        {}
        print(get(), "well")
        sys.stdout.flush()
    """).replace("{}", "")
    text = (runs.folder / app).read_text()
    (runs.folder / app).write_text(text.replace("{}", BREAKS[what]))
    done = runs(app)
    assert (done.code, done.out) == (0, b"200 well\n"), done.err
    assert "Traceback" not in done.err
    assert "Exception ignored" not in done.err
    assert len(done.profile.processes) == (what != "folder")


LAST = """
def use_up():
    try:
        while True: os.open(os.devnull, os.O_RDONLY)
    except OSError: pass
get()
time.sleep(0.1); get()
"""
DROPPED = """
for name in [each for each in sys.modules if each.startswith("connprof")]: del sys.modules[name]
del sys.modules["ssl"], sys.modules["_ssl"]
import ssl
"""


@pytest.mark.parametrize(
    ("trouble", "files_count"), [(DROPPED, 300), ("use_up()", 64), ("use_up()", 300), ("os.closerange(3, 300)", 300)]
)
def test_the_last_words_are_said(runs, trouble, files_count):
    app = runs.program(f"import time\n{LAST}\n{trouble}")
    done = runs("--", "sh", "-c", f'ulimit -n {files_count}; exec "{sys.executable}" {app}')
    (process,) = done.profile.processes
    assert (done.code, done.counts, process.ended, process.errors) == (0, (2, 2, 2, 2), "exit", ()), done.err
    assert "killed or crashed" not in done.notes


CLOSED = """
import errno
from connprof.observe import start
put = start._put
def closed(*arguments):
    start._put = put
    raise OSError(errno.EBADF, "as if the program had closed what we write to")
get()
start._follower._stop_later()
start._put = closed
start._follower.write("running")
assert start._put is put
get()
"""


def test_what_could_not_be_written_once_lacks_nothing_if_it_could_later(runs):
    done = runs(runs.program(CLOSED))
    (process,) = done.profile.processes
    assert (done.code, done.counts, process.ended, process.errors) == (0, (2, 2, 2, 2), "exit", ()), done.err
    assert not done.profile.is_incomplete


def test_a_spare_number_that_is_somebody_elses_stays_open(tmp_path):
    (tmp_path / "trouble").touch()
    spare = start._Spare(str(tmp_path))
    number = os.open(os.devnull, os.O_RDONLY)
    os.dup2(number, spare._number)  # as if the program had closed ours, and opened its own
    assert not spare.give()
    os.fstat(spare._number)
    for each in (number, spare._number):
        os.close(each)
    assert not spare.give()


def test_what_was_imported_unseen_is_told(runs):
    runs.write("import sys; sys.meta_path[:] = sys.meta_path[1:]; import ssl; ssl.create_default_context()")
    done = runs("app.py")
    assert "sys.meta_path was changed, and ssl imported unseen." in done.notes
    assert "no process imported ssl" not in done.notes


def test_what_an_error_says_is_not_kept(runs):
    runs.program("""
        import httpx
        try: httpx.Client(limits=httpx.Limits(keepalive_expiry="SECRET16"))
        except ValueError: pass
        get()
    """)
    done = runs("--html", "out.html", "--sarif", "out.sarif", "--markdown", "out.md", "--", "sh", "-c", KEEP)
    files = [*(runs.folder / "kept").rglob("*"), *runs.folder.glob("out.*"), runs.file]
    assert [each.name for each in files if each.is_file() and b"SECRET" in each.read_bytes()] == []
    assert "SECRET" not in done.err
    assert any("httpx.Client: ValueError (libraries.py:" in error for error in done.profile.processes[0].errors)


@pytest.mark.once
def test_no_colors_where_nobody_sees_them(runs):
    done = runs(runs.program("for _ in range(3): get()"))
    assert "CP00" in done.err
    assert "\x1b" not in done.err


@pytest.mark.once
def test_no_sentence_is_broken_where_it_is_searched_for_by_lines(runs):
    done = runs(runs.program("for _ in range(3): get()"))
    (line,) = [line for line in done.err.splitlines() if line.startswith("connprof:")]
    assert line.endswith(" connections, 3 requests (1.0 per connection).")


@pytest.mark.once
@pytest.mark.parametrize("module", ["pycurl", "curl_cffi", "OpenSSL"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_it_is_blind_to_is_told(runs, module, when):
    (runs.folder / module).mkdir()
    (runs.folder / module / "__init__.py").touch()
    line = f"import {module}"
    app = runs.write(f"{line if when == 'before' else ''}\nimport ssl\n{line if when == 'after' else ''}\n")
    done = runs(app)
    assert done.code == 0
    (sentence,) = done.profile.blind_spots
    assert f"{module} was imported" in sentence
    assert sentence in " ".join(done.err.split())


@pytest.mark.once
@pytest.mark.parametrize("module", ["pycurl", "curl_cffi", "OpenSSL", "grpc"])
def test_what_it_is_blind_to_is_told_where_it_is_all(runs, module):
    """They need no ssl of Python's."""
    (runs.folder / module).mkdir()
    (runs.folder / module / "__init__.py").touch()
    done = runs(runs.write(f"import {module}"))
    assert done.code == 0
    assert f"{module} was imported" in done.err


@pytest.mark.once
def test_sockets_of_another_kind_are_left_alone(runs):
    """gevent warns where ssl was imported before it patches; and no limit holds of what was not seen."""
    runs.write("", "gevent/__init__.py")
    runs.write("import sys; print('ssl' in sys.modules)", "gevent/monkey.py")
    app = runs.write("from gevent import monkey\nimport ssl; ssl.create_default_context()")
    done = runs("--max-contexts", "0", app)
    assert (done.code, done.out) == (1, b"False\n")
    assert "gevent.monkey was imported, whose own sockets connprof cannot follow." in done.notes
    assert "Limit: Limits could not be checked: A process could not be observed: gevent.monkey" in done.err


def test_sockets_of_another_kind_that_come_late_are_told(runs):
    runs.write("", "gevent/__init__.py")
    runs.write("", "gevent/monkey.py")
    done = runs(runs.program("get(); import gevent.monkey"))
    assert (done.code, done.counts) == (0, (1, 1, 1, 1))
    assert "gevent.monkey was imported: it connects through sockets of its own" in done.profile.blind_spots[0]


def test_the_hook_waits_for_all_that_is_followed():
    hook = Path(connprof.observe.__file__).parent / "hook" / "sitecustomize.py"
    (names,) = re.findall(r"TRIGGERS = frozenset\((.*?)\n\)", hook.read_text(), re.DOTALL)
    followed = {name.partition(".")[0] for name in (*libraries.MODULES, *libraries.BLIND)} - {"gevent", "eventlet"}
    followed.remove("multiprocessing")  # its pools are followed as well where they were there before
    assert followed - set(re.findall(r'"(\w+)"', names)) == set()


@pytest.mark.once
def test_the_help_teaches(runs):
    done = runs("--help")
    text = " ".join(done.out.decode().split())
    assert done.code == 0
    for words in (
        "connprof run app.py", "connprof run -m package", "connprof run -- gunicorn app:app", "on standard error",
        "exit code", "--fail-on any", "No body, header, cookie, key or argument",
    ):  # fmt: skip
        assert words in text
