"""The HTTP engine, byte by byte, on a bare socket."""

import json
import re
import socket
import time

import pytest

from client import Client, Raw
from server import wait_until

SETTINGS = {
    "http": {
        "max_body": "64KiB",
        "header_timeout": "1s",
        "idle_timeout": "2s",
        "min_rate": "1KiB",
    }
}

PING = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(name="raw")
def _raw(schedd):
    with Raw(schedd.addr) as raw:
        yield raw


def post(path, body, *headers):
    """A POST as bytes."""
    body = body if isinstance(body, bytes) else body.encode()
    head = [f"POST {path} HTTP/1.1", "Host: x", *headers]
    if not any(h.lower().startswith("transfer-encoding") for h in headers):
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def ask(raw, text, head=False):
    """One request, one answer."""
    raw.send(text)
    return raw.receive(head)


# -- keep-alive and pipelining ---------------------------------------------


def test_keep_alive_serves_many(raw):
    for _ in range(50):
        assert ask(raw, PING).status == 200


def test_connection_close_is_obeyed(raw):
    got = ask(raw, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert got.status == 200
    assert got.headers["Connection"].lower() == "close"
    assert raw.at_end()


def test_http_1_0_closes_unless_asked(schedd):
    with Raw(schedd.addr) as raw:
        assert ask(raw, "GET /healthz HTTP/1.0\r\n\r\n").status == 200
        assert raw.at_end()
    with Raw(schedd.addr) as raw:
        text = "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        assert ask(raw, text).status == 200
        assert ask(raw, text).status == 200


def test_pipelined_answers_come_in_order(raw, queue):
    count = 200
    raw.send(
        b"".join(
            post(f"{queue.path}/tasks", json.dumps({"id": f"p{i}", "payload": i}))
            for i in range(count)
        )
    )
    for i in range(count):
        got = raw.receive()
        assert got.status == 201, got
        assert got.json["tasks"][0]["id"] == f"p{i}"
    assert queue.counts() == {"todo": count}


def test_pipelined_request_behind_a_waiting_take(raw, queue):
    queue.make()
    take = json.dumps({"worker": "w", "wait_s": 20})
    raw.send(post(f"{queue.path}/take", take) + PING.encode())
    wait_until(lambda: queue.info()["waiting_takes"] == 1, what="the take")
    queue.push("late")
    assert [t["id"] for t in raw.receive().json["tasks"]] == ["late"]
    assert raw.receive().status == 200


@pytest.mark.parametrize("step", [1, 3, 7])
def test_a_request_in_small_pieces(raw, queue, step):
    body = json.dumps({"tasks": [{"id": f"s{i}", "payload": [i]} for i in range(3)]})
    data = post(f"{queue.path}/tasks", body)
    raw.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(0, len(data), step):
        raw.send(data[i : i + step])
    assert raw.receive().json["queued"] == 3


def test_answers_are_not_delayed_by_nagle(raw):
    began = time.monotonic()
    for _ in range(20):
        ask(raw, PING)
    assert time.monotonic() - began < 20 * 0.035


def test_half_close_still_gets_the_answer_of_a_ready_request(raw):
    raw.send(PING)
    raw.half_close()
    got = raw.receive()
    assert got.status == 200
    assert raw.at_end()


# -- X-Request-Id -----------------------------------------------------------


def test_request_ids_are_made_and_differ(raw):
    ids = {ask(raw, PING).headers["X-Request-Id"] for _ in range(20)}
    assert len(ids) == 20


def test_request_id_of_the_client_is_used(raw):
    """Where it is harmless; else one is made."""
    text = "GET /nix HTTP/1.1\r\nHost: x\r\nX-Request-Id: {}\r\n\r\n"
    got = ask(raw, text.format("from-client.42"))
    assert got.status == 404
    assert got.headers["X-Request-Id"] == "from-client.42"
    for odd in ("a b", 'a"b', "x" * 65, "a=b", ""):
        got = ask(raw, text.format(odd))
        assert got.status == 404
        assert got.headers["X-Request-Id"] not in (odd, "from-client.42")


def test_request_id_stands_in_the_access_log(schedd, raw):
    got = ask(raw, "GET /v1/nothing-here HTTP/1.1\r\nHost: x\r\n\r\n")
    name = got.headers["X-Request-Id"]
    assert re.fullmatch(r"[\x21-\x7e]{8,64}", name)

    def logged():
        lines = [x for x in schedd.lines if x.event and name in x.text]
        return any(x.event.startswith("access.") for x in lines)

    wait_until(logged, what=f"{name} in the log")


# -- chunked bodies ---------------------------------------------------------

CHUNKED = "Transfer-Encoding: chunked"


def chunks(*parts, extension="", trailer=""):
    """A chunked body."""
    out = "".join(f"{len(p):x}{extension}\r\n{p}\r\n" for p in parts)
    return out + "0\r\n" + trailer + "\r\n"


def test_chunked_body(raw, queue):
    body = chunks('{"id":"ch', 'unked","payload":', "[1,2", "]}")
    got = ask(raw, post(f"{queue.path}/tasks", body, CHUNKED))
    assert got.status == 201, got
    assert queue.task("chunked")["payload"] == [1, 2]
    assert ask(raw, PING).status == 200


def test_chunked_with_extension_and_trailer(raw, queue):
    body = chunks('{"id":"x","payload":1}', extension=";a=b", trailer="T: v\r\n")
    got = ask(raw, post(f"{queue.path}/tasks", body, CHUNKED))
    assert got.status in (201, 400), got
    if got.status == 201:
        assert ask(raw, PING).status == 200


def test_chunked_body_over_the_cap(raw, queue):
    part = "x" * 16384
    raw.send(post(f"{queue.path}/take", chunks(*[part] * 5), CHUNKED))
    raw.receive().refused(413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    "body",
    [
        "xyz\r\nabc\r\n0\r\n\r\n",
        "-1\r\n\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3 \nabc\n0\n\n",
    ],
)
def test_chunked_body_that_is_none(raw, queue, body):
    raw.send(post(f"{queue.path}/tasks", body, CHUNKED))
    got = raw.receive()
    assert got.status in (400, 413), got
    assert got.error["name"] in ("HTTP_BAD", "BODY_TOO_LARGE")
    assert raw.at_end()


# -- HEAD, OPTIONS, 404, 405 ------------------------------------------------


def test_head_is_get_without_body(raw):
    get = ask(raw, "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n")
    got = ask(raw, "HEAD /v1/version HTTP/1.1\r\nHost: x\r\n\r\n", head=True)
    assert got.status == 200 and got.body == b""
    assert got.headers["Content-Length"] == get.headers["Content-Length"]
    assert got.headers["Content-Type"] == get.headers["Content-Type"]
    assert ask(raw, PING).status == 200


def test_head_of_an_error_has_no_body(raw):
    got = ask(raw, "HEAD /v1/queues/nix HTTP/1.1\r\nHost: x\r\n\r\n", head=True)
    assert got.status == 404
    assert ask(raw, PING).status == 200


def test_body_on_head_is_not_the_next_request(schedd):
    with Raw(schedd.addr) as raw:
        inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        raw.send(
            f"HEAD /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {len(inner)}"
            f"\r\n\r\n{inner}"
        )
        got = raw.receive(head=True)
        raw.half_close()
        rest = b""
        if not raw.at_end():
            rest = raw.buffer
        assert b"ROUTE_UNKNOWN" not in rest, (got, rest)


def methods(answer):
    """The set in Allow."""
    return {word.strip() for word in answer.headers["Allow"].split(",")}


def test_options_from_the_table(raw):
    got = ask(raw, "OPTIONS /v1/queues/q HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.status in (200, 204)
    assert methods(got) == {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}
    got = ask(raw, "OPTIONS /v1/queues/q/tasks/t HTTP/1.1\r\nHost: x\r\n\r\n")
    assert methods(got) == {"GET", "HEAD", "DELETE", "OPTIONS"}
    assert ask(raw, PING).status == 200


def test_options_star(raw):
    got = ask(raw, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.status in (200, 204, 400), got


def test_unknown_path(raw):
    for path in ("/", "/v1", "/v2/queues", "/v1/queues/q/x", "/v1/queues/a/b/c/d"):
        got = ask(raw, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        got.refused(404, "ROUTE_UNKNOWN")
    assert ask(raw, PING).status == 200


def test_wrong_method_says_which_are_right(raw, client):
    got = ask(raw, "DELETE /v1/queues/q/take HTTP/1.1\r\nHost: x\r\n\r\n")
    got.refused(405, "METHOD_NOT_ALLOWED")
    assert methods(got) == {"POST", "OPTIONS"}
    got = client.call("PUT", "/v1/queues/q/tasks", {"payload": 1})
    got.refused(405, "METHOD_NOT_ALLOWED")
    assert methods(got) == {"GET", "HEAD", "POST", "OPTIONS"}
    assert client.get("/healthz").status == 200


@pytest.mark.parametrize("method", ["BREW", "get", "TRACE", "CONNECT"])
def test_unknown_method(raw, method):
    got = ask(raw, f"{method} /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.status in (400, 405, 501), got
    if method == "BREW":
        got.refused(501, "NOT_IMPLEMENTED")


# -- lengths and encodings --------------------------------------------------


def test_post_without_length(raw, queue):
    got = ask(raw, f"POST {queue.path}/take HTTP/1.1\r\nHost: x\r\n\r\n")
    got.refused(411, "LENGTH_REQUIRED")


def test_body_over_the_cap_is_refused_before_it_is_sent(raw, queue):
    raw.send(
        f"POST {queue.path}/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n"
    )
    raw.receive().refused(413, "BODY_TOO_LARGE")


def test_huge_length_is_refused(raw, queue):
    raw.send(
        f"POST {queue.path}/tasks HTTP/1.1\r\nHost: x\r\n"
        "Content-Length: 18446744073709551617\r\n\r\n"
    )
    assert raw.receive().status in (400, 413)


@pytest.mark.parametrize(
    "value", ["-1", "+1", "1x", "0x10", "", "1 2", "1,1", "1.0"]
)
def test_content_length_that_is_no_number(raw, queue, value):
    got = ask(
        raw,
        f"POST {queue.path}/tasks HTTP/1.1\r\nHost: x\r\n"
        f"Content-Length: {value}\r\n\r\n",
    )
    got.refused(400, "HTTP_BAD")
    assert raw.at_end()


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 2", "Content-Length: 3"),
        ("Content-Length: 2", "Content-Length: 2"),
        ("Content-Length: 2", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ],
)
def test_two_lengths_end_the_connection(raw, queue, headers):
    lines = "\r\n".join(headers)
    got = ask(raw, f"POST {queue.path}/take HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n{{}}")
    got.refused(400, "HTTP_BAD")
    assert raw.at_end()


@pytest.mark.parametrize("encoding", ["gzip", "gzip, chunked", "chunked, gzip"])
def test_transfer_encodings_that_we_have_not(raw, queue, encoding):
    got = ask(
        raw,
        f"POST {queue.path}/take HTTP/1.1\r\nHost: x\r\n"
        f"Transfer-Encoding: {encoding}\r\n\r\n",
    )
    assert got.status in (400, 501), got
    if encoding == "gzip, chunked":
        got.refused(501, "NOT_IMPLEMENTED")
    assert raw.at_end()


# -- request line and headers -----------------------------------------------


def test_long_request_line(raw):
    got = ask(raw, f"GET /{'a' * 20000} HTTP/1.1\r\nHost: x\r\n\r\n")
    got.refused(414, "URI_TOO_LONG")
    assert raw.at_end()


def test_headers_too_large(raw):
    got = ask(raw, f"GET /healthz HTTP/1.1\r\nHost: x\r\nA: {'b' * 20000}\r\n\r\n")
    got.refused(431, "HEADERS_TOO_LARGE")
    assert raw.at_end()


def test_too_many_headers(raw):
    lines = "".join(f"A{i}: b\r\n" for i in range(101))
    got = ask(raw, f"GET /healthz HTTP/1.1\r\nHost: x\r\n{lines}\r\n")
    got.refused(431, "HEADERS_TOO_LARGE")


def test_a_hundred_headers_are_fine(raw):
    lines = "".join(f"A{i}: b\r\n" for i in range(98))
    assert ask(raw, f"GET /healthz HTTP/1.1\r\nHost: x\r\n{lines}\r\n").status == 200


@pytest.mark.parametrize(
    "version, status, name",
    [
        ("HTTP/2.0", 505, "HTTP_VERSION"),
        ("HTTP/0.9", 505, "HTTP_VERSION"),
        ("HTTP/1.2", 505, "HTTP_VERSION"),
        ("HTTP/-1.-1", 400, "HTTP_BAD"),
        ("HTTP/1.1x", 400, "HTTP_BAD"),
        ("HTP/1.1", 400, "HTTP_BAD"),
        ("http/1.1", 400, "HTTP_BAD"),
    ],
)
def test_versions(raw, version, status, name):
    got = ask(raw, f"GET /healthz {version}\r\nHost: x\r\n\r\n")
    got.refused(status, name)
    assert raw.at_end()


@pytest.mark.parametrize(
    "text",
    [
        "GET\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /healthz  HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /heal thz HTTP/1.1\r\nHost: x\r\n\r\n",
        " GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nA(: b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nA: b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_no_http(raw, text):
    raw.send(text.encode("latin-1"))
    got = raw.receive()
    got.refused(400, "HTTP_BAD")
    assert raw.at_end()


@pytest.mark.parametrize(
    "path",
    [
        "/v1//queues",
        "/v1/queues/",
        "/v1/./queues",
        "/v1/../healthz",
        "/%68ealthz",
        "/v1/queues/%71",
        "/v1/queues/q/tasks/%00",
        "/v1/queues/q/tasks/%zz",
        "/v1/queues/q/tasks/%4",
        "/healthz/",
        "//healthz",
    ],
)
def test_paths_that_are_not_canonical(raw, path):
    got = ask(raw, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.status == 400, got
    assert got.error["name"] in ("PATH_BAD", "TASK_ID_BAD"), got
    assert ask(raw, PING).status == 200


def test_percent_in_an_id_is_decoded_once(queue):
    for task_id in ("a/b", "a%2Fb", "a%252Fb", "..", "a?b#c", "%"):
        queue.push(task_id)
        assert queue.task(task_id)["id"] == task_id
    assert queue.counts() == {"todo": 6}


def test_errors_leave_the_connection(raw):
    for _ in range(3):
        ask(raw, "GET /nix HTTP/1.1\r\nHost: x\r\n\r\n").refused(404, "ROUTE_UNKNOWN")
        ask(raw, post("/v1/queues/q/take", "{")).refused(400, "BODY_NOT_JSON")
        ask(raw, post("/healthz", "{}")).refused(405, "METHOD_NOT_ALLOWED")
        assert ask(raw, PING).status == 200


# -- Expect -----------------------------------------------------------------


def test_expect_continue(raw, queue):
    body = b'{"id":"e","payload":1}'
    raw.send(
        f"POST {queue.path}/tasks HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    assert raw.receive().status == 100
    raw.send(body)
    assert raw.receive().status == 201


def test_expect_continue_over_the_cap(raw, queue):
    raw.send(
        f"POST {queue.path}/tasks HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        "Content-Length: 100000\r\n\r\n"
    )
    raw.receive().refused(413, "BODY_TOO_LARGE")


def test_expect_something_else(raw, queue):
    raw.send(
        f"POST {queue.path}/tasks HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n"
        "Content-Length: 2\r\n\r\n"
    )
    raw.receive().refused(417, "EXPECT_UNKNOWN")


# -- time -------------------------------------------------------------------


def test_header_deadline(schedd):
    """A byte now and then does not keep a connection."""
    began = time.monotonic()
    with Raw(schedd.addr) as raw:
        raw.sock.settimeout(0.1)
        raw.send("GET /healthz HTTP/1.1\r\n")
        got = b""
        while not got:
            try:
                raw.send("A")
                got = raw.sock.recv(65536)
                break
            except socket.timeout:
                assert time.monotonic() - began < 10
            except (BrokenPipeError, ConnectionResetError):
                break
    assert time.monotonic() - began >= 0.9
    assert got == b"" or got.startswith(b"HTTP/1.1 408 "), got


def test_slow_body_is_given_up(schedd, queue):
    """Slower than http.min_rate."""
    with Raw(schedd.addr) as raw:
        raw.send(
            f"POST {queue.path}/tasks HTTP/1.1\r\nHost: x\r\n"
            "Content-Length: 60000\r\n\r\n{"
        )
        raw.sock.settimeout(0.2)
        began = time.monotonic()
        got = None
        while got is None:
            try:
                raw.send(" ")
                got = raw.sock.recv(65536)
            except socket.timeout:
                assert time.monotonic() - began < 75
            except (BrokenPipeError, ConnectionResetError):
                got = b""
        assert got == b"" or b" 408 " in got.split(b"\r\n")[0], got
    assert queue.client.get(queue.path).status == 404


def test_idle_connection_is_closed(schedd):
    with Raw(schedd.addr) as raw:
        assert ask(raw, PING).status == 200
        began = time.monotonic()
        assert raw.at_end()
        assert time.monotonic() - began > 1


def test_waiting_take_is_not_idle(schedd, queue):
    with Raw(schedd.addr) as raw:
        began = time.monotonic()
        body = json.dumps({"worker": "w", "wait_s": 3})
        got = ask(raw, post(f"{queue.path}/take", body))
        assert got.status == 200 and got.json["tasks"] == []
        assert time.monotonic() - began > 2.5


# -- clients that leave, caps -----------------------------------------------


def test_clients_that_leave_anywhere(schedd, queue):
    """By close and by reset, at each place of a request."""
    queue.make()
    data = post(f"{queue.path}/take", json.dumps({"worker": "w", "wait_s": 60}))
    for cut in range(0, len(data) + 1, 9):
        for reset in (False, True):
            raw = Raw(schedd.addr)
            raw.send(data[:cut])
            if reset:
                linger = b"\1\0\0\0\0\0\0\0"
                raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            raw.sock.close()
    with Raw(schedd.addr) as raw:
        raw.send(data)
        wait_until(lambda: queue.info()["waiting_takes"] == 1, what="one take")
    wait_until(lambda: queue.info()["waiting_takes"] == 0, what="no take")


def test_connection_cap(place):
    schedd = place.schedd({"http": {"max_connections": 8}})
    conns = [Raw(schedd.addr) for _ in range(8)]
    try:
        for raw in conns:
            assert ask(raw, PING).status == 200
        with Raw(schedd.addr) as one_more:
            one_more.receive().refused(503, "TOO_MANY_CONNS")
            assert one_more.at_end()
        for raw in conns:
            assert ask(raw, PING).status == 200
        conns.pop().sock.close()

        def served():
            with Raw(schedd.addr) as raw:
                raw.send(PING)
                return raw.receive().status == 200

        wait_until(served, what="a place that is free again")
    finally:
        for raw in conns:
            raw.sock.close()


def test_out_of_descriptors(place):
    """Those that are in are served, nothing spins, and it gets over it."""
    schedd = place.schedd(prefix=["prlimit", "--nofile=64:64"])
    with schedd.client() as client:
        assert client.get("/healthz").status == 200
        conns = [Raw(schedd.addr) for _ in range(100)]
        before, began = schedd.cpu_s(), time.monotonic()
        served = 0
        while time.monotonic() - began < 1:
            assert client.get("/readyz").status == 200
            served += 1
            time.sleep(0.01)
        share = (schedd.cpu_s() - before) / (time.monotonic() - began)
        assert served > 10 and share < 0.5, (served, share)
        assert client.queue("q").push("a")["queued"] == 1
        for raw in conns:
            raw.sock.close()

    def served_again():
        with Raw(schedd.addr) as raw:
            return ask(raw, PING).status == 200

    wait_until(served_again, what="room for another one")


def test_client_that_does_not_read(place):
    """Its answers are bounded, and it is dropped in the end."""
    schedd = place.schedd({"http": {"write_timeout": "1s"}})
    with schedd.client() as client:
        queue = client.queue("q")
        queue.push({"id": "big", "payload": "x" * 60_000})
        ask_for = f"GET {queue.path}/tasks/big HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        before, most = schedd.rss_bytes(), 0
        with Raw(schedd.addr) as raw:
            raw.sock.setblocking(False)
            began, gone = time.monotonic(), False
            while not gone and time.monotonic() - began < 20:
                try:
                    raw.sock.send(ask_for * 50)
                except BlockingIOError:
                    most = max(most, schedd.rss_bytes() - before)
                    time.sleep(0.01)
                except (BrokenPipeError, ConnectionResetError):
                    gone = True
        assert gone, "it was not dropped"
        assert most < 64 * 1024 * 1024, f"{most} bytes for one client"
        assert client.get("/healthz").status == 200


# -- unix socket ------------------------------------------------------------


def test_unix_socket(place):
    folder = place.new_folder()
    path = folder / "http.sock"
    schedd = place.schedd(
        folder=folder, args=[f"--http.listen=unix:{path},127.0.0.1:0"]
    )
    addrs = [x.values["addr"] for x in schedd.lines if x.event == "http.listening"]
    assert addrs[0] == f"unix:{path}" and addrs[1].startswith("127.0.0.1:")
    with Client(f"unix:{path}") as unix, Client(addrs[1]) as tcp:
        assert unix.queue("u").push("over-unix")["queued"] == 1
        assert tcp.queue("u").take_ids() == ["over-unix"]
    assert path.stat().st_mode & 0o007 == 0


def test_unix_socket_that_was_left_behind(place):
    """A file of a server that was killed does not stop the next one."""
    folder = place.new_folder()
    path = folder / "http.sock"
    args = [f"--http.listen=unix:{path}"]
    schedd = place.schedd(folder=folder, args=args)
    schedd.kill()
    assert path.exists()
    schedd.start()
    with schedd.client() as client:
        assert client.get("/healthz").status == 200
    schedd.stop()
    assert not path.exists()
