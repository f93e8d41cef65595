"""Sentinels that do not agree, and one that says what is known: Redis servers
with a Sentinel each, the fault proxy before one of them."""

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

# pylint: disable=wrong-import-position
from conftest import Place
from proxy import Proxy
from redisproc import Sentinel, free_port
from server import SLOW, wait_until


@pytest.fixture(name="place")
def _place():
    one = Place()
    yield one
    one.close()


def master(place):
    """A Redis with a Sentinel of its own."""
    redis = place.redis(port=free_port())
    sentinel = Sentinel(place.new_folder(), redis, quorum=1)
    place.redises.append(sentinel)
    return redis, sentinel.start()


def settings(*addresses):
    """For a schedd that asks the Sentinels there."""
    url = f"sentinel://{','.join(addresses)}/m"
    return {'redis "main"': {"url": url, "confirm": "disk"}}


def readies(schedd):
    """How often it had a connection."""
    return sum(line.event == "redis.ready" for line in schedd.lines)


def wait_again(schedd, action):
    """How long it has none after the action."""
    before, began = readies(schedd), time.monotonic()
    action()
    wait_until(lambda: readies(schedd) > before, what="a connection")
    return time.monotonic() - began


def test_news_of_the_master_we_have(place):
    """They change nothing; those of another make it ask."""
    redis, sentinel = master(place)
    proxy = Proxy("tcp:127.0.0.1:0", f"tcp:127.0.0.1:{sentinel.port}")
    try:
        schedd = place.schedd(settings(proxy.address.removeprefix("tcp:")))

        def say(port):
            text = f"m 127.0.0.1 1 127.0.0.1 {port}"
            proxy.do(
                r"say *3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n"
                rf"${len(text)}\r\n{text}\r\n"
            )

        before = readies(schedd)
        say(redis.port)
        schedd.wait_log("sentinel.switch")
        with schedd.client() as client:
            client.queue("q").push("a")
        assert schedd.find_log("redis.lost") is None and readies(schedd) == before
        wait_again(schedd, lambda: say(redis.port + 1))
    finally:
        proxy.stop()


def test_a_sentinel_that_names_an_old_master(place):
    """It is a warning, once; from then on the others are asked first."""
    old, cut_off = master(place)
    new, other = master(place)
    addresses = [f"127.0.0.1:{s.port}" for s in (cut_off, other)]
    schedd = place.schedd(settings(*addresses))
    first = new if b"schedd" in new.do("CLIENT", "LIST") else old
    with schedd.client() as client:
        client.queue("q").push("a")
        wait_until(lambda: first.do("EXISTS", "sched:store"), what="its mark")
        times = [
            wait_again(schedd, lambda: first.do("CLIENT", "KILL", "TYPE", "normal"))
            for _ in range(5)
        ]
        assert client.queue("q").state("a") == "todo"
    assert max(times) < 1 * SLOW, times
    warned = [line for line in schedd.lines if line.event == "redis.old_master"]
    assert len(warned) == 1 and warned[0].level == "warn", warned
    assert schedd.find_log("redis.hopeless") is None


def test_all_name_one_that_is_empty(place):
    """Then it is no old master, but a loss: a person is asked."""
    redis, sentinel = master(place)
    schedd = place.schedd(settings(f"127.0.0.1:{sentinel.port}"))
    schedd.allowed = {"redis.hopeless"}
    with schedd.client() as client:
        client.queue("q").push("a")
        wait_until(lambda: redis.do("EXISTS", "sched:store"), what="its mark")
        redis.do("FLUSHALL")
        schedd.wait_log("redis.hopeless")
        client.queue("q").post("tasks", {"payload": 1}).refused(503, "REDIS_DOWN")
