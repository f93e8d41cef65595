"""A Redis where schedd is the user of etc/redis-acl.conf: all of the API works,
and nothing else is allowed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from access import make_tokens
from redisproc import AclRedis, RedisError

# What together uses every script and command; the files start their schedd
# on such a Redis where UNDER_ACL says so.
PART = (
    "life", "push", "take", "report", "queues", "admin", "tokens", "audit",
    "repair", "workers", "generation", "longpoll", "request_ids", "queue_remove",
)  # fmt: skip

FORBIDDEN = [
    "FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "RANDOMKEY", "DBSIZE",
    "CONFIG SET appendonly no", "CONFIG REWRITE", "CONFIG RESETSTAT",
    "REPLICAOF NO ONE", "FAILOVER", "MODULE LIST", "MODULE LOAD /x.so",
    "DEBUG SLEEP 0", "SAVE", "BGSAVE", "BGREWRITEAOF", "SHUTDOWN NOSAVE",
    "SCRIPT FLUSH", "SCRIPT KILL", "SCRIPT EXISTS x", "FUNCTION LIST",
    "ACL LIST", "ACL SETUSER x on", "ACL WHOAMI", "CLIENT LIST",
    "CLIENT KILL TYPE normal", "CLIENT PAUSE 1", "MONITOR", "PSYNC ? -1",
    "MIGRATE h 1 k 0 1", "RESTORE sched:x 0 x", "DUMP sched:queues",
    "RENAME sched:queues sched:x", "COPY sched:queues sched:x", "SWAPDB 0 1",
    "SET sched:x 1", "GET sched:x", "EXPIRE sched:queues 1", "UNLINK other:x",
    "SORT sched:queues", "OBJECT FREQ sched:queues", "MEMORY USAGE sched:queues",
    "SLOWLOG GET", "LATENCY DOCTOR", "CLUSTER INFO", "PSUBSCRIBE *",
    "EVAL return(redis.call('KEYS','*')) 0",
    "EVAL return(redis.call('HGETALL','other:x')) 0",
    "HGET other:tokens a", "HSET schedx a 1", "DEL users", "PUBLISH other x",
    "SUBSCRIBE __redis__:invalidate",
]  # fmt: skip


@pytest.fixture(name="redis")
def _redis(place):
    return place.redis(kind=AclRedis)


@pytest.mark.parametrize("command", FORBIDDEN)
def test_forbidden(redis_of_all, command):
    with pytest.raises(RedisError, match="NOPERM|not allowed|script can't"):
        redis_of_all.do_as_schedd(*command.split())


@pytest.fixture(scope="module", name="redis_of_all")
def _redis_of_all(_module_place):
    return _module_place.redis(kind=AclRedis)


def test_the_file_as_it_is_lets_nobody_in(place):
    """There is no password in it that could be forgotten there."""
    text = (Path(__file__).resolve().parents[2] / "etc/redis-acl.conf").read_text()
    done = subprocess.run(
        ["redis-server", "-"], input="port 0\n" + text, capture_output=True,
        text=True, check=False, timeout=20, cwd=place.folder,
    )  # fmt: skip
    assert done.returncode != 0 and "FATAL CONFIG" in done.stdout + done.stderr


def test_tokens_audit_and_workers(place, redis):
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        make_tokens(client)
        client.queue("q").patch(paused=True)
        assert len(client.get_json("/v1/audit")["entries"]) == 6
        assert client.call("DELETE", "/v1/tokens/viewer").status == 200
        assert client.post("/v1/workers/w/heartbeat", {"load": 1}).status == 200
        assert [w["name"] for w in client.get_json("/v1/workers")["workers"]] == ["w"]
        assert client.call("DELETE", "/v1/workers/w").status == 200
    schedd.stop()
    assert redis.do("HGET", "sched:tokens:used", "admin")
    assert not [line for line in schedd.lines if "NOPERM" in line.text]


def test_two_servers_know_of_each_other(place, redis):
    """By messages, which the user may send and hear."""
    one, two = place.schedd(redis.settings()), place.schedd(redis.settings())
    with one.client() as here, two.client() as there:
        here.queue("q").make()
        there.send("POST", "/v1/queues/q/take", {"worker": "w", "wait_s": 30})
        here.queue("q").push("a")
        assert [t["id"] for t in there.receive().json["tasks"]] == ["a"]


def test_the_suite_passes_under_it():
    folder = Path(__file__).parent
    files = [folder / f"test_{name}.py" for name in PART]
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files],
        env={**os.environ, "UNDER_ACL": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
