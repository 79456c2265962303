"""Programs that come by way of others: wrappers, other interpreters, servers with workers, other event loops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import venv

import pytest

PYTHON_ENVIRONMENT = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


def test_a_wrapper_that_replaces_itself(runs):
    """As poetry, pipenv and hatch do: an environment of its own making, then exec."""
    runs.program("print(get(), os.environ['VIRTUAL_ENV'])")
    runs.write(
        "import os, sys\n"
        "os.execvpe(sys.argv[1], sys.argv[1:], {**os.environ, 'VIRTUAL_ENV': 'theirs', 'PATH': os.environ['PATH']})",
        "wrapper.py",
    )
    done = runs("wrapper.py", sys.executable, "app.py")
    assert (done.code, done.out, done.counts) == (0, b"200 theirs\n", (1, 1, 1, 1))


@pytest.mark.once
def test_a_wrapper_that_waits(runs):
    """As uv and npm do: no Python itself, one child, its exit code and signals passed on."""
    runs.program("import time; print(get(), flush=True); open('ready', 'w').write('x'); time.sleep(60)")
    runs.write(
        f"trap 'kill -TERM $child' TERM; VIRTUAL_ENV=theirs '{sys.executable}' app.py & child=$!; wait; wait $child",
        "wrapper.sh",
    )
    process = runs.start("--", "sh", "wrapper.sh")
    runs.until("ready")
    os.kill(process.pid, signal.SIGTERM)
    done = runs.end(process)
    assert (done.code, done.out, done.counts) == (128 + 15, b"200\n", (1, 1, 1, 1))
    assert done.profile.processes[0].ended == "signal"


@pytest.mark.once
def test_a_console_script(runs):
    runs.program("def main(): print(get()); return 3", "package.py")
    runs.write(f"#!{sys.executable}\nimport sys\nfrom package import main\nsys.exit(main())\n", "bin/tool")
    (runs.folder / "bin" / "tool").chmod(0o755)
    runs.variables |= {
        "PATH": os.pathsep.join([str(runs.folder / "bin"), runs.variables["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(runs.folder), *PYTHON_ENVIRONMENT.values()]),
    }
    for words in (("--", "tool"), ("bin/tool",)):
        done = runs(*words)
        assert (done.code, done.out, done.counts) == (3, b"200\n", (1, 1, 1, 1))


@pytest.mark.once
def test_a_python_that_has_no_connprof(runs):
    """Nothing has to be installed there."""
    venv.create(runs.folder / "env", with_pip=False, symlinks=True)
    runs.variables.pop("PYTHONPATH", None)
    runs.program("""
        import importlib.util
        print(sys.prefix != sys.base_prefix, importlib.util.find_spec("msgspec"), get())
    """)
    python = str(runs.folder / "env" / "bin" / "python")
    for words in (("--python", python, "app.py"), ("--", python, "app.py")):
        process = subprocess.run(
            [sys.executable, "-m", "connprof", "run", "--json", str(runs.file), *words],
            cwd=runs.folder, env=runs.variables | PYTHON_ENVIRONMENT, capture_output=True, check=False,
        )  # fmt: skip
        assert (process.returncode, process.stdout) == (0, b"True None 200\n"), process.stderr


@pytest.mark.once
def test_a_python_without_memray(runs):
    venv.create(runs.folder / "env", with_pip=False, symlinks=True)
    pytest.importorskip("memray")
    runs.write("print('it ran')")
    done = runs("--memory", "--python", str(runs.folder / "env" / "bin" / "python"), "app.py")
    assert (done.code, done.out) == (2, b"")
    assert "memray is not installed for" in done.err


@pytest.mark.parametrize("options", [["-I"], ["-E"], ["-S"], ["-X", "dev", "-W", "d", "-uE"], ["-bI", "-u"]])
def test_children_that_cannot_be_seen_are_told(runs, options):
    runs.program("print(get())", "child.py")
    words = [*options, "child.py"]
    app = runs.program(f"""
        import subprocess
        get()
        print(subprocess.run([sys.executable, *{words}], stdout=subprocess.PIPE, check=True).stdout)
    """)
    done = runs(app)
    assert (done.code, done.out, done.counts) == (0, b"b'200\\n'\n", (1, 1, 1, 1))
    letter = next(each for each in "IES" if each in "".join(options))
    assert f"1 Python process was started with -{letter}, and not observed" in done.notes
    assert done.profile.is_incomplete


@pytest.mark.once
@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("subprocess.run([sys.executable, 'child.py'], env={})", "an environment of its own"),
        ("subprocess.run(['x', 'child.py'], executable=sys.executable, env={'PYTHONPATH': '.'})",
         "an environment of its own"),
        ("os.environ.pop('PYTHONPATH'); subprocess.call([sys.executable, 'child.py'])", "an environment of its own"),
        ("asyncio.run(child())", "-I"),
        ("os.execv(sys.executable, [sys.executable, '-I', 'child.py'])", "-I"),
        ("subprocess.run([sys.executable, '-c', 'pass', '-I'])", None),
        ("subprocess.run([sys.executable, 'child.py', '-I'])", None),
        ("subprocess.run(['true', '-I'], env={})", None),
        ("subprocess.run(b'true'); subprocess.run('python3 -I -c pass', shell=True)", None),
        ("subprocess.run([sys.executable, 'child.py'], env={**os.environ, 'MORE': '1'})", None),
        ("subprocess.run([os.fsencode(sys.executable), b'child.py'], env=os.environb)", None),
    ],
)  # fmt: skip
def test_what_makes_a_child_blind(runs, call, reason):
    runs.write("", "child.py")
    app = runs.program(f"""
        import asyncio, subprocess
        async def child(): await (await asyncio.create_subprocess_exec(sys.executable, "-I", "child.py")).wait()
        get()
        {call}
    """)
    done = runs(app)
    assert (done.code, done.counts) == (0, (1, 1, 1, 1))
    if reason is None:
        assert "not observed" not in done.notes
    else:
        assert f"1 Python process was started with {reason}, and not observed" in done.notes


def test_a_child_that_cannot_be_started_fails_as_ever(runs):
    app = runs.program("""
        import subprocess
        for words in (["nowhere"], [], [1], None):
            try: subprocess.run(words)
            except Exception as error: print(type(error).__name__, error)
        get()
    """)
    done = runs(app)
    plain = subprocess.run([sys.executable, app], cwd=runs.folder, env=runs.variables, capture_output=True, check=True)
    assert (done.out, done.counts, done.profile.notes) == (plain.stdout, (1, 1, 1, 1), ())


def test_a_usercustomize_of_the_users_own_still_works(runs):
    base = sys._base_executable  # a virtual environment has none
    runs.write("import sys; sys.theirs = 'theirs'", "site/usercustomize.py")
    runs.variables["PYTHONPATH"] = os.pathsep.join([str(runs.folder / "site"), *PYTHON_ENVIRONMENT.values()])
    done = runs("--python", base, runs.program("print(sys.theirs, get())"))
    assert (done.code, done.out, done.counts) == (0, b"theirs 200\n", (1, 1, 1, 1)), done.err


# --- other loops, servers ---------------------------------------------------------------------------------


LOOPS = {
    "asyncio": "asyncio.run(main())",
    "uvloop": "uvloop.run(main())",
    "trio": "trio.run(main)",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_other_loops(runs, loop):
    pytest.importorskip(loop)
    pytest.importorskip("httpx")
    app = runs.write(f"""\
        import os
        import httpx
        import {loop}

        async def main():
            for _ in range(3):
                async with httpx.AsyncClient() as client:
                    (await client.get(os.environ["URL"])).raise_for_status()

        {LOOPS[loop]}
    """)
    done = runs("--fail-on", "CP001", app)
    assert (done.code, done.counts) == (1, (3, 3, 3, 3)), done.err
    (finding,) = [each for each in done.profile.findings if each.code == "CP001"]
    assert (finding.place.file, finding.place.line) == (str(runs.folder / "app.py"), 7)


SERVER = """\
import asyncio, os, httpx
URL = os.environ["URL"]
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    async with httpx.AsyncClient() as client:
        status = (await client.get(URL)).status_code
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
def wsgi(environment, start):
    status = httpx.get(URL).status_code
    start(f"{status} OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
ASK = """\
import sys, time, urllib.request
for _ in range(int(sys.argv[2])):
    for _ in range(500):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/").read()
            break
        except OSError:
            time.sleep(0.02)
"""
"""As curl would: a process for itself, which no connection outlives."""


def ask(port, times):
    subprocess.run([sys.executable, "-c", ASK, str(port), str(times)], env={"no_proxy": "*"}, check=True)


def free_port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.once
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_uvicorn_under_live(runs, workers, number):
    pytest.importorskip("uvicorn")
    pytest.importorskip("httpx")
    if workers == 2 and number == signal.SIGINT:
        pytest.skip("as with SIGTERM")
    runs.write(SERVER, "served.py")
    port = free_port()
    process = runs.start(
        "--live", "-m", "uvicorn", "served:app", "--port", str(port), "--workers", str(workers), "--log-level", "error"
    )
    ask(port, 6)
    time.sleep(1.2)
    os.kill(process.pid, number)
    done = runs.end(process)
    assert done.counts == (6, 6, 6, 6), done.err
    assert done.code in {0, -number}
    assert "6 handshakes" in done.err.partition("findings")[0]
    assert "CP001" in {each.code for each in done.profile.findings}


@pytest.mark.once
def test_gunicorn(runs):
    pytest.importorskip("gunicorn")
    pytest.importorskip("httpx")
    runs.write(SERVER, "served.py")
    port = free_port()
    runs.variables["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), runs.variables["PATH"]])  # noqa: PTH120
    process = runs.start(
        "--live", "--", "gunicorn", "served:wsgi", "--bind", f"127.0.0.1:{port}", "--workers", "2", "--log-level",
        "error",
    )  # fmt: skip
    ask(port, 6)
    os.kill(process.pid, signal.SIGTERM)
    done = runs.end(process)
    assert (done.code, done.counts) == (0, (6, 6, 6, 6)), done.err
    assert all(each.ended == "exit" for each in done.profile.processes)
