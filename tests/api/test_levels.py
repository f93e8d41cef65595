"""What a 2xx stands for: redis.main.confirm = memory, disk, replicated, on
real Redis servers whose settings are changed and whose replicas stop."""

import threading
import time

import pytest

from redisproc import RedisError, free_port
from server import wait_until

EX_CONFIG = 78


def settings_of(redis, **more):
    """A schedd on that Redis, with more settings of [redis "main"]."""
    settings = redis.settings()
    settings['redis "main"'].update(more)
    return settings


def replicated(redis, **more):
    """The same at level replicated."""
    return settings_of(redis, confirm="replicated", **more)


@pytest.fixture(name="master")
def _master(place):
    return place.redis(port=free_port(), repl_diskless_sync_delay="0")


@pytest.fixture(name="replica")
def _replica(place, master):
    return add_replica(place, master)


def add_replica(place, master):
    """A replica that has caught up."""
    one = place.redis(port=free_port(), replicaof=f"127.0.0.1 {master.port}")
    wait_until(
        lambda: b"master_link_status:up" in one.do("INFO", "replication"),
        what="the replica to catch up",
    )
    return one


def refused_start(place, settings, *words):
    """It ends with exit code 78 and one line that says what to set."""
    schedd = place.schedd(settings, start=False).spawn()
    schedd.allowed = {"redis.hopeless"}
    assert schedd.wait_end() == EX_CONFIG, schedd.tail()
    line = [x.text for x in schedd.lines if "REDIS_SETTINGS: " in x.text][-1]
    for word in words:
        assert word in line, line
    schedd.take_faults()


def metric(client, name):
    """The value of a metric of the one backend."""
    for line in client.get("/metrics").body.decode().splitlines():
        if line.startswith(name + '{backend="main"}'):
            return float(line.split()[-1])
    raise AssertionError(f"no {name}")


# -- what Redis must be set to ------------------------------------------------

WEAK = [
    ("appendonly", "no"),
    ("appendfsync", "everysec"),
    ("appendfsync", "no"),
    ("maxmemory_policy", "allkeys-lru"),
    ("no_appendfsync_on_rewrite", "yes"),
]


@pytest.mark.log_errors("redis.hopeless")
@pytest.mark.parametrize("level", ["auto", "disk", "replicated"])
@pytest.mark.parametrize("name, value", WEAK)
def test_weak_settings_are_no_start(place, level, name, value):
    redis = place.redis(**{name: value})
    settings = settings_of(redis, confirm=level)
    refused_start(place, settings, name.replace("_", "-"), value, "= memory")


@pytest.mark.log_errors("redis.hopeless")
def test_forbidden_config_is_no_start(place):
    redis = place.redis()
    redis.do("ACL", "SETUSER", "default", "-config")
    refused_start(place, settings_of(redis), "CONFIG GET", "NOPERM", "= memory")


def test_memory_takes_any_redis(place):
    """It was asked for in so many words; what is weak is told once."""
    redis = place.redis(maxmemory_policy="allkeys-lru", appendonly="no")
    schedd = place.schedd(settings_of(redis, confirm="memory"))
    (line,) = [x for x in schedd.lines if x.event == "redis.settings"]
    assert line.level == "warn"
    for word in ("maxmemory-policy", "appendonly"):
        assert word in line.values["reason"]
    with schedd.client() as client:
        assert client.queue("q").push("a")["queued"] == 1


@pytest.mark.log_errors("redis.hopeless")
def test_private_redis_has_no_replicas(place):
    refused = place.schedd(
        {'redis "main"': {"confirm": "replicated"}}, start=False
    ).spawn()
    assert refused.wait_end() == EX_CONFIG
    assert "redis.main.confirm" in refused.tail()


def test_a_log_that_is_not_whole_yet(place):
    """Switched on, it begins with a file that is written in the background: what
    is acknowledged after that is there when Redis was killed."""
    redis = place.redis()
    schedd = place.schedd(settings_of(redis))
    with schedd.client() as client:
        queue = client.queue("q")
        for batch in range(3):
            queue.push_many([f"old-{batch}-{n}" for n in range(1000)])
        redis.do("CONFIG", "SET", "appendonly", "no")
        schedd.wait_log("redis.weak")
        redis.do("CONFIG", "SET", "rdb-key-save-delay", "500000")
        redis.do("CONFIG", "SET", "appendonly", "yes")
        wait_until(
            lambda: "first file" in str(client.get("/readyz").json), what="the reason"
        )
        assert b"aof_rewrite_in_progress:1" in redis.do("INFO", "persistence")
        queue.post("tasks", {"id": "a", "payload": 1}).refused(503, "STORE_WEAK")
        redis.do("CONFIG", "SET", "rdb-key-save-delay", "0")
        schedd.wait_log("redis.strong", limit=60)
        assert b"aof_rewrite_in_progress:0" in redis.do("INFO", "persistence")
        assert queue.push("b")["queued"] == 1
        redis.kill()
        redis.start()
        wait_until(lambda: client.get("/readyz").status == 200, what="it to be back")
        assert queue.state("b") == "todo" and queue.state("a") == "gone"


def test_settings_that_change_while_it_runs(place):
    """Changes are refused with a reason, reading goes on, and all is well
    again when Redis is."""
    redis = place.redis()
    schedd = place.schedd(settings_of(redis))
    with schedd.client() as client:
        queue = client.queue("q")
        queue.push("a")
        assert metric(client, "schedd_store_confirms") == 1
        redis.do("CONFIG", "SET", "appendfsync", "everysec")
        line = schedd.wait_log("redis.weak")
        assert "appendfsync is everysec" in line.values["reason"]
        client.get("/readyz").refused(503, "NOT_READY", "appendfsync is everysec")
        got = queue.post("tasks", {"id": "b", "payload": 1})
        got.refused(503, "STORE_WEAK")
        assert int(got.headers["Retry-After"]) >= 1
        queue.post("take", {"worker": "w"}).refused(503, "STORE_WEAK")
        assert queue.state("a") == "todo" and queue.state("b") == "gone"
        assert metric(client, "schedd_store_confirms") == 0
        redis.do("CONFIG", "SET", "appendfsync", "always")
        schedd.wait_ready()
        assert metric(client, "schedd_store_confirms") == 1
        assert queue.push("b")["queued"] == 1


def test_settings_that_changed_over_a_reconnect(place):
    redis = place.redis()
    schedd = place.schedd(settings_of(redis))
    redis.kill()
    redis.options["appendfsync"] = "everysec"
    redis.start()
    schedd.wait_log("redis.weak")
    with schedd.client() as client:
        got = client.queue("q").post("tasks", {"id": "b", "payload": 1})
        got.refused(503, "STORE_WEAK")


# -- replicas -----------------------------------------------------------------


def test_replicated(place, master, replica):
    schedd = place.schedd(replicated(master))
    with schedd.client() as client:
        queue = client.queue("q")
        for n in range(50):
            queue.push(f"t{n}")
            assert replica.do("HLEN", "sched:{q}:task") == n + 1
        assert len(queue.take_ids(count=50)) == 50


def unconfirmed(replica, servers, ask):
    """Stops the replica and lets ask(turn) make changes: none of the answers
    is an acknowledgement. Tried until all were sent and not confirmed: what
    schedd writes of itself once a second may find out first, and then they
    are refused. The turn; the replica is still stopped."""
    for turn in range(20):
        replica.pause()
        answers = ask(turn)
        if all(answer.status == 504 for answer in answers):
            for answer in answers:
                answer.refused(504, "STORE_UNCONFIRMED")
            return turn
        for answer in answers:
            if answer.status != 504:
                answer.refused(503, "STORE_WEAK")
        replica.resume()
        for server in servers:
            server.wait_ready()
    raise AssertionError("none was sent")


def test_a_stopped_replica_makes_changes_unknown(place, master, replica):
    """The first is 504, as it was made; the next are refused unmade."""
    schedd = place.schedd(replicated(master, confirm_timeout="200ms"))
    took = []
    with schedd.client() as client:
        queue = client.queue("q")
        queue.push("before")

        def push(turn):
            began = time.monotonic()
            answer = queue.post("tasks", {"id": f"a{turn}", "payload": 1})
            took.append(time.monotonic() - began)
            return [answer]

        turn = unconfirmed(replica, [schedd], push)
        assert 0.2 <= took[-1] < 1
        client.get("/readyz").refused(503, "NOT_READY", "fewer than 1 replicas")
        began = time.monotonic()
        queue.post("tasks", {"id": "b", "payload": 1}).refused(503, "STORE_WEAK")
        assert time.monotonic() - began < 0.5
        assert queue.state("b") == "gone"
        replica.resume()
        schedd.wait_ready()
        got = queue.push(f"a{turn}", "b")
        assert [t["status"] for t in got["tasks"]] == ["exists", "queued"]


def test_nothing_is_acknowledged_meanwhile(place, master, replica):
    """Many clients push while the replica stops and goes on: whatever got
    2xx is on the replica at that moment."""
    schedd = place.schedd(replicated(master, confirm_timeout="100ms"))
    acked, wrong, end = [], set(), threading.Event()

    def push(name):
        with schedd.client() as client:
            queue, n = client.queue("q"), 0
            while not end.is_set():
                n += 1
                got = queue.post("tasks", {"id": f"{name}-{n}", "payload": 1})
                if got.status == 201:
                    acked.append(f"{name}-{n}")
                elif got.error["name"] not in ("STORE_UNCONFIRMED", "STORE_WEAK"):
                    wrong.add(str(got))

    threads = [threading.Thread(target=push, args=(f"p{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        count = len(acked)
        wait_until(lambda c=count: len(acked) > c + 20, what="pushes")
        replica.pause()
        wait_until(lambda: not is_ready(schedd), what="it to be noticed")
        count = len(acked)
        time.sleep(0.3)
        assert len(acked) == count, "acknowledged without a replica"
        replica.resume()
        wait_until(lambda: is_ready(schedd), what="it to recover")
    end.set()
    for thread in threads:
        thread.join()
    master.kill()
    assert not wrong
    kept = {k.decode() for k in replica.do("HKEYS", "sched:{q}:task")}
    assert not set(acked) - kept


def is_ready(schedd):
    """Does /readyz say 200?"""
    with schedd.client() as client:
        return client.get("/readyz").status == 200


def test_two_replicas_are_two(place, master, replica):
    schedd = place.schedd(replicated(master, confirm_replicas=2), ready=False)
    with schedd.client() as client:
        wait_until(lambda: schedd.find_log("redis.weak"), what="redis.weak")
        client.get("/readyz").refused(503, "NOT_READY", "fewer than 2 replicas")
        second = add_replica(place, master)
        schedd.wait_ready()
        client.queue("q").push("a")
        assert replica.do("HLEN", "sched:{q}:task") == 1
        assert second.do("HLEN", "sched:{q}:task") == 1


def test_a_second_server_confirms_what_it_found(place, master, replica):
    """The first one's push was not confirmed; the second, whose own script
    changes nothing, must not acknowledge it either."""
    first = place.schedd(replicated(master, confirm_timeout="100ms"))
    second = place.schedd(replicated(master, confirm_timeout="100ms"))
    with first.client() as one, second.client() as two:

        def push(turn):
            body = {"id": f"a{turn}", "payload": 1}
            return [c.queue("q").post("tasks", body) for c in (one, two)]

        turn = unconfirmed(replica, (first, second), push)
        replica.resume()
        second.wait_ready()
        assert two.queue("q").push(f"a{turn}")["exists"] == 1


def test_what_was_known_is_confirmed_anew(place, master, replica):
    """A change that changes nothing needs a replica that is there now, not
    one that had all of it before it was lost."""
    schedd = place.schedd(replicated(master, confirm_timeout="100ms"))
    with schedd.client() as client:
        queue = client.queue("q")
        queue.make()
        queue.take_ids()
        unconfirmed(replica, [schedd], lambda _: [queue.post("take", {"worker": "w"})])
        replica.resume()


def test_degrade(place, master, replica):
    """Asked for: after a while without replicas it goes on, and says so."""
    schedd = place.schedd(
        replicated(
            master, degrade="disk", degrade_after="1s", confirm_timeout="100ms"
        )
    )
    with schedd.client() as client:
        queue = client.queue("q")

        def push(turn):
            return [queue.post("tasks", {"id": f"a{turn}", "payload": 1})]

        unconfirmed(replica, [schedd], push)
        queue.post("tasks", {"id": "b", "payload": 1}).refused(503, "STORE_WEAK")
        schedd.wait_log("redis.degraded")
        got = queue.post("tasks", {"id": "b", "payload": 1})
        assert got.status == 201 and got.headers["X-Durability"] == "disk"
        assert "X-Durability" not in client.get(queue.path).headers
        assert client.get_json("/readyz")["durability"] == "disk"
        assert metric(client, "schedd_store_degraded") == 1
        replica.resume()
        schedd.wait_log("redis.replicated")
        assert client.get_json("/readyz")["durability"] == "replicated"
        assert metric(client, "schedd_store_degraded") == 0
        got = queue.post("tasks", {"id": "c", "payload": 1})
        assert got.status == 201 and "X-Durability" not in got.headers
        assert replica.do("HLEN", "sched:{q}:task") == 3


def test_scripts_that_redis_forgot(place, master, replica):
    """A call that is repeated is confirmed as well."""
    schedd = place.schedd(replicated(master))
    with schedd.client() as client:
        queue = client.queue("q")
        for n in range(5):
            master.do("SCRIPT", "FLUSH")
            queue.push(f"t{n}")
            assert replica.do("HLEN", "sched:{q}:task") == n + 1


def test_a_replica_is_no_master(place, master, replica):
    """Behind a url that names one Redis: it says so and goes on asking."""
    schedd = place.schedd(settings_of(replica), ready=False)
    with schedd.client() as client:
        schedd.wait_log("redis.weak")
        client.get("/readyz").refused(503, "NOT_READY", "replica")
        push = lambda: client.queue("q").post("tasks", {"id": "b", "payload": 1})
        # It is READY a moment before it has read the queues and tokens.
        wait_until(lambda: push().error["name"] != "REDIS_DOWN", what="a refusal")
        push().refused(503, "STORE_READ_ONLY")
        with pytest.raises(RedisError):
            replica.do("SET", "k", "v")
        replica.do("REPLICAOF", "NO", "ONE")
        schedd.wait_ready()
        assert client.queue("q").push("b")["queued"] == 1
    assert master.do("HLEN", "sched:{q}:task") == 0
