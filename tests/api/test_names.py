"""Made-up names of workers: they displace no real one, and fill nothing."""

import pytest

from server import wait_until

MOST, FEW, TIMEOUT_S = 40, 30, 2
SETTINGS = {"worker": {"timeout": f"{TIMEOUT_S}s"}, "limits": {"max_workers": MOST}}


@pytest.fixture(name="redis")
def _redis(place):
    return place.redis()


@pytest.fixture(name="server")
def _server(place, redis):
    return place.schedd({**SETTINGS, **redis.settings()})


@pytest.fixture(name="own")
def _own(server):
    """A client and a queue."""
    with server.client() as client:
        client.jobs = client.queue("q")
        client.jobs.make()
        yield client


def beat(client, name, **body):
    return client.post(f"/v1/workers/{name}/heartbeat", body)


def worker(client, name):
    """What the list says of one."""
    for one in client.get_json("/v1/workers")["workers"]:
        if one["name"] == name:
            return one
    return None


def known(redis):
    """How many there are, and how many of them send heartbeats."""
    return redis.do("ZCARD", "sched:workers"), redis.do("ZCARD", "sched:beats")


def refused(client):
    for line in client.get("/metrics").body.decode().splitlines():
        if line.startswith("schedd_workers_refused_total "):
            return int(line.split()[-1])
    raise AssertionError("no such metric")


def take_as(client, prefix, count):
    """Takes with so many names that nobody has."""
    for i in range(count):
        client.jobs.take(f"{prefix}{i}")


def test_heartbeats_beyond_the_number_are_refused(redis, own):
    take_as(own, "nobody", 100)
    wait_until(lambda: known(redis) == (FEW, 0), what="three quarters")
    wait_until(lambda: refused(own) >= 100 - FEW, what="the count")
    for i in range(100):
        got = beat(own, f"noise{i}")
        if i < MOST - FEW:
            assert got.status == 200, (i, got)
        else:
            got.refused(429, "TOO_MANY_WORKERS")
            assert got.headers["Retry-After"]
    assert known(redis) == (MOST, MOST - FEW)
    assert redis.do("EXISTS", "sched:worker:noise99") == 0
    for i in range(MOST - FEW):
        assert beat(own, f"noise{i}", load=1).status == 200


def test_real_workers_are_not_displaced(redis, own):
    """Neither one that holds a lease nor one that sends heartbeats, however
    many others come; and those that come last are listed."""
    own.jobs.push("a")
    assert own.jobs.take_ids("holder") == ["a"]
    assert beat(own, "beating").status == 200
    names = (f"n{i}" for i in range(100_000))
    late = []

    def all_were_displaced():
        """Those that were there first, one and all."""
        assert beat(own, "beating").status == 200
        for _ in range(5):
            late.append(next(names))
            own.jobs.take(late[-1])
        total, _ = known(redis)
        assert total <= MOST
        there = {w["name"] for w in own.get_json("/v1/workers")["workers"]}
        if late[0] in there:
            late.append("")
        return len(late) > FEW and "" in late and not there & set(late[:FEW])

    wait_until(all_were_displaced, 30, "others to come and go")
    assert worker(own, "holder")["held"] == 1
    assert worker(own, "beating")["last_heartbeat"]
    assert own.jobs.state("a") == "doing"


def test_real_workers_find_room(redis, own):
    """Where others took up what is for anybody."""
    take_as(own, "nobody", 100)
    wait_until(lambda: known(redis) == (FEW, 0), what="three quarters")
    wait_until(
        lambda: own.get_json("/v1/stats")["workers"] == FEW, what="schedd to know"
    )
    own.jobs.push("a")
    assert own.jobs.take_ids("holder") == ["a"]
    wait_until(lambda: worker(own, "holder"), what="it in the list")
    assert beat(own, "beating").status == 200
    assert worker(own, "beating")


def test_silent_ones_make_room(redis, own):
    for i in range(MOST):
        assert beat(own, f"noise{i}").status == 200
    beat(own, "late").refused(429, "TOO_MANY_WORKERS")
    wait_until(lambda: beat(own, "late").status == 200, 20, "their silence")
    assert known(redis)[0] <= MOST


def test_tenants_with_one_name_count_each(redis, own, server):
    """A worker is one for each token's queues, so those have a limit too."""
    server.settings["limits"]["max_workers"] = 2
    server.reload()
    tokens = []
    own.token = own.post("/v1/tokens", {"name": "admin", "role": "admin"}).json["token"]
    for i in range(3):
        body = {"name": f"t{i}", "role": "worker", "queues": [f"q{i}"]}
        tokens.append(own.post("/v1/tokens", body).json["token"])
    statuses = []
    for token in tokens:
        with server.client(token=token) as client:
            statuses.append(beat(client, "bob").status)
    assert statuses == [200, 200, 429]
    assert known(redis) == (1, 2)


def test_full_memory_takes_up_no_more(redis, own):
    """Who is known is still heard."""
    assert beat(own, "old", load=1).status == 200
    first = worker(own, "old")["last_heartbeat"]
    assert redis.do("CONFIG", "SET", "maxmemory", "100kb") == b"OK"
    own.jobs.post("tasks", {"payload": 1}).refused(507, "STORE_FULL")
    for i in range(50):
        beat(own, f"new{i}").refused(507, "STORE_FULL")
    take_as(own, "nobody", 50)

    def is_later():
        assert beat(own, "old", load=1, version="x" * 60).status == 200
        return worker(own, "old")["last_heartbeat"] > first

    wait_until(is_later, what="a heartbeat in Redis")
    wait_until(lambda: refused(own) >= 100, what="the count")
    assert known(redis) == (1, 1)
    assert worker(own, "old")["details"] == {"load": 1}
    assert redis.do("CONFIG", "SET", "maxmemory", "0") == b"OK"
    assert beat(own, "new0").status == 200
    assert beat(own, "old", load=1, version="y" * 60).status == 200
    wait_until(
        lambda: worker(own, "old")["details"].get("version") == "y" * 60, what="details"
    )


def test_full_memory_gets_it_back(redis, own):
    """Names that only take place make some for tasks; real workers stay."""
    noise = [f"x{i}" + "x" * 240 for i in range(15)]
    for i in range(FEW - 2):
        assert beat(own, f"noise{i}", running=noise).status == 200
    own.jobs.push("a")
    assert own.jobs.take_ids("holder") == ["a"]
    wait_until(lambda: worker(own, "holder"), what="it in the list")
    info = redis.do("INFO", "memory").decode()
    used = int(info.split("used_memory:")[1].split()[0])
    assert redis.do("CONFIG", "SET", "maxmemory", str(used - 20_000)) == b"OK"
    own.jobs.post("tasks", {"payload": 1}).refused(507, "STORE_FULL")

    def is_accepted():
        assert beat(own, "noise0").status == 200
        return own.jobs.post("tasks", {"payload": 1}).status == 201

    wait_until(is_accepted, 20, "room for a task")
    assert {w["name"] for w in own.get_json("/v1/workers")["workers"]} >= {"holder", "noise0"}
    assert own.jobs.state("a") == "doing"


def test_heartbeats_while_redis_is_away(redis, own):
    """Of whom it knows they are answered and kept, others are told."""
    assert beat(own, "old").status == 200
    first = worker(own, "old")["last_heartbeat"]
    redis.kill()
    wait_until(lambda: own.get("/readyz").status == 503, what="its end")
    assert beat(own, "old", load=7).status == 200
    beat(own, "new").refused(503, "REDIS_DOWN")
    redis.start()
    wait_until(lambda: own.get("/readyz").status == 200, what="its return")

    def is_written():
        one = worker(own, "old")
        return one["last_heartbeat"] > first and one["details"] == {"load": 7}

    wait_until(is_written, what="the heartbeat in Redis")
    assert worker(own, "new") is None
    assert beat(own, "new").status == 200
