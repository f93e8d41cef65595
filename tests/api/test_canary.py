"""Plain text of encrypted columns is nowhere: unique texts go through all that
takes rows, refuses them and tells of it, and then are looked for in answers,
log, Redis, Postgres (its log and files, too) and the memory of schedd."""

import json
import os
import re
import secrets
from pathlib import Path

import pytest

from certs import Authority, settings as tls_settings
from channels import LINES, act, info, rows_path, wait_empty
from client import Client
from conftest import wait_state
from pgproc import Postgres
from sealing import KeyFile
from server import wait_until

SQL = """CREATE TABLE people (id int PRIMARY KEY, phone text, idcard text UNIQUE,
  raw bytea, n int CHECK (n > 0), day date, short varchar(3), other int REFERENCES people);
CREATE FUNCTION tells() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.n = 66 THEN RAISE EXCEPTION 'no % and %', NEW.phone, NEW.idcard
    USING DETAIL = 'row ' || NEW::text, HINT = NEW.phone; END IF; RETURN NEW; END $$;
CREATE TRIGGER tells BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION tells()"""
CHANNEL = {"table": "people", "encrypt": "phone, raw", "encrypt_deterministic": "idcard"}

# What the database refuses, and quotes when it tells of it.
POISON = [
    {"n": -1},  # Failing row contains (...)
    {"n": 66},  # what a trigger says
    {"day": "2026-02-30"},
    {"short": "too long"},
    {"other": 4711},
    {"idcard": "SAME"},  # Key (idcard)=(...) already exists.
]


class Canaries:
    """Texts that are nothing else, and where they were found."""

    def __init__(self):
        self.mark = "canary" + secrets.token_hex(10)
        self.count = 0

    def __call__(self):
        self.count += 1
        return f"{self.mark}-{self.count:04}-{self.mark[::-1]}"

    def look(self, where, data):
        """Asserts that it is not there."""
        data = data if isinstance(data, bytes) else str(data).encode()
        for mark in (self.mark, self.mark[::-1]):
            at = data.find(mark.encode())
            assert at < 0, f"{where}: {data[max(0, at - 60) : at + 90]!r}"


@pytest.fixture(name="canary")
def _canary():
    return Canaries()


def row(canary, row_id, **more):
    """A row with three canaries."""
    return {"id": row_id, "phone": canary(), "idcard": canary(), "raw": canary(), "n": 1, **more}


def bring_all_ways(client, name, canary, looked):
    """Good rows and bad ones; each answer is looked at."""

    def call(method, path, body, headers=None):
        got = client.call(method, path, body, headers)
        canary.look(f"{method} {path}", got.body)
        looked.append(got.status)
        return got

    rows = rows_path("people")
    same = canary()
    call("POST", rows, {"rows": [row(canary, i) for i in range(50)]})
    call("POST", rows, {**row(canary, 50), "idcard": same})
    for i, poison in enumerate(POISON):
        bad = {**row(canary, 100 + i), **poison}
        if poison.get("idcard"):
            bad["idcard"] = same
        call("POST", rows_path("people", wait="commit"), bad)
    lines = "\n".join(json.dumps(row(canary, i)) for i in range(200, 400))
    call("POST", rows, lines.encode(), LINES)
    # Refused here: before and behind the text, by it, and no JSON at all.
    good = json.dumps(row(canary, 500))
    for body in (
        {**row(canary, 500), "nope": canary()},
        {"nope": 1, **row(canary, 500)},
        {**row(canary, 500), "n": "x"},
        {**row(canary, 500), "raw": canary() + "x" * 1_100_000},
        [row(canary, 500)],
        {"rows": [row(canary, 500), canary()]},
        good[:-1].encode(),
        good[:-9].encode(),
        good.replace('"n"', '"phone"').encode(),
        good.replace("canary", "\\ud800canary").encode(),
        b"\xff" + good.encode(),
        good.encode() + good.encode(),
    ):
        assert call("POST", rows, body).status in (400, 413)
    call("POST", rows, (lines + '\n{"phone":"' + canary()).encode(), LINES)
    queue = client.queue(name)
    queue.push("a", "b", "c")
    held = queue.take_ids("w", count=3)
    call("POST", f"/v1/queues/{name}/report", {"worker": "w", "finished": [{"id": held[0], "rows": {"people": [row(canary, 600)]}}], "rows": {"people": [row(canary, 601)]}})
    call("POST", f"/v1/queues/{name}/report", {"worker": "w", "finished": [{"id": held[1], "rows": {"nope": [row(canary, 602)]}}]})
    call("POST", f"/v1/queues/{name}/take", {"worker": "w", "finished": [held[2]], "rows": {"people": [row(canary, 603, n=-1)]}})
    call("POST", "/v1/encrypt", {"fields": {"phone": canary(), "idcard": canary()}, "context": {"channel": "people"}})
    call("POST", "/v1/encrypt", {"fields": {"phone": canary(), "n": 1}, "context": {"channel": "people"}})
    call("POST", "/v1/decrypt", {"fields": {"phone": canary()}, "context": {"channel": "people"}})
    wait_empty(client, "people")
    page = call("GET", "/v1/channels/people/quarantine?limit=1000", None).json
    assert page["total"] >= len(POISON) + 1
    # One is changed to another bad one, one is brought again as it is.
    bad = page["rows"][0]
    call("PATCH", f"/v1/channels/people/quarantine/{bad['id']}", {"row": row(canary, 1, n=-5)})
    call("PATCH", f"/v1/channels/people/quarantine/{bad['id']}", {"row": {**row(canary, 1), "n": []}})
    act(client, "people", "retry", all=True)
    wait_empty(client, "people")
    page = call("GET", "/v1/channels/people/quarantine?limit=1000", None).json
    for bad in page["rows"]:
        call("GET", f"/v1/channels/people/quarantine/{bad['id']}", None)
    for path in ("/v1/channels", "/v1/audit", "/metrics", "/v1/stats", f"/v1/queues/{name}/tasks?state=finish", "/v1/config"):
        call("GET", path, None)
    return page["rows"]


def redis_of_all_keys(redis):
    """What each key holds, by its type."""
    reads = {
        b"string": ("GET",), b"hash": ("HGETALL",), b"list": ("LRANGE", 0, -1),
        b"set": ("SMEMBERS",), b"zset": ("ZRANGE", 0, -1), b"stream": ("XRANGE", "-", "+"),
    }  # fmt: skip
    for key in redis.do("KEYS", "*"):
        words = reads[redis.do("TYPE", key).strip()]
        yield key, repr(redis.do(words[0], key, *words[1:])).encode()


def memory_of(pid):
    """What a process holds, as root may see it: what a core would have."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights, *_ = line.split()
            start, end = (int(x, 16) for x in span.split("-"))
            # The sanitizers' shadow is huge, and no copy of anything.
            if "rw" not in rights or end - start > 1 << 30:
                continue
            for at in range(start, end, 1 << 24):
                mem.seek(at)
                try:
                    yield line.strip(), mem.read(min(1 << 24, end - at))
                except OSError:
                    continue


def wait_out_of_memory(canary, pid):
    """Until no canary is in its memory."""

    def where():
        for line, data in memory_of(pid):
            for mark in (canary.mark, canary.mark[::-1]):
                at = data.find(mark.encode())
                if at >= 0:
                    return f"{line}: {data[max(0, at - 200) : at + 90]!r}"
        return None

    found = where()
    end = wait_until(lambda: not where() or "found", 5, f"no canary; {found}")
    assert end is True, where()


@pytest.fixture(name="pg")
def _pg():
    """One that logs all that it is told and that it refuses."""
    one = Postgres(log_statement="all", log_min_error_statement="error", log_error_verbosity="verbose", log_parameter_max_length=-1, log_parameter_max_length_on_error=-1, log_min_messages="info")
    try:
        yield one.start()
    finally:
        one.stop()


def test_it_is_nowhere(place, pg, canary):
    ca = Authority(place.new_folder())
    keys, redis = KeyFile(place.new_folder() / "keys", "k1"), place.redis()
    pg.make(SQL)
    parts = {**pg.settings({"people": CHANNEL}), **redis.settings(), **keys.settings()}
    parts["log"] = {"level": "debug", "access": "all", "rate": 0}
    parts["http"] = tls_settings(ca.sign("server"))["http"]
    schedd = place.schedd(parts, args=["--http.listen=127.0.0.1:0,tls:127.0.0.1:0"])
    looked = []
    for name, addr, tls in (("q1", schedd.addr, None), ("q2", tls_addr(schedd), ca.context())):
        with Client(addr, tls=tls) as client:
            wait_state(client, "people", "running")
            refused = bring_all_ways(client, name, canary, looked)
        # Of the messages some hold what the columns have now.
        assert any("enc1" in bad["message"] or "enc1" in json.dumps(bad["row"]) for bad in refused)
        with schedd.client() as client:
            assert info(client, "people")["spool_rows"] == 0
        pg.make("TRUNCATE people")
    assert {200, 202, 400, 404, 413} <= set(looked) and canary.count > 1000
    for line in schedd.lines:
        canary.look("the log", line.text)
    keys_there = 0
    for key, data in redis_of_all_keys(redis):
        keys_there += 1
        canary.look(f"Redis, {key}", data)
    assert keys_there > 5
    canary.look("the table", pg.one("SELECT string_agg(p::text, ' ') FROM people p"))
    limits = Path(f"/proc/{schedd.pid()}/limits").read_text("ascii")
    assert re.search(r"Max core file size +0 +0 ", limits), limits
    if os.getuid() == 0:
        wait_out_of_memory(canary, schedd.pid())
    else:
        with pytest.raises(PermissionError):
            next(memory_of(schedd.pid()))
    schedd.stop()
    for folder in (redis.folder, pg.folder, schedd.folder):
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        assert files
        for path in files:
            canary.look(str(path), path.read_bytes())


def tls_addr(schedd):
    """The second address that it listens to."""
    lines = [line for line in schedd.lines if line.event == "http.listening"]
    return lines[1].values["addr"]
