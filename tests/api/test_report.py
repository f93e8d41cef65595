"""Reports and extends: who may, what is refused, what is kept."""

import pytest

from times import to_ms


def refused(answer):
    """{id: name of the error} of what was not taken."""
    return {r["id"]: r["error"]["name"] for r in answer["refused"]}


def test_finish(queue):
    queue.push("a", "b")
    queue.take()
    got = queue.report(finished=["a", {"id": "b"}])
    assert got == {"finished": 2, "failed": 0, "dead": 0, "refused": []}
    assert queue.counts() == {"finish": 2}


@pytest.mark.parametrize("result", [None, 7, "text", [], {"deep": [1, {"x": 2}]}, 1e300])
def test_result_is_kept(queue, result):
    queue.push("a")
    queue.take("worker-1")
    queue.report("worker-1", finished=[{"id": "a", "result": result}])
    task = queue.task("a")
    assert task["state"] == "finish" and task["result"] == result
    assert task["worker"] == "worker-1"


def test_result_byte_for_byte(queue):
    queue.push("a")
    queue.take()
    body = b'{"worker":"w1","finished":[{"id":"a","result":{ "b":1.0,"a":12345678901234567890}}]}'
    queue.client.post(f"{queue.path}/report", body)
    got = queue.try_task("a")
    assert b'"result":{ "b":1.0,"a":12345678901234567890}' in got.body


def test_error_is_kept_and_cut(queue):
    queue.push("a", "b")
    queue.take()
    queue.report(failed=[{"id": "a", "error": 'no "way" \u00fc'}])
    assert queue.task("a")["error"] == 'no "way" \u00fc'
    queue.report(failed=[{"id": "b", "error": "ä" * 5000}])
    text = queue.task("b")["error"]
    assert text == "ä" * len(text) and 1000 <= len(text) <= 5000


def test_fail_needs_no_error(queue):
    queue.push("a", "b")
    queue.take()
    assert queue.report(failed=["a", {"id": "b"}])["failed"] == 2
    assert queue.counts() == {"failed": 2}


def test_both_in_one_report(queue):
    ids = [f"t{i}" for i in range(10)]
    queue.push_many(ids)
    queue.take()
    got = queue.report(finished=ids[:6], failed=ids[6:])
    assert (got["finished"], got["failed"]) == (6, 4)
    assert queue.counts() == {"finish": 6, "failed": 4}


def test_two_thousand_in_one_report(queue):
    ids = [f"t{i}" for i in range(2000)]
    for first in (0, 1000):
        queue.push_many(ids[first : first + 1000])
        queue.take(count=1000)
    got = queue.report(finished=ids[:1000], failed=ids[1000:])
    assert (got["finished"], got["failed"]) == (1000, 1000)
    assert queue.counts() == {"finish": 1000, "failed": 1000}


# -- what is refused --------------------------------------------------------


def test_held_by_another(queue):
    queue.push("a", "b")
    queue.take("w1")
    got = queue.report("w2", finished=["a"], failed=["b"])
    assert (got["finished"], got["failed"]) == (0, 0)
    assert refused(got) == {"a": "LEASE_LOST", "b": "LEASE_LOST"}
    assert refused(queue.extend("w2", ["a"])) == {"a": "LEASE_LOST"}
    assert queue.counts() == {"doing": 2}
    assert queue.info()["totals"]["lease_lost"] == 3
    queue.finish("a", "b", worker="w1")


def test_never_handed_out(queue):
    queue.push("a", {"id": "d", "payload": 1, "delay_s": 100})
    got = queue.report(finished=["a", "d"])
    assert refused(got) == {"a": "TASK_NOT_HELD", "d": "TASK_NOT_HELD"}
    assert refused(queue.report(failed=["a"])) == {"a": "TASK_NOT_HELD"}
    assert refused(queue.extend("w1", ["a"])) == {"a": "TASK_NOT_HELD"}
    assert queue.counts() == {"todo": 1, "delayed": 1}


def test_unknown(queue):
    queue.push("a")
    queue.take()
    got = queue.report(finished=["a", "x"], failed=["y"])
    assert got["finished"] == 1
    assert refused(got) == {"x": "TASK_UNKNOWN", "y": "TASK_UNKNOWN"}
    assert refused(queue.extend("w1", ["x"])) == {"x": "TASK_UNKNOWN"}


def test_unknown_in_an_unknown_queue(queue):
    got = queue.post("report", {"worker": "w", "finished": ["a"]})
    if got.status == 404:
        got.refused(404, "QUEUE_UNKNOWN")
    else:
        assert refused(got.json) == {"a": "TASK_UNKNOWN"}
    queue.client.get(queue.path).refused(404, "QUEUE_UNKNOWN")


def test_finish_again_by_the_same_worker(queue):
    """A report whose answer was lost is simply repeated."""
    queue.push("a")
    queue.take()
    queue.finish("a")
    got = queue.report(finished=["a"])
    assert got["finished"] == 1 and got["refused"] == []
    assert queue.counts() == {"finish": 1}
    assert queue.info()["totals"]["finished"] == 1


def test_finish_again_by_another_worker(queue):
    queue.push("a")
    queue.take()
    queue.finish("a")
    assert refused(queue.report("w2", finished=["a"])) == {"a": "LEASE_LOST"}


def test_fail_after_finish(queue):
    queue.push("a")
    queue.take()
    queue.finish("a")
    assert refused(queue.report(failed=["a"])) == {"a": "LEASE_LOST"}
    assert queue.counts() == {"finish": 1}


def test_fail_again(queue):
    queue.push("a")
    queue.take()
    queue.fail("a")
    assert refused(queue.report(failed=["a"])) == {"a": "LEASE_LOST"}
    assert queue.counts() == {"failed": 1}


def test_finish_after_own_fail(queue):
    """Nobody holds it now, so the work that was done counts."""
    queue.push("a")
    queue.take()
    queue.fail("a")
    queue.finish("a")
    assert queue.counts() == {"finish": 1}


# -- extend -----------------------------------------------------------------


def test_extend(schedd, queue):
    queue.push("a", "b")
    queue.take(lease_s=10)
    now = schedd.now_ms()
    got = queue.extend("w1", ["a"], lease_s=500)
    assert got["extended"] == 1 and got["refused"] == []
    assert abs(to_ms(got["lease_until"]) - now - 500_000) < 5000
    assert to_ms(queue.task("a")["due_at"]) == to_ms(got["lease_until"])
    assert abs(to_ms(queue.task("b")["due_at"]) - now - 10_000) < 5000


def test_extend_by_the_queues_lease(schedd, queue):
    queue.patch(lease_s=300)
    queue.push("a")
    queue.take(lease_s=10)
    got = queue.extend("w1", ["a"])
    assert abs(to_ms(got["lease_until"]) - schedd.now_ms() - 300_000) < 5000


def test_extend_of_a_finished_one(queue):
    queue.push("a")
    queue.take()
    queue.finish("a")
    got = queue.extend("w1", ["a"])
    assert got["extended"] == 0 and got["lease_until"] is None
    assert refused(got) == {"a": "LEASE_LOST"}


def test_extend_a_thousand(queue):
    ids = [f"t{i}" for i in range(1000)]
    queue.push_many(ids)
    queue.take(count=1000)
    assert queue.extend("w1", ids)["extended"] == 1000
