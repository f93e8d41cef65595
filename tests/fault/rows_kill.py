"""F: processes are killed, frozen, all killed together."""

import os
import signal
import threading
import time

import checks
from load import Worker
from run import alone, frozen, wait_ready_s
from server import wait_until

LEASE_S, SHORT_S = 10, 3
# From this time on without a sign of life it is an outage: BEAT_GAP_MS.
OUTAGE_S = 2.5
# For so long a lost connection to Redis is not told to clients: GRACE_MS.
GRACE_S = 0.15
# F8's worker.timeout at last.
GRACE_AT_LAST_S = 2
# Of F10's operations.
DEADLINE_S = 1


def address(schedd):
    """Where it listens, also while it does not run."""
    return schedd.args[-1].split("=", 1)[1]


def restart(schedd):
    """Starts a schedd anew. How long until it is ready."""
    began = time.monotonic()
    schedd.spawn()
    schedd.addr = address(schedd)
    return wait_ready_s(schedd.addr, began)


def restart_at(schedd, addr):
    """The same for one that found itself a port: it keeps that."""
    schedd.args = [f"--http.listen={addr}"]
    return restart(schedd)


def f1(run):
    """kill -9 schedd, again and again; started anew at once."""
    redis = run.redis()
    schedd = run.schedd(redis=redis)
    run.start_load()
    ready = []
    for _ in range(run.times(60)):
        run.pause(0.2, 2.5)
        run.note("kill")
        schedd.kill()
        ready.append(restart(schedd))
    events = run.finish(redis)
    run.at_most("ready_p99", checks.quantile(ready, 0.99), 1.0, "s")
    run.gap(events, 2)


def f2(run):
    """kill -9 Redis; started again after a while."""
    redis = run.redis()
    schedd = run.schedd(redis=redis)
    pid = schedd.pid()
    run.start_load()
    resumed, early, later = [], [0.0], [0.0]
    for _ in range(run.times(25)):
        run.pause(0.3, 1.2)
        run.note("kill")
        redis.kill()
        killed = time.monotonic()
        end = killed + run.rng.uniform(0.5, 3)
        while time.monotonic() < end:
            held = time.monotonic() < killed + GRACE_S
            (early if held else later).append(refusal_s(run, schedd, held))
            time.sleep(0.02 if held else 0.05)
        redis.start()
        resumed.append(first_success_s(run))
    run.expect(schedd.is_running() and schedd.pid() == pid, "schedd ended")
    events = run.finish(redis)
    run.at_most("refused_at_first", max(early) * 1000, GRACE_S * 1000 + 50, "ms")
    run.at_most("refused_in", max(later) * 1000, 50, "ms")
    run.at_most("resumed", max(resumed), 1.0, "s")
    run.gap(events, 3 + 2)


def refusal_s(run, schedd, may_be_sent=False):
    """How long a refusal takes while there is no Redis. What went out before
    the end of the connection was noticed is not known."""
    with schedd.client(timeout=10) as client:
        began = time.monotonic()
        got = client.queue("probe").post("take", {"worker": "probe", "count": 1})
        took = time.monotonic() - began
    fine = (503, 504) if may_be_sent else (503,)
    run.expect(got.status in fine, f"without Redis a take is answered {got}")
    return took


def first_success_s(run, limit_s=20):
    """How long from now until an operation of the load succeeds."""
    began, mark = time.monotonic_ns(), run.history.mark()

    def first():
        times = [e["t"] for e in run.history.since(mark) if e["type"] == "ok"]
        return min(times, default=None)

    return (wait_until(first, limit_s, "a success") - began) / 1e9


def monkey(run, redis, schedd, load, only_redis=False):
    """Faults that end by themselves, as functions."""

    def kill_schedd():
        schedd.kill()
        restart(schedd)

    def kill_redis():
        redis.kill()
        time.sleep(run.rng.uniform(0, 1))
        redis.start()

    def freeze_schedd():
        with frozen(schedd.pid()):
            time.sleep(run.rng.uniform(0.1, 2))

    def freeze_redis():
        with frozen(redis.process.pid):
            time.sleep(run.rng.uniform(0.1, 2))

    def kill_both():
        redis.kill()
        schedd.kill()
        redis.start()
        restart(schedd)

    def stop_worker():
        hand = run.rng.choice(load.hands)
        hand.awake.clear()
        time.sleep(run.rng.uniform(0.1, 2))
        hand.awake.set()

    faults = [kill_redis, freeze_schedd, freeze_redis, stop_worker]
    return faults if only_redis else [*faults, kill_schedd, kill_both]


def f5(run):
    """Monkey: kills and freezes of schedd, Redis and workers, one each
    1.5 s."""
    redis = run.redis()
    schedd = run.schedd(redis=redis)
    load = run.start_load()
    faults = monkey(run, redis, schedd, load)
    for _ in range(run.times(100)):
        fault = run.rng.choice(faults)
        run.note(fault.__name__)
        began = time.monotonic()
        fault()
        load.check()
        time.sleep(max(0.05, 1.5 - (time.monotonic() - began)))
    wait_ready_s(address(schedd), time.monotonic())
    events = run.finish(redis)
    run.gap(events, 2 + 3)


def f7(run):
    """One signal to all of them at the same moment."""
    redis = run.redis()
    schedd = run.schedd(redis=redis)
    run.start_load()
    ready = []
    for _ in range(run.times(10)):
        run.pause(1, 4)
        run.note("kill")
        for pid in (redis.process.pid, schedd.pid()):
            os.kill(pid, signal.SIGKILL)
        redis.kill()
        schedd.kill()
        began = time.monotonic()
        redis.start()
        restart(schedd)
        ready.append(time.monotonic() - began)
    events = run.finish(redis)
    run.at_most("ready", max(ready), 5.0, "s")
    run.gap(events, 5)


def f8(run):
    """SIGSTOP schedd, for longer than leases too: they wait with it, and none
    is taken back in the first lease after it."""
    redis = run.redis()
    schedd = run.schedd({"janitor": {"interval": "200ms"}}, redis=redis)
    short, long = Holders(run, schedd, "short"), Holders(run, schedd, "long")
    run.start_load(lease_s=LEASE_S)
    rounds, stops = run.times(3), [0.1, 1, 5, 20]
    if run.part < 0.5:
        rounds, stops = 2, [1, LEASE_S + 2]
    for number in range(rounds):
        if number == rounds - 1:
            # Leases that ended meanwhile last longer than this.
            schedd.settings["worker"] = {"timeout": f"{GRACE_AT_LAST_S}s"}
            schedd.reload()
        grace_s = GRACE_AT_LAST_S if number == rounds - 1 else LEASE_S
        for stop_s in stops:
            held_over(run, schedd, (short, long), stop_s, grace_s)
    events = run.finish(redis)
    run.gap(events, 20 + 2)


def held_over(run, schedd, holders, stop_s, grace_s):
    """One stop, over which a short lease and a long one are held. grace_s: for
    so long after it, or the lease, if that is shorter, none is taken back."""
    short, long = holders
    run.pause(0.2, 0.5)
    is_outage = stop_s >= OUTAGE_S
    if is_outage:
        # Nearly over when the stop begins.
        short.take(lease_s=SHORT_S)
        time.sleep(SHORT_S - 0.6)
    else:
        short.take(lease_s=stop_s + 2)
    long.take(lease_s=LEASE_S)
    run.note("stop", seconds=stop_s)
    with frozen(schedd.pid()):
        time.sleep(stop_s)
    woken = time.monotonic()
    held_until(woken, min(SHORT_S, grace_s) - 0.4 if is_outage else 1.4)
    short.report()
    if not is_outage:
        held_until(woken, 2)
    elif grace_s < LEASE_S:
        held_until(woken, 2 * grace_s)
    else:
        held_until(woken, LEASE_S - 1)
    long.report()


def held_until(woken, seconds):
    """So long after it woke; the janitor looks again and again meanwhile."""
    time.sleep(max(0, woken + seconds - time.monotonic()))


class Sleepy(Worker):
    """Sleeps longer than its lease now and then, and is not sorry."""

    def work(self, ids):
        if self.rng.random() > 0.2:
            return
        self.history.add("note", self.name, "gone")
        time.sleep(2 * self.load.lease_s)
        op = self.history.next_op()
        body = {"worker": self.name, "ids": ids}
        self.history.add("invoke", self.name, "extend", op=op, ids=ids)
        _, _, got, _ = self.post("extend", body)
        if got:
            lost = {r["id"] for r in got["refused"]}
            kept = [i for i in ids if i not in lost]
            self.history.add("ok", self.name, "extend", op=op, ids=kept)


def f9(run):
    """Workers sleep longer than their leases and wake: late extends and
    fails are refused, a late finish is taken once at most."""
    redis = run.redis()
    run.schedd(redis=redis)
    run.start_load(lease_s=2, worker_class=Sleepy, workers=6, rate=200, batch=10)
    end = time.monotonic() + run.seconds(60, 15)
    while time.monotonic() < end:
        run.pause(0.5, 1)
    events = run.finish(redis, max_attempts=3)
    run.findings += late_ones(events)
    run.gap(events, 4)


def late_ones(events):
    """Extends and fails of a worker for tasks that another has begun since
    must not be taken."""
    current, wrong = {}, {"extend": set(), "fail": set()}
    for e in events:
        if e["f"] == "run":
            current.update((i, e["proc"]) for i in e["ids"])
        elif e["f"] in wrong and e["type"] == "ok":
            wrong[e["f"]].update(i for i in e["ids"] if current[i] != e["proc"])
    return [f"late {f} taken: {sorted(ids)[:5]}" for f, ids in wrong.items() if ids]


class Holders:
    """A worker that holds tasks over a fault and reports them after it: they
    must be its own still. Of a queue of its own, with short leases."""

    def __init__(self, run, schedd, queue="held", count=20):
        self.run, self.schedd, self.queue, self.count = run, schedd, queue, count
        self.serial, self.ids = 0, []
        self.lost = 0

    def _call(self, verb, body):
        def call():
            try:
                with self.schedd.client(timeout=10) as client:
                    got = client.queue(self.queue).post(verb, body)
            except OSError:
                return None
            return got.json if got.status in (200, 201) else None

        return wait_until(call, 30, f"{verb} of the holder")

    def take(self, lease_s=LEASE_S):
        """Pushes and takes its tasks."""
        self.serial += 1
        self.ids = [f"h{self.serial}-{n}" for n in range(self.count)]
        tasks = [{"id": i, "payload": i} for i in self.ids]
        self._call("tasks", {"tasks": tasks})
        body = {"worker": "holder", "count": 1000, "lease_s": lease_s}
        body["request_id"] = f"r{self.serial}"
        got = self._call("take", body)
        firsts = {t["id"] for t in got["tasks"] if t["attempt"] == 1}
        self.run.expect(
            set(self.ids) <= firsts,
            f"the holder got {len(firsts)} of {self.count} tasks",
        )

    def report(self):
        """Another asks for work, then they are reported."""
        other = self._call("take", {"worker": "other", "count": 1000})
        again = [t["id"] for t in other["tasks"]]
        self.run.expect(not again, f"{len(again)} leases were taken back: {again[:5]}")
        self._call("report", {"worker": "holder", "finished": self.ids})
        if again:
            self._call("report", {"worker": "other", "finished": again})


def f10(run):
    """SIGSTOP Redis, without Sentinel."""
    redis = run.redis()
    deadline = {"deadline": f"{DEADLINE_S}s"}
    schedd = run.schedd({'redis "main"': deadline}, redis=redis)
    run.start_load()
    rss, worst = schedd.rss_bytes(), 0.0
    statuses = {503: 0, 504: 0}
    for number in range(run.times(12)):
        run.pause(0.5, 2)
        stop_s = 8 if number == 0 and run.part > 0.5 else run.rng.uniform(0.1, 3)
        run.note("stop", seconds=stop_s)
        with frozen(redis.process.pid):
            frozen_at = time.monotonic()
            while time.monotonic() < frozen_at + stop_s:
                began = time.monotonic()
                status = answer_of(schedd)
                worst = max(worst, time.monotonic() - began)
                rss = max(rss, schedd.rss_bytes())
                statuses[status] = statuses.get(status, 0) + 1
                # Only what Redis was sent is not known.
                known = began < frozen_at + DEADLINE_S or status == 503
                run.expect(known, f"frozen for long, a take is answered {status}")
    events = run.finish(redis)
    run.expect(set(statuses) == {503, 504}, f"answers by status: {statuses}")
    run.facts["answers"] = "/".join(f"{n}x{s}" for s, n in statuses.items())
    # The limit of a request is redis.main.deadline.
    run.at_most("answered_in", worst * 1000, DEADLINE_S * 1000 + 100, "ms")
    run.at_most("rss", rss / (1 << 20), 150, "MiB")
    run.gap(events, 8 + 3)


def answer_of(schedd):
    """The status of a take's answer."""
    with schedd.client(timeout=30) as client:
        return client.queue("probe").post("take", {"worker": "probe"}).status


@alone
def f11(run):
    """Three schedd on one Redis; one after the other is stopped 5 s and
    woken, killed, started anew."""
    redis = run.redis()
    three = [run.schedd(redis=redis) for _ in range(3)]
    run.start_load(workers=6)
    woken = []
    for number in range(run.times(10)):
        one = three[number % 3]
        run.pause(0.3, 1)
        woken += wake_ups_s(three, number)
        run.note("stop")
        with frozen(one.pid()):
            time.sleep(run.seconds(5, 1))
        run.pause(0.2, 0.5)
        run.note("kill")
        one.kill()
        restart(one)
    events = run.finish(redis)
    run.facts["woken_p50"] = f"{checks.quantile(woken, 0.5) * 1000:.1f}ms"
    run.at_most("woken", max(woken) * 1000, 50, "ms")
    run.gap(events, 3)


def wake_ups_s(schedds, number):
    """A take waits on each; a push on another wakes it. Each one's time."""
    out = []
    for n, waits in enumerate(schedds):
        queue, got = f"wake-{number}-{n}", []

        def wait(addr=waits, queue=queue, got=got):
            with addr.client(timeout=20) as client:
                tasks = client.queue(queue).take("w", wait_s=10)
                got.append((time.monotonic(), len(tasks)))

        with schedds[n - 1].client() as client:
            client.queue(queue).make()
            thread = threading.Thread(target=wait)
            thread.start()
            with waits.client() as look:
                path = f"/v1/queues/{queue}"
                wait_until(
                    lambda: look.get(path).json.get("waiting_takes"), 10, "the take"
                )
            began = time.monotonic()
            client.queue(queue).push("t")
            thread.join()
        assert got and got[0][1] == 1, f"the take on server {n} got {got}"
        out.append(got[0][0] - began)
    return out


ROWS = {"F1": f1, "F2": f2, "F5": f5, "F7": f7, "F8": f8, "F9": f9, "F10": f10, "F11": f11}
