"""S: failovers, partitions, zombies, bad settings, a Redis that is not the
one it was."""

import os
import shutil
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


def verified(run, group):
    """The usual end of a scenario here."""
    there = run.settle()
    group.wait_replicas()
    events = run.verify(there, group.master_redis())
    run.facts["gap"] = run.gap_s(events)
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
    events = verified(run, group)
    gaps = [gap_after(run, events, *span) for span in spans]
    run.at_most("gap_max", max(gaps), 5.0, "s")
    run.at_most("gap_median", checks.quantile(gaps, 0.5), 3.0, "s")


def s2(run):
    """Two Redis, strict; the master is killed and started 5 s later."""
    group = cluster(run, redises=2)
    schedd = group.schedd()
    run.start_load()
    resumed, slowest = [], 0.0
    for _ in range(run.times(4)):
        run.pause(1, 3)
        old = group.index()
        run.note("kill", number=old)
        began = time.monotonic()
        group.redises[old].kill()
        time.sleep(0.6)
        while time.monotonic() < began + 5:
            slowest = max(slowest, refusal_s(run, schedd))
            time.sleep(0.1)
        group.redises[old].start()
        back = time.monotonic()
        since = time.monotonic_ns()
        group.wait_replicas(60)
        resumed.append(first_change_s(run, since) + (since / 1e9 - back))
        group.wait_sentinels()
        events = run.history.events()
        early = acknowledged(events, began + 0.3, back)
        run.expect(not early, f"{early} changes acknowledged without a replica")
    verified(run, group)
    run.at_most("resumed", max(resumed), 12.0, "s")
    run.at_most("refused_in", slowest * 1000, 400, "ms")


def refusal_s(run, schedd):
    """How long a push takes to be refused."""
    with schedd.client(timeout=10) as client:
        began = time.monotonic()
        got = client.queue("probe").post("tasks", {"payload": 1})
        took = time.monotonic() - began
    run.expect(got.status in (503, 504), f"without a replica a push is {got}")
    return took


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
    verified(run, group)


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
        home_cut(run, group)
        sentinels_cut(run, group)
    verified(run, group)


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


def home_cut(run, group):
    """All Sentinels are stopped as far as schedd can see: it goes on."""
    run.note("no Sentinels")
    since = time.monotonic()
    stopped = [s.process.pid for s in group.sentinels]
    with frozen(stopped[0]), frozen(stopped[1]), frozen(stopped[2]):
        time.sleep(4)
        until = time.monotonic()
    gap = gap_after(run, run.history.events(), since, until)
    run.at_most("gap_without_sentinels", gap, 1.0, "s")
    group.wait_sentinels()


def sentinels_cut(run, group):
    """The machines of the two replicas do not hear each other, nor the
    master's Sentinel; schedd and the replication are as before."""
    run.note("Sentinels alone")
    since = time.monotonic()
    a, b = [m for n, m in enumerate(group.machines[:3]) if n != group.index()]
    a.cut(b)
    b.cut(a)
    time.sleep(4)
    until = time.monotonic()
    group.heal()
    gap = gap_after(run, run.history.events(), since, until)
    run.at_most("gap_split_sentinels", gap, 5.0, "s")
    group.wait_replicas()
    group.wait_sentinels()


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
            time.sleep((0, 0.3, 0.1, 1)[number % 4])
        run.note("wake", number=old)
        wait_until(lambda z=zombie: group.role(z) == "slave", 60, "its demotion")
        group.wait_replicas()
        group.wait_sentinels()
    # What the zombie took would be lost with its demotion: K1 would see it.
    verified(run, group)


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
    verified(run, group)


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


def stops_acknowledging(run, schedd, name, limit_s=11):
    """Within the limit a push is refused, and /readyz names the reason. schedd
    looks every 10 s."""
    began = time.monotonic()
    with schedd.client() as client:
        wait_until(
            lambda: client.queue("probe").post("tasks", {"payload": 1}).status == 503,
            limit_s,
            f"a push to be refused ({name})",
        )
        got = client.get("/readyz")
    run.at_most("noticed", time.monotonic() - began, limit_s, "s")
    run.expect(got.status == 503 and name in got.body.decode(), f"/readyz: {got}")


def bad_clusters(run):
    """Unequal priorities; a replica that is missing."""
    group = cluster(run)
    schedd = group.schedd()
    replica = group.redises[(group.index() + 1) % 3]
    replica.do("CONFIG", "SET", "replica-priority", "10")
    stops_acknowledging(run, schedd, "replica-priority")
    replica.do("CONFIG", "SET", "replica-priority", "100")
    schedd.wait_ready()
    master = group.index()
    others = [r for n, r in enumerate(group.redises) if n != master]
    for redis in others:
        redis.kill()
    stops_acknowledging(run, schedd, "replica")
    for redis in others:
        redis.start()
    group.wait_replicas()
    schedd.wait_ready()
    return 2


def s10(run):
    """Redis comes back empty, then from an old copy: schedd stops
    acknowledging and goes on only when an operator says so."""
    for kind in ("empty", "old"):
        redis = run.redis()
        schedd = run.schedd(redis=redis)
        schedd.allowed = {"redis.generation", "store.older", "redis.hopeless"}
        data, copy = redis.folder / "appendonlydir", redis.folder / "copy"
        with schedd.client() as client:
            client.queue(QUEUE).push_many([f"a{n}" for n in range(100)])
            time.sleep(2.5)  # until its sequence number was written down
            redis.kill()
            shutil.copytree(data, copy)
            redis.start()
            schedd.wait_ready()
            client.queue(QUEUE).push_many([f"b{n}" for n in range(100)])
            time.sleep(2.5)
            redis.kill()
        shutil.rmtree(data)
        if kind == "old":
            os.rename(copy, data)
        redis.start()
        began = time.monotonic()
        refuses_for(run, schedd, kind, 4)
        run.facts[kind] = f"{time.monotonic() - began:.1f}s"


def refuses_for(run, schedd, kind, seconds):
    """From one second on nothing is acknowledged, and /readyz says why."""
    began, ok = time.monotonic(), []
    while time.monotonic() < began + seconds and schedd.is_running():
        try:
            with schedd.client() as client:
                got = client.queue(QUEUE).post("tasks", {"payload": 1})
                if got.status < 300 and time.monotonic() > began:
                    ok.append(time.monotonic() - began)
                ready = client.get("/readyz")
        except OSError:
            continue
        time.sleep(0.05)
    run.expect(not ok, f"{kind}: {len(ok)} pushes acknowledged, the last {ok[-1:]}")
    if schedd.is_running():
        run.expect(ready.status == 503, f"{kind}: /readyz: {ready}")


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
