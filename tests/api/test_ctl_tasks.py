"""schedctl task ls, show and extend."""

import json
import os
import re
import subprocess

import pytest

from ctl import LIMIT_S, environment, in_terminal, plain, run, url_of
from fakeserver import FakeServer, error

HOSTILE = "\x1b]0;title\x07\u009b31m\u202e\n\r\ttail"
WIDE = "漢字" * 40


def columns_of(line):
    """How many columns a line takes: these tests write wide characters of one
    kind alone."""
    return len(line) + sum(ch in "漢字" for ch in line)


# -- task ls -------------------------------------------------------------------


def test_pages(ctl, queue):
    ids = [f"{kind}-{i:04}" for i in range(750) for kind in ("mail", "sms")]
    queue.push_many(ids[:750])
    queue.push_many(ids[750:])
    got = ctl("task", "ls", queue.name)
    assert [row[0] for row in got.rows] == ids[:100]
    after = re.search(r"there are more: --after (\S+)", got.err).group(1)
    got = ctl("task", "ls", queue.name, "--after", after, "--limit", "3")
    assert [row[0] for row in got.rows] == ids[100:103]
    # Several pages have one heading, and are one JSON document.
    got = ctl("task", "ls", queue.name, "--limit", "5000")
    assert [row[0] for row in got.rows] == ids and got.out.count("PRIORITY") == 1
    got = ctl("task", "ls", queue.name, "--limit", "5000", "--json")
    assert [t["id"] for t in got.json["tasks"]] == ids and got.json["after"] is None
    got = ctl("task", "ls", queue.name, "--limit", "1200", "--json")
    assert len(got.json["tasks"]) == 1200 and got.json["after"]
    got = ctl("task", "ls", queue.name, "--match", "sms-000?", "--limit", "5000")
    assert [row[0] for row in got.rows] == [f"sms-000{i}" for i in range(10)]
    got = ctl("task", "ls", queue.name, "--state", "dead")
    assert got.code == 0 and got.out == "" and "no such tasks" in got.err
    got = ctl("task", "ls", queue.name, "--state", "dead", "--json")
    assert got.json == {"tasks": [], "after": None}
    got = ctl("task", "ls", queue.name, "--state", "nope")
    assert got.code == 2 and "--state 'nope': expected todo, doing" in got.err
    got = ctl("task", "ls", queue.name, "--state", "todo,dead")
    assert got.code == 2 and "--state 'todo,dead': expected" in got.err
    got = ctl("task", "ls", queue.name, "--after", "nope")
    assert got.code == 1 and "after" in got.err
    got = ctl("task", "ls", "no-such-queue", "--json")
    assert got.code == 1 and got.json["error"]["name"] == "QUEUE_UNKNOWN"


def test_filters(ctl, queue):
    """The options of a set choose here, too."""
    queue.push_many(["a", "b", "c", "d"])
    queue.take("w1", count=2)
    queue.take("w2", count=1)
    name = queue.name

    def ids(*words):
        got = ctl("task", "ls", name, *words)
        assert got.code == 0, got
        return [row[0] for row in got.rows]

    assert ids("--state", "doing", "--worker", "w2") == ["c"]
    assert ids("--state", "doing", "--worker", "w3") == []
    queue.report("w1", failed=[{"id": "a", "error": "Disk full", "retry": False}])
    queue.report("w1", failed=[{"id": "b", "error": "no route", "retry": False}])
    assert ids("--state", "dead", "--error-match", "DISK") == ["a"]
    assert ids("--state", "dead", "--error-match", "o", "--match", "[b-z]") == ["b"]
    assert ids("--state", "dead", "--older", "1h") == []
    assert ids("--state", "dead", "--older", "0") == ["a", "b"]
    got = ctl("task", "ls", name, "--error-match", "x")
    assert got.code == 2 and "--error-match does not go with --state todo" in got.err


TITLES = {
    "todo": "ID PRIORITY ATTEMPTS ERROR",
    "doing": "ID ATTEMPTS TAKEN LEASE ENDS WORKER ERROR",
    "delayed": "ID PRIORITY ATTEMPTS RUNS",
    "failed": "ID ATTEMPTS FAILED RETRY ERROR",
    "dead": "ID ATTEMPTS DIED ERROR",
    "finish": "ID FINISHED WORKER",
}


@pytest.fixture(name="full")
def _full(queue):
    """A queue with tasks in each state; ids and errors are as bad as can be."""
    long = "i" * 255
    queue.push({"id": "later", "payload": 1, "delay_s": 999})
    queue.push_many(["dead", "dead2", "failed", "finish", long])
    queue.take("w" * 64, count=5)
    items = [{"id": "dead", "error": HOSTILE * 50}, {"id": "dead2", "error": WIDE}]
    queue.report("w" * 64, failed=[{**i, "retry": False} for i in items])
    queue.report("w" * 64, failed=[{"id": "failed", "error": WIDE + HOSTILE}])
    queue.finish("finish", worker="w" * 64)
    queue.push("x")
    return queue


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("state", TITLES)
def test_ls_on_a_terminal(schedd, full, state, columns):
    """No line is wider than the terminal, nothing acts on it, the id comes
    first; from 80 columns on no column is missing."""
    words = ["--server", url_of(schedd), "task", "ls", full.name, "--state", state]
    code, out = in_terminal(words, columns=columns)
    text = out.decode()
    assert code == 0
    assert not set(re.sub(r"\x1b\[[0-9]*m", "", text)) & set("\x1b\x07\u009b\u202e\t")
    lines = plain(out)
    assert len(lines) == (3 if state == "dead" else 2)
    assert max(map(columns_of, lines)) <= columns, lines
    titles = lines[0].split()
    assert titles[0] == "ID"
    if columns >= 80:
        assert " ".join(titles) == TITLES[state]
    assert all(re.match(r"(dead|failed|finish|later|x|iii)", line) for line in lines[1:])
    # To a pipe all of it goes, without colours; still nothing acts.
    got = run(*words)
    assert "\x1b" not in got.out and " ".join(got.out.split("\n")[0].split()) == TITLES[state]
    if state == "doing":
        assert "i" * 255 in got.out and "w" * 64 in got.out
    if state == "dead":
        assert WIDE in got.out and "\\x1b]0;title" in got.out
    code, out = in_terminal([*words, "--no-color"], columns=columns)
    assert code == 0 and b"\x1b" not in out


def test_pipe_closed_early(schedd, queue):
    """'| head -1': it ends at once and says nothing, however much there is."""
    for part in range(10):
        queue.push_many([f"{part}-{i}" for i in range(1000)])
    for words in (["task", "ls", queue.name], ["task", "ls", queue.name, "--json"]):
        command = [os.environ["SCHEDCTL"], "--server", url_of(schedd), *words]
        with subprocess.Popen(
            [*command, "--limit", "10000"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        ) as process:
            assert process.stdout.readline()[:1] in (b"I", b"{")
            process.stdout.close()
            err = process.stderr.read()
            process.wait(LIMIT_S)
        assert err == b""


def test_ls_fails_in_the_middle():
    """What came is shown, and the document is whole."""
    row = {"id": "a", "state": "todo", "attempts": 0, "max_attempts": 3}

    def answer(_method, path, _body):
        if "after=" in path:
            return 503, error(101, "REDIS_DOWN")
        return 200, {"tasks": [row], "after": "todo:1"}

    with FakeServer(answer) as fake:
        got = run(*fake.url, "task", "ls", "q")
        assert got.code == 1 and [r[0] for r in got.rows] == ["a"] and "E101" in got.err
        got = run(*fake.url, "task", "ls", "q", "--json")
        assert got.code == 1 and got.json == {"tasks": [row], "after": "todo:1"}
    for bad in ([], {"tasks": 1}, {"tasks": [1]}, {"tasks": [{}]}):
        with FakeServer(lambda *_, bad=bad: (200, bad)) as fake:
            got = run(*fake.url, "task", "ls", "q")
            assert got.code == 3 and "E912 ANSWER_BAD" in got.err


# -- task show -----------------------------------------------------------------


def fields(out):
    """What stands before the payload, by name."""
    head = out.split("payload:\n")[0].split("result:\n")[0]
    return dict(re.split(r"  +", line, maxsplit=1) for line in head.splitlines())


def test_show_life(ctl, queue):
    """From push to finish, each time with how long ago."""
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    queue.push({"id": "a", "payload": {"to": ["you"]}, "priority": "high", "max_attempts": 2})

    def show():
        got = ctl("task", "show", queue.name, "a")
        assert got.code == 0 and got.err == ""
        return fields(got.out), got.out

    told, _ = show()
    assert told["id"] == "a" and told["state"] == "todo"
    assert told["priority"] == "high" and told["attempts"] == "0 of 2"
    assert re.fullmatch(rf"{time}  \(\S+ ago\)", told["pushed"]) and "taken" not in told
    queue.take("w1", lease_s=600)
    told, _ = show()
    assert told["state"] == "doing" and told["held by"] == "w1" and told["attempts"] == "1 of 2"
    assert re.fullmatch(rf"{time}  \(in (9m\d+s|10m0s)\)", told["lease ends"])
    assert re.fullmatch(rf"{time}  \(\S+ ago\)", told["taken"])
    queue.report("w1", failed=[{"id": "a", "error": "it\nbroke"}])
    told, _ = show()
    assert told["state"] == "failed" and told["error"] == "it\\nbroke"
    assert "(in " in told["retry"] and " ago)" in told["last failed"]
    ctl("task", "retry", queue.name, "a")
    queue.take("w2")
    queue.report("w2", failed=["a"])
    told, out = show()
    assert told["state"] == "dead" and " ago)" in told["died"] and told["attempts"] == "2 of 2"
    assert out.endswith('payload:\n{\n  "to": [\n    "you"\n  ]\n}\n')
    ctl("task", "retry", queue.name, "a")
    queue.take("w3")
    queue.report("w3", finished=[{"id": "a", "result": {"sent": True}}])
    told, out = show()
    assert told["state"] == "finish" and told["worker"] == "w3" and " ago)" in told["finished"]
    assert out.endswith('result:\n{\n  "sent": true\n}\n') and "payload" not in out


@pytest.mark.parametrize(
    "payload",
    [
        b"null",
        b"12345678901234567890.10E+05",
        b'"say \\"x\\" \\u0041 \\\\"',
        b"[ ]",
        b'{"b":1,"a":{"c":[1,2,[]],"b":{}},"b":"again"}',
        b'{"\\u0062": [ {"x" : "a:b,c{}[]\\"" } ]}',
    ],
)
def test_show_payload(ctl, queue, payload):
    """Only blanks between values are others; --json has the bytes."""
    body = b'{"id":"a","payload":%s}' % payload
    assert queue.client.post(f"{queue.path}/tasks", body).status == 201
    got = ctl("task", "show", queue.name, "a")
    shown = got.out.split("payload:\n")[1]
    assert shown.endswith("\n")

    def tokens(text):
        return re.findall(r'"(?:\\.|[^"\\])*"|[^\s"]', text)

    assert tokens(shown) == tokens(payload.decode())
    if json.loads(payload) not in (None, []) and payload[:1] in b"{[":
        assert "\n  " in shown
    assert payload.decode() in ctl("task", "show", queue.name, "a", "--json").out


def timeless(text):
    """Without blanks, and without what changes by the second."""
    return re.sub(r"\((in)?[0-9.a-z]*\)", "", "".join(text.split()))


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_show_on_a_terminal(schedd, full, columns):
    for task_id in ("dead", "dead2", "failed", "i" * 255):
        words = ["--server", url_of(schedd), "task", "show", full.name, task_id]
        code, out = in_terminal(words, columns=columns)
        assert code == 0
        text = re.sub(rb"\x1b\[[0-9]*m", b"", out).decode()
        assert not set(text) & set("\x1b\x07\u009b\u202e\t")
        # The payload alone may be wider: it is somebody else's.
        head = plain(out)[: plain(out).index("payload:")]
        assert max(map(columns_of, head)) <= columns
        # Nothing of a long error is lost: it goes on below itself.
        assert timeless(text) == timeless(run(*words).out)
    assert b"\x1b[31mdead" in in_terminal([*words[:-1], "dead"], columns=columns)[1]


def test_show_refused(ctl, queue):
    queue.push("a")
    got = ctl("task", "show", queue.name, "nope")
    assert got.code == 1 and "E312 TASK_UNKNOWN" in got.err
    got = ctl("task", "show", queue.name, "nope", "--json")
    assert got.code == 1 and got.json["error"]["code"] == 312
    for bad in ([], {}, {"id": "a"}):
        with FakeServer(lambda *_, bad=bad: (200, bad)) as fake:
            got = run(*fake.url, "task", "show", "q", "a")
            assert got.code == 3 and "E912 ANSWER_BAD" in got.err


# -- task extend ---------------------------------------------------------------


def test_extend(ctl, queue):
    queue.push("a", "b", "c")
    queue.take("w1", count=2, lease_s=60)
    words = ("task", "extend", queue.name)
    got = ctl(*words, "a", "b", "--worker", "w1", "--lease", "2h")
    assert got.code == 0 and got.out == ""
    assert re.fullmatch(r"schedctl: extended 2, until in (2h0m|1h59m), refused 0\n", got.err)
    assert re.search(r"in (2h0m|1h59m)", ctl("task", "show", queue.name, "a").out)
    got = ctl(*words, "a", "c", "--worker", "w1")
    assert got.code == 4 and "schedctl: c: E511 TASK_NOT_HELD" in got.err
    assert re.search(r"extended 1, until in (1d0h|23h59m), refused 1", got.err)
    got = ctl(*words, "a", "--worker", "w2", "--json")
    assert got.code == 1 and got.json["extended"] == 0 and "E510 LEASE_LOST" in got.err
    assert ctl(*words, "a", "--worker", "w1", "--quiet").err == ""
    for bad in (["a"], ["--worker", "w1"], ["a b", "--worker", "w1"], ["a", "--worker", "w 1"],
                ["a", "--worker", "w1", "--lease", "soon"]):  # fmt: skip
        got = ctl(*words, *bad)
        assert got.code == 2 and got.out == ""
