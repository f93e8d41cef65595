"""Outages are not re-runs: whoever could not reach us keeps its tasks, for
whatever reason it could not, and whoever is really gone loses them later."""

import os
import signal
import time

from client import Raw
from server import SLOW, wait_until

LEASE_S, TIMEOUT_S, OUTAGE_S = 2, 4, 4.5
SETTINGS = {
    "worker": {"timeout": f"{TIMEOUT_S}s"},
    'queue "work"': {"lease": f"{LEASE_S}s"},
    "log": {"access": "no"},
}


class World:
    """A schedd and its Redis, and what may happen to them."""

    def __init__(self, place, name):
        self.name = name
        self.redis = place.redis()
        settings = {**SETTINGS, **self.redis.settings()}
        self.schedd = place.schedd(settings)

    def strike(self):
        """The outage begins."""
        if self.name == "schedd killed":
            self.schedd.kill()
        elif self.name == "schedd stopped":
            os.kill(self.schedd.pid(), signal.SIGSTOP)
        elif self.name == "redis killed":
            self.redis.kill()
        else:
            self.redis.pause()

    def heal(self):
        """It ends."""
        if self.name == "schedd killed":
            self.schedd.start(ready=False)
        elif self.name == "schedd stopped":
            os.kill(self.schedd.pid(), signal.SIGCONT)
        elif self.name == "redis killed":
            self.redis.start()
        else:
            self.redis.resume()

    def queue(self):
        """Its one queue, on a new connection."""
        return self.schedd.client().queue("work")


WORLDS = ["schedd killed", "schedd stopped", "redis killed", "redis stopped"]


def take(queue, worker, count, **more):
    """Ids and attempts of what a take brings."""
    got = queue.post("take", {"worker": worker, "count": count, **more})
    assert got.status == 200, got
    return {t["id"]: t["attempt"] for t in got.json["tasks"]}


def begin(world):
    """Three workers hold two tasks each: one goes on, one sends heartbeats
    and goes on, one is dead."""
    queue = world.queue()
    tasks = [{"id": f"t{i}", "payload": i} for i in range(6)]
    assert queue.post("tasks", {"tasks": tasks}).json["queued"] == 6
    client = world.schedd.client()
    assert client.post("/v1/workers/beating/heartbeat", {}).status == 200
    held = {w: list(take(queue, w, 2)) for w in ("plain", "dead")}
    held["beating"] = list(take(queue, "beating", 2, lease_s=600))
    assert all(len(ids) == 2 for ids in held.values())

    def is_written():
        workers = client.get_json("/v1/workers")["workers"]
        return any(w["name"] == "beating" and w["last_heartbeat"] for w in workers)

    wait_until(is_written, what="the heartbeat in Redis")
    return held


def check_kept(world, held):
    """Nobody else got anything, and the reports are taken."""
    world.schedd.wait_ready()
    queue = world.queue()
    first = take(queue, "rival", 10, wait_s=0.5)
    assert first == {}, f"{world.name}: taken back by an outage: {first}"
    for worker in ("plain", "beating"):
        got = queue.post("report", {"worker": worker, "finished": held[worker]})
        assert got.json["refused"] == [], (world.name, got)


def check_dead(world, held):
    """The dead one's tasks come back, once."""
    queue, again = world.queue(), {}

    def is_back():
        again.update(take(queue, "rival", 10, wait_s=1))
        return len(again) >= 2

    wait_until(is_back, 20, f"{world.name}: the dead worker's tasks")
    assert again == {i: 2 for i in held["dead"]}, world.name
    counts = queue.counts()
    assert (counts["finish"], counts["doing"]) == (4, 2), (world.name, counts)
    line = world.schedd.wait_log("store.outage")
    assert OUTAGE_S - 1.5 < float(line.values["seconds"]) < OUTAGE_S * 4, line
    page = world.schedd.client().get("/metrics").body.decode()
    assert "schedd_store_outages_total 1\n" in page


def test_outages(place):
    worlds = [World(place, name) for name in WORLDS]
    held = [begin(world) for world in worlds]
    for world in worlds:
        world.strike()
    time.sleep(OUTAGE_S)
    for world in worlds:
        world.heal()
    for check in (check_kept, check_dead):
        for world, mine in zip(worlds, held):
            check(world, mine)


def test_restart_is_none(place):
    """A quick restart is no outage, and holds nothing up."""
    world = World(place, "schedd killed")
    held = begin(world)
    world.strike()
    world.heal()
    world.schedd.wait_ready()
    wait_until(
        lambda: set(take(world.queue(), "rival", 10, wait_s=1)) >= set(held["dead"]),
        LEASE_S + 5,
        "leases that are over",
    )
    assert world.schedd.find_log("store.outage") is None


def test_a_take_waits_through_it(place):
    """A take that waits notices nothing of an outage; a push is refused, and
    a take that would have to wait, too."""
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with Raw(schedd.addr) as raw, schedd.client() as client:
        queue = client.queue("work")
        queue.make()
        body = '{"worker":"w","wait_s":30}'
        raw.send(
            f"POST {queue.path}/take HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        wait_until(lambda: queue.info()["waiting_takes"] == 1, what="the take")
        redis.kill()
        wait_until(
            lambda: queue.post("tasks", {"payload": 1}).status == 503, what="a refusal"
        )
        for _ in range(5):
            began = time.monotonic()
            queue.post("tasks", {"payload": 1}).refused(503, "REDIS_DOWN")
            got = queue.post("take", {"worker": "v", "wait_s": 30})
            got.refused(503, "REDIS_DOWN")
            assert time.monotonic() - began < 0.5 * SLOW
        redis.start()
        schedd.wait_ready()
        queue.push("late")
        got = raw.receive()
        assert got.status == 200 and got.json["tasks"][0]["id"] == "late"
