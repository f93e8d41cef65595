"""Taking: counts, attempts, leases, request_id, reports in the same trip."""

import pytest

from client import Client
from test_push import in_threads
from times import to_ms


def test_empty(queue):
    queue.make()
    assert queue.take_all() == {"tasks": []}


def test_of_a_queue_that_nobody_made(queue):
    """It answers empty, and does not make it."""
    assert queue.take_all() == {"tasks": []}
    queue.client.get(queue.path).refused(404, "QUEUE_UNKNOWN")


def test_what_a_task_has(schedd, queue):
    queue.push({"id": "a", "payload": {"to": "you"}})
    now = schedd.now_ms()
    task = queue.take()[0]
    assert set(task) == {"id", "payload", "attempt", "lease_until"}
    assert task["id"] == "a" and task["payload"] == {"to": "you"}
    assert task["attempt"] == 1
    assert abs(to_ms(task["lease_until"]) - now - 86_400_000) < 5000
    assert queue.counts() == {"doing": 1}


def test_default_count_is_500(queue):
    queue.push_many([f"t{i}" for i in range(600)])
    assert queue.take_ids() == [f"t{i}" for i in range(500)]
    assert queue.take_ids() == [f"t{i}" for i in range(500, 600)]
    assert queue.counts() == {"doing": 600}


def test_count(queue):
    queue.push_many([f"t{i}" for i in range(10)])
    assert queue.take_ids(count=3) == ["t0", "t1", "t2"]
    assert queue.take_ids("w2", count=3) == ["t3", "t4", "t5"]
    assert queue.counts() == {"todo": 4, "doing": 6}


def test_lease_of_the_queue_and_of_the_take(schedd, queue):
    queue.patch(lease_s=100)
    queue.push("a", "b")
    now = schedd.now_ms()
    one = queue.take(count=1)[0]
    two = queue.take(count=1, lease_s=10)[0]
    assert abs(to_ms(one["lease_until"]) - now - 100_000) < 5000
    assert abs(to_ms(two["lease_until"]) - now - 10_000) < 5000


def test_paused(queue):
    queue.push("a")
    queue.patch(paused=True)
    assert queue.take_all() == {"tasks": [], "paused": True}
    assert queue.push("b")["queued"] == 1
    queue.patch(paused=False)
    assert queue.take_ids() == ["a", "b"]


def test_large_payloads_are_not_lost(queue):
    """What one answer cannot hold is left for the next."""
    text = "x" * 60_000
    for first in range(0, 300, 15):
        queue.push(*[{"id": f"t{i}", "payload": text} for i in range(first, first + 15)])
    seen = []
    while len(seen) < 300:
        tasks = queue.take(count=1000)
        assert tasks and all(t["payload"] == text for t in tasks)
        assert all(t["attempt"] == 1 for t in tasks)
        seen += [t["id"] for t in tasks]
    assert seen == [f"t{i}" for i in range(300)]
    queue.finish(*seen)


# -- request_id -------------------------------------------------------------


def test_the_same_request_again_gives_the_same_tasks(queue):
    queue.push_many([f"t{i}" for i in range(6)])
    first = queue.take(count=3, request_id="r1")
    again = queue.take(count=3, request_id="r1")
    assert again == first
    assert queue.counts() == {"todo": 3, "doing": 3}
    other = queue.take_ids(count=3, request_id="r2")
    assert other == ["t3", "t4", "t5"]


def test_request_ids_are_each_workers_own(queue):
    queue.push("a", "b")
    assert queue.take_ids("w1", count=1, request_id="r") == ["a"]
    assert queue.take_ids("w2", count=1, request_id="r") == ["b"]


def test_request_again_gives_what_is_still_held(queue):
    queue.push("a", "b", "c")
    queue.take(count=3, request_id="r")
    queue.finish("b")
    assert queue.take_ids(count=3, request_id="r") == ["a", "c"]


def test_an_empty_answer_is_not_remembered(queue):
    queue.make()
    assert queue.take_ids(request_id="r") == []
    queue.push("a")
    assert queue.take_ids(request_id="r") == ["a"]


def test_request_again_does_not_count_an_attempt(queue):
    queue.push("a")
    for _ in range(5):
        assert queue.take(request_id="r")[0]["attempt"] == 1


def test_the_same_request_at_once(schedd, queue):
    """Also when both go into one script call."""
    queue.push_many([f"t{i}" for i in range(100)])
    got = []

    def work(_):
        with schedd.client() as client:
            ids = client.queue(queue.name).take_ids("w", count=10, request_id="r")
            got.append(ids)

    in_threads(10, work)
    assert got == [[f"t{i}" for i in range(10)]] * 10
    assert queue.counts() == {"todo": 90, "doing": 10}


# -- report in the same trip ------------------------------------------------


def test_report_inside_take(queue):
    queue.push("a", "b", "c", "d")
    queue.take(count=3)
    got = queue.take_all(
        finished=["a", {"id": "b", "result": 1}], failed=[{"id": "c", "error": "no"}]
    )
    assert [t["id"] for t in got["tasks"]] == ["d"]
    report = got["report"]
    assert (report["finished"], report["failed"], report["dead"]) == (2, 1, 0)
    assert report["refused"] == []
    assert queue.counts() == {"doing": 1, "failed": 1, "finish": 2}


def test_report_inside_take_is_done_although_nothing_waits(queue):
    queue.push("a")
    queue.take()
    got = queue.take_all(finished=["a"])
    assert got["tasks"] == [] and got["report"]["finished"] == 1


def test_refused_reports_inside_take(queue):
    queue.push("a", "b")
    queue.take("w1", count=1)
    got = queue.take_all("w2", finished=["a", "nix"])
    assert [t["id"] for t in got["tasks"]] == ["b"]
    names = {r["id"]: r["error"]["name"] for r in got["report"]["refused"]}
    assert names == {"a": "LEASE_LOST", "nix": "TASK_UNKNOWN"}


def test_a_worker_that_works_by_takes_alone(queue):
    ids = [f"t{i}" for i in range(50)]
    queue.push_many(ids)
    seen, finished = [], []
    while True:
        tasks = queue.take_ids(count=7, finished=finished)
        if not tasks:
            break
        seen += tasks
        finished = tasks
    assert seen == ids
    assert queue.counts() == {"finish": 50}


# -- many takers ------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 40])
def test_no_task_goes_to_two(schedd, queue, count):
    ids = [f"t{i}" for i in range(400)]
    queue.push_many(ids)
    seen = []

    def work(n):
        with Client(schedd.addr) as client:
            mine = client.queue(queue.name)
            while True:
                got = mine.take_ids(f"w{n}", count=count)
                if not got:
                    return
                seen.extend(got)
                mine.finish(*got, worker=f"w{n}")

    in_threads(8, work)
    assert sorted(seen) == sorted(ids)
    assert queue.counts() == {"finish": 400}
