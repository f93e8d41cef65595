"""The life of a task over time, with a clock that the test moves."""

import pytest

from server import wait_until
from times import to_ms

HOUR = 3600


@pytest.fixture(autouse=True)
def _short_backoff(queue):
    queue.patch(retry_base_s=100, retry_max_s=1000, lease_s=100)


def wait_counts(queue, **counts):
    """Waits until the janitor has brought these counts about."""
    wait_until(lambda: queue.counts() == counts, what=f"{counts}: {queue.counts()}")


# -- delayed ----------------------------------------------------------------


def test_delayed_until_due(schedd, queue):
    queue.push(
        {"id": "b", "payload": 1, "delay_s": 2000, "priority": "high"},
        {"id": "a", "payload": 1, "delay_s": 1000},
        "now",
    )
    schedd.move_clock(1100)
    wait_counts(queue, todo=2, delayed=1)
    schedd.move_clock(1000)
    wait_counts(queue, todo=3)
    assert queue.take_ids() == ["b", "now", "a"]


# -- leases -----------------------------------------------------------------


def test_lease_over_goes_back_to_the_front(schedd, queue):
    queue.push("a", "b", "c", "d")
    assert queue.take_ids(count=2) == ["a", "b"]
    schedd.move_clock(101)
    wait_counts(queue, todo=4)
    tasks = queue.take("w2")
    assert [t["id"] for t in tasks] == ["a", "b", "c", "d"]
    assert [t["attempt"] for t in tasks] == [2, 2, 1, 1]
    assert queue.info()["totals"]["reclaimed"] == 2


def test_lease_over_goes_back_to_its_own_lane(schedd, queue):
    for lane in ("low", "high"):
        queue.push({"id": lane, "payload": 1, "priority": lane})
    queue.push("normal")
    queue.take()
    queue.push({"id": "high2", "payload": 1, "priority": "high"}, "normal2")
    schedd.move_clock(101)
    wait_counts(queue, todo=5)
    assert queue.take_ids() == ["high", "high2", "normal", "normal2", "low"]


def test_lease_that_is_not_over_stays(schedd, queue):
    queue.push("a", "b")
    queue.take(count=1)
    queue.take(count=1, lease_s=1000)
    schedd.move_clock(101)
    wait_counts(queue, todo=1, doing=1)
    assert queue.state("b") == "doing"


def test_extend_keeps_it(schedd, queue):
    queue.push("a", "b")
    queue.take()
    schedd.move_clock(60)
    assert queue.extend("w1", ["a"])["extended"] == 1
    schedd.move_clock(60)
    wait_counts(queue, todo=1, doing=1)
    assert queue.state("a") == "doing"


def test_leases_over_again_and_again_end_in_dead(schedd, queue):
    queue.push("a")
    for attempt in (1, 2, 3):
        assert queue.take("silent")[0]["attempt"] == attempt
        schedd.move_clock(101)
        if attempt < 3:
            wait_counts(queue, todo=1)
    wait_counts(queue, dead=1)
    task = queue.task("a")
    assert task["state"] == "dead" and task["attempts"] == 3
    assert "silent" in task["error"]


# -- late reports -----------------------------------------------------------


@pytest.mark.parametrize("delay", [0, HOUR])
def test_late_finish_counts_while_nobody_holds_it(schedd, queue, delay):
    queue.push("a")
    queue.take()
    schedd.move_clock(101)
    wait_counts(queue, todo=1)
    schedd.move_clock(delay)
    queue.finish("a")
    assert queue.counts() == {"finish": 1}
    assert queue.take_ids() == []


def test_many_late_finishes(schedd, queue):
    """They leave their lanes in one pass, and nothing else does."""
    ids = [f"t{i:04}" for i in range(2500)]
    for part in (ids[:1000], ids[1000:2000], ids[2000:]):
        tasks = [
            {"id": i, "payload": 1, "priority": "high" if i[-1] == "3" else "low"}
            for i in part
        ]
        queue.push(*tasks)
    for _ in range(3):
        queue.take(count=1000)
    assert queue.counts() == {"doing": 2500}
    schedd.move_clock(101)
    wait_counts(queue, todo=2500)
    late = ids[::2] + ids[1::10]
    for part in (late[:1000], late[1000:]):
        queue.finish(*part)
    kept = sorted(set(ids) - set(late))
    assert queue.counts() == {"finish": len(late), "todo": len(kept)}
    assert sorted(queue.take_ids("w2", count=1000)) == kept


def test_late_finish_from_failed(schedd, queue):
    """The lease went over, another failed it, then the first one is ready."""
    queue.push("a")
    queue.take("w1")
    schedd.move_clock(101)
    wait_counts(queue, todo=1)
    queue.take("w2")
    queue.fail("a", worker="w2")
    queue.finish("a", worker="w1")
    assert queue.counts() == {"finish": 1}
    schedd.move_clock(HOUR)
    queue.push("b")
    assert queue.take_ids() == ["b"]


def test_late_finish_from_dead(schedd, queue):
    queue.patch(max_attempts=1)
    queue.push("a")
    queue.take()
    schedd.move_clock(101)
    wait_counts(queue, dead=1)
    queue.finish("a")
    assert queue.counts() == {"finish": 1}


def test_late_report_while_another_holds_it(schedd, queue):
    queue.push("a")
    queue.take("w1")
    schedd.move_clock(101)
    wait_counts(queue, todo=1)
    queue.take("w2")
    for items in ({"finished": ["a"]}, {"failed": ["a"]}):
        got = queue.report("w1", **items)
        assert [r["error"]["name"] for r in got["refused"]] == ["LEASE_LOST"]
    assert queue.counts() == {"doing": 1}
    queue.finish("a", worker="w2")
    assert queue.task("a")["worker"] == "w2"


def test_late_fail_and_extend_are_refused(schedd, queue):
    queue.push("a")
    queue.take()
    schedd.move_clock(101)
    wait_counts(queue, todo=1)
    got = queue.report(failed=["a"])
    assert [r["error"]["name"] for r in got["refused"]] == ["LEASE_LOST"]
    got = queue.extend("w1", ["a"])
    assert [r["error"]["name"] for r in got["refused"]] == ["LEASE_LOST"]
    assert queue.counts() == {"todo": 1}
    assert queue.take()[0]["attempt"] == 2


# -- retries ----------------------------------------------------------------


def test_backoff_doubles_and_is_capped(schedd, queue):
    queue.patch(max_attempts=7)
    queue.push("a")
    for attempt in range(1, 7):
        task = queue.take()[0]
        assert task["attempt"] == attempt
        now = schedd.now_ms()
        queue.fail("a")
        wait_s = (to_ms(queue.task("a")["due_at"]) - now) / 1000
        wanted = min(100 * 2 ** (attempt - 1), 1000)
        assert wanted * 0.9 - 3 <= wait_s <= wanted * 1.1 + 3
        schedd.move_clock(int(wait_s) - 20)
        assert queue.counts() == {"failed": 1}
        schedd.move_clock(40)
        wait_counts(queue, todo=1)
    assert queue.take()[0]["attempt"] == 7
    assert queue.fail("a")["dead"] == 1
    assert queue.counts() == {"dead": 1}


def test_jitter_spreads(queue):
    ids = [f"t{i}" for i in range(100)]
    queue.push_many(ids)
    queue.take()
    queue.fail(*ids)
    due = {t["due_at"] for t in queue.all("failed")}
    assert len(due) > 50


def test_retry_goes_behind_those_that_wait(schedd, queue):
    queue.push("a")
    queue.take()
    queue.fail("a")
    queue.push("b")
    schedd.move_clock(120)
    wait_counts(queue, todo=2)
    assert queue.take_ids() == ["b", "a"]


def test_fail_without_retry(queue):
    queue.push("a")
    queue.take()
    assert queue.fail("a", retry=False)["dead"] == 1
    task = queue.task("a")
    assert task["state"] == "dead" and task["error"] == "no a"
    assert task["payload"] == {"id": "a"}


def test_max_attempts_of_the_task_wins(queue):
    queue.push({"id": "once", "payload": 1, "max_attempts": 1}, "thrice")
    queue.take()
    got = queue.report(failed=["once", "thrice"])
    assert (got["failed"], got["dead"]) == (2, 1)
    assert queue.state("once") == "dead" and queue.state("thrice") == "failed"


def test_attempts_count_leases_and_fails_together(schedd, queue):
    queue.push("a")
    queue.take()
    schedd.move_clock(101)
    wait_counts(queue, todo=1)
    assert queue.take()[0]["attempt"] == 2
    queue.fail("a")
    schedd.move_clock(300)
    wait_counts(queue, todo=1)
    assert queue.take()[0]["attempt"] == 3
    assert queue.fail("a")["dead"] == 1


def test_finish_clears_the_error(schedd, queue):
    queue.push("a")
    queue.take()
    queue.fail("a")
    schedd.move_clock(120)
    wait_counts(queue, todo=1)
    assert queue.task("a")["error"] == "no a"
    queue.take()
    queue.finish("a")
    assert queue.task("a")["error"] is None


# -- dead letters -----------------------------------------------------------


def test_replay(queue):
    queue.push("a", "b")
    queue.take()
    queue.fail("a", "b", retry=False)
    assert queue.retry(state="dead", ids=["a"]) == 1
    assert queue.counts() == {"todo": 1, "dead": 1}
    task = queue.take()[0]
    assert task["id"] == "a" and task["attempt"] == 1
    assert task["payload"] == {"id": "a"}
    queue.finish("a")
    assert queue.remove("b").status == 200
    assert queue.state("b") == "gone"


def test_dead_stay_without_a_limit(schedd, queue):
    queue.push("a")
    queue.take()
    queue.fail("a", retry=False)
    schedd.move_clock(400 * 86400)
    queue.push({"id": "probe", "payload": 1, "delay_s": 10})
    schedd.move_clock(20)
    wait_counts(queue, todo=1, dead=1)


def test_dead_keep_and_age(schedd, queue):
    ids = [f"t{i}" for i in range(10)]
    queue.push_many(ids)
    queue.take()
    for i in ids:
        queue.fail(i, retry=False)
    queue.patch(dead_keep=4)
    wait_counts(queue, dead=4)
    assert sorted(queue.ids("dead")) == sorted(ids[6:])
    assert queue.state("t0") == "gone"
    queue.patch(dead_age_s=1000)
    schedd.move_clock(500)
    assert queue.counts() == {"dead": 4}
    schedd.move_clock(600)
    wait_counts(queue)
    assert queue.push("t9")["queued"] == 1


# -- finish -----------------------------------------------------------------


def test_finish_keep(queue):
    ids = [f"t{i}" for i in range(30)]
    queue.push_many(ids)
    queue.take()
    queue.finish(*ids[:20])
    queue.finish(*ids[20:])
    queue.patch(finish_keep=5)
    wait_counts(queue, finish=5)
    assert queue.ids("finish") == ids[25:]
    assert queue.info()["totals"]["trimmed"] == 25
    assert queue.push("t0")["queued"] == 1
    assert queue.push("t29")["exists"] == 1


def test_finish_age(schedd, queue):
    queue.patch(finish_age_s=1000)
    queue.push("old", "young")
    queue.take()
    queue.finish("old")
    schedd.move_clock(600)
    queue.finish("young")
    schedd.move_clock(600)
    wait_counts(queue, finish=1)
    assert queue.state("old") == "gone"
    assert queue.state("young") == "finish"
    schedd.move_clock(600)
    wait_counts(queue)


def test_finish_knows_when_and_who(schedd, queue):
    queue.push("a")
    queue.take("me")
    now = schedd.now_ms()
    queue.finish("a", worker="me")
    task = queue.task("a")
    assert abs(to_ms(task["due_at"]) - now) < 5000
    assert task["worker"] == "me" and task["payload"] is None


# -- cancel, pause ----------------------------------------------------------


def test_cancel_of_a_held_task(queue):
    queue.push("a", "b")
    queue.take()
    got = queue.remove("a")
    assert got.status == 200 and got.json["state"] == "doing"
    assert queue.state("a") == "gone"
    for items in ({"finished": ["a"]}, {"failed": ["a"]}):
        got = queue.report(**items)
        assert [r["error"]["name"] for r in got["refused"]] == ["TASK_CANCELLED"]
    got = queue.extend("w1", ["a", "b"])
    assert [r["error"]["name"] for r in got["refused"]] == ["TASK_CANCELLED"]
    assert got["extended"] == 1
    assert queue.counts() == {"doing": 1}


def test_cancelled_and_pushed_anew(queue):
    """The old worker's report does not touch the new task."""
    queue.push("a")
    queue.take("old")
    queue.remove("a")
    assert queue.push("a")["queued"] == 1
    got = queue.report("old", finished=["a"])
    assert [r["error"]["name"] for r in got["refused"]] == ["TASK_CANCELLED"]
    assert queue.take_ids("new") == ["a"]
    queue.finish("a", worker="new")


def test_pause_keeps_the_janitor_going(schedd, queue):
    queue.push("a", {"id": "d", "payload": 1, "delay_s": 50})
    queue.take()
    queue.patch(paused=True)
    schedd.move_clock(101)
    wait_counts(queue, todo=2)
    assert queue.take_all() == {"tasks": [], "paused": True}
    queue.patch(paused=False)
    assert queue.take_ids() == ["a", "d"]


def test_reports_go_on_while_paused(queue):
    queue.push("a", "b")
    queue.take()
    queue.patch(paused=True)
    queue.finish("a")
    queue.fail("b")
    assert queue.counts() == {"finish": 1, "failed": 1}


# -- request ids in time ----------------------------------------------------


def test_request_id_is_forgotten_with_its_lease(schedd, queue):
    queue.push("a")
    assert queue.take_ids(request_id="r") == ["a"]
    schedd.move_clock(101)
    wait_counts(queue, todo=1)

    def taken_anew():
        tasks = queue.take(request_id="r")
        return tasks and tasks[0]["attempt"] == 2

    wait_until(taken_anew, what="the same request id to be free again")


# -- a restart --------------------------------------------------------------


def test_everything_survives_a_restart(place):
    schedd = place.schedd()
    with schedd.client() as client:
        queue = client.queue("keeps")
        queue.patch(max_attempts=2, lease_s=100)
        queue.push("todo", "doing", "failed", "finish", "dead")
        queue.push({"id": "later", "payload": 1, "delay_s": 500})
        queue.push({"id": "low", "payload": 1, "priority": "low"})
        queue.take()
        for i in ("todo", "low"):
            assert queue.remove(i).status == 200
            queue.push({"id": i, "payload": i, "priority": "low"})
        queue.report(
            finished=[{"id": "finish", "result": [1]}],
            failed=["failed", {"id": "dead", "error": "e", "retry": False}],
        )
        before = {i: queue.task(i) for i in queue_ids(queue)}
        counts = queue.counts()
    schedd.stop()
    schedd.start()
    with schedd.client() as client:
        queue = client.queue("keeps")
        assert queue.counts() == counts
        assert {i: queue.task(i) for i in queue_ids(queue)} == before
        assert queue.take_ids() == ["todo", "low"]
        queue.finish("doing")


def queue_ids(queue):
    """Every id, of every state."""
    states = ("todo", "delayed", "doing", "failed", "finish", "dead")
    return [i for state in states for i in queue.ids(state)]
