"""Rows on to Postgres: what is accepted, how it arrives, what callers see."""

import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from access import make_token
from channels import LINES, act, bring, info, quarantine, rows_path, spool, wait_empty
from conftest import wait_state
from redisproc import AclRedis
from server import wait_until

# -- rows -----------------------------------------------------------------

TYPES = """CREATE TABLE types (id text PRIMARY KEY, i2 int2, i4 int4, i8 int8,
  f8 float8, num numeric, b bool, j json, jb jsonb, ts timestamptz, d date,
  u uuid, by bytea, v varchar(5), arr text[])"""


def test_every_type_arrives_as_it_is(world):
    client = world({"c": {"table": "types", "key": "id"}}, TYPES)
    row = {
        "id": 'quote " slash \\ tab \t é 😀', "i2": -32768, "i4": 2147483647,
        "i8": 9223372036854775807, "f8": 1.5e300, "num": 1, "b": False,
        "j": {"a": [1, None]}, "jb": "text", "ts": "2026-01-02T03:04:05.678+02:00",
        "d": "2026-01-02", "u": "6d1f9f1e-3f1a-4f0e-9f1e-3f1a4f0e9f1e", "by": "\\x00ff",
        "v": "12345", "arr": "{a,\"b c\"}",
    }  # fmt: skip
    body = json.dumps(row).replace('"num": 1', '"num": 12345678901234567890.123456789')
    got = client.post(rows_path("c", wait="commit"), body.encode())
    assert got.json == {"rows": 1, "state": "committed", "committed": 1, "quarantined": 0}
    (text,) = client.postgres.sql("SELECT row_to_json(t)::text FROM types t")
    there = json.loads("\t".join(text))
    assert there["id"] == row["id"] and there["i8"] == row["i8"] and there["b"] is False
    assert "12345678901234567890.123456789" in text[0] and there["f8"] == 1.5e300
    assert there["j"] == row["j"] and there["jb"] == "text" and there["arr"] == ["a", "b c"]
    assert there["by"] == "\\x00ff" and there["v"] == "12345"
    assert client.postgres.one("SELECT ts AT TIME ZONE 'UTC' FROM types") == "2026-01-02 01:04:05.678"
    assert [c["type"] for c in info(client, "c")["columns"]][:4] == ["text", "int2", "int4", "int8"]


def test_null_and_absent(world):
    client = world(
        {"c": {"table": "nulls"}},
        "CREATE TABLE nulls (n int GENERATED ALWAYS AS IDENTITY, a text, "
        "s serial, d text NOT NULL DEFAULT 'x', g text GENERATED ALWAYS AS (a || '!') STORED)",
    )
    assert [c["name"] for c in info(client, "c")["columns"]] == ["a", "s", "d"]
    bring(client, "c", {"a": "1"}, {"a": None, "d": None}, {"d": "y", "s": 7}, {})
    assert client.postgres.sql("SELECT a, s, d, g FROM nulls ORDER BY n") == [
        ["1", "1", "x", "1!"], ["", "2", "x", ""], ["", "7", "y", ""], ["", "3", "x", ""]
    ]  # fmt: skip


def test_lines_and_lists(world):
    client = world({"c": {"table": "lines", "columns": "a:int8"}}, "CREATE TABLE lines (a int8)")
    body = b"".join(b'{"a":%d}\r\n\n' % n for n in range(2500))
    got = client.call("POST", rows_path("c", wait="commit"), body, LINES)
    assert got.json["committed"] == 2500
    bring(client, "c", {"a": -1})
    bring(client, "c", *[{"a": n} for n in range(2500, 3500)])
    # In the order in which they came.
    there = [int(r[0]) for r in client.postgres.sql("SELECT a FROM lines")]
    assert there == [*range(2500), -1, *range(2500, 3500)]


CHECKED = "a:text, i:int4, s:int2, n:numeric, f:float8, b:bool, l:int8, j:jsonb"

BAD = [
    ({"i": 1}, 400, "FIELD_MISSING", "'a'"),
    ({"a": None}, 400, "FIELD_TYPE", "part of the key"),
    ({"a": 1}, 400, "FIELD_TYPE", "'a': expected a string"),
    ({"a": "x\0"}, 400, "FIELD_RANGE", "'a'"),
    ({"a": "x", "z": 1}, 400, "FIELD_UNKNOWN", "'z'"),
    ({"a": "x", "i": 1.5}, 400, "FIELD_RANGE", "'i'"),
    ({"a": "x", "i": 2147483648}, 400, "FIELD_RANGE", "2147483647"),
    ({"a": "x", "i": -2147483649}, 400, "FIELD_RANGE", "'i'"),
    ({"a": "x", "s": 32768}, 400, "FIELD_RANGE", "'s'"),
    ({"a": "x", "l": 9223372036854775808}, 400, "FIELD_RANGE", "64 bits"),
    ({"a": "x", "l": "12x"}, 400, "FIELD_RANGE", "'l'"),
    ({"a": "x", "n": "1e"}, 400, "FIELD_RANGE", "'n'"),
    ({"a": "x", "f": True}, 400, "FIELD_TYPE", "'f': expected a number"),
    ({"a": "x", "b": 1}, 400, "FIELD_TYPE", "true or false"),
    ({"rows": [{"a": "x"}, {"a": "y", "b": "no"}]}, 400, "FIELD_TYPE", "'rows[1].b'"),
    ({"rows": [{"a": "x"}, 7]}, 400, "FIELD_TYPE", "'rows[1]'"),
    ({"rows": []}, 400, "FIELD_RANGE", "at least one"),
    ({"rows": [{"a": "x"}] * 1001}, 413, "TOO_MANY_ITEMS", "1000"),
    ({"rows": [{"a": "x"}], "more": 1}, 400, "FIELD_UNKNOWN", "'more'"),
    ([1], 400, "FIELD_TYPE", "an object"),
    (b'{"a":"x","a":"y"}', 400, "FIELD_DUPLICATE", "'a'"),
    (b'{"a":"x"', 400, "BODY_NOT_JSON", "byte"),
    (b'{"a":"\xff"}', 400, "BODY_NOT_UTF8", "byte"),
    (b'{"a":"\\ud800"}', 400, "BODY_NOT_JSON", "byte"),
    ({"a": "x" * 1_048_577}, 413, "ROW_TOO_LARGE", "1048576"),
]


@pytest.fixture(scope="module", name="checked")
def _checked(_module_place, postgres):
    postgres.make("CREATE TABLE checked (a text PRIMARY KEY, i int4, s int2, n numeric, f float8, b bool, l int8, j jsonb)")
    schedd = _module_place.schedd(
        postgres.settings({"c": {"table": "checked", "columns": CHECKED, "key": "a"}})
    )
    with schedd.client() as client:
        client.postgres, client.schedd = postgres, schedd
        wait_state(client, "c", "running")
        yield client


@pytest.mark.parametrize("body, status, name, word", BAD)
def test_what_does_not_fit_is_refused_by_name(checked, body, status, name, word):
    before = info(checked, "c")["rows_total"]
    checked.post(rows_path("c"), body).refused(status, name, word)
    assert info(checked, "c")["rows_total"] == before


def test_lines_are_refused_by_number(checked):
    for body, name, word in (
        (b'{"a":"x"}\n\n{"a":1}\n', "FIELD_TYPE", "line 3: field 'a'"),
        (b'{"a":"x"}\n{"a":', "BODY_NOT_JSON", "line 2: byte"),
        (b'{"a":"x"} {"a":"y"}', "BODY_NOT_JSON", "line 1"),
        (b"\n \n", "FIELD_RANGE", "at least one row"),
    ):
        checked.call("POST", rows_path("c"), body, LINES).refused(400, name, word)
    many = b'{"a":"x"}\n' * 10_001
    checked.call("POST", rows_path("c"), many, LINES).refused(413, "TOO_MANY_ITEMS", "line 10001")


def test_queries(checked):
    checked.post(rows_path("c", wait="yes"), {"a": "q"}).refused(400, "FIELD_RANGE", "commit")
    checked.post(rows_path("c", wait_s=61), {"a": "q"}).refused(400, "FIELD_RANGE", "60")
    checked.post(rows_path("c", x=1), {"a": "q"}).refused(400, "QUERY_BAD")
    checked.post(rows_path("nope"), {"a": "q"}).refused(404, "CHANNEL_UNKNOWN")
    checked.post(rows_path("a,b"), {"a": "q"}).refused(400, "CHANNEL_NAME_BAD")
    checked.get("/v1/channels/nope").refused(404, "CHANNEL_UNKNOWN")


def test_words_and_strings_for_numbers(checked):
    bring(checked, "c", {"a": "w", "f": "NaN", "n": "12.50", "l": "-9223372036854775808"})
    assert checked.postgres.sql("SELECT f, n, l FROM checked WHERE a = 'w'") == [
        ["NaN", "12.50", "-9223372036854775808"]
    ]


# -- keys -----------------------------------------------------------------

KEYED = "CREATE TABLE {0} (k1 text, k2 int, v text, PRIMARY KEY (k1, k2))"


def test_a_key_keeps_what_is_there(world):
    client = world({"c": {"table": "kept", "key": "k2, k1"}}, KEYED.format("kept"))
    bring(client, "c", {"k1": "a", "k2": 1, "v": "first"})
    got = bring(client, "c", {"k1": "a", "k2": 1, "v": "second"}, {"k1": "a", "k2": 2, "v": "x"}, {"k1": "a", "k2": 2, "v": "y"})
    assert got["committed"] == 3
    assert client.postgres.sql("SELECT * FROM kept ORDER BY k2") == [["a", "1", "first"], ["a", "2", "x"]]
    assert info(client, "c")["duplicates_total"] == 2


def test_a_key_may_update(world):
    client = world({"c": {"table": "upd", "key": "k1,k2", "on_conflict": "update"}}, KEYED.format("upd"))
    bring(client, "c", {"k1": "a", "k2": 1, "v": "first"})
    bring(client, "c", *[{"k1": "a", "k2": n % 2, "v": f"v{n}"} for n in range(10)])
    assert client.postgres.sql("SELECT * FROM upd ORDER BY k2") == [["a", "0", "v8"], ["a", "1", "v9"]]


def test_without_a_key_all_rows_stay(world):
    client = world({"c": {"table": "all_rows"}}, "CREATE TABLE all_rows (a text)")
    bring(client, "c", *[{"a": "same"}] * 7)
    assert client.postgres.one("SELECT count(*) FROM all_rows") == "7"


# -- reports --------------------------------------------------------------


def held(client, *ids):
    """Tasks that w1 holds."""
    queue = client.queue("q")
    queue.push(*ids)
    assert sorted(queue.take_ids(count=len(ids))) == sorted(ids)
    return queue


def values(client, table):
    """What stands in a table of one column."""
    return sorted(r[0] for r in client.postgres.sql(f"SELECT a FROM {table}"))


def test_a_report_brings_its_rows_once(world):
    client = world({"c": {"table": "rep"}}, "CREATE TABLE rep (a text)")
    queue = held(client, "t1", "t2", "t3")
    body = {
        "worker": "w1",
        "finished": ["t1", {"id": "t2", "rows": {"c": [{"a": "of t2"}, {"a": "too"}]}}],
        "failed": [{"id": "t3", "error": "no"}],
        "rows": {"c": [{"a": "of all"}]},
    }
    got = queue.post("report", body)
    assert got.json == {"finished": 2, "failed": 1, "dead": 0, "refused": [], "rows": {"c": 3}}
    again = queue.post("report", {**body, "failed": []})
    assert again.json["finished"] == 2 and again.json["rows"] == {"c": 0}
    wait_empty(client, "c")
    assert values(client, "rep") == ["of all", "of t2", "too"]
    assert queue.state("t2") == "finish" and queue.state("t3") == "failed"


def test_rows_of_a_task_that_another_has_do_not_come(world):
    client = world({"c": {"table": "lost"}}, "CREATE TABLE lost (a text)")
    queue = held(client, "t1", "t2")
    body = {
        "worker": "w2",
        "finished": [{"id": "t1", "rows": {"c": [{"a": "w2"}]}}],
        "rows": {"c": [{"a": "all"}]},
    }
    got = queue.post("report", body).json
    assert got["refused"][0]["error"]["name"] == "LEASE_LOST" and got["rows"] == {"c": 0}
    body["worker"] = "w1"
    body["finished"][0]["rows"]["c"][0]["a"] = "w1"
    assert queue.post("report", body).json["rows"] == {"c": 2}
    wait_empty(client, "c")
    assert values(client, "lost") == ["all", "w1"]


def test_a_take_may_bring_rows(world):
    client = world({"c": {"table": "tk"}, "d": {"table": "tk2"}}, "CREATE TABLE tk (a text); CREATE TABLE tk2 (a text)")
    queue = held(client, "t1")
    queue.push("t2")
    body = {"worker": "w1", "finished": ["t1"], "rows": {"c": [{"a": "1"}], "d": [{"a": "2"}, {"a": "3"}]}}
    got = queue.post("take", body).json
    assert [t["id"] for t in got["tasks"]] == ["t2"]
    assert got["report"]["finished"] == 1 and got["report"]["rows"] == {"c": 1, "d": 2}
    wait_empty(client, "c")
    wait_empty(client, "d")
    assert values(client, "tk") == ["1"] and values(client, "tk2") == ["2", "3"]


REPORTS = [
    ({"rows": {"x": [{"a": "1"}]}}, 404, "CHANNEL_UNKNOWN", "'rows.x'"),
    ({"rows": {"c": [{"a": 1}]}}, 400, "FIELD_TYPE", "'rows.c[0].a'"),
    ({"rows": {"c": {}}}, 400, "FIELD_TYPE", "'rows.c': expected a list"),
    ({"rows": []}, 400, "FIELD_TYPE", "lists of rows by channel"),
    ({"rows": {"c": [{"a": "1"}] * 1001}}, 413, "TOO_MANY_ITEMS", "1000"),
    ({"rows": {"c": [{"a": "1"}] * 600}, "finished": [{"id": "t", "rows": {"c": [{"a": "1"}] * 600}}]}, 413, "TOO_MANY_ITEMS", "1000"),
    ({"finished": ["s", {"id": "t", "rows": {"c": [{}, {"b": 1}]}}]}, 400, "FIELD_UNKNOWN", "'finished[1].rows.c[1].b'"),
    ({"finished": [], "rows": {"c": [{"a": "1"}]}}, 400, "FIELD_MISSING", "beside rows"),
]  # fmt: skip


@pytest.fixture(scope="module", name="reported")
def _reported(_module_place, postgres):
    postgres.make("CREATE TABLE reported (a text)")
    schedd = _module_place.schedd(postgres.settings({"c": {"table": "reported", "columns": "a:text"}}))
    with schedd.client() as client:
        yield client


@pytest.mark.parametrize("body, status, name, word", REPORTS)
def test_rows_of_a_report_are_checked(reported, body, status, name, word):
    body = {"worker": "w", "finished": ["t"], **body}
    for verb in ("report", "take"):
        reported.post(f"/v1/queues/q/{verb}", body).refused(status, name, word)


def test_no_room_finishes_nothing(world):
    client = world({"c": {"table": "fullt", "max_spool": 1000}}, "CREATE TABLE fullt (a text)")
    assert client.call("PATCH", "/v1/channels/c", {"paused": True}).status == 200
    spool(client, "c", *[{"a": "x"}] * 1000)
    queue = held(client, "t1")
    got = queue.post("report", {"worker": "w1", "finished": ["t1"], "rows": {"c": [{"a": "y"}]}})
    got.refused(503, "SPOOL_FULL", "'c'")
    assert int(got.headers["Retry-After"]) >= 1
    assert queue.state("t1") == "doing"
    took = queue.post("take", {"worker": "w1", "finished": ["t1"], "rows": {"c": [{"a": "y"}]}}).json
    assert took["tasks"] == [] and took["report"]["error"]["name"] == "SPOOL_FULL"
    assert queue.state("t1") == "doing"
    client.call("PATCH", "/v1/channels/c", {"paused": False})
    wait_empty(client, "c")
    assert queue.post("report", {"worker": "w1", "finished": ["t1"], "rows": {"c": [{"a": "y"}]}}).status == 200
    wait_empty(client, "c")
    assert client.postgres.one("SELECT count(*) FROM fullt") == "1001"


# -- the spool ------------------------------------------------------------


def test_a_full_spool_refuses_and_drops_nothing(world):
    client = world({"c": {"table": "sp", "max_spool": 1000}}, "CREATE TABLE sp (a text)")
    client.call("PATCH", "/v1/channels/c", {"paused": True})
    wait_state(client, "c", "paused")
    spool(client, "c", *[{"a": str(n)} for n in range(600)])
    got = client.post(rows_path("c"), {"rows": [{"a": "x"}] * 401})
    got.refused(503, "SPOOL_FULL", "'c'")
    assert got.headers["Retry-After"]
    spool(client, "c", *[{"a": str(n)} for n in range(600, 1000)])
    client.post(rows_path("c"), {"a": "x"}).refused(503, "SPOOL_FULL")
    there = info(client, "c")
    assert there["spool_rows"] == 1000 and there["paused"] and there["oldest_s"] > 0
    client.call("PATCH", "/v1/channels/c", {"paused": False})
    wait_empty(client, "c")
    assert client.postgres.one("SELECT count(DISTINCT a) FROM sp WHERE a <> 'x'") == "1000"
    assert client.postgres.one("SELECT count(*) FROM sp") == "1000"
    page = client.get("/metrics").body.decode()
    assert 'schedd_channel_rows_total{channel="c"} 1000\n' in page
    assert 'schedd_channel_rows_refused_total{channel="c"} 402\n' in page
    assert 'schedd_channel_committed_total{channel="c"} 1000\n' in page
    assert 'schedd_postgres_up{database="main"} 1\n' in page
    assert 'schedd_channel_up{channel="c"} 1\n' in page


def test_waiting_for_the_commit_ends(world):
    client = world({"c": {"table": "wt"}}, "CREATE TABLE wt (a text)")
    client.call("PATCH", "/v1/channels/c", {"paused": True})
    wait_state(client, "c", "paused")
    began = time.monotonic()
    got = client.post(rows_path("c", wait="commit", wait_s=1), {"a": "1"})
    assert got.status == 202 and got.json == {"rows": 1, "state": "spooled"}
    assert 0.9 < time.monotonic() - began < 10
    other = client.schedd.client()
    other.send("POST", rows_path("c", wait="commit"), {"a": "2"})
    wait_until(lambda: info(client, "c")["spool_rows"] == 2, what="the row")
    client.call("PATCH", "/v1/channels/c", {"paused": False})
    assert other.receive().json["state"] == "committed"
    other.close()


def test_who_left_waits_no_longer(world):
    client = world({"c": {"table": "gone"}}, "CREATE TABLE gone (a text)")
    client.call("PATCH", "/v1/channels/c", {"paused": True})
    wait_state(client, "c", "paused")

    def open_connections():
        page = client.get("/metrics").body.decode()
        return int(re.search(r"^schedd_http_connections (\d+)$", page, re.M).group(1))

    before = open_connections()
    other = client.schedd.client()
    other.send("POST", rows_path("c", wait="commit", wait_s=60), {"a": "1"})
    wait_until(lambda: info(client, "c")["spool_rows"] == 1, what="the row")
    assert open_connections() == before + 1
    other.close()
    wait_until(lambda: open_connections() == before, 10, "its request to end")
    client.call("PATCH", "/v1/channels/c", {"paused": False})
    wait_empty(client, "c")
    assert client.postgres.one("SELECT count(*) FROM gone") == "1"


def test_a_stop_answers_who_waits(world):
    client = world({"c": {"table": "st"}}, "CREATE TABLE st (a text)")
    client.call("PATCH", "/v1/channels/c", {"paused": True})
    wait_state(client, "c", "paused")
    client.send("POST", rows_path("c", wait="commit"), {"a": "1"})
    with client.schedd.client() as other:
        wait_until(lambda: info(other, "c")["spool_rows"] == 1, what="the row")
    thread = threading.Thread(target=client.schedd.stop)
    thread.start()
    assert client.receive().status == 202
    thread.join()


def test_a_stop_gives_the_channel_up(world, place):
    """Though Redis is busy with schedd's earlier commands just then: or the
    next schedd would have to wait for the lease's end."""
    redis = place.redis()
    client = world({"c": {"table": "gu"}}, "CREATE TABLE gu (a text)", redis=redis)
    schedd, owner = client.schedd, lambda: redis.do("HGET", "sched:channel:{c}:meta", "owner")
    for _ in range(10):
        wait_until(owner, what="an owner")
        redis.do("CLIENT", "PAUSE", 10000, "WRITE")
        mark = schedd.mark()
        schedd.process.send_signal(signal.SIGTERM)
        schedd.wait_log("server.stopping", after=mark)
        redis.do("CLIENT", "UNPAUSE")
        assert schedd.wait_end() == 0 and owner() is None
        schedd.start()


def test_pausing_outlives_a_start(world):
    client = world({"c": {"table": "ps"}}, "CREATE TABLE ps (a text)")
    client.call("PATCH", "/v1/channels/c", {"paused": 1}).refused(400, "FIELD_TYPE")
    client.call("PATCH", "/v1/channels/c", {}).refused(400, "FIELD_MISSING")
    assert client.call("PATCH", "/v1/channels/c", {"paused": True}).json["paused"]
    spool(client, "c", {"a": "1"})
    client.schedd.stop()
    client.schedd.start()
    with client.schedd.client() as again:
        wait_state(again, "c", "paused")
        assert info(again, "c")["spool_rows"] == 1
        again.call("PATCH", "/v1/channels/c", {"paused": False})
        wait_empty(again, "c")
        actions = [json.loads(e["entry"]) for e in again.get_json("/v1/audit", after=0)["entries"]]
    assert [(e["action"], e["channel"]) for e in actions] == [("channel.set", "c")] * 2
    assert client.postgres.one("SELECT count(*) FROM ps") == "1"


# -- the quarantine -------------------------------------------------------

SHOP = """CREATE TABLE owner_t (id int PRIMARY KEY); INSERT INTO owner_t VALUES (1);
CREATE TABLE shop (id text PRIMARY KEY, owner int REFERENCES owner_t, size int CHECK (size > 0),
  name varchar(5) NOT NULL, day date, doc jsonb, num numeric, twin int UNIQUE DEFERRABLE INITIALLY DEFERRED)"""
COLUMNS = "id:text, owner:int4, size:int4, name:text, day:text, doc:jsonb, num:numeric, twin:int4"

POISON = [
    ("fk", {"owner": 7}, "23503"),
    ("check", {"size": -1}, "23514"),
    ("null", {"name": None}, "23502"),
    ("long", {"name": "123456"}, "22001"),
    ("type", {"day": "no day"}, "22007"),
    ("range", {"day": "2026-02-31"}, "22008"),
    ("nul", {"doc": {"a": "\0"}}, "22P05"),
    ("num", {"num": "1e200000"}, "22003"),
    ("twin", {"twin": 1}, "23505"),
]


def poisoned(count):
    """Rows with all kinds of poison among them; the ids that are bad."""
    rows = [{"id": f"r{n:05}", "name": "ok", "size": 1, "twin": n + 1} for n in range(count)]
    bad = {}
    for n, (_kind, change, state) in enumerate(POISON):
        at = (n + 1) * count // (len(POISON) + 1)
        rows[at].update(change)
        bad[rows[at]["id"]] = state
    return rows, bad


def test_bad_rows_go_aside_and_no_other(world):
    client = world({"c": {"table": "shop", "columns": COLUMNS, "key": "id"}}, SHOP)
    rows, bad = poisoned(1000)
    got = bring(client, "c", *rows)
    assert got["quarantined"] == len(bad) and got["committed"] == 1000 - len(bad)
    aside = quarantine(client, "c", limit=4)
    assert {r["row"]["id"]: r["sqlstate"] for r in aside} == bad
    assert [r["row"]["id"] for r in aside] == sorted(bad)
    assert all(r["message"] and r["at"] for r in aside)
    there = {r[0] for r in client.postgres.sql("SELECT id FROM shop")}
    assert there == {r["id"] for r in rows} - set(bad)
    assert client.schedd.find_log("channel.quarantined").values["rows"] == str(len(bad))
    facts = info(client, "c")
    assert facts["quarantine_rows"] == facts["quarantined_total"] == len(bad)
    assert facts["spool_rows"] == 0 and facts["committed_total"] == 1000 - len(bad)


def test_mending_retrying_dropping(world):
    client = world({"c": {"table": "shop2", "columns": COLUMNS, "key": "id"}}, SHOP.replace("shop", "shop2").replace("owner_t", "owner_t2"))
    rows, bad = poisoned(100)
    bring(client, "c", *rows)
    by = {r["sqlstate"]: r for r in quarantine(client, "c")}
    path = "/v1/channels/c/quarantine"
    assert client.get_json(f"{path}/{by['23503']['id']}") == by["23503"]
    client.get(f"{path}/nope").refused(404, "ROW_UNKNOWN")
    # A row is mended, but stays; with what does not fit it is not.
    long = by["22001"]
    client.call("PATCH", f"{path}/{long['id']}", {"row": {"id": "m", "name": 1}}).refused(400, "FIELD_TYPE", "'name'")
    client.call("PATCH", f"{path}/nope", {"row": {"id": "m"}}).refused(404, "ROW_UNKNOWN")
    mended = {**long["row"], "name": "short"}
    assert client.call("PATCH", f"{path}/{long['id']}", {"row": mended}).json == {"id": long["id"], "changed": True}
    assert client.get_json(f"{path}/{long['id']}")["row"] == mended
    assert act(client, "c", "retry", ids=[long["id"], "nope"]) == 1
    # The table is mended, all of a kind are retried.
    client.postgres.make("INSERT INTO owner_t2 VALUES (7)")
    assert act(client, "c", "retry", sqlstate="23503") == 1
    wait_until(lambda: client.postgres.one("SELECT count(*) FROM shop2") == str(100 - len(bad) + 2), what="both")
    assert act(client, "c", "purge", sqlstate="23505") == 1
    # What is bad still comes back, under another id.
    assert act(client, "c", "retry", all=True) == len(bad) - 3
    wait_until(lambda: len(quarantine(client, "c")) == len(bad) - 3, what="them back")
    assert not {r["id"] for r in quarantine(client, "c")} & {r["id"] for r in by.values()}
    assert act(client, "c", "purge", all=True) == len(bad) - 3
    assert quarantine(client, "c") == []
    for body, name in (({}, "FIELD_MISSING"), ({"all": False}, "FIELD_MISSING"), ({"ids": ["a"], "all": True}, "FIELD_CONFLICT"), ({"sqlstate": "x"}, "FIELD_RANGE"), ({"ids": []}, "FIELD_RANGE")):
        client.post("/v1/channels/c/retry", body).refused(400, name)
    audit = [json.loads(e["entry"])["action"] for e in client.get_json("/v1/audit", after=0)["entries"]]
    assert set(audit) == {"quarantine.edit", "quarantine.retry", "quarantine.purge"}


def test_many_of_them_in_pieces(world):
    client = world({"c": {"table": "many_bad", "columns": "a:text"}}, "CREATE TABLE many_bad (a int)")
    for _ in range(2):
        bring(client, "c", *[{"a": "x" * 2000}] * 1000)
    assert info(client, "c")["quarantine_rows"] == 2000
    assert act(client, "c", "retry", all=True) >= 2000
    wait_until(lambda: info(client, "c")["quarantine_rows"] == 2000, 30, "all back")
    wait_empty(client, "c")
    assert act(client, "c", "purge", all=True) == 2000


@pytest.mark.log_errors("channel.stopped")
def test_a_full_quarantine_stops_the_channel(world):
    client = world({"c": {"table": "cap", "columns": "a:text", "max_quarantine": 10, "batch": 5}}, "CREATE TABLE cap (a int)")
    spool(client, "c", *[{"a": "x"}] * 100)
    stopped = wait_state(client, "c", "stopped")
    assert "quarantine is full" in stopped["error"]["detail"] and stopped["error"]["code"] == 201
    assert 10 <= stopped["quarantine_rows"] < 20 and stopped["spool_rows"] >= 80
    client.postgres.make("ALTER TABLE cap ALTER a TYPE text")
    act(client, "c", "purge", all=True)
    wait_empty(client, "c")
    assert int(client.postgres.one("SELECT count(*) FROM cap")) == 100 - stopped["quarantine_rows"]


# -- settings -------------------------------------------------------------


@pytest.mark.parametrize(
    "conninfo, word",
    [
        ("host=a password=x", "password in postgres.password_file"),
        ("service=x", "no service file"),
        ("hots=a", "hots"),
        ("host=" + ",".join("a" * 17), "at most 16 hosts"),
        ("postgresql://a:b@h/d", "password_file"),
    ],
)
def test_a_conninfo_that_is_none(place, conninfo, word):
    file = place.folder / "conf"
    file.write_text(f"[http]\nlisten = 127.0.0.1:0\n[postgres]\nconninfo = {conninfo}\n")
    done = subprocess.run(
        [os.environ["SCHEDD"], "--check", "-c", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 78, done
    assert f'{file}:4: [postgres "main"] conninfo: expected' in done.stderr and word in done.stderr


def test_the_environment_says_nothing(world):
    """Only the settings say where the database is."""
    env = {"PGHOST": "no.such.host.invalid", "PGPASSWORD": "x", "PGSERVICE": "no", "PGOPTIONS": "-c nothing=1"}
    client = world({"c": {"table": "envt"}}, "CREATE TABLE envt (a text)", env=env)
    bring(client, "c", {"a": "1"})


def test_under_the_acl(place, postgres):
    """etc/redis-acl.conf has the commands of channels, too."""
    postgres.make("CREATE TABLE acl (a text CHECK (a <> 'bad'))")
    redis = place.redis(kind=AclRedis)
    schedd = place.schedd({**postgres.settings({"c": {"table": "acl"}}), **redis.settings()})
    with schedd.client() as client:
        wait_state(client, "c", "running")
        assert bring(client, "c", {"a": "1"}, {"a": "bad"})["quarantined"] == 1
        (bad,) = quarantine(client, "c")
        assert client.call("PATCH", f"/v1/channels/c/quarantine/{bad['id']}", {"row": {"a": "2"}}).status == 200
        assert act(client, "c", "retry", all=True) == 1
        queue = held(client, "t")
        body = {"worker": "w1", "finished": ["t"], "rows": {"c": [{"a": "3"}]}}
        assert queue.post("report", body).status == 200
        client.call("PATCH", "/v1/channels/c", {"paused": True})
        client.call("PATCH", "/v1/channels/c", {"paused": False})
        wait_empty(client, "c")
        assert values(client_of(client, postgres), "acl") == ["1", "2", "3"]
    assert not [line for line in schedd.lines if "NOPERM" in line.text]


def client_of(client, postgres):
    """The client, which then knows its database."""
    client.postgres = postgres
    return client


# -- who may --------------------------------------------------------------


def test_globs_of_tokens_hold_for_channels(world):
    client = world({"pages": {"table": "tok"}, "other": {"table": "tok"}}, "CREATE TABLE tok (a text)")
    client.token = make_token(client, "admin", "admin")
    make = client.schedd.client
    one = make(token=make_token(client, "w", "worker", queues=["q*", "channel:pages"]))
    none = make(token=make_token(client, "x", "worker", queues=["q*", "pages"]))
    look = make(token=make_token(client, "v", "viewer", queues=["channel:oth*"]))
    assert one.post(rows_path("pages"), {"a": "1"}).status == 202
    one.post(rows_path("other"), {"a": "1"}).refused(404, "CHANNEL_UNKNOWN")
    none.post(rows_path("pages"), {"a": "1"}).refused(404, "CHANNEL_UNKNOWN")
    assert [c["name"] for c in look.get_json("/v1/channels")["channels"]] == ["other"]
    queue = client.queue("q1")
    queue.push("t")
    queue.take()
    body = {"worker": "w1", "finished": ["t"], "rows": {"pages": [{"a": "2"}]}}
    none.post("/v1/queues/q1/report", body).refused(404, "CHANNEL_UNKNOWN")
    assert one.post("/v1/queues/q1/report", body).json["rows"] == {"pages": 1}
    for each in (one, none, look):
        each.close()
