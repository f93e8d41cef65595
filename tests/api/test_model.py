"""MODEL_OPS (20,000) random operations on the real thing, each compared with
a model in memory. MODEL_SEED repeats a run; it is printed first."""

import os
import random
import time

import pytest

from model import STATES, Model
from server import wait_until
from times import from_ms, to_ms

OPS = int(os.environ.get("MODEL_OPS", "20000"))
SEED = int(os.environ.get("MODEL_SEED", str(random.randrange(2**32))))
DUMP_EVERY = 500
# No moment at which something happens by itself may be nearer to a stop of
# the clock than this: what real time adds must not matter.
# It is long, and so are all times here, since the machine's own clock may be
# set while the test runs.
GUARD_MS = 600_000
WORKERS = ["w1", "w2", "w3", "w4"]

SETTINGS = {
    "janitor": {"interval": "50ms", "slice": 7},
    "log": {"access": "no"},
    'redis "main"': {"deadline": "20s"},
}


class Pair:
    """The real queue and its model."""

    def __init__(self, driver, name):
        self.driver, self.rng = driver, driver.rng
        self.schedd = driver.schedd
        self.queue = driver.client.queue(name)
        self.model = Model(max_attempts=3, max_tasks=150, lease_s=30_000)
        self.model.finish_age_s, self.model.dead_age_s = 400_000, 600_000
        self.model.max_payload = 200
        self.queue.patch(
            max_attempts=3,
            max_tasks=150,
            max_payload=200,
            lease_s=30_000,
            retry_base_s=10_000,
            retry_max_s=50_000,
            finish_age_s=400_000,
            dead_age_s=600_000,
        )
        self.ids = [f"{name}-{i:03}" for i in range(300)]
        self.serial = 0

    def now(self):
        """The server's clock, about."""
        return self.schedd.now_ms()

    def some(self, states, most, strangers=0.1):
        """Ids in these states, and a few others; all different."""
        known = self.model.of(*states)
        self.rng.shuffle(known)
        ids = known[: self.rng.randint(0 if known else 1, most)]
        if self.rng.random() < strangers or not ids:
            ids.append(self.rng.choice(self.ids))
        return list(dict.fromkeys(ids))

    # -- what tasks say about themselves ---------------------------------

    def shown(self, got, whole):
        """Compares what a list or one task shows."""
        task = self.model.tasks[got["id"]]
        assert got["state"] == task.state, (got, task)
        if task.state != "finish":
            assert got["priority"] == task.lane, (got, task)
            held = task.state == "doing"
            assert got["attempts"] == task.used + held, (got, task)
            assert got["max_attempts"] == self.model.limit(task), (got, task)
        assert got["worker"] == task.worker, (got, task)
        if task.error is ...:
            assert got["error"], (got, task)
        else:
            assert got["error"] == task.error, (got, task)
        if task.state == "todo":
            assert got["due_at"] is None
        elif task.due is not None:
            assert abs(to_ms(got["due_at"]) - task.due) < GUARD_MS / 2, (got, task)
        if whole:
            payload = None if task.state == "finish" else task.payload
            assert got["payload"] == payload, (got, task)
            assert got["result"] == task.result, (got, task)

    def learn_due(self, ids):
        """The retry times of tasks that just failed: checked, then taken."""
        now = self.now()
        for task_id in ids:
            task = self.model.tasks.get(task_id)
            if not task or task.state != "failed" or task.due is not None:
                continue
            task.due = to_ms(self.queue.task(task_id)["due_at"])
            wait = min(10_000 * 2 ** (task.used - 1), 50_000) * 1000
            assert wait * 0.9 - 5000 <= task.due - now <= wait * 1.1 + 5000, task

    # -- operations ------------------------------------------------------

    def op_push(self):
        """One task or some."""
        count = self.rng.choice([1, 1, 1, 2, 5, 20])
        items = [self._new_item() for _ in range(count)]
        wanted = self.model.push(items, self.now())
        bodies = []
        for item in items:
            body = dict(item)
            at = body.pop("run_at_ms", None)
            if at is not None:
                body["run_at"] = from_ms(at)
            bodies.append(body)
        one = count == 1 and self.rng.random() < 0.7
        got = self.queue.post("tasks", bodies[0] if one else {"tasks": bodies})
        reasons = {why for status, why in wanted if status == "refused"}
        if len(reasons) == 1 and all(w[0] == "refused" for w in wanted):
            assert got.status in (413, 429), (got, wanted)
            assert {got.error["name"]} == reasons
            return
        seen = [
            (t["status"], t.get("state") or t.get("error", {}).get("name"))
            for t in got.json["tasks"]
        ]
        assert seen == wanted, (items, got)
        assert [t["id"] for t in got.json["tasks"]] == [i["id"] for i in items]
        queued = sum(w[0] == "queued" for w in wanted)
        assert got.json["queued"] == queued
        assert got.status == (201 if queued else 200)

    def _new_item(self):
        self.serial += 1
        item = {"id": self.rng.choice(self.ids), "payload": f"p{self.serial}"}
        chance = self.rng.random
        if chance() < 0.02:
            item["payload"] = "x" * 300
        if chance() < 0.4:
            item["priority"] = self.rng.choice(["high", "normal", "low"])
        if chance() < 0.2:
            item["max_attempts"] = self.rng.randint(1, 5)
        if chance() < 0.3:
            item["replace"] = chance() < 0.8
        kind = chance()
        if kind < 0.1:
            item["delay_s"] = self.rng.choice([0, 10_000, 40_000, 90_000])
        elif kind < 0.2:
            offset = self.rng.choice([-50_000, 20_000, 70_000]) * 1000
            item["run_at_ms"] = self.now() + offset
        return item

    def op_take(self):
        """With and without a report and a request id."""
        worker, now = self.rng.choice(WORKERS), self.now()
        count = self.rng.choice([1, 2, 5, 30])
        lease_s = self.rng.choice([None, None, 15_000, 80_000])
        request_id = None
        if self.rng.random() < 0.3:
            mine = [r for w, r in self.model.requests if w == worker]
            self.serial += 1
            again = mine and self.rng.random() < 0.6
            request_id = self.rng.choice(mine) if again else f"r{self.serial}"
        body = {"worker": worker, "count": count}
        if lease_s:
            body["lease_s"] = lease_s
        if request_id:
            body["request_id"] = request_id
        reported = None
        if self.rng.random() < 0.3:
            finished, failed = self._items(worker)
            body.update(self._report_body(finished, failed))
            reported = self.model.report(worker, finished, failed, now)
        wanted = self.model.take(worker, count, lease_s, request_id, now)
        got = self.queue.post("take", body)
        assert got.status == 200, got
        answer = got.json
        assert [(t["id"], t["attempt"]) for t in answer["tasks"]] == wanted, answer
        for task in answer["tasks"]:
            mine = self.model.tasks[task["id"]]
            assert task["payload"] == mine.payload
        assert answer.get("paused", False) == self.model.paused, answer
        if reported:
            self._reported(answer["report"], reported)
            self.learn_due([i for i, _, _ in failed])

    def _items(self, worker):
        """(finished, failed) for a report of that worker."""
        held = [
            i for i in self.model.of("doing") if self.model.tasks[i].worker == worker
        ]
        self.rng.shuffle(held)
        ids = held[: self.rng.randint(0, 12)]
        if self.rng.random() < 0.25:
            ids += self.some(STATES, 3, strangers=0.3)
        ids = list(dict.fromkeys(ids)) or [self.rng.choice(self.ids)]
        finished, failed = [], []
        for task_id in ids:
            if self.rng.random() < 0.65:
                result = self.rng.choice([None, None, 7, "done", {"a": [1]}])
                finished.append((task_id, result))
            else:
                error = self.rng.choice(["", "broke", 'so "bad"'])
                failed.append((task_id, error, self.rng.random() < 0.85))
        return finished, failed

    def _report_body(self, finished, failed):
        body = {"finished": [], "failed": []}
        for task_id, result in finished:
            plain = result is None and self.rng.random() < 0.7
            item = {"id": task_id}
            if result is not None:
                item["result"] = result
            body["finished"].append(task_id if plain else item)
        for task_id, error, retry in failed:
            plain = error == "" and retry
            item = {"id": task_id, "error": error}
            if not retry:
                item["retry"] = False
            body["failed"].append(task_id if plain else item)
        return body

    @staticmethod
    def _reported(answer, wanted):
        counts, refused = wanted
        got = {k: answer[k] for k in counts}
        why = {r["id"]: r["error"]["name"] for r in answer["refused"]}
        assert (got, why) == (counts, refused)

    def op_report(self):
        """Finishes and failures, right and wrong ones."""
        worker = self.rng.choice(WORKERS)
        finished, failed = self._items(worker)
        wanted = self.model.report(worker, finished, failed, self.now())
        body = {"worker": worker, **self._report_body(finished, failed)}
        got = self.queue.post("report", body)
        assert got.status == 200, got
        self._reported(got.json, wanted)
        self.learn_due([i for i, _, _ in failed])

    def op_extend(self):
        """Right and wrong ones."""
        worker = self.rng.choice(WORKERS)
        ids = self.some(["doing"], 8, strangers=0.3)
        lease_s = self.rng.choice([None, 25_000, 90_000])
        more = {"lease_s": lease_s} if lease_s else {}
        refused = self.model.extend(worker, ids, lease_s, self.now())
        got = self.queue.extend(worker, ids, **more)
        assert {r["id"]: r["error"]["name"] for r in got["refused"]} == refused
        assert got["extended"] == len(ids) - len(refused)

    def op_remove(self):
        """One task, known or not."""
        (task_id, *_) = self.some(STATES, 1)
        state = self.model.remove(task_id)
        got = self.queue.remove(task_id)
        if state is None:
            got.refused(404, "TASK_UNKNOWN")
        else:
            assert got.json["state"] == state, (task_id, got)

    def op_show(self):
        """One task, known or not."""
        (task_id, *_) = self.some(STATES, 1)
        got = self.queue.try_task(task_id)
        if task_id in self.model.tasks:
            self.shown(got.json, whole=True)
        else:
            got.refused(404, "TASK_UNKNOWN")

    def set_body(self, state, order):
        """Which tasks: by ids, glob, worker or error; and those that fit."""
        tasks = self.model.tasks
        kinds = ["ids", "match"]
        kinds += ["worker"] if state in ("doing", "finish") else []
        kinds += ["error_match"] if state in ("failed", "dead") else []
        kind = self.rng.choice(kinds)
        if kind == "ids":
            chosen = self.some([state], 6, strangers=0.5)
            return {"ids": chosen}, [i for i in order if i in chosen]
        if kind == "match":
            digit = str(self.rng.randrange(10))
            return {"match": f"*{digit}"}, [i for i in order if i.endswith(digit)]
        if kind == "worker":
            worker = self.rng.choice(WORKERS)
            return {"worker": worker}, [i for i in order if tasks[i].worker == worker]
        text = self.rng.choice(["BROKE", '"bad"', "of worker", "O"])

        def said(task):  # ...: the server's own words
            return "of worker" if task.error is ... else task.error or ""

        hit = [i for i in order if text.lower() in said(tasks[i])]
        return {"error_match": text}, hit

    def op_set(self):
        """Purge or retry, maybe dry, maybe only some: the last ones."""
        verb = self.rng.choice(["purge", "retry"])
        states = STATES if verb == "purge" else ("failed", "dead", "delayed")
        state = self.rng.choice(states)
        order = self.queue.ids(state)
        assert sorted(order) == sorted(self.model.of(state)), state
        body, hit = self.set_body(state, order)
        if state != "todo" and self.rng.random() < 0.3:
            body["limit"] = self.rng.randint(1, 5)
            hit = hit[-body["limit"] :]
        dry = self.rng.random() < 0.3
        answer = getattr(self.queue, verb)(state=state, dry_run=dry, **body)
        assert answer == len(hit), (verb, state, body, hit)
        if dry:
            return
        if verb == "retry":
            self.model.retry(hit)
        else:
            for task_id in hit:
                self.model.remove(task_id)

    def op_policy(self):
        """Pause, resume, and limits."""
        kind = self.rng.random()
        if kind < 0.5:
            self.model.paused = not self.model.paused and self.rng.random() < 0.3
            self.queue.patch(paused=self.model.paused)
        elif kind < 0.75:
            self.model.max_attempts = self.rng.randint(1, 5)
            self.queue.patch(max_attempts=self.model.max_attempts)
        else:
            self.model.max_tasks = self.rng.choice([60, 100, 150, 200])
            self.queue.patch(max_tasks=self.model.max_tasks)

    def op_trim(self):
        """Keeps only so many finished or dead ones for a moment."""
        state = self.rng.choice(["finish", "dead"])
        order = self.queue.ids(state)
        assert sorted(order) == sorted(self.model.of(state)), state
        if state == "finish":
            assert order == self.model.finish
        keep = self.rng.randint(1, 40)
        self.queue.patch(**{f"{state}_keep": keep})
        self.model.trim(state, order, keep)
        self.settle()
        self.queue.patch(**{f"{state}_keep": None})

    def wait_unmarked(self, task_id, worker):
        """Until the janitor has forgotten that a task was cancelled."""
        task = self.model.tasks.get(task_id)
        if task and task.state == "doing" and task.worker == worker:
            return

        def forgotten():
            (refused,) = self.queue.extend(worker, [task_id])["refused"]
            name = refused["error"]["name"]
            self.model.totals["lease_lost"] += name == "LEASE_LOST"
            return name != "TASK_CANCELLED"

        wait_until(forgotten, what=f"{task_id} of {worker} to be forgotten")

    # -- comparing -------------------------------------------------------

    def settle(self):
        """Waits until the janitor has done what the model knows of."""
        wanted = self.model.counts()
        try:
            wait_until(lambda: self.queue.info()["counts"] == wanted, 20, wanted)
        except AssertionError:
            self.print_difference()
            raise

    def compare_counts(self):
        """After every operation."""
        got = self.queue.info()
        assert got["counts"] == self.model.counts(), got
        lanes = {lane: len(ids) for lane, ids in self.model.lanes.items()}
        assert got["lanes"] == lanes, got

    def print_difference(self):
        """Which tasks are elsewhere than the model has them."""
        there = {t["id"]: t for s in STATES for t in self.queue.all(s)}
        shift = time.time() - time.monotonic() - self.driver.clock
        print(f"now {self.now()}; the machine's clock was set by {shift:.1f} s")
        for task_id in sorted(set(there) | set(self.model.tasks)):
            got, task = there.get(task_id), self.model.tasks.get(task_id)
            if (got and got["state"]) != (task and task.state):
                print(f"there: {got}\nmodel: {task}")

    def compare_all(self):
        """Every task of every state."""
        seen = 0
        for state in STATES:
            shown = self.queue.all(state, limit=self.rng.choice([7, 50, 1000]))
            ids = [t["id"] for t in shown]
            assert sorted(ids) == sorted(self.model.of(state)), state
            for one in shown:
                self.shown(one, whole=False)
            seen += len(ids)
            if state == "todo":
                assert ids == self.model.todo()
            if state == "finish":
                assert ids == self.model.finish
        assert seen == len(self.model.tasks)
        for task_id in self.rng.sample(sorted(self.model.tasks), min(seen, 15)):
            self.shown(self.queue.task(task_id), whole=True)
        assert self.queue.info()["totals"] == self.model.totals


class Driver:
    """Chooses operations and moves the clock."""

    def __init__(self, schedd, client):
        self.schedd, self.client = schedd, client
        self.rng = random.Random(SEED)
        self.clock = time.time() - time.monotonic()
        self.pairs = [Pair(self, "m1"), Pair(self, "m2")]
        self.ops = [
            (30, Pair.op_push),
            (24, Pair.op_take),
            (24, Pair.op_report),
            (6, Pair.op_extend),
            (5, Pair.op_remove),
            (5, Pair.op_show),
            (2, Pair.op_set),
            (2, Pair.op_policy),
            (0.3, Pair.op_trim),
        ]

    def move_clock(self):
        """To a moment that no task is near to, then waits for the janitor."""
        step_s = self.rng.choice([3000, 10_000, 20_000, 50_000])
        base = self.schedd.now_ms()
        dues = [due for pair in self.pairs for due in pair.model.dues()]
        while any(
            abs(due - base - step_s * 1000) < GUARD_MS for due in dues
        ):
            step_s += 370
        before = [
            (set(p.model.todo()), set(p.model.of("doing"))) for p in self.pairs
        ]
        marks = [set(pair.model.marks) for pair in self.pairs]
        for pair in self.pairs:
            pair.model.advance(base + step_s * 1000)
        self.schedd.move_clock(step_s)
        for pair, (waited, held) in zip(self.pairs, before):
            pair.settle()
            order = pair.queue.ids("todo", limit=1000)
            pair.model.adopt(waited, held, order)
        for pair, old in zip(self.pairs, marks):
            for task_id, worker in sorted(old - set(pair.model.marks)):
                pair.wait_unmarked(task_id, worker)

    def run(self, count):
        """Does so many operations."""
        weights = [weight for weight, _ in self.ops]
        for number in range(1, count + 1):
            pair = self.rng.choice(self.pairs)
            if self.rng.random() < 0.012:
                self.move_clock()
            else:
                op = self.rng.choices(self.ops, weights)[0][1]
                try:
                    op(pair)
                    pair.compare_counts()
                except AssertionError:
                    print(f"operation {number}: {op.__name__} on {pair.queue.name}")
                    pair.print_difference()
                    raise
            if number % DUMP_EVERY == 0:
                for one in self.pairs:
                    one.compare_all()


@pytest.mark.parametrize("count", [OPS])
def test_model(schedd, client, count):
    print(f"MODEL_SEED={SEED} MODEL_OPS={count}")
    began = time.monotonic()
    driver = Driver(schedd, client)
    driver.run(count)
    for pair in driver.pairs:
        pair.compare_all()
    print(f"{count} operations in {time.monotonic() - began:.1f} s")
