"""A queue in memory, as DESIGN 3 describes it: what test_model compares with.

Where the order is the server's choice (tasks that come back together), the
model checks that the set is right and then takes the server's order over.
"""

from dataclasses import dataclass
from typing import Any, Optional

STATES = ("todo", "delayed", "doing", "failed", "finish", "dead")
LANES = ("high", "normal", "low")
LIVE = ("todo", "delayed", "doing", "failed")


@dataclass
class Task:  # pylint: disable=too-many-instance-attributes
    """One task that is known."""

    id: str
    payload: Any
    lane: str = "normal"
    own_max: Optional[int] = None
    state: str = "todo"
    used: int = 0  # attempts that came back
    worker: Optional[str] = None  # who holds it, or finished it
    due: int = 0  # ms: lease end, retry, run_at, when it finished or died
    error: Optional[str] = None
    result: Any = None


class Model:  # pylint: disable=too-many-instance-attributes
    """One queue."""

    def __init__(self, max_attempts, max_tasks, lease_s):
        self.max_attempts, self.max_tasks = max_attempts, max_tasks
        self.lease_s = lease_s
        self.max_payload = 65536
        self.finish_age_s = self.dead_age_s = 0
        self.paused = False
        self.tasks = {}
        self.lanes = {lane: [] for lane in LANES}
        self.finish = []  # in the order of finishing
        self.marks = {}  # (id, worker) -> lease end of a cancelled task
        self.requests = {}  # (worker, request id) -> (ids, when taken)
        self.totals = dict.fromkeys(
            (
                "pushed taken finished failed dead lease_lost reclaimed "
                "retried trimmed"
            ).split(),
            0,
        )

    # -- looking ---------------------------------------------------------

    def counts(self):
        """Of every state."""
        out = dict.fromkeys(STATES, 0)
        for task in self.tasks.values():
            out[task.state] += 1
        return out

    def of(self, *states):
        """Ids in these states."""
        return [t.id for t in self.tasks.values() if t.state in states]

    def todo(self):
        """Ids in the order in which they will be taken."""
        return [i for lane in LANES for i in self.lanes[lane]]

    def limit(self, task):
        """How often the task may be handed out."""
        return task.own_max or self.max_attempts

    # -- moving ----------------------------------------------------------

    def _leave(self, task):
        if task.state == "todo":
            self.lanes[task.lane].remove(task.id)
        elif task.state == "finish":
            self.finish.remove(task.id)

    def _to_todo(self, task):
        self._leave(task)
        task.state, task.worker, task.due = "todo", None, 0
        self.lanes[task.lane].append(task.id)

    def _to_finish(self, task, worker, result, now):
        self._leave(task)
        task.state, task.worker, task.due = "finish", worker, now
        task.error, task.result = None, result
        task.lane, task.own_max, task.used = "normal", None, 0
        self.finish.append(task.id)
        self.totals["finished"] += 1

    def _to_dead(self, task, now):
        self._leave(task)
        task.state, task.worker, task.due = "dead", None, now
        self.totals["dead"] += 1

    def _forget(self, task):
        self._leave(task)
        del self.tasks[task.id]

    # -- operations ------------------------------------------------------

    def push(self, items, now):
        """[(status, state)] for [{id, payload, ...}]."""
        room = self.max_tasks - sum(self.counts()[s] for s in LIVE)
        out, mine = [], set()
        for item in items:
            known = self.tasks.get(item["id"])
            revive = known and item.get("replace") and item["id"] not in mine
            if len(item["payload"]) + 2 > self.max_payload:
                out.append(("refused", "PAYLOAD_TOO_LARGE"))
                continue
            if revive and known.state in ("finish", "dead") and room > 0:
                self._forget(known)
                known = None
            if known:
                out.append(("exists", known.state))
            elif room <= 0:
                out.append(("refused", "QUEUE_FULL"))
            else:
                room -= 1
                mine.add(item["id"])
                self._add(item, now)
                out.append(("queued", None))
        return out

    def _add(self, item, now):
        task = Task(item["id"], item["payload"])
        task.lane = item.get("priority", "normal")
        task.own_max = item.get("max_attempts")
        task.due = item.get("run_at_ms", 0)
        if "delay_s" in item:
            task.due = now + item["delay_s"] * 1000
        self.tasks[task.id] = task
        if task.due > now:
            task.state = "delayed"
        else:
            task.due = 0
            self.lanes[task.lane].append(task.id)
        self.totals["pushed"] += 1

    def take(self, worker, count, lease_s, request_id, now):
        """[(id, attempt)]."""
        key = (worker, request_id)
        if request_id and key in self.requests:
            ids = self.requests[key][0]
            ids = [i for i in ids if self._holds(worker, i)]
        elif self.paused:
            ids = []
        else:
            ids = self.todo()[:count]
            for i in ids:
                task = self.tasks[i]
                self._leave(task)
                task.state, task.worker = "doing", worker
                task.due = now + (lease_s or self.lease_s) * 1000
            self.totals["taken"] += len(ids)
            if request_id and ids:
                self.requests[key] = (ids, now)
        return [(i, self.tasks[i].used + 1) for i in ids]

    def _holds(self, worker, task_id):
        task = self.tasks.get(task_id)
        return task and task.state == "doing" and task.worker == worker

    def remembered(self, worker, now):
        """Request ids of a worker that the server must still know: they are
        young, or some of their tasks were held ever since. To be asked before
        each take, as what is forgotten may be held again after it."""
        self.requests = {
            key: (ids, taken)
            for key, (ids, taken) in self.requests.items()
            if now - taken < 40_000 or any(self._holds(key[0], i) for i in ids)
        }
        return [request for name, request in self.requests if name == worker]

    def _unheld(self, task, task_id, worker, finished):
        """Why a report for a task that the worker does not hold is refused;
        None when a late finish is taken."""
        if task and task.state == "doing":
            return "LEASE_LOST"
        if (task_id, worker) in self.marks:
            return "TASK_CANCELLED"
        if not task:
            return "TASK_UNKNOWN"
        if task.state == "finish":
            again = finished and task.worker == worker
            return "OK" if again else "LEASE_LOST"
        if task.used == 0:
            return "TASK_NOT_HELD"
        return None if finished else "LEASE_LOST"

    def report(self, worker, finished, failed, now):
        """(counts, {id: error}) of a report; failed: [(id, error, retry)]."""
        got, refused = {"finished": 0, "failed": 0, "dead": 0}, {}
        fails = []
        for task_id, result in finished:
            task = self.tasks.get(task_id)
            held = task and self._holds(worker, task_id)
            why = None if held else self._unheld(task, task_id, worker, True)
            if why in (None, "OK"):
                got["finished"] += 1
            else:
                refused[task_id] = why
            if why is None:
                self._to_finish(task, worker, result, now)
        for task_id, error, retry in failed:
            task = self.tasks.get(task_id)
            if task and self._holds(worker, task_id):
                fails.append((task, error, retry))
            else:
                refused[task_id] = self._unheld(task, task_id, worker, False)
        for task, error, retry in fails:
            got["failed"] += 1
            got["dead"] += self._fail(task, error, retry, now)
        self.totals["lease_lost"] += list(refused.values()).count("LEASE_LOST")
        return got, refused

    def _fail(self, task, error, retry, now):
        """1 when it is dead now."""
        task.used += 1
        task.error = error or None
        self.totals["failed"] += 1
        if not retry or task.used >= self.limit(task):
            self._to_dead(task, now)
            return 1
        task.state, task.worker = "failed", None
        task.due = None  # the server's jitter: learn_due
        return 0

    def extend(self, worker, ids, lease_s, now):
        """{id: error} of those that were not extended."""
        refused = {}
        for task_id in ids:
            task = self.tasks.get(task_id)
            if task and self._holds(worker, task_id):
                task.due = now + (lease_s or self.lease_s) * 1000
            else:
                why = self._unheld(task, task_id, worker, False)
                refused[task_id] = why
        self.totals["lease_lost"] += list(refused.values()).count("LEASE_LOST")
        return refused

    def remove(self, task_id):
        """The state it was in, or None."""
        task = self.tasks.get(task_id)
        if not task:
            return None
        state = task.state
        if state == "doing":
            self.marks[task_id, task.worker] = task.due
        self._forget(task)
        return state

    def retry(self, ids):
        """Operators bring these back, in this order."""
        for task_id in ids:
            task = self.tasks[task_id]
            if task.state == "dead":
                task.used = 0
            self._to_todo(task)
        self.totals["retried"] += len(ids)

    # -- time ------------------------------------------------------------

    def dues(self):
        """Every moment at which something changes by itself."""
        for task in self.tasks.values():
            if task.state == "finish":
                yield task.due + self.finish_age_s * 1000
            elif task.state == "dead":
                yield task.due + self.dead_age_s * 1000
            elif task.state != "todo":
                yield task.due
        yield from self.marks.values()

    def advance(self, now):
        """All that the janitor does by then. Lanes are to be adopted."""
        for task in list(self.tasks.values()):
            age_s = {"finish": self.finish_age_s, "dead": self.dead_age_s}
            late = task.due + age_s.get(task.state, 0) * 1000 <= now
            if task.state == "todo" or not late:
                continue
            if task.state in age_s:
                self._forget(task)
                self.totals["trimmed"] += 1
            elif task.state == "doing":
                self._reclaim(task, now)
            else:
                self.totals["retried"] += task.state == "failed"
                self._to_todo(task)
        self.marks = {k: v for k, v in self.marks.items() if v > now}

    def _reclaim(self, task, now):
        task.used += 1
        self.totals["reclaimed"] += 1
        if task.used >= self.limit(task):
            task.error = ...  # some text of the server's
            self._to_dead(task, now)
            return
        task.state, task.worker, task.due = "todo", None, 0
        self.lanes[task.lane].insert(0, task.id)

    def trim(self, state, order, keep):
        """Forgets all but the last so many of this order."""
        for task_id in order[: max(0, len(order) - keep)]:
            assert self.tasks[task_id].state == state
            self._forget(self.tasks[task_id])
            self.totals["trimmed"] += 1

    def adopt(self, before, front, order):
        """Takes the server's order of todo over: what waited keeps its order,
        what came back to the front stands in front of it, the rest behind."""
        assert sorted(order) == sorted(self.todo())
        at = 0
        for lane in LANES:
            ids = order[at : at + len(self.lanes[lane])]
            at += len(ids)
            assert set(ids) == set(self.lanes[lane]), (lane, ids)
            kind = [
                0 if i in front else 1 if i in before else 2 for i in ids
            ]
            assert kind == sorted(kind), (lane, list(zip(ids, kind)))
            waited = [i for i in self.lanes[lane] if i in before]
            assert [i for i in ids if i in before] == waited, lane
            self.lanes[lane] = ids
