"""The audit trail: who changed what, in a chain that shows what was altered."""

import hashlib
import http.client
import json
import os
import subprocess
import threading
import time

import pytest

from access import make_tokens
from server import wait_until

NONE = "0" * 64


def chain(prev, seq, text):
    """The hash of one entry, made a second time and by other means."""
    return hashlib.sha256(f"{prev}\n{seq}\n{text}".encode()).hexdigest()


def entries(client, **query):
    """Decoded entries, after a look at their hashes."""
    page = client.get_json("/v1/audit", **{"after": 0, "limit": 1000, **query})
    prev, seq = page["checkpoint"]["hash"], page["checkpoint"]["seq"]
    if query.get("after"):
        return [json.loads(e["entry"]) for e in page["entries"]]
    for e in page["entries"]:
        assert e["seq"] == seq + 1
        assert e["hash"] == chain(prev, e["seq"], e["entry"])
        prev, seq = e["hash"], e["seq"]
    assert page["last"] == {"seq": seq, "hash": prev}
    return [json.loads(e["entry"]) for e in page["entries"]]


def schedctl(addr, *words, token=None, folder=None):
    """Runs it; (exit code, stdout, stderr)."""
    env = {**os.environ, "SCHEDCTL_SERVER": addr}
    if token:
        file = folder / "token"
        file.touch(mode=0o600)
        file.write_text(token + "\n")
        env["SCHEDCTL_TOKEN_FILE"] = str(file)
    done = subprocess.run(
        [os.environ["SCHEDCTL"], *words], env=env, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(name="world")
def _world(place):
    """A schedd on a Redis of the test's, and a client without a token."""
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        client.redis, client.schedd, client.folder = redis, schedd, place.folder
        client.redises = place
        yield client


def test_every_change_is_noted_and_nothing_else(world):
    queue = world.queue("mail")
    queue.push("a", "b", "c")
    queue.take(count=1)
    queue.fail("a", retry=False)
    assert entries(world) == []
    world.call("PATCH", queue.path, {"max_tasks": 7})
    queue.retry(state="dead", match="*")
    queue.retry(state="dead", match="*", dry_run=True)
    queue.purge(state="todo", ids=["a", "nope"])
    assert queue.remove("b").status == 200
    queue.remove("gone").refused(404, "TASK_UNKNOWN")
    world.post("/v1/workers/w9/heartbeat", {})
    assert world.call("DELETE", "/v1/workers/w9").status == 200
    world.call("DELETE", "/v1/workers/w9").refused(404, "WORKER_UNKNOWN")
    got = entries(world)
    assert [e["action"] for e in got] == [
        "queue.set",
        "tasks.retry",
        "tasks.purge",
        "task.remove",
        "worker.remove",
    ]
    for e in got:
        assert e["who"] == "local" and e["role"] == "admin" and e["outcome"] == "done"
        assert e["addr"].startswith("127.0.0.1:") and e["request"] and e["at"]
    assert got[0]["queue"] == "mail" and got[0]["change"] == {"max_tasks": 7}
    assert got[1]["count"] == 1 and got[1]["match"] == "*" and got[1]["state"] == "dead"
    assert got[2]["count"] == 1 and got[2]["ids"] == ["a", "nope"]
    assert got[3]["id"] == "b" and got[3]["state"] == "todo"
    assert got[4]["worker"] == "w9" and got[4]["reclaimed"] == 0


def test_it_names_the_token_and_never_shows_it(world):
    tokens = make_tokens(world)
    operator = world.schedd.client(token=tokens["operator"])
    operator.queue("q").patch(paused=True)
    operator.get("/v1/audit").refused(403, "FORBIDDEN")
    operator.close()
    assert world.call("DELETE", "/v1/tokens/viewer").status == 200
    got = entries(world)
    assert [(e["action"], e["who"]) for e in got] == [
        ("token.add", "local"),
        *[("token.add", "admin")] * 4,
        ("queue.set", "operator"),
        ("token.remove", "admin"),
    ]
    assert got[1]["token"]["name"] == "producer" and got[-1]["token"] == "viewer"
    whole = world.get("/v1/audit").body.decode()
    assert not any(t.rsplit("_", 1)[1] in whole for t in tokens.values())
    assert not any(t[7:19] in whole for t in tokens.values())


def test_the_user_behind_a_unix_socket(place):
    path = place.folder / "s"
    schedd = place.schedd(args=[f"--http.listen=127.0.0.1:0,unix:{path}"])
    addr, schedd.addr = schedd.addr, f"unix:{path}"
    with schedd.client() as client:
        client.queue("q").patch(paused=True)
        assert entries(client)[0]["addr"] == f"unix:uid={os.geteuid()}"
    schedd.addr = addr


def test_pages(world):
    for i in range(25):
        world.queue(f"q{i}").make()
    page = world.get_json("/v1/audit", limit=10)
    assert [e["seq"] for e in page["entries"]] == list(range(16, 26))
    page = world.get_json("/v1/audit", limit=10, after=10)
    assert [e["seq"] for e in page["entries"]] == list(range(11, 21))
    assert world.get_json("/v1/audit", after=25)["entries"] == []
    world.get("/v1/audit", limit=1001).refused(400, "FIELD_RANGE", "limit")
    world.get("/v1/audit", after="x").refused(400, "FIELD_RANGE", "after")


def test_two_servers_write_one_chain(world):
    other = world.redises.schedd(world.redis.settings())
    clients = [one.client() for one in (world.schedd, other) for _ in range(3)]
    for n in range(10):
        for i, client in enumerate(clients):
            client.send("PATCH", f"/v1/queues/q{i}", {"max_tasks": n + 1})
        for client in clients:
            assert client.receive().status == 200
    got = entries(world)
    assert len(got) == 60
    made = {(e["queue"], e["change"]["max_tasks"]) for e in got}
    assert made == {(f"q{i}", n + 1) for i in range(6) for n in range(10)}
    for client in clients:
        client.close()


def test_what_cannot_be_written_now_is_written_later(world):
    """The change is answered as unknown, and its entry comes once."""
    world.queue("q").make()
    world.redis.do("RENAME", "sched:audit", "sched:audit:away")
    world.redis.do("SET", "sched:audit", "of another type")
    world.call("PATCH", "/v1/queues/q", {"max_tasks": 3}).refused(504, "STORE_UNKNOWN")
    assert world.queue("q").info()["policy"]["max_tasks"] == 3
    world.redis.do("DEL", "sched:audit")
    world.redis.do("RENAME", "sched:audit:away", "sched:audit")
    wait_until(lambda: len(entries(world)) == 2, 10, "the entry")
    assert entries(world)[1]["change"] == {"max_tasks": 3}


@pytest.mark.log_errors("access.audit_lost")
def test_what_is_never_written_is_in_the_log(world):
    world.redis.do("SET", "sched:audit", "of another type")
    world.call("PATCH", "/v1/queues/q", {"max_tasks": 3}).refused(504, "STORE_UNKNOWN")
    world.schedd.stop()
    assert "queue.set" in world.schedd.wait_log("access.audit_lost").text


@pytest.mark.log_errors("access.audit_cut")  # should it look meanwhile
def test_the_oldest_go_and_the_chain_holds(world):
    """At 100,000 the checkpoint moves on."""
    redis = world.redis
    prev, words = NONE, []
    for seq in range(99991, 100001):
        text = json.dumps({"action": "old", "n": seq})
        prev = chain(prev, seq, text)
        redis.do("XADD", "sched:audit", f"{seq}-0", "entry", text, "hash", prev)
    words = ["seq", 100000, "hash", prev, "from_seq", 99990, "from_hash", NONE]
    redis.do("HSET", "sched:audit:tip", *words)
    # As if the first ten were still there, one of which goes with each entry.
    assert len(entries(world)) == 10
    redis.do("XTRIM", "sched:audit", "MAXLEN", 0)
    redis.do("DEL", "sched:audit:tip", "sched:audit")
    prev = NONE
    for seq in range(1, 4):
        text = json.dumps({"action": "old", "n": seq})
        prev = chain(prev, seq, text)
        redis.do("XADD", "sched:audit", f"{seq}-0", "entry", text, "hash", prev)
        if seq == 2:
            second = prev
    redis.do("XADD", "sched:audit", "100001-0", "entry", "{}", "hash", prev)
    redis.do("HSET", "sched:audit:tip", "seq", 100001, "hash", prev)
    world.queue("q").make()
    page = world.get_json("/v1/audit", after=0)
    assert page["checkpoint"]["seq"] == 2 and page["checkpoint"]["hash"] == second
    assert [e["seq"] for e in page["entries"]] == [3, 100001, 100002]


# -- changes and kills ----------------------------------------------------


def changes_in(redis):
    """What the trail says was set, and was perhaps."""
    rows = redis.do("XRANGE", "sched:audit", "-", "+")
    found = [json.loads(row[1]) for _, row in rows]
    set_to = [(e["change"].get("max_tasks"), e["outcome"]) for e in found]
    return {value: outcome for value, outcome in set_to if value}


def test_a_kill_leaves_no_change_without_an_entry(world):
    """20 times in the middle of changes that follow each other."""
    n, redis, schedd = 0, world.redis, world.schedd
    told = threading.Event()

    def change(client):
        nonlocal n
        try:
            while True:
                n += 1
                client.call("PATCH", "/v1/queues/q", {"max_tasks": n})
                told.set()
        except OSError:
            pass
        except http.client.HTTPException:
            pass

    made = set()
    for turn in range(20):
        told.clear()
        client = schedd.client()
        thread = threading.Thread(target=change, args=(client,))
        thread.start()
        assert told.wait(60)
        time.sleep(turn * 0.001)  # another moment each time
        schedd.kill()
        thread.join()
        client.close()
        made.add(int(redis.do("HGET", "sched:{q}:meta", "max_tasks")))
        schedd.start()
    wait_until(lambda: redis.do("HLEN", "sched:audit:open") == 0, what="all told")
    missing = made - set(changes_in(redis))
    assert not missing, missing
    with schedd.client() as client:
        entries(client)


def test_a_kill_right_behind_the_change(world):
    """The entry cannot be written, and then its schedd is no more: the next one
    says that the outcome is not known."""
    world.queue("q").make()
    redis = world.redis
    redis.do("RENAME", "sched:audit", "sched:audit:away")
    redis.do("SET", "sched:audit", "of another type")
    world.call("PATCH", "/v1/queues/q", {"max_tasks": 3}).refused(504, "STORE_UNKNOWN")
    assert redis.do("HLEN", "sched:audit:open") == 1
    world.schedd.kill()
    redis.do("DEL", "sched:audit")
    redis.do("RENAME", "sched:audit:away", "sched:audit")
    world.schedd.start()
    world.schedd.wait_log("access.audit_adopted")
    wait_until(lambda: changes_in(redis) == {3: "unknown"}, what="the entry")
    assert redis.do("HLEN", "sched:audit:open") == 0


def test_another_schedd_says_it_as_well(world):
    """Without waiting for a start; and once, however many there are."""
    redis = world.redis
    others = [world.redises.schedd(redis.settings()) for _ in range(2)]
    redis.do("HSET", "sched:audit:open", "gone:7", '{"change":{"max_tasks":8}}', "x", "y")
    wait_until(lambda: redis.do("HLEN", "sched:audit:open") == 0, what="all told")
    rows = redis.do("XRANGE", "sched:audit", "-", "+")
    assert sorted(row[1] for _, row in rows) == [b"y", b'{"change":{"max_tasks":8}}']
    assert all(one.is_running() for one in others)


def test_what_is_not_made_leaves_nothing(world):
    queue = world.queue("q")
    queue.push("a")
    queue.remove("gone").refused(404, "TASK_UNKNOWN")
    queue.purge(state="todo", match="*", dry_run=True)
    world.call("DELETE", "/v1/queues/q").refused(409, "QUEUE_NOT_EMPTY")
    world.call("DELETE", "/v1/tokens/x").refused(404, "TOKEN_UNKNOWN")
    world.call("DELETE", "/v1/workers/x").refused(404, "WORKER_UNKNOWN")
    open_ones = lambda: world.redis.do("HLEN", "sched:audit:open")
    wait_until(lambda: open_ones() == 0, what="all forgotten")
    assert entries(world) == []


def test_a_change_that_cannot_be_noted_is_not_made(world):
    world.queue("q").make()
    world.redis.do("SET", "sched:audit:open", "of another type")
    got = world.call("PATCH", "/v1/queues/q", {"max_tasks": 3})
    assert got.status in (500, 503) and "audit" in got.error["detail"], got
    assert world.redis.do("HGET", "sched:{q}:meta", "max_tasks") is None
    world.redis.do("DEL", "sched:audit:open")
    world.queue("q").patch(max_tasks=3)


@pytest.mark.parametrize("count", (1, 100, 101, 1000))
def test_long_lists_of_ids_are_told_whole(world, count):
    queue = world.queue("q")
    ids = [('"' * 255)[:248] + f"{n:07}" for n in range(count)]
    for verb, state in (("purge", "todo"), ("retry", "dead")):
        assert queue.post(verb, {"state": state, "ids": ids}).status in (200, 404)
        queue.push("a")
        assert queue.post(verb, {"state": state, "ids": ids}).status == 200
        told = [e for e in entries(world) if e["action"] == f"tasks.{verb}"]
        told = told[-((count + 99) // 100) :]
        assert [one for e in told for one in e["ids"]] == ids
        assert {e["id_count"] for e in told} == {count}
        assert len({e["request"] for e in told}) == 1
        if count > 100:
            parts = [(e["part"], e["parts"]) for e in told]
            assert parts == [(i + 1, len(told)) for i in range(len(told))]


# -- schedctl ------------------------------------------------------------


def test_schedctl_token(world):
    addr, folder = world.addr, world.folder
    code, out, err = schedctl(addr, "token", "add", "anna", "--role", "admin")
    assert code == 0 and "only time" in err
    token = out.strip()
    assert schedctl(addr, "token", "ls")[0] == 1
    code, out, _ = schedctl(
        addr, "token", "add", "w", "--role", "worker", "--queue", "a*", "--queue", "b",
        "--expires", "1d", token=token, folder=folder,
    )  # fmt: skip
    assert code == 0 and out.startswith("schedd_")
    code, out, _ = schedctl(addr, "token", "ls", token=token, folder=folder)
    assert code == 0 and "a*,b" in out and "anna" in out and "in 23h" in out
    assert "schedd_" not in out
    assert schedctl(addr, "token", "rm", "w", token=token, folder=folder)[0] == 0
    code, _, err = schedctl(addr, "token", "rm", "w", token=token, folder=folder)
    assert code == 1 and "TOKEN_UNKNOWN" in err
    (folder / "token").chmod(0o644)
    env = {**os.environ, "SCHEDCTL_SERVER": addr}
    words = [os.environ["SCHEDCTL"], "--token-file", str(folder / "token"), "token", "ls"]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "readable by others" in done.stderr
    code, _, err = schedctl(
        "http://192.0.2.1:7070", "token", "ls", token=token, folder=folder
    )
    assert code == 2 and "https" in err


def test_schedctl_audit(world):
    assert schedctl(world.addr, "audit", "verify")[0] == 0
    for i in range(1005):
        world.queue(f"q{i % 7}").patch(max_tasks=i + 1)
    code, out, _ = schedctl(world.addr, "audit", "ls", "--limit", "3")
    assert code == 0 and len(out.splitlines()) == 4 and "queue.set" in out
    code, out, _ = schedctl(world.addr, "audit", "verify")
    assert code == 0 and out.startswith("1005 entries fit")
    code, out, _ = schedctl(world.addr, "--json", "audit", "verify")
    assert json.loads(out)["count"] == 1005


def altered(redis, seq):
    """Ways to alter entry seq: name -> what is done."""
    key, at = "sched:audit", f"{seq}-0"
    (_, fields), = redis.do("XRANGE", key, at, at)
    text, digest = fields[1], fields[3]

    def rewrite(new_text, new_hash):
        """The stream takes no id twice: all of it is written anew."""
        rows = redis.do("XRANGE", key, "-", "+")
        redis.do("DEL", key)
        for row_id, row in rows:
            values = [row[1], row[3]]
            if row_id.decode() == at:
                values = [new_text, new_hash]
            redis.do("XADD", key, row_id, "entry", values[0], "hash", values[1])

    other = text.replace(b"local", b"other")
    yield lambda: rewrite(other, digest)
    yield lambda: rewrite(text, digest[::-1])
    yield lambda: rewrite(b"nonsense \xff", digest)
    yield lambda: redis.do("XDEL", key, at)


@pytest.mark.parametrize("seq", (1, 4, 9))
@pytest.mark.parametrize("way", range(4))
def test_verify_names_what_was_altered(world, seq, way):
    for i in range(9):
        world.queue(f"q{i}").make()
    assert schedctl(world.addr, "audit", "verify")[0] == 0
    list(altered(world.redis, seq))[way]()
    code, _, err = schedctl(world.addr, "audit", "verify")
    assert code == 1 and f"broken at entry {seq}:" in err, err


def wiped(redis):
    """Ways to lose the end: name -> what is done, when there are five."""
    key = "sched:audit"

    def forge():
        redis.do("DEL", key)
        prev = NONE
        for seq in range(1, 6):
            prev = chain(prev, seq, "{}")
            redis.do("XADD", key, f"{seq}-0", "entry", "{}", "hash", prev)
        redis.do("HSET", f"{key}:tip", "seq", 5, "hash", prev)

    def cut():
        redis.do("XDEL", key, "4-0", "5-0")
        (_, fields), = redis.do("XRANGE", key, "3-0", "3-0")
        redis.do("HSET", f"{key}:tip", "seq", 3, "hash", fields[3])

    yield lambda: redis.do("DEL", key, f"{key}:tip")
    yield cut
    yield forge


@pytest.mark.log_errors("access.audit_cut")
@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize("is_idle", (True, False))
def test_a_trail_that_was_cut_is_noticed(world, way, is_idle):
    """By a schedd that runs: by itself, or by its next entry; and by whoever
    noted an end, also after a restart."""
    for i in range(5):
        world.queue("q").patch(max_tasks=3 + i)
    code, out, _ = schedctl(world.addr, "audit", "verify")
    assert code == 0
    tip = out.split("the last is ")[1].strip()
    assert schedctl(world.addr, "audit", "verify", "--tip", tip)[0] == 0
    list(wiped(world.redis))[way]()
    if not is_idle:
        world.queue("q").patch(max_tasks=2)
    line = world.schedd.wait_log("access.audit_cut")
    assert line.values["known"] == "5" and line.values["known_hash"] in tip
    code, _, err = schedctl(world.addr, "audit", "verify")
    assert code == 1 and "was cut" in err and "entry 5" in err
    assert world.get_json("/v1/audit")["lost"]["seq"] == 5
    page = world.get("/metrics").body.decode()
    assert "\nschedd_audit_cuts_total 1\n" in page
    world.queue("q").patch(max_tasks=9)  # the chain goes on from there
    world.schedd.stop()
    world.schedd.start()
    assert schedctl(world.schedd.addr, "audit", "verify")[0] == 0
    code, _, err = schedctl(world.schedd.addr, "audit", "verify", "--tip", tip)
    assert code == 1 and "--tip" in err


def test_a_noted_end(world):
    for i in range(3):
        world.queue("q").patch(max_tasks=3 + i)
    page = world.get_json("/v1/audit", after=0)
    for e in page["entries"]:
        tip = f"{e['seq']}:{e['hash']}"
        assert schedctl(world.addr, "audit", "verify", "--tip", tip)[0] == 0
    for tip in (f"2:{NONE}", f"9:{page['last']['hash']}"):
        code, _, err = schedctl(world.addr, "audit", "verify", "--tip", tip)
        assert code == 1 and "--tip" in err
    for tip in ("2", "x:" + NONE, "2:abc", ""):
        assert schedctl(world.addr, "audit", "verify", "--tip", tip)[0] == 2


def test_the_end_stands_in_the_log(world):
    """Which whoever makes the whole chain anew in Redis does not reach."""
    for i in range(3):
        world.queue(f"q{i}").make()
    last = world.get_json("/v1/audit")["last"]

    def is_there():
        lines = [line for line in world.schedd.lines if line.event == "access.audit"]
        return lines and lines[-1].values == {"seq": "3", "hash": last["hash"]}

    wait_until(is_there, what="the line")
