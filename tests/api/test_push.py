"""Pushing: answers, ids, lanes, times, replace, limits, payloads."""

import json
import re
import threading

import pytest

from times import from_ms, to_ms


def statuses(answer):
    """[(id, status, state)] of a push."""
    return [(t["id"], t["status"], t.get("state")) for t in answer["tasks"]]


# -- answers ----------------------------------------------------------------


def test_one_task(queue):
    got = queue.post("tasks", {"id": "a", "payload": {"n": 1}})
    assert got.status == 201
    assert got.json == {
        "queued": 1,
        "exists": 0,
        "refused": 0,
        "tasks": [{"id": "a", "status": "queued"}],
    }
    assert queue.counts() == {"todo": 1}


def test_again_changes_nothing(queue):
    queue.push({"id": "a", "payload": 1})
    got = queue.post("tasks", {"id": "a", "payload": 2, "priority": "high"})
    assert got.status == 200
    assert got.json["exists"] == 1 and got.json["queued"] == 0
    assert statuses(got.json) == [("a", "exists", "todo")]
    assert [t["payload"] for t in queue.take()] == [1]


def test_exists_names_the_state(queue):
    queue.patch(max_attempts=2)
    for i in ("done", "fails", "dies", "held"):
        queue.push(i)
        assert queue.take_ids(count=1) == [i]
    queue.finish("done")
    queue.fail("fails")
    queue.fail("dies", retry=False)
    queue.push("waits")
    queue.push({"id": "later", "payload": 1, "delay_s": 1000})
    names = ["waits", "later", "held", "fails", "done", "dies", "new"]
    got = queue.push_many(names)
    assert statuses(got) == [
        ("waits", "exists", "todo"),
        ("later", "exists", "delayed"),
        ("held", "exists", "doing"),
        ("fails", "exists", "failed"),
        ("done", "exists", "finish"),
        ("dies", "exists", "dead"),
        ("new", "queued", None),
    ]
    assert (got["queued"], got["exists"], got["refused"]) == (1, 6, 0)


def test_twice_in_one_batch(queue):
    got = queue.push(
        {"id": "a", "payload": 1},
        {"id": "a", "payload": 2},
        {"id": "d", "payload": 1, "delay_s": 99},
        {"id": "d", "payload": 2},
    )
    assert statuses(got) == [
        ("a", "queued", None),
        ("a", "exists", "todo"),
        ("d", "queued", None),
        ("d", "exists", "delayed"),
    ]
    assert queue.task("a")["payload"] == 1
    assert queue.task("d")["payload"] == 1


def test_a_batch_of_one_is_a_batch(queue):
    assert queue.push_many(["only"])["queued"] == 1


def test_a_thousand(queue):
    got = queue.push_many([f"t{i}" for i in range(1000)])
    assert got["queued"] == 1000
    assert [t["id"] for t in got["tasks"]] == [f"t{i}" for i in range(1000)]
    assert queue.take_ids(count=1000) == [f"t{i}" for i in range(1000)]


def test_1001_are_too_many(queue):
    tasks = [{"payload": i} for i in range(1001)]
    queue.post("tasks", {"tasks": tasks}).refused(413, "TOO_MANY_ITEMS", "tasks")
    assert queue.client.get(queue.path).status == 404


# -- ids --------------------------------------------------------------------


def test_made_ids_differ_and_sort_by_time(queue):
    ids = []
    for _ in range(20):
        ids += [t["id"] for t in queue.push({"payload": 1})["tasks"]]
        tasks = [{"payload": i} for i in range(3)]
        ids += [t["id"] for t in queue.push(*tasks)["tasks"]]
    assert len(set(ids)) == 80
    assert ids == sorted(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{8,64}", i) for i in ids)
    assert queue.take_ids() == ids


def test_every_printable_character_in_an_id(queue):
    ids = ["".join(chr(c) for c in range(33, 127)), "x" * 255, '"', "\\", "{q}"]
    ids += ["ht" + "tp://a.example/b?c=d&e=%20#f", "..", ".", "a//b", "-", "*"]
    assert queue.push_many(ids)["queued"] == len(ids)
    for i in ids:
        assert queue.task(i)["id"] == i
    assert queue.take_ids() == ids
    queue.finish(*ids)
    assert sorted(queue.ids("finish")) == sorted(ids)


def test_escapes_in_an_id_are_decoded(queue):
    queue.client.post(f"{queue.path}/tasks", rb'{"id":"\u0061\/b","payload":1}')
    assert queue.take_ids() == ["a/b"]


# -- payloads ---------------------------------------------------------------

PAYLOADS = [
    "null",
    "true",
    "0",
    "-0",
    "-1.50e+10",
    "12345678901234567890",
    "9007199254740993",
    "1e400",
    '""',
    '"\\u0000"',
    '"\\ud83d\\ude00 \\/ \\" \\\\ \\n"',
    '"grüße 😀"',
    "[]",
    "{}",
    "[ ]",
    "[[],{},[{}]]",
    '{"b":1,"a":2,"b":3}',
    '{ "z" : [ 1 , 2 ] ,\t"y" : { "x" : null } }',
    "[" * 60 + "]" * 60,
    '{"tasks":[{"id":"inner","payload":1}]}',
    '{"lease_until":"x","attempt":7,"id":"y"}',
]


def test_payloads_come_back_byte_for_byte(queue):
    for i, text in enumerate(PAYLOADS):
        body = f'{{"id":"p{i}","payload":{text}}}'.encode()
        assert queue.client.post(f"{queue.path}/tasks", body).status == 201
    for i, text in enumerate(PAYLOADS):
        got = queue.client.get(f"{queue.path}/tasks/p{i}")
        assert f'"payload":{text}'.encode() in got.body, got
        got = queue.post("take", {"worker": "w", "count": 1})
        head = f'{{"tasks":[{{"id":"p{i}","payload":{text},"attempt":1,'
        assert got.body.startswith(head.encode()), got


def test_payloads_come_back_from_a_batch(queue):
    items = ",".join(
        f'{{ "payload" : {text} , "id":"p{i}" }}' for i, text in enumerate(PAYLOADS)
    )
    body = f'{{"tasks":[{items}]}}'.encode()
    assert queue.client.post(f"{queue.path}/tasks", body).status == 201
    got = queue.post("take", {"worker": "w"})
    for text in PAYLOADS:
        assert f'"payload":{text},"attempt"'.encode() in got.body


def test_payload_named_tasks_is_one_task(queue):
    body = b'{"id":"one","payload":{"tasks":[]}}'
    assert queue.client.post(f"{queue.path}/tasks", body).json["queued"] == 1
    assert queue.take()[0]["payload"] == {"tasks": []}


# -- lanes ------------------------------------------------------------------


def test_lanes(queue):
    lanes = ["low", "normal", "high"]
    for i in range(9):
        lane = lanes[i % 3]
        queue.push({"id": f"{lane}{i}", "payload": i, "priority": lane})
    queue.push({"id": "plain", "payload": 0})
    expected = ["high2", "high5", "high8", "normal1", "normal4", "normal7", "plain"]
    expected += ["low0", "low3", "low6"]
    assert queue.ids("todo") == expected
    got = [queue.take_ids(count=1)[0] for _ in range(4)]
    assert got + queue.take_ids() == expected


# -- times ------------------------------------------------------------------


def test_delay_and_run_at(schedd, queue):
    now = schedd.now_ms()
    queue.push(
        {"id": "c", "payload": 1, "run_at": from_ms(now + 300_000)},
        {"id": "a", "payload": 1, "delay_s": 100},
        {"id": "b", "payload": 1, "run_at": (now + 200_000) / 1000},
        {"id": "now", "payload": 1, "delay_s": 0},
        {"id": "past", "payload": 1, "run_at": from_ms(now - 1000)},
    )
    assert queue.counts() == {"todo": 2, "delayed": 3}
    assert queue.ids("delayed") == ["a", "b", "c"]
    due = [to_ms(queue.task(i)["due_at"]) for i in "abc"]
    for at, wanted in zip(due, (100, 200, 300)):
        assert abs(at - now - wanted * 1000) < 3000
    assert due[2] == now + 300_000
    assert queue.take_ids() == ["now", "past"]


def test_run_at_with_an_offset(schedd, queue):
    now = schedd.now_ms() // 1000 * 1000
    text = from_ms(now + 7_300_000)[:-5] + "+02:00"
    queue.push({"id": "a", "payload": 1, "run_at": text})
    assert to_ms(queue.task("a")["due_at"]) == now + 100_000


def test_beyond_reason(queue):
    for body in (
        {"run_at": "1999-01-01T00:00:00Z"},
        {"run_at": 0},
        {"run_at": -1},
        {"run_at": "2199-01-01T00:00:00Z"},
        {"delay_s": 400_000_000},
    ):
        field = next(iter(body))
        got = queue.post("tasks", {"id": "a", "payload": 1, **body})
        got.refused(400, "RUN_AT_BAD", field)
    got = queue.post("tasks", {"payload": 1, "run_at": 9e9, "delay_s": 1})
    got.refused(400, "RUN_AT_BAD", "run_at")
    got = queue.post("tasks", {"payload": 1, "delay_s": 1, "run_at": 9e9})
    assert got.status == 400


def test_both_times_exclude_each_other(schedd, queue):
    at = from_ms(schedd.now_ms() + 1000)
    got = queue.post("tasks", {"payload": 1, "delay_s": 1, "run_at": at})
    got.refused(400, "FIELD_CONFLICT", "delay_s")


# -- replace ----------------------------------------------------------------


def test_replace_revives_finished_and_dead(queue):
    queue.push("f", "d")
    queue.take()
    queue.finish("f")
    queue.fail("d", retry=False)
    got = queue.push(
        {"id": "f", "payload": "new f", "replace": True},
        {"id": "d", "payload": "new d", "replace": True},
    )
    assert got["queued"] == 2
    assert queue.counts() == {"todo": 2}
    for task in queue.take():
        assert task["payload"] == "new " + task["id"]
        assert task["attempt"] == 1
    for i in "fd":
        task = queue.task(i)
        assert task["error"] is None and task["result"] is None


def test_replace_of_many_finished(queue):
    """They leave the list of finished ones in one pass."""
    ids = [f"t{i:04}" for i in range(2000)]
    queue.push_many(ids[:1000])
    queue.push_many(ids[1000:])
    for _ in range(2):
        queue.finish(*queue.take_ids(count=1000))
    again = ids[::2][:900]
    tasks = [{"id": i, "payload": 2, "replace": True} for i in again]
    assert queue.push(*tasks)["queued"] == len(again)
    assert queue.counts() == {"todo": 900, "finish": 1100}
    assert queue.take_ids(count=1000) == again
    queue.finish(*again)
    assert queue.counts() == {"finish": 2000}


def test_replace_leaves_what_lives(queue):
    queue.push("held", "fails")
    queue.take()
    queue.fail("fails")
    queue.push("waits", {"id": "later", "payload": 1, "delay_s": 99})
    for i, state in (
        ("held", "doing"),
        ("fails", "failed"),
        ("waits", "todo"),
        ("later", "delayed"),
    ):
        got = queue.push({"id": i, "payload": "other", "replace": True})
        assert statuses(got) == [(i, "exists", state)]
        assert queue.task(i)["payload"] != "other"


def test_replace_of_a_new_one_is_a_push(queue):
    assert queue.push({"id": "a", "payload": 1, "replace": True})["queued"] == 1


def test_replace_twice_in_a_batch(queue):
    queue.push("a")
    queue.take()
    queue.finish("a")
    one = {"id": "a", "payload": 1, "replace": True}
    two = {"id": "a", "payload": 2, "replace": True}
    got = queue.push(one, two)
    assert statuses(got) == [("a", "queued", None), ("a", "exists", "todo")]
    assert [t["payload"] for t in queue.take()] == [1]


# -- limits -----------------------------------------------------------------


def test_queue_full(queue):
    queue.patch(max_tasks=3)
    got = queue.push("a", "b", "c", "d", "e")
    assert (got["queued"], got["refused"]) == (3, 2)
    assert [t["status"] for t in got["tasks"]] == ["queued"] * 3 + ["refused"] * 2
    error = got["tasks"][3]["error"]
    assert (error["code"], error["name"]) == (319, "QUEUE_FULL")
    got = queue.post("tasks", {"id": "f", "payload": 1})
    got.refused(429, "QUEUE_FULL", queue.name)
    assert int(got.headers["Retry-After"]) >= 1
    assert queue.post("tasks", {"tasks": [{"payload": 1}] * 2}).status == 429
    assert queue.push("a")["exists"] == 1


def test_a_full_queue_is_drained_and_has_room_again(queue):
    queue.patch(max_tasks=2)
    queue.push("a", "b")
    assert queue.take_ids() == ["a", "b"]
    assert queue.post("tasks", {"payload": 1}).status == 429
    queue.extend("w1", ["a", "b"])
    queue.finish("a")
    assert queue.push("c")["queued"] == 1
    queue.fail("b", retry=False)
    assert queue.push("d")["queued"] == 1
    assert queue.post("tasks", {"payload": 1}).status == 429
    assert queue.counts() == {"todo": 2, "finish": 1, "dead": 1}


def test_delayed_and_failed_ones_live(queue):
    queue.patch(max_tasks=2)
    queue.push("a", {"id": "b", "payload": 1, "delay_s": 100})
    queue.take()
    queue.fail("a")
    assert queue.post("tasks", {"payload": 1}).status == 429


def test_replace_needs_room(queue):
    queue.patch(max_tasks=1)
    queue.push("a")
    queue.take()
    queue.finish("a")
    queue.push("b")
    got = queue.post("tasks", {"id": "a", "payload": 1, "replace": True})
    assert queue.state("a") == "finish"
    assert got.status in (200, 429)


def test_payload_too_large(queue):
    queue.patch(max_payload=100)
    fits, over = "x" * 98, "x" * 99
    got = queue.push({"id": "a", "payload": fits}, {"id": "b", "payload": over})
    assert (got["queued"], got["refused"]) == (1, 1)
    assert got["tasks"][1]["error"]["name"] == "PAYLOAD_TOO_LARGE"
    got = queue.post("tasks", {"id": "c", "payload": over})
    got.refused(413, "PAYLOAD_TOO_LARGE", "payload")
    assert queue.counts() == {"todo": 1}


def test_default_payload_cap_is_64_kib(queue):
    cap = 64 * 1024
    assert queue.push({"id": "a", "payload": "x" * (cap - 2)})["queued"] == 1
    got = queue.post("tasks", {"id": "b", "payload": "x" * (cap - 1)})
    got.refused(413, "PAYLOAD_TOO_LARGE")
    assert queue.take()[0]["payload"] == "x" * (cap - 2)


def test_refused_push_leaves_nothing_behind(schedd, queue):
    """Not even half a command that the next push would go on with: its clock
    and limits would be of another time."""
    queue.patch(max_payload=10)
    got = queue.post("tasks", {"payload": "far too long"})
    got.refused(413, "PAYLOAD_TOO_LARGE")
    schedd.move_clock(5000)
    queue.push({"id": "a", "payload": 1, "delay_s": 100})
    assert abs(to_ms(queue.task("a")["due_at"]) - schedd.now_ms() - 100_000) < 5000


def test_two_reasons_are_told_one_by_one(queue):
    queue.patch(max_tasks=1, max_payload=10)
    queue.push({"id": "a", "payload": 1})
    got = queue.post(
        "tasks", {"tasks": [{"payload": 1}, {"payload": "far too long"}]}
    )
    assert got.status == 200
    names = [t["error"]["name"] for t in got.json["tasks"]]
    assert names == ["QUEUE_FULL", "PAYLOAD_TOO_LARGE"]


# -- many at once -----------------------------------------------------------


def in_threads(count, work):
    """Runs work(0..count-1) side by side; the first exception is raised."""
    errors = []

    def run(i):
        try:
            work(i)
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_the_same_ids_from_many_clients(schedd, queue):
    """Of pushes of one id at once, exactly one is queued."""
    ids = [f"x{i}" for i in range(200)]
    queued = []

    def work(n):
        with schedd.client() as client:
            got = client.queue(queue.name).push_many(ids[n:] + ids[:n])
            queued.extend(t["id"] for t in got["tasks"] if t["status"] == "queued")

    in_threads(8, work)
    assert sorted(queued) == sorted(ids)
    assert queue.counts() == {"todo": 200}


def test_single_pushes_at_once_get_their_own_answers(schedd, queue):
    """They are gathered into one script call; each is answered for itself."""
    queue.push("known")

    def work(n):
        with schedd.client() as client:
            mine = client.queue(queue.name)
            for i in range(20):
                got = mine.push(f"s{n}-{i}")
                assert statuses(got) == [(f"s{n}-{i}", "queued", None)]
                got = mine.push("known")
                assert statuses(got) == [("known", "exists", "todo")]
                body = {"id": f"big{n}", "payload": "x" * 66_000}
                mine.post("tasks", body).refused(413, "PAYLOAD_TOO_LARGE")

    in_threads(16, work)
    assert queue.counts() == {"todo": 321}
    seen = queue.ids("todo")
    for n in range(16):
        mine = [i for i in seen if i.startswith(f"s{n}-")]
        assert mine == [f"s{n}-{i}" for i in range(20)]


@pytest.mark.parametrize("count", [1, 2, 500])
def test_answers_are_json(queue, count):
    got = queue.push_many([f"j{i}" for i in range(count)])
    assert json.loads(json.dumps(got)) == got
