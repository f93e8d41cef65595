"""Every error that can reach a client, at least once, for its real reason."""

import threading

import pytest

from client import Raw
from redisproc import pairs
from server import wait_until

# Whether the tick sees a key of the wrong type, too, depends on the moment.
pytestmark = pytest.mark.log_errors("queue.broken")

SETTINGS = {"http": {"max_body": "64KiB", "header_timeout": "500ms"}}

# Those that no answer can carry, and why.
NOT_IN_ANSWERS = {
    "JANITOR_CLEANUP": "in the log and the metrics: test_janitor_clean_up",
    "JANITOR_FINISH": "in the log and the metrics: test_janitor_duties",
    "JANITOR_FAILED": "in the log and the metrics: test_janitor_duties",
    "JANITOR_DOING": "in the log and the metrics: test_janitor_duties",
    "JANITOR_CHECK": "in the log and the metrics: test_janitor_duties",
    "JANITOR_TODO": "in the log and the metrics: test_janitor_duties",
    "STORE_UNCONFIRMED": "needs replicas: test_levels",
    "STORE_WEAK": "needs replicas or a weak Redis: test_levels",
    "STORE_REPLY": "needs a Redis that answers our scripts wrongly",
    "NO_MEMORY": "needs a body that needs more than its cap and 1 MiB",
    "CLIENT_GONE": "there is nobody to read it; counted: test_client_gone",
    "TOKEN_MISSING": "needs a server with tokens: test_tokens, test_access",
    "TOKEN_BAD": "needs a server with tokens: test_tokens",
    "FORBIDDEN": "needs a server with tokens: test_access",
    "GUESSING": "needs an address beyond this machine: test_tls",
    "TOKEN_UNKNOWN": "test_tokens",
    "TOKEN_EXISTS": "test_tokens",
    "TOKEN_NAME_BAD": "test_tokens",
    "ADMIN_NEEDED": "test_tokens",
    "TOO_MANY_TOKENS": "test_tokens",
    "ACCESS_OPEN": "at the start: test_tls",
    "TLS_FILES": "at the start: test_tls",
    "POSTGRES_DOWN": "in a channel's error: test_forward",
    "NOT_ENCRYPTED": "needs encrypted columns: test_encryption",
    "CIPHER_BAD": "needs encrypted columns: test_encryption",
    "KEY_UNKNOWN": "needs encrypted columns: test_encryption",
    "KEY_FILE": "at the start: test_encryption",
    "CHANNEL_1": "in a channel's error: test_forward",
    "CHANNEL_2": "as CHANNEL_1, for the second channel",
    "CHANNEL_3": "as CHANNEL_1, for the third channel",
    "CHANNEL_OTHER": "as CHANNEL_1, for further channels",
    "CHANNEL_NAME_BAD": "test_channels",
    "BACKEND_UNKNOWN": "needs a queue and a move: test_move",
    "QUEUE_MOVING": "needs two backends: test_move",
    "MOVE_REFUSED": "needs two backends: test_move",
    "MOVE_UNKNOWN": "test_move",
    "ROWS_ELSEWHERE": "needs two backends: test_backends",
    "RELAY_WAITS": "in a relay's error: test_relay_looks",
    "ROW_UNKNOWN": "needs a channel: test_channels",
    "SPOOL_FULL": "needs a channel: test_channels",
    "COLUMNS_UNKNOWN": "needs a channel: test_forward",
    "ROW_TOO_LARGE": "needs a channel: test_channels",
    "CHANNEL_CLOSED": "needs a channel: test_history",
    "LOG_FILE": "at the start: test_log",
    "CONF_SYNTAX": "at the start: test_start",
    "CONF_UNKNOWN": "at the start: test_start",
    "CONF_VALUE": "at the start: test_start",
    "CONF_RELOAD": "in the log: test_start",
    "LISTEN_FAILED": "at the start: test_start",
    "STATE_DIR": "at the start: test_start",
    "STATE_LOCKED": "at the start: test_start",
    "REDIS_SERVER": "at the start: test_start",
    "REDIS_AUTH": "at the start: test_start",
    "REDIS_SETTINGS": "at the start: test_start",
    "REDIS_OLDER": "in the log and in /readyz: test_generation",
    "USAGE": "the command line's: test_start",
    "UNREACHABLE": "schedctl's own",
    "ANSWER_BAD": "schedctl's own",
    "BUG": "there is none that we know",
}

# Filled by the tests of this file; looked at by the last one.
SEEN = set()


def saw(answer, status, name, *words):
    """Like refused, and remembers it."""
    answer.refused(status, name, *words)
    SEEN.add(name)
    return answer


def post(path, body):
    """A POST as bytes."""
    body = body if isinstance(body, bytes) else body.encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


# -- 3xx: requests ----------------------------------------------------------

T, K = "tasks", "take"

REQUESTS = [
    (T, b"{", 400, "BODY_NOT_JSON"),
    (T, b'{"payload":"\xff"}', 400, "BODY_NOT_UTF8"),
    (T, b'{"payload":' + b"[" * 65 + b"]" * 65 + b"}", 400, "BODY_TOO_DEEP"),
    (T, b'{"payload":1,"id":1}', 400, "FIELD_TYPE"),
    (T, b"{}", 400, "FIELD_MISSING"),
    (K, b'{"worker":"w","count":0}', 400, "FIELD_RANGE"),
    (K, b'{"worker":"w","x":0}', 400, "FIELD_UNKNOWN"),
    (K, b'{"worker":"w","worker":"w"}', 400, "FIELD_DUPLICATE"),
    (T, b'{"payload":1,"id":" "}', 400, "TASK_ID_BAD"),
    (K, b'{"worker":" "}', 400, "WORKER_NAME_BAD"),
    ("purge", b'{"state":"x","match":"*"}', 400, "STATE_UNKNOWN"),
    ("purge", b'{"state":"dead","match":"*"}', 404, "QUEUE_UNKNOWN"),
    ("purge", b'{"state":"dead","match":"*","ids":["a"]}', 400, "FIELD_CONFLICT"),
    (T, b'{"payload":1,"run_at":1}', 400, "RUN_AT_BAD"),
]


@pytest.mark.parametrize("verb, body, status, name", REQUESTS)
def test_requests(queue, verb, body, status, name):
    saw(queue.client.post(f"{queue.path}/{verb}", body), status, name)


def test_unknown_things(client, queue):
    queue.make()
    saw(queue.try_task("x"), 404, "TASK_UNKNOWN")
    saw(client.call("DELETE", "/v1/workers/x"), 404, "WORKER_UNKNOWN")
    saw(client.get("/v1/channels/x"), 404, "CHANNEL_UNKNOWN")
    saw(client.get("/v1/relays/x"), 404, "RELAY_UNKNOWN")
    saw(client.get("/v1/relays/a,b"), 400, "RELAY_NAME_BAD")
    saw(client.get("/v1/queues/a,b"), 400, "QUEUE_NAME_BAD")
    saw(client.get("/v1/queues", x=1), 400, "QUERY_BAD")
    saw(client.get("/v1/"), 400, "PATH_BAD")
    saw(client.get("/v1/x"), 404, "ROUTE_UNKNOWN")
    saw(client.post("/healthz", {}), 405, "METHOD_NOT_ALLOWED")


def test_limits(queue):
    tasks = {"tasks": [{"payload": 1}] * 1001}
    saw(queue.post("tasks", tasks), 413, "TOO_MANY_ITEMS")
    queue.patch(max_tasks=1, max_payload=100)
    saw(queue.post("tasks", {"payload": "x" * 101}), 413, "PAYLOAD_TOO_LARGE")
    queue.push("a")
    saw(queue.post("tasks", {"payload": 1}), 429, "QUEUE_FULL")
    saw(queue.client.call("DELETE", queue.path), 409, "QUEUE_NOT_EMPTY")


HTTP = [
    ("GARBAGE\r\n\r\n", 400, "HTTP_BAD"),
    ("GET /healthz HTTP/1.1\r\n", 408, "REQUEST_TIMEOUT"),
    ("POST /v1/queues/q/take HTTP/1.1\r\nHost: x\r\n\r\n", 411, "LENGTH_REQUIRED"),
    (
        "POST /v1/queues/q/take HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n",
        413,
        "BODY_TOO_LARGE",
    ),
    (f"GET /{'x' * 20000} HTTP/1.1\r\nHost: x\r\n\r\n", 414, "URI_TOO_LONG"),
    (
        "POST /v1/queues/q/take HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        "Expect: x\r\n\r\n",
        417,
        "EXPECT_UNKNOWN",
    ),
    (
        f"GET / HTTP/1.1\r\nHost: x\r\nA: {'x' * 20000}\r\n\r\n",
        431,
        "HEADERS_TOO_LARGE",
    ),
    ("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "NOT_IMPLEMENTED"),
    ("GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505, "HTTP_VERSION"),
]


@pytest.mark.parametrize("text, status, name", HTTP)
def test_http(schedd, text, status, name):
    with Raw(schedd.addr) as raw:
        raw.send(text)
        saw(raw.receive(), status, name)


# -- 5xx: leases ------------------------------------------------------------


def test_leases(queue):
    queue.push("held", "waits", "cancelled")
    queue.take("w1", count=1)
    queue.remove("waits")
    queue.push("waits")
    assert queue.take_ids("w1", count=1) == ["cancelled"]
    queue.remove("cancelled")
    got = queue.report("w1", finished=["waits", "cancelled"])
    got["refused"] += queue.report("w2", finished=["held"])["refused"]
    errors = {r["id"]: r["error"] for r in got["refused"]}
    assert errors["held"]["name"] == "LEASE_LOST" and errors["held"]["code"] == 510
    assert errors["waits"]["name"] == "TASK_NOT_HELD"
    assert errors["cancelled"]["name"] == "TASK_CANCELLED"
    SEEN.update(("LEASE_LOST", "TASK_NOT_HELD", "TASK_CANCELLED"))


# -- 1xx: Redis refuses -----------------------------------------------------


@pytest.fixture(name="redis")
def _redis(place):
    return place.redis()


@pytest.fixture(name="own")
def _own(place, redis):
    """A schedd on that Redis, and a queue of it."""
    options = {'redis "main"': {"deadline": "400ms"}}
    settings = redis.settings()
    settings['redis "main"'].update(options['redis "main"'])
    schedd = place.schedd(settings)
    with schedd.client() as client:
        queue = client.queue("q")
        queue.make()
        queue.schedd = schedd
        yield queue


def break_key(redis, key):
    """Puts something of another type under one of our keys."""
    redis.do("DEL", f"sched:{{q}}:{key}")
    redis.do("SET", f"sched:{{q}}:{key}", "of another type")


def mend(redis, key):
    """Takes it away."""
    redis.do("DEL", f"sched:{{q}}:{key}")


def test_push_refused(redis, own):
    break_key(redis, "task")
    saw(own.post("tasks", {"payload": 1}), 500, "PUSH_ONE")
    many = {"tasks": [{"payload": 1}, {"payload": 2}]}
    saw(own.post("tasks", many), 500, "PUSH_MANY")
    urgent = {"payload": 1, "priority": "high"}
    saw(own.post("tasks", urgent), 500, "PUSH_PRIORITY")
    mend(redis, "task")
    assert own.push("a")["queued"] == 1
    assert own.counts() == {"todo": 1}


def test_take_refused(redis, own):
    own.push("a")
    break_key(redis, "doing")
    saw(own.post("take", {"worker": "w"}), 500, "TAKE")
    mend(redis, "doing")
    own.push("b")
    assert set(own.take_ids()) >= {"b"}


def test_take_that_is_refused_loses_nothing(redis, own):
    """Also where the wrong type is met late in the script."""
    for key in ("doing", "holder", "held", "retry", "request", "requests"):
        own.purge(state="todo", match="*")
        own.push("a")
        break_key(redis, key)
        own.post("take", {"worker": "w", "request_id": f"r-{key}"})
        mend(redis, key)
        state = own.state("a")
        assert state in ("todo", "doing"), (key, state)
        ids = own.ids(state)
        assert ids == ["a"], (key, state, ids)
        assert own.remove("a").status == 200


def test_report_refused(redis, own):
    own.push("a", "b")
    own.take("w")
    break_key(redis, "holder")
    saw(own.post("report", {"worker": "w", "finished": ["a"]}), 500, "REPORT_FINISHED")
    saw(own.post("report", {"worker": "w", "failed": ["b"]}), 500, "REPORT_FAILED")


def held(redis):
    """How many tasks the workers hold, by what is kept for each."""
    return pairs(redis.do("HGETALL", "sched:{q}:held"))


def test_report_counts_though_the_take_beside_it_is_refused(redis, own):
    """What was reported is no longer held; what was not handed out is not."""
    own.push("a", "b", "c")
    assert own.take_ids("w", count=2) == ["a", "b"]
    assert held(redis) == {b"w": b"2"}
    break_key(redis, "requests")
    body = {"worker": "w", "finished": ["a"], "request_id": "r"}
    own.post("take", body).refused(500, "TAKE")
    mend(redis, "requests")
    assert own.state("a") == "finish"
    assert held(redis) == {b"w": b"1"}
    own.finish("b", worker="w")
    assert held(redis) == {}
    assert own.take_ids("w") == ["c"]


def test_late_report_that_is_refused_loses_nothing(redis, own):
    """A failed task stays where it is until it is among the finished."""
    own.push("a")
    own.take("w")
    own.fail("a", worker="w")
    break_key(redis, "finish")
    late = {"worker": "w", "finished": ["a"]}
    saw(own.post("report", late), 500, "REPORT_FINISHED")
    mend(redis, "finish")
    assert own.ids("failed") == ["a"]
    own.finish("a", worker="w")
    assert own.ids("failed") == [] and own.ids("finish") == ["a"]


def test_late_report_of_what_nobody_holds(redis, own):
    """Of one that stands in doing without a holder, too."""
    own.push("a", "b")
    own.take("w")
    own.fail("a", "b", worker="w")
    redis.do("ZREM", "sched:{q}:failed", "a")
    redis.do("ZADD", "sched:{q}:doing", 9e15, "a")
    own.finish("a", "b", worker="w")
    assert own.counts() == {"finish": 2}


def test_other_operations_refused(redis, own):
    own.push({"id": "d", "payload": 1, "delay_s": 100})
    break_key(redis, "delayed")
    saw(own.client.get(f"{own.path}/tasks", state="delayed"), 500, "STORE_REFUSED")


def test_store_full(redis, own):
    """Out of memory: pushes are refused, taking and reporting go on."""
    own.push("a", "b", "c")
    redis.do("CONFIG", "SET", "maxmemory", "1")
    got = saw(own.post("tasks", {"payload": 1}), 507, "STORE_FULL")
    assert int(got.headers["Retry-After"]) >= 1
    assert own.take_ids(count=2) == ["a", "b"]
    own.finish("a")
    own.fail("b")
    assert own.counts() == {"todo": 1, "failed": 1, "finish": 1}
    redis.do("CONFIG", "SET", "maxmemory", "0")
    assert own.push("d")["queued"] == 1


def test_store_read_only(redis, own):
    redis.do("CONFIG", "SET", "min-replicas-to-write", "1")
    got = saw(own.post("tasks", {"id": "a", "payload": 1}), 503, "STORE_READ_ONLY")
    assert int(got.headers["Retry-After"]) >= 1
    redis.do("CONFIG", "SET", "min-replicas-to-write", "0")
    assert own.state("a") == "gone"


def test_unknown_outcome(redis, own):
    """Sent, and no answer within the deadline."""
    own.push("before")
    redis.pause()
    got = own.post("tasks", {"id": "a", "payload": 1})
    redis.resume()
    saw(got, 504, "STORE_UNKNOWN")
    own.schedd.wait_ready()
    assert own.push("a")["tasks"][0]["id"] == "a"
    assert own.state("a") == "todo"


def test_redis_down(redis, own):
    own.push("a")
    redis.kill()
    wait_until(
        lambda: own.client.get("/readyz").status == 503, what="it to be noticed"
    )
    saw(own.client.get("/readyz"), 503, "NOT_READY")
    got = saw(own.post("tasks", {"payload": 1}), 503, "REDIS_DOWN")
    assert int(got.headers["Retry-After"]) >= 1
    saw(own.client.get(own.path), 503, "REDIS_DOWN")
    assert own.client.get("/healthz").status == 200
    redis.start()
    own.schedd.wait_ready()
    assert own.take_ids() == ["a"]


def test_store_busy(place, redis):
    settings = redis.settings()
    settings['redis "main"'].update({"max_pending": 4, "deadline": "3s"})
    schedd = place.schedd(settings)
    with schedd.client() as client:
        client.queue("q").make()
    redis.pause()
    answers = []

    def ask(n):
        with schedd.client() as client:
            answers.append(client.queue(f"q{n}").post("tasks", {"payload": 1}))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    wait_until(
        lambda: any(a.json["error"]["name"] == "STORE_BUSY" for a in answers),
        what="STORE_BUSY",
    )
    redis.resume()
    for thread in threads:
        thread.join()
    busy = [a for a in answers if a.status == 503]
    assert len(busy) >= 4
    saw(busy[0], 503, "STORE_BUSY")
    assert int(busy[0].headers["Retry-After"]) >= 1


def test_requests_that_a_page_could_make(place):
    with place.schedd().client() as client:
        path, body = "/v1/queues/q/tasks", {"payload": 1}
        got = client.call("POST", path, body, {"Origin": "http://evil.example"})
        saw(got, 403, "CROSS_SITE")
        got = client.call("POST", path, body, {"Host": "evil.example"})
        saw(got, 403, "HOST_UNKNOWN")
        got = client.call("POST", path, body, {"Content-Type": "text/plain"})
        saw(got, 415, "BODY_TYPE")


# -- 7xx: the server's own limits -------------------------------------------


def test_server_limits(place):
    limits = {"max_waiting": 1, "max_queues": 1, "max_workers": 1}
    schedd = place.schedd({"http": {"max_connections": 3}, "limits": limits})
    with schedd.client() as client, schedd.client() as other:
        queue = client.queue("q")
        queue.make()
        other.send("POST", "/v1/queues/q/take", {"worker": "w", "wait_s": 60})
        wait_until(lambda: queue.info()["waiting_takes"] == 1, what="a waiting take")
        got = queue.post("take", {"worker": "w", "wait_s": 60})
        saw(got, 503, "TOO_MANY_WAITING")
        got = client.queue("one-more").post("tasks", {"payload": 1})
        saw(got, 429, "TOO_MANY_QUEUES")
        client.post("/v1/workers/one/heartbeat", {})
        got = client.post("/v1/workers/one-more/heartbeat", {})
        saw(got, 429, "TOO_MANY_WORKERS")
        with Raw(schedd.addr) as third:
            third.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert third.receive().status == 200
            with Raw(schedd.addr) as fourth:
                saw(fourth.receive(), 503, "TOO_MANY_CONNS")
        queue.push("a")
        assert other.receive().json["tasks"][0]["id"] == "a"


def test_limits_of_an_address_and_of_memory(place):
    schedd = place.schedd({"limits": {"max_per_address": 2}})
    with schedd.client() as client, Raw(schedd.addr) as second:
        assert client.get("/healthz").status == 200
        second.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert second.receive().status == 200
        with Raw(schedd.addr) as third:
            saw(third.receive(), 429, "TOO_MANY_PER_ADDR")
        schedd.settings["limits"]["max_memory"] = "4MiB"
        schedd.reload()
        schedd.wait_log("server.memory_full")
        got = client.queue("q").post("tasks", {"payload": 1})
        saw(got, 503, "MEMORY_FULL")


def test_shutting_down(place):
    """A request that comes behind one that is still open while the server
    drains: the open one is served, the later one is refused."""
    redis = place.redis()
    settings = redis.settings()
    settings['redis "main"']["deadline"] = "10s"
    schedd = place.schedd(settings)
    with Raw(schedd.addr) as raw:
        redis.pause()
        raw.send(post("/v1/queues/q/tasks", '{"payload":1}'))
        pending = lambda c: c.get_json("/v1/stats")["store"]["pending"]
        with schedd.client() as client:
            wait_until(lambda: pending(client) > 0, what="the push to be sent")
        schedd.process.terminate()
        schedd.wait_log("server.stopping")
        raw.send(post("/v1/queues/q/take", '{"worker":"w"}'))
        redis.resume()
        assert raw.receive().status == 201
        got = saw(raw.receive(), 503, "SHUTTING_DOWN")
        assert got.headers["Connection"] == "close"
        assert raw.at_end()
    assert schedd.wait_end() == 0


def test_client_gone(schedd, client, queue):
    queue.make()

    def gone():
        text = client.get("/metrics").body.decode()
        return 'schedd_http_requests_total{code="499"}' in text

    with Raw(schedd.addr) as raw:
        raw.send(post(f"{queue.path}/take", '{"worker":"w","wait_s":60}'))
        wait_until(lambda: queue.info()["waiting_takes"] == 1, what="a waiting take")
    wait_until(gone, what="499 in the metrics")


# -- 000-005: the janitor ---------------------------------------------------


@pytest.mark.parametrize(
    "code, duty",
    [(1, "finish"), (2, "failed"), (3, "doing"), (1, "dead"), (5, "delayed")],
)
def test_janitor_duties(redis, own, code, duty):
    """A queue that cannot be worked on does not stop the others."""
    other = own.client.queue("other")
    fill_for(own, duty)
    lie(redis, duty)
    mark = own.schedd.mark()
    own.schedd.move_clock(5000)

    def said():
        lines = [x for x in own.schedd.lines[mark:] if x.event == "janitor.failed"]
        return [x for x in lines if x.values["duty"] == duty]

    line = wait_until(said, what=f"janitor.failed of {duty}")[0]
    assert line.values["error"] == f"E{code:03d}" and line.values["queue"] == "q"
    page = own.client.get("/metrics").body.decode()
    assert f'schedd_janitor_errors_total{{duty="{duty}"}} 0' not in page
    other.push({"id": "d", "payload": 1, "delay_s": 1000})
    own.schedd.move_clock(1001)
    wait_until(lambda: other.counts() == {"todo": 1}, what="the other queue")


def fill_for(queue, duty):
    """Gives the duty something to do later on, and none to the others."""
    if duty == "delayed":
        queue.push({"id": "d", "payload": 1, "delay_s": 1000})
        return
    queue.patch(max_attempts=5, retry_base_s=1000, finish_age_s=1000)
    queue.patch(dead_age_s=1000)
    queue.push("a", "b")
    queue.take(lease_s=1000)
    if duty == "failed":
        queue.fail("a", "b")
    elif duty == "finish":
        queue.finish("a", "b")
    elif duty == "dead":
        queue.fail("a", "b", retry=False)


def lie(redis, duty):
    """What the duty has to change has another type than it needs."""
    key = {"doing": "retry", "finish": "retry", "dead": "retry"}.get(duty, "opts")
    redis.do("DEL", f"sched:{{q}}:{key}")
    redis.do("SET", f"sched:{{q}}:{key}", "of another type")


def test_janitor_clean_up(redis, own):
    """Number 000: workers, request ids, cancel marks."""
    own.push("a")
    own.take(lease_s=1000, request_id="r")
    redis.do("DEL", "sched:{q}:request")
    redis.do("SET", "sched:{q}:request", "of another type")
    mark = own.schedd.mark()
    own.schedd.move_clock(1001)

    def said():
        lines = [x for x in own.schedd.lines[mark:] if x.event == "janitor.failed"]
        return [x for x in lines if x.values["duty"] == "workers"]

    assert wait_until(said, what="janitor.failed")[0].values["error"] == "E000"


# -- all of them ------------------------------------------------------------


def test_the_list_is_complete(client):
    """Runs last: each error of the table was seen here, or has its reason."""
    table = {e["name"]: e["http"] for e in client.get_json("/v1/errors")["errors"]}
    assert not set(NOT_IN_ANSWERS) - set(table), "reasons for unknown errors"
    assert not SEEN - set(table)
    assert not SEEN & set(NOT_IN_ANSWERS)
    missing = set(table) - SEEN - set(NOT_IN_ANSWERS)
    assert not missing, f"never seen: {sorted(missing)}"
