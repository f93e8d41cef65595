"""Looking at tasks, removing them, purge and retry."""

import pytest

from times import to_ms

STATES = ("todo", "delayed", "doing", "failed", "finish", "dead")


@pytest.fixture(name="full")
def _full(queue):
    """A queue with six tasks in each state, named state-n."""
    names = [f"{s}-{i}" for s in ("doing", "failed", "finish", "dead") for i in range(6)]
    queue.push_many(names)
    queue.take("holder")
    queue.report(
        "holder",
        finished=[n for n in names if n.startswith("finish")],
        failed=[
            {"id": n, "error": "e", "retry": n.startswith("failed")}
            for n in names
            if n.startswith(("failed", "dead"))
        ],
    )
    queue.push_many([f"todo-{i}" for i in range(6)])
    for i in range(6):
        queue.push({"id": f"delayed-{i}", "payload": 1, "delay_s": 1000 + i})
    assert queue.counts() == {s: 6 for s in STATES}
    return queue


# -- one task ---------------------------------------------------------------


def test_show(full, schedd):
    now = schedd.now_ms()
    keys = {"id", "state", "priority", "pushed_at", "due_at", "taken_at"}
    keys |= {"attempts", "max_attempts", "worker", "error", "result", "payload"}
    keys |= {"failed_at"}
    for state in STATES:
        task = full.task(f"{state}-0")
        assert set(task) == keys and task["state"] == state
        assert task["id"] == f"{state}-0" and task["priority"] == "normal"
        if state != "finish":
            assert abs(to_ms(task["pushed_at"]) - now) < 60_000
            assert task["payload"] is not None
        assert (task["due_at"] is None) == (state == "todo")
        assert (task["taken_at"] is None) == (state != "doing")
        assert (task["failed_at"] is None) == (state not in ("failed", "dead"))
        assert task["max_attempts"] == 3
    assert full.task("doing-0")["worker"] == "holder"
    assert full.task("doing-0")["attempts"] == 1
    assert full.task("todo-0")["attempts"] == 0
    assert full.task("failed-0")["attempts"] == 1
    assert full.task("failed-0")["error"] == "e"


def test_show_unknown(full):
    full.try_task("nix").refused(404, "TASK_UNKNOWN")


def test_remove_in_every_state(full):
    for state in STATES:
        got = full.remove(f"{state}-3")
        assert got.status == 200
        assert got.json == {"id": f"{state}-3", "state": state, "removed": True}
        assert full.state(f"{state}-3") == "gone"
        assert f"{state}-3" not in full.ids(state)
        full.remove(f"{state}-3").refused(404, "TASK_UNKNOWN")
    assert full.counts() == {s: 5 for s in STATES}
    assert full.push_many([f"{s}-3" for s in STATES])["queued"] == 6


@pytest.mark.parametrize("lane", ["high", "normal", "low"])
def test_remove_from_a_lane(queue, lane):
    for i in "abc":
        queue.push({"id": i, "payload": 1, "priority": lane})
    assert queue.remove("b").status == 200
    assert queue.take_ids() == ["a", "c"]


# -- pages ------------------------------------------------------------------


def test_list_each_state(full):
    for state in STATES:
        page = full.page(state)
        ids = [t["id"] for t in page["tasks"]]
        assert sorted(ids) == [f"{state}-{i}" for i in range(6)]
        assert {t["state"] for t in page["tasks"]} == {state}
        assert page["after"] is None and page["seen"] == 6
        assert all("payload" not in t and "result" not in t for t in page["tasks"])
        assert all(t["pushed_at"] is None for t in page["tasks"])
    assert full.ids("delayed") == [f"delayed-{i}" for i in range(6)]
    assert full.ids("todo") == [f"todo-{i}" for i in range(6)]


def test_list_is_of_todo_unless_said(full):
    got = full.client.get_json(f"{full.path}/tasks")
    assert [t["state"] for t in got["tasks"]] == ["todo"] * 6


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 6, 7])
def test_pages(full, limit):
    for state in STATES:
        seen, after, pages = [], None, 0
        while True:
            more = {"after": after} if after else {}
            page = full.page(state, limit=limit, **more)
            assert len(page["tasks"]) <= limit
            seen += [t["id"] for t in page["tasks"]]
            after = page["after"]
            pages += 1
            if not after:
                break
            assert pages < 20
        assert sorted(seen) == [f"{state}-{i}" for i in range(6)]


def test_pages_across_lanes(queue):
    for i in range(12):
        lane = ("low", "normal", "high")[i % 3]
        queue.push({"id": f"{lane}-{i:02}", "payload": 1, "priority": lane})
    order = queue.ids("todo")
    for limit in (1, 3, 5, 100):
        assert queue.ids("todo", limit=limit) == order
    assert queue.take_ids() == order


def test_pages_of_many(queue):
    ids = [f"t{i:05}" for i in range(5000)]
    for first in range(0, 5000, 1000):
        queue.push_many(ids[first : first + 1000])
    assert queue.ids("todo", limit=1000) == ids
    assert queue.ids("todo", limit=333) == ids
    assert queue.ids("todo", limit=1000, match="t*99") == ids[99::100]


def test_match(full):
    assert sorted(full.ids("todo", match="todo-[1-3]")) == [
        "todo-1",
        "todo-2",
        "todo-3",
    ]
    assert full.ids("dead", match="*-5") == ["dead-5"]
    assert full.ids("dead", match="dead-?") != []
    assert full.ids("finish", match="nothing*") == []


def test_bad_queries(full):
    get = full.client.get
    path = f"{full.path}/tasks"
    get(path, state="asleep").refused(400, "STATE_UNKNOWN", "state")
    get(path, state="gone").refused(400, "STATE_UNKNOWN", "state")
    for limit in ("0", "1001", "-1", "1.5", "x", ""):
        get(path, limit=limit).refused(400, "FIELD_RANGE", "limit")
    get(path, after="not-a-place").refused(400, "FIELD_RANGE", "after")
    get(path, match="").refused(400, "FIELD_RANGE", "match")
    get(path, match="x" * 256).refused(400, "FIELD_RANGE", "match")
    get(path, colour="red").refused(400, "QUERY_BAD", "colour")
    get(path + "?state=todo&state=dead").refused(400, "QUERY_BAD", "state")
    get(path + "?state=%zz").refused(400, "QUERY_BAD")
    get("/healthz?x=1").refused(400, "QUERY_BAD", "x")


# -- purge ------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_purge(full, state):
    body = {"state": state, "match": f"{state}-[012]"}
    assert full.purge(**body, dry_run=True) == 3
    assert full.counts() == {s: 6 for s in STATES}
    assert full.purge(**body) == 3
    assert sorted(full.ids(state)) == [f"{state}-{i}" for i in (3, 4, 5)]
    ids = [f"{state}-{i}" for i in (1, 4, 9)] + ["todo-x"]
    assert full.purge(state=state, ids=ids, dry_run=True) == 1
    assert full.purge(state=state, ids=ids) == 1
    assert sorted(full.ids(state)) == [f"{state}-{i}" for i in (3, 5)]
    assert full.state(f"{state}-4") == "gone"
    assert full.purge(state=state, match="*") == 2
    left = {s: 6 for s in STATES if s != state}
    assert full.counts() == left
    assert full.push_many([f"{state}-{i}" for i in range(6)])["queued"] == 6


def test_purge_of_held_ones_cancels(full):
    assert full.purge(state="doing", match="*") == 6
    got = full.report("holder", finished=[f"doing-{i}" for i in range(6)])
    names = {r["error"]["name"] for r in got["refused"]}
    assert names == {"TASK_CANCELLED"} and len(got["refused"]) == 6


def test_purge_leaves_other_states(full):
    """Ids that are in another state are not touched."""
    assert full.purge(state="dead", ids=["todo-0", "doing-0", "nix"]) == 0
    assert full.counts() == {s: 6 for s in STATES}


def test_purge_of_many(queue):
    ids = [f"t{i}" for i in range(3500)]
    for first in range(0, 3500, 1000):
        queue.push_many(ids[first : first + 1000])
    for i in range(500):
        queue.push({"id": f"h{i}", "payload": 1, "priority": "high"})
    assert queue.purge(state="todo", match="t*0", dry_run=True) == 350
    assert queue.purge(state="todo", match="t*0") == 350
    left = [f"h{i}" for i in range(500)] + [i for i in ids if not i.endswith("0")]
    assert queue.ids("todo", limit=1000) == left
    assert queue.purge(state="todo", match="*") == 3650
    assert queue.counts() == {}
    assert queue.take_ids() == []


# -- retry ------------------------------------------------------------------


@pytest.mark.parametrize("state", ["failed", "dead", "delayed"])
def test_retry(full, state):
    full.purge(state="todo", match="*")
    body = {"state": state, "match": f"{state}-[012]"}
    assert full.retry(**body, dry_run=True) == 3
    assert full.counts()[state] == 6
    assert full.retry(**body) == 3
    assert full.retry(state=state, ids=[f"{state}-4", f"{state}-0", "nix"]) == 1
    counts = full.counts()
    assert counts[state] == 2 and counts["todo"] == 4
    tasks = full.take("w2")
    assert sorted(t["id"] for t in tasks) == [f"{state}-{i}" for i in (0, 1, 2, 4)]
    attempt = 2 if state == "failed" else 1
    assert {t["attempt"] for t in tasks} == {attempt}


@pytest.mark.parametrize("state", ["todo", "doing", "finish"])
def test_retry_of_other_states(full, state):
    got = full.post("retry", {"state": state, "match": "*"})
    got.refused(400, "STATE_UNKNOWN", "state")
    assert full.counts() == {s: 6 for s in STATES}


def test_retry_keeps_the_lane(queue):
    for lane in ("low", "high", "normal"):
        queue.push({"id": lane, "payload": 1, "priority": lane})
    queue.take()
    queue.fail("low", "high", "normal", retry=False)
    assert queue.retry(state="dead", match="*") == 3
    assert queue.take_ids() == ["high", "normal", "low"]


def test_retry_of_many(queue):
    ids = [f"t{i}" for i in range(2500)]
    for first in range(0, 2500, 1000):
        queue.push_many(ids[first : first + 1000])
        got = queue.take_ids(count=1000)
        queue.report(failed=[{"id": i, "retry": False} for i in got])
    assert queue.retry(state="dead", match="*") == 2500
    assert queue.counts() == {"todo": 2500}
    assert sorted(queue.ids("todo", limit=1000)) == sorted(ids)


@pytest.mark.parametrize(
    "body, name, word",
    [
        ({"match": "*"}, "FIELD_MISSING", "state"),
        ({"state": "dead"}, "FIELD_MISSING", "ids"),
        ({"state": "dead", "ids": ["a"], "match": "*"}, "FIELD_CONFLICT", "match"),
        ({"state": "dead", "ids": []}, "FIELD_RANGE", "ids"),
        ({"state": "dead", "ids": "a"}, "FIELD_TYPE", "ids"),
        ({"state": "dead", "ids": [1]}, "FIELD_TYPE", "ids"),
        ({"state": "dead", "ids": ["a b"]}, "TASK_ID_BAD", "ids"),
        ({"state": "dead", "match": ""}, "FIELD_RANGE", "match"),
        ({"state": "dead", "match": 7}, "FIELD_TYPE", "match"),
        ({"state": "asleep", "match": "*"}, "STATE_UNKNOWN", "state"),
        ({"state": 5, "match": "*"}, "FIELD_TYPE", "state"),
        ({"state": "dead", "match": "*", "dry_run": 1}, "FIELD_TYPE", "dry_run"),
        ({"state": "dead", "match": "*", "all": True}, "FIELD_UNKNOWN", "all"),
    ],
)
@pytest.mark.parametrize("verb", ["purge", "retry"])
def test_bad_sets_change_nothing(full, verb, body, name, word):
    full.post(verb, body).refused(400, name, word)
    assert full.counts() == {s: 6 for s in STATES}


def test_too_many_ids(full):
    body = {"state": "dead", "ids": [f"t{i}" for i in range(1001)]}
    full.post("purge", body).refused(413, "TOO_MANY_ITEMS", "ids")
