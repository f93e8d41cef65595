"""Removing a queue: what goes, what stays, and who works in it meanwhile."""

import threading

import pytest

from server import wait_until


@pytest.fixture(name="redis")
def _redis(place):
    return place.redis()


@pytest.fixture(name="world")
def _world(place, redis):
    return place.schedd(redis.settings())


def remove(client, name, **query):
    """The answer to DELETE of a queue."""
    path = f"/v1/queues/{name}"
    if query:
        path += "?" + "&".join(f"{k}={v}" for k, v in query.items())
    return client.call("DELETE", path)


def keys_of(redis, name):
    """Every key of the queue, found by walking through all of Redis."""
    found, cursor = [], b"0"
    while True:
        cursor, keys = redis.do("SCAN", cursor.decode(), "COUNT", "1000")
        found += [k.decode() for k in keys if f"{{{name}}}" in k.decode()]
        if cursor == b"0":
            return sorted(found)


def names_of(client):
    """The queues of the list."""
    return [q["name"] for q in client.get_json("/v1/queues")["queues"]]


def fill(queue):
    """Tasks in every state, and what else a queue may have in Redis."""
    names = [f"{s}-{i}" for s in ("doing", "failed", "finish", "dead") for i in range(3)]
    queue.push_many(names)
    queue.take("w1", request_id="r1")
    queue.report(
        "w1",
        finished=[{"id": f"finish-{i}", "result": i} for i in range(3)],
        failed=[
            {"id": n, "error": "e", "retry": n.startswith("failed")}
            for n in names
            if n.startswith(("failed", "dead"))
        ],
    )
    queue.push({"id": "high", "payload": 1, "priority": "high", "max_attempts": 7})
    queue.push({"id": "low", "payload": 1, "priority": "low"})
    queue.push({"id": "later", "payload": 1, "delay_s": 1000})
    queue.remove("doing-0")


def test_nothing_is_left(world, redis):
    with world.client() as client:
        queue = client.queue("q")
        fill(queue)
        queue.patch(max_attempts=9)
        other = client.queue("q2")
        fill(other)
        assert len(keys_of(redis, "q")) == 18
        got = remove(client, "q", force="true")
        assert got.status == 200
        assert got.json == {"name": "q", "removed": True, "tasks": 14}
        assert keys_of(redis, "q") == []
        assert redis.do("SISMEMBER", "sched:queues", "q") == 0
        client.get("/v1/queues/q").refused(404, "QUEUE_UNKNOWN")
        remove(client, "q").refused(404, "QUEUE_UNKNOWN")
        assert names_of(client) == ["q2"]
        assert len(keys_of(redis, "q2")) == 18
        assert b'schedd_queue_tasks{queue="q"' not in client.get("/metrics").body
        # Its worker is told so; and the next queue of that name is a new one.
        late = queue.report("w1", finished=["doing-1"])
        assert late["refused"][0]["error"]["name"] == "TASK_UNKNOWN"
        assert keys_of(redis, "q") == []
        queue.push("again")
        info = queue.info()
        assert info["totals"]["pushed"] == 1 and info["overridden"] == []
        assert info["policy"]["max_attempts"] == 3
        assert info["counts"] == {**dict.fromkeys(info["counts"], 0), "todo": 1}
        assert redis.do("SISMEMBER", "sched:queues", "q") == 1


@pytest.mark.parametrize("state", ["todo", "delayed", "doing", "failed", "dead"])
def test_refused_while_it_has_tasks(client, queue, state):
    queue.push({"id": "a", "payload": 1, "delay_s": 1000 if state == "delayed" else 0})
    if state in ("doing", "failed", "dead"):
        queue.take()
    if state in ("failed", "dead"):
        queue.fail("a", retry=state == "failed")
    what = "0 live and 1 dead" if state == "dead" else "1 live and 0 dead"
    for query in ({}, {"force": "false"}):
        remove(client, queue.name, **query).refused(409, "QUEUE_NOT_EMPTY", what)
    assert queue.state("a") == state and queue.counts() == {state: 1}


def test_finished_ones_go(client, queue):
    queue.push("a", "b")
    queue.take()
    queue.finish("a", "b")
    assert remove(client, queue.name).json["tasks"] == 2
    client.get(queue.path).refused(404, "QUEUE_UNKNOWN")


def test_bad_requests(client, queue):
    queue.make()
    remove(client, queue.name, force="yes").refused(400, "FIELD_RANGE", "force")
    remove(client, queue.name, force="").refused(400, "FIELD_RANGE", "force")
    remove(client, queue.name, colour="red").refused(400, "QUERY_BAD", "colour")
    remove(client, "bad~name").refused(400, "QUEUE_NAME_BAD")
    assert queue.info()["name"] == queue.name


def test_a_configured_one_stays_empty(place):
    schedd = place.schedd({'queue "set"': {"max_attempts": "7"}})
    with schedd.client() as client:
        queue = client.queue("set")
        queue.push("a")
        queue.patch(max_attempts=2)
        assert remove(client, "set", force="true").json["tasks"] == 1
        assert names_of(client) == ["set"] and queue.counts() == {}
        assert queue.info()["policy"]["max_attempts"] == 7
        assert remove(client, "set").json["tasks"] == 0
        queue.push("a")
        assert queue.take_ids() == ["a"]


def test_takes_go_on_waiting(world):
    with world.client() as client, world.client() as waiter:
        queue = client.queue("q")
        queue.push("a")
        queue.take_ids("w1")
        waiter.send("POST", f"{queue.path}/take", {"worker": "w2", "wait_s": 50})
        wait_until(lambda: queue.info()["waiting_takes"], what="a take that waits")
        assert remove(client, "q", force="true").status == 200
        queue.push("b")
        assert [t["id"] for t in waiter.receive().json["tasks"]] == ["b"]
        assert queue.counts() == {"doing": 1}


def test_another_schedd_notices(place, redis, world):
    """And what it pushes before it does is in a queue that all have listed."""
    other = place.schedd(redis.settings())
    with world.client() as client, other.client() as there:
        for name in ("q", "r", "s"):
            client.queue(name).push("a")
            there.queue(name).push("b")
        wait_until(lambda: names_of(there) == ["q", "r", "s"], what="the list there")
        assert remove(client, "q", force="true").status == 200
        client.queue("new").push("a")  # as many as before
        wait_until(lambda: names_of(there) == ["new", "r", "s"], 5, "the list there")
        there.get("/v1/queues/q").refused(404, "QUEUE_UNKNOWN")
        assert remove(client, "r", force="true").status == 200
        assert there.queue("r").push("c")["queued"] == 1  # at once
        assert redis.do("SISMEMBER", "sched:queues", "r") == 1
        assert remove(client, "s", force="true").status == 200
        there.queue("s").patch(lease_s=60)
        assert redis.do("SISMEMBER", "sched:queues", "s") == 1
        for one in (client, there):
            wait_until(lambda one=one: names_of(one) == ["new", "r", "s"], 5, "the lists")
            assert one.queue("r").counts() == {"todo": 1}
            assert one.queue("r").info()["totals"]["pushed"] == 1


def test_pushes_at_the_same_time(world, redis):
    """Each push is answered as queued; what is there in the end adds up."""
    with world.client() as client:
        queue, over, failures, pushed = client.queue("q"), threading.Event(), [], []

        def push(worker):
            try:
                with world.client() as mine:
                    for i in range(100_000):
                        if over.is_set():
                            break
                        got = mine.queue("q").push(f"{worker}-{i}")
                        assert got["queued"] == 1
                        pushed.append(i)
            except BaseException as failure:  # pylint: disable=broad-except
                failures.append(failure)

        threads = [threading.Thread(target=push, args=(w,)) for w in range(4)]
        for thread in threads:
            thread.start()
        removed = 0
        for round_ in range(30):
            wait_until(lambda n=len(pushed): len(pushed) > n, what="a push")
            got = remove(client, "q", force="true" if round_ % 3 else "false")
            assert got.status in (200, 404, 409), got
            removed += got.json["tasks"] if got.status == 200 else 0
        over.set()
        for thread in threads:
            thread.join(60)
        assert not failures and removed > 0
        queue.push("last")
        left = queue.counts()["todo"]
        assert removed + left == len(pushed) + 1
        assert redis.do("HLEN", "sched:{q}:task") == left
        assert redis.do("SISMEMBER", "sched:queues", "q") == 1
        assert len(queue.take_ids(count=1000)) == min(left, 1000)


def test_a_large_one_goes_in_one_go(client, queue):
    for first in range(0, 20_000, 1000):
        queue.push_many([f"t{i}" for i in range(first, first + 1000)])
    assert remove(client, queue.name, force="true").json["tasks"] == 20_000


@pytest.mark.log_errors("queue.broken")
def test_a_broken_one_can_be_removed(world, redis):
    with world.client() as client:
        queue = client.queue("q")
        queue.push("a")
        redis.do("SET", "sched:{q}:doing", "x")
        remove(client, "q").refused(409, "QUEUE_NOT_EMPTY")
        assert remove(client, "q", force="true").status == 200
        assert keys_of(redis, "q") == []


def test_it_is_in_the_trail(client, queue):
    queue.push("a")
    remove(client, queue.name)
    remove(client, queue.name, force="true")
    entries = client.get_json("/v1/audit", limit=2)["entries"]
    assert '"action":"queue.remove"' in entries[-1]["entry"]
    assert f'"queue":"{queue.name}","force":true,"tasks":1' in entries[-1]["entry"]
    assert "queue.remove" not in entries[0]["entry"] or queue.name not in entries[0]["entry"]
