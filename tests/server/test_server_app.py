import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from connprof_server import json_size_bytes
from tests.server.raw_client import RawConnection, client_context


@pytest.fixture
def connection(server):
    with RawConnection(server.target, client_context(server.target)) as opened:
        yield opened


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/x",
        "/api/1/datasets/?q=velo&page=2",
        "/api/a%20b/%C3%A9?q=%22",
        '/api/quote"and\\backslash',
        *(f"/api/{number}" for number in range(40)),
    ],
)
def test_api_answers_json_of_the_promised_size_with_its_path(connection, path):
    status, headers, body = connection.get(path)
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert len(body) == json_size_bytes(path)
    assert json.loads(body)["path"] == path


def test_api_answers_are_the_same_bytes_by_either_way(connection):
    """The prepared answer and the one through the application (asked for by closing the connection)."""
    first = connection.get("/api/same?a=1")
    second = connection.get("/api/same?a=1")
    third = connection.get("/api/same?a=1", headers="Connection: close\r\n")
    assert first == second
    assert third[2] == first[2]
    assert third[1] == {**first[1], "connection": "close"}
    assert connection.is_closed_by_server()


def test_api_records_look_like_records(connection):
    records = json.loads(connection.get("/api/records")[2])["records"]
    assert records
    assert {"id", "title", "tags", "resources"} <= set(records[0])


def test_api_refuses_a_path_too_long_for_its_answer(connection):
    status, headers, body = connection.get("/api/" + "x" * 20_000)
    assert (status, headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert b"too long" in body


def test_head_of_api_has_the_length_and_no_body(connection):
    status, headers, body = connection.get("/api/x", "HEAD")
    assert (status, headers["content-length"], body) == (200, str(json_size_bytes("/api/x")), b"")


@pytest.mark.parametrize("count", [0, 1, 16_384, 1_000_000])
def test_bytes(connection, count):
    assert connection.get(f"/bytes/{count}")[2] == b"x" * count


def test_delay_answers_after_it(connection):
    assert json.loads(connection.get("/delay/5")[2]) == {"delay_ms": 5}


def test_stream_sends_all_chunks_without_a_length(connection):
    status, headers, body = connection.get("/stream/7/100")
    assert (status, headers["transfer-encoding"], len(body)) == (200, "chunked", 700)


def test_redirects_are_relative_and_end(connection):
    assert connection.get("/redirect/2")[:2] == (302, {"content-length": "0", "location": "/redirect/1"})
    assert connection.get("/redirect/1")[1]["location"] == "/redirect/0"
    status, _, body = connection.get("/redirect/0")
    assert (status, json.loads(body)) == (200, {"ok": True})


def test_cookies_are_set_and_echoed(connection):
    headers = connection.get("/cookies/set?flavour=oat")[1]
    assert headers["set-cookie"].startswith("flavour=oat;")
    assert json.loads(connection.get("/cookies", headers="Cookie: flavour=oat; b=2\r\n")[2]) == {
        "flavour": "oat",
        "b": "2",
    }
    assert json.loads(connection.get("/cookies")[2]) == {}


@pytest.mark.parametrize("code", [200, 201, 204, 205, 304, 404, 418, 500, 503, 599])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE"])
def test_status_for_any_method(connection, code, method):
    length = "Content-Length: 0\r\n" if method == "POST" else ""
    status, _, body = connection.get(f"/status/{code}?why=not", method, length)
    assert status == code
    assert body == b"" or json.loads(body) == {"status": code}


def test_close_ends_the_connection(connection):
    status, headers, _ = connection.get("/close")
    assert (status, headers["connection"]) == (200, "close")
    assert connection.is_closed_by_server()


def test_executions_are_counted_by_post_only(server, connection):
    def post(key):
        return json.loads(connection.get(f"/executions/{key}", "POST", "Content-Length: 0\r\n")[2])

    assert post("booking") == {"key": "booking", "executions": 1}
    assert post("booking") == {"key": "booking", "executions": 2}
    assert json.loads(connection.get("/executions/booking")[2]) == {"key": "booking", "executions": 2}
    assert json.loads(connection.get("/executions/other")[2]) == {"key": "other", "executions": 0}
    assert server.executions()["booking"] == 2


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/bytes/x", "count must be a whole number from 0 to 67108864, not 'x'"),
        ("/bytes/67108865", "count must be a whole number from 0 to 67108864, not '67108865'"),
        ("/bytes/-1", "count must be a whole number from 0 to 67108864, not '-1'"),
        ("/bytes/" + "9" * 5_000, "count must be a whole number"),
        ("/delay/60001", "ms must be a whole number from 0 to 60000, not '60001'"),
        ("/stream/2/40000000", "chunks times count must be at most 67108864 bytes, not 80000000"),
        ("/stream/1/0", "count must be a whole number from 1 to 67108864, not '0'"),
        ("/redirect/101", "times must be a whole number from 0 to 100, not '101'"),
        ("/status/199", "code must be a whole number from 200 to 599, not '199'"),
        ("/status/600", "code must be a whole number from 200 to 599, not '600'"),
        ("/cookies/set", "say which cookie to set: /cookies/set?name=value"),
        ("/cookies/set?a%20b=1", "not a cookie: 'a b'='1'"),
    ],
)
def test_wrong_input_is_answered_with_a_sentence(connection, path, sentence):
    status, _, body = connection.get(path)
    assert status == 400
    assert body.decode().startswith(sentence)


def test_unknown_paths_and_methods(connection):
    assert connection.get("/nowhere")[0] == 404
    assert connection.get("/api/x", "DELETE")[0] == 404
    assert connection.get("/bytes/1", "DELETE")[0] == 405


def in_threads(server, path, count):
    """Asks for ``path`` on so many connections at once; the seconds that each waited, and the bodies."""

    def ask(_number):
        with RawConnection(server.target, client_context(server.target)) as opened:
            began = time.monotonic()
            status, _headers, body = opened.get(path)
            assert status == 200
            return time.monotonic() - began, body

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def test_a_gate_opens_for_all_at_once_and_can_be_used_again(server):
    for _ in range(2):
        answers = in_threads(server, "/gate/5/here", 5)
        assert {len(body) for _waited, body in answers} == {json_size_bytes("/gate/5/here")}
        assert max(waited for waited, _body in answers) < 1.9


def test_a_gate_for_one_is_open(server):
    assert in_threads(server, "/gate/1/alone", 1)[0][0] < 1


def test_a_gate_that_is_not_filled_opens_all_the_same(server):
    waited = [waited for waited, _body in in_threads(server, "/gate/3/lonely", 2)]
    assert max(waited) > 1.5


@pytest.mark.parametrize("path", ["/gate/0/x", "/gate/1001/x", "/gate/x/x", "/gate/1/" + "x" * 20_000])
def test_a_gate_that_makes_no_sense_is_refused(connection, path):
    assert connection.get(path)[0] == 400
