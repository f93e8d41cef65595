"""Relays: tasks go on to a queue of another backend, or of another schedd, once
each and in the order of their lanes, whoever is away in between."""

import time

import pytest

from access import make_token
from backends import Pair
from server import SLOW, merged, wait_until
from test_stats import metrics

LOCAL = {'relay "r"': {"from": "in", "to": "phones", "batch": 50}}


def remote(target, **more):
    """The settings of a relay to another schedd."""
    return {'relay "r"': {"from": "in", "to": "out", "url": f"http://{target.addr}", **more}}


def drained(queue):
    """All that waits in a queue, in the order in which it is taken."""
    out = []

    def said(verb, body):
        got = queue.post(verb, {"worker": "w1", **body})
        return got.json if got.status == 200 else None

    while True:
        taken = wait_until(lambda: said("take", {"count": 1000}))["tasks"]
        ids = [t["id"] for t in taken]
        if not ids:
            return out
        out += ids
        wait_until(lambda done=ids: said("report", {"finished": done}))


def wait_through(source, finished):
    """Until so many tasks were handed on."""

    def through():
        counts = source.counts()
        live = sum(n for state, n in counts.items() if state not in ("finish", "dead"))
        return live == 0 and counts.get("finish", 0) == finished

    wait_until(through, 60, f"{finished} tasks to be handed on")


def push_lanes(queue, count, start=0):
    """So many tasks in each lane; their ids by lane, in order. A machine that is
    busy may refuse a push."""
    ids = {}
    for lane in ("high", "normal", "low"):
        ids[lane] = [f"{lane}{i:05}" for i in range(start, start + count)]
        tasks = [{"id": i, "payload": {"of": i}, "priority": lane} for i in ids[lane]]
        body = {"tasks": tasks}
        wait_until(lambda b=body: queue.post("tasks", b).status in (200, 201))
    return ids


def of_lane(ids, lane):
    """Those of a lane, in their order."""
    return [i for i in ids if i.startswith(lane)]


def test_to_another_backend(place):
    pair = Pair(place, LOCAL)
    with pair.client:
        source, target = pair.queue("in"), pair.queue("phones")
        target.patch(max_attempts=4)
        ids = push_lanes(source, 120)
        source.push({"id": "own", "payload": [1.0, 12345678901234567890], "max_attempts": 9})
        source.push({"id": "late", "payload": 1, "delay_s": 60})
        wait_until(lambda: target.counts() == {"todo": 361}, 30)
        assert target.task("own")["payload"] == [1.0, 12345678901234567890]
        assert target.task("own")["max_attempts"] == 9
        assert target.task("low00000")["max_attempts"] == 4
        assert target.task("low00000")["priority"] == "low"
        got = drained(target)
        for lane in ids:
            assert of_lane(got, lane) == ids[lane]
        wait_until(lambda: source.counts() == {"finish": 361, "delayed": 1})
        assert metrics(pair.client).value("schedd_relay_tasks_total", relay="r") == 361
        pair.schedd.move_clock(70)
        wait_until(lambda: target.state("late") == "todo", 20)


@pytest.fixture(name="two")
def _two(place):
    """A target with tokens, and a source that relays to it."""
    target = place.schedd()
    with target.client() as client:
        admin = make_token(client, "root", "admin")
        client.token = admin
        token = make_token(client, "relay", "producer")
    path = place.folder / "token"
    path.write_text(token + "\n")
    path.chmod(0o600)
    target.args = [f"--http.listen={target.addr}"]  # the same after a restart
    source = place.schedd(remote(target, token_file=path))
    with source.client() as one, target.client(token=admin) as other:
        yield source, target, one.queue("in"), other.queue("out")


def test_to_another_schedd(two):
    source, _, here, there = two
    ids = push_lanes(here, 700)
    wait_through(here, 2100)
    got = drained(there)
    for lane in ids:
        assert of_lane(got, lane) == ids[lane]
    assert len(got) == 2100
    with source.client() as client:
        assert metrics(client).value("schedd_relay_up", relay="r") == 1


def test_an_id_is_handed_on_once(two):
    _, _, here, there = two
    here.push("a")
    wait_through(here, 1)
    there.finish(*there.take_ids())
    assert here.push({"id": "a", "payload": 2, "replace": True})["queued"] == 1
    wait_until(lambda: here.counts() == {"finish": 1})
    assert there.counts() == {"finish": 1}


def test_the_target_is_away(two):
    source, target, here, there = two
    target.kill()
    ids = push_lanes(here, 300)
    source.wait_log("queue.relay_waits")
    target.start()
    wait_through(here, 900)
    there.client.close()
    got = drained(there)
    for lane in ids:
        assert of_lane(got, lane) == ids[lane]
    assert source.wait_log("queue.relay_goes_on")


def test_kills_of_both(two):
    """Whatever dies, each task arrives once, in its lane's order."""
    source, target, here, there = two
    all_ids = {"high": [], "normal": [], "low": []}
    for n in range(6):
        for lane, ids in push_lanes(here, 300, start=n * 300).items():
            all_ids[lane] += ids
        time.sleep(0.05 * n)  # when, not for what: any moment will do
        victim, client = (source, here.client) if n % 2 == 0 else (target, there.client)
        victim.kill()
        client.close()
        if victim is source:
            source.args = [a for a in source.args if not a.startswith("--http.listen=")]
            source.args.append(f"--http.listen={source.addr}")
        victim.start()
    wait_through(here, 5400)
    for lane, ids in all_ids.items():
        got = []
        after = None
        while True:
            page = there.page("todo", match=f"{lane}*", limit=1000, **({"after": after} if after else {}))
            got += [t["id"] for t in page["tasks"]]
            after = page.get("after")
            if not after:
                break
        assert got == ids
    assert there.info()["totals"]["pushed"] == 5400


def test_the_target_is_full(two):
    _, _, here, there = two
    there.patch(max_tasks=100)
    ids = push_lanes(here, 100)["normal"]
    wait_until(lambda: there.counts().get("todo") == 100)
    got = []
    wait_until(lambda: got.extend(drained(there)) or len(got) == 300, 60, "all to come")
    assert of_lane(got, "normal") == ids
    wait_through(here, 300)


def test_what_is_too_large_is_dead(two):
    source, _, here, there = two
    there.patch(max_payload=100)
    here.push({"id": "small", "payload": 1}, {"id": "big", "payload": "x" * 200})
    wait_until(lambda: here.counts() == {"finish": 1, "dead": 1})
    assert "larger" in here.task("big")["error"]
    assert there.ids("todo") == ["small"]
    assert source.wait_log("queue.relay_refused").values["id"] == "big"


def test_two_schedd_hand_on_once(place):
    pair = Pair(place, LOCAL)
    other = place.schedd(pair.settings)
    with pair.client, other.client() as client:
        push_lanes(pair.queue("in"), 100)
        wait_until(lambda: client.queue("phones").counts() == {"todo": 300}, 30)
        pair.schedd.kill()
        push_lanes(client.queue("in"), 100, start=100)
        wait_until(lambda: client.queue("phones").counts() == {"todo": 600}, 30)
        assert client.queue("phones").info()["totals"]["pushed"] == 600
        pair.schedd.start()


def test_the_source_queue_moves(place):
    pair = Pair(place, LOCAL)
    with pair.client:
        source = pair.queue("in")
        ids = push_lanes(source, 200)
        assert pair.client.post("/v1/queues/in/move", {"to": "group"}).status == 202
        wait_until(lambda: pair.client.get_json("/v1/queues/in/move")["over"], 30)
        wait_until(lambda: source.info()["backend"] == "group")
        source.push("last")
        wait_through(source, 601)
        got = drained(pair.queue("phones"))
        assert len(got) == 601 and of_lane(got, "normal") == ids["normal"]


@pytest.mark.parametrize(
    "relay, words",
    [
        ({"to": "b"}, "from: expected the name of a queue"),
        ({"from": "a"}, "to: expected another queue"),
        ({"from": "a", "url": "ftp:" + "//h"}, "url: expected http"),
        ({"from": "a", "url": "http:" + "//h:1/x"}, "url: expected http"),
        ({"from": "a", "url": "http:" + "//h:1", "token_file": "/t"}, "in the clear"),
    ],
)
def test_settings_that_are_refused(place, relay, words):
    schedd = place.schedd({'relay "r"': relay}, start=False)
    schedd.spawn()
    assert schedd.wait_end() == 78
    assert words in schedd.tail(), schedd.tail()
