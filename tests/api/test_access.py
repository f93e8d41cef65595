"""Who may do what: every route with every role, queues that a token is not
for, guessing, and what a server asks for before it starts."""

import json
import os
import re
from pathlib import Path

import pytest

from access import ROLES, make_token, make_tokens
from client import Raw

ROOT = Path(__file__).resolve().parents[2]
# What each role may, written down once more and by hand: operation -> roles.
LOOK = {"viewer", "operator", "admin"}
REPAIR = {"operator", "admin"}
WORK = {"worker", "admin"}
ANYBODY = {*ROLES, None}
MAY = {
    "health": ANYBODY,
    "ready": ANYBODY,
    "metrics": LOOK,
    "errors": set(ROLES),
    "openapi": set(ROLES),
    "version": set(ROLES),
    "queues_list": LOOK,
    "queues_get": LOOK,
    "queues_set": REPAIR,
    "queues_remove": REPAIR,
    "extend": WORK,
    "move_start": {"admin"},
    "move_get": LOOK,
    "move_undo": {"admin"},
    "tasks_purge": REPAIR,
    "report": WORK,
    "tasks_retry": REPAIR,
    "take": WORK,
    "tasks_list": LOOK,
    "push": {"producer", "admin"},
    "tasks_remove": REPAIR,
    "tasks_get": LOOK,
    "stats": LOOK,
    "audit_list": {"admin"},
    "config_get": {"admin"},
    "config_set": {"admin"},
    "tokens_list": {"admin"},
    "tokens_add": {"admin"},
    "tokens_remove": {"admin"},
    "workers_list": LOOK,
    "workers_get": LOOK,
    "workers_remove": {"admin"},
    "workers_heartbeat": WORK,
    "relays_list": LOOK,
    "relays_get": LOOK,
    "channels_list": LOOK,
    "channels_get": LOOK,
    "channels_set": REPAIR,
    "bad_list": LOOK,
    "bad_get": LOOK,
    "bad_edit": REPAIR,
    "bad_retry": REPAIR,
    "bad_purge": REPAIR,
    "rows": {"producer", "worker", "admin"},
    "encrypt": {"producer", "worker", "admin"},
    "decrypt": {"admin"},
}
BODIES = {
    "push": {"payload": 1},
    "take": {"worker": "w"},
    "report": {"worker": "w", "finished": ["a"]},
    "extend": {"worker": "w", "ids": ["a"]},
    "tasks_retry": {"state": "dead", "match": "*"},
    "tasks_purge": {"state": "dead", "match": "*"},
    "queues_set": {"max_tasks": 5},
    "move_start": {"to": "group"},
    "workers_heartbeat": {},
    "tokens_add": {"name": "new", "role": "viewer"},
    "channels_set": {"paused": True},
    "bad_edit": {"row": {}},
    "bad_retry": {"all": True},
    "bad_purge": {"all": True},
    "rows": {"a": "b"},
    "encrypt": {"fields": {"a": "b"}, "context": {"channel": "c"}},
    "decrypt": {"fields": {"a": "b"}, "context": {"channel": "c"}},
    "config_set": {"log.http": "info"},
}


def operations():
    """(name, method, path) of every route, from the API's own description."""
    document = json.loads((ROOT / "http/openapi.json").read_text())
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield operation["operationId"], method.upper(), path


def fill(path, queue="mail-1"):
    names = {"queue": queue, "worker": "w", "id": "a", "token": "nobody", "channel": "c", "relay": "r"}
    return re.sub(r"\{(\w+)\}", lambda m: names[m.group(1)], path)


def spellings(path):
    """The path as a careless router might also take it."""
    yield from (path + "/", "/" + path, path + "/.", path + "?x=1", path + "%00")
    yield from (path.replace("/v1/", p) for p in ("/V1/", "/v1//", "/v1/./", "/v1/x/../"))
    yield from (path.replace("v1", "%761"), path + ";a=b", path.upper(), path + "%2f")
    yield from (path.replace("/", "\\"), path + "%20", path + "\\", "/v1/.." + path)


@pytest.fixture(scope="module", name="clients")
def _clients(schedd):
    """A client for each role; None: one without a token."""
    with schedd.client() as client:
        tokens = make_tokens(client)
    tokens[None] = None
    clients = {role: schedd.client(token=text) for role, text in tokens.items()}
    clients["admin"].queue("mail-1").make()
    yield clients
    for one in clients.values():
        one.close()


def test_every_route_is_in_the_table_above():
    assert {name for name, _, _ in operations()} == set(MAY)


@pytest.mark.parametrize("name, method, path", operations())
def test_roles(clients, name, method, path):
    for role in (None, *ROLES):
        body = BODIES.get(name)
        if name == "tokens_add":
            body = {"name": f"new-{role}", "role": "viewer"}
        got = clients[role].call(method, fill(path), body)
        if role in MAY[name]:
            assert got.status not in (401, 403), (role, got)
        elif role is None:
            got.refused(401, "TOKEN_MISSING")
        else:
            got.refused(403, "FORBIDDEN")


def test_no_spelling_goes_round_the_roles(clients):
    """What none may do is done by none of the spellings either."""
    asked = 0
    for name, method, path in operations():
        for role in (None, *ROLES):
            if role in MAY[name]:
                continue
            for spelling in spellings(fill(path)):
                with_body = method in ("POST", "PATCH")
                body = BODIES.get(name) if with_body else None
                got = clients[role].call(method, spelling, body)
                assert got.status in (400, 401, 403, 404, 405), (role, spelling, got)
                asked += 1
    assert asked > 1000
    assert {t["name"] for t in clients["admin"].get_json("/v1/tokens")["tokens"]} >= {
        *ROLES
    }


# -- queues --------------------------------------------------------------


@pytest.fixture(name="two")
def _two(place):
    """A schedd with queues of two tenants, and tokens for one of them."""
    schedd = place.schedd()
    with schedd.client() as client:
        client.tokens = make_tokens(client, queues=["mine*", "ours-[ab]"])
        client.schedd = schedd
        for name in ("mine", "mine2", "ours-a", "theirs", "xmine", "ours-c"):
            queue = client.queue(name)
            queue.push({"id": "a", "payload": name})
        yield client


def test_another_ones_queue_is_as_one_that_is_not(two):
    for name, method, path in operations():
        if "{queue}" not in path:
            continue
        for role in MAY[name] - {"admin"}:
            with two.schedd.client(token=two.tokens[role]) as client:
                for queue in ("theirs", "xmine", "ours-c", "none", "MINE"):
                    got = client.call(method, fill(path, queue), BODIES.get(name))
                    got.refused(404, "QUEUE_UNKNOWN")
                    assert "detail" not in got.error, got
                got = client.call(method, fill(path, "ours-a"), BODIES.get(name))
                known = ("TASK_UNKNOWN", "QUEUE_NOT_EMPTY", "MOVE_UNKNOWN")
                assert got.status < 300 or got.error["name"] in known, got
    assert two.queue("theirs").counts() == {"todo": 1}
    two.get("/v1/queues/none").refused(404, "QUEUE_UNKNOWN")


def test_lists_and_sums_leave_out_what_a_token_is_not_for(two):
    with two.schedd.client(token=two.tokens["viewer"]) as viewer:
        seen = ["mine", "mine2", "ours-a"]
        queues = viewer.get_json("/v1/queues")["queues"]
        assert [q["name"] for q in queues] == seen
        stats = viewer.get_json("/v1/stats")
        assert [q["name"] for q in stats["queues"]] == seen
        assert stats["sums"]["queues"] == 3
        page = viewer.get("/metrics").body.decode()
        assert set(re.findall(r'queue="([^"]+)"', page)) == set(seen)
        viewer.get("/v1/workers").refused(403, "FORBIDDEN")
    assert len(two.get_json("/v1/queues")["queues"]) == 6


# -- the unix socket -----------------------------------------------------


def test_the_owner_needs_no_token_over_the_unix_socket(place):
    path = place.folder / "s"
    schedd = place.schedd(args=[f"--http.listen=127.0.0.1:0,unix:{path}"])
    path.chmod(0o666)
    place.folder.chmod(0o755)
    with schedd.client() as client:
        make_token(client, "lost", "admin")
        client.get("/v1/tokens").refused(401, "TOKEN_MISSING")
    addr, schedd.addr = schedd.addr, f"unix:{path}"
    with schedd.client() as owner:
        assert owner.get("/v1/tokens").status == 200
        bad = {"Authorization": "Bearer x"}
        owner.call("GET", "/v1/tokens", headers=bad).refused(401, "TOKEN_BAD")
        if os.geteuid() == 0:
            ask_as_another(schedd)
        assert make_token(owner, "new", "admin")
    schedd.addr = addr


def ask_as_another(schedd):
    """The same as a user that is neither schedd's nor root."""
    os.seteuid(65534)
    try:
        with Raw(schedd.addr) as raw:
            raw.send("GET /v1/tokens HTTP/1.1\r\nHost: x\r\n\r\n")
            raw.receive().refused(401, "TOKEN_MISSING")
    finally:
        os.seteuid(0)


# -- while Redis was never there -----------------------------------------


def test_nobody_writes_before_the_tokens_are_known(place):
    settings = {'redis "main"': {"url": f"unix:{place.folder}/none"}}
    schedd = place.schedd(settings, ready=False)
    with schedd.client() as client:
        client.post("/v1/queues/q/tasks", {"payload": 1}).refused(503, "REDIS_DOWN")
        client.post("/v1/tokens", {"name": "x", "role": "admin"}).refused(
            503, "REDIS_DOWN"
        )
        client.get("/v1/queues").refused(503, "REDIS_DOWN")
        assert client.get("/metrics").status == 200
