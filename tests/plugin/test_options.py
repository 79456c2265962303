"""Options and settings from both places, mistakes in them, and the plugin when nobody asks for it."""

import json
import os
import subprocess
import sys

import pytest

import connprof
import connprof_server

CONTEXTS = """
import ssl
import pytest

def make(count):
    for _ in range(count):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""


def test_at_the_start_of_pytest_it_imports_two_small_modules_and_nothing_else():
    code = "import pytest, sys; before = set(sys.modules); import connprof.plugin; print(*set(sys.modules) - before)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(printed.split()) == {"connprof", "connprof.plugin", "connprof.plugin.markers"}


def test_what_is_imported_before_pytest_is_no_reason_to_warn(pytester):
    pytester.makepyfile("def test_one(): ...")
    code = "import connprof, connprof_server, pytest, sys; sys.exit(pytest.main(['-W', 'error', '-p', 'no:asyncio']))"
    assert pytester.run(sys.executable, "-c", code).ret == 0
    # Where the package is not installed, pytest has nothing to say of it; this is what it looks for.
    assert all("PYTEST_DONT_REWRITE" in package.__doc__ for package in (connprof, connprof_server))


def test_when_nobody_asks_nothing_is_observed_and_nothing_said(run, pytester):
    pytester.makepyfile("""
        import ssl, sys
        def test_off(request):
            ours = {name for name in sys.modules if name.partition(".")[0] in {"connprof", "connprof_server"}}
            assert ours <= {"connprof", "connprof.plugin", "connprof.plugin.markers"}
            assert "connprof" not in ssl.SSLContext.__new__.__code__.co_filename
            assert not request.config.pluginmanager.has_plugin("connprof-session")
    """)
    result = run("-W", "error")
    result.assert_outcomes(passed=1)
    assert "= connprof =" not in result.stdout.str()


def test_without_the_plugin_its_markers_do_nothing(run, pytester):
    pytester.makepyfile(f"{CONTEXTS}\n@pytest.mark.max_ssl_contexts(0)\ndef test_over(): make(3)\n")
    result = run("-p", "no:connprof", "-p", "no:connprof.plugin", plugin=False)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*Unknown pytest.mark.max_ssl_contexts*"])


def test_settings_of_the_ini_file(run, pytester):
    pytester.makepyfile(f"""{CONTEXTS}
def test_one(): make(1)
def test_two(): make(2)
def test_three(): make(3)
@pytest.mark.max_ssl_contexts(3)
def test_three_marked(): make(3)
@pytest.mark.max_ssl_contexts(None)
def test_four_lifted(): make(4)
def test_none(): ...
""")
    pytester.mkdir("sub")
    pytester.makeini(
        "[pytest]\nconnprof = true\nconnprof_top = 2\nconnprof_json = costs.json\nconnprof_max_ssl_contexts = 2\n"
        "connprof_max_handshakes = none\n"
    )
    result = run("-rN", f"--rootdir={pytester.path}")
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(
        [
            "connprof: 3 SSL contexts, at most 2 allowed by connprof_max_ssl_contexts = 2",
            "    3 SSL contexts: *:6 in make",
            "contexts  CA loads  handshakes  connections  requests  test",
            "       4         0           0            0         -  *::test_four_lifted",
            "       3         0           0            0         -  *::test_three*",
            "3 more cost less",
            "1 of 6 tests made no context, no connection and no request",
        ]
    )
    assert "::test_two" not in result.stdout.str()
    assert len(json.loads((pytester.path / "costs.json").read_bytes())["tests"]) == 6

    # The command line goes before it.
    result = run("-k", "three", "-rN", "--connprof-top=1", "--connprof-json=sub/other.json", "-o", "connprof=false")
    result.stdout.fnmatch_lines(["1 more cost less", "written: *other.json"])
    assert len(json.loads((pytester.path / "sub" / "other.json").read_bytes())["tests"]) == 2


def test_markers_that_make_no_sense_stop_the_run_before_its_first_test(run, pytester):
    pytester.makepyfile("""
        import pytest
        def test_first(): print("it" + "ran")
        @pytest.mark.max_handshakes()
        def test_none(): ...
        @pytest.mark.max_ssl_bytes("10 XB")
        def test_unit(): ...
    """)
    result = run("-s")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: *::test_none: max_handshakes(): missing a required argument: 'n'",
            "*::test_unit: max_ssl_bytes('10 XB'): there is no unit 'XB': use one of B, kB, KB, MB, GB, KiB, MiB, GiB",
        ]
    )
    assert "itran" not in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "connprof_max_handshakes=few"), "*connprof_max_handshakes = few: it must be a whole number, not 'few'"),
        (("--connprof-top=some",), "*--connprof-top must be a whole number from 0, not 'some'"),
        (("--connprof-json=.",), "*--connprof-json: * is a folder"),
        (("--connprof-json=test_options_that_make_no_sense.py",), "*.py would be overwritten: name another file"),
        (("--connprof-json=a.xml", "--junitxml=./a.xml"), "*a.xml is where --junitxml writes: name another file"),
        ((f"--connprof-top={'9' * 5_000}",), "*--connprof-top is a number of 5,000 digits, which is too large"),
        (
            ("--connprof", "--connprof-user-code=a-b"),
            "*--connprof-user-code: 'a-b' is no name that can be imported*",
        ),
        (("--connprof", "-o", "connprof_user_code=./b"), "*connprof_user_code: there is no file or folder './b'"),
    ],
)
def test_options_that_make_no_sense(arguments, said, run, pytester):
    pytester.makepyfile("def test_first(): ...")
    result = run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_a_file_that_cannot_be_written_fails_the_run(run, pytester):
    path = pytester.makepyfile("def test_first(): ...")
    result = run(f"--connprof-json={path.name}/costs.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*= connprof =*", "*costs.json*"])
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_ssl_bytes(costs, pytester):
    pytest.importorskip("memray")
    pytester.makepyfile(f"""{CONTEXTS}
def load(count):
    for _ in range(count):
        ssl.create_default_context()

@pytest.mark.max_ssl_bytes("1 GB")
@pytest.mark.max_ssl_contexts(2)
def test_below(): load(2)

@pytest.mark.max_ssl_bytes("10 kB")
@pytest.mark.max_ssl_contexts(1)
def test_above(): load(2)

@pytest.mark.max_ssl_bytes("0 B")
def test_nothing(): ...

@pytest.mark.max_ssl_bytes("1 GB")
def test_nested(tmp_path):
    import memray
    with memray.Tracker(tmp_path / "own.bin"): ...

def test_not_asked(): load(1)
""")
    result, tests = costs("-rN")
    result.assert_outcomes(passed=3, failed=2)
    below, above = tests["test_below"]["ssl_bytes"], tests["test_above"]["ssl_bytes"]
    assert min(below, above) > 100_000
    assert abs(below - above) < 0.2 * below
    assert tests["test_nothing"]["ssl_bytes"] == 0
    assert tests["test_not_asked"]["ssl_bytes"] is None
    figures = f"{above:,} SSL bytes (contexts {above:,}, handshakes 0, reading and writing 0)"
    result.stdout.fnmatch_lines(
        [
            "connprof: 2 SSL contexts, at most 1 allowed by max_ssl_contexts(1)",
            f"connprof: {figures}, at most 10,000 allowed by max_ssl_bytes('10 kB')",
            "    2 SSL contexts: *in load",
        ]
    )


def test_ssl_bytes_without_memray(run, pytester):
    pytester.makepyfile(
        memray="raise ImportError",
        test_file="""
            import sys, pytest
            @pytest.mark.max_ssl_bytes("1 MB")
            def test_bytes(): ...
        """,
    )
    pytester.makeconftest("""
        import connprof.plugin.ssl_bytes as ours
        ours.find_spec = lambda name: None
    """)
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["max_ssl_bytes needs memray: pip install 'connprof[[]memory]'"])


@pytest.mark.parametrize("settings", ["--connprof-user-code=mine", "connprof_user_code = other mine", ""])
def test_an_installed_package_that_is_named_is_user_code(settings, run, pytester, monkeypatch):
    package = pytester.path / "lib" / "site-packages" / "mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import ssl\ndef make(): ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n")
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=os.pathsep)
    pytester.makepyfile("""
        import mine, pytest
        @pytest.mark.max_ssl_contexts(0)
        def test_over(): mine.make()
    """)
    pytester.makeini("[pytest]\n" + (settings if not settings.startswith("-") else ""))
    result = run(*[settings] * settings.startswith("-"))
    result.assert_outcomes(failed=1)
    where = "*mine/__init__.py:2 in make" if settings else "*.py:3 in test_over"
    result.stdout.fnmatch_lines([f"    1 SSL context: {where}"])
