"""N, D, M: the link to Redis is bad, its disk is full, its memory is, the
queue is."""

import time
from concurrent.futures import ThreadPoolExecutor

import checks
import redisdump
from history import History
from load import QUEUE
from powercut import Disk
from rows_kill import first_success_s, restart
from run import alone, freeze, need
from server import wait_until
from spaces import Space

MIB = 1 << 20


# How the link to Redis is bad, and for how long; n2 adds "up" and "down".
BAD_LINKS = (
    (["delay 100", "jitter 400"], 5),
    (["rate 20480"], 5),
    (["slice 1"], 5),
    (["stall"], 30),
)


def n2(run):
    """A slow, slicing, stalling link to Redis, one that is reset each 200 KiB;
    then one that is cut after every number of bytes of a reply, by four schedd
    at the same time."""
    redis = run.redis()
    proxies = [run.proxy(redis.socket) for _ in range(4)]
    schedds = [
        run.schedd({'redis "main"': {"url": proxy.address}}) for proxy in proxies
    ]
    run.start_load(rate=400)
    for words, seconds in BAD_LINKS:
        run.note(" ".join(words))
        for proxy in proxies:
            for word in words:
                proxy.do(f"{word} up")
                proxy.do(f"{word} down")
        time.sleep(run.seconds(seconds, 0.5))
        for proxy in proxies:
            proxy.do("reset")
            proxy.do("clear")
        first_success_s(run)
    run.note("resets")
    at_once(run, every_reset, schedds, proxies, [run.times(5)] * 4)
    run.note("cuts")
    offsets = range(run.times(2000))
    at_once(run, every_cut, schedds, proxies, [offsets[n::4] for n in range(4)])
    run.facts["cuts"] = sum(map(made, proxies))
    run.expect(all(s.is_running() for s in schedds), "a schedd ended")
    events = run.finish(redis)
    run.gap(events, 30 + 5)


def at_once(run, work, *columns):
    """work for each row of the columns, side by side."""
    with ThreadPoolExecutor(len(columns[0])) as pool:
        jobs = [pool.submit(work, run, *row) for row in zip(*columns)]
        for job in jobs:
            job.result()


def every_reset(run, schedd, proxy, count):
    """A push of 300 KiB whose link is reset after 200 KiB, so often: it is
    repeated until it is there, once."""
    with schedd.client(timeout=20) as client:
        queue = client.queue(f"large-{schedd.folder.name}")
        for number in range(count):
            before = made(proxy)
            proxy.do("cut 204800 up")
            tasks = {"tasks": [{"id": f"{number}", "payload": "x" * 60_000}] * 5}
            for n, task in enumerate(tasks["tasks"]):
                tasks["tasks"][n] = {**task, "id": f"{number}-{n}"}
            wait_until(lambda b=tasks: answered(queue.post("tasks", b)), 20, "a push")
            run.expect(made(proxy) > before, "the link was not reset")
        there = sorted(queue.ids("todo", limit=1000))
        want = sorted(f"{number}-{n}" for number in range(count) for n in range(5))
        run.expect(there == want, f"{len(there)} large tasks of {len(want)}")


def every_cut(run, schedd, proxy, offsets):
    """Cuts the connection after so many bytes of what Redis says, while a
    page of known tasks is asked for."""
    ids = [f"{schedd.folder.name}-{n:04}" for n in range(40)]
    with schedd.client(timeout=20) as client:
        queue = client.queue(f"page-{schedd.folder.name}")
        wait_until(lambda: answered(queue.post("tasks", tasks_of(ids))), 20, "a push")

        def page():
            got = client.get(f"{queue.path}/tasks", limit=1000)
            if got.status == 200:
                there = [task["id"] for task in got.json["tasks"]]
                assert there == ids, f"an answer of others: {there[:3]}"
            return got.status == 200

        for offset in offsets:
            before = made(proxy)
            proxy.do(f"cut {offset} down")
            wait_until(lambda: page() and made(proxy) > before, 20, f"cut {offset}")
            run.load.check()


def made(proxy):
    """How many cuts the proxy has made."""
    return int(proxy.do("cuts")[0])


def tasks_of(ids):
    """The body of a push."""
    return {"tasks": [{"id": i, "payload": i} for i in ids]}


def answered(got):
    """Was it done?"""
    return got.status in (200, 201)


def d1(run):
    """The disk of Redis is full: it ends. With space and a restart all that
    was acknowledged is there, and schedd goes on by itself."""
    need(Space.possible() == "", f"no namespaces here: {Space.possible()}")
    space = Space()
    run.ground.append(space)
    disk = run.place()
    disk.mkdir()
    space.run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk))
    redis = run.redis(prefix=space.words(), dir=disk)
    schedd = run.schedd(redis=redis)
    pid = schedd.pid()
    run.start_load()
    for _ in range(run.times(3)):
        run.pause(1, 2)
        run.note("fill")
        space.run("mount", "-o", "remount,size=24m", str(disk))
        space.run("sh", "-c", f"head -c 200m /dev/zero >{disk}/ballast || true")
        redis.process.wait(30)
        time.sleep(0.3)
        with schedd.client() as client:
            got = client.queue(QUEUE).post("take", {"worker": "probe"})
            run.expect(got.status == 503, f"without Redis a take is answered {got}")
            status = client.get("/readyz").status
            run.expect(status == 503, f"without Redis /readyz says {status}")
        space.run("rm", f"{disk}/ballast")
        space.run("mount", "-o", "remount,size=256m", str(disk))
        run.note("heal")
        redis.start()
        resumed = first_success_s(run)
        run.at_most("resumed", resumed, 1.0, "s")
    run.expect(schedd.pid() == pid and schedd.is_running(), "schedd ended")
    events = run.finish(redis)
    run.gap(events, 3)


def cut_power(run, times, confirm, **options):
    """Redis on a disk whose power is cut so often. state -> ids after it."""
    disk = Disk(run.place())
    run.ground.append(disk)
    redis = run.redis(dir=disk.inner, **options)
    schedd = run.schedd({'redis "main"': {"confirm": confirm}}, redis=redis)
    schedd.allowed = {"redis.hopeless"}
    run.start_load(schedd, batch=10)
    for _ in range(times):
        run.pause(1.2, 2.5)
        run.note("cut")
        # What Redis says after the image was taken is not in it, and must not
        # be heard: it stands still before, and never wakes again.
        freeze(redis.process.pid)
        clone = disk.cut()
        redis.kill()
        disk.come_back(clone)
        redis.start()
        if confirm == "disk":
            run.facts["resumed"] = f"{first_success_s(run):.2f}s"
    return redis


def f6(run):
    """Power cuts of the disk that Redis writes to."""
    redis = cut_power(run, run.times(20), "disk")
    events = run.finish(redis)
    run.gap(events, 5)


def f6_control(run):
    """The same with a sync once a second must lose tasks, else the cut cuts
    nothing. One right behind that sync may lose none: then once more."""
    for _ in range(5):
        since = time.monotonic_ns()
        redis = cut_power(run, 1, "memory", appendfsync="everysec")
        run.load.settles = False
        run.load.end()
        held = redisdump.dump(redis, QUEUE)
        there = {state: held[state] for state in checks.PLACES}
        events = [e for e in run.history.events() if e["t"] >= since]
        lost = len(checks.lost(events, there))
        run.facts["lost_by_intent"] = lost
        if lost > 0:
            return
        run.schedds[-1].stop()
    run.expect(False, "nothing was lost with everysec")


class Filler:
    """Pushes until something is refused."""

    def __init__(self, run, schedd, payload, queue=QUEUE, history=None):
        self.run, self.client = run, schedd.client(timeout=30)
        self.queue, self.history = self.client.queue(queue), history or run.history
        self.payload, self.serial = payload, 0
        self.stored, self.slowest_refusal = 0, 0.0

    def push(self, count):
        """One batch; its answer. What is written down: what was stored."""
        ids = [f"m{i}" for i in range(self.serial, self.serial + count)]
        self.serial += count
        history, op = self.history, self.history.next_op()
        tasks = [{"id": i, "payload": self.payload} for i in ids]
        history.add("invoke", "filler", "push", op=op, ids=ids)
        began = time.monotonic()
        got = self.queue.post("tasks", {"tasks": tasks})
        took = time.monotonic() - began
        if got.status in (200, 201):
            stored = [t["id"] for t in got.json["tasks"] if t["status"] == "queued"]
            self.stored += len(stored)
            history.add("ok", "filler", "push", op=op, ids=stored)
        else:
            self.slowest_refusal = max(self.slowest_refusal, took)
            history.add("fail", "filler", "push", op=op, status=got.status)
        return got

    def take(self, count, what="finished", **more):
        """Takes and reports (what: None keeps them). How many there were, how
        long the take took."""
        history, op = self.history, self.history.next_op()
        history.add("invoke", "w0", "take", op=op)
        began = time.monotonic()
        tasks = self.queue.take("w0", count=count, **more)
        took = time.monotonic() - began
        ids = [t["id"] for t in tasks]
        attempts = [t["attempt"] for t in tasks]
        history.add("ok", "w0", "take", op=op, ids=ids)
        history.add(
            "run", "w0", "run", op=op, ids=ids, attempts=attempts, until=1 << 62
        )
        if ids and what:
            kind = {"finished": "finish", "failed": "fail"}[what]
            op = history.next_op()
            history.add("invoke", "w0", kind, op=op, ids=ids)
            got = self.queue.report("w0", **{what: ids})
            self.run.expect(got[what] == len(ids), f"report: {got}")
            history.add("ok", "w0", kind, op=op, ids=ids)
        return len(ids), took

    def finish(self, ids):
        """Reports what is held."""
        op = self.history.next_op()
        self.history.add("invoke", "w0", "finish", op=op, ids=ids)
        got = self.queue.report("w0", finished=ids)
        self.run.expect(got["finished"] == len(ids), f"report: {got}")
        self.history.add("ok", "w0", "finish", op=op, ids=ids)

    def fill(self):
        """Pushes until that is refused. The refusal."""
        for _ in range(4000):
            got = self.push(20)
            if got.status == 503 and got.error["name"] == "STORE_BUSY":
                time.sleep(float(got.headers["Retry-After"]))
            elif not answered(got):
                return got
        raise AssertionError(f"{self.stored} tasks, and none was refused")

    def there(self):
        """state -> ids."""
        return {s: self.queue.ids(s, limit=1000) for s in ("todo", "failed", "finish")}


MEMORY = 64 * MIB


def m1(run):
    """Redis is at maxmemory, under load: pushes are refused, everything else
    goes on, the queue drains, and pushes are taken again."""
    redis = run.redis(maxmemory=MEMORY, maxmemory_policy="noeviction")
    keep = {'queue "full"': {"finish_keep": 200, "retry_base": "200ms"}}
    schedd = run.schedd(keep, {"janitor": {"interval": "200ms"}}, redis=redis)
    history = History(run.folder / "full.jsonl")
    filler = Filler(run, schedd, "x" * 10_000, "full", history)
    run.start_load()
    got = filler.fill()
    run.expect(got.status == 507, f"at maxmemory a push is answered {got}")
    run.expect("Retry-After" in got.headers, "507 without Retry-After")
    run.expect(filler.stored > 1000, f"only {filler.stored} tasks fit")
    run.facts["stored"] = filler.stored
    run.facts["refused_in"] = f"{filler.slowest_refusal * 1e3:.1f}ms"
    for goes_on in (fails, extends, ends_leases, forgets_worker, trims):
        goes_on(run, schedd, filler)
        run.load.check()
        run.expect(filler.fill().status == 507, f"{goes_on.__name__}: not full")
    drain(run, redis, filler)
    events = history.events()
    run.findings += checks.k1_total(events, {"finish": checks.ids_of(events, "finish", "ok")})
    run.findings += checks.k2_finality(events) + checks.k3_bound(events, 3)
    history.close()
    filler.client.close()
    run.gap(run.finish(redis), 2)


def fails(_run, _schedd, filler):
    """Failed ones come back when they are due."""
    filler.take(100, "failed")
    wait_until(lambda: not filler.queue.counts().get("failed"), 20, "retries")


def extends(run, _schedd, filler):
    """A lease is extended; then the task is finished."""
    filler.take(1, None)
    (held,) = filler.queue.ids("doing")
    run.expect(filler.queue.extend("w0", [held])["extended"] == 1, "no extend")
    filler.finish([held])


def ends_leases(_run, _schedd, filler):
    """Leases end, and the tasks come back."""
    filler.take(50, None, lease_s=1)
    filler.history.add("note", "w0", "gone")
    wait_until(lambda: not filler.queue.counts().get("doing"), 20, "leases to end")


def forgets_worker(_run, schedd, filler):
    """A worker is removed, and what it held comes back."""
    filler.take(50, None)
    filler.history.add("note", "w0", "gone")
    with schedd.client() as client:
        client.call("DELETE", "/v1/workers/w0")
    wait_until(lambda: not filler.queue.counts().get("doing"), 20, "leases back")


def trims(run, _schedd, filler):
    """Finished ones beyond finish_keep are forgotten, while it is full."""
    filler.take(500)
    full = filler.fill()
    run.expect(full.status == 507, f"before the trim: {full}")
    there = lambda: filler.queue.counts().get("finish", 0)
    wait_until(lambda: there() <= 200, 20, lambda: f"a trim; there are {there()}")


def drain(run, redis, filler):
    """All of it is worked off. On the way pushes are taken again."""
    again = None
    while filler.queue.counts().get("todo"):
        filler.take(500)
        used = float(info(redis, "memory")["used_memory"])
        if again is None and used < 0.9 * MEMORY:
            wait_until(lambda: filler.push(1).status == 201, 5, "a push is taken")
            again = used
    run.expect(again is not None, "pushes were not taken again")


def info(redis, section):
    """INFO as a dict."""
    lines = redis.do("INFO", section).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


@alone
def m2(run):
    """The cap of tasks: exactly so many are stored, the rest is refused at
    once, taking stays quick, a restart too."""
    cap = run.times(500_000)
    redis = run.redis()
    schedd = run.schedd({f'queue "{QUEUE}"': {"max_tasks": cap}}, redis=redis)
    run.began = time.monotonic_ns()
    filler = Filler(run, schedd, "x" * 200)
    statuses, slowest = set(), 0.0
    for _ in range(0, int(cap * 1.04) + 500, 500):
        began = time.monotonic()
        got = filler.push(500)
        if got.status == 429:
            slowest = max(slowest, time.monotonic() - began)
            run.expect(got.error["name"] == "QUEUE_FULL", f"{got}")
        statuses.add(got.status)
    run.expect(statuses == {201, 429}, f"answers: {statuses}")
    counted = filler.queue.info()["counts"]["todo"]
    run.expect(filler.stored == counted == cap, f"{filler.stored}, {counted}, {cap}")
    run.at_most("refused_in", slowest * 1000, 20, "ms")
    took = [filler.take(100)[1] for _ in range(run.times(200))]
    run.at_most("take_p99", checks.quantile(took, 0.99) * 1000, 25, "ms")
    run.at_most("rss", schedd.rss_bytes() / MIB, 150, "MiB")
    schedd.kill()
    run.at_most("restart", restart(schedd), 1.5, "s")
    filler.queue = schedd.client(timeout=30).queue(QUEUE)
    run.ended = time.monotonic_ns()
    run.verify(filler.there(), redis)


ROWS = {
    "F6": f6,
    "F6-control": f6_control,
    "N2": n2,
    "D1": d1,
    "M1": m1,
    "M2": m2,
}
