"""Workers: heartbeats, the list, silence, forgetting."""

import pytest

from server import wait_until
from times import to_ms

TIMEOUT_S = 6
SETTINGS = {"worker": {"timeout": f"{TIMEOUT_S}s", "forget": "1h"}}


def wait_grace(client):
    """After a start workers have a whole timeout, in real time, to be heard
    of again."""
    wait_until(
        lambda: client.get_json("/v1/stats")["uptime_s"] > TIMEOUT_S + 0.5,
        TIMEOUT_S + 10,
        "the grace after the start to be over",
    )


@pytest.fixture(name="late")
def _late(client):
    """That grace is over."""
    wait_grace(client)


def worker(client, name):
    """What the list says of one."""
    for one in client.get_json("/v1/workers")["workers"]:
        if one["name"] == name:
            return one
    return None


def beat(client, name, body=None):
    """A heartbeat."""
    got = client.post(f"/v1/workers/{name}/heartbeat", body or {})
    assert got.status == 200, got
    return got.json


def wait_worker(client, name, test):
    """Until the list says so of one; sightings are written once a second."""
    return wait_until(
        lambda: (w := worker(client, name)) is not None and test(w) and w,
        what=f"{name} in the list",
    )


def test_heartbeat(schedd, client):
    details = {"load": 0.5, "version": "1.2", "running": ["a"], "pid": 7, "host": "h"}
    assert beat(client, "beats", details)["timeout_s"] == TIMEOUT_S
    one = wait_worker(client, "beats", lambda w: w["last_heartbeat"])
    assert one["details"] == details and one["held"] == 0
    assert one["addr"].startswith("127.0.0.1")
    assert abs(to_ms(one["last_seen"]) - schedd.now_ms()) < 10_000
    assert abs(to_ms(one["last_heartbeat"]) - schedd.now_ms()) < 10_000


def test_heartbeat_without_body_keeps_the_details(client):
    beat(client, "plain", {"load": 1})
    first = wait_worker(client, "plain", lambda w: w["last_heartbeat"])

    def later(w):
        """Two in one millisecond look like one: sends until it is later."""
        got = client.call("POST", "/v1/workers/plain/heartbeat", b"")
        assert got.status == 200
        return w["last_heartbeat"] > first["last_heartbeat"]

    assert wait_worker(client, "plain", later)["details"] == {"load": 1}


@pytest.mark.parametrize(
    "body, name, word",
    [
        ({"load": "x"}, "FIELD_TYPE", "load"),
        ({"load": -1}, "FIELD_RANGE", "load"),
        ({"version": 1}, "FIELD_TYPE", "version"),
        ({"version": "x" * 65}, "FIELD_RANGE", "version"),
        ({"running": {}}, "FIELD_TYPE", "running"),
        ({"running": ["a b"]}, "TASK_ID_BAD", "running"),
        ({"pid": 1.5}, "FIELD_RANGE", "pid"),
        ({"colour": 1}, "FIELD_UNKNOWN", "colour"),
    ],
)
def test_bad_heartbeats(client, body, name, word):
    got = client.post("/v1/workers/bad/heartbeat", body)
    got.refused(400, name, word)
    assert worker(client, "bad") is None


def test_bad_names(client, queue):
    for name in ("a b".replace(" ", "%20"), "x" * 65, "a,b", "%C3%A4"):
        got = client.post(f"/v1/workers/{name}/heartbeat", {})
        assert got.status == 400, got
        assert got.error["name"] in ("WORKER_NAME_BAD", "PATH_BAD")
    for name in ("a b", "x" * 65, "", "ä", "a/b"):
        queue.post("take", {"worker": name}).refused(400, "WORKER_NAME_BAD", "worker")


def test_takes_are_seen(client, queue):
    queue.push("a", "b")
    queue.take("taker")
    one = wait_worker(client, "taker", lambda w: w["held"] == 2)
    assert one["last_heartbeat"] is None and one["details"] is None
    queue.finish("a", worker="taker")
    wait_worker(client, "taker", lambda w: w["held"] == 1)


def test_held_in_many_queues(client, queue):
    other = client.queue(queue.name + "-other")
    for q in (queue, other):
        q.push("a", "b", "c")
        q.take("busy", count=2)
    wait_worker(client, "busy", lambda w: w["held"] == 4)


def test_list_is_sorted(client, queue):
    queue.make()
    for name in ("z-list", "a-list", "m-list"):
        queue.take(name)
    wait_worker(client, "m-list", lambda w: True)
    names = [w["name"] for w in client.get_json("/v1/workers")["workers"]]
    assert names == sorted(names)


# -- one ---------------------------------------------------------------------


def test_one(client, queue, schedd):
    other = client.queue(queue.name + "-a")
    third = client.queue(queue.name + "-b")
    for q in (queue, other, third):
        q.push("a", "b", "c")
    queue.take("one", count=2)
    other.take("one-more")
    third.take("one", count=1)
    got = client.get_json("/v1/workers/one")
    assert abs(to_ms(got["last_seen"]) - schedd.now_ms()) < 10_000
    holds = got.pop("holds")
    assert got == worker(client, "one") and got["held"] == 3
    assert [h["queue"] for h in holds] == [queue.name, third.name]
    assert [sorted(h["ids"]) for h in holds] == [["a", "b"], ["a"]]
    assert [h["count"] for h in holds] == [2, 1]
    assert holds[0]["oldest_taken_at"] == queue.task("a")["taken_at"]
    queue.finish("a", "b", worker="one")
    third.finish("a", worker="one")
    got = client.get_json("/v1/workers/one")
    assert got["held"] == 0 and got["holds"] == []


def test_one_that_is_not_known(client):
    client.get("/v1/workers/nobody").refused(404, "WORKER_UNKNOWN")
    client.get("/v1/workers/no~body").refused(400, "WORKER_NAME_BAD")


def test_one_that_holds_many(client, queue, schedd):
    """All are looked through for the first of them, and 100 are named."""
    ids = [f"t{i:04}" for i in range(3000)]
    for first in range(0, 3000, 1000):
        queue.push_many(ids[first : first + 1000])
    assert queue.take_ids("many", count=1) == ["t0000"]
    first = queue.task("t0000")["taken_at"]
    schedd.move_clock(2)
    queue.take("other", count=999)
    for _ in range(2):
        queue.take("many", count=1000)
    hold = client.get_json("/v1/workers/many")["holds"][0]
    assert hold["count"] == 2001 and hold["oldest_taken_at"] == first
    assert len(set(hold["ids"])) == 100
    mine = {"t0000", *ids[1000:]}
    assert set(hold["ids"]) <= mine
    assert client.get_json("/v1/workers/other")["holds"][0]["count"] == 999


# -- silence ----------------------------------------------------------------


@pytest.mark.usefixtures("late")
def test_silent_worker_loses_its_leases(schedd, client, queue):
    queue.push("a", "b", "c")
    beat(client, "silent")
    assert queue.take_ids("silent", count=2) == ["a", "b"]
    wait_worker(client, "silent", lambda w: w["last_heartbeat"] and w["held"] == 2)
    schedd.move_clock(TIMEOUT_S // 2)
    assert queue.counts() == {"todo": 1, "doing": 2}
    schedd.move_clock(TIMEOUT_S)
    wait_until(lambda: queue.counts() == {"todo": 3}, what="the leases")
    tasks = queue.take("w2")
    assert sorted(t["id"] for t in tasks[:2]) == ["a", "b"]
    assert [t["attempt"] for t in tasks] == [2, 2, 1]
    got = queue.report("silent", finished=["a"])
    assert got["refused"][0]["error"]["name"] == "LEASE_LOST"


@pytest.mark.usefixtures("late")
def test_beating_worker_keeps_them(schedd, client, queue):
    queue.push("a")
    beat(client, "steady")
    queue.take("steady")
    for _ in range(4):
        last = wait_worker(client, "steady", lambda w: w["last_heartbeat"])
        schedd.move_clock(TIMEOUT_S // 2)
        beat(client, "steady")
        wait_worker(
            client,
            "steady",
            lambda w, last=last: w["last_heartbeat"] > last["last_heartbeat"],
        )
    assert queue.counts() == {"doing": 1}


@pytest.mark.usefixtures("late")
def test_worker_without_heartbeats_keeps_them(schedd, client, queue):
    queue.push("a")
    queue.take("quiet")
    wait_worker(client, "quiet", lambda w: w["held"] == 1)
    beat(client, "noisy")
    queue.push("b")
    queue.take("noisy")
    wait_worker(client, "noisy", lambda w: w["last_heartbeat"] and w["held"] == 1)
    schedd.move_clock(TIMEOUT_S + 1)
    wait_until(lambda: queue.counts() == {"todo": 1, "doing": 1}, what="noisy's lease")
    assert queue.state("a") == "doing" and queue.state("b") == "todo"


@pytest.mark.usefixtures("late")
def test_silence_until_dead(schedd, client, queue):
    queue.patch(max_attempts=1)
    queue.push("a")
    beat(client, "lost")
    queue.take("lost")
    wait_worker(client, "lost", lambda w: w["last_heartbeat"] and w["held"] == 1)
    schedd.move_clock(TIMEOUT_S + 1)
    wait_until(lambda: queue.counts() == {"dead": 1}, what="dead")
    assert "lost" in queue.task("a")["error"]


@pytest.mark.usefixtures("late")
def test_silent_with_many_leases(schedd, client, queue):
    ids = [f"t{i}" for i in range(3000)]
    for first in range(0, 3000, 1000):
        queue.push_many(ids[first : first + 1000])
        queue.take("heavy", count=1000)
    queue.push_many([f"o{i}" for i in range(100)])
    queue.take("other")
    beat(client, "heavy")
    wait_worker(client, "heavy", lambda w: w["last_heartbeat"])
    schedd.move_clock(TIMEOUT_S + 1)
    wait_until(
        lambda: queue.counts() == {"todo": 3000, "doing": 100}, 30, "3,000 leases"
    )
    assert sorted(queue.ids("todo", limit=1000)) == sorted(ids)


# -- forgetting -------------------------------------------------------------


def test_remove(client, queue):
    queue.push("a", "b")
    queue.take("removed")
    wait_worker(client, "removed", lambda w: w["held"] == 2)
    got = client.call("DELETE", "/v1/workers/removed")
    assert got.status == 200
    assert got.json == {"name": "removed", "reclaimed": 2, "removed": True}
    assert queue.counts() == {"todo": 2}
    assert worker(client, "removed") is None
    assert [t["attempt"] for t in queue.take("w2")] == [2, 2]
    client.call("DELETE", "/v1/workers/removed").refused(404, "WORKER_UNKNOWN")


def test_remove_unknown(client):
    got = client.call("DELETE", "/v1/workers/never-seen")
    got.refused(404, "WORKER_UNKNOWN")


def test_remove_right_after_the_first_word(client, queue):
    """Also before the sighting was written."""
    queue.push("a")
    queue.take("brief")
    assert client.call("DELETE", "/v1/workers/brief").status == 200
    assert queue.counts() == {"todo": 1}


def test_restart_gives_workers_time(place):
    """They could not reach us while we were away; then silence counts."""
    schedd = place.schedd(SETTINGS)
    with schedd.client() as client:
        queue = client.queue("q")
        queue.push("a")
        beat(client, "loyal")
        queue.take("loyal")
        wait_worker(client, "loyal", lambda w: w["last_heartbeat"] and w["held"] == 1)
    schedd.stop()
    schedd.offset_s += 10 * TIMEOUT_S
    schedd.start()
    with schedd.client() as client:
        queue = client.queue("q")

        def over():
            stats = client.get_json("/v1/stats")
            if stats["uptime_s"] < TIMEOUT_S - 0.5:
                assert queue.counts() == {"doing": 1}, stats["uptime_s"]
            return queue.counts() == {"todo": 1}

        wait_until(over, TIMEOUT_S + 10, "the silence to count")


def test_old_workers_are_forgotten(place):
    """That is looked for at the start and once a minute."""
    schedd = place.schedd(SETTINGS)
    with schedd.client() as client:
        queue = client.queue("q")
        queue.make()
        queue.take("old")
        wait_worker(client, "old", lambda w: True)
    schedd.stop()
    schedd.offset_s += 3700
    schedd.start()
    with schedd.client() as client:
        client.queue("q").take("young")
        wait_worker(client, "young", lambda w: True)
        wait_until(lambda: worker(client, "old") is None, what="old to be forgotten")
