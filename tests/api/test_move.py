"""A queue goes to another backend with all that it has, whatever happens."""

import threading
import time

import pytest

from backends import Pair, keys, named
from ctl import run, url_of
from server import SLOW, merged, wait_until

MANY = 20_000


@pytest.fixture(name="pair")
def _pair(place):
    pair = Pair(place)
    with pair.client:
        yield pair


def start(client, name, to):
    """Starts a move."""
    return client.post(f"/v1/queues/{name}/move", {"to": to})


def ended(client, name, limit=60):
    """Waits for its end: how far the move came."""

    def over():
        got = client.get(f"/v1/queues/{name}/move")
        return got.json if got.status == 200 and got.json["over"] else None

    return wait_until(over, limit, f"the move of {name} to end")


def move(client, name, to):
    """A move that must succeed."""
    assert start(client, name, to).status == 202
    got = ended(client, name)
    assert got["state"] == "done", got
    assert got["tasks"] == got["copied"], got
    return got


def fill(queue, count):
    """So many tasks, t0 to ..."""
    for first in range(0, count, 1000):
        ids = [f"t{i}" for i in range(first, min(first + 1000, count))]
        body = {"tasks": [{"id": i, "payload": i} for i in ids]}
        wait_until(lambda b=body: queue.post("tasks", b).status in (200, 201))


def redis_ids(redis, queue):
    """The ids of all tasks that a Redis has of a queue."""
    return {k.decode() for k in redis.do("HKEYS", f"sched:{{{queue}}}:task")}


def everything(queue):
    """What a queue has, as its clients see it."""
    out = {s: queue.ids(s) for s in ("todo", "delayed", "doing", "failed", "finish", "dead")}
    out["tasks"] = {}
    for state in ("todo", "delayed", "doing", "failed", "dead", "finish"):
        for task_id in out[state]:
            out["tasks"][task_id] = queue.task(task_id)
    info = queue.info()
    for name in ("counts", "lanes", "totals", "policy", "overridden", "paused"):
        out[name] = info[name]
    return out


def furnish(queue):
    """Something everywhere: each state, lane and kind of note."""
    queue.patch(max_attempts=5, lease_s=500, retry_base_s=300)
    queue.push(*[{"id": f"d{i}", "payload": i} for i in range(4)])
    assert queue.take_ids("w1", count=4) == ["d0", "d1", "d2", "d3"]
    queue.finish("d0", worker="w1")
    queue.report("w1", finished=[{"id": "d1", "result": {"n": 12345678901234567890}}])
    queue.fail("d2", worker="w1")
    queue.fail("d3", worker="w1", retry=False)
    queue.push(*[{"id": f"h{i}", "payload": "x" * i} for i in range(3)])
    assert queue.take_ids("w2", count=2, request_id="r1") == ["h0", "h1"]
    assert queue.take_ids("w2", count=1, request_id="r2") == ["h2"]
    assert queue.remove("h2").status == 200  # leaves a mark for w2
    queue.push({"id": "late", "payload": [1.0, []], "delay_s": 3600})
    for lane in ("high", "normal", "low"):
        tasks = [{"id": f"{lane}{i}", "payload": {"k": i}, "priority": lane} for i in range(30)]
        queue.push(*tasks)
    queue.push({"id": "own", "payload": None, "max_attempts": 9})


def test_everything_goes_along(pair):
    queue = pair.queue("mails")
    furnish(queue)
    before = everything(queue)
    got = move(pair.client, "mails", "group")
    assert (got["from"], got["to"]) == ("main", "group") and got["reason"] is None
    assert everything(queue) == before
    assert queue.info()["backend"] == "group"
    assert keys(pair.main, "mails") == {"meta"} and "task" in keys(pair.group, "mails")
    assert queue.take_ids("w2", count=2, request_id="r1") == ["h0", "h1"]
    assert queue.report("w2", finished=["h2"])["refused"][0]["error"]["name"] == "TASK_CANCELLED"
    queue.finish("h0", worker="w2")
    assert queue.take_ids("w3", count=2) == ["high0", "high1"]
    assert queue.push("d1")["exists"] == 1
    line = pair.schedd.wait_log("queue.moved")
    assert line.values["queue"] == "mails" and line.values["to"] == "group"
    after = everything(queue)
    move(pair.client, "mails", "main")
    assert everything(queue) == after
    assert "task" in keys(pair.main, "mails") and keys(pair.group, "mails") == {"meta"}


def test_it_is_found_after_a_restart(pair):
    pair.queue("mails").push("a")
    pair.queue("phones").push("b")
    move(pair.client, "mails", "group")
    move(pair.client, "phones", "main")
    pair.schedd.kill()
    pair.schedd.start()
    with pair.schedd.client() as client:
        for name, backend, task in (("mails", "group", "a"), ("phones", "main", "b")):
            queue = client.queue(name)
            wait_until(lambda q=queue: q.client.get(q.path).status == 200)
            assert queue.info()["backend"] == backend
            assert queue.take_ids() == [task]
        got = client.get_json("/v1/queues")["queues"]
        assert [(q["name"], q["backend"]) for q in got] == [("mails", "group"), ("phones", "main")]


def test_round_and_back(place):
    third = place.redis()
    pair = Pair(place, named(third, "third"))
    with pair.client:
        queue = pair.queue("mails")
        queue.push("a")
        for to in ("group", "third", "main", "third", "group", "main"):
            move(pair.client, "mails", to)
            assert queue.info()["backend"] == to and queue.ids("todo") == ["a"]
        assert queue.take_ids() == ["a"]


def test_an_empty_queue(pair):
    queue = pair.queue("mails")
    queue.patch(max_attempts=4, paused=True)
    move(pair.client, "mails", "group")
    assert queue.info()["paused"] and queue.info()["policy"]["max_attempts"] == 4
    queue.push("a")
    assert "task" in keys(pair.group, "mails") and keys(pair.main, "mails") == {"meta"}


def test_large_payloads(pair):
    queue = pair.queue("mails")
    queue.patch(max_payload=1 << 20)
    for i in range(20):
        queue.push({"id": f"big{i}", "payload": "x" * 1_000_000})
    fill(queue, 100)
    move(pair.client, "mails", "group")
    assert queue.counts() == {"todo": 120}
    assert len(queue.task("big7")["payload"]) == 1_000_000


def test_what_is_refused(pair):
    queue = pair.queue("mails")
    start(pair.client, "nothing", "group").refused(404, "QUEUE_UNKNOWN")
    queue.push("a")
    start(pair.client, "mails", "moon").refused(400, "BACKEND_UNKNOWN")
    start(pair.client, "mails", "main").refused(409, "MOVE_REFUSED", "it is there")
    pair.client.post(queue.path + "/move", {}).refused(400, "FIELD_MISSING", "to")
    pair.client.get(queue.path + "/move").refused(404, "MOVE_UNKNOWN")
    pair.client.call("DELETE", queue.path + "/move").refused(404, "MOVE_UNKNOWN")
    move(pair.client, "mails", "group")
    pair.client.call("DELETE", queue.path + "/move").refused(409, "MOVE_REFUSED", "over")


def test_the_other_has_such_a_queue(pair, place):
    pair.queue("mails").push("a")
    other = merged(pair.settings, {'queue "mails"': {"backend": "group"}})
    del other['redis "main"']
    with place.schedd(other).client() as client:
        wait_until(lambda: client.queue("mails").post("tasks", {"id": "b", "payload": 1}).status == 201)
    start(pair.client, "mails", "group").refused(409, "MOVE_REFUSED", "queue of that name")
    assert pair.queue("mails").take_ids() == ["a"]
    assert redis_ids(pair.group, "mails") == {"b"}


# -- while it is under way ---------------------------------------------------


class Halted:
    """A move that stands still, as its target is stopped in its tracks."""

    def __init__(self, pair, name="mails"):
        self.pair, self.name = pair, name

    def __enter__(self):
        assert start(self.pair.client, self.name, "group").status == 202
        self.pair.group.pause()
        got = self.pair.client.get_json(f"/v1/queues/{self.name}/move")
        assert got["state"] in ("copying", "checking"), got
        return self

    def __exit__(self, *_):
        self.pair.group.resume()


def test_clients_wait_while_it_moves(pair):
    queue = pair.queue("mails")
    fill(queue, MANY)
    held = queue.take_ids(count=1)
    with pair.schedd.client() as waiting:
        with Halted(pair):
            got = queue.post("tasks", {"id": "new", "payload": 1})
            got.refused(503, "QUEUE_MOVING")
            assert got.headers["Retry-After"]
            queue.post("report", {"worker": "w1", "finished": held}).refused(503, "QUEUE_MOVING")
            assert queue.take_all() == {"tasks": [], "paused": True}
            body = {"worker": "w2", "wait_s": 50}
            waiting.send("POST", queue.path + "/take", body)
            start(pair.client, "mails", "group").refused(409, "MOVE_REFUSED", "already")
            pair.queue("others").push("a")
        assert ended(pair.client, "mails")["state"] == "done"
        assert len(waiting.receive().json["tasks"]) == 500
    queue.finish(*held)
    assert queue.push("new")["queued"] == 1
    assert queue.counts() == {"todo": MANY - 500, "doing": 500, "finish": 1}


def test_it_is_taken_back(pair):
    queue = pair.queue("mails")
    fill(queue, MANY)
    with Halted(pair):
        pair.schedd.mark()
        done = run("--server", url_of(pair.schedd), "queue", "move", "mails", "--undo")
        assert done.code == 0, done
        assert queue.counts() == {"todo": MANY}
        assert queue.push("new")["queued"] == 1
    wait_until(lambda: not keys(pair.group, "mails"), what="the rest to be tidied up")
    wait_until(lambda: start(pair.client, "mails", "group").status == 202)
    assert ended(pair.client, "mails")["state"] == "done"
    assert queue.counts() == {"todo": MANY + 1}


def test_it_is_undone_when_the_other_stays_away(pair):
    queue = pair.queue("mails")
    fill(queue, MANY)
    assert start(pair.client, "mails", "group").status == 202
    pair.group.kill()
    got = ended(pair.client, "mails")
    assert got["state"] == "undone" and "unreachable" in got["reason"], got
    assert len(queue.take(count=1000)) == 1000
    pair.group.start()
    wait_until(lambda: not keys(pair.group, "mails"), what="the rest to be tidied up")


# -- kills -------------------------------------------------------------------


def usable(client, name):
    """Until a change of the queue is taken."""
    wait_until(
        lambda: client.call("PATCH", f"/v1/queues/{name}", {"paused": False}).status == 200,
        30,
        f"{name} to be usable",
    )


@pytest.mark.parametrize("delay_ms", [0, 30, 80, 150, 250, 400, 700])
def test_kill_of_schedd(pair, delay_ms):
    queue = pair.queue("mails")
    fill(queue, MANY)
    held = queue.take_ids(count=1)
    assert start(pair.client, "mails", "group").status == 202
    time.sleep(delay_ms / 1000)  # when, not for what: any moment will do
    pair.schedd.kill()
    pair.schedd.start()
    with pair.schedd.client() as client:
        usable(client, "mails")
        queue = client.queue("mails")
        assert queue.counts() == {"todo": MANY - 1, "doing": 1}
        where = queue.info()["backend"]
        other = "main" if where == "group" else "group"
        wait_until(lambda: not redis_ids(pair.redis(other), "mails"))
        assert len(redis_ids(pair.redis(where), "mails")) == MANY
        queue.finish(*held)
        move(client, "mails", other)
        assert queue.counts() == {"todo": MANY - 1, "finish": 1}
        seen = []
        while got := queue.take_ids(count=1000):
            seen += got
        assert sorted(seen) == sorted({f"t{i}" for i in range(MANY)} - set(held))


@pytest.mark.parametrize("victim", ["main", "group"])
@pytest.mark.parametrize("delay_ms", [0, 100, 300])
def test_kill_of_redis(pair, victim, delay_ms):
    queue = pair.queue("mails")
    fill(queue, MANY)
    assert start(pair.client, "mails", "group").status == 202
    time.sleep(delay_ms / 1000)  # when, not for what: any moment will do
    pair.redis(victim).kill()
    pair.redis(victim).start()
    got = ended(pair.client, "mails")
    # A copy that Redis lost is taken back: then the queue is where it was.
    at = {"done": "group", "undone": "main"}[got["state"]]
    usable(pair.client, "mails")
    assert queue.counts() == {"todo": MANY} and queue.info()["backend"] == at, got
    if at == "main":
        move(pair.client, "mails", "group")
    assert queue.ids("todo", limit=1000) == [f"t{i}" for i in range(MANY)]


def test_two_schedd_and_clients_that_never_rest(pair, place):
    """Tasks are pushed at one and taken at the other while the queue goes to
    and fro: each that was acknowledged is finished once."""
    other = place.schedd(pair.settings)
    stop, pushed, finished, wrong = threading.Event(), set(), [], []

    def produce():
        with pair.schedd.client() as client:
            for n in range(100_000):
                if stop.is_set():
                    return
                ids = [f"p{n}-{i}" for i in range(10)]
                tasks = [{"id": i, "payload": 1} for i in ids]
                while True:
                    got = client.post("/v1/queues/mails/tasks", {"tasks": tasks})
                    if got.status in (200, 201):
                        break
                    if got.status not in (503, 504):
                        wrong.append(got)
                        return
                pushed.update(ids)

    def work():
        with other.client() as client:
            while not (stop.is_set() and len(finished) >= len(pushed)):
                body = {"worker": "w", "count": 50, "wait_s": 1}
                got = client.post("/v1/queues/mails/take", body)
                if got.status != 200:
                    continue
                ids = [t["id"] for t in got.json["tasks"]]
                while ids:
                    report = {"worker": "w", "finished": ids}
                    got = client.post("/v1/queues/mails/report", report)
                    if got.status == 200:
                        if got.json["refused"]:
                            wrong.append(got)
                        finished.extend(ids)
                        break

    threads = [threading.Thread(target=t) for t in (produce, work)]
    for thread in threads:
        thread.start()
    try:
        for to in ("group", "main", "group", "main", "group"):
            wait_until(lambda t=to: start(pair.client, "mails", t).status == 202, 20)
            assert ended(pair.client, "mails")["state"] == "done"
            count = len(finished)
            wait_until(lambda c=count: len(finished) > c + 100, 30, "work to go on")
    finally:
        stop.set()
        for thread in threads:
            thread.join(60 * SLOW)
    assert not wrong
    assert sorted(finished) == sorted(pushed)
    assert pair.queue("mails").info()["counts"]["doing"] == 0


# -- schedctl ----------------------------------------------------------------


def test_schedctl_moves(pair):
    server = ("--server", url_of(pair.schedd))
    fill(pair.queue("mails"), 3000)
    done = run(*server, "queue", "move", "mails", "--to", "group")
    assert done.code == 0 and done.out == "mails is on group now, with 3000 tasks\n", done
    done = run(*server, "queue", "move", "mails", "--to", "group")
    assert done.code == 1 and "it is there" in done.err, done
    done = run(*server, "--json", "queue", "move", "mails", "--to", "main")
    assert done.json["state"] == "done" and done.json["copied"] == 3000
    assert run(*server, "queue", "move", "mails").code == 2
    entries = run(*server, "--json", "audit", "ls").out
    assert entries.count("queue.move") == 2, entries


def test_an_intent_is_noted_first(pair):
    """While main cannot note it, nothing is moved."""
    pair.queue("phones").push("a")
    pair.main.kill()
    wait_until(lambda: not pair.ready()["main"], what="main to be away")
    start(pair.client, "phones", "main").refused(503, "REDIS_DOWN", "audit trail")
    assert pair.queue("phones").take_ids() == ["a"]
    pair.main.start()
    wait_until(lambda: pair.ready()["main"])
    move(pair.client, "phones", "main")
    assert pair.main.do("HLEN", "sched:audit:open") == 0


def test_no_queue_leaves_the_history(place):
    pair = Pair(place, {'queue "phones"': {"backend": "main"}, 'channel "h"': {"kind": "history"}})
    with pair.client:
        pair.queue("mails").push("a")
        start(pair.client, "mails", "group").refused(409, "MOVE_REFUSED", "history")
        assert pair.queue("mails").take_ids() == ["a"]
