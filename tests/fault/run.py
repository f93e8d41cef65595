"""One run of a scenario: what it starts, what it writes down, what it found.
Every process is ended by its own id when the run ends, however it ends."""

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import checks
import redisdump
from client import Client
from history import History
from load import QUEUE, Load
from proxy import Proxy
from redisproc import Redis, cut_script
from server import Schedd, merged, wait_until

STATES = ("todo", "delayed", "doing", "failed", "finish", "dead")
# Where an undisturbed server must be again when all is healed.
QUIET_S = 60
# What it may have grown by then; rows that measure memory ask for less.
RSS_SLACK = 64 << 20

BASE = {
    "log": {"access": "no"},
    f'queue "{QUEUE}"': {
        "lease": "1h",
        "retry_base": "200ms",
        "retry_max": "1s",
        "finish_keep": 10_000_000,
        "max_tasks": 500_000,
    },
}


def files_of(pid):
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def usage(schedd):
    """What K9 compares."""
    pid = schedd.pid()
    return {
        "fds": files_of(pid),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "children": len(schedd.children()),
        # Without the one that it keeps of its Redis, which comes a while later.
        "files": sum(not p.name.startswith("store-") for p in schedd.folder.rglob("*")),
        "rss": schedd.rss_bytes(),
    }


class OwnRedis(Redis):
    """One that is started as docs/operations.md says: it may have crashed."""

    def start(self, ready=True):
        """As always, once what is torn is cut off."""
        folder = Path(self.options.get("dir", self.folder))
        manifest = folder / "appendonlydir" / "appendonly.aof.manifest"
        words = ["sh", "-c", cut_script(), "cut", str(manifest)]
        subprocess.run(words, stdout=subprocess.DEVNULL, check=False)
        return super().start(ready)


class Skipped(Exception):
    """What a scenario needs is not to be had here."""


def need(true, why):
    """Leaves the scenario out when it is not."""
    if not true:
        raise Skipped(why)


def alone(row):
    """Marks a row that measures what a thing costs (a p99 against another,
    CPU, the growth of memory): nothing else runs beside it."""
    row.alone = True
    return row


class Run:
    """seed: everything random comes from it. part: 1 for the whole amounts;
    slow: how much slower this machine is than the one that the limits are
    for, at most 3."""

    def __init__(self, name, seed, part=1.0, slow=1.0):
        self.name, self.seed, self.part, self.slow = name, seed, part, slow
        self.rng = random.Random(f"{name}-{seed}")
        self.folder = Path(tempfile.mkdtemp(prefix="sc"))
        self.history = History(self.folder / "history.jsonl")
        self.findings, self.facts = [], {}
        self.schedds, self.redises, self.proxies = [], [], []
        # What is ended before the servers, and what they stand on.
        self.others, self.ground = [], []
        self.load, self.began, self.ended = None, None, None
        self.before = {}
        self.serial = itertools.count(1)

    # -- amounts and limits ----------------------------------------------

    def times(self, count):
        """How often, of the whole amount; once at least."""
        return max(1, round(count * self.part))

    def seconds(self, whole, least=2.0):
        """How long, of the whole time."""
        return max(least, whole * self.part)

    def expect(self, true, finding):
        """What a scenario must see."""
        if not true:
            self.findings.append(finding)

    def at_most(self, what, value, limit, unit=""):
        """A measured figure and its limit; times stretch with the machine."""
        if unit in ("s", "ms"):
            limit *= self.slow
        self.facts[what] = f"{value:.4g}{unit}"
        self.expect(value <= limit, f"{what}: {value:.4g}{unit}, limit {limit:.4g}{unit}")

    # -- what runs -------------------------------------------------------

    def place(self):
        """A folder for one process."""
        return self.folder / str(next(self.serial))

    def redis(self, **options):
        """A redis-server, started."""
        one = OwnRedis(self.place(), **options)
        self.redises.append(one)
        return one.start()

    def schedd(self, *settings, start=True, tcp=False, redis=None, **options):
        """A schedd, started; on a unix socket, whose address outlives it."""
        folder = self.place()
        args = options.pop("args", [])
        if not tcp:
            args = [*args, f"--http.listen=unix:{folder / 'http'}"]
        own = redis.settings() if redis else {}
        one = Schedd(folder, merged(BASE, own, *settings), args, **options)
        self.schedds.append(one)
        return one.start() if start else one

    def proxy(self, target):
        """A fault proxy in front of a unix socket."""
        folder = self.place()
        folder.mkdir()
        one = Proxy(f"unix:{folder / 'proxy'}", f"unix:{target}", self.seed)
        self.proxies.append(one)
        return one

    def start_load(self, *schedds, **profile):
        """Load on these servers."""
        places = [s.addr for s in schedds or self.schedds]
        self.load = Load(self.history, lambda: places, self.seed, **profile)
        running = [one for one in self.schedds if one.is_running()]
        for one in running:
            self.before[one.pid()] = usage(one)
            # Several hear each other, on one more socket.
            self.before[one.pid()]["fds"] += len(running) > 1
        self.began = time.monotonic_ns()
        return self.load.start()

    def note(self, what, **more):
        """Something that was done to the system. Gives its time."""
        return self.history.add("note", more.pop("proc", "chaos"), what, **more)

    def pause(self, least, most):
        """A random time in which the load goes on."""
        time.sleep(self.rng.uniform(least, most))
        if self.load:
            self.load.check()

    def push_p99_ms(self, seconds):
        """p99 of the load's pushes within the next seconds."""
        since = time.monotonic_ns()
        time.sleep(seconds)
        return self.push_p99_ms_of(since, time.monotonic_ns())

    def push_p99_ms_of(self, since, until):
        """That, of those that ended in this time (monotonic ns)."""
        self.load.check()
        events = self.history.events()
        took = checks.latencies_ms(events, "push", since=since, until=until)
        return checks.quantile(took, 0.99) if took else (until - since) / 1e6

    # -- the end ---------------------------------------------------------

    def settle(self, client_of=None, limit_s=QUIET_S):
        """Load ends, everything is worked off. Gives state -> ids."""
        self.ended = time.monotonic_ns()
        self.load.end_pushing(limit_s)
        with (client_of or self.schedds[0]).client(timeout=30) as client:
            queue = client.queue(QUEUE)
            began = time.monotonic()
            wait_until(
                lambda: not set(queue.counts()) - {"finish", "dead"},
                limit_s,
                lambda: f"the backlog to be worked off; there is {queue.counts()}",
            )
            self.facts["backlog_s"] = f"{time.monotonic() - began:.1f}"
            self.load.end(limit_s)
            return {state: queue.ids(state, limit=1000) for state in STATES}

    def verify(self, there, redis=None, max_attempts=3):
        """K1 to K5, and K9, of what the run was."""
        events = self.history.events()
        self.findings += checks.k1_total(events, there)
        self.findings += checks.k2_finality(events)
        self.findings += checks.k3_bound(events, max_attempts)
        self.findings += checks.k4_overlap(events)
        if redis:
            self.findings += checks.k5_shape(redisdump.dump(redis, QUEUE))
        self.leftover()
        self.facts["lost"] = len(checks.lost(events, there))
        self.facts["extra"] = sum(checks.extra_runs(events).values())
        return events

    def finish(self, redis=None, max_attempts=3):
        """The usual end: settle, then verify. Gives the events."""
        there = self.settle()
        return self.verify(there, redis, max_attempts)

    def gap_s(self, events, since=None, until=None, **more):
        """The worst gap while the load ran."""
        return checks.k8_gap(events, since or self.began, until or self.ended, **more)

    def gap(self, events, limit_s):
        """K8: that gap and its limit."""
        self.facts["gap"] = worst = self.gap_s(events)
        limit_s *= self.slow
        self.expect(worst <= limit_s, f"worst_gap: {worst:.2f}s, limit {limit_s:.4g}s")

    def leftover(self):
        """K9, of every schedd that runs since the load began. Connections of
        clients that left may end a moment later."""
        for one in self.schedds:
            if not one.is_running() or one.pid() not in self.before:
                continue
            before = self.before[one.pid()]
            left = lambda b=before, o=one: checks.k9_leftover(b, usage(o), RSS_SLACK)
            with contextlib.suppress(AssertionError):
                wait_until(lambda f=left: not f(), 5)
            self.findings += left()

    def close(self):
        """Ends what still runs; complaints become findings."""
        if self.load:
            self.load.settles = False
            for hand in self.load.makers + self.load.hands:
                hand.halt.set()
                hand.awake.set()
        for one in self.others:
            one.stop()
        for one in self.schedds:
            try:
                if one.is_running():
                    one.process.send_signal(signal.SIGCONT)
                one.stop()
            except AssertionError as complaint:
                self.findings.append(str(complaint))
        for one in self.schedds:
            self.findings += [f"log: {line}" for line in one.take_faults()]
        for one in self.proxies + self.redises + self.ground:
            one.stop()
        self.history.close()

    def save_logs(self):
        """What the servers said, beside the history."""
        for number, one in enumerate(self.schedds):
            lines = "\n".join(line.text for line in one.lines)
            (self.folder / f"schedd-{number}.log").write_text(lines)

    def remove(self):
        """Removes its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def freeze(pid):
    """SIGSTOP; when it returns, nothing of that process runs any more."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: is_stopped(pid), 10, "a process to stop")


def is_stopped(pid):
    """Are all its threads?"""
    stats = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(s.read_text("ascii").rsplit(")", 1)[1].split()[0] == "T" for s in stats)


@contextlib.contextmanager
def frozen(pid):
    """That, and SIGCONT when the block ends."""
    freeze(pid)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_ready_s(addr, since, limit_s=30):
    """How long after since (monotonic s) /readyz says 200."""

    def ready():
        try:
            with Client(addr, timeout=5) as client:
                return client.get("/readyz").status == 200
        except OSError:
            return False

    wait_until(ready, limit_s, "/readyz")
    return time.monotonic() - since
