"""Request ids of takes: how long they are remembered, and how many."""

import pytest

from client import Raw
from server import wait_until

KEY = "sched:{q}:request"


@pytest.fixture(name="served")
def _served(place):
    """A schedd that may keep five, its Redis, and a queue; slices are small,
    so that a clean-up takes several."""
    redis = place.redis()
    schedd = place.schedd(
        {
            **redis.settings(),
            "janitor": {"interval": "50ms", "slice": 7},
            "limits": {"max_request_ids": 5},
            "queue": {"lease": "1d"},
        }
    )
    with schedd.client() as client:
        queue = client.queue("q")
        queue.make()
        yield schedd, redis, queue


def kept(redis):
    """How many are remembered; both keys must say the same."""
    fields, scores = redis.do("HLEN", KEY), redis.do("ZCARD", KEY + "s")
    return fields if fields == scores else -1


def dropped(queue):
    """How many went before their time."""
    for line in queue.client.get("/metrics").body.decode().splitlines():
        if line.startswith("schedd_request_ids_dropped_total "):
            return int(line.split()[-1])
    raise AssertionError("no such metric")


def test_reported_ones_go_after_a_minute(served):
    schedd, redis, queue = served
    queue.push("a", "b", "c")
    for name in "abc":
        assert queue.take_ids(count=1, request_id=f"r-{name}") == [name]
    queue.finish("a")
    queue.fail("b")
    queue.push("d")
    assert queue.take_ids(count=1, request_id="r-a") == []
    assert kept(redis) == 3
    schedd.move_clock(61)
    wait_until(lambda: kept(redis) == 1, what="two of three to be forgotten")
    assert queue.take_ids(count=1, request_id="r-c") == ["c"]
    assert dropped(queue) == 0


def test_held_ones_stay(served):
    """However long that is, and also when most of their tasks are reported."""
    schedd, redis, queue = served
    ids = [f"t{i}" for i in range(60)]
    queue.push_many(ids)
    for i in range(0, 60, 3):
        assert queue.take_ids(count=3, request_id=f"r{i}") == ids[i : i + 3]
    for i in range(0, 60, 3):
        queue.finish(ids[i], ids[i + 2])
    for step in (61, 61, 600, 3600, 40_000):
        mark = schedd.mark()
        schedd.move_clock(step)
        queue.push(f"x{step}")
        queue.take("other", request_id=f"x{step}")
        queue.finish(f"x{step}", worker="other")
        schedd.move_clock(61)
        wait_until(lambda: kept(redis) == 20, what="the others to be forgotten")
        assert schedd.find_log("janitor.failed", mark) is None
    for i in range(0, 60, 3):
        tasks = queue.take(count=3, request_id=f"r{i}")
        assert [(t["id"], t["attempt"]) for t in tasks] == [(ids[i + 1], 1)]
    assert dropped(queue) == 0
    queue.finish(*ids[1::3])
    schedd.move_clock(40_000)
    wait_until(lambda: kept(redis) == 0, what="all to be forgotten")


def test_those_of_lost_leases_go_with_them(served):
    schedd, redis, queue = served
    queue.push("a", "b")
    queue.take(count=1, lease_s=20, request_id="r1")
    queue.take(count=1, lease_s=300, request_id="r2")
    schedd.move_clock(21)
    wait_until(lambda: kept(redis) == 1, what="the first to be forgotten")
    schedd.move_clock(61)
    assert queue.take_ids(count=1, request_id="r2") == ["b"]
    schedd.move_clock(240)
    wait_until(lambda: kept(redis) == 0, what="the second to be forgotten")


def test_too_many_go_early(served):
    """But none whose tasks are held."""
    _, redis, queue = served
    ids = [f"t{i}" for i in range(100)]
    queue.push_many(ids)
    for i, name in enumerate(ids):
        assert queue.take_ids(count=1, request_id=f"r{i}") == [name]
    queue.finish(*ids[:80])
    wait_until(lambda: 20 <= kept(redis) <= 25, what="those too many to go")
    wait_until(lambda: dropped(queue) >= 75, what="the count")
    for i in range(80, 100):
        tasks = queue.take(count=1, request_id=f"r{i}")
        assert [(t["id"], t["attempt"]) for t in tasks] == [(ids[i], 1)]


def test_large_ones_go_in_several_steps(served):
    """5,000 tasks in 10 requests: one step looks at about 4,000."""
    schedd, redis, queue = served
    ids = [f"t{i}" for i in range(5000)]
    for first in range(0, 5000, 500):
        queue.push_many(ids[first : first + 500])
        got = queue.take_ids(count=500, request_id=f"r{first}")
        queue.finish(*got)
    assert kept(redis) > 0
    schedd.move_clock(61)
    wait_until(lambda: kept(redis) == 0, what="all to be forgotten")


def test_a_request_repeated_for_ever_grows_no_further(served):
    """And it is the workers' until the last of them leaves, or for good."""
    schedd, redis, queue = served
    queue.push("a")
    for _ in range(300):
        assert queue.take_ids(request_id="r") == ["a"]
    assert len(redis.do("HGET", KEY, "w1 r")) <= 255 + len("a")
    with Raw(schedd.addr) as raw:
        body = b'{"worker":"w1","request_id":"r"}'
        head = f"POST /v1/queues/q/take HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        raw.send(head.encode() + body)
    assert queue.take_ids(request_id="r") == ["a"]
    assert queue.state("a") == "doing"
