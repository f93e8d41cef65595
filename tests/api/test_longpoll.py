"""Takes that wait: woken by pushes and by the janitor, and clients that go."""

import json
import resource
import selectors
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from client import Client, Raw
from server import wait_until

CROWD = 2000
SETTINGS = {"http": {"max_connections": 4000}, "limits": {"max_waiting": 3000}}


class Waiter(threading.Thread):
    """A take with wait_s on a connection of its own."""

    def __init__(self, schedd, queue, worker="w", wait_s=30, **more):
        super().__init__(daemon=True)
        self.client = schedd.client()
        self.queue = self.client.queue(queue.name)
        self.body = {"worker": worker, "wait_s": wait_s, **more}
        self.answer = None
        self.start()

    def run(self):
        self.answer = self.queue.post("take", self.body)
        self.client.close()

    def result(self):
        """Its answer, when it has come."""
        self.join(60)
        assert self.answer is not None and self.answer.status == 200, self.answer
        return self.answer.json

    def ids(self):
        """The ids it got."""
        return [t["id"] for t in self.result()["tasks"]]


@pytest.fixture(autouse=True)
def _made(queue):
    queue.make()


def wait_waiting(queue, count):
    """Until so many takes wait."""
    wait_until(
        lambda: queue.info()["waiting_takes"] == count, 30, f"{count} waiting"
    )


def take_bytes(queue, **body):
    """A take as bytes, for a bare socket."""
    text = json.dumps({"worker": "w", "wait_s": 60, **body})
    return (
        f"POST {queue.path}/take HTTP/1.1\r\nHost: x\r\n"
        f"Content-Length: {len(text)}\r\n\r\n{text}"
    ).encode()


# -- what wakes -------------------------------------------------------------


def test_wait_ends_empty(queue):
    began = time.monotonic()
    assert queue.take_all(wait_s=1) == {"tasks": []}
    assert 0.9 <= time.monotonic() - began < 5


def test_fractions_of_a_second(queue):
    began = time.monotonic()
    assert queue.take_all(wait_s=0.2) == {"tasks": []}
    assert time.monotonic() - began < 3


def test_no_wait_when_there_is_work(queue):
    queue.push("a")
    began = time.monotonic()
    assert queue.take_ids(wait_s=30) == ["a"]
    assert time.monotonic() - began < 5


def test_push_wakes(schedd, queue):
    waiter = Waiter(schedd, queue)
    wait_waiting(queue, 1)
    began = time.monotonic()
    queue.push("a", "b")
    assert waiter.ids() == ["a", "b"]
    assert time.monotonic() - began < 5
    assert queue.counts() == {"doing": 2}
    assert queue.info()["waiting_takes"] == 0


def test_first_come_first_served(schedd, queue):
    waiters = []
    for i in range(5):
        waiters.append(Waiter(schedd, queue, f"w{i}", count=1))
        wait_waiting(queue, i + 1)
    for i in range(5):
        queue.push(f"t{i}")
        assert waiters[i].ids() == [f"t{i}"]
        wait_waiting(queue, 4 - i)


def test_one_push_serves_as_many_as_it_can(schedd, queue):
    waiters = []
    for i in range(4):
        waiters.append(Waiter(schedd, queue, f"w{i}", count=2))
        wait_waiting(queue, i + 1)
    queue.push("a", "b", "c")
    assert waiters[0].ids() == ["a", "b"]
    assert waiters[1].ids() == ["c"]
    wait_waiting(queue, 2)
    queue.push("d", "e", "f", "g", "h")
    assert waiters[2].ids() == ["d", "e"]
    assert waiters[3].ids() == ["f", "g"]
    assert queue.ids("todo") == ["h"]


def test_queues_do_not_wake_each_other(schedd, client, queue):
    other = client.queue(queue.name + "-other")
    other.make()
    waiter = Waiter(schedd, queue)
    wait_waiting(queue, 1)
    other.push("a")
    assert queue.info()["waiting_takes"] == 1
    assert other.take_ids() == ["a"]
    queue.push("b")
    assert waiter.ids() == ["b"]


def test_wait_on_a_queue_that_nobody_made_yet(schedd, client, queue):
    fresh = client.queue(queue.name + "-fresh")
    waiter = Waiter(schedd, fresh)
    page = lambda: client.get_json("/v1/stats")
    wait_until(lambda: page()["waiting_takes"] == 1, what="a waiting take")
    fresh.push("a")
    assert waiter.ids() == ["a"]


def test_janitor_wakes_with_a_delayed_task(schedd, queue):
    queue.push({"id": "d", "payload": 1, "delay_s": 1000})
    waiter = Waiter(schedd, queue)
    wait_waiting(queue, 1)
    schedd.move_clock(1001)
    assert waiter.ids() == ["d"]


def test_janitor_wakes_with_a_retry(schedd, queue):
    queue.patch(retry_base_s=100)
    queue.push("a")
    queue.take()
    queue.fail("a")
    waiter = Waiter(schedd, queue)
    wait_waiting(queue, 1)
    schedd.move_clock(120)
    assert waiter.ids() == ["a"]


def test_janitor_wakes_with_a_lease_that_is_over(schedd, queue):
    queue.push("a")
    queue.take(lease_s=100)
    waiter = Waiter(schedd, queue, "w2")
    wait_waiting(queue, 1)
    schedd.move_clock(101)
    assert waiter.ids() == ["a"]
    assert waiter.result()["tasks"][0]["attempt"] == 2


def test_operator_retry_wakes(schedd, queue):
    queue.push("a")
    queue.take()
    queue.fail("a", retry=False)
    waiter = Waiter(schedd, queue)
    wait_waiting(queue, 1)
    queue.retry(state="dead", match="*")
    assert waiter.ids() == ["a"]


def test_resume_wakes(schedd, queue):
    queue.patch(paused=True)
    queue.push("a")
    assert queue.take_all(wait_s=0) == {"tasks": [], "paused": True}
    waiter = Waiter(schedd, queue)

    def waits_or_answered():
        return waiter.answer or queue.info()["waiting_takes"] == 1

    wait_until(waits_or_answered)
    queue.patch(paused=False)
    if waiter.ids() == []:
        assert waiter.result()["paused"] is True
        assert queue.take_ids() == ["a"]


def test_removed_worker_wakes_others(schedd, client, queue):
    queue.push("a")
    queue.take("lost")
    waiter = Waiter(schedd, queue)
    wait_waiting(queue, 1)
    assert client.call("DELETE", "/v1/workers/lost").status == 200
    assert waiter.ids() == ["a"]


def test_report_with_a_waiting_take(schedd, queue):
    queue.push("a")
    queue.take()
    waiter = Waiter(schedd, queue, "w1", finished=["a"])
    wait_until(lambda: queue.counts() == {"finish": 1}, what="the report")
    queue.push("b")
    assert waiter.ids() == ["b"]
    assert waiter.result()["report"]["finished"] == 1


def test_request_id_with_a_waiting_take(schedd, queue):
    waiter = Waiter(schedd, queue, request_id="r")
    wait_waiting(queue, 1)
    queue.push("a")
    assert waiter.ids() == ["a"]
    assert queue.take_ids("w", request_id="r") == ["a"]


# -- who leaves -------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_a_client_that_leaves_gets_nothing(schedd, queue, how):
    with Raw(schedd.addr) as raw:
        raw.send(take_bytes(queue))
        wait_waiting(queue, 1)
        if how == "half":
            raw.half_close()
        else:
            if how == "reset":
                linger = b"\1\0\0\0\0\0\0\0"
                raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            raw.sock.close()
        wait_waiting(queue, 0)
    queue.push("a")
    assert queue.counts() == {"todo": 1}
    task = queue.take("other")[0]
    assert task["id"] == "a" and task["attempt"] == 1


def test_leaving_at_the_moment_of_the_push(schedd, queue):
    """Whoever is faster: the task is there for the next one, at its first
    attempt, save where the answer was written to a socket still open."""
    kept = 0
    for i in range(60):
        raw = Raw(schedd.addr)
        raw.send(take_bytes(queue, worker="leaves"))
        if i % 3:
            wait_waiting(queue, 1)
        raw.sock.close()
        queue.push(f"t{i}")
        wait_waiting(queue, 0)

        def settled():
            return queue.info()["counts"]["todo"] or queue.state(f"t{i}") == "doing"

        wait_until(settled, what=f"t{i}")
        tasks = queue.take("other")
        kept += not tasks
        assert [(t["id"], t["attempt"]) for t in tasks] in ([], [(f"t{i}", 1)])
        assert queue.ids("todo") == []
    assert kept <= 6, f"{kept} of 60 were leased to clients that had left"


def test_the_next_one_is_served_when_the_first_leaves(schedd, queue):
    raw = Raw(schedd.addr)
    raw.send(take_bytes(queue, worker="leaves"))
    wait_waiting(queue, 1)
    stays = Waiter(schedd, queue, "stays")
    wait_waiting(queue, 2)
    raw.sock.close()
    wait_waiting(queue, 1)
    queue.push("a")
    assert stays.ids() == ["a"]


def test_bytes_behind_a_waiting_take_do_no_harm(schedd, queue):
    """A pipelined byte during the wait is kept, not read as a leaving."""
    with Raw(schedd.addr) as raw:
        raw.send(take_bytes(queue) + b"G")
        wait_waiting(queue, 1)
        raw.send(b"ET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        queue.push("a")
        assert [t["id"] for t in raw.receive().json["tasks"]] == ["a"]
        assert raw.receive().status == 200


# -- the limit, the crowd ---------------------------------------------------


def test_wait_limit(place):
    schedd = place.schedd({"limits": {"max_waiting": 3}})
    with schedd.client() as client, ExitStack() as stack:
        queue = client.queue("q")
        queue.make()
        for _ in range(3):
            raw = stack.enter_context(Raw(schedd.addr))
            raw.send(take_bytes(queue))
        wait_waiting(queue, 3)
        got = queue.post("take", {"worker": "w", "wait_s": 5})
        got.refused(503, "TOO_MANY_WAITING")
        assert int(got.headers["Retry-After"]) >= 1
        assert queue.take_ids() == []
        queue.push("a")
        wait_waiting(queue, 2)
        again = Waiter(schedd, queue, wait_s=0.3)
        assert again.ids() == []


@pytest.fixture(name="crowd")
def _crowd(schedd, queue):
    """CROWD connections, each with a take that waits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CROWD + 500:
        pytest.skip(f"only {hard} file descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    socks = []
    for i in range(CROWD):
        raw = Raw(schedd.addr)
        raw.send(take_bytes(queue, worker=f"w{i}", count=1))
        socks.append(raw)
    wait_waiting(queue, CROWD)
    yield socks
    for raw in socks:
        raw.sock.close()
    wait_waiting(queue, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def readable(socks, limit, count):
    """The connections that have something to read, when count of them have
    or the limit is over."""
    found = []
    with selectors.DefaultSelector() as selector:
        for raw in socks:
            selector.register(raw.sock, selectors.EVENT_READ, raw)
        end = time.monotonic() + limit
        while len(found) < count and time.monotonic() < end:
            for key, _ in selector.select(end - time.monotonic()):
                found.append(key.data)
                selector.unregister(key.fileobj)
    return found


def test_two_thousand_waiting_takes(schedd, queue, crowd):
    """One push wakes one, and the others cost nothing meanwhile."""
    before = schedd.cpu_s()
    began = time.monotonic()
    assert readable(crowd, 1.0, 1) == []
    share = (schedd.cpu_s() - before) / (time.monotonic() - began)
    assert share < 0.25, f"{share:.0%} of a processor for takes that wait"

    queue.push("one")
    woken = readable(crowd, 20, 1)
    assert len(woken) == 1
    assert [t["id"] for t in woken[0].receive().json["tasks"]] == ["one"]
    left = [raw for raw in crowd if raw is not woken[0]]
    assert readable(left, 0.3, 1) == []
    assert queue.info()["waiting_takes"] == CROWD - 1

    queue.push_many([f"t{i}" for i in range(1000)])
    woken = readable(left, 30, 1000)
    got = [raw.receive().json["tasks"][0]["id"] for raw in woken]
    assert sorted(got) == sorted(f"t{i}" for i in range(1000))
    assert queue.info()["waiting_takes"] == CROWD - 1001
    assert queue.counts() == {"doing": 1001}


def test_drain_leaves_waiting_takes_empty(place):
    schedd = place.schedd()
    with Client(schedd.addr) as client:
        queue = client.queue("q")
        queue.make()
        waiters = [Waiter(schedd, queue, f"w{i}") for i in range(20)]
        wait_waiting(queue, 20)
    schedd.stop()
    assert [w.ids() for w in waiters] == [[]] * 20
