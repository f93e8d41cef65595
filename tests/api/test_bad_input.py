"""Bad input: each its own error, the field's name and what was expected;
nothing is changed, and the connection goes on."""

import json

import pytest

SETTINGS = {"http": {"max_body": "256KiB"}}


@pytest.fixture(name="known")
def _known(queue):
    """A queue with one task held by w1 and one that waits."""
    queue.push("held", "waits")
    assert queue.take_ids(count=1) == ["held"]
    return queue


def state(queue):
    """Everything that may not change."""
    info = queue.info()
    same = ("counts", "policy", "paused", "totals", "overridden")
    tasks = {s: queue.all(s) for s in ("todo", "doing", "finish", "dead", "failed")}
    return {k: info[k] for k in same}, tasks


def try_bad(queue, verb, body, status, name, *words):
    """Sends it; checks the answer, the state and the connection."""
    before = state(queue)
    sock = queue.client.conn.sock
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    got = queue.client.call("POST", f"{queue.path}/{verb}", raw)
    got.refused(status, name, *words)
    assert queue.client.conn.sock is sock, "the connection was closed"
    assert state(queue) == before
    assert queue.client.conn.sock is sock, "the connection was closed"
    return got


def test_every_answer_has_a_number_and_a_detail(known):
    got = try_bad(known, "tasks", {"payload": 1, "id": 5}, 400, "FIELD_TYPE", "id")
    assert got.error == {
        "code": 303,
        "name": "FIELD_TYPE",
        "text": "a field has the wrong type",
        "detail": "field 'id': expected a string",
    }


# -- no JSON ----------------------------------------------------------------


@pytest.mark.parametrize("verb", ["tasks", "take", "report", "extend", "purge"])
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"nonsense",
        b"{",
        b"}",
        b'{"id"}',
        b'{"id":}',
        b"{'id':1}",
        b'{"id":"a",}',
        b'{"id":"a"} {}',
        b'{"id":"a"}x',
        b"{id:1}",
        b'{"id":01}',
        b'{"id":1.}',
        b'{"id":NaN}',
        b'{"id":Infinity}',
        b'{"id":"\t"}',
        b'{"id":"\\x41"}',
        b'{"id":"\\ud800"}',
        b'{"id":"a\x00b"}',
        b"\x00",
        b"\xef\xbb\xbf{}",
        b'{"id":"a" /* why */}',
    ],
)
def test_not_json(known, verb, text):
    try_bad(known, verb, text, 400, "BODY_NOT_JSON", "byte")


@pytest.mark.parametrize(
    "text",
    [
        b'{"id":"a","payload":nope}',
        b'{"id":"a","payload":{"x":1}',
        b'{"id":"a","payload":[1,]}',
        b'{"id":"a","payload":"\x01"}',
        b'{"id":"a","payload":"\x00"}',
        b'{"tasks":[{"id":"a","payload":1},{"id":"b","payload":tru}]}',
        b'{"tasks":[{"id":"a","payload":1}',
    ],
)
def test_payload_that_is_no_json(known, text):
    got = try_bad(known, "tasks", text, 400, "BODY_NOT_JSON", "byte")
    assert "expected" in got.error["detail"] or ":" in got.error["detail"]


@pytest.mark.parametrize(
    "bad",
    [
        b"\xff",
        b"\xc3",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe4bc",
        b"\x80",
    ],
)
def test_not_utf8(known, bad):
    text = b'{"id":"a","payload":"' + bad + b'"}'
    try_bad(known, "tasks", text, 400, "BODY_NOT_UTF8", "byte 21")
    text = b'{"id":"' + bad + b'","payload":1}'
    try_bad(known, "tasks", text, 400, "BODY_NOT_UTF8", "byte 7")
    text = b'{"worker":"w1","failed":[{"id":"held","error":"' + bad + b'"}]}'
    try_bad(known, "report", text, 400, "BODY_NOT_UTF8")


def test_depth(known):
    """64 levels are fine, the object of the task being one of them."""
    fits = b'{"id":"deep","payload":' + b"[" * 63 + b"]" * 63 + b"}"
    assert known.client.post(f"{known.path}/tasks", fits).status == 201
    for levels in (64, 65, 50_000):
        deep = b'{"id":"deeper","payload":' + b"[" * levels + b"]" * levels + b"}"
        try_bad(known, "tasks", deep, 400, "BODY_TOO_DEEP")
    objects = b'{"id":"d","payload":' + b'{"a":' * 65 + b"1" + b"}" * 65 + b"}"
    try_bad(known, "tasks", objects, 400, "BODY_TOO_DEEP")


# -- fields -----------------------------------------------------------------

TASK = [
    # field, value, name of the error
    ("id", 5, "FIELD_TYPE"),
    ("id", None, "FIELD_TYPE"),
    ("id", ["a"], "FIELD_TYPE"),
    ("id", "", "TASK_ID_BAD"),
    ("id", "a b", "TASK_ID_BAD"),
    ("id", " a", "TASK_ID_BAD"),
    ("id", "x" * 256, "TASK_ID_BAD"),
    ("id", "a\tb", "TASK_ID_BAD"),
    ("id", "a\x00b", "TASK_ID_BAD"),
    ("id", "a\x7f", "TASK_ID_BAD"),
    ("id", "grün", "TASK_ID_BAD"),
    ("priority", 1, "FIELD_TYPE"),
    ("priority", None, "FIELD_TYPE"),
    ("priority", "urgent", "FIELD_RANGE"),
    ("priority", "HIGH", "FIELD_RANGE"),
    ("priority", "", "FIELD_RANGE"),
    ("run_at", True, "FIELD_TYPE"),
    ("run_at", None, "FIELD_TYPE"),
    ("run_at", "tomorrow", "FIELD_RANGE"),
    ("run_at", "2026-02-30T00:00:00Z", "FIELD_RANGE"),
    ("run_at", "2026-01-01", "FIELD_RANGE"),
    ("run_at", "1987-01-01T00:00:00Z", "RUN_AT_BAD"),
    ("run_at", 1, "RUN_AT_BAD"),
    ("run_at", "2999-01-01T00:00:00Z", "RUN_AT_BAD"),
    ("delay_s", "10", "FIELD_TYPE"),
    ("delay_s", -1, "FIELD_RANGE"),
    ("delay_s", 1e12, "RUN_AT_BAD"),
    ("max_attempts", "3", "FIELD_TYPE"),
    ("max_attempts", 0, "FIELD_RANGE"),
    ("max_attempts", -1, "FIELD_RANGE"),
    ("max_attempts", 1.5, "FIELD_RANGE"),
    ("max_attempts", 1001, "FIELD_RANGE"),
    ("max_attempts", 2**64, "FIELD_RANGE"),
    ("replace", "yes", "FIELD_TYPE"),
    ("replace", 1, "FIELD_TYPE"),
    ("colour", "red", "FIELD_UNKNOWN"),
    ("Id", "a", "FIELD_UNKNOWN"),
    ("", 1, "FIELD_UNKNOWN"),
    ("payload2", 1, "FIELD_UNKNOWN"),
]


@pytest.mark.parametrize("field, value, name", TASK)
def test_fields_of_a_task(known, field, value, name):
    body = {"payload": 1, field: value}
    got = try_bad(known, "tasks", body, 400, name, field)
    assert "expected" in got.error["detail"]
    batch = {"tasks": [{"id": "first", "payload": 1}, body]}
    got = try_bad(known, "tasks", batch, 400, name, "tasks[1]", field)
    assert known.state("first") == "gone"


def test_missing_payload(known):
    try_bad(known, "tasks", {}, 400, "FIELD_MISSING", "payload")
    try_bad(known, "tasks", {"id": "a"}, 400, "FIELD_MISSING", "payload")
    batch = {"tasks": [{"payload": 1}, {"id": "b"}]}
    try_bad(known, "tasks", batch, 400, "FIELD_MISSING", "tasks[1].payload")


def test_duplicate_keys(known):
    text = b'{"id":"a","payload":1,"id":"b"}'
    try_bad(known, "tasks", text, 400, "FIELD_DUPLICATE", "id")
    text = b'{"payload":1,"payload":1}'
    try_bad(known, "tasks", text, 400, "FIELD_DUPLICATE", "payload")
    text = b'{"tasks":[{"payload":1}],"tasks":[]}'
    try_bad(known, "tasks", text, 400, "FIELD_DUPLICATE", "tasks")
    text = b'{"worker":"w1","worker":"w2"}'
    try_bad(known, "take", text, 400, "FIELD_DUPLICATE", "worker")


def test_keys_that_hide(known):
    """An escaped name is another name."""
    text = b'{"\\u0069d":"a","payload":1}'
    try_bad(known, "tasks", text, 400, "FIELD_UNKNOWN")


def test_ids_twice_in_a_report(known):
    body = {"worker": "w1", "finished": ["held", "held"]}
    try_bad(known, "report", body, 400, "FIELD_DUPLICATE", "held")
    body = {"worker": "w1", "finished": ["held"], "failed": ["held"]}
    try_bad(known, "report", body, 400, "FIELD_DUPLICATE", "held")
    try_bad(known, "take", body, 400, "FIELD_DUPLICATE", "held")
    body = {"worker": "w1", "ids": ["held", "held"]}
    try_bad(known, "extend", body, 400, "FIELD_DUPLICATE", "held")


def test_not_an_object(known):
    for verb in ("tasks", "take", "report", "extend", "retry", "purge"):
        for body in ([], 1, "x", None, True, [{"payload": 1}]):
            try_bad(known, verb, body, 400, "FIELD_TYPE", "object")


def test_tasks(known):
    try_bad(known, "tasks", {"tasks": []}, 400, "FIELD_RANGE", "tasks")
    try_bad(known, "tasks", {"tasks": {}}, 400, "FIELD_TYPE", "tasks")
    try_bad(known, "tasks", {"tasks": "x"}, 400, "FIELD_TYPE", "tasks")
    try_bad(known, "tasks", {"tasks": [1]}, 400, "FIELD_TYPE", "tasks[0]")
    try_bad(known, "tasks", {"tasks": [[]]}, 400, "FIELD_TYPE", "tasks[0]")
    body = {"tasks": [{"payload": 1}], "replace": True}
    try_bad(known, "tasks", body, 400, "FIELD_UNKNOWN", "replace")
    many = {"tasks": [{"payload": i} for i in range(1001)]}
    try_bad(known, "tasks", many, 413, "TOO_MANY_ITEMS", "tasks", "1000")


TAKE = [
    ({}, "FIELD_MISSING", "worker"),
    ({"worker": 1}, "FIELD_TYPE", "worker"),
    ({"worker": ""}, "WORKER_NAME_BAD", "worker"),
    ({"worker": "a b"}, "WORKER_NAME_BAD", "worker"),
    ({"worker": "x" * 65}, "WORKER_NAME_BAD", "worker"),
    ({"worker": "w\u0000"}, "WORKER_NAME_BAD", "worker"),
    ({"worker": "w", "count": 0}, "FIELD_RANGE", "count"),
    ({"worker": "w", "count": -1}, "FIELD_RANGE", "count"),
    ({"worker": "w", "count": 1.5}, "FIELD_RANGE", "count"),
    ({"worker": "w", "count": 1001}, "FIELD_RANGE", "count"),
    ({"worker": "w", "count": 2**63}, "FIELD_RANGE", "count"),
    ({"worker": "w", "count": "5"}, "FIELD_TYPE", "count"),
    ({"worker": "w", "count": None}, "FIELD_TYPE", "count"),
    ({"worker": "w", "wait_s": -1}, "FIELD_RANGE", "wait_s"),
    ({"worker": "w", "wait_s": 61}, "FIELD_RANGE", "wait_s"),
    ({"worker": "w", "wait_s": "1"}, "FIELD_TYPE", "wait_s"),
    ({"worker": "w", "lease_s": 0}, "FIELD_RANGE", "lease_s"),
    ({"worker": "w", "lease_s": -5}, "FIELD_RANGE", "lease_s"),
    ({"worker": "w", "lease_s": 1e12}, "FIELD_RANGE", "lease_s"),
    ({"worker": "w", "lease_s": []}, "FIELD_TYPE", "lease_s"),
    ({"worker": "w", "request_id": 5}, "FIELD_TYPE", "request_id"),
    ({"worker": "w", "request_id": ""}, "FIELD_RANGE", "request_id"),
    ({"worker": "w", "request_id": "a b"}, "FIELD_RANGE", "request_id"),
    ({"worker": "w", "limit": 5}, "FIELD_UNKNOWN", "limit"),
]


@pytest.mark.parametrize("body, name, field", TAKE)
def test_take(known, body, name, field):
    try_bad(known, "take", body, 400, name, field)


REPORT = [
    ({"finished": ["held"]}, 400, "FIELD_MISSING", "worker"),
    ({"worker": "w1"}, 400, "FIELD_MISSING", "finished"),
    ({"worker": "w1", "finished": "held"}, 400, "FIELD_TYPE", "finished"),
    ({"worker": "w1", "finished": [1]}, 400, "FIELD_TYPE", "finished[0]"),
    ({"worker": "w1", "finished": ["held", None]}, 400, "FIELD_TYPE", "finished[1]"),
    ({"worker": "w1", "finished": ["a b"]}, 400, "TASK_ID_BAD", "finished[0]"),
    ({"worker": "w1", "finished": [{}]}, 400, "FIELD_MISSING", "finished[0].id"),
    (
        {"worker": "w1", "finished": [{"id": "held", "error": "x"}]},
        400,
        "FIELD_UNKNOWN",
        "finished[0].error",
    ),
    (
        {"worker": "w1", "finished": [{"id": "held", "result": "x" * 65536}]},
        413,
        "PAYLOAD_TOO_LARGE",
        "result",
    ),
    ({"worker": "w1", "failed": {}}, 400, "FIELD_TYPE", "failed"),
    (
        {"worker": "w1", "failed": [{"id": "held", "error": 5}]},
        400,
        "FIELD_TYPE",
        "failed[0].error",
    ),
    (
        {"worker": "w1", "failed": [{"id": "held", "retry": "no"}]},
        400,
        "FIELD_TYPE",
        "failed[0].retry",
    ),
    (
        {"worker": "w1", "failed": [{"id": "held", "result": 1}]},
        400,
        "FIELD_UNKNOWN",
        "failed[0].result",
    ),
    (
        {"worker": "w1", "finished": [f"t{i}" for i in range(1001)]},
        413,
        "TOO_MANY_ITEMS",
        "finished",
    ),
    (
        {"worker": "w1", "failed": [f"t{i}" for i in range(1001)]},
        413,
        "TOO_MANY_ITEMS",
        "failed",
    ),
]


@pytest.mark.parametrize("body, status, name, field", REPORT)
def test_report(known, body, status, name, field):
    try_bad(known, "report", body, status, name, field)


@pytest.mark.parametrize("body, status, name, field", REPORT[2:])
def test_report_inside_take(known, body, status, name, field):
    """Then nothing is taken either."""
    try_bad(known, "take", body, status, name, field)


EXTEND = [
    ({"ids": ["held"]}, "FIELD_MISSING", "worker"),
    ({"worker": "w1"}, "FIELD_MISSING", "ids"),
    ({"worker": "w1", "ids": []}, "FIELD_RANGE", "ids"),
    ({"worker": "w1", "ids": [5]}, "FIELD_TYPE", "ids[0]"),
    ({"worker": "w1", "ids": ["held", ""]}, "TASK_ID_BAD", "ids[1]"),
    ({"worker": "w1", "ids": ["held"], "lease_s": 0}, "FIELD_RANGE", "lease_s"),
    ({"worker": "w1", "ids": ["held"], "wait_s": 0}, "FIELD_UNKNOWN", "wait_s"),
]


@pytest.mark.parametrize("body, name, field", EXTEND)
def test_extend(known, body, name, field):
    try_bad(known, "extend", body, 400, name, field)


# -- sizes ------------------------------------------------------------------


def test_payload_over_the_cap(known):
    body = {"id": "big", "payload": "x" * 65_535}
    try_bad_counts(known, body, 413, "PAYLOAD_TOO_LARGE", "payload")


def try_bad_counts(queue, body, status, name, *words):
    """Like try_bad for what the store refuses; those are counted."""
    before = queue.counts()
    queue.post("tasks", body).refused(status, name, *words)
    assert queue.counts() == before


def test_body_over_the_cap(known):
    before = state(known)
    body = b'{"id":"a","payload":"' + b"x" * 300_000 + b'"}'
    try:
        got = known.client.call("POST", f"{known.path}/tasks", body)
        got.refused(413, "BODY_TOO_LARGE")
    except (BrokenPipeError, ConnectionResetError):
        pass  # it said so and left while we were still sending
    known.client.close()
    assert state(known) == before


# -- names in the path ------------------------------------------------------


@pytest.mark.parametrize("name", ["x" * 65, "a,b", "a;b", "(a)", "a=b", "a+b", "~", "a*"])
def test_bad_queue_names(client, name):
    for method, tail, body in (
        ("GET", "", None),
        ("PATCH", "", {"paused": True}),
        ("POST", "/tasks", {"payload": 1}),
        ("POST", "/take", {"worker": "w"}),
        ("GET", "/tasks", None),
    ):
        got = client.call(method, f"/v1/queues/{name}{tail}", body)
        got.refused(400, "QUEUE_NAME_BAD")
    names = [q["name"] for q in client.get_json("/v1/queues")["queues"]]
    assert name not in names


def test_names_that_are_fine(client):
    for name in ("a", "x" * 64, "A.b_c:d@e-f", "-", ".x", "0"):
        assert client.queue(name).push("t")["queued"] == 1
        assert client.queue(name).info()["name"] == name


@pytest.mark.parametrize("task_id", ["%20", "a%20b", "%c3%a4", "%7f", "x" * 256, "%0a"])
def test_bad_ids_in_the_path(known, task_id):
    for method in ("GET", "DELETE"):
        got = known.client.call(method, f"{known.path}/tasks/{task_id}")
        got.refused(400, "TASK_ID_BAD")


def test_unknown_queue_on_read(client):
    client.get("/v1/queues/never-made").refused(404, "QUEUE_UNKNOWN")
    client.get("/v1/queues/never-made/tasks").refused(404, "QUEUE_UNKNOWN")
    names = [q["name"] for q in client.get_json("/v1/queues")["queues"]]
    assert "never-made" not in names


def test_content_types(known):
    """curl -d says that it is a form; the body says what it is."""
    for kind in ("application/x-www-form-urlencoded", "Application/JSON; charset=utf-8"):
        got = known.client.call(
            "POST", f"{known.path}/tasks", b'{"payload":1}', {"Content-Type": kind}
        )
        assert got.status == 201, got
    got = known.client.call(
        "POST", f"{known.path}/tasks", b'{"payload":1}', {"Content-Type": "text/plain"}
    )
    got.refused(415, "BODY_TYPE", "expected application/json")


def test_body_where_none_is_taken(known):
    got = known.client.call("GET", known.path, b"{}")
    assert got.status in (200, 400, 413), got
    assert known.client.get("/healthz").status == 200
