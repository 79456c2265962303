"""Reports that were damaged in ten thousand ways: one sentence or an answer, never a traceback."""

import json
import random

import pytest
from msgspec.structs import replace

from connprof.cli import cli, guarded
from connprof.store import encode, save_report
from tests import samples
from tests.gate.sides import candidate, consistent

pytestmark = pytest.mark.once

MUTATIONS_COUNT = 10_000
SEED = 20261122
STRANGE = (
    None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, 2**31, 2**63 - 1, 2**63, -(2**63), 10**30, 10**400, "", "x",
    "\x00\x1b[31m\r\n|`<b>&\u202e", "NaN", "a" * 10_000, [], {}, [[]], {"": None}, [1, 2, 3], {"kind": "measured"},
)  # fmt: skip
RAW = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"-1e999",
    b"1" * 5_000,
    b"[" * 2_000,
    b'{"a":' * 2_000,
    b"\xff",
    b"0x1",
)


def small(report):
    """Two cases without timelines: what is fuzzed is the format, not its bulk."""
    records = []
    for record in report.records[3:5]:
        outcome = record.outcome
        counts = replace(outcome.counts, events=(), sites=outcome.counts.sites[:1])
        timing = tuple(replace(one, latency_ns=((1, 2),)) for one in outcome.timing[:2])
        records.append(replace(record, outcome=replace(outcome, counts=counts, growth=(), timing=timing)))
    small = replace(
        report, records=tuple(records), strategies=report.strategies[3:5], run=replace(report.run, order=())
    )
    return consistent(small)


def damaged_bytes(text, draw):
    """Bytes flipped, cut, doubled, swapped or replaced by what JSON does not have."""
    text = bytearray(text)
    place = draw.randrange(len(text))
    kind = draw.randrange(6)
    if kind == 0:
        for _ in range(draw.choice((1, 1, 1, 5, 50))):
            text[draw.randrange(len(text))] = draw.randrange(256)
    elif kind == 1:
        del text[place:]
    elif kind == 2:
        del text[place : place + draw.randrange(1, 40)]
    elif kind == 3:
        text[place:place] = text[draw.randrange(len(text)) :][: draw.randrange(1, 400)]
    elif kind == 4:
        text[place : place + draw.randrange(1, 8)] = draw.choice(RAW)
    else:
        text[place] ^= 1 << draw.randrange(8)
    return bytes(text)


def containers(value):
    """Every object and array in ``value`` that holds something."""
    found, waiting = [], [value]
    while waiting:
        one = waiting.pop()
        if one and isinstance(one, dict | list):
            found.append(one)
            waiting += one.values() if isinstance(one, dict) else one
    return found


def damaged_structure(text, draw):
    """A key or an item dropped, renamed, doubled or replaced, in JSON that is otherwise whole."""
    content = json.loads(text)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        where = draw.choice(containers(content))
        place = draw.choice(list(where) if isinstance(where, dict) else range(len(where)))
        kind = draw.randrange(9)
        if kind == 0:
            del where[place]
        elif kind == 1 and isinstance(where, dict):
            where[draw.choice(("x", f"{place}x", place[:-1]))] = where.pop(place)
        elif kind == 2:
            nested = where[place]
            for _ in range(draw.choice((1, 10, 300))):
                nested = [nested] if draw.random() < 0.5 else {"x": nested}
            where[place] = nested
        elif kind == 3 and isinstance(where, list):
            where.append(where[place])
        elif kind > 4 and isinstance(where[place], int | float):
            where[place] = draw.choice((-where[place], where[place] * 10**20, where[place] + 1, 0, None))
        else:
            where[place] = draw.choice(STRANGE)
        if not content:
            break
    return json.dumps(content).encode("utf-8", "surrogatepass")


@pytest.mark.timeout(600)  # fifteen seconds of work, on machines that may be busy
def test_no_mutation_makes_a_traceback(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_report(small(samples.report()), tmp_path / "base.json")
    text = json.dumps(json.loads(encode(small(candidate())))).encode()
    draw = random.Random(SEED)
    codes = dict.fromkeys(range(5), 0)
    head = tmp_path / "head.json"
    for number in range(MUTATIONS_COUNT):
        head.write_bytes((damaged_structure if number % 2 else damaged_bytes)(text, draw))
        sides = ["base.json", "head.json"] if draw.random() < 0.8 else ["head.json", "base.json"]
        options = ["--format", draw.choice(("markdown", "junit", "json", "github"))] if number % 10 == 0 else []
        # Whatever is not a ConnprofError comes out of guarded() and fails this test with its traceback.
        code = guarded(cli, ["compare", *sides, *options])
        codes[code] += 1
        out, err = capsys.readouterr()
        if code == 2:
            assert err.startswith("Error: head.json "), (number, err)
            assert err.count("\n") == 1, (number, err)
            assert len(err) < 2_000
            assert out == ""
        else:
            assert err == "", (number, err)
            assert options or out.startswith(("PASS", "FAIL"))
    assert sum(codes.values()) == MUTATIONS_COUNT
    assert all(codes.values()), codes
