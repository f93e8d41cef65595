"""kill -9 of schedd and of its Redis in the middle of load. An append-only
history of what was acknowledged is held against what is there at the end:
nothing acknowledged is lost, nothing finished is handed out again."""

import http.client
import os
import random
import signal
import threading
import time

import pytest

from client import Client
from server import wait_until

# More than four within a minute and schedd gives its private Redis up.
KILLS = int(os.environ.get("KILLS", "3"))
BETWEEN_S = 1.0
PRODUCERS, WORKERS = 2, 3
SEED = int(os.environ.get("KILL_SEED", str(random.randrange(2**32))))

SETTINGS = {
    "log": {"access": "no"},
    'queue "load"': {"lease": "1h", "max_attempts": 50, "finish_keep": 10_000_000},
}


class History:
    """One line per operation, in the order in which they ended. Appended to,
    never changed: kind, acknowledged or not, ids."""

    def __init__(self):
        self.lines = []
        self.lock = threading.Lock()

    def add(self, kind, acknowledged, ids, worker=None):
        """One operation has ended."""
        with self.lock:
            self.lines.append((kind, acknowledged, tuple(ids), worker))

    def ids(self, kind, acknowledged=True):
        """All ids of such operations."""
        return {
            i
            for what, known, ids, _ in self.lines
            if what == kind and known == acknowledged
            for i in ids
        }


class Hand(threading.Thread):
    """A client that goes on whatever happens to the server."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number = load, number
        self.rng = random.Random(f"{SEED}-{type(self).__name__}-{number}")
        self.client, self.error = None, None
        self.start()

    def run(self):
        try:
            while not self.load.stop.is_set():
                self.turn()
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def post(self, verb, body):
        """The answer's JSON, or None when there is none: not done, or not
        known whether it was."""
        addr = self.load.schedd.addr
        if addr is None:  # it is just being started
            time.sleep(0.02)
            return None
        try:
            if self.client is None:
                self.client = Client(addr, timeout=15)
            got = self.client.queue("load").post(verb, body)
        except (OSError, http.client.HTTPException):
            self.client = None
            self.load.lost += 1
            time.sleep(0.02)
            return None
        if got.status in (503, 504):
            self.load.refused += 1
            time.sleep(0.02)
            return None
        assert got.status in (200, 201), got
        return got.json

    def turn(self):
        """One operation."""
        raise NotImplementedError


class Producer(Hand):
    """Pushes; repeats the same push until it is acknowledged."""

    def turn(self):
        count = self.rng.choice([1, 5, 50])
        ids = self.load.new_ids(f"p{self.number}", count)
        body = {"tasks": [{"id": i, "payload": {"id": i}} for i in ids]}
        self.load.history.add("push", False, ids)
        while not self.load.stop.is_set():
            got = self.post("tasks", body)
            if got is not None:
                assert got["refused"] == 0, got
                self.load.history.add("push", True, ids)
                return


class Worker(Hand):
    """Takes and finishes; fails some, forgets some."""

    def turn(self):
        name = f"w{self.number}"
        got = self.post("take", {"worker": name, "count": 40, "wait_s": 0.2})
        if got is None or not got["tasks"]:
            return
        ids = [t["id"] for t in got["tasks"]]
        assert all(t["payload"] == {"id": t["id"]} for t in got["tasks"])
        self.load.history.add("take", True, ids, name)
        kept = [i for i in ids if self.rng.random() < 0.97]
        finished = [i for i in kept if self.rng.random() < 0.9]
        failed = [i for i in kept if i not in set(finished)]
        self.load.history.add("finish", False, finished, name)
        body = {"worker": name, "finished": finished, "failed": failed}
        for _ in range(self.rng.choice([1, 20, 20])):
            answer = self.post("report", body)
            if answer is not None:
                refused = {r["id"] for r in answer["refused"]}
                taken = [i for i in finished if i not in refused]
                self.load.history.add("finish", True, taken, name)
                return


class Load:
    """Producers and workers, and their history."""

    def __init__(self, schedd):
        self.schedd, self.history = schedd, History()
        self.stop = threading.Event()
        self.lost = self.refused = 0
        self.serial, self.lock = 0, threading.Lock()
        self.hands = [Producer(self, n) for n in range(PRODUCERS)]
        self.hands += [Worker(self, n) for n in range(WORKERS)]

    def new_ids(self, prefix, count):
        """Ids that were never used."""
        with self.lock:
            first = self.serial
            self.serial += count
        return [f"{prefix}-{i:06}" for i in range(first, first + count)]

    def acknowledged(self):
        """How many operations were acknowledged."""
        return sum(line[1] for line in self.history.lines)

    def run_for(self, seconds):
        """Lets it go on for a time, and sees that it really does."""
        before, end = self.acknowledged(), time.monotonic() + seconds
        wait_until(
            lambda: (time.monotonic() > end and self.acknowledged() > before + 20)
            or not self.is_well(),
            30,
            "load that is served",
        )
        assert self.is_well(), [h.error for h in self.hands if h.error]

    def is_well(self):
        """No client met something that may not be."""
        return all(hand.error is None for hand in self.hands)

    def end(self):
        """Stops the clients."""
        self.stop.set()
        for hand in self.hands:
            hand.join()
            if hand.error:
                raise hand.error


def drain(schedd, queue, history):
    """Finishes all that is left, moving the clock over leases and retries."""
    for _ in range(60):
        counts = queue.counts()
        if not set(counts) - {"finish"}:
            return
        if not counts.get("todo"):
            schedd.move_clock(2 * 3600)
            wait_until(
                lambda: queue.counts().get("todo")
                or not set(queue.counts()) - {"finish"},
                20,
                f"something to do; there is {queue.counts()}",
            )
        tasks = queue.take_ids("last", count=1000)
        history.add("take", True, tasks, "last")
        if tasks:
            got = queue.report("last", finished=tasks)
            assert got["refused"] == []
            history.add("finish", True, tasks, "last")
    raise AssertionError(f"not drained: {queue.counts()}")


def check(queue, history):
    """The history against what is there."""
    pushed, tried = history.ids("push"), history.ids("push", False)
    finished = history.ids("finish")
    there = set(queue.ids("finish", limit=1000))
    assert pushed <= there, f"lost: {sorted(pushed - there)[:10]}"
    assert there <= tried, f"never pushed: {sorted(there - tried)[:10]}"
    assert finished <= there, f"finish lost: {sorted(finished - there)[:10]}"
    assert queue.counts() == {"finish": len(there)}
    assert queue.info()["totals"]["pushed"] == len(there)
    done = set()
    for kind, acknowledged, ids, worker in history.lines:
        if kind == "take":
            again = done & set(ids)
            assert not again, f"finished, and handed to {worker}: {sorted(again)[:10]}"
        elif kind == "finish" and acknowledged:
            done |= set(ids)


def kill_schedd(schedd):
    """kill -9; its Redis must be gone before the next one starts."""
    (redis,) = schedd.children()
    schedd.kill()
    wait_until(lambda: not runs(redis), 20, "its redis-server to end")
    schedd.start()


def kill_redis(schedd):
    """kill -9 of the private redis-server."""
    (redis,) = schedd.children()
    os.kill(redis, signal.SIGKILL)
    wait_until(lambda: schedd.children() not in ([], [redis]), 20, "a new one")
    schedd.wait_ready()


def runs(pid):
    """Is there such a process, and no zombie?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.log_errors("redis.child_failed")
@pytest.mark.parametrize("kill", [kill_schedd, kill_redis])
def test_kill(place, kill):
    print(f"KILL_SEED={SEED}")
    schedd = place.schedd(SETTINGS)
    load = Load(schedd)
    try:
        for _ in range(KILLS):
            load.run_for(BETWEEN_S)
            kill(schedd)
        load.run_for(BETWEEN_S)
    finally:
        load.end()
    print(
        f"{load.serial} tasks, {load.acknowledged()} acknowledged operations, "
        f"{load.lost} lost connections, {load.refused} refusals"
    )
    assert load.lost or load.refused, "the kills were not noticed at all"
    with schedd.client() as client:
        queue = client.queue("load")
        drain(schedd, queue, load.history)
        check(queue, load.history)


def test_kill_of_an_own_redis(place):
    """The same with a Redis that schedd did not start, killed and restarted."""
    redis = place.redis()
    schedd = place.schedd({**SETTINGS, **redis.settings()})
    load = Load(schedd)
    try:
        for _ in range(KILLS):
            load.run_for(BETWEEN_S)
            redis.kill()
            redis.start()
            schedd.wait_ready()
        load.run_for(BETWEEN_S)
    finally:
        load.end()
    with schedd.client() as client:
        queue = client.queue("load")
        drain(schedd, queue, load.history)
        check(queue, load.history)


def test_stop_in_the_middle_of_load(place):
    """SIGTERM: everything that was acknowledged, and a clean end."""
    schedd = place.schedd(SETTINGS)
    load = Load(schedd)
    try:
        for _ in range(KILLS):
            load.run_for(BETWEEN_S / 2)
            schedd.stop()
            schedd.start()
        load.run_for(BETWEEN_S / 2)
    finally:
        load.end()
    with schedd.client() as client:
        queue = client.queue("load")
        drain(schedd, queue, load.history)
        check(queue, load.history)
