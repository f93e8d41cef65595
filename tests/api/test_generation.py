"""A Redis that came back empty, older, or as another one is noticed: nothing
is acknowledged on it until a person has put it right."""

import shutil

import pytest

from server import wait_until

SETTINGS = {"log": {"access": "no"}}
pytestmark = pytest.mark.log_errors("redis.hopeless")


@pytest.fixture(name="pair")
def _pair(place):
    """A Redis and a schedd with tasks that were acknowledged."""
    redis = place.redis()
    schedd = place.schedd({**SETTINGS, **redis.settings()})
    push(schedd, "first")
    wait_until(lambda: sequence(redis) >= 2, what="two signs of life")
    return redis, schedd


def push(schedd, name):
    """A push of one task that must be acknowledged."""
    with schedd.client() as client:
        assert client.queue("q").push(name)["queued"] == 1


def sequence(redis):
    """The store's sequence."""
    return int(redis.do("HGET", "sched:store", "sequence") or 0)


def data(redis):
    """Where its append-only file is."""
    return redis.folder / "appendonlydir"


def wait_refused(schedd, words, limit=5):
    """Until schedd acknowledges nothing, and says why wherever one looks."""

    def refused():
        with schedd.client() as client:
            return words in client.get("/readyz").body.decode()

    wait_until(refused, limit, f"{words!r} in /readyz")
    with schedd.client() as client:
        got = client.queue("q").post("tasks", {"id": "late", "payload": 1})
        got.refused(503, "REDIS_DOWN")
        page = client.get("/metrics").body.decode()
    assert 'schedd_store_strange{backend="main"} 1\n' in page
    assert 'schedd_store_up{backend="main"} 0\n' in page
    line = schedd.find_log("redis.hopeless")
    assert line.values["error"] == "REDIS_OLDER" and words in line.text


def check_accepts(schedd, redis):
    """It is itself again."""
    schedd.wait_ready()
    push(schedd, "after")
    with schedd.client() as client:
        assert 'schedd_store_strange{backend="main"} 0\n' in client.get("/metrics").body.decode()
    assert redis.do("HEXISTS", "sched:{q}:task", "late") == 0


def test_wiped(pair):
    """FLUSHALL under a running schedd; a restart accepts what is there."""
    redis, schedd = pair
    redis.do("FLUSHALL")
    wait_refused(schedd, "came back empty", limit=2)
    assert redis.do("DBSIZE") == 0, "the empty Redis was written to"
    schedd.stop()
    schedd.start()
    check_accepts(schedd, redis)


def test_empty(pair):
    """Redis is started without its data, and then with them again."""
    redis, schedd = pair
    redis.kill()
    data(redis).rename(redis.folder / "kept")
    redis.start()
    wait_refused(schedd, "came back empty")
    redis.kill()
    shutil.rmtree(data(redis))
    (redis.folder / "kept").rename(data(redis))
    redis.start()
    check_accepts(schedd, redis)
    assert redis.do("HEXISTS", "sched:{q}:task", "first") == 1


def test_older(pair):
    """Redis is started from a copy of some seconds ago, and then from what
    it had."""
    redis, schedd = pair
    redis.pause()
    shutil.copytree(data(redis), redis.folder / "older")
    redis.resume()
    before = sequence(redis)
    push(schedd, "second")
    wait_until(lambda: sequence(redis) >= before + 2, what="signs of life")
    redis.kill()
    data(redis).rename(redis.folder / "newer")
    (redis.folder / "older").rename(data(redis))
    redis.start()
    wait_refused(schedd, "came back older")
    assert redis.do("HEXISTS", "sched:{q}:task", "second") == 0
    redis.kill()
    shutil.rmtree(data(redis))
    (redis.folder / "newer").rename(data(redis))
    redis.start()
    check_accepts(schedd, redis)
    assert redis.do("HEXISTS", "sched:{q}:task", "second") == 1


def test_another(pair):
    """A Redis of another schedd, with a higher sequence."""
    redis, schedd = pair
    redis.do("HSET", "sched:store", "generation", "other", "sequence", 10**9)
    wait_refused(schedd, "another Redis", limit=2)
