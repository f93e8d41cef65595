"""X, E: odd clocks, restart storms, accidents of administrators, long runs."""

import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import checks
from load import QUEUE
from redisproc import RedisError
from rows_kill import Holders, address, first_success_s, monkey, restart
from run import alone, need, usage, wait_ready_s
from server import wait_until

DAY_S = 86_400
# Steps of the wall clock, s; a leap second is one that comes twice.
STEPS = (3600, -3600, 30 * DAY_S, -30 * DAY_S, -1, 1)


class Wall:
    """A wall clock that processes of ours see, and that can be stepped."""

    def __init__(self, folder):
        self.file, self.offset_s = Path(folder) / "clock", 0
        self.file.write_bytes(struct.pack("=q", 0))

    def step(self, seconds):
        """Steps it by so much. In place: it is mapped where it is read."""
        self.offset_s += seconds
        with open(self.file, "r+b") as file:
            file.write(struct.pack("=q", int(self.offset_s * 1_000_000_000)))

    def to(self, year):
        """Steps it to the beginning of a year, near enough."""
        self.step(int((year - 1970) * 365.2425 * DAY_S - time.time() - self.offset_s))

    def words(self):
        """Before a command that is to see it."""
        return ["env", f"WALLCLOCK={self.file}", f"LD_PRELOAD={os.environ['WALLCLOCK']}"]


def x1(run):
    """The machine's clock is stepped while leases run: they stay."""
    wall = Wall(run.folder)
    # So that steps to 1971 and 2039 are both within finish_age of it: what
    # is older is rightly forgotten.
    wall.to(2034)
    base_s = wall.offset_s
    redis = run.redis(prefix=wall.words())
    keep = {f'queue "{QUEUE}"': {"finish_age": "3650d"}}
    schedd = run.schedd(keep, redis=redis, prefix=wall.words())
    with schedd.client() as client:
        client.queue("age").push("a")
    holders = Holders(run, schedd)
    # What fails while the clock is ahead is due by that clock.
    run.start_load(failing=0)
    steps = [lambda s=s: wall.step(s) for s in STEPS]
    steps += [lambda y=y: wall.to(y) for y in (1971, 2039)]
    for number in range(run.times(30)):
        holders.take(lease_s=60)
        run.note("step", number=number)
        steps[number % len(steps)]()
        run.pause(0.8, 1.2)
        holders.report()
        ages_are_right(run, schedd)
        wall.step(base_s - wall.offset_s)
        run.pause(0.2, 0.4)
    run.expect(schedd.is_running(), "schedd ended")
    events = run.finish(redis)
    run.facts["gap"] = run.gap_s(events)


def ages_are_right(run, schedd):
    """No age is negative."""
    with schedd.client() as client:
        for queue in client.get_json("/v1/queues")["queues"]:
            age = queue["oldest_todo_s"]
            run.expect(age >= 0, f"oldest_todo_s of {queue['name']} is {age}")
        for line in client.get("/metrics").body.decode().splitlines():
            negative = not line.startswith("#") and float(line.split()[-1]) < 0
            run.expect(not negative, f"metric {line}")


def x4(run):
    """schedd is restarted each 300 ms, by a signal or by kill."""
    redis = run.redis()
    schedd = run.schedd(redis=redis)
    run.start_load()
    ready = []
    for number in range(run.times(200)):
        began = time.monotonic()
        if number % 2:
            schedd.kill()
        else:
            schedd.stop()
        ready.append(restart(schedd))
        run.load.check()
        time.sleep(max(0, 0.3 - (time.monotonic() - began)))
    events = run.finish(redis)
    run.at_most("ready_p99", checks.quantile(ready, 0.99), 1.0, "s")
    tenth = max(1, len(ready) // 10)
    first, last = (checks.quantile(r, 0.5) for r in (ready[:tenth], ready[-tenth:]))
    run.facts["start"] = f"{first * 1e3:.0f}->{last * 1e3:.0f}ms"
    run.expect(last <= first * 2 + 0.05, "starting takes longer the more there is")
    run.facts["gap"] = run.gap_s(events)


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
    "foreign field": ["HSET {q}task stranger x"],
    "id without a value": ["RPUSH {q}todo:normal stranger"],
    "renamed": ["RENAME {q}todo:normal {q}todo:high"],
}
# And to Redis itself, while the load goes on.
SHAKING = {
    "script flush": ["SCRIPT FLUSH"],
    "client kill": ["CLIENT KILL TYPE normal"],
    "client pause": ["CLIENT PAUSE 1500 ALL"],
    "sleep": ["DEBUG SLEEP 1"],
    "rewrite": ["BGREWRITEAOF"],
    "failover": ["FAILOVER"],
    "timeout": ["CONFIG SET timeout 1"],
    "replica and back": ["REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"],
    "full and back": ["CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"],
    "scripts forbidden": ["ACL SETUSER default -evalsha", "ACL SETUSER default +@all"],
}


def do(redis, line, queue=""):
    """A command as an administrator types it; refused is all right."""
    try:
        redis.do(*line.replace("{q}", f"sched:{{{queue}}}:").split())
    except (OSError, RedisError):
        pass


def x5(run):
    """Accidents of administrators: repaired or named, never a crash, and
    nothing is lost that was not destroyed."""
    redis = run.redis(enable_debug_command="local")
    schedd = run.schedd(redis=redis)
    schedd.allowed = {"queue.broken", "redis.hopeless", "redis.unsafe"}
    pid = schedd.pid()
    # What Redis refuses a person must look at, and is answered 500.
    run.start_load(tolerated=(500,))
    for number, (name, lines) in enumerate(BREAKING.items()):
        run.note(name)
        broken_queue(run, schedd, redis, f"broken-{number}", lines)
        run.expect(schedd.is_running(), f"{name}: schedd ended")
    for name, lines in SHAKING.items():
        run.note(name)
        for line in lines:
            do(redis, line)
            time.sleep(0.7)
        took = first_success_s(run)
        run.expect(took < 5 * run.slow, f"{name}: {took:.1f} s until a success")
    do(redis, "CONFIG SET timeout 0")
    run.expect(schedd.is_running() and schedd.pid() == pid, "schedd ended")
    with schedd.client() as client:
        run.expect(client.get("/healthz").status == 200, "/healthz")
    events = run.finish(redis)
    run.facts["cases"] = len(BREAKING) + len(SHAKING)
    run.facts["gap"] = run.gap_s(events)


def broken_queue(run, schedd, redis, name, lines):
    """Breaks one queue. Its requests are answered, all others go on."""
    with schedd.client(timeout=10) as client:
        queue = client.queue(name)
        queue.push_many([f"t{n}" for n in range(20)])
        queue.take("w1", count=10)
        for line in lines:
            if line.startswith("SET"):
                do(redis, f"DEL {line.split()[1]}", name)
            do(redis, line, name)
        for verb, body in (
            ("tasks", {"payload": 1}),
            ("take", {"worker": "w2"}),
            ("report", {"worker": "w1", "finished": ["t0", "t1"]}),
            ("extend", {"worker": "w1", "ids": ["t2"]}),
        ):
            got = queue.post(verb, body)
            named = got.status < 400 or got.error["name"]
            run.expect(named and got.status != 504, f"{lines}: {verb}: {got}")
        client.get(queue.path)
        redis.do("DEL", *redis.do("KEYS", f"sched:{{{name}}}:*"))


@alone
def e1(run):
    """Soak: the load for long, one fault each 20 s; nothing is used up."""
    redis = run.redis(auto_aof_rewrite_min_size="4mb")
    schedd = run.schedd(redis=redis)
    load = run.start_load()
    faults = monkey(run, redis, schedd, load, only_redis=True)
    total = run.seconds(180, 20)
    end = time.monotonic() + total
    time.sleep(total / 9)
    before, samples = usage(schedd), []
    while time.monotonic() < end:
        fault = run.rng.choice(faults)
        run.note(fault.__name__)
        fault()
        for _ in range(10):
            time.sleep(min(20, total / 6) / 10)
            samples.append((time.monotonic(), schedd.rss_bytes()))
        load.check()
    wait_ready_s(address(schedd), time.monotonic())
    events = run.finish(redis)
    run.findings += checks.k9_leftover(before, usage(schedd), 2 << 20)
    slope = slope_mib_per_hour(samples[len(samples) // 3 :])
    run.facts["rss_slope"] = f"{slope:.1f}MiB/h"
    length = (run.ended - run.began) // 10
    p99 = [
        checks.quantile(
            checks.latencies_ms(events, "push", since=since, until=since + length), 0.9
        )
        for since in (run.began, run.ended - length)
    ]
    run.facts["push_p90"] = f"{p99[0]:.1f}->{p99[1]:.1f}ms"
    aof = sum(f.stat().st_size for f in (redis.folder / "appendonlydir").iterdir())
    run.at_most("aof", aof / (1 << 20), 40, "MiB")
    run.facts["gap"] = run.gap_s(events)


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
    wrap = (
        "valgrind -q --error-exitcode=99 --leak-check=full "
        "--errors-for-leak-kinds=definite,indirect --child-silent-after-fork=yes"
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


ROWS = {"X1": x1, "X4": x4, "X5": x5, "E1": e1, "E2": e2}
