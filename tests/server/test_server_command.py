"""``python -m connprof_server`` as a person meets it."""

import json
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from connprof_server import Target, __main__
from tests.server.raw_client import RawConnection, client_context

MODULE = ("-m", "connprof_server")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_urls_counts_and_a_summary(temporary, start_python, ending):
    process = start_python(*MODULE, "--origins", "a,b")
    lines = [process.stdout.readline().rstrip() for _ in range(5)]
    assert [line.split(": ")[0] for line in lines] == ["a", "b", "bundle", "try", "Ctrl-C ends it."]
    bundle = lines[2].split()[1]
    assert lines[3] == f"try: curl --cacert {bundle} {lines[0].split()[1]}/api/hello"
    assert process.stdout.readline() == "TCP 0, handshakes 0 full 0 resumed 0 failed, open 0, requests 0\n"
    target = SimpleNamespace(bundle=bundle, url=lambda path, _origin: lines[0].split()[1] + path)
    with RawConnection(target, client_context(target)) as connection:
        connection.get("/api/x")
        connection.get("/api/x")
    process.send_signal(ending)
    rest, errors = process.communicate(timeout=20)
    assert rest.splitlines()[-2:] == [
        "a: 2 requests on 1 connections (2.0 each), handshakes 1 full, 0 resumed, 0 failed",
        "b: 0 requests on 0 connections (0.0 each), handshakes 0 full, 0 resumed, 0 failed",
    ]
    assert (process.returncode, errors) == (0, "")
    assert list(temporary.iterdir()) == []


def test_json_lines_carry_the_target_and_the_counts(temporary, start_python):
    process = start_python(*MODULE, "--json", "--rtt", "1ms", "--host", "127.0.0.1", "--keep-alive", "2s")
    target = Target(**json.loads(process.stdout.readline())["target"])
    assert target.rtt_ms == 1
    assert target.url("").startswith("https://127.0.0.1:")
    assert json.loads(process.stdout.readline())["origins"]["main"]["requests_count"] == 0
    with RawConnection(target, client_context(target)) as connection:
        connection.get("/api/x")
    assert json.loads(process.stdout.readline())["origins"]["main"]["requests_count"] == 1
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert list(temporary.iterdir()) == []


def test_a_reader_that_leaves_early_ends_it(temporary, start_python):
    reading, writing = os.pipe()
    os.close(reading)
    process = start_python(*MODULE, stdout=writing)
    os.close(writing)
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize(("arguments", "alpn"), [((), "http/1.1"), (("--http", "2"), "h2")])
def test_http2_is_offered_where_it_was_asked_for(start_python, arguments, alpn):
    process = start_python(*MODULE, *arguments)
    lines = [process.stdout.readline().rstrip() for _ in range(3)]
    url, bundle = lines[0].split()[1], lines[1].split()[1]
    assert (lines[2] == "HTTP: 1.1 and 2, as the client chooses by ALPN") == (alpn == "h2")
    context = client_context(SimpleNamespace(bundle=bundle))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with RawConnection(SimpleNamespace(url=lambda path, _origin: url + path), context) as connection:
        assert connection.tls.selected_alpn_protocol() == alpn
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--http", "3"], "argument --http: invalid choice: '3'"),
        (["--rtt", "20"], "argument --rtt: '20' is not a time; write e.g. 20ms or 1.5s"),
        (["--port", "0"], "argument --port: '0' is not a port; write a number from 1 to 65535"),
        (["--port", "65536"], "argument --port: '65536' is not a port; write a number from 1 to 65535"),
        (["--host", "0.0.0.0"], "argument --host: invalid choice: '0.0.0.0'"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_bad_input_is_one_sentence(capsys, arguments, sentence):
    with pytest.raises(SystemExit) as raised:
        __main__.main(arguments)
    assert raised.value.code == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"connprof_server: {sentence}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("origins", "sentence"),
    [
        ("a,a", "each origin needs a name of its own"),
        ("", "each origin needs a name of its own"),
        ("a/b", "'a/b' is no name of an origin; use letters, digits, dots, dashes and underscores"),
    ],
)
def test_origins_without_a_proper_name_are_refused(start_python, origins, sentence):
    process = start_python(*MODULE, "--origins", origins)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (2, f"connprof_server: {sentence} (--help says more)\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_output_is_one_sentence(temporary, start_python):
    with Path("/dev/full").open("wb") as stream:
        process = start_python(*MODULE, stdout=stream)
        _, errors = process.communicate(timeout=20)
    assert errors == "connprof_server: standard output cannot be written: No space left on device\n"
    assert process.returncode == 2
    assert list(temporary.iterdir()) == []


def test_a_closed_output_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    assert __main__.main([]) == 2
    assert capsys.readouterr().err == "connprof_server: standard output cannot be written: it is closed\n"


def test_a_busy_port_ends_it_with_one_sentence(start_python, server):
    port = server.target.url("").rsplit(":", 1)[1]
    process = start_python(*MODULE, "--port", port)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (1, f"connprof_server: port {port} on 127.0.0.1 is in use\n")


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as raised:
        __main__.main(["--help"])
    assert raised.value.code == 0
    text = capsys.readouterr().out
    assert "/api/ANYTHING" in text
    assert "exit status is 0" in text


@pytest.mark.parametrize(("text", "milliseconds"), [("20ms", 20), ("1.5s", 1_500), ("0ms", 0), ("2s", 2_000)])
def test_times(text, milliseconds):
    assert __main__._milliseconds(text) == milliseconds
