"""The files of tests/corpus: malformed and odd input, and what becomes of it.
Each case is answered as its file says, at once, and what is well-formed is
served after it."""

import os
import re
import subprocess
import time

import pytest

from client import Raw
from corpus import FOLDER, NAMES, cases
from hostile import Hostile
from server import SLOW

LIMIT_S = 1.0  # for one case; it is a few ms

def test_the_page_counts_them():
    """README.md there says how many there are; 740 are asked for."""
    page = (FOLDER / "README.md").read_text("ascii")
    told = dict(re.findall(r"^\| `(\w+)\.txt` \| (\d+) \|", page, re.M))
    there = {name: sum(1 for _ in cases(name)) for name in NAMES}
    assert {name: int(n) for name, n in told.items()} == there
    assert sum(there.values()) >= 740


def answer_text(answer):
    """200, or 400 NAME; an answer to HEAD has no name."""
    if answer.status < 400 or not answer.body:
        return str(answer.status)
    return f"{answer.status} {answer.error['name']}"


def outcome(schedd, data, answers):
    """What comes back, in the words of the file."""
    got = []
    with Raw(schedd.addr) as raw:
        try:
            raw.send(data)
        except OSError:
            pass  # it may have closed already: what it said is still there
        while len(got) < answers:
            answer = raw.receive(head=data.startswith(b"HEAD") and not got)
            got.append(answer_text(answer))
        if answers and answer.headers.get("Connection") == "close":
            assert raw.at_end()
            return ", ".join([*got, "end"])
        raw.half_close()
        assert raw.at_end(), raw.buffer
    return ", ".join([*got, "open"])


def test_http(schedd, client):
    client.queue("c").make()
    for place, expected, data in cases("http"):
        began = time.monotonic()
        got = outcome(schedd, data, expected.count(", "))
        assert got == expected, place
        assert time.monotonic() - began < LIMIT_S * SLOW, place
    assert client.get("/healthz").status == 200


def test_json(client):
    queue = client.queue("c")
    queue.make()
    for place, verb, expected, data in cases("json"):
        began = time.monotonic()
        assert answer_text(queue.post(verb, data)) == expected, place
        assert time.monotonic() - began < LIMIT_S * SLOW, place
    assert queue.push("well")["queued"] == 1


# A request that makes schedd call the script, by the word that the file uses;
# n keeps ids apart.
WORK = "work"  # takes and reports of a turn are one call
RESP_OPS = {
    "push": ("push", lambda q, n: q.post("tasks", {"id": f"t{n}", "payload": n})),
    "take": (WORK, lambda q, n: q.post("take", {"worker": f"w{n}", "count": 1})),
    "report": (WORK, lambda q, n: q.post("report", {"worker": "w", "finished": ["a"]})),
    "extend": ("extend", lambda q, n: q.post("extend", {"worker": "w", "ids": ["a"]})),
    "show": ("show", lambda q, n: q.try_task("a")),
    "list": ("list", lambda q, n: q.client.get(f"{q.path}/tasks")),
    "remove": ("remove", lambda q, n: q.remove("a")),
    "policy": (
        "policy",
        lambda q, n: q.client.call("PATCH", q.path, {"max_tasks": 1000 + n}),
    ),
}


@pytest.mark.log_errors("store.reply")
def test_resp(place):
    """A change whose reply makes no sense is never said to be done, or not;
    what belongs to one request never answers another; and it goes on."""
    hostile = Hostile(place.redis())
    schedd = place.schedd(hostile.settings())
    with schedd.client() as client:
        queue = client.queue("c")
        queue.push_many([f"there{i}" for i in range(200)])
        for n, (where, verb, expected, data) in enumerate(cases("resp")):
            script, request = RESP_OPS[verb]
            began = time.monotonic()
            hostile.lie(script, data)
            got = answer_text(request(queue, n))
            assert hostile.told.is_set(), f"{where}: {script} was not called"
            assert got == expected, where
            assert time.monotonic() - began < LIMIT_S * SLOW, where
            schedd.wait_ready()
            assert queue.push(f"well{n}")["tasks"] == [
                {"id": f"well{n}", "status": "queued"}
            ], where
    hostile.close()


def check_settings(folder, text):
    """What schedd --check says of a file: OK, or the error and its line."""
    path = folder / "c.conf"
    path.write_bytes(text)
    done = subprocess.run(
        [os.environ["SCHEDD"], "--check", "-c", path],
        capture_output=True, timeout=20 * SLOW, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return "OK"
    assert done.returncode == 78, done
    line = done.stderr.decode("utf-8")
    found = re.fullmatch(r"schedd: E\d+ (\w+): \S+?c\.conf(?::(\d+))?: .+\n", line)
    assert found, line
    return f"{found[1]} {found[2] or '-'}"


def test_conf(tmp_path):
    """Settings are right, or refused with one line that says where."""
    for where, expected, data in cases("conf"):
        assert check_settings(tmp_path, data) == expected, where
