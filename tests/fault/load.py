"""Producers and workers that go on whatever happens to the servers, and write
down what they were told. An operation without an answer, or refused for now,
is sent again, the same, until it is settled."""

import http.client
import random
import threading
import time

from client import Client
from times import to_ms

QUEUE = "load"
# Refused for now, or not known whether it was done.
REFUSED, UNKNOWN = (429, 503, 507), (504,)
PAUSE_S = 0.02


class Stopped(Exception):
    """The load ends, and this operation with it, settled or not."""


def monotonic_of(text):
    """A time of the API as monotonic ns."""
    return to_ms(text) * 1_000_000 - time.time_ns() + time.monotonic_ns()


class Hand(threading.Thread):
    """One client."""

    def __init__(self, load, name):
        super().__init__(daemon=True, name=name)
        self.load, self.history = load, load.history
        self.rng = random.Random(f"{load.seed}-{name}")
        self.client, self.error = None, None
        self.halt = threading.Event()
        self.awake = threading.Event()
        self.awake.set()

    def run(self):
        try:
            while not self.halt.is_set():
                self.awake.wait()
                self.turn()
        except Stopped:
            pass
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error
        self.close()

    def close(self):
        """Closes its connection; the next request makes a new one."""
        if self.client:
            self.client.close()
        self.client = None

    def settle(self, what, verb, body, ids=()):
        """Sends until it is settled. The op's number and the answer's JSON."""
        op, tries = self.history.next_op(), 0
        listed = list(ids)
        while True:
            self.history.add("invoke", self.name, what, op=op, ids=listed)
            kind, status, answer, why = self.post(verb, body)
            if kind == "ok":
                return op, answer
            self.history.add(
                kind, self.name, what, op=op, ids=listed, status=status, why=why
            )
            tries += 1
            if self.halt.is_set() and (not self.load.settles or tries > 2000):
                raise Stopped
            time.sleep(PAUSE_S)

    def post(self, verb, body):
        """kind of outcome, status, the answer's JSON, the error's name."""
        try:
            if self.client is None:
                addr = self.load.address(self)
                self.client = Client(addr, timeout=self.load.timeout)
            got = self.client.queue(QUEUE).post(verb, body)
        except (ConnectionRefusedError, FileNotFoundError) as error:
            self.close()
            return "fail", 0, None, type(error).__name__
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return "unknown", 0, None, type(error).__name__
        if got.status in (200, 201):
            return "ok", got.status, got.json, None
        name = got.error["name"]
        if got.status in UNKNOWN:
            return "unknown", got.status, None, name
        self.load.refused(name)
        # So that with several servers another one is asked.
        self.close()
        assert got.status in (*REFUSED, *self.load.tolerated), f"{verb}: {got}"
        return "fail", got.status, None, name

    def turn(self):
        """One operation."""
        raise NotImplementedError


class Producer(Hand):
    """Pushes batches at a steady rate; now and then old ids once more."""

    def __init__(self, load, name):
        super().__init__(load, name)
        self.serial, self.due = 0, time.monotonic()

    def turn(self):
        wait = self.due - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, 0.1))
            return
        # What an outage held up is not made up for.
        self.due = max(self.due, time.monotonic() - 1) + self.load.interval_s
        first, self.serial = self.serial, self.serial + self.load.batch
        if first and self.rng.random() < 0.05:
            first = self.rng.randrange(first)
        ids = [f"{self.name}-{i}" for i in range(first, first + self.load.batch)]
        body = {"tasks": [{"id": i, "payload": {"id": i}} for i in ids]}
        op, got = self.settle("push", "tasks", body, ids)
        assert [t["id"] for t in got["tasks"]] == ids, "an answer of other tasks"
        stored = [
            t["id"] for t in got["tasks"] if t["status"] in ("queued", "exists")
        ]
        self.history.add("ok", self.name, "push", op=op, ids=stored)
        for task in got["tasks"]:
            if task["status"] == "refused":
                assert task["error"]["name"] == "QUEUE_FULL", task


class Worker(Hand):
    """Takes, runs, reports."""

    def turn(self):
        op, tasks = self.take()
        if not tasks:
            return
        ids = [t["id"] for t in tasks]
        assert all(t["payload"] == {"id": t["id"]} for t in tasks)
        self.history.add(
            "run",
            self.name,
            "run",
            op=op,
            ids=ids,
            attempts=[t["attempt"] for t in tasks],
            until=monotonic_of(min(t["lease_until"] for t in tasks)),
        )
        self.work(ids)
        bad = {i for i in ids if self.rng.random() < self.load.failing}
        self.report("finish", [i for i in ids if i not in bad])
        self.report("fail", sorted(bad))

    def take(self):
        """The op's number, and what it brought."""
        wait_s = self.load.wait_s
        body = {
            "worker": self.name,
            "count": self.load.take_count,
            "wait_s": wait_s,
            "request_id": f"{self.name}-{self.rng.randrange(1 << 60):x}",
        }
        if self.load.lease_s:
            body["lease_s"] = self.load.lease_s
        op, got = self.settle("take", "take", body)
        tasks = got["tasks"]
        self.history.add(
            "ok", self.name, "take", op=op, ids=[t["id"] for t in tasks]
        )
        return op, tasks

    def work(self, ids):
        """What it does with them takes no time."""

    def report(self, what, ids):
        """Reports them until that is settled."""
        if not ids:
            return
        key = {"finish": "finished", "fail": "failed"}[what]
        body = {"worker": self.name, key: ids}
        op, got = self.settle(what, "report", body, ids)
        refused = {r["id"]: r["error"]["name"] for r in got["refused"]}
        assert set(refused) <= set(ids), "an answer about other tasks"
        taken = [i for i in ids if i not in refused]
        more = {"refused": refused} if refused else {}
        self.history.add("ok", self.name, what, op=op, ids=taken, **more)


class Load:
    """Profile N: two producers, 1,000 tasks a second in batches of 100, four
    workers. addresses() gives where the servers are now."""

    def __init__(self, history, addresses, seed, **profile):
        self.history, self.addresses, self.seed = history, addresses, seed
        values = {
            "producers": 2,
            "workers": 4,
            "rate": 1000,
            "batch": 100,
            "take_count": 500,
            "failing": 0.02,
            "wait_s": 0.3,
            "lease_s": None,
            "timeout": 15,
            "tolerated": (),
            "worker_class": Worker,
            # Where workers are, when they are not where producers are.
            "takes_at": None,
        }
        assert set(profile) <= set(values), profile
        values.update(profile)
        self.__dict__.update(values)
        self.interval_s = self.batch * self.producers / self.rate
        self.settles = True
        self.refusals, self.lock = {}, threading.Lock()
        self.makers = [Producer(self, f"p{n}") for n in range(self.producers)]
        self.hands = [self.worker_class(self, f"w{n}") for n in range(self.workers)]

    def address(self, hand):
        """Where a hand connects to: any of its servers."""
        if self.takes_at and isinstance(hand, Worker):
            return hand.rng.choice(self.takes_at)
        return hand.rng.choice(self.addresses())

    def refused(self, name):
        """Counts a refusal."""
        with self.lock:
            self.refusals[name] = self.refusals.get(name, 0) + 1

    def start(self):
        """All of them begin."""
        for hand in self.makers + self.hands:
            hand.start()
        return self

    def check(self):
        """None met something that may not be."""
        for hand in self.makers + self.hands:
            if hand.error:
                raise hand.error

    @staticmethod
    def _join(hands, limit_s):
        end = time.monotonic() + limit_s
        for hand in hands:
            hand.halt.set()
            hand.awake.set()
        for hand in hands:
            hand.join(max(0.1, end - time.monotonic()))
            assert not hand.is_alive(), f"{hand.name} does not settle its operation"

    def end_pushing(self, limit_s=60):
        """Producers settle what they do and end."""
        self._join(self.makers, limit_s)
        self.check()

    def end(self, limit_s=60):
        """Workers as well."""
        self._join(self.makers + self.hands, limit_s)
        self.check()
