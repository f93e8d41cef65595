"""Several schedd on one Redis, side by side and without a leader."""

import http.client
import random
import threading
import time

import pytest

from client import Client
from server import SLOW, wait_until

TASKS, BATCH = 20_000, 200
# The tick would wake takes too, but only once a second.
SETTINGS = {
    "log": {"access": "no"},
    "janitor": {"interval": "1s"},
    'queue "load"': {"finish_keep": 1_000_000},
}


@pytest.fixture(name="three")
def _three(place):
    """Three schedd on one Redis, that know of each other."""
    redis = place.redis()
    settings = {**SETTINGS, **redis.settings()}
    schedds = [place.schedd(settings) for _ in range(3)]
    for one in schedds:
        wait_others(one, 2)
    wait_until(lambda: heard_by(redis) == 3, what="three that listen")
    return redis, schedds


def heard_by(redis):
    """How many schedd listen for what others push."""
    return redis.do("PUBSUB", "NUMSUB", "sched:wake")[1]


def wait_others(schedd, count):
    """Until it has seen so many others."""

    def seen():
        lines = [n for n in schedd.lines if n.event == "store.others"]
        return lines and lines[-1].values["alive"] == str(count)

    wait_until(seen, what=f"{count} others")


class Taker(threading.Thread):
    """A waiting take at one schedd; the time at which it was answered."""

    def __init__(self, schedd, name):
        super().__init__(daemon=True)
        self.schedd, self.name_ = schedd, name
        self.ids, self.at = None, None
        self.start()

    def run(self):
        with self.schedd.client() as client:
            queue = client.queue("wake")
            self.ids = queue.take_ids(self.name_, count=1, wait_s=20)
            self.at = time.monotonic()


def waiting(schedd):
    """How many takes wait at it."""
    with schedd.client() as client:
        queues = client.get_json("/v1/queues")["queues"]
        return sum(q["waiting_takes"] for q in queues)


def test_push_wakes_elsewhere(three):
    """Ten times, a push at one is answered at another within 100 ms."""
    _, (one, two, three_) = three
    with one.client() as client:
        client.queue("wake").make()
        for i in range(10):
            there = (two, three_)[i % 2]
            taker = Taker(there, "w")
            wait_until(lambda t=there: waiting(t) == 1, what="the waiting take")
            pushed = time.monotonic()
            client.queue("wake").push(f"t{i}")
            taker.join(20)
            assert taker.ids == [f"t{i}"]
            assert taker.at - pushed < 0.1 * SLOW, taker.at - pushed


def test_alone_tells_nobody(place):
    """One schedd alone neither publishes nor listens."""
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        for i in range(20):
            client.queue("q").push(f"t{i}")
        wait_until(lambda: redis.do("HGET", "sched:store", "sequence") >= b"2")
    stats = redis.do("INFO", "commandstats")
    assert b"cmdstat_publish" not in stats and b"cmdstat_subscribe" not in stats


class Hand(threading.Thread):
    """Works through one of the schedd after the other, whatever happens."""

    def __init__(self, load, number):
        super().__init__(daemon=True)
        self.load, self.number = load, number
        self.rng = random.Random(number)
        self.error = None

    def run(self):
        try:
            while not self.load.is_over():
                self.turn()
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def post(self, verb, body):
        """The answer of any of them that gives one."""
        while True:
            addr = self.rng.choice(self.load.addrs)
            try:
                with Client(addr, timeout=20 * SLOW) as client:
                    got = client.queue("load").post(verb, body)
            except (OSError, http.client.HTTPException):
                continue
            if got.status not in (503, 504):
                assert got.status in (200, 201), got
                return got.json

    def turn(self):
        """One operation."""
        raise NotImplementedError


class Producer(Hand):
    """Pushes its part of the ids; a push without an answer is repeated."""

    def turn(self):
        ids = self.load.next_ids()
        if ids:
            tasks = [{"id": i, "payload": i} for i in ids]
            assert self.post("tasks", {"tasks": tasks})["refused"] == 0
        else:
            time.sleep(0.05)


class Worker(Hand):
    """Takes at one, reports at another."""

    def turn(self):
        name = f"w{self.number}"
        request = f"r{self.rng.getrandbits(60):x}"
        body = {"worker": name, "count": 200, "wait_s": 0.2, "request_id": request}
        ids = [t["id"] for t in self.post("take", body)["tasks"]]
        if not ids:
            return
        with self.load.lock:
            for i in ids:
                self.load.taken[i] = self.load.taken.get(i, 0) + 1
        got = self.post("report", {"worker": name, "finished": ids})
        assert got["refused"] == [], got
        with self.load.lock:
            self.load.finished.update(ids)


class Load:
    """Producers and workers over all schedd."""

    def __init__(self, schedds):
        self.addrs = [s.addr for s in schedds]
        self.taken, self.finished = {}, set()
        self.lock, self.serial = threading.Lock(), 0
        self.hands = [Producer(self, n) for n in range(2)]
        self.hands += [Worker(self, n) for n in range(2, 6)]
        for hand in self.hands:
            hand.start()

    def next_ids(self):
        """The ids of one push."""
        with self.lock:
            first, last = self.serial, min(self.serial + BATCH, TASKS)
            self.serial = last
        return [f"t{i}" for i in range(first, last)]

    def is_over(self):
        """All of them finished, or a hand gave up."""
        return len(self.finished) == TASKS or any(h.error for h in self.hands)


def test_load(three):
    """20,000 tasks over three, one of which is killed: each once."""
    redis, schedds = three
    load = Load(schedds)
    wait_until(lambda: len(load.finished) > TASKS // 4 or load.is_over(), 60)
    schedds[1].kill()
    for hand in load.hands:
        hand.join(120 * SLOW)
        assert not hand.is_alive()
        assert hand.error is None, hand.error
    assert len(load.taken) == TASKS
    more = {i: n for i, n in load.taken.items() if n != 1}
    assert not more, f"handed out more than once: {more}"
    with schedds[0].client() as client:
        queue = client.queue("load")
        assert queue.counts() == {"finish": TASKS}
        totals = queue.info()["totals"]
        assert (totals["pushed"], totals["finished"]) == (TASKS, TASKS)
    assert redis.do("HLEN", "sched:{load}:holder") == 0
    wait_others(schedds[0], 1)
