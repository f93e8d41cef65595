"""Acting on sets of tasks: by error, age, worker; in steps; beside others."""

import re
import threading
import time

import pytest

from server import wait_until
from times import to_ms


def fail_all(queue, errors, worker="w1", **more):
    """Pushes one task for each id and lets it fail with its error."""
    ids = list(errors)
    for first in range(0, len(ids), 1000):
        part = ids[first : first + 1000]
        queue.push_many(part)
        got = queue.take_ids(worker, count=1000)
        assert sorted(got) == sorted(part)
        items = [{"id": i, "error": errors[i], **more} for i in part]
        assert queue.report(worker, failed=items)["failed"] == len(part)


def walk(queue, verb, **body):
    """Sends it until its end: the sum of counts, of seen, and the answers."""
    answers, after = [], None
    while True:
        got = queue.post(verb, {**body, "after": after})
        assert got.status == 200, got
        assert set(got.json) == {"count", "dry_run", "after", "seen"}
        answers.append(got.json)
        after = got.json["after"]
        if after is None:
            break
        assert len(answers) < 1000
    return sum(a["count"] for a in answers), sum(a["seen"] for a in answers), answers


# -- filters ------------------------------------------------------------------


def test_by_error(queue):
    errors = {
        "a": "Connection refused by db-1",
        "b": "connection REFUSED by db-2",
        "c": "timeout [30 s]",
        "d": "",
        "e": "100% (of .*)",
    }
    fail_all(queue, errors, retry=False)
    for text, ids in {
        "connection refused": "ab",
        "DB-2": "b",
        "[30 s]": "c",
        "% (of .*)": "e",
        ".": "e",
        "nothing": "",
    }.items():
        want = {"state": "dead", "error_match": text}
        assert sorted(queue.ids(**want)) == list(ids), text
        assert queue.purge(**want, dry_run=True) == len(ids), text
    assert queue.retry(state="dead", error_match="refused", match="[b-z]") == 1
    assert queue.state("b") == "todo" and queue.state("a") == "dead"
    assert queue.purge(state="dead", error_match="TIMEOUT", ids=["a", "c"]) == 1
    assert queue.state("c") == "gone" and queue.counts() == {"dead": 3, "todo": 1}
    queue.take("w2")
    queue.fail("b", worker="w2")
    assert queue.purge(state="failed", error_match="no b") == 1


def test_failed_at(queue, schedd):
    fail_all(queue, {"a": "no"})
    first = queue.task("a")["failed_at"]
    assert abs(to_ms(first) - schedd.now_ms()) < 60_000
    assert queue.page("failed")["tasks"][0]["failed_at"] == first
    queue.retry(state="failed", match="*")
    assert queue.task("a")["failed_at"] == first
    assert queue.page("todo")["tasks"][0]["error"] == "no"
    queue.take()
    queue.finish("a")
    assert queue.task("a")["failed_at"] is None


def test_by_age(place):
    schedd = place.schedd({"queue": {"retry_base": "1h"}})
    with schedd.client() as client:
        queue = client.queue("q")
        for batch in ("old", "new"):
            names = [f"{s}-{batch}" for s in ("doing", "failed", "finish", "dead")]
            queue.push_many(names)
            assert queue.take_ids("w1") == names
            queue.report(
                finished=[names[2]],
                failed=[names[1], {"id": names[3], "retry": False}],
            )
            queue.push({"id": f"delayed-{batch}", "payload": 1, "delay_s": 7200})
            if batch == "old":
                schedd.move_clock(600)
                queue.info()  # its numbers bring the time of pushes
        queue.push("todo-old")
        schedd.move_clock(300)
        queue.info()
        queue.push("todo-new")
        for state in ("todo", "delayed", "doing", "failed", "finish", "dead"):
            for older, ids in {
                200: ["old"] if state == "todo" else ["new", "old"],
                850 if state != "todo" else 250: ["old"],
                2000: [],
            }.items():
                want = {"state": state, "older_s": older}
                named = [f"{state}-{i}" for i in ids]
                assert sorted(queue.ids(**want)) == named, want
                assert queue.purge(**want, dry_run=True) == len(ids), want
        assert queue.purge(state="todo", older_s=0.5) == 1
        assert queue.purge(state="failed", older_s=600) == 1
        assert queue.state("failed-old") == "gone"
        assert queue.state("failed-new") == "failed"


def test_by_worker(queue):
    queue.push("a", "b", "c", "d")
    queue.take("w1", count=2)
    queue.take("w2", count=2)
    queue.finish("a", worker="w1")
    assert queue.ids("doing", worker="w1") == ["b"]
    assert sorted(queue.ids("doing", worker="w2")) == ["c", "d"]
    assert queue.ids("finish", worker="w1") == ["a"]
    assert queue.ids("finish", worker="w2") == []
    assert queue.purge(state="doing", worker="w2", dry_run=True) == 2
    assert queue.purge(state="doing", worker="w2") == 2
    assert queue.purge(state="finish", worker="w1") == 1
    assert queue.counts() == {"doing": 1}
    got = queue.report("w2", finished=["c"])
    assert got["refused"][0]["error"]["name"] == "TASK_CANCELLED"


def test_large_payloads_end_a_window_early(queue):
    queue.patch(max_payload=1_000_000)
    for i in range(12):
        queue.push({"id": f"t{i}", "payload": "x" * 500_000})
    assert walk(queue, "purge", state="todo", older_s=0, dry_run=True)[1] == 12
    assert len(queue.ids("todo", older_s=86400)) == 0
    assert queue.page("todo", older_s=86400)["seen"] == 12


@pytest.mark.parametrize(
    "query, name, word",
    [
        ({"state": "todo", "error_match": "x"}, "FIELD_CONFLICT", "error_match"),
        ({"state": "failed", "worker": "w"}, "FIELD_CONFLICT", "worker"),
        ({"state": "dead", "error_match": ""}, "FIELD_RANGE", "error_match"),
        ({"state": "dead", "error_match": "x" * 256}, "FIELD_RANGE", "error_match"),
        ({"state": "doing", "worker": "a b"}, "WORKER_NAME_BAD", "worker"),
        ({"older_s": "-1"}, "FIELD_RANGE", "older_s"),
        ({"older_s": "1h"}, "FIELD_RANGE", "older_s"),
        ({"older_s": "315360001"}, "FIELD_RANGE", "older_s"),
        ({"older_s": ""}, "FIELD_RANGE", "older_s"),
    ],
)
def test_bad_filters_of_a_page(queue, query, name, word):
    queue.make()
    queue.client.get(f"{queue.path}/tasks", **query).refused(400, name, word)


@pytest.mark.parametrize(
    "body, name, word",
    [
        ({"state": "todo", "error_match": "x"}, "FIELD_CONFLICT", "error_match"),
        ({"state": "dead", "worker": "w"}, "FIELD_CONFLICT", "worker"),
        ({"state": "dead", "limit": 5}, "FIELD_MISSING", "ids"),
        ({"state": "dead", "match": "*", "limit": 0}, "FIELD_RANGE", "limit"),
        ({"state": "dead", "match": "*", "limit": 1000001}, "FIELD_RANGE", "limit"),
        ({"state": "dead", "match": "*", "after": "x"}, "FIELD_RANGE", "after"),
        ({"state": "dead", "match": "*", "after": "todo:0:0:0:"}, "FIELD_RANGE", "after"),
        ({"state": "dead", "match": "*", "after": "dead:0:0:0:\x00"}, "FIELD_RANGE", "after"),
        ({"state": "dead", "match": "*", "after": 5}, "FIELD_TYPE", "after"),
        ({"state": "dead", "older_s": "5"}, "FIELD_TYPE", "older_s"),
    ],
)
def test_bad_filters_change_nothing(queue, body, name, word):
    fail_all(queue, {"a": "x"}, retry=False)
    queue.post("purge", body).refused(400, name, word)
    assert queue.state("a") == "dead"


# -- steps --------------------------------------------------------------------


@pytest.mark.parametrize("state", ["todo", "doing", "failed", "finish", "dead"])
def test_limit(queue, state):
    ids = [f"t{i:03}" for i in range(100)]
    queue.push_many(ids)
    if state != "todo":
        queue.take("w1")
    if state in ("failed", "dead"):
        queue.report(failed=[{"id": i, "retry": state == "failed"} for i in ids])
    if state == "finish":
        queue.finish(*ids)
    want = {"state": state, "match": "*[0-3]"}
    assert walk(queue, "purge", **want, limit=7, dry_run=True)[:2] == (40, 100)
    got = queue.post("purge", {**want, "limit": 7}).json
    assert got["count"] == 7 and got["after"] and not got["dry_run"]
    assert queue.counts() == {state: 93}
    count, _, answers = walk(queue, "purge", **want, limit=7)
    assert count == 33 and [a["count"] for a in answers][:4] == [7, 7, 7, 7]
    assert sorted(queue.ids(state)) == [i for i in ids if i[-1] > "3"]


def test_limit_of_a_retry(queue):
    fail_all(queue, {f"t{i:02}": "no" for i in range(30)}, retry=False)
    count, _, answers = walk(queue, "retry", state="dead", match="*", limit=10)
    assert count == 30 and [a["count"] for a in answers][:3] == [10, 10, 10]
    assert queue.counts() == {"todo": 30}


def test_ids_end_when_all_are_found(queue):
    queue.push_many([f"t{i:03}" for i in range(900)])
    got = queue.post("purge", {"state": "todo", "ids": ["t899", "t890"]}).json
    assert got["count"] == 2 and got["after"] is None and got["seen"] < 900


def test_a_request_ends_after_a_while(place):
    """Redis hangs during the first window: what knows of after gets one, what
    does not goes on to the end."""
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        queue = client.queue("q")
        queue.push_many([f"t{i}" for i in range(900)])
        for body, whole in (
            ({"state": "todo", "match": "*"}, True),
            ({"state": "todo", "match": "*", "limit": 1000000}, False),
            ({"state": "todo", "match": "*", "after": None}, False),
            ({"state": "todo", "older_s": 0}, False),
        ):
            redis.pause()
            began = time.monotonic()
            client.send("POST", f"{queue.path}/purge", {**body, "dry_run": True})
            wait_until(lambda: time.monotonic() - began > 0.3, what="a while")
            redis.resume()
            got = client.receive().json
            assert (got["after"] is None) == whole, body
            assert got["seen"] == 900 if whole else got["seen"] < 900, got
            assert got["count"] == got["seen"]


# -- beside others -------------------------------------------------------------


class Taker(threading.Thread):
    """Takes and finishes tasks of a queue until it is told to stop."""

    def __init__(self, schedd, name):
        super().__init__(daemon=True)
        self.schedd, self.queue = schedd, name
        self.over, self.taken, self.failure = threading.Event(), [], None

    def run(self):
        try:
            with self.schedd.client() as client:
                queue = client.queue(self.queue)
                while not self.over.is_set():
                    ids = queue.take_ids("taker", count=5)
                    queue.report("taker", finished=ids)
                    self.taken += ids
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure

    def end(self):
        """Stops it; gives what it took."""
        self.over.set()
        self.join(60)
        assert not self.is_alive() and self.failure is None, self.failure
        return self.taken


def test_many_dead(queue, schedd):
    """20,000 dead ones are found by their error, counted, retried in part and
    purged, while takes of another queue go on."""
    other = queue.client.queue(f"{queue.name}-other")
    for first in range(0, 5000, 1000):
        other.push_many([f"o{i}" for i in range(first, first + 1000)])
    fail_all(
        queue,
        {f"t{i:05}": f"host-{i % 10} does not answer" for i in range(20_000)},
        retry=False,
    )
    taker = Taker(schedd, other.name)
    taker.start()
    wait_until(lambda: taker.taken, what="a first take")
    want = {"state": "dead", "error_match": "HOST-7"}
    counted, seen, _ = walk(queue, "retry", **want, dry_run=True)
    assert (counted, seen) == (2000, 20_000)
    before = len(taker.taken)
    count, seen, _ = walk(queue, "retry", **want)
    assert (count, seen) == (counted, 20_000)
    wait_until(lambda: len(taker.taken) > before, what="takes beside it")
    assert queue.counts() == {"dead": 18_000, "todo": 2000}
    assert walk(queue, "purge", state="dead", older_s=0, match="t*[02468]")[0] == 10_000
    assert queue.counts() == {"dead": 8000, "todo": 2000}
    assert len(queue.all("dead", error_match="host-3", limit=1000)) == 2000
    taken = taker.end()
    assert len(set(taken)) == len(taken)


def test_many_todo_while_they_are_taken(queue, schedd):
    """What waits is purged in part while tasks are taken from its front and
    pushed to its end: nothing that is meant is left, nothing else is gone."""
    ids = [f"t{i:05}" for i in range(20_000)]
    for first in range(0, 20_000, 1000):
        queue.push_many(ids[first : first + 1000])
    taker = Taker(schedd, queue.name)
    taker.start()
    wait_until(lambda: taker.taken, what="a first take")
    with schedd.client() as client:
        pushed, after, count = [], None, 0
        while True:
            body = {"state": "todo", "match": "t*3", "limit": 200, "after": after}
            got = client.post(f"{queue.path}/purge", body).json
            count, after = count + got["count"], got["after"]
            pushed.append(f"n{len(pushed)}")
            client.queue(queue.name).push(pushed[-1])
            if after is None:
                break
    left = queue.ids("todo", limit=1000)
    taken = taker.end()
    assert not [i for i in left if i.endswith("3") and i.startswith("t")]
    rest = set(queue.ids("todo", limit=1000))
    assert len(set(taken)) == len(taken)
    assert rest | set(taken) >= {i for i in ids if not i.endswith("3")} | set(pushed)
    assert count == 2000 - len([i for i in taken if i in ids and i.endswith("3")])


def test_the_trail_tells_the_filter(queue, client):
    fail_all(queue, {"a": "x"}, retry=False)
    body = {"state": "dead", "error_match": "X", "older_s": 0.5, "match": "*", "limit": 3}
    queue.post("purge", body)
    entry = client.get_json("/v1/audit", limit=1)["entries"][0]["entry"]
    assert '"error_match":"X"' in entry and '"older_s":0.5' in entry
    assert '"action":"tasks.purge"' in entry and '"match":"*"' in entry


# -- deep in a list -------------------------------------------------------------


def holes(redis, name, key):
    """How many there are in the list, and what is said of that."""
    said = redis.do("HGET", f"sched:{{{name}}}:meta", f"holes:{key}")
    there = redis.do("LRANGE", f"sched:{{{name}}}:{key}", 0, -1).count(b"")
    return there, int(said or 0)


@pytest.fixture(name="pair")
def _pair(place):
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        yield redis, client
        assert b"schedd_store_repairs_total 0\n" in client.get("/metrics").body
        assert schedd.find_log("store.amiss") is None


def ranges(redis):
    """How often a list was read so far."""
    text = redis.do("INFO", "commandstats").decode()
    return int(re.search(r"cmdstat_lrange:calls=(\d+)", text)[1])


def push_all(queue, ids):
    """Pushes that many."""
    for first in range(0, len(ids), 1000):
        queue.push_many(ids[first : first + 1000])


def test_holes_in_todo(pair):
    """What is purged deep in a lane leaves holes, which nobody sees."""
    redis, client = pair
    queue = client.queue("q")
    ids = [f"t{i:05}" for i in range(25_000)]
    push_all(queue, ids)
    assert queue.purge(state="todo", match="t*[13579]") == 12_500
    there, said = holes(redis, "q", "todo:normal")
    assert there == said > 2000
    left = [i for i in ids if i[-1] in "02468"]
    assert queue.counts() == {"todo": 12_500}
    assert queue.info()["oldest_todo_s"] < 60
    assert queue.purge(state="todo", match="*", dry_run=True) == 12_500
    assert walk(queue, "purge", state="todo", match="t*", dry_run=True)[:2] == (12_500, 12_500)
    assert queue.ids("todo", limit=1000) == left
    assert queue.ids("todo", limit=1000, match="*8") == left[4::5]
    assert queue.push_many(["t00001", "new"])["queued"] == 2
    assert queue.purge(state="todo", match="t1*") == 5000
    left = [i for i in left if i[1] != "1"] + ["t00001", "new"]
    assert queue.counts() == {"todo": len(left)}
    got = []
    while more := queue.take_ids(count=1000):
        got += more
    assert got == left and queue.counts() == {"doing": len(left)}
    assert holes(redis, "q", "todo:normal") == (0, 0)


def test_a_take_goes_past_many_holes(pair):
    """Also where there are more than one call goes through, and for one that
    waits."""
    redis, client = pair
    queue = client.queue("q")
    ids = [f"t{i:05}" for i in range(40_000)]
    push_all(queue, ids)
    assert queue.purge(state="todo", match="t[012]*") == 30_000
    assert holes(redis, "q", "todo:normal") == (30_000, 30_000)
    assert queue.counts() == {"todo": 10_000}
    before = ranges(redis)
    assert queue.take_ids(count=1) == ["t30000"]
    assert ranges(redis) - before < 1000
    assert queue.take_ids(count=1) == ["t30001"]
    assert holes(redis, "q", "todo:normal") == (0, 0)
    push_all(queue, [f"u{i:05}" for i in range(12_000)])
    assert queue.purge(state="todo", match="[t]*") == 9998
    assert queue.take_ids(count=1, wait_s=1) == ["u00000"]
    assert queue.counts() == {"todo": 11_999, "doing": 3}


def test_holes_in_finish(pair):
    """They do not count as finished ones, and go when those in front do."""
    redis, client = pair
    queue = client.queue("q")
    ids = [f"t{i:05}" for i in range(24_000)]
    for first in range(0, len(ids), 1000):
        queue.push_many(ids[first : first + 1000])
        worker = f"w{first // 1000 % 2}"
        queue.report(worker, finished=queue.take_ids(worker, count=1000))
    assert walk(queue, "purge", state="finish", worker="w0")[0] == 12_000
    there, said = holes(redis, "q", "finish")
    assert there == said > 1000
    assert queue.counts() == {"finish": 12_000}
    queue.patch(finish_keep=7000)
    wait_until(lambda: queue.counts() == {"finish": 7000}, what="the trim")
    there, said = holes(redis, "q", "finish")
    assert there == said
    kept = queue.ids("finish", limit=1000)
    assert kept == [i for i in ids if int(i[1:]) // 1000 % 2][-7000:]
    queue.patch(max_tasks=10)
    assert queue.push_many([f"n{i}" for i in range(12)])["queued"] == 10
    queue.patch(finish_keep=0)
    wait_until(lambda: queue.counts() == {"todo": 10}, what="the rest")
    assert holes(redis, "q", "finish") == (0, 0)


def test_holes_that_are_miscounted(place):
    """An accident: the task check counts them anew, and finds nothing else."""
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        queue = client.queue("q")
        queue.push_many([f"t{i:02}" for i in range(20)])
        redis.do("LSET", "sched:{q}:todo:normal", 7, "")
        redis.do("HDEL", "sched:{q}:task", "t07")
        for said in (None, 9):
            if said is not None:
                redis.do("HSET", "sched:{q}:meta", "holes:todo:normal", said)
            wait_until(lambda: holes(redis, "q", "todo:normal") == (1, 1), 20, "it")
            wait_until(lambda: queue.counts() == {"todo": 19}, what="the counts")
        assert queue.take_ids() == [f"t{i:02}" for i in range(20) if i != 7]
        assert holes(redis, "q", "todo:normal") == (0, 0)
