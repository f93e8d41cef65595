"""Access tokens: made, used, listed, ended; what is not one is refused."""

import os
import threading
import time

import pytest

from access import ROLES, TOKEN, make_token, make_tokens
from client import Client, Raw
from server import wait_until


@pytest.fixture(name="admin")
def _admin(place):
    """A client with an admin's token, of a schedd with one token a role."""
    schedd = place.schedd()
    with schedd.client() as client:
        client.tokens = make_tokens(client)
        client.schedd = schedd
        yield client


def names(client):
    return [t["name"] for t in client.get_json("/v1/tokens")["tokens"]]


def test_the_first_token_closes_the_server(place):
    schedd = place.schedd()
    with schedd.client() as client:
        assert client.get("/v1/tokens").json == {"tokens": []}
        assert client.get("/v1/queues").status == 200
        client.post("/v1/tokens", {"name": "w", "role": "worker"}).refused(
            409, "ADMIN_NEEDED"
        )
        token = make_token(client, "anna", "admin")
        got = client.get("/v1/queues")
        got.refused(401, "TOKEN_MISSING")
        assert got.headers["WWW-Authenticate"] == "Bearer"
        for path in ("/healthz", "/readyz"):
            assert client.get(path).status == 200
        client.token = token
        assert client.get("/v1/queues").status == 200
        assert names(client) == ["anna"]


def test_a_token_is_shown_once_and_kept_as_hash(place):
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        got = client.post("/v1/tokens", {"name": "anna", "role": "admin"})
        assert got.headers["Cache-Control"] == "no-store"
        client.token = got.json["token"]
        assert not TOKEN.search(client.get("/v1/tokens").body.decode())
        client.get("/v1/queues/nowhere")
    secret = client.token.rsplit("_", 1)[1]
    stored = b"".join(redis.do("HGETALL", "sched:tokens"))
    assert b"anna" in stored and secret.encode() not in stored
    schedd.stop()
    assert secret not in "\n".join(line.text for line in schedd.lines)
    assert secret.encode() not in (redis.folder / "appendonlydir").joinpath(
        "appendonly.aof.1.incr.aof"
    ).read_bytes()


def test_list_tells_use_and_end(admin):
    make_token(admin, "short", "viewer", queues=["a*", "b"], expires_s=60)
    tokens = {t["name"]: t for t in admin.get_json("/v1/tokens")["tokens"]}
    assert sorted(tokens) == sorted((*ROLES, "short"))
    assert list(tokens) == sorted(tokens)
    assert tokens["short"]["queues"] == ["a*", "b"]
    assert tokens["short"]["expires_at"] and not tokens["short"]["is_over"]
    assert tokens["worker"]["last_used"] is None
    assert tokens["admin"]["last_used"] and tokens["admin"]["expires_at"] is None


def test_last_use_outlives_the_server(place):
    redis = place.redis()
    one = place.schedd(redis.settings())
    with one.client() as client:
        client.token = token = make_token(client, "anna", "admin")
        used = client.get_json("/v1/tokens")["tokens"][0]["last_used"]
    one.stop()
    two = place.schedd(redis.settings())
    with two.client(token=token) as client:
        assert client.get_json("/v1/tokens")["tokens"][0]["last_used"] >= used
    assert redis.do("HGET", "sched:tokens:used", "anna")


def spoiled(token):
    """Texts that are near a token and are none."""
    head, tail = token[:-1], token[-1]
    yield head
    yield token + "0"
    yield head + ("0" if tail != "0" else "1")
    yield token.upper()
    yield token[:7] + token[7:].upper() if any(c.isalpha() for c in token[7:]) else "x"
    yield token.replace("schedd_", "scheed_")
    yield token.replace("_", "-")
    yield token[20:]
    yield "schedd_" + "0" * 12 + "_" + "0" * 64
    yield token[:20] + "g" * 64
    yield ""
    yield "admin"
    yield "a" * 4000


def test_what_is_no_token_is_refused(admin):
    token, admin.token = admin.token, None
    for bad in spoiled(token):
        got = admin.call("GET", "/v1/queues", headers={"Authorization": f"Bearer {bad}"})
        got.refused(401, "TOKEN_BAD")
        assert "detail" not in got.error
    for value in (token, f"Basic {token}", f"Bearer  {token}", f"Bearer {token} x", "Bearer"):
        got = admin.call("GET", "/v1/queues", headers={"Authorization": value})
        got.refused(401, "TOKEN_BAD")
    for value in (f"bearer {token}", f"BEARER {token}"):
        got = admin.call("GET", "/v1/queues", headers={"Authorization": value})
        assert got.status == 200
    admin.call("GET", "/v1/queues", headers={"Cookie": f"token={token}"}).refused(
        401, "TOKEN_MISSING"
    )
    for path in (f"/v1/queues?token={token}", f"/v1/queues?access_token={token}"):
        admin.get(path).refused(401, "TOKEN_MISSING")


def test_two_headers_are_refused(admin):
    with Raw(admin.addr) as raw:
        line = f"Authorization: Bearer {admin.token}\r\n"
        raw.send(f"GET /v1/queues HTTP/1.1\r\nHost: x\r\n{line}{line}\r\n")
        raw.receive().refused(400, "HTTP_BAD", "Authorization")


def test_an_ended_token_is_refused_at_once(admin):
    worker = admin.schedd.client(token=admin.tokens["worker"])
    assert worker.post("/v1/queues/q/take", {"worker": "w"}).status == 200
    assert admin.call("DELETE", "/v1/tokens/worker").json == {
        "name": "worker",
        "removed": True,
    }
    worker.post("/v1/queues/q/take", {"worker": "w"}).refused(401, "TOKEN_BAD")
    admin.call("DELETE", "/v1/tokens/worker").refused(404, "TOKEN_UNKNOWN")
    make_token(admin, "worker", "worker")
    worker.post("/v1/queues/q/take", {"worker": "w"}).refused(401, "TOKEN_BAD")
    worker.close()


def test_an_ended_token_holds_within_a_second_elsewhere(place):
    redis = place.redis()
    one, two = place.schedd(redis.settings()), place.schedd(redis.settings())
    with one.client() as client, two.client() as other:
        tokens = make_tokens(client)
        other.token = tokens["viewer"]
        with two.client() as nobody:
            wait_until(lambda: nobody.get("/v1/queues").status == 401, 5, "the tokens")
        wait_until(lambda: other.get("/v1/queues").status == 200, 5, "the token")
        assert client.call("DELETE", "/v1/tokens/viewer").status == 200
        began = time.monotonic()
        wait_until(lambda: other.get("/v1/queues").status == 401, 5, "its end")
        assert time.monotonic() - began < 1.0 * float(os.environ.get("SLOW", "1"))


def test_a_waiting_take_ends_with_its_token(admin):
    worker = admin.schedd.client(token=admin.tokens["worker"])
    ended = threading.Event()

    def wait():
        try:
            worker.post("/v1/queues/q/take", {"worker": "w", "wait_s": 50})
        except OSError:
            ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: admin.get_json("/v1/stats")["waiting_takes"] == 1, what="it waits")
    assert admin.call("DELETE", "/v1/tokens/worker").status == 200
    thread.join(10)
    assert ended.is_set()
    assert admin.get_json("/v1/stats")["waiting_takes"] == 0
    q = admin.queue("q")
    q.push({"id": "a", "payload": 1})
    assert q.counts() == {"todo": 1}


def test_a_token_ends_by_itself(admin):
    token = make_token(admin, "short", "viewer", expires_s=30)
    with admin.schedd.client(token=token) as short:
        assert short.get("/v1/queues").status == 200
        admin.schedd.move_clock(31)
        wait_until(lambda: short.get("/v1/queues").status == 401, 5, "its end")

    def over():
        tokens = admin.get_json("/v1/tokens")["tokens"]
        return [t["name"] for t in tokens if t["is_over"]] == ["short"]

    wait_until(over, 5, "the list to say so")


def test_the_last_admin_stays(admin):
    admin.call("DELETE", "/v1/tokens/admin").refused(409, "ADMIN_NEEDED")
    make_token(admin, "other", "admin")
    assert admin.call("DELETE", "/v1/tokens/other").status == 200
    for role in ROLES[:-1]:
        assert admin.call("DELETE", f"/v1/tokens/{role}").status == 200
    assert admin.call("DELETE", "/v1/tokens/admin").status == 200
    admin.token = None
    assert admin.get("/v1/tokens").json == {"tokens": []}


def test_an_admin_that_is_over_is_none(admin):
    make_token(admin, "brief", "admin", expires_s=30)
    admin.schedd.move_clock(31)
    admin.call("DELETE", "/v1/tokens/admin").refused(409, "ADMIN_NEEDED")
    assert admin.call("DELETE", "/v1/tokens/brief").status == 200
    admin.call("DELETE", "/v1/tokens/admin").refused(409, "ADMIN_NEEDED")


def test_all_admins_are_over(place):
    """Whoever needs no token makes another, and may end the rest meanwhile."""
    folder = place.new_folder()
    listen = f"127.0.0.1:0, unix:{folder}/own"
    schedd = place.schedd(folder=folder, args=[f"--http.listen={listen}"])
    with schedd.client() as client:
        client.token = make_token(client, "anna", "admin", expires_s=30)
        make_token(client, "w", "worker")
        make_token(client, "v", "viewer")
    schedd.move_clock(31)
    with Client(f"unix:{folder}/own") as owner:
        refused = owner.post("/v1/tokens", {"name": "x", "role": "viewer"})
        refused.refused(409, "ADMIN_NEEDED")
        for name in ("w", "anna"):
            assert owner.call("DELETE", f"/v1/tokens/{name}").status == 200
        make_token(owner, "berta", "admin")
        assert names(owner) == ["berta", "v"]


@pytest.mark.parametrize(
    "body, error, word",
    [
        ({"role": "viewer"}, "FIELD_MISSING", "name"),
        ({"name": "x"}, "FIELD_MISSING", "role"),
        ({"name": "a b", "role": "viewer"}, "TOKEN_NAME_BAD", "name"),
        ({"name": "", "role": "viewer"}, "TOKEN_NAME_BAD", "name"),
        ({"name": "x", "role": "root"}, "FIELD_RANGE", "role"),
        ({"name": "x", "role": "known"}, "FIELD_RANGE", "role"),
        ({"name": "x", "role": "any"}, "FIELD_RANGE", "role"),
        ({"name": "x", "role": "viewer", "queues": []}, "FIELD_RANGE", "queues"),
        ({"name": "x", "role": "viewer", "queues": ["a b"]}, "FIELD_RANGE", "queues"),
        ({"name": "x", "role": "viewer", "queues": ["é"]}, "FIELD_RANGE", "queues"),
        ({"name": "x", "role": "viewer", "queues": "a"}, "FIELD_TYPE", "queues"),
        ({"name": "x", "role": "admin", "queues": ["a"]}, "FIELD_CONFLICT", "queues"),
        ({"name": "x", "role": "viewer", "expires_s": 0}, "FIELD_RANGE", "expires_s"),
        ({"name": "x", "role": "viewer", "token": "y"}, "FIELD_UNKNOWN", "token"),
    ],
)
def test_bad_bodies(client, body, error, word):
    client.post("/v1/tokens", body).refused(400, error, word)


def test_refusals(admin):
    admin.post("/v1/tokens", {"name": "admin", "role": "viewer"}).refused(
        409, "TOKEN_EXISTS"
    )
    admin.call("DELETE", "/v1/tokens/a+b").refused(400, "TOKEN_NAME_BAD")
    many = {"name": "x", "role": "viewer", "queues": ["a"] * 33}
    admin.post("/v1/tokens", many).refused(413, "TOO_MANY_ITEMS")


@pytest.mark.log_errors("access.tokens_behind", "redis.hopeless")
def test_an_emptied_redis_opens_nothing(place):
    """Neither does one that came back older give ended tokens new life."""
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        tokens = make_tokens(client)
        before = redis.do("HGETALL", "sched:tokens")
        assert client.call("DELETE", "/v1/tokens/viewer").status == 200
        redis.do("DEL", "sched:tokens")
        redis.do("HSET", "sched:tokens", *before)
        schedd.wait_log("access.tokens_behind")
        with schedd.client(token=tokens["viewer"]) as viewer:
            viewer.get("/v1/queues").refused(401, "TOKEN_BAD")
        redis.do("FLUSHALL")
        mark = time.monotonic()
        wait_until(lambda: time.monotonic() - mark > 1.2, 5)
        with schedd.client() as nobody:
            nobody.get("/v1/queues").refused(401, "TOKEN_MISSING")
        assert client.get("/v1/queues").status == 200


@pytest.mark.log_errors("access.token_bad")
def test_a_spoiled_record_lets_nobody_in(place):
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        tokens = make_tokens(client)
        redis.do("HSET", "sched:tokens", "viewer", "x " * 6)
        redis.do("HINCRBY", "sched:tokens", "#", 1)
        schedd.wait_log("access.token_bad")
        with schedd.client(token=tokens["viewer"]) as viewer:
            viewer.get("/v1/queues").refused(401, "TOKEN_BAD")
        assert client.get("/v1/queues").status == 200


def test_many_tokens_may_not_be(place):
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        client.token = make_token(client, "anna", "admin")
        words = []
        for i in range(9999):
            words += [f"t{i}", f"{i:012x} {i:064x} viewer 1 0 *"]
        redis.do("HSET", "sched:tokens", *words)
        redis.do("HINCRBY", "sched:tokens", "#", 1)
        body = {"name": "more", "role": "viewer"}
        client.post("/v1/tokens", body).refused(429, "TOO_MANY_TOKENS")
        assert len(names(client)) == 10000
