"""schedd behind Sentinel: where the master is, who may ask, and what the set
must look like. What happens when the master changes is in test_failover."""

import secrets

import pytest

from redisset import start_set
from server import wait_until

EX_NOPERM, EX_CONFIG = 77, 78


@pytest.fixture(name="servers", scope="module")
def _servers(_module_place):
    """For tests that leave it as it was."""
    return start_set(_module_place)


def test_it_finds_the_master(place, servers):
    schedd = place.schedd(servers.settings())
    with schedd.client() as client:
        assert client.get_json("/readyz")["durability"] == "replicated"
        client.queue("q").push("a")
    assert [r.do("HLEN", "sched:{q}:task") for r in servers.redises].count(1) >= 2


def test_sentinels_that_are_gone(place):
    """One that answers is enough to start; none is needed to go on."""
    servers = start_set(place, count=2)
    first, second, third = servers.sentinels
    first.stop()
    second.stop()
    schedd = place.schedd(servers.settings())
    third.stop()
    with schedd.client() as client:
        client.queue("q").push("a")
        servers.redises[0].do("CLIENT", "KILL", "TYPE", "normal")
        why = lambda: client.get("/readyz").json.get("error", {}).get("detail", "")
        wait_until(lambda: "no sentinel knows" in why(), what="the reason")
        first.start()
        schedd.wait_ready()
        client.queue("q").push("b")


def test_passwords_of_both(place):
    servers = start_set(
        place,
        count=2,
        password=secrets.token_hex(16),
        sentinel_password=secrets.token_hex(16),
    )
    schedd = place.schedd(servers.settings())
    with schedd.client() as client:
        client.queue("q").push("a")
    text = "\n".join(x.text for x in schedd.lines)
    assert servers.redises[0].password not in text
    assert servers.sentinels[0].password not in text
    settings = servers.settings()
    del settings['redis "main"']["sentinel_password_file"]
    refused = place.schedd(settings, start=False).spawn()
    assert refused.wait_end() == EX_NOPERM, refused.tail()
    assert "NOAUTH" in refused.tail()
    refused.allowed = {"redis.hopeless"}
    refused.take_faults()


def test_an_unknown_name(place, servers):
    settings = servers.settings()
    values = settings['redis "main"']
    values["url"] = values["url"].replace("/m", "/other")
    schedd = place.schedd(settings, ready=False)
    with schedd.client() as client:
        wait_until(
            lambda: "no such master" in client.get("/readyz").error["detail"],
            what="the reason",
        )


def test_unequal_priorities(place, servers):
    """The start is refused; one that runs refuses changes."""
    schedd = place.schedd(servers.settings())
    servers.redises[2].do("CONFIG", "SET", "replica-priority", "50")
    line = schedd.wait_log("redis.weak", limit=30)
    assert "replica-priority" in line.values["reason"]
    with schedd.client() as client:
        client.get("/readyz").refused(503, "NOT_READY", "replica-priority")
        client.queue("q").post("tasks", {"payload": 1}).refused(503, "STORE_WEAK")
    refused = place.schedd(servers.settings(), start=False).spawn()
    assert refused.wait_end() == EX_CONFIG, refused.tail()
    refused.allowed = {"redis.hopeless"}
    refused.take_faults()
    every = place.schedd(servers.settings(confirm_replicas=2))
    with every.client() as client:
        client.queue("q").push("a")
    servers.redises[2].do("CONFIG", "SET", "replica-priority", "100")
