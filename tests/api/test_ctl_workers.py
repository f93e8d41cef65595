"""schedctl worker ... and stats."""

import re

import pytest

from ctl import in_terminal, plain, run, url_of
from fakeserver import FakeServer
from server import wait_until


BEAT = {"load": 0.5, "version": "1.2", "running": ["t1"], "pid": 4711, "host": "a1"}


@pytest.fixture(name="worker")
def _worker(client, queue):
    """A worker that holds tasks in two queues and has sent a heartbeat."""
    name = f"w-{queue.name}"
    other = client.queue(queue.name + "-other")
    queue.push("t1", "t2", "t3")
    other.push("o1")
    queue.take(name, count=2)
    other.take(name)
    assert client.post(f"/v1/workers/{name}/heartbeat", BEAT).status == 200
    return name


def seen(ctl, name):
    """Until the list has it with its heartbeat."""
    wait_until(lambda: re.search(rf"^{name} .* a1 ", ctl("worker", "ls").out, re.M), what=name)


# -- workers -------------------------------------------------------------------


def test_no_workers(place):
    one = place.schedd()
    got = run("--server", url_of(one), "worker", "ls")
    assert got.code == 0 and got.out == "" and "no worker was seen yet" in got.err
    assert run("--server", url_of(one), "worker", "ls", "-q").err == ""
    assert run("--server", url_of(one), "worker", "ls", "--json").json == {"workers": []}


def test_ls(ctl, worker):
    seen(ctl, worker)
    got = ctl("worker", "ls")
    titles = "NAME HOLDS SEEN HEARTBEAT ADDRESS HOST VERSION LOAD"
    assert got.code == 0 and got.out.splitlines()[0].split() == titles.split()
    row = next(row for row in got.rows if row[0] == worker)
    assert row[1] == "3" and row[3] == "ago" and row[-3:] == ["a1", "1.2", "0.5"]
    assert [row[0] for row in ctl("worker", "ls", worker[:-1] + "?").rows] == [worker]
    got = ctl("worker", "ls", "nope*")
    assert got.code == 0 and got.out == "" and "there is no such worker" in got.err
    got = ctl("worker", "ls", worker, "--json").json["workers"]
    assert [w["name"] for w in got] == [worker] and got[0]["details"] == BEAT
    assert worker in [w["name"] for w in ctl("worker", "ls", "--json").json["workers"]]


def test_show(ctl, worker, queue):
    seen(ctl, worker)
    got = ctl("worker", "show", worker)
    assert got.code == 0 and got.err == ""
    assert re.search(rf"^worker +{worker}$", got.out, re.M)
    assert re.search(r"^last heartbeat +\S+ ago$", got.out, re.M)
    assert re.search(r"^running +t1$", got.out, re.M) and re.search(r"^pid +4711$", got.out, re.M)
    assert re.search(rf"^{queue.name} +2 +\S+ ago  t[123], t[123]$", got.out, re.M)
    assert re.search(rf"^{queue.name}-other +1 +\S+ ago  o1$", got.out, re.M)
    got = ctl("worker", "show", worker, "--json").json
    assert {h["queue"]: h["count"] for h in got["holds"]} == {
        queue.name: 2, queue.name + "-other": 1,
    }  # fmt: skip
    got = ctl("worker", "show", "no-such-worker")
    assert got.code == 1 and got.out == "" and "E314 WORKER_UNKNOWN" in got.err
    got = ctl("worker", "show", "a b")
    assert got.code == 2 and "WORKER 'a b': expected 1-64" in got.err


def test_rm(ctl, worker, queue):
    got = ctl("worker", "rm", worker)
    assert got.code == 0 and got.out == f"{worker} is forgotten; leases taken back: 3\n"
    assert queue.counts() == {"todo": 3}
    got = ctl("worker", "rm", worker)
    assert got.code == 1 and "E314 WORKER_UNKNOWN" in got.err
    queue.take(worker)
    assert ctl("worker", "rm", worker, "--json").json["reclaimed"] == 3
    queue.take(worker)
    assert ctl("worker", "rm", worker, "--quiet").out == ""


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_on_a_terminal(schedd, client, queue, columns):
    """The longest name and many ids; heartbeats as bad as can be."""
    name, ids = "w" * 64, [f"{'i' * 40}-{n}" for n in range(60)]
    queue.push_many(ids)
    queue.take(name, count=60)
    evil = {"version": "\x1b[31m\u202e" + "漢字" * 5, "host": "\u009b" * 60, "load": 1e6}
    assert client.post(f"/v1/workers/{name}/heartbeat", evil).status == 200
    server = ["--server", url_of(schedd)]
    wait_until(lambda: "漢字" in run(*server, "worker", "ls").out, what="the heartbeat")
    for words in (["worker", "ls"], ["worker", "show", name]):
        code, out = in_terminal([*server, *words], columns=columns)
        lines = plain(out)
        assert code == 0 and not set("".join(lines)) & set("\x1b\u202e\u009b")
        assert max(len(line) + line.count("漢") + line.count("字") for line in lines) <= columns
        code, out = in_terminal([*server, *words, "--no-color"], columns=columns)
        assert code == 0 and b"\x1b" not in out
    # The ids go on below themselves; none is lost.
    text = "".join("".join(lines).split())
    assert all(f"{'i' * 40}-{n}" in text for n in range(60))
    assert b"\x1b[1mwww" in in_terminal([*server, *words], columns=columns)[1]


def test_answers_of_another_shape():
    for words in (["worker", "ls"], ["worker", "ls", "x"], ["worker", "show", "w"], ["stats"]):
        for bad in ([], {}, {"workers": 1}, {"workers": [{}]}, {"name": "w", "holds": 1}):
            with FakeServer(lambda *_, bad=bad: (200, bad)) as fake:
                got = run(*fake.url, *words)
                assert got.code == 3 and "E912 ANSWER_BAD" in got.err, (words, bad)


# -- stats ---------------------------------------------------------------------


def test_stats(ctl, queue, client):
    queue.push("a")
    queue.take()
    wait_until(lambda: queue.name in ctl("stats").out, what="the queue in stats")
    got = ctl("stats")
    assert got.code == 0 and got.err == ""
    assert re.search(r"^version +[0-9.]+$", got.out, re.M)
    assert re.search(r"^ready +yes$", got.out, re.M)
    assert re.search(r"^answers/s +.*2xx ", got.out, re.M)
    assert re.search(r"^LATENCY +P50 +P99 +REQUESTS\npush +\S+ +\S+ +\d+\ntake ", got.out, re.M)
    assert re.search(r"^JANITOR +LAST RUN +TOOK +TASKS +RUNS +ERRORS\n\w+ +\S+ ago", got.out, re.M)
    assert re.search(r"^NAME +TODO", got.out, re.M)
    assert set(ctl("stats", "--json").json) == set(client.get_json("/v1/stats"))


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_stats_on_a_terminal(schedd, queue, columns):
    queue.push("a")
    code, out = in_terminal(["--server", url_of(schedd), "stats"], columns=columns)
    assert code == 0 and max(map(len, plain(out))) <= columns
    assert b"\x1b[32myes" in out
    words = ["--server", url_of(schedd), "stats", "--no-color"]
    assert b"\x1b" not in in_terminal(words, columns=columns)[1]
