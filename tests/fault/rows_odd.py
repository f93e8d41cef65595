"""X, E: odd clocks, restart storms, accidents of administrators, long runs."""

import itertools
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import checks
import redisdump
from load import QUEUE, Stopped, Worker
from redisproc import RedisError, free_port
from rows_kill import Holders, address, first_success_s, monkey, restart
from run import Run, alone, need, usage, wait_ready_s
from server import wait_until

DAY_S = 86_400
# A lease of X1 that is let end.
ENDS_S, YEARS = 2, 4
# Steps of the wall clock, s; a leap second is one that comes twice.
STEPS = (3600, -3600, 30 * DAY_S, -30 * DAY_S, -1, 1)


class Wall:
    """A wall clock that processes of ours see, and that can be stepped."""

    def __init__(self, folder):
        folder.mkdir()
        self.file, self.offset_s = folder / "clock", 0
        self.file.write_bytes(struct.pack("=q", 0))

    def step(self, seconds):
        """Steps it by so much. In place: it is mapped where it is read."""
        self.offset_s += seconds
        with open(self.file, "r+b") as file:
            file.write(struct.pack("=q", int(self.offset_s * 1_000_000_000)))

    def until(self, year):
        """How far it is to the second day of a year, near enough."""
        day_s = int((year - 1970) * 365.2425 + 1) * DAY_S
        return int(day_s - time.time() - self.offset_s)

    def words(self):
        """Before a command that is to see it."""
        return ["env", f"WALLCLOCK={self.file}", f"LD_PRELOAD={os.environ['WALLCLOCK']}"]


def stepped(run, **more):
    """A Redis and a schedd whose clock can be stepped."""
    wall = Wall(run.place())
    redis = run.redis(prefix=wall.words())
    quick = {"worker": {"timeout": "1s"}, "janitor": {"interval": "200ms"}}
    return wall, redis, run.schedd(more, quick, redis=redis, prefix=wall.words())


def x1(run):
    """The machine's clock is stepped while leases run: they stay, and end."""
    years(run)
    with ThreadPoolExecutor(len(STEPS)) as pool:
        slowest = max(pool.map(lambda step_s: ends_after(run, step_s), STEPS))
    run.at_most("lease_over", slowest, ENDS_S + 5, "s")
    wall, redis, schedd = stepped(run, **{f'queue "{QUEUE}"': {"finish_age": "3650d"}})
    with schedd.client() as client:
        client.queue("age").push("a")
    holders = Holders(run, schedd)
    # What fails while the clock is ahead is due by that clock.
    run.start_load(schedd, failing=0)
    count = max(1, run.times(30) - YEARS - len(STEPS))
    for number in range(count):
        holders.take(lease_s=60)
        step_s = STEPS[number % len(STEPS)]
        run.note("step", seconds=step_s)
        wall.step(step_s)
        run.pause(0.8, 1.2)
        holders.report()
        ages_are_right(run, schedd)
        wall.step(-step_s)
        run.pause(0.2, 0.4)
    there = run.settle(client_of=schedd)
    run.facts["steps"] = count + YEARS + len(STEPS)
    run.gap(run.verify(there, redis), 3)


def ends_after(run, step_s):
    """A lease of a worker that is not heard of again, and one step; then the
    clock is right again, and another lease. How long they lasted. A step forward counts as an outage, for which leases are
    lengthened; after one back a lease lasts longer by that step, as it ends by
    the wall clock: then an operator's word ends it."""
    wall, _redis, schedd = stepped(run)
    with schedd.client() as client:
        queue = client.queue("ends")
        queue.push("t")
        began = time.monotonic()
        assert queue.take("gone", count=1, lease_s=ENDS_S)
        wall.step(step_s)
        time.sleep(1)
        early = queue.counts() != {"doing": 1}
        run.expect(not early, f"after a step of {step_s} s a lease ended early")
        if step_s < -ENDS_S:
            assert client.call("DELETE", "/v1/workers/gone").status == 200
        take = lambda: queue.take("gone", count=1, lease_s=ENDS_S)
        wait_until(take, 60, f"a lease to end after {step_s} s")
        first_s = time.monotonic() - began
        wall.step(-step_s)
        time.sleep(1.2)  # a sign of life
        if step_s < 0:
            assert client.call("DELETE", "/v1/workers/gone").status == 200
            take()
        began = time.monotonic()
        queue.push("u")
        take()
        found = lambda: queue.state("u") == "todo"
        wait_until(found, 60, f"a lease to end after {step_s} s and back")
        return max(first_s, time.monotonic() - began)


def years(run):
    """Steps to 1970 and 2039, and back. Without load: finished tasks of other
    decades are rightly forgotten."""
    wall, _redis, schedd = stepped(run)
    holders = Holders(run, schedd)
    for year in (1970, 2039):
        for offset_s in (wall.until(year), 0):
            holders.take(lease_s=60)
            run.note("step", year=year)
            wall.step(offset_s - wall.offset_s)
            # The janitor looks, and schedd gives signs of life by that clock.
            run.pause(2.2, 2.6)
            holders.report()
            ages_are_right(run, schedd)


def ages_are_right(run, schedd):
    """No age is negative."""
    with schedd.client() as client:
        for queue in client.get_json("/v1/queues")["queues"]:
            age = queue["oldest_todo_s"]
            run.expect(age >= 0, f"oldest_todo_s of {queue['name']} is {age}")
        for line in client.get("/metrics").body.decode().splitlines():
            negative = not line.startswith("#") and float(line.split()[-1]) < 0
            run.expect(not negative, f"metric {line}")


class Mortal(Worker):
    """Ends at its next request when its time is over, with all it holds."""

    over = False

    def post(self, verb, body):
        if self.over:
            raise Stopped
        return super().post(verb, body)

    def close(self):
        super().close()
        if self.over:
            self.history.add("note", self.name, "gone")


class Restarts(threading.Thread):
    """Ends a worker each 500 ms, and starts another in its place."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self.run_, self.count, self.over = run, 0, threading.Event()
        self.start()

    def run(self):
        load, rng = self.run_.load, self.run_.rng
        while not self.over.wait(0.5):
            place = rng.randrange(load.workers)
            old = load.hands[place]
            old.over = True
            old.join(60)
            self.count += 1
            load.hands[place] = Mortal(load, f"{old.name.split('.')[0]}.{self.count}")
            load.hands[place].start()

    def stop(self):
        """No more. How many there were."""
        self.over.set()
        self.join()
        return self.count


def x4(run):
    """schedd is restarted each 300 ms, by a signal or by kill, and a worker
    each 500 ms, which forgets what it holds."""
    redis = run.redis()
    schedd = run.schedd(redis=redis)
    run.start_load(lease_s=2, worker_class=Mortal, take_count=50)
    restarts, ready = Restarts(run), []
    for number in range(run.times(200)):
        began = time.monotonic()
        if number % 2:
            schedd.kill()
        else:
            schedd.stop()
        ready.append(restart(schedd))
        run.load.check()
        time.sleep(max(0, 0.3 - (time.monotonic() - began)))
    run.facts["workers"] = restarts.stop()
    # A task may be unlucky again and again; that it runs out of attempts is
    # its workers' doing, and bounded by K3.
    events = run.finish(redis)
    run.at_most("ready_p99", checks.quantile(ready, 0.99), 1.0, "s")
    tenth = max(1, len(ready) // 10)
    first, last = (checks.quantile(r, 0.5) for r in (ready[:tenth], ready[-tenth:]))
    run.facts["start"] = f"{first * 1e3:.0f}->{last * 1e3:.0f}ms"
    run.expect(last <= first * 2 + 0.05, "starting takes longer the more there is")
    run.gap(events, 3)


# 50,000 leases of nobody.
HUGE = (
    "for i=1,50000 do "
    "redis.call('HSET',ARGV[1],'x'..i,'1000000000000'..string.char(32)..'w') end"
)
# What may happen to a queue that nobody works on: words for Redis, with {q}
# for the beginning of its keys.
BREAKING = {
    "wrong type of todo": ["SET {q}todo:normal x"],
    "wrong type of task": ["SET {q}task x"],
    "wrong type of doing": ["SET {q}doing x"],
    "wrong type of meta": ["SET {q}meta x"],
    "no task": ["DEL {q}task"],
    "no doing": ["DEL {q}doing"],
    "no holder": ["DEL {q}holder"],
    "no todo": ["DEL {q}todo:normal"],
    "no meta": ["DEL {q}meta"],
    "id without a value": ["RPUSH {q}todo:normal stranger"],
    "renamed": ["RENAME {q}todo:normal {q}todo:high"],
    "huge hash": [f"EVAL {HUGE.replace(' ', '~')} 0 {{q}}holder"],
}
BY_WORKER = "leases by worker"
# What these destroy: the values of all tasks.
DESTROYING = ("wrong type of task", "no task")
# And to Redis itself, while the load goes on.
SHAKING = {
    "script flush": ["SCRIPT FLUSH"],
    "client kill": ["CLIENT KILL TYPE normal"],
    "client pause": ["CLIENT PAUSE 1500 ALL"],
    "sleep": ["DEBUG SLEEP 1"],
    "rewrite": ["BGREWRITEAOF"],
    "timeout": ["CONFIG SET timeout 1"],
    "replica and back": ["REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"],
    "full and back": ["CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"],
    "scripts forbidden": ["ACL SETUSER default -evalsha", "ACL SETUSER default +@all"],
}


def do(redis, line, queue=""):
    """A command as an administrator types it; refused is all right."""
    words = line.replace("{q}", f"sched:{{{queue}}}:").split()
    try:
        redis.do(*(word.replace("~", " ") for word in words))
    except (OSError, RedisError):
        pass


def x5(run):
    """Accidents of administrators: repaired or named, never a crash, and
    nothing is lost that was not destroyed."""
    redis = run.redis(enable_debug_command="local", port=free_port())
    schedd = run.schedd(redis=redis)
    schedd.allowed = {"queue.broken", "redis.hopeless", "redis.unsafe"}
    pid = schedd.pid()
    # What Redis refuses a person must look at, and is answered 500.
    run.start_load(tolerated=(500,))
    broken = [Broken(run, schedd, redis, name) for name in BREAKING]
    for one in broken:
        one.ask()
        run.expect(schedd.is_running(), f"{one.name}: schedd ended")
    for one in broken:
        one.check()
    for name, lines in SHAKING.items():
        run.note(name)
        for line in lines:
            do(redis, line)
            time.sleep(0.7)
        took = first_success_s(run)
        run.expect(took < 5 * run.slow, f"{name}: {took:.1f} s until a success")
    do(redis, "CONFIG SET timeout 0")
    failover(run, redis)
    run.expect(schedd.is_running() and schedd.pid() == pid, "schedd ended")
    with schedd.client() as client:
        run.expect(client.get("/healthz").status == 200, "/healthz")
    events = run.finish(redis)
    run.facts["cases"] = len(BREAKING) + len(SHAKING) + 1
    run.gap(events, 10)


def failover(run, redis):
    """A replica takes over by FAILOVER, and gives back. What schedd talks to
    is no master meanwhile, and it says so."""
    replica = run.redis(port=free_port(), replicaof=f"127.0.0.1 {redis.port}")
    role = lambda one: one.do("ROLE")[0]
    wait_until(lambda: replica.do("ROLE")[3] == b"connected", 20, "the replica")
    for old, new in ((redis, replica), (replica, redis)):
        run.note("failover")
        old.do("FAILOVER")
        swapped = lambda o=old, n=new: (role(o), role(n)) == (b"slave", b"master")
        wait_until(swapped, 20, "a failover")
        if new is replica:
            with run.schedds[0].client() as client:
                got = client.queue("probe").post("tasks", {"payload": 1})
            run.expect(got.status == 503, f"without a master a push is {got}")
    run.schedds[0].wait_ready()
    first_success_s(run)
    replica.stop()


class Broken:
    """A queue of 20 tasks, ten of them held, that was broken by hand."""

    serial = itertools.count()

    def __init__(self, run, schedd, redis, name):
        self.run, self.schedd, self.redis, self.name = run, schedd, redis, name
        self.queue, self.lines = f"broken-{next(self.serial)}", BREAKING[name]
        self.ids = {f"t{n}" for n in range(20)}
        self.mark = schedd.mark()
        with schedd.client(timeout=10) as client:
            queue = client.queue(self.queue)
            queue.push_many(sorted(self.ids))
            queue.take("w1", count=10)
        run.note(name)
        for line in self.lines:
            if line.startswith("SET"):
                do(redis, f"DEL {line.split()[1]}", self.queue)
            do(redis, line, self.queue)

    def ask(self):
        """Its requests are answered, also when with an error that is named."""
        with self.schedd.client(timeout=10) as client:
            for verb, body in (
                ("tasks", {"payload": 1}),
                ("take", {"worker": "w2"}),
                ("report", {"worker": "w1", "finished": ["t0", "t1"]}),
                ("extend", {"worker": "w1", "ids": ["t2"]}),
            ):
                got = client.queue(self.queue).post(verb, body)
                named = got.status < 400 or got.error["name"]
                fine = named and got.status != 504
                self.run.expect(fine, f"{self.name}: {verb}: {got}")

    def check(self):
        """A key of the wrong type is named, and goes by hand. Then all is whole
        again, with every task that was not destroyed."""
        if self.lines[0].startswith("SET"):
            told = lambda: [
                line
                for line in self.schedd.lines[self.mark :]
                if line.event == "queue.broken" and self.queue in line.text
            ]
            wait_until(told, 20, f"{self.name}: queue.broken")
            do(self.redis, f"DEL {self.lines[0].split()[1]}", self.queue)
        there = set() if self.name in DESTROYING else self.ids

        def wrong():
            dump = redisdump.dump(self.redis, self.queue)
            found = checks.k5_shape(dump) + sorted(there - dump["task"])
            # Whose the leases were went with the key that was deleted.
            return [f for f in found if self.name != "no holder" or BY_WORKER not in f]

        wait_until(lambda: not wrong(), 40, lambda: f"{self.name}: {wrong()}")


@alone
def e1(run):
    """Soak: the load for long, one fault each 20 s; nothing is used up. schedd
    is killed in the first half only, so that its memory has a second one. In
    the last tenth it is as fast as one that began just then: what the machine
    is minutes later is no matter of schedd's."""
    redis, schedd, load = soaked(run)
    total = run.seconds(180, 40)
    tenth = total / 10
    time.sleep(2)
    first = run.push_p99_ms(tenth)
    shake(run, monkey(run, redis, schedd, load), total * 0.35, [])
    schedd.kill()
    restart(schedd)
    time.sleep(tenth)
    before, samples = usage(schedd), []
    # A connection of the load that is made anew just now.
    before["fds"] += load.producers + load.workers
    shake(run, monkey(run, redis, schedd, load, only_redis=True), total * 0.45, samples)
    wait_ready_s(address(schedd), time.monotonic())
    time.sleep(2)
    last, fresh = beside_fresh_ms(run, tenth)
    events = run.finish(redis)
    run.findings += checks.k9_leftover(before, usage(schedd), 2 << 20)
    run.facts["push_p99_first"] = f"{first:.1f}ms"
    run.facts["push_p99_fresh"] = f"{fresh:.1f}ms"
    run.at_most("push_p99", last, 1.2 * fresh + 5, "ms")
    hours = (samples[-1][0] - samples[0][0]) / 3600
    slope = slope_mib_per_hour(samples)
    run.at_most("rss_slope", slope, 0.5 + RSS_STEP_MIB / hours, "MiB/h")
    aof = sum(f.stat().st_size for f in (redis.folder / "appendonlydir").iterdir())
    run.at_most("aof", aof / (1 << 20), 40, "MiB")
    run.gap(events, 5)


# What memory may grow once and for all in the time that is looked at: in three
# minutes a slope alone would be a matter of single pages.
RSS_STEP_MIB = 0.25


def soaked(run):
    """What the soak looks at: a Redis whose file is rewritten a few times, a
    schedd and its load."""
    redis = run.redis(auto_aof_rewrite_min_size="4mb")
    schedd = run.schedd(redis=redis)
    return redis, schedd, run.start_load(batch=20)


def beside_fresh_ms(run, seconds):
    """p99 of the load's pushes, and of the same load's on servers that begin
    now, in the same time."""
    fresh = Run(run.name, run.seed, run.part, run.slow)
    try:
        redis, _, _ = soaked(fresh)
        time.sleep(2)
        since = time.monotonic_ns()
        time.sleep(seconds)
        until = time.monotonic_ns()
        p99 = run.push_p99_ms_of(since, until), fresh.push_p99_ms_of(since, until)
        fresh.finish(redis)
    finally:
        fresh.close()
        fresh.remove()
    run.findings += fresh.findings
    return p99


def shake(run, faults, seconds, samples):
    """One fault each 20 s. samples: gets schedd's memory as time goes on."""
    schedd, end = run.schedds[0], time.monotonic() + seconds
    while time.monotonic() < end:
        fault = run.rng.choice(faults)
        run.note(fault.__name__)
        fault()
        for _ in range(20):
            time.sleep(min(20, seconds / 3) / 20)
            samples.append((time.monotonic(), schedd.rss_bytes()))
        run.load.check()


def slope_mib_per_hour(samples):
    """The slope of a line through (s, bytes)."""
    n = len(samples)
    mean_t = sum(t for t, _ in samples) / n
    mean_v = sum(v for _, v in samples) / n
    above = sum((t - mean_t) * (v - mean_v) for t, v in samples)
    below = sum((t - mean_t) ** 2 for t, _ in samples) or 1
    return above / below * 3600 / (1 << 20)


# What is run under valgrind: the life of a task from every side.
UNDER_VALGRIND = ("report", "push", "take", "life")


def e2(run):
    """Leaks: tests of the API under valgrind. (Under ASan and LSan each
    ./dev test runs them all.)"""
    need(shutil.which("valgrind"), "valgrind is not installed")
    logs = run.place()
    logs.mkdir()
    wrap = (
        "valgrind -q --error-exitcode=99 --leak-check=full --track-fds=yes "
        "--errors-for-leak-kinds=definite,indirect --child-silent-after-fork=yes "
        f"--log-file={logs}/%p"
    )
    tests = Path(__file__).resolve().parent.parent / "api"
    names = UNDER_VALGRIND[: run.times(len(UNDER_VALGRIND))]
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        + [str(tests / f"test_{name}.py") for name in names],
        env={**os.environ, "SCHEDD_WRAP": wrap, "SLOW": "10"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    run.facts["tests"] = lines[-1].split(" in ")[0] if lines else "none"
    run.expect(done.returncode == 0, "\n".join(lines[-30:]))
    ends = [left_open(log) for log in logs.iterdir()]
    run.facts["ends"] = len(ends) - ends.count(None)
    run.expect(run.facts["ends"] >= len(names), f"of {len(ends)}, {ends} ended")
    run.findings += [f"open at exit: {left}" for left in ends if left]


def left_open(log):
    """What valgrind's log says that was open at exit, beside that log itself
    and the three that were there. None when it was killed."""
    text = log.read_text("utf-8", "replace")
    if "FILE DESCRIPTORS: " not in text:
        return None
    left = re.findall(r"Open (?:file descriptor|\S+ socket) (\d+): *(.*)", text)
    return [f"{fd} {name}" for fd, name in left if name != str(log) and int(fd) > 2]


ROWS = {"X1": x1, "X4": x4, "X5": x5, "E1": e1, "E2": e2}
