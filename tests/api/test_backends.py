"""Several backends: each operation on each, and one that is away."""

import time

import pytest

from backends import Pair, keys, named
from ctl import run, url_of
from server import SLOW, merged, wait_until
from test_stats import metrics

BOTH = pytest.mark.parametrize("name, backend", [("mails", "main"), ("phones", "group")])


@pytest.fixture(name="pair")
def _pair(place):
    pair = Pair(place)
    with pair.client:
        yield pair


@BOTH
def test_a_life_on_each(pair, name, backend):
    queue = pair.queue(name)
    queue.push("a", "b", {"id": "c", "payload": 1, "priority": "high"})
    queue.push({"id": "later", "payload": 1, "delay_s": 60})
    assert queue.counts() == {"todo": 3, "delayed": 1}
    assert queue.info()["backend"] == backend
    assert queue.ids("todo") == ["c", "a", "b"]
    assert queue.take_ids(count=3, request_id="r1") == ["c", "a", "b"]
    assert queue.take_ids(count=3, request_id="r1") == ["c", "a", "b"]
    assert queue.extend("w1", ["a"], lease_s=60)["refused"] == []
    queue.finish("a")
    queue.fail("b", retry=False)
    assert queue.remove("c").status == 200
    assert queue.counts() == {"delayed": 1, "finish": 1, "dead": 1}
    assert queue.retry(state="dead", ids=["b"]) == 1 and queue.retry(state="delayed", match="*") == 1
    assert sorted(queue.take_ids(count=2)) == ["b", "later"]
    assert queue.purge(state="doing", match="*") == 2
    assert "task" in keys(pair.redis(backend), name)
    other = "main" if backend == "group" else "group"
    assert not keys(pair.redis(other), name)


@BOTH
def test_a_policy_on_each(pair, name, backend):
    queue = pair.queue(name)
    queue.patch(max_attempts=7, paused=True)
    queue.push("a")
    assert queue.take_all()["paused"] and queue.info()["policy"]["max_attempts"] == 7
    assert keys(pair.redis(backend), name) >= {"meta", "task"}
    got = pair.client.call("DELETE", queue.path + "?force=true")
    assert got.status == 200 and not keys(pair.redis(backend), name)


@BOTH
def test_a_take_waits_on_each(pair, name, backend):
    with pair.schedd.client() as waiting:
        waiting.send("POST", f"/v1/queues/{name}/take", {"worker": "w", "wait_s": 20})
        wait_until(lambda: pair.client.get_json("/v1/stats")["waiting_takes"] == 1)
        pair.queue(name).push("a")
        got = waiting.receive().json
    assert [t["id"] for t in got["tasks"]] == ["a"], backend


@BOTH
def test_the_janitor_is_on_each(pair, name, backend):
    queue = pair.queue(name)
    queue.patch(retry_base_s=5)
    queue.push("lease", "fails", {"id": "later", "payload": 1, "delay_s": 30})
    queue.take(count=2, lease_s=20)
    queue.fail("fails")
    pair.schedd.move_clock(40)
    wait_until(lambda: queue.counts() == {"todo": 3}, what="all to be due")
    line = pair.schedd.wait_log("janitor.duty")
    assert line.values["backend"] == backend
    label = "doing" if backend == "main" else "group:doing"
    page = metrics(pair.client)
    assert page.value("schedd_janitor_items_total", duty=label) == 1
    assert pair.client.get_json("/v1/stats")["janitor"][label]["items"] == 1


def test_lists_have_the_queues_of_all(pair):
    pair.queue("a").push("1")
    pair.queue("z").push("1")
    pair.queue("phones").push("1")
    got = pair.client.get_json("/v1/queues")["queues"]
    assert [(q["name"], q["backend"]) for q in got] == [
        ("a", "main"),
        ("phones", "group"),
        ("z", "main"),
    ]
    stats = pair.client.get_json("/v1/stats")
    assert {b["name"]: b["queues"] for b in stats["backends"]} == {"main": 2, "group": 1}
    assert stats["sums"]["queues"] == 3
    page = metrics(pair.client)
    assert page.value("schedd_store_up", backend="group") == 1
    assert page.value("schedd_queue_pushed_total", queue="phones") == 1


def test_a_worker_is_one_on_all(pair):
    for name in ("mails", "phones"):
        pair.queue(name).push("a", "b")
        pair.queue(name).take("w1", count=2)
    got = pair.client.post("/v1/workers/w1/heartbeat", {"load": 1.5})
    assert got.status == 200
    wait_until(lambda: pair.client.get("/v1/workers/w1").status == 200)
    one = pair.client.get_json("/v1/workers/w1")
    assert one["held"] == 4 and one["details"] == {"load": 1.5}
    assert {h["queue"]: h["count"] for h in one["holds"]} == {"mails": 2, "phones": 2}
    listed = pair.client.get_json("/v1/workers")["workers"]
    assert [(w["name"], w["held"]) for w in listed] == [("w1", 4)]
    got = pair.client.call("DELETE", "/v1/workers/w1").json
    assert got["reclaimed"] == 4
    pair.client.call("DELETE", "/v1/workers/w1").refused(404, "WORKER_UNKNOWN")
    assert pair.queue("phones").counts() == {"todo": 2}


def test_a_silent_worker_loses_its_leases_on_all(place):
    pair = Pair(place, {"worker": {"timeout": "1s"}})
    with pair.client:
        for name in ("mails", "phones"):
            pair.queue(name).push("a")
            pair.queue(name).take("w1")
        assert pair.client.post("/v1/workers/w1/heartbeat", {}).status == 200
        for name in ("mails", "phones"):
            wait_until(lambda n=name: pair.queue(n).counts() == {"todo": 1})


# -- one that is away ------------------------------------------------------


def timed(call):
    """What it gives, and how long that took."""
    began = time.monotonic()
    return call(), time.monotonic() - began


def push_to(pair, name):
    """A push, whatever becomes of it."""
    return pair.queue(name).post("tasks", {"payload": 1})


def away(pair, backend):
    """Until that backend is known to be away."""
    wait_until(lambda: not pair.ready()[backend], what=f"{backend} to be away")


def test_one_away_stops_only_its_queues(pair):
    pair.queue("phones").push("a")
    pair.group.kill()
    away(pair, "group")
    assert push_to(pair, "mails").status == 201
    got, took = timed(lambda: push_to(pair, "phones"))
    got.refused(503, "REDIS_DOWN")
    assert took < 1 * SLOW
    ready = pair.client.get("/readyz")
    assert ready.status == 200
    down = [b for b in ready.json["backends"] if not b["ready"]]
    assert [b["name"] for b in down] == ["group"] and down[0]["reason"]
    queues = {q["name"]: q for q in pair.client.get_json("/v1/queues")["queues"]}
    assert [h["reason"] for h in queues["phones"]["held_up"]][:1] == ["store"]
    assert "store" not in [h["reason"] for h in queues["mails"]["held_up"]]
    got, took = timed(lambda: pair.client.post("/v1/workers/w/heartbeat", {}))
    assert got.status == 200 and took < 1 * SLOW
    assert metrics(pair.client).value("schedd_store_up", backend="group") == 0
    pair.group.start()
    wait_until(lambda: pair.ready()["group"])
    assert pair.queue("phones").take_ids() == ["a"]


def test_main_away_stops_only_its_queues(pair):
    pair.queue("mails").push("a")
    pair.main.kill()
    away(pair, "main")
    push_to(pair, "mails").refused(503, "REDIS_DOWN")
    pair.client.get("/readyz").refused(503, "NOT_READY", "main")
    phones = pair.queue("phones")
    phones.push("p")
    assert phones.take_ids(lease_s=5) == ["p"]
    assert pair.client.post("/v1/workers/w/heartbeat", {}).status == 200
    pair.schedd.move_clock(10)
    wait_until(lambda: phones.counts() == {"todo": 1}, what="the janitor of group")
    pair.main.start()
    wait_until(lambda: pair.client.get("/readyz").status == 200)
    assert pair.queue("mails").take_ids() == ["a"]


def test_one_that_hangs_holds_up_no_other(pair):
    for name in ("mails", "phones"):
        pair.queue(name).make()
    pair.group.pause()
    try:
        with pair.schedd.client() as other:
            other.send("POST", "/v1/queues/phones/tasks", {"payload": 1})
            longest = 0
            for _ in range(50):
                got, took = timed(lambda: push_to(pair, "mails"))
                assert got.status == 201
                longest = max(longest, took)
            got, took = timed(lambda: pair.queue("mails").take(count=50))
            assert len(got) == 50
            assert max(longest, took) < 0.5 * SLOW
            assert other.receive().status in (503, 504)
    finally:
        pair.group.resume()


def test_a_take_waits_through_the_outage_of_another(pair):
    with pair.schedd.client() as waiting:
        waiting.send("POST", "/v1/queues/mails/take", {"worker": "w", "wait_s": 30})
        wait_until(lambda: pair.client.get_json("/v1/stats")["waiting_takes"] == 1)
        pair.group.kill()
        away(pair, "group")
        pair.queue("mails").push("a")
        assert [t["id"] for t in waiting.receive().json["tasks"]] == ["a"]


def test_it_starts_without_one(place):
    pair = Pair(place, start=False)
    pair.group.kill()
    pair.schedd.start()
    pair.client = pair.schedd.client()
    with pair.client:
        pair.queue("mails").push("a")
        push_to(pair, "phones").refused(503, "REDIS_DOWN")
        pair.group.start()
        wait_until(lambda: pair.ready()["group"])
        pair.queue("phones").push("a")


# -- settings --------------------------------------------------------------


def test_all_queues_on_another(place):
    pair = Pair(place, {"queue": {"backend": "group"}, 'queue "mails"': {"backend": "main"}})
    with pair.client:
        for name, backend in (("any", "group"), ("mails", "main"), ("phones", "group")):
            pair.queue(name).push("a")
            assert pair.queue(name).info()["backend"] == backend
            assert "task" in keys(pair.redis(backend), name)


def test_a_private_one_besides(place):
    settings = {'redis "own"': {"url": ""}, 'queue "phones"': {"backend": "own"}}
    schedd = place.schedd(settings)
    with schedd.client() as client:
        wait_until(lambda: client.queue("phones").post("tasks", {"id": "a", "payload": 1}).status == 201)
        client.queue("mails").push("a")
    schedd.kill()
    schedd.start()
    with schedd.client() as client:
        wait_until(lambda: client.queue("phones").try_task("a").status == 200)
        assert client.queue("phones").take_ids() == ["a"]
        assert client.queue("mails").take_ids() == ["a"]


def test_two_with_their_own_level_of_confirmation(place):
    main, group = place.redis(), place.redis(appendonly="no")
    settings = merged(
        main.settings(), named(group, "group"), {'redis "group"': {"confirm": "memory"}}
    )
    schedd = place.schedd(settings)
    with schedd.client() as client:
        wait_until(lambda: all(b["ready"] for b in client.get_json("/v1/stats")["backends"]))
        got = client.get_json("/readyz")["backends"]
    assert {b["name"]: b["durability"] for b in got} == {"main": "disk", "group": "memory"}


def test_a_queue_stays_where_its_tasks_are(place):
    """The settings give it another backend than it was made on."""
    pair = Pair(place, {'queue "phones"': {"backend": "main"}})
    with pair.client:
        pair.queue("phones").push("a", "b")
    pair.schedd.stop()
    pair.schedd.settings['queue "phones"']["backend"] = "group"
    pair.schedd.start()
    line = pair.schedd.wait_log("queue.misplaced")
    assert line.values == {"queue": "phones", "backend": "main", "settings": "group"}
    with pair.schedd.client() as client:
        wait_until(lambda: client.queue("phones").info()["backend"] == "main")
        assert client.queue("phones").take_ids(count=2) == ["a", "b"]


@pytest.mark.log_errors("conf.refused")
def test_another_backend_needs_a_restart(pair):
    pair.schedd.settings['queue "mails"'] = {"backend": "group"}
    line = pair.schedd.reload("conf.refused")
    assert "E813" in line.text and "backend" in line.text
    pair.schedd.settings['queue "mails"'] = {"max_attempts": 4}
    pair.schedd.reload()
    assert pair.queue("mails").info()["policy"]["max_attempts"] == 4


def test_rows_come_with_queues_of_main(place):
    channel = {'channel "c"': {"table": "t", "columns": "a:text"}}
    pair = Pair(place, channel)
    with pair.client:
        body = {"worker": "w1", "finished": ["a"], "rows": {"c": [{"a": "x"}]}}
        for name in ("mails", "phones"):
            pair.queue(name).push("a")
            pair.queue(name).take()
        assert pair.queue("mails").post("report", body).status == 200
        pair.queue("phones").post("report", body).refused(409, "ROWS_ELSEWHERE")
        assert pair.queue("phones").state("a") == "doing"


def test_the_history_is_of_queues_of_main(place):
    """One that was made elsewhere before is named."""
    pair = Pair(place)
    with pair.client:
        pair.queue("phones").push("a")
    pair.schedd.stop()
    pair.schedd.settings['queue "phones"']["backend"] = "main"
    pair.schedd.settings['channel "h"'] = {"kind": "history"}
    pair.schedd.start()
    line = pair.schedd.wait_log("channel.partial")
    assert line.values == {"queue": "phones", "backend": "group"}
    with pair.schedd.client() as client:
        assert client.queue("phones").take_ids() == ["a"]


def test_queues_are_known_without_one(place):
    pair = Pair(place, {'queue "phones"': {"max_attempts": 4}})
    with pair.client:
        pair.queue("mails").push("a")
    pair.schedd.stop()
    pair.group.kill()
    pair.schedd.start()
    with pair.schedd.client() as client:
        wait_until(lambda: client.get("/v1/queues").status == 200)
        got = client.get_json("/v1/queues")["queues"]
        assert [(q["name"], q["backend"]) for q in got] == [("mails", "main"), ("phones", "group")]
        pair.group.start()
        wait_until(lambda: all(b["ready"] for b in client.get_json("/v1/stats")["backends"]))


@pytest.mark.log_errors("redis.degraded", "redis.weak")
def test_an_answer_says_what_its_backend_does(place):
    """group goes on without the replicas that it should have."""
    level = {"confirm": "replicated", "degrade": "disk", "degrade_after": "1s"}
    pair = Pair(place, {'redis "group"': level})
    with pair.client:
        wait_until(lambda: push_to(pair, "phones").status == 201)
        assert push_to(pair, "phones").headers["X-Durability"] == "disk"
        assert "X-Durability" not in push_to(pair, "mails").headers


# -- what operators see ----------------------------------------------------


def test_schedctl_names_the_backend(pair):
    server = ("--server", url_of(pair.schedd))
    pair.queue("mails").push("a")
    assert "BACKEND" not in run(*server, "queue", "ls", "mails").out
    pair.queue("phones").push("a")
    out = run(*server, "queue", "ls").out
    assert "BACKEND" in out.splitlines()[0], out
    rows = {line.split()[0]: line.split() for line in out.splitlines()}
    assert "group" in rows["phones"] and "main" in rows["mails"]
    assert "group" in run(*server, "queue", "show", "phones").out
    pair.group.kill()
    away(pair, "group")
    lines = run(*server, "stats").out.splitlines()
    (line,) = [x for x in lines if x.startswith("group ")]
    assert "away" in line, lines
