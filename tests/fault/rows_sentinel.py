"""S: failovers, partitions, zombies, bad settings, a Redis that is not the
one it was."""

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import checks
import redisdump
from cluster import MASTER, Cluster
from load import QUEUE
from run import frozen, need
from server import wait_until
from spaces import Space

# Until the first operation after a cut can no longer have been under way.
SETTLED_NS = 300_000_000


def cluster(run, **options):
    """A cluster, or a reason to leave the scenario out."""
    why = Space.possible()
    need(not why, f"no namespaces here: {why}")
    return Cluster(run, **options)


def verified(run, group, gap_s):
    """The usual end of a scenario here."""
    there = run.settle()
    group.wait_replicas()
    events = run.verify(there, group.master_redis())
    run.gap(events, gap_s)
    return events


def gap_after(run, events, since_s, until_s):
    """The worst gap between two moments (monotonic s)."""
    return run.gap_s(events, int(since_s * 1e9), int(until_s * 1e9))


def s1(run):
    """Three Redis; the master is killed."""
    group = cluster(run)
    group.schedd()
    run.start_load()
    spans = []
    for _ in range(run.times(8)):
        run.pause(1, 2)
        old = group.index()
        began = time.monotonic()
        run.note("kill", number=old)
        group.redises[old].kill()
        group.wait_failover(old)
        time.sleep(4)
        spans.append((began, time.monotonic()))
        group.redises[old].start()
        group.wait_replicas()
        group.wait_sentinels()
    events = verified(run, group, 5 + 3)
    gaps = [gap_after(run, events, *span) for span in spans]
    run.at_most("gap_max", max(gaps), 5.0, "s")
    run.at_most("gap_median", checks.quantile(gaps, 0.5), 3.0, "s")


def s2(run):
    """Two Redis, strict; the master is killed and started 5 s later. Until
    then pushes, takes and reports are refused."""
    group = cluster(run, redises=2)
    schedd = group.schedd()
    probe = Probe(run, schedd)
    run.start_load()
    resumed = []
    for _ in range(run.times(4)):
        run.pause(1, 3)
        old = group.index()
        probe.hold()
        run.note("kill", number=old)
        group.redises[old].kill()
        began = time.monotonic()
        while time.monotonic() < began + 5:
            probe.ask()
            time.sleep(0.03)
        group.redises[old].start()
        back, since = time.monotonic(), time.monotonic_ns()
        group.wait_replicas(60)
        resumed.append(first_change_s(run, since) + (since / 1e9 - back))
        group.wait_sentinels()
        events = run.history.events()
        early = acknowledged(events, began + 0.3, back)
        run.expect(not early, f"{early} changes acknowledged without a replica")
    verified(run, group, 5 + 12)
    run.at_most("resumed", max(resumed), 12.0, "s")
    probe.judge()


class Probe:
    """Asks for changes that must be refused: a push, a take, a report."""

    def __init__(self, run, schedd):
        self.run, self.schedd = run, schedd
        self.serial, self.held = 0, []
        # What was answered to each, and how long that took.
        self.statuses = {verb: {} for verb in ("tasks", "take", "report")}
        self.slowest = 0.0

    def _post(self, verb, body):
        with self.schedd.client(timeout=10) as client:
            return client.queue("probe").post(verb, body)

    def hold(self):
        """Takes some tasks, to report them, and leaves some to be taken."""
        self.serial += 1
        tasks = [{"id": f"{self.serial}-{n}", "payload": n} for n in range(400)]

        def done(verb, body):
            wait_until(lambda: self._post(verb, body).status < 300, 20, verb)

        done("tasks", {"tasks": tasks})
        done("take", {"worker": "holder", "count": 200, "request_id": f"h{self.serial}"})
        self.held = [t["id"] for t in tasks[:200]]

    def ask(self):
        """One of each."""
        bodies = {
            "tasks": {"payload": 1},
            "take": {"worker": "probe", "count": 1},
            "report": {"worker": "holder", "finished": [self.held.pop()]},
        }
        for verb, body in bodies.items():
            began = time.monotonic()
            got = self._post(verb, body)
            self.slowest = max(self.slowest, time.monotonic() - began)
            counts = self.statuses[verb]
            counts[got.status] = counts.get(got.status, 0) + 1

    def judge(self):
        """503 in 400 ms, but for what was under way when the master died, and
        what the new one was asked before it was known to have no replica."""
        self.run.at_most("refused_in", self.slowest * 1000, 400, "ms")
        for verb, counts in self.statuses.items():
            shown = "+".join(f"{n}x{s}" for s, n in sorted(counts.items()))
            self.run.facts[verb] = shown
            few = counts.get(504, 0) <= 2 * self.serial
            fine = set(counts) <= {503, 504} and counts.get(503, 0) > 0 and few
            self.run.expect(fine, f"without a replica a {verb} is answered {shown}")


def acknowledged(events, since_s, until_s):
    """How many changes were acknowledged that were asked for since then."""
    asked, count = {}, 0
    for e in events:
        if e["type"] == "invoke":
            asked[e["op"]] = e["t"]
        elif e["type"] == "ok" and e["t"] < until_s * 1e9 and e["ids"]:
            count += asked[e["op"]] > since_s * 1e9
    return count


def first_change_s(run, since, limit_s=30):
    """How long after since (ns) a push or a finish succeeds."""

    def first():
        times = [
            e["t"]
            for e in run.history.events()
            if e["type"] == "ok" and e["f"] in ("push", "finish") and e["t"] > since
        ]
        return min(times, default=None)

    return (wait_until(first, limit_s, "a change that is acknowledged") - since) / 1e9


def split(group, *cut_off):
    """These machines are alone with each other, from now on."""
    for machine in cut_off:
        machine.bridge("other")


def s3(run):
    """schedd and the old master are cut off from all others for 8 s."""
    group = cluster(run)
    group.schedd()
    run.start_load()
    for _ in range(run.times(5)):
        partition(run, group)
    verified(run, group, 8 + 5)


def partition(run, group, strict=True):
    """One such cut, healed after 8 s. How many changes were acknowledged."""
    run.pause(1, 2)
    old = group.index()
    run.note("cut", number=old)
    began = time.monotonic()
    split(group, group.home, group.machines[old])
    group.wait_failover(old)
    time.sleep(max(0, began + 8 - time.monotonic()))
    healed = time.monotonic()
    if strict:
        early = acknowledged(run.history.events(), began + 0.3, healed)
        run.expect(not early, f"{early} changes acknowledged on the cut side")
    group.heal()
    run.note("heal")
    wait_until(lambda: group.role(group.redises[old]) == "slave", 60, "its demotion")
    run.at_most("demoted", time.monotonic() - healed, 15, "s")
    group.wait_replicas()
    group.wait_sentinels()


def s3_control(run):
    """The same without waiting for a replica must lose tasks, else the cut
    cuts nothing; and schedd must see that it goes on with an older Redis."""
    group = cluster(run)
    schedd = group.schedd({'redis "main"': {"confirm": "disk"}})
    schedd.allowed = {"redis.hopeless"}
    run.start_load(workers=1, take_count=10)
    partition(run, group, strict=False)
    schedd.wait_log("redis.hopeless")
    run.load.settles = False
    run.load.end()
    held = redisdump.dump(group.master_redis(), QUEUE)
    there = {state: held[state] for state in checks.PLACES}
    lost = len(checks.lost(run.history.events(), there))
    run.facts["lost_by_intent"] = lost
    run.expect(lost > 0, "nothing was lost without a confirmation")


def s4(run):
    """One-way cut from master to replicas; schedd cut from the Sentinels
    only; the Sentinels cut from each other."""
    group = cluster(run)
    group.schedd()
    run.start_load()
    for _ in range(run.times(3)):
        run.pause(1, 2)
        one_way(run, group)
        alone(run, group, "schedd", [group.home])
        alone(run, group, "sentinels", group.machines[:3])
    verified(run, group, 6 + 5)


def one_way(run, group):
    """What the master sends to its replicas is lost; a failover may follow."""
    run.note("one way")
    old = group.index()
    for number, machine in enumerate(group.machines[:3]):
        if number != old:
            group.machines[old].cut(machine)
    time.sleep(6)
    group.heal()
    group.wait_replicas(60)
    group.wait_sentinels()
    run.pause(0.5, 1)


def alone(run, group, who, machines):
    """These machines do not reach the Sentinels of others; all else is as
    before, and work goes on with the same master."""
    run.note(f"{who} cut off")
    master, since = group.index(), time.monotonic()
    for machine in machines:
        machine.cut_sentinels()
    for machine in machines:
        (other, *_) = [m for m in group.machines[:3] if m is not machine]
        run.expect(not machine.reaches_sentinel(other), f"{who}: not cut off")
    time.sleep(5)
    until = time.monotonic()
    group.heal()
    gap = gap_after(run, run.history.events(), since, until)
    run.at_most(f"gap_{who}", gap, 1.0, "s")
    group.wait_sentinels()
    run.expect(group.index() == master, f"{who} cut off: another master")


def s5(run):
    """The master is frozen until another one is master, then wakes, at once or
    a little later: nothing is acknowledged by the zombie, which at first still
    has a replica that confirms."""
    group = cluster(run)
    group.schedd()
    run.start_load()
    for number in range(run.times(4)):
        run.pause(1, 2)
        old = group.index()
        zombie = group.redises[old]
        others = [one for one in group.redises if one is not zombie]
        promoted = lambda rest=others: any(group.role(r) == "master" for r in rest)
        run.note("freeze", number=old)
        with frozen(zombie.process.pid):
            wait_until(promoted, 30, "another master")
            time.sleep((0, 0.1, 0, 1)[number % 4])
        run.note("wake", number=old)
        wait_until(lambda z=zombie: group.role(z) == "slave", 60, "its demotion")
        group.wait_replicas()
        group.wait_sentinels()
    # What the zombie took would be lost with its demotion: K1 would see it.
    verified(run, group, 8)


def s9(run):
    """The master is replaced by an operator's word, again and again: it answers
    all the time, and the replica that is told last goes on confirming."""
    group = cluster(run)
    group.schedd()
    run.start_load()
    for number in range(run.times(4)):
        run.pause(1, 2)
        old = group.index()
        run.note("failover", number=old)
        group.sentinels[number % 3].do("SENTINEL", "FAILOVER", MASTER)
        wait_until(
            lambda z=group.redises[old]: group.role(z) == "slave", 60, "its demotion"
        )
        group.wait_replicas()
        group.wait_sentinels()
    verified(run, group, 8)


# Settings that lose tasks, at the start or by CONFIG SET, and a word of what
# schedd must say about them.
WEAK = {
    "appendonly no": "appendonly",
    "appendfsync everysec": "appendfsync",
    "appendfsync no": "appendfsync",
    "maxmemory-policy allkeys-lru": "maxmemory-policy",
    "maxmemory-policy volatile-ttl": "maxmemory-policy",
}


def s7(run):
    """Bad set-ups are refused at the start, or within 10 s of CONFIG SET,
    with their reason."""
    cases = 0
    for words, name in WEAK.items():
        key, value = words.split()
        refused_at_start(run, name, **{key.replace("-", "_"): value})
        cases += 1
    with ThreadPoolExecutor(len(WEAK)) as pool:
        jobs = [pool.submit(weakened, run, *weak) for weak in WEAK.items()]
        cases += sum(job.result() for job in jobs)
    if not Space.possible():
        cases += bad_clusters(run)
    run.facts["cases"] = cases
    run.expect(cases >= 12, f"only {cases} cases could be tried here")


def weakened(run, words, name):
    """A setting becomes weak while schedd uses that Redis, and good again."""
    key, value = words.split()
    redis = run.redis()
    schedd = run.schedd(redis=redis)
    good = redis.do("CONFIG", "GET", key)[1].decode()
    redis.do("CONFIG", "SET", key, value)
    stops_acknowledging(run, schedd, name)
    redis.do("CONFIG", "SET", key, good)
    schedd.wait_ready()
    return 1


def refused_at_start(run, name, **options):
    """A schedd on such a Redis ends with 78 and says why."""
    redis = run.redis(**options)
    one = run.schedd(redis=redis, start=False)
    one.allowed = {"redis.hopeless"}
    one.spawn()
    wait_until(lambda: not one.is_running(), 15, f"an end because of {name}")
    code = one.wait_end()
    run.expect(code == 78, f"{options}: exit code {code}: {one.tail()}")
    run.expect(name in one.tail(), f"{options}: {name} is not named: {one.tail()}")
    redis.stop()


def stops_acknowledging(run, schedd, name, limit_s=10):
    """Within the limit a push is refused, and /readyz names the reason."""
    began = time.monotonic()
    with schedd.client() as client:
        wait_until(
            lambda: client.queue("probe").post("tasks", {"payload": 1}).status == 503,
            limit_s,
            f"a push to be refused ({name})",
        )
        took = time.monotonic() - began
        got = client.get("/readyz")
    run.facts["noticed"] = f"{took:.2f}s"
    run.expect(took <= limit_s, f"{name}: noticed after {took:.1f} s")
    run.expect(got.status == 503 and name in got.body.decode(), f"/readyz: {got}")


def bad_clusters(run):
    """Unequal priorities; all replicas missing. Both while schedd runs, and
    when one starts."""
    group = cluster(run)
    schedd = group.schedd()
    replica = group.redises[(group.index() + 1) % 3]
    replica.do("CONFIG", "SET", "replica-priority", "10")
    # Sentinel asks its replicas each 10 s, and schedd goes by what it says.
    stops_acknowledging(run, schedd, "replica-priority", 10 + 10)
    starts_refusing(run, group, "replica-priority")
    replica.do("CONFIG", "SET", "replica-priority", "100")
    schedd.wait_ready()
    master = group.index()
    others = [r for n, r in enumerate(group.redises) if n != master]
    for redis in others:
        redis.kill()
    stops_acknowledging(run, schedd, "replica")
    starts_refusing(run, group, "replica")
    for redis in others:
        redis.start()
    group.wait_replicas()
    schedd.wait_ready()
    return 4


def starts_refusing(run, group, name):
    """One that starts now ends with 78, or refuses; both with the reason."""
    one = group.schedd(start=False)
    one.allowed = {"redis.hopeless"}
    one.spawn()
    one.addr = one.wait_log("http.listening").values["addr"]

    def said():
        if not one.is_running():
            return one.tail() if name in one.tail() else None
        try:
            with one.client() as client:
                got = client.get("/readyz")
        except OSError:
            return None
        return got.body.decode() if got.status == 503 else None

    why = wait_until(lambda: name in (said() or ""), 10, lambda: f"{name}: {said()}")
    run.expect(why, f"{name} at the start: {said()}")
    if one.is_running():
        with one.client() as client:
            got = client.queue("probe").post("tasks", {"payload": 1})
        run.expect(got.status == 503, f"{name} at the start: a push is {got}")
        one.stop()
    else:
        code = one.wait_end()
        run.expect(code == 78, f"{name} at the start: exit code {code}")


def s10(run):
    """Redis comes back empty, then from an old copy: schedd stops
    acknowledging at once, says which it is, and goes on only when an operator
    brings the data back or says so: not by a restart."""
    for kind, words in (("empty", "came back empty"), ("old", "came back older")):
        strange(run, kind, words)


def strange(run, kind, words):
    """One such Redis, twice: the data are brought back, then not."""
    redis = run.redis()
    schedd = run.schedd(redis=redis)
    schedd.allowed = {"redis.generation", "store.older", "redis.hopeless"}
    data, copy, good = (redis.folder / n for n in ("appendonlydir", "copy", "good"))

    def turn(name, source):
        """Redis starts anew with other data, beside those that it had."""
        redis.kill()
        os.rename(data, redis.folder / name)
        if source:
            shutil.copytree(source, data)
        redis.start()

    pushed(schedd, "a")
    redis.kill()
    shutil.copytree(data, copy)
    redis.start()
    schedd.wait_ready()
    pushed(schedd, "b")
    old = copy if kind == "old" else None
    turn("good", old)
    refuses_for(run, schedd, words, 4)
    turn("bad", good)
    schedd.wait_ready()
    with schedd.client() as client:
        there = len(client.queue(QUEUE).ids("todo", limit=1000))
        run.expect(there >= 200, f"{kind}: {there} tasks of the data brought back")
    pushed(schedd, "c")
    shutil.rmtree(good)
    turn("good", old)
    refuses_for(run, schedd, words, 2)
    redis.kill()
    redis.start()
    # By now it looks only every two seconds, and may have met nobody.
    refuses_for(run, schedd, words, 4, within_s=3)
    for end in (schedd.stop, schedd.kill):
        end()
        schedd.start(ready=False)
        refuses_for(run, schedd, words, 2)
    schedd.stop()
    subprocess.run([*schedd.command(), "--accept-store"], check=True, capture_output=True)
    schedd.start()
    with schedd.client() as client:
        got = client.queue(QUEUE).post("tasks", {"payload": 1})
        run.expect(got.status == 201, f"{kind}: accepted, and a push is {got}")
        left = client.queue(QUEUE).counts()["todo"]
        run.expect(left == (101 if kind == "old" else 1), f"{kind}: {left} tasks")
    run.facts[kind] = "refused"


def pushed(schedd, name):
    """A hundred tasks, and the time until that is in what schedd knows."""
    with schedd.client() as client:
        client.queue(QUEUE).push_many([f"{name}{n}" for n in range(100)])
        time.sleep(2.5)


def refuses_for(run, schedd, words, seconds, within_s=1):
    """Nothing is acknowledged, and within that time /readyz says why."""
    began, ok, why = time.monotonic(), [], None
    with schedd.client() as client:
        while time.monotonic() < began + seconds:
            got = client.queue(QUEUE).post("tasks", {"payload": 1})
            if got.status < 300:
                ok.append(time.monotonic() - began)
            ready = client.get("/readyz")
            if ready.status == 503 and words in ready.body.decode():
                why = why or time.monotonic() - began
            time.sleep(0.05)
    run.expect(not ok, f"{words}: {len(ok)} pushes acknowledged, the last {ok[-1:]}")
    run.expect(why is not None and why < within_s, f"{words}: said after {why}: {ready}")
    run.expect(ready.status == 503, f"{words}: at the end /readyz is {ready}")
    run.expect(schedd.is_running(), f"{words}: schedd ended")


ROWS = {
    "S1": s1,
    "S2": s2,
    "S3": s3,
    "S3-control": s3_control,
    "S4": s4,
    "S5": s5,
    "S7": s7,
    "S9": s9,
    "S10": s10,
}
