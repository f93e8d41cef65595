"""What is said of a queue beyond its counts: who works in it and when, how
fast, what holds it up, and where its policy comes from."""

import pytest

from server import wait_until
from times import to_ms


def reasons(info):
    """The words of held_up."""
    for entry in info["held_up"]:
        assert set(entry) == {"reason", "text"} and entry["text"]
    return [entry["reason"] for entry in info["held_up"]]


def listed(queue):
    """What the list of all queues says of it."""
    for one in queue.client.get_json("/v1/queues")["queues"]:
        if one["name"] == queue.name:
            return one
    return None


def test_workers(queue):
    queue.push("a", "b", "c", "d")
    assert queue.info()["workers"] == 0
    queue.take("w1", count=2)
    queue.take("w2", count=1)
    assert queue.info()["workers"] == 2
    queue.finish("a", worker="w1")
    assert queue.info()["workers"] == 2
    queue.finish("b", worker="w1")
    assert queue.info()["workers"] == 1
    assert wait_until(lambda: (q := listed(queue)) and q["workers"] == 1, what="the list")


def test_last_push_and_take(queue, schedd):
    queue.make()
    info = queue.info()
    assert info["last_push_at"] is None and info["last_take_at"] is None
    queue.push("a")
    pushed = queue.info()["last_push_at"]
    assert abs(to_ms(pushed) - schedd.now_ms()) < 30_000
    assert queue.info()["last_take_at"] is None
    assert queue.push("a")["exists"] == 1
    queue.take()
    taken = queue.info()["last_take_at"]
    assert to_ms(taken) >= to_ms(pushed)
    queue.take()  # nothing
    assert abs(to_ms(queue.info()["last_take_at"]) - to_ms(taken)) <= 2
    assert abs(to_ms(queue.info()["last_push_at"]) - to_ms(pushed)) <= 2


def test_rates(queue):
    queue.push_many([f"t{i}" for i in range(90)])
    ids = queue.take_ids(count=60)
    queue.report(failed=ids[:20], finished=ids[20:])
    wanted = {"pushed": 90, "taken": 60, "finished": 40, "failed": 20}

    def counted():
        info = queue.info()
        return info if info["rates"]["failed"] > 0 else None

    info = wait_until(counted, what="the rates")
    assert info["rates"] == {k: round(v / 60, 3) for k, v in wanted.items()}
    for name, least, most in (("rates_5m", 300, 330), ("rates_15m", 900, 930)):
        assert set(info[name]) == set(wanted)
        for key, n in wanted.items():
            assert n / most - 0.001 <= info[name][key] <= n / least + 0.001
    assert wait_until(lambda: listed(queue), what="the list")["rates"]
    assert not {"rates_5m", "rates_15m", "policy_from"} & set(listed(queue))


# -- what holds it up ----------------------------------------------------------


def test_nothing(queue):
    queue.make()
    assert queue.info()["held_up"] == []
    queue.push("a")
    assert queue.info()["held_up"] == []
    queue.take()
    assert queue.info()["held_up"] == []
    queue.finish("a")
    assert queue.info()["held_up"] == []


def test_paused(queue):
    queue.push("a")
    queue.patch(paused=True)
    assert queue.info()["held_up"] == [{"reason": "paused", "text": "paused"}]
    assert wait_until(lambda: (q := listed(queue)) and reasons(q), what="it") == ["paused"]
    queue.patch(paused=False)
    assert queue.info()["held_up"] == []


def test_full(queue):
    queue.patch(max_tasks=2)
    queue.push("a", "b")
    text = "full: 2 of 2, pushes are refused"
    assert queue.info()["held_up"] == [{"reason": "full", "text": text}]
    queue.take(count=1)
    assert reasons(queue.info()) == ["full"]
    queue.finish("a")
    assert queue.info()["held_up"] == []


def test_retry_wait_and_delayed(queue):
    queue.patch(retry_base_s=3600, retry_max_s=3600)
    queue.push("a", "b")
    queue.take()
    queue.fail("a")
    assert queue.info()["held_up"] == []  # b is in work
    queue.fail("b")
    queue.push({"id": "d", "payload": 1, "delay_s": 10_000})
    info = queue.info()
    assert reasons(info) == ["retry_wait", "delayed"]
    retry, delayed = (entry["text"] for entry in info["held_up"])
    assert retry.startswith("2 tasks wait for a retry, the first is due in ")
    assert retry.endswith(" m 0 s") or " m " in retry or " h " in retry
    assert delayed.startswith("1 task is delayed, the first is due in 2 h 4")
    queue.push("e")
    assert queue.info()["held_up"] == []


def test_no_worker(queue, schedd):
    """Nobody takes what waits: for as long as it has waited."""
    queue.push("a", "b", "c")
    queue.take("w1", count=1)
    schedd.move_clock(7205)
    # Its clock is not moved: it says how long nobody took since then.
    assert queue.info()["held_up"] == []
    wait_until(lambda: queue.info()["held_up"], 30, "no_worker")
    info = queue.info()
    assert reasons(info) == ["no_worker"]
    text = info["held_up"][0]["text"]
    assert text.startswith("no worker has taken for 1"), text
    assert text.endswith(" s; 1 worker holds 1 task"), text
    assert wait_until(lambda: (q := listed(queue)) and reasons(q), what="it")
    queue.take("w1", count=1)
    assert queue.info()["held_up"] == []


def test_no_worker_that_another_schedd_serves(place):
    """Takes at another schedd count."""
    redis = place.redis()
    first, other = place.schedd(redis.settings()), place.schedd(redis.settings())
    with first.client() as client, other.client() as there:
        queue = client.queue("q")
        queue.push_many([f"t{i}" for i in range(1000)])
        began = first.now_ms()

        def is_late():
            assert there.queue("q").take("w2", count=1)
            assert reasons(queue.info()) == []
            return first.now_ms() - began > 12_000

        wait_until(is_late, 30, "more than 10 s")


@pytest.mark.log_errors("queue.broken")
def test_broken(place):
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        queue = client.queue("q")
        queue.push("a")
        wait_until(lambda: listed(queue)["counts"]["todo"], what="the tick")
        redis.do("SET", "sched:{q}:doing", "x")
        wait_until(lambda: reasons(listed(queue)) == ["broken"], what="broken")


def test_store_away(place):
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        queue = client.queue("q")
        queue.push("a")
        redis.stop()
        wait_until(lambda: "store" in reasons(listed(queue)), what="store")


# -- the policy ---------------------------------------------------------------


def test_policy_from(place):
    settings = {
        "queue": {"max_attempts": "5"},
        'queue "set"': {"lease": "10m", "finish_keep": "7"},
    }
    schedd = place.schedd(settings, args=["--queue.set.dead_keep=9"])
    with schedd.client() as client:
        queue = client.queue("set")
        queue.patch(max_tasks=10, finish_keep=8)
        info = queue.info()
        assert set(info["policy_from"]) == set(info["policy"])
        said = {k: v for k, v in info["policy_from"].items() if v != "default"}
        assert said == {
            "max_attempts": "file",
            "lease_s": "file",
            "dead_keep": "file",
            "max_tasks": "http",
            "finish_keep": "http",
        }
        queue.patch(finish_keep=None)
        assert queue.info()["policy_from"]["finish_keep"] == "file"
        other = client.queue("other")
        other.make()
        said = other.info()["policy_from"]
        assert said.pop("max_attempts") == "file" and set(said.values()) == {"default"}
