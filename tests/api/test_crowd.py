"""CROWD_TASKS (100,000) tasks pushed by 4 clients in batches of 500 and drained
by 4 workers that finish 90 %, fail 8 % and forget 2 %: every task ends in
exactly one of finish and dead, and the counts add up."""

import hashlib
import os
import threading
import time

import pytest

from server import wait_until

if not os.access(os.environ["SCHEDD"], os.X_OK):
    pytest.skip("there is no such program", allow_module_level=True)

TASKS = int(os.environ.get("CROWD_TASKS", "100000"))
PRODUCERS = WORKERS = 4
BATCH = 500
ATTEMPTS = 3
HOUR = 3600

SETTINGS = {
    "log": {"access": "no"},
    'redis "main"': {"deadline": "10s"},
    'queue "crowd"': {
        "max_attempts": ATTEMPTS,
        "lease": "1h",
        "retry_base": "1h",
        "finish_keep": 10 * TASKS,
    },
}


def fate(task_id, attempt):
    """What becomes of an attempt: a pure function, so that the end of each
    task is known beforehand."""
    digest = hashlib.md5(f"{task_id}/{attempt}".encode()).digest()
    chance = int.from_bytes(digest[:4], "big") % 100
    if chance < 90:
        return "finish"
    return "fail" if chance < 98 else "forget"


def whole_fate(task_id):
    """("finish" or "dead", how many fails, how many leases over)."""
    fails = forgets = 0
    for attempt in range(1, ATTEMPTS + 1):
        what = fate(task_id, attempt)
        if what == "finish":
            return "finish", fails, forgets
        fails += what == "fail"
        forgets += what == "forget"
    return "dead", fails, forgets


class Hand(threading.Thread):
    """A producer or a worker; what went wrong is raised by finish()."""

    def __init__(self, schedd, work, *args):
        super().__init__(daemon=True)
        self.schedd, self.work, self.args = schedd, work, args
        self.error = None
        self.start()

    def run(self):
        try:
            with self.schedd.client() as client:
                self.work(client.queue("crowd"), *self.args)
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def finish(self):
        """Waits for its end."""
        self.join()
        if self.error:
            raise self.error


def produce(queue, number):
    """Pushes its share."""
    ids = [f"t{i:06}" for i in range(number, TASKS, PRODUCERS)]
    for first in range(0, len(ids), BATCH):
        tasks = [{"id": i, "payload": i} for i in ids[first : first + BATCH]]
        got = queue.post("tasks", {"tasks": tasks})
        while got.status == 503 and got.error["name"] == "STORE_BUSY":  # as it asks
            time.sleep(float(got.headers["retry-after"]))
            got = queue.post("tasks", {"tasks": tasks})
        assert got.status == 201, got
        assert got.json["refused"] == got.json["exists"] == 0


class Shift:
    """What all workers share."""

    def __init__(self):
        self.stop = threading.Event()
        self.taken = {}  # id -> attempts handed out, as the workers saw them

    def work(self, queue, number):
        """Takes, decides, reports with the next take; until told to stop."""
        name, report = f"worker-{number}", {}
        while True:
            got = queue.take_all(name, count=BATCH, wait_s=0.5, **report)
            if report:
                reported = got["report"]
                assert reported["refused"] == [], reported["refused"][:5]
                assert reported["finished"] == len(report["finished"])
                assert reported["failed"] == len(report["failed"])
            report = self.decide(got["tasks"])
            if not got["tasks"] and self.stop.is_set():
                return

    def decide(self, tasks):
        """The report on these."""
        report = {"finished": [], "failed": []}
        for task in tasks:
            task_id, attempt = task["id"], task["attempt"]
            assert task["payload"] == task_id
            # Each attempt is handed out once, and in its turn.
            before = self.taken.get(task_id, 0)
            assert attempt == before + 1, (task_id, before, attempt)
            self.taken[task_id] = attempt
            what = fate(task_id, attempt)
            if what == "finish":
                report["finished"].append(task_id)
            elif what == "fail":
                report["failed"].append({"id": task_id, "error": "as told"})
        return report if tasks else {}


def after(attempt):
    """The counts when every attempt up to this one has been made: what was
    forgotten is still held."""
    counts = {"finish": 0, "dead": 0, "failed": 0, "doing": 0}
    for number in range(TASKS):
        task_id = f"t{number:06}"
        for turn in range(1, attempt + 1):
            what = fate(task_id, turn)
            if what == "finish":
                counts["finish"] += 1
                break
        else:
            if what == "forget":
                counts["doing"] += 1
            else:
                counts["dead" if attempt == ATTEMPTS else "failed"] += 1
    return {state: n for state, n in counts.items() if n}


def test_crowd(schedd, client):
    queue = client.queue("crowd")
    began = time.monotonic()
    shift = Shift()
    workers = [Hand(schedd, shift.work, n) for n in range(WORKERS)]
    producers = [Hand(schedd, produce, n) for n in range(PRODUCERS)]
    for hand in producers:
        hand.finish()
    pushed = time.monotonic()

    for attempt in range(1, ATTEMPTS + 1):
        wait_counts(queue, workers, after(attempt))
        # Past every lease and every backoff: an hour, and an hour +- 10 %.
        schedd.move_clock(2 * HOUR)
    finish = after(ATTEMPTS)["finish"]
    wait_counts(queue, workers, {"finish": finish, "dead": TASKS - finish})
    shift.stop.set()
    for hand in workers:
        hand.finish()
    print(
        f"{TASKS} pushed in {pushed - began:.1f} s, "
        f"drained after {time.monotonic() - began:.1f} s"
    )
    check(queue, shift)


def wait_counts(queue, workers, wanted):
    """Until the queue has these counts, or a worker gave up."""

    def reached():
        for hand in workers:
            if hand.error:
                raise hand.error
        return queue.counts() == wanted

    wait_until(reached, 240, f"{wanted}; there is {queue.counts()}")


def check(queue, shift):
    """Each task is where its fate says, and the sums are right."""
    ids = [f"t{i:06}" for i in range(TASKS)]
    fates = {i: whole_fate(i) for i in ids}
    finish = sorted(i for i in ids if fates[i][0] == "finish")
    dead = sorted(i for i in ids if fates[i][0] == "dead")
    info = queue.info()
    zero = dict.fromkeys(("todo", "delayed", "doing", "failed"), 0)
    assert info["counts"] == {**zero, "finish": len(finish), "dead": len(dead)}
    assert sorted(queue.ids("finish", limit=1000)) == finish
    assert sorted(queue.ids("dead", limit=1000)) == dead
    fails = sum(f[1] for f in fates.values())
    forgets = sum(f[2] for f in fates.values())
    attempts = sum(shift.taken.values())
    assert attempts == len(finish) + fails + forgets
    assert info["totals"] == {
        "pushed": TASKS,
        "taken": attempts,
        "finished": len(finish),
        "failed": fails,
        "reclaimed": forgets,
        "dead": len(dead),
        "lease_lost": 0,
        "retried": info["totals"]["retried"],
        "trimmed": 0,
    }
    last_fails = sum(fate(i, ATTEMPTS) == "fail" for i in dead)
    assert info["totals"]["retried"] == fails - last_fails
    assert dead and fails and forgets
