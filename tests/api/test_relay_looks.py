"""GET /v1/relays: where tasks go, how many wait and went, and what keeps a relay
from going on; who may see it."""

import time

import pytest

from access import make_token
from backends import Pair
from server import merged, wait_until

HERE = {'relay "r"': {"from": "in", "to": "phones", "batch": 50}}
NUMBERS = ("waiting_tasks", "tasks_total", "refused_total")


def relay_to(target):
    """The settings of a relay to another schedd."""
    return {'relay "r"': {"from": "in", "to": "out", "url": f"http://{target.addr}"}}


def look(client, name="r"):
    """The relay, as the list and its own answer have it."""
    (listed,) = [r for r in client.get_json("/v1/relays")["relays"] if r["name"] == name]
    own = client.get_json(f"/v1/relays/{name}")
    assert list(listed) == list(own)
    return own


def wait_look(client, **want):
    """Until the relay's members are those."""
    what = f"a relay that is {want}"
    wait_until(lambda: want.items() <= look(client).items(), 30, what)
    return look(client)


def push(queue, *ids, payload=1):
    """Tasks of these ids."""
    queue.push(*({"id": i, "payload": payload} for i in ids))


@pytest.fixture(name="pair")
def _pair(place):
    pair = Pair(place, HERE)
    with pair.client:
        yield pair


@pytest.fixture(name="target")
def _target(place):
    """Another schedd, which comes back under its address."""
    target = place.schedd()
    target.args = [f"--http.listen={target.addr}"]
    return target


@pytest.fixture(name="source")
def _source(place, target):
    """A schedd that relays to it."""
    return place.schedd(relay_to(target))


def test_to_a_backend(pair):
    got = wait_look(pair.client, state="running")
    assert (got["queue"], got["to"], got["url"], got["backend"]) == ("in", "phones", None, "group")
    assert [got[n] for n in NUMBERS] == [0, 0, 0] and got["batch"] == 50
    assert got["error"] is got["last_batch"] is None
    push(pair.queue("in"), *(f"t{n}" for n in range(120)))
    got = wait_look(pair.client, tasks_total=120, waiting_tasks=0)
    assert got["last_batch"] and got["owner"] and got["state"] == "running"


def test_its_queue_is_paused(pair):
    """Which holds the relay."""
    source = pair.queue("in")
    push(source, "first")
    wait_look(pair.client, tasks_total=1)
    source.patch(paused=True)
    push(source, "a", "b")
    got = wait_look(pair.client, state="paused", waiting_tasks=2)
    assert got["tasks_total"] == 1 and got["error"] is None
    wait_until(lambda: look(pair.client)["oldest_s"] > 0)
    source.patch(paused=False)
    wait_look(pair.client, state="running", tasks_total=3)


def test_the_other_side_is_away(source, target):
    with source.client() as client:
        assert wait_look(client, state="running")["url"] == f"http://{target.addr}"
        target.kill()
        push(client.queue("in"), "a", "b")
        got = wait_look(client, state="waiting", waiting_tasks=2)
        assert got["error"]["name"] == "RELAY_WAITS" and got["error"]["code"] == 614
        assert got["error"]["detail"] == got["last_error"]
        assert got["last_error"].startswith("push: ")
        assert got["last_error_at"]
        target.start()
        got = wait_look(client, state="running", tasks_total=2)
        assert got["error"] is None and got["last_error"].startswith("push: ")


def test_what_is_refused_is_counted(source, target):
    with source.client() as client, target.client() as other:
        other.queue("out").patch(max_payload=100)
        push(client.queue("in"), "big", payload="x" * 200)
        push(client.queue("in"), "small")
        got = wait_look(client, tasks_total=1, refused_total=1)
        assert got["state"] == "running" and got["error"] is None


def test_numbers_are_of_all_schedd(place, pair):
    """And outlive them."""
    push(pair.queue("in"), *(f"t{n}" for n in range(60)))
    first = wait_look(pair.client, tasks_total=60)
    other = place.schedd(pair.settings)
    with other.client() as client:
        got = wait_look(client, state="elsewhere", owner=first["owner"])
        assert got["tasks_total"] == 60 and got["last_batch"] == first["last_batch"]
        pair.schedd.kill()
        assert wait_look(client, state="running")["owner"] != first["owner"]
        push(client.queue("in"), "late")
        wait_look(client, tasks_total=61)


def test_who_sees_it(pair):
    tokens = {}
    tokens["admin"] = pair.client.token = make_token(pair.client, "root", "admin")
    for name, globs in (("both", ["in", "phones"]), ("half", ["in"]), ("none", ["mail-*"])):
        tokens[name] = make_token(pair.client, name, "viewer", queues=globs)
    for name, sees in (("admin", True), ("both", True), ("half", False), ("none", False)):
        with pair.schedd.client(token=tokens[name]) as client:
            assert len(client.get_json("/v1/relays")["relays"]) == sees, name
            if sees:
                assert client.get_json("/v1/relays/r")["name"] == "r"
            else:
                client.get("/v1/relays/r").refused(404, "RELAY_UNKNOWN")


def test_to_another_schedd_its_queue_alone_decides(source):
    with source.client() as client:
        client.token = make_token(client, "root", "admin")
        token = make_token(client, "v", "viewer", queues=["in"])
    with source.client(token=token) as client:
        assert client.get_json("/v1/relays/r")["to"] == "out"


def test_a_start_without_redis(place):
    """Is nothing to be told at first, as Redis may be starting too."""
    redis = place.redis()
    redis.kill()
    settings = merged(redis.settings(), {'relay "r"': {"from": "in", "to": "out"}})
    began = time.monotonic()
    schedd = place.schedd(settings, start=False).start(ready=False)
    with schedd.client() as client:
        got = look(client)
        assert got["state"] == "starting" and got["error"] is got["last_error"] is None
        got = wait_look(client, state="waiting")
        assert time.monotonic() - began > 5  # s: START_US
        assert got["last_error"].startswith("claim: ") and got["owner"] is None
        redis.start()
        assert wait_look(client, state="running")["owner"]


def test_there_are_none(client):
    assert client.get_json("/v1/relays") == {"relays": []}
