"""Queues: list, show, policy by file and by PATCH, across restarts."""

import pytest

from server import wait_until

DEFAULTS = {
    "max_tasks": 500_000,
    "max_payload": 65_536,
    "max_attempts": 3,
    "lease_s": 86_400,
    "retry_base_s": 10,
    "retry_max_s": 3600,
    "finish_keep": 100_000,
    "finish_age_s": 7 * 86_400,
    "dead_keep": 0,
    "dead_age_s": 0,
}

ZERO = {"todo": 0, "delayed": 0, "doing": 0, "failed": 0, "finish": 0, "dead": 0}


def test_unknown(queue):
    queue.client.get(queue.path).refused(404, "QUEUE_UNKNOWN")
    got = queue.client.get(f"{queue.path}/tasks")
    got.refused(404, "QUEUE_UNKNOWN")
    for verb in ("retry", "purge"):
        body = {"state": "dead", "match": "*"}
        queue.post(verb, body).refused(404, "QUEUE_UNKNOWN")
    queue.try_task("a").refused(404, "QUEUE_UNKNOWN")
    queue.remove("a").refused(404, "QUEUE_UNKNOWN")


def test_what_a_queue_has(queue):
    queue.push("a")
    info = queue.info()
    assert info["name"] == queue.name and info["backend"] == "main"
    assert info["paused"] is False
    assert info["counts"] == {**ZERO, "todo": 1}
    assert info["lanes"] == {"high": 0, "normal": 1, "low": 0}
    assert info["policy"] == DEFAULTS and info["overridden"] == []
    assert set(info["rates"]) == {"pushed", "taken", "finished", "failed"}
    assert 0 <= info["oldest_todo_s"] < 60
    assert info["waiting_takes"] == 0
    assert info["totals"]["pushed"] == 1


def test_oldest_todo(schedd, queue):
    queue.make()
    assert queue.info()["oldest_todo_s"] == 0
    queue.push("a")
    schedd.move_clock(100)
    queue.push({"id": "b", "payload": 1, "priority": "high"})
    assert 99 <= queue.info()["oldest_todo_s"] < 160
    assert queue.take_ids() == ["b", "a"]
    assert queue.info()["oldest_todo_s"] == 0


def test_totals(queue):
    queue.push("a", "b", "c", "d")
    queue.push("a")
    queue.take()
    queue.finish("a", "b")
    queue.fail("c")
    queue.fail("d", retry=False)
    queue.report("w2", finished=["b"])
    queue.retry(state="dead", match="*")
    totals = queue.info()["totals"]
    assert totals == {
        "pushed": 4,
        "taken": 4,
        "finished": 2,
        "failed": 2,
        "dead": 1,
        "lease_lost": 1,
        "reclaimed": 0,
        "retried": 1,
        "trimmed": 0,
    }


def test_list(client):
    for name in ("list-b", "list-a", "list-A", "list-c.d:e@f_g-h"):
        client.queue(name).push("x")

    def listed():
        queues = client.get_json("/v1/queues")["queues"]
        names = [q["name"] for q in queues]
        assert names == sorted(names)
        mine = {q["name"]: q for q in queues if q["name"].startswith("list-")}
        done = len(mine) == 4 and all(q["counts"]["todo"] for q in mine.values())
        return mine if done else None

    mine = wait_until(listed, what="the list")
    info = client.queue("list-a").info()
    for name in ("rates_5m", "rates_15m", "policy_from"):  # of a single one only
        del info[name]
    assert mine["list-a"] == {**info, **_vague(mine["list-a"])}


def _vague(queue):
    """What may differ between two moments."""
    return {k: queue[k] for k in ("oldest_todo_s", "rates")}


def test_patch(queue):
    wanted = {
        "max_tasks": 10,
        "max_payload": 100,
        "max_attempts": 5,
        "lease_s": 60,
        "retry_base_s": 0.5,
        "retry_max_s": 90.25,
        "finish_keep": 7,
        "finish_age_s": 3600,
        "dead_keep": 9,
        "dead_age_s": 86400,
    }
    got = queue.patch(**wanted)
    assert got["policy"] == wanted
    assert sorted(got["overridden"]) == sorted(wanted)
    assert queue.info()["policy"] == wanted


def test_patch_makes_the_queue(queue):
    got = queue.patch(max_attempts=9)
    assert got["counts"] == ZERO and got["policy"]["max_attempts"] == 9
    assert queue.info()["overridden"] == ["max_attempts"]


def test_null_resets(queue):
    queue.patch(max_attempts=9, lease_s=10)
    got = queue.patch(max_attempts=None)
    assert got["policy"] == {**DEFAULTS, "lease_s": 10}
    assert got["overridden"] == ["lease_s"]
    got = queue.patch(lease_s=None, dead_keep=5)
    assert got["policy"] == {**DEFAULTS, "dead_keep": 5}


def test_patch_leaves_the_rest(queue):
    queue.patch(max_attempts=9, paused=True)
    got = queue.patch(lease_s=10)
    assert got["paused"] is True and got["policy"]["max_attempts"] == 9
    assert queue.patch(paused=False)["policy"]["lease_s"] == 10


@pytest.mark.parametrize(
    "field, value, name",
    [
        ("max_tasks", 0, "FIELD_RANGE"),
        ("max_tasks", -1, "FIELD_RANGE"),
        ("max_tasks", 1.5, "FIELD_RANGE"),
        ("max_tasks", "10", "FIELD_TYPE"),
        ("max_attempts", 0, "FIELD_RANGE"),
        ("max_attempts", 1e99, "FIELD_RANGE"),
        ("lease_s", 0, "FIELD_RANGE"),
        ("lease_s", 1e12, "FIELD_RANGE"),
        ("paused", 1, "FIELD_TYPE"),
        ("paused", None, "FIELD_TYPE"),
        ("colour", "red", "FIELD_UNKNOWN"),
    ],
)
def test_bad_patches_change_nothing(queue, field, value, name):
    queue.patch(max_attempts=4)
    before = queue.info()
    got = queue.client.call("PATCH", queue.path, {"dead_keep": 3, field: value})
    got.refused(400, name, field)
    assert queue.info()["policy"] == before["policy"]


def test_empty_patch(queue):
    got = queue.client.call("PATCH", queue.path, {})
    got.refused(400, "FIELD_MISSING")


def test_policy_by_file(place):
    schedd = place.schedd(
        {
            "queue": {"max_attempts": 7, "lease": "2h"},
            'queue "mail"': {"max_attempts": 2, "max_payload": "1KiB"},
        }
    )
    with schedd.client() as client:
        mail, other = client.queue("mail"), client.queue("other")
        policy = mail.info()["policy"]
        assert policy == {
            **DEFAULTS,
            "max_attempts": 2,
            "lease_s": 7200,
            "max_payload": 1024,
        }
        assert mail.info()["overridden"] == []
        other.push("a")
        policy = other.info()["policy"]
        assert policy == {**DEFAULTS, "max_attempts": 7, "lease_s": 7200}
        mail.push("a")
        mail.take()
        mail.post("tasks", {"payload": "x" * 2000}).refused(413, "PAYLOAD_TOO_LARGE")
        assert mail.report(failed=["a"])["dead"] == 0
        listed = client.get_json("/v1/queues")["queues"]
        assert [q["name"] for q in listed] == ["mail", "other"]


def test_patch_wins_over_the_file_and_null_gives_it_back(place):
    schedd = place.schedd({'queue "mail"': {"max_attempts": 2}})
    with schedd.client() as client:
        mail = client.queue("mail")
        mail.patch(max_attempts=8)
        schedd.settings['queue "mail"'] = {"max_attempts": 4}
        schedd.reload()
        assert mail.info()["policy"]["max_attempts"] == 8
        assert mail.patch(max_attempts=None)["policy"]["max_attempts"] == 4


def test_policy_survives_a_restart(place):
    schedd = place.schedd()
    with schedd.client() as client:
        queue = client.queue("kept")
        queue.patch(max_attempts=8, retry_base_s=0.25, paused=True)
        client.queue("empty").make()
        queue.push("a")
        before = queue.info()
    schedd.stop()
    schedd.start()
    with schedd.client() as client:
        queue = client.queue("kept")
        after = queue.info()
        same = ("policy", "overridden", "paused", "counts", "totals", "lanes")
        assert {k: after[k] for k in same} == {k: before[k] for k in same}
        assert queue.take_all() == {"tasks": [], "paused": True}
        names = [q["name"] for q in client.get_json("/v1/queues")["queues"]]
        assert names == ["empty", "kept"]


def test_max_queues(place):
    schedd = place.schedd({"limits": {"max_queues": 3}})
    with schedd.client() as client:
        for i in range(3):
            client.queue(f"q{i}").push("a")
        got = client.queue("q3").post("tasks", {"payload": 1})
        got.refused(429, "TOO_MANY_QUEUES")
        assert int(got.headers["Retry-After"]) >= 1
        got = client.call("PATCH", "/v1/queues/q4", {"paused": True})
        got.refused(429, "TOO_MANY_QUEUES")
        assert client.queue("q2").push("b")["queued"] == 1
        names = [q["name"] for q in client.get_json("/v1/queues")["queues"]]
        assert names == ["q0", "q1", "q2"]


def test_asking_uses_no_queue_up(place):
    """Made-up names in takes, reports and reads leave room for real ones."""
    schedd = place.schedd({"limits": {"max_queues": 3}})
    with schedd.client() as client:
        for i in range(20):
            made_up = client.queue(f"made-up-{i}")
            made_up.post("take", {"worker": "w"})
            made_up.post("report", {"worker": "w", "finished": ["a"]})
            made_up.post("extend", {"worker": "w", "ids": ["a"]})
            client.get(made_up.path).refused(404, "QUEUE_UNKNOWN")
        assert client.queue("real").push("a")["queued"] == 1


def test_many_queues(client):
    """Each keeps its own tasks."""
    names = [f"many-{i:03}" for i in range(300)]
    for name in names:
        client.queue(name).push(name)
    for name in names[::37]:
        assert client.queue(name).ids("todo") == [name]

    def all_listed():
        queues = client.get_json("/v1/queues")["queues"]
        got = {q["name"]: q["counts"]["todo"] for q in queues}
        return all(got.get(name) == 1 for name in names)

    wait_until(all_listed, 20, "300 queues in the list")
