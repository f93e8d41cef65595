"""What stands in the log: nothing of what tasks and secrets hold, and no line
that a client has made. All components are at debug, each in its own file."""

import json
import re
import secrets
import socket
from pathlib import Path
from urllib.parse import quote

import pytest

from access import TOKEN, make_token, make_tokens
from client import Client, Raw
from corpus import cases
from hostile import Hostile
from loglines import Entry, read
from server import wait_until
from test_access import fill, operations
from test_log import COMPONENTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()
EVENTS = set(re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", PAGE, re.M))
FORGERIES = [data for _, data in cases("forge")]


def loud(folder):
    """Settings with all of the log, in files of that folder."""
    log = {f"level.{c}": "debug" for c in COMPONENTS}
    log |= {f"file.{c}": folder / f"{c}.log" for c in COMPONENTS}
    return {"log": {**log, "level": "debug", "access": "all", "rate": 0,
                    "file": folder / "rest.log", "file.error": folder / "error.log"}}  # fmt: skip


class World:
    """A schedd whose log is in files, and clients to it."""

    def __init__(self, place, settings=None, redis=None):
        self.folder = place.new_folder()
        self.folder.mkdir()
        self.redis = redis or place.redis(password=secrets.token_hex(16))
        more = {**self.redis.settings(), **loud(self.folder), **(settings or {})}
        self.schedd = place.schedd(more, start=False)
        self.schedd.spawn()
        got = wait_until(lambda: self.entries("http.listening"), 20, "the start")
        self.schedd.addr = got[0].values["addr"]
        self.schedd.wait_ready()

    def entries(self, event=None):
        """All lines of all files, each of which is one of ours."""
        found = []
        for path in sorted(self.folder.glob("*.log")):
            found += read(path, event)
        return found

    def text(self):
        """All bytes that were written for people to read."""
        files = [*self.folder.glob("*.log"), *self.schedd.folder.rglob("*.log")]
        stderr = "\n".join(line.text for line in self.schedd.lines).encode()
        return stderr + b"".join(path.read_bytes() for path in files)


# -- canaries -----------------------------------------------------------------


class Marks:
    """Unique texts, by what they are in."""

    def __init__(self):
        self.made = {}

    def __call__(self, what):
        return self.made.setdefault(what, f"canary{secrets.token_hex(8)}{what}")

    def seen_in(self, data):
        """Those that are in there."""
        return {what for what, text in self.made.items() if text.encode() in data}


def every_verb(client, mark, name):
    """The life of tasks, with marks in all that nobody else is to read."""
    queue = client.queue(name)
    queue.push({"id": "a", "payload": mark("payload")})
    queue.push(*({"id": f"b{i}", "payload": {mark("key"): [mark("item")]}} for i in range(5)))
    queue.push({"id": "a", "payload": mark("payload again"), "replace": True})
    tasks = queue.take("w", count=6, request_id="r1")
    assert len(tasks) == 6
    queue.extend("w", ["a", "nobody"])
    queue.post("report", {
        "worker": "w",
        "finished": [{"id": "a", "result": {"x": mark("result")}}, "b0"],
        "failed": [{"id": "b1", "error": mark("error")}, {"id": "b2", "error": mark("last"), "retry": False},
                   {"id": "unknown", "error": mark("error of none")}],
    })  # fmt: skip
    client.post("/v1/workers/w/heartbeat", {"load": 1, "host": mark("details")})
    queue.retry(state="dead", match="*")
    queue.purge(state="todo", match="*")
    queue.remove("b3")
    for path in ("", "/tasks?state=finish", "/tasks/a"):
        assert client.get(queue.path + path).status == 200


def every_error(client, mark, name):
    """Each route refuses each kind of body, with marks in it."""
    field = {"payload": mark("in a bad body"), mark("field"): mark("value")}
    broken = json.dumps({"tasks": [{"payload": mark("cut off")}]}).encode()[:-3]
    for _, method, path in operations():
        path = fill(path, name)
        query = "?" + quote(mark("query name")) + "=" + quote(mark("query value"))
        headers = {
            "User-Agent": mark("agent"),
            "Cookie": mark("cookie"),
            "X-Other": mark("header"),
            "Accept": mark("accept"),
        }
        for body in (field, broken, mark("no json").encode(), b"\xff" + mark("bytes").encode()):
            client.call(method, path, body if method in ("POST", "PATCH") else None, headers)
            client.call(method, path + query, None, headers)
    client.get(f"/v1/queues/{name}/tasks?state=todo&match={mark('match')}&after={mark('after')}")
    client.post("/nowhere", {"x": mark("to nobody")})


def every_token(world, mark, tokens):
    """Tokens that are none, and good ones where they do not belong."""
    wrong = f"schedd_{secrets.token_hex(6)}_{secrets.token_hex(32)}"
    mark.made["wrong token"] = wrong.rsplit("_", 1)[1]
    good = tokens["viewer"]
    for i, value in enumerate((wrong, mark("bearer"), good + "x", good[:-1], "")):
        with world.schedd.client(token=value or None) as one:
            one.call("GET", "/v1/queues", headers={"X-Request-Id": f"t{i}"})
    with world.schedd.client() as one:
        basic = {"Authorization": "Basic " + mark("basic")}
        one.call("GET", "/v1/queues", headers=basic)
        for path in (f"/v1/queues/{good}", f"/v1/queues?token={good}", f"/{good}/x"):
            one.get(path).refused(one.get(path).status, one.get(path).error["name"])
    with world.schedd.client(token=tokens["admin"]) as one:
        queue = one.queue("odd")
        queue.push({"id": good, "payload": 1})  # its own fault
        queue.take("w")
        queue.finish(good, worker="w")


@pytest.mark.log_errors("queue.broken", "conf.refused")
def test_no_payload_and_no_secret(place):
    mark, world = Marks(), World(place)
    mark.made["redis password"] = world.redis.password
    with world.schedd.client() as client:
        tokens = make_tokens(client)
        for role, token in tokens.items():
            assert TOKEN.fullmatch(token)
            mark.made[f"token {role}"] = token.rsplit("_", 1)[1]
        every_verb(client, mark, "q")
        every_error(client, mark, "q")
        every_token(world, mark, tokens)
        # What Redis refuses, and what goes under while it is on its way.
        broken = client.queue("broken")
        broken.push({"id": "w", "payload": mark("before")})
        world.redis.do("DEL", "sched:{broken}:task")
        world.redis.do("SET", "sched:{broken}:task", mark("of another type"))
        got = broken.post("tasks", {"id": "x", "payload": mark("refused")})
        got.refused(500, "PUSH_ONE")
        broken.post("take", {"worker": "w"}).refused(500, "TAKE")
        wait_until(lambda: world.entries("queue.broken"), 10, "that it is noticed")
        world.redis.pause()
        client.post("/v1/queues/q/tasks", {"id": "y", "payload": mark("unknown")})
        world.redis.resume()
        world.schedd.wait_ready()
        world.redis.kill()
        client.post("/v1/queues/q/tasks", {"id": "z", "payload": mark("down")})
        world.redis.start()
        world.schedd.wait_ready()
        # Bodies that are cut off, too large, too slow to be waited for.
        for head in ("Content-Length: 100", "Content-Length: 99999999"):
            with Raw(world.schedd.addr) as raw:
                raw.send(
                    f"POST /v1/queues/q/tasks HTTP/1.1\r\nHost: a\r\n{head}\r\n"
                    f"Authorization: Bearer {tokens['admin']}\r\n\r\n"
                    f'{{"payload":"{mark("half")}'
                )
                raw.half_close()
                raw.at_end()
        world.schedd.file.write_text(f"[http]\nlisten = 127.0.0.1:0\n; {mark('comment')}\n[x")
        world.schedd.process.send_signal(1)
        wait_until(lambda: world.entries("conf.refused"), 10, "the reload")
    world.schedd.write_settings()
    world.schedd.stop()
    seen, events = world.text(), {e.event for e in world.entries()}
    assert mark.seen_in(seen) == set()
    assert len(mark.made) > 35
    # All that was done is there, told by what it may be told by.
    assert {"task.pushed", "task.taken", "task.reported", "task.extended"} <= events
    assert {"access.request", "access.audit", "http.open", "http.close"} <= events
    assert {"redis.refused", "redis.lost", "redis.ready", "queue.broken"} <= events
    assert b"/v1/queues/schedd_" in seen and b"_" + b"*" * 64 in seen


def test_the_private_redis_tells_nothing_either(place):
    """Its own log lies beside ours."""
    mark = Marks()
    schedd = place.schedd()
    with schedd.client() as client:
        every_verb(client, mark, "q")
    schedd.stop()
    logs = list(schedd.folder.rglob("*.log"))
    assert logs
    data = b"".join(path.read_bytes() for path in logs)
    assert mark.seen_in(data + "\n".join(x.text for x in schedd.lines).encode()) == set()


# -- forging ------------------------------------------------------------------


def assert_ours(entries):
    """Each is an event of the page, and none is a forged one."""
    strange = {e.event for e in entries} - EVENTS
    assert not strange, strange
    for e in entries:
        assert "forged" not in e.event and "forged" not in e.values, e


def raw_request(schedd, head, body=b""):
    """Bytes as they are; whatever is answered."""
    with Raw(schedd.addr) as raw:
        try:
            raw.send(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            raw.half_close()
            raw.at_end()
        except OSError:
            pass


def through_requests(schedd, text):
    """The text in each part of a request."""
    for head in (
        b"GET /%s HTTP/1.1\r\nHost: a",
        b"GET /v1/queues/%s HTTP/1.1\r\nHost: a",
        b"GET /v1/queues/q/tasks/%s HTTP/1.1\r\nHost: a",
        b"GET /v1/queues/q/tasks?match=%s HTTP/1.1\r\nHost: a",
        b"GET /v1/queues?%s=1 HTTP/1.1\r\nHost: a",
        b"%s /healthz HTTP/1.1\r\nHost: a",
        b"GET /healthz HTTP/%s\r\nHost: a",
        b"GET /healthz HTTP/1.1\r\nHost: %s",
        b"GET /nowhere HTTP/1.1\r\nHost: a\r\nUser-Agent: %s",
        b"GET /nowhere HTTP/1.1\r\nHost: a\r\nX-Request-Id: %s",
        b"GET /nowhere HTTP/1.1\r\nHost: a\r\n%s: x",
        b"GET /v1/queues HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s",
        b"POST /v1/workers/%s/heartbeat HTTP/1.1\r\nHost: a",
    ):
        raw_request(schedd, head.replace(b"%s", text))


def through_bodies(client, text):
    """The text in each field, where it is one that JSON can say."""
    word = text.decode("latin-1")
    escaped = quote(text, safe="")
    queue = client.queue("q")
    queue.post("tasks", {"id": word, "payload": word})
    queue.post("tasks", {"payload": 1, "priority": word})
    queue.post("tasks", {word: word})
    queue.post("take", {"worker": word, "request_id": word})
    queue.post("take", {"worker": "w", "request_id": word})
    queue.post("report", {"worker": word, "failed": [{"id": word, "error": word}]})
    queue.post("report", {"worker": "w", "failed": [{"id": word[:200], "error": word}]})
    queue.post("extend", {"worker": word, "ids": [word]})
    queue.post("retry", {"state": "dead", "match": word})
    queue.post("purge", {"state": word, "ids": [word]})
    client.call("PATCH", queue.path, {word: 1})
    client.call("PATCH", "/v1/config", {word: "debug"})
    client.call("PATCH", "/v1/config", {"log.task": word})
    client.post("/v1/workers/w/heartbeat", {"host": word})
    client.post("/v1/tokens", {"name": word, "role": word})
    client.get(f"/v1/queues/q/tasks/{escaped}")
    client.call("DELETE", f"/v1/queues/q/tasks/{escaped}")
    client.call("DELETE", f"/v1/tokens/{escaped}")
    client.get(f"/v1/queues/{escaped}/tasks")
    client.get(f"/{escaped}")


def test_nobody_makes_a_line(place):
    """Each text through every part of a request: what is logged can be read
    back, and is what was sent."""
    assert len(FORGERIES) >= 40
    world = World(place)
    with world.schedd.client() as client:
        client.queue("q").push("a")
        client.queue("q").take("w")
        for text in FORGERIES:
            through_requests(world.schedd, text)
            through_bodies(client, text)
        # What has only plain characters is taken, and comes back as it was.
        plain = [t.decode() for t in FORGERIES if re.fullmatch(rb"[!-~]{1,255}", t)]
        for n, word in enumerate(plain):
            client.queue("ids").push({"id": word, "payload": n})
            client.get("/v1/queues/ids/tasks/" + quote(word, safe="~!$&'()*+,;=:@"))
    world.schedd.stop()
    entries = world.entries()
    assert_ours(entries)
    assert len(entries) > len(FORGERIES) * 30
    pushed = [e.values["id"] for e in entries
              if e.event == "task.pushed" and e.values["queue"] == "ids"]  # fmt: skip
    assert pushed == plain and len(plain) >= 8
    paths = {e.values["path"] for e in entries if e.event == "access.request"}
    for text in FORGERIES:
        if re.fullmatch(rb"[!-\"$->@-~]{1,400}", text):  # ends neither path nor line
            assert "/" + text.decode() in paths, text
    statuses = [e.values["status"] for e in entries if e.event == "access.request"]
    assert all(re.fullmatch(r"[2-5]\d\d", s) for s in statuses)


@pytest.mark.log_errors("redis.hopeless", "access.token_bad", "store.reply", "queue.broken")
def test_redis_makes_no_line(place):
    """Nor does who speaks in its place, or writes into it."""
    redis = place.redis()
    hostile = Hostile(redis)
    hostile.password = None
    world = World(place, redis=hostile)
    texts = [t for t in FORGERIES if b"\r" not in t and b"\n" not in t and len(t) < 4000]
    with world.schedd.client() as client:
        queue = client.queue("q")
        queue.push("a")
        for n, text in enumerate(texts):
            hostile.lie("push", b"-ERR " + text + b"\r\n")
            queue.post("tasks", {"id": f"t{n}", "payload": 1})
            if n % 8 == 0:
                hostile.lie("push", b"?" + text + b"\r\n")
                queue.post("tasks", {"id": f"u{n}", "payload": 1})
                world.schedd.wait_ready()
        make_token(client, "admin", "admin")
        for n, text in enumerate(FORGERIES):
            redis.do("HSET", "sched:tokens", text, text)
    world.schedd.stop()
    entries = world.entries()
    assert_ours(entries)
    assert {"redis.refused", "redis.lost"} <= {e.event for e in entries}
    hostile.close()


@pytest.mark.log_errors("conf.refused")
def test_settings_make_no_line(place):
    schedd = place.schedd()
    count = 0
    for text in FORGERIES:
        mark = schedd.mark()
        schedd.file.write_bytes(b"[log]\nlevel = " + text + b"\n")
        schedd.process.send_signal(1)
        line = schedd.wait_log("conf.refused", after=mark)
        assert Entry(line.text).values["error"].startswith("E81")
        count += 1
    schedd.write_settings()
    schedd.stop()
    assert_ours([Entry(line.text) for line in schedd.lines])
    assert count == len(FORGERIES)


def test_a_sentinel_makes_no_line(place):
    """What says that it is one may say anything."""
    folder = place.new_folder()
    folder.mkdir()
    listener = socket.socket(socket.AF_INET)
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    port = listener.getsockname()[1]
    url = f"sentinel://127.0.0.1:{port}/tasks"
    schedd = place.schedd({**loud(folder), 'redis "main"': {"url": url}}, start=False)
    schedd.spawn()
    texts = [t for t in FORGERIES if b"\n" not in t and b"\r" not in t and len(t) < 240]
    listener.settimeout(20)
    for text in texts[:12]:
        sock, _ = listener.accept()
        with sock:
            sock.recv(4096)
            sock.sendall(b"*2\r\n$%d\r\n%s\r\n$4\r\n6379\r\n" % (len(text), text))
            sock.sendall(b"-ERR " + text + b"\r\n")
    listener.close()
    schedd.stop()
    entries = [e for path in folder.glob("*.log") for e in read(path)]
    assert_ours(entries)
    assert {e.event for e in entries} & {"redis.again", "redis.lost", "sentinel.master"}


def test_a_client_over_tls_makes_no_line(place):
    """What cannot shake hands has its reason in the log."""
    world = World(place)
    for text in FORGERIES[:5]:
        with Raw(world.schedd.addr) as raw:
            raw.send(b"\x16\x03\x01" + text)
            raw.half_close()
            raw.at_end()
    with Client(world.schedd.addr) as client:
        assert client.get("/healthz").status == 200
    world.schedd.stop()
    assert_ours(world.entries())
