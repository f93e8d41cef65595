"""schedctl task retry, task rm and queue purge: acting on sets of tasks, and on
those that are named."""

import re
import signal
import threading

import pytest

from ctl import Terminal, in_terminal, run, url_of
from fakeserver import FakeServer, Gone, Sets, error
from server import wait_until


def kill(queue, *ids, text="no such address"):
    """Pushes tasks and lets them die of an error."""
    queue.push_many(ids)
    queue.take(count=len(ids))
    queue.report(failed=[{"id": i, "error": text, "retry": False} for i in ids])


def counts(queue, state):
    """How many there are in one state."""
    return queue.counts().get(state, 0)


# -- which ones ----------------------------------------------------------------


def test_retry_by_error(ctl, queue):
    """The dead ones by what killed them; others stay."""
    kill(queue, "a1", "a2", "b1", text="Mailbox FULL: you")
    kill(queue, "a3", text="no such address")
    words = ("task", "retry", queue.name, "--error-match", "mailbox full")
    got = ctl(*words, "--dry-run")
    assert got.code == 0 and got.err == ""
    assert got.out == f"would retry 3 tasks of {queue.name} (dead 3)\n"
    assert counts(queue, "dead") == 4
    got = ctl(*words, "--match", "a*", "--yes")
    assert got.code == 0 and got.out == f"retried 2 tasks of {queue.name} (dead 2)\n"
    assert sorted(queue.ids("todo")) == ["a1", "a2"] and sorted(queue.ids("dead")) == ["a3", "b1"]
    got = ctl(*words, "--yes", "--json").json
    assert got == {
        "queue": queue.name, "count": 1, "seen": 2, "dry_run": False, "complete": True,
        "states": {"dead": 1},
    }  # fmt: skip
    assert ctl(*words, "--yes", "--quiet").out == ""


def test_states(ctl, queue):
    """Several states, or all; the sums say what each had."""
    kill(queue, "d1", "d2")
    queue.push({"id": "later", "payload": 1, "delay_s": 99})
    queue.push("t1", "t2", "t3")
    queue.take("w9", count=1)
    name = queue.name
    got = ctl("task", "rm", name, "--state", "dead,delayed,todo", "--dry-run")
    assert got.out == f"would remove 5 tasks of {name} (dead 2, delayed 1, todo 2)\n"
    got = ctl("queue", "purge", name, "--state", "all", "--dry-run", "--json").json
    assert got["count"] == 6 and got["states"]["doing"] == 1 and got["dry_run"] is True
    got = ctl("task", "retry", name, "--state", "all", "-y")
    assert got.out == f"retried 3 tasks of {name} (failed 0, dead 2, delayed 1)\n"
    got = ctl("queue", "purge", name, "--state", "doing", "--worker", "w8", "-y")
    assert got.out == f"removed 0 tasks of {name} (doing 0)\n"
    got = ctl("queue", "purge", name, "--state", "doing", "--worker", "w9", "-y")
    assert got.out == f"removed 1 task of {name} (doing 1)\n"
    got = ctl("task", "rm", name, "--state", "todo,todo", "--older", "1h", "-y")
    assert got.out == f"removed 0 tasks of {name} (todo 0)\n"
    got = ctl("task", "rm", name, "--state", "todo", "-y")
    assert got.out == f"removed 5 tasks of {name} (todo 5)\n"
    assert queue.counts() == {}


def test_limit(ctl, queue):
    """No more than that, over all states."""
    kill(queue, *[f"d{i}" for i in range(5)])
    queue.push(*[f"t{i}" for i in range(5)])
    words = ("queue", "purge", queue.name, "--state", "dead,todo", "--limit", "7")
    want = f"7 tasks of {queue.name} (dead 5, todo 2)\n"
    assert ctl(*words, "--dry-run").out == "would remove " + want
    assert ctl(*words, "-y").out == "removed " + want
    assert queue.counts() == {"todo": 3}


def test_many(ctl, queue):
    """Many slices; the dry run counts what is then done."""
    for part in range(20):
        queue.push_many([f"{'x' if i % 4 else 'y'}{part}-{i}" for i in range(1000)])
    words = ("queue", "purge", queue.name, "--state", "todo", "--match", "y*")
    dry = ctl(*words, "--dry-run", "--json").json
    assert dry["count"] == 5000 and dry["seen"] == 20000 and dry["complete"] is True
    done = ctl(*words, "--yes", "--json").json
    assert done["count"] == 5000 and done["complete"] is True
    assert queue.counts() == {"todo": 15000}


@pytest.mark.parametrize(
    "words, said",
    [
        (["queue", "purge"], "which tasks? --state is missing: todo, doing, delayed, failed, dead"),
        (["task", "rm"], "which tasks? --state is missing"),
        (["task", "rm", "--match", "x*"], "which tasks? --state is missing"),
        (["task", "rm", "--state", "doing,nope"], "--state 'doing,nope': expected todo, doing"),
        (["task", "rm", "--state", "dead,"], "--state 'dead,': expected"),
        (["task", "rm", "--state", ""], "--state '': expected"),
        (["task", "retry", "--state", "todo"], "--state 'todo': expected delayed, failed, dead, s"),
        (["task", "rm", "--state", "todo", "--worker", "w"], "only with doing and finish"),
        (["task", "rm", "--state", "todo", "--error-match", "x"], "only with failed and dead"),
        (["task", "rm", "--state", "all", "--error-match", "x"], "only with failed and dead"),
        (["task", "rm", "--state", "doing", "--worker", "a b"], "--worker 'a b': expected 1-64"),
        (["task", "retry", "--error-match", ""], "--error-match: expected a text"),
        (["task", "retry", "--match", ""], "--match: expected a glob"),
        (["task", "retry", "--older", "soon"], "--older 'soon': expected seconds, or such as"),
        (["task", "retry", "--limit", "0"], "--limit '0': expected a whole number, at least 1"),
        (["task", "retry", "x", "--state", "dead"], "IDs and options that choose tasks exclude"),
        (["task", "rm", "x", "--older", "1s"], "IDs and options that choose tasks exclude"),
    ],
)
def test_nonsense(words, said):
    """It is told what was expected, and nothing is sent."""
    with FakeServer(Sets({})) as fake:
        noun, verb, *rest = words
        got = run(*fake.url, noun, verb, "q", *rest, "--yes")
        assert got.code == 2 and got.out == "" and said in got.err, got
        assert not fake.requests


def test_bytes_that_are_no_text():
    """An argument that is no UTF-8 would be another one when sent."""
    with FakeServer(Sets({})) as fake:
        for option in ("--error-match", "--match"):
            got = run(*fake.url, "task", "retry", "q", option, b"\xff", "-y")
            assert got.code == 2 and "in UTF-8" in got.err and not fake.requests


def test_queue_unknown(ctl):
    for words in (["task", "retry"], ["task", "rm", "--state", "dead"], ["queue", "purge", "--state", "all"]):
        got = ctl(*words[:2], "no-such-queue", *words[2:], "-y")
        assert got.code == 1 and got.out == "" and "E310 QUEUE_UNKNOWN" in got.err
    got = ctl("task", "retry", "no-such-queue", "-y", "--json")
    assert got.code == 1 and got.json["error"]["name"] == "QUEUE_UNKNOWN"


# -- asking --------------------------------------------------------------------


def test_nobody_to_ask():
    """Without a terminal and without --yes nothing is sent at all."""
    with FakeServer(Sets({"dead": 3})) as fake:
        for words in (
            ["task", "retry", "q"],
            ["task", "rm", "q", "--state", "dead"],
            ["queue", "purge", "q", "--state", "dead"],
            ["queue", "rm", "q"],
        ):
            got = run(*fake.url, *words)
            assert got.code == 2 and got.out == "" and not fake.requests
            assert "there is no terminal to ask at: --yes does it without asking" in got.err
        # Also when the output is a terminal, but nobody sits at the input.
        code, out = in_terminal([*fake.url, "task", "retry", "q"], stdin=b"y\n")
        assert code == 2 and b"no terminal to ask" in out and not fake.requests


@pytest.mark.parametrize("typed, done", [("y\r", True), ("YES\r", True), ("n\r", False),
                                         ("\r", False), ("yess\r", False), ("\x04", False)])  # fmt: skip
def test_asks(schedd, queue, typed, done):
    """It says how many there are, and waits for a yes."""
    kill(queue, "a", "b", "c")
    words = ["--server", url_of(schedd), "task", "retry", queue.name, "--no-color"]
    terminal = Terminal(*words)
    terminal.wait_for(rf"retry 3 tasks of {queue.name} \(dead 3\)\? \[y/N\] ")
    assert counts(queue, "dead") == 3
    terminal.type(typed)
    code, out = terminal.end()
    if done:
        assert code == 0 and f"retried 3 tasks of {queue.name} (dead 3)\r\n".encode() in out
        assert queue.counts() == {"todo": 3}
    else:
        assert code == 1 and b"schedctl: nothing was done\r\n" in out
        assert queue.counts() == {"dead": 3}


def test_nothing_to_ask(schedd, queue):
    """Where there are none, there is no question."""
    queue.push("a")
    terminal = Terminal("--server", url_of(schedd), "task", "retry", queue.name)
    code, out = terminal.end()
    assert code == 0 and out.endswith(f"retried 0 tasks of {queue.name} (dead 0)\r\n".encode())
    assert b"?" not in out


def test_ctrl_c_at_the_question(schedd, queue):
    kill(queue, "a")
    terminal = Terminal("--server", url_of(schedd), "task", "rm", queue.name, "--state", "dead")
    terminal.wait_for(r"\[y/N\] ")
    terminal.type("\x03")
    code, out = terminal.end()
    assert code == 1 and b"nothing was done" in out and queue.counts() == {"dead": 1}


def test_no_more_than_was_asked(schedd, queue):
    """Tasks that come while the question stands are not part of the answer."""
    kill(queue, "a", "b")
    terminal = Terminal("--server", url_of(schedd), "task", "rm", queue.name, "--state", "dead")
    terminal.wait_for(rf"remove 2 tasks of {queue.name} \(dead 2\)\? \[y/N\] ")
    kill(queue, *[f"late{i}" for i in range(10)])
    terminal.type("y\r")
    code, out = terminal.end()
    assert code == 0 and b"removed 2 tasks" in out and queue.counts() == {"dead": 10}


# -- long work -----------------------------------------------------------------


class Gate:
    """Holds the requests that act from a certain one on, until it is opened."""

    def __init__(self, number):
        self.number, self.came, self.open = number, threading.Event(), threading.Event()

    def __call__(self, number, _body):
        if number >= self.number:
            self.came.set()
            assert self.open.wait(30)


def test_progress():
    """A bar with how many are done and how fast, then wiped; as wide as the
    terminal at most."""
    for columns in (40, 80, 200):
        gate = Gate(6)
        with FakeServer(Sets({"dead": 100}, before=gate)) as fake:
            terminal = Terminal(*fake.url, "task", "retry", "q", "-y", columns=columns)
            # Where there is no room for both, the words go before the bar.
            bar = r"\[[#.]+\] +\d+%  " if columns >= 80 else ""
            drawn = terminal.wait_for(rf"\r\x1b\[K({bar}\d+ retried  [0-9.]+/s)")
            assert len(drawn.group(1)) < columns
            assert gate.came.wait(30)
            gate.open.set()
            code, out = terminal.end()
        assert code == 0 and out.endswith(b"\r\x1b[Kretried 100 tasks of q (dead 100)\r\n")
    with FakeServer(Sets({"dead": 100})) as fake:
        code, out = in_terminal([*fake.url, "task", "retry", "q", "-y", "--quiet"])
        assert code == 0 and out == b""


def test_time_left():
    """After a second it is told how long the rest will take."""
    slow = Gate(3)
    with FakeServer(Sets({"dead": 40}, before=slow)) as fake:
        terminal = Terminal(*fake.url, "task", "retry", "q", "-y", columns=80)
        assert slow.came.wait(30)
        threading.Timer(1.2, slow.open.set).start()
        terminal.wait_for(r"75%  30 retried  [0-9.]+/s  [0-9.]+s left")
        code, _ = terminal.end()
        assert code == 0


def test_ctrl_c():
    """The first one stops between two requests, and says how far it came."""
    gate = Gate(4)
    with FakeServer(Sets({"dead": 1000, "failed": 10}, before=gate)) as fake:
        terminal = Terminal(*fake.url, "task", "retry", "q", "-y", "--state", "dead,failed")
        assert gate.came.wait(30)
        terminal.type("\x03")
        wait_until(lambda: b"^C" in terminal.out or not terminal.read(), what="the key")
        gate.open.set()
        code, out = terminal.end()
        assert code == 4, out
        assert b"stopped: retried 40 tasks of q (dead 40, failed 0); the same command goes" in out
        assert sum(1 for r in fake.requests if r[0] == "POST") == 4


def test_ctrl_c_while_counting():
    """Nothing is done then."""
    with FakeServer(Sets({"dead": 10**9}, step=1)) as fake:
        terminal = Terminal(*fake.url, "task", "rm", "q", "--state", "dead")
        terminal.wait_for(r"\d+ found")
        terminal.type("\x03")
        code, out = terminal.end()
        assert code == 1 and re.search(rb"stopped: nothing was done; \d+ tasks of q \(dead", out)
        assert all(r[2]["dry_run"] for r in fake.requests if r[0] == "POST")


def test_ctrl_c_twice():
    """The second one does not wait for the server."""
    gate = Gate(1)
    with FakeServer(Sets({"dead": 1000}, before=gate)) as fake:
        terminal = Terminal(*fake.url, "task", "retry", "q", "-y")
        assert gate.came.wait(30)
        terminal.type("\x03")
        wait_until(lambda: b"^C" in terminal.out or not terminal.read(), what="the key")
        terminal.type("\x03")
        code, _ = terminal.end()
        gate.open.set()
        assert code == -signal.SIGINT


def test_busy_server():
    """It is waited for as it asks, and nothing is lost or done twice."""

    def busy(number, _body):
        if number in (2, 3):
            return 503, error(109, "STORE_BUSY"), {"Retry-After": "1"}
        return None

    with FakeServer(Sets({"dead": 25}, before=busy)) as fake:
        got = run(*fake.url, "task", "retry", "q", "-y")
        assert got.code == 0 and got.out == "retried 25 tasks of q (dead 25)\n"
        assert got.err == 2 * "schedctl: waiting 1 s: E109 STORE_BUSY: it is STORE_BUSY\n"
    with FakeServer(Sets({"dead": 25}, before=busy)) as fake:
        got = run(*fake.url, "--timeout", "1500ms", "task", "retry", "q", "-y")
        assert got.code == 4 and "E109 STORE_BUSY" in got.err
        assert "retried 10 tasks of q (dead 10) before that; the same command goes on" in got.err


def test_fails_in_the_middle():
    """What was done before is told, by code and by words."""

    def refuse(number, _body):
        return (507, error(110, "STORE_FULL", detail="after 3 tasks")) if number == 3 else None

    def leave(number, _body):
        # libcurl sends a request once more when a connection that was kept
        # open turns out to be closed.
        if number >= 3:
            raise Gone

    for before, code, name in ((refuse, 4, "E110 STORE_FULL"), (leave, 4, "cannot reach")):
        with FakeServer(Sets({"dead": 50}, before=before)) as fake:
            got = run(*fake.url, "task", "retry", "q", "-y")
            assert got.code == code and got.out == "" and name in got.err
            assert "retried 20 tasks of q (dead 20) before that" in got.err
        with FakeServer(Sets({"dead": 50}, before=before)) as fake:
            got = run(*fake.url, "task", "retry", "q", "-y", "--json")
            out = got.json
            assert got.code == code and out["count"] == 20 and out["complete"] is False
            assert (out.get("error", {}).get("name") == "STORE_FULL") == (before is refuse)
    # Before anything was done it is a plain refusal.
    with FakeServer(Sets({"dead": 50}, before=lambda *_: (500, error(999, "BUG")))) as fake:
        got = run(*fake.url, "task", "retry", "q", "-y", "--json")
        assert got.code == 1 and got.json["error"]["name"] == "BUG"


@pytest.mark.parametrize(
    "answer",
    [
        {"count": 0, "seen": 0, "after": "dead:1"},  # it leads nowhere
        {"count": -1, "seen": 0, "after": None},
        {"seen": 1, "after": None},
        [],
    ],
)
def test_answers_of_another_shape(answer):
    with FakeServer(lambda method, *_: (200, {"counts": {}} if method == "GET" else answer)) as f:
        got = run(*f.url, "task", "retry", "q", "-y")
        assert got.code == 3 and "E912 ANSWER_BAD" in got.err
        assert len(f.requests) <= 3


# -- by name -------------------------------------------------------------------


def test_named(ctl, queue):
    """Each is told; none is asked about."""
    kill(queue, "a", "b")
    queue.push({"id": "odd/%?#", "payload": 1, "delay_s": 99}, "t")
    name = queue.name
    got = ctl("task", "retry", name, "a", "odd/%?#", "--dry-run")
    assert got.code == 0 and got.out == "would retry a, dead\nwould retry odd/%?#, delayed\n"
    assert queue.counts() == {"dead": 2, "delayed": 1, "todo": 1}
    got = ctl("task", "retry", name, "a", "odd/%?#")
    assert got.code == 0 and got.out == "retried a, dead\nretried odd/%?#, delayed\n"
    got = ctl("task", "rm", name, "odd/%?#", "b", "--dry-run")
    assert got.out == "would remove odd/%?#, todo\nwould remove b, dead\n"
    got = ctl("task", "rm", name, "odd/%?#", "b")
    assert got.code == 0 and got.out == "removed odd/%?#, todo\nremoved b, dead\n"
    assert queue.counts() == {"todo": 2}
    assert ctl("task", "rm", name, "t", "--quiet").out == ""


def test_named_and_not_there(ctl, queue):
    """The others go on; the exit code says which it was."""
    kill(queue, "a")
    queue.push("t")
    name = queue.name
    got = ctl("task", "retry", name, "nope", "t", "a")
    assert got.code == 4 and got.out == "retried a, dead\n"
    assert "schedctl: nope: E312 TASK_UNKNOWN" in got.err
    assert "schedctl: t: it is todo; failed, dead and delayed ones can be retried" in got.err
    got = ctl("task", "retry", name, "nope", "t")
    assert got.code == 1 and got.out == ""
    got = ctl("task", "rm", name, "nope", "t", "a", "--json")
    assert got.code == 4
    first, *others = got.json["tasks"]
    assert first["id"] == "nope" and first["error"]["name"] == "TASK_UNKNOWN"
    assert others == [{"id": "t", "state": "todo"}, {"id": "a", "state": "todo"}]
    assert (got.json["count"], got.json["refused"]) == (2, 1)
    got = ctl("task", "retry", name, "x", "--json")
    assert got.code == 1 and got.json["tasks"][0]["error"]["code"] == 312
    got = ctl("task", "rm", "no-such-queue", "a")
    assert got.code == 1 and "E310 QUEUE_UNKNOWN" in got.err
    got = ctl("task", "rm", name, "a", "b c")
    assert got.code == 2 and "id 'b c': expected" in got.err


def test_named_and_the_server_leaves():
    def leave(_method, path, _body):
        if path.endswith("/b"):
            raise Gone
        return 200, {"id": path[-1], "state": "dead", "removed": True}

    with FakeServer(leave) as fake:
        got = run(*fake.url, "task", "rm", "q", "a", "b", "c")
        assert got.code == 4 and got.out == "removed a, dead\n" and "cannot reach" in got.err
        assert not any(r[1].endswith("/c") for r in fake.requests)
        got = run(*fake.url, "task", "rm", "q", "a", "b", "c", "--json")
        assert got.code == 4 and got.json["tasks"] == [{"id": "a", "state": "dead"}]
