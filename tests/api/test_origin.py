"""Pages in a browser reach an open address as well. Without a token they
change nothing from another site, and get nothing under a foreign name."""

import pytest

from access import make_token
from client import Client, Raw
from test_access import BODIES, fill, operations

UNSAFE = [one for one in operations() if one[1] != "GET"]
SAFE = [one for one in operations() if one[1] == "GET"]
EVIL = "http://evil.example"
# What a browser says when a page of another site asks. HOST is the address
# that the page thinks it speaks to.
FORGED = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "something-new"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://HOST"},
    {"Sec-Fetch-Site": "none", "Origin": EVIL},
    {"Origin": EVIL},
    {"Origin": EVIL, "Content-Type": "text/plain"},
    {"Origin": EVIL, "Content-Type": "application/x-www-form-urlencoded"},
    {"Origin": "null"},
    {"Origin": "http://HOST.evil.example"},
    {"Origin": "http://HOST@evil.example"},
    {"Origin": "http://evil.example#http://HOST"},
    {"Origin": "HOST"},
    {"Origin": "http://127.0.0.1"},  # another port: another site
]
OURS = [
    {},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://HOST"},
    {"Origin": "http://HOST"},
    {"Content-Type": "application/x-www-form-urlencoded"},
]
NAMES = ["evil.example", "evil.example:7070", "localhost.evil.example", "evillocalhost",
         "127.0.0.1.evil.example", "1.2.3.4x", "1-2.3.4.5", ":7070", "x[::1]",
         "x" * 300]  # fmt: skip
OUR_NAMES = ["127.0.0.1", "127.0.0.1:1", "10.2.3.4:80", "[::1]:7070", "[fe80::1]",
             "localhost", "LocalHost:7070", "a.localhost", "tasks.example",
             "Tasks.Example:80", "box"]  # fmt: skip


@pytest.fixture(scope="module", name="schedd")
def _schedd(_module_place):
    folder = _module_place.new_folder()
    folder.mkdir()
    return _module_place.schedd(
        {"http": {"allowed_hosts": "tasks.example, box"}},
        args=[f"--http.listen=127.0.0.1:0,unix:{folder / 's'}"],
    )


@pytest.fixture(scope="module", name="client")
def _client(schedd):
    with schedd.client() as client:
        client.queue("mail-1").push("a")
        yield client


def said(headers, addr):
    """The headers of a request to this address."""
    out = {name: value.replace("HOST", addr) for name, value in headers.items()}
    return {"Host": addr, **out}


def state(client):
    """What a request could have changed."""
    return (
        client.get_json("/v1/queues/mail-1")["policy"],
        client.queue("mail-1").counts(),
        client.get_json("/v1/tokens")["tokens"],
        client.get_json("/v1/audit")["last"],
        client.get_json("/v1/workers"),
    )


@pytest.mark.parametrize("name, method, path", UNSAFE)
def test_another_site_changes_nothing(schedd, client, name, method, path):
    before = state(client)
    for headers in FORGED:
        got = client.call(
            method, fill(path), BODIES.get(name), said(headers, schedd.addr)
        )
        got.refused(403, "CROSS_SITE")
    assert state(client) == before


@pytest.mark.parametrize("name, method, path", [*UNSAFE, *SAFE])
def test_under_a_foreign_name_nothing_is_to_be_had(client, name, method, path):
    before = state(client)
    for host in NAMES:
        got = client.call(method, fill(path), BODIES.get(name), {"Host": host})
        if name in ("health", "ready"):
            assert got.status == 200, (host, got)
        else:
            got.refused(403, "HOST_UNKNOWN", "http.allowed_hosts")
    assert state(client) == before


def test_programs_and_our_own_pages_are_not_hindered(schedd, client):
    queue = client.queue("q")
    for headers in OURS:
        headers = said(headers, schedd.addr)
        got = client.call("POST", f"{queue.path}/tasks", {"payload": 1}, headers)
        assert got.status == 201, (headers, got)
    for host in OUR_NAMES:
        headers = {"Host": host}
        assert client.call("GET", "/v1/queues", headers=headers).status == 200, host
        headers["Origin"] = f"https://{host.upper()}"
        got = client.call("POST", f"{queue.path}/tasks", {"payload": 1}, headers)
        assert got.status == 201, (host, got)
    for headers in FORGED:  # to look is no change, and a page sees no answer
        headers = {k: v for k, v in headers.items() if k != "Content-Type"}
        got = client.call("GET", "/v1/queues", headers=said(headers, schedd.addr))
        assert got.status == 200
    with Raw(schedd.addr) as raw:
        raw.send("GET /v1/queues HTTP/1.0\r\n\r\n")
        assert raw.receive().status == 200


def test_no_name_leads_to_a_unix_socket(schedd):
    path = next(w for w in schedd.args if "unix:" in w).split(",")[1]
    with Client(path) as client:
        for host in NAMES[:3]:
            assert client.call("GET", "/v1/queues", headers={"Host": host}).status == 200
        got = client.call(
            "POST", "/v1/queues/q/tasks", {"payload": 1}, {"Origin": EVIL}
        )
        got.refused(403, "CROSS_SITE")


def test_a_token_says_enough(place):
    """No page can show one."""
    schedd = place.schedd()
    with schedd.client() as client:
        token = make_token(client, "anna", "admin")
    with schedd.client(token=token) as client:
        for headers in FORGED[:6]:
            got = client.call("POST", "/v1/queues/q/tasks", {"payload": 1}, headers)
            assert got.status == 201, (headers, got)
        got = client.call("GET", "/v1/queues", headers={"Host": "evil.example"})
        assert got.status == 200


TYPES = {
    "application/json": 201,
    "Application/JSON; charset=utf-8": 201,
    "application/x-ndjson": 201,
    "application/x-www-form-urlencoded": 201,
    "": 201,
    "text/plain": 415,
    "text/plain;charset=UTF-8": 415,
    "multipart/form-data; boundary=x": 415,
    "application/jsonp": 415,
    "application/octet-stream": 415,
}


@pytest.mark.parametrize("kind", TYPES)
def test_a_body_is_json_or_says_nothing(client, kind):
    path, body = "/v1/queues/q/tasks", {"payload": 1}
    got = client.call("POST", path, body, {"Content-Type": kind})
    assert got.status == TYPES[kind]
    if got.status == 415:
        got.refused(415, "BODY_TYPE", "application/json")
    got = client.call("GET", "/v1/queues", headers={"Content-Type": kind})
    assert got.status == 200


def test_headers_that_decide_come_once(schedd):
    for name in ("Origin", "Sec-Fetch-Site", "Content-Type"):
        with Raw(schedd.addr) as raw:
            twice = f"{name}: a\r\n{name}: b\r\n"
            raw.send(f"GET /healthz HTTP/1.1\r\nHost: x\r\n{twice}\r\n")
            raw.receive().refused(400, "HTTP_BAD", name)
