"""schedctl queue ...: seeing queues, and what is done to them."""

import re
import secrets

import pytest

from ctl import Terminal, in_terminal, plain, run, url_of
from server import wait_until


# -- queue ls ------------------------------------------------------------------


def test_no_queues(place):
    one = place.schedd()
    ask = ("--server", url_of(one), "queue", "ls")
    got = run(*ask)
    assert got.code == 0 and got.out == "" and "no queues" in got.err
    assert run(*ask, "--json").json == {"queues": []}
    assert run(*ask, "--quiet").err == ""


def load_slowly(redis):
    """Ends it, and starts one that reads its data for some seconds."""
    redis.do("BGREWRITEAOF")
    wait_until(lambda: b"aof_rewrite_in_progress:0" in redis.do("INFO", "persistence"))
    redis.kill()
    redis.options["key-load-delay"] = 100_000
    redis.options["loading-process-events-interval-bytes"] = 1024
    redis.start(ready=False)


def test_while_redis_reads_its_data(place):
    """Queues that are not known yet are not told of as none."""
    redis = place.redis()
    one = place.schedd(redis.settings())
    with one.client() as client:
        for i in range(10):
            client.queue(f"q{i}").push({"id": "a", "payload": secrets.token_hex(2500)})
    one.stop()
    load_slowly(redis)
    again = place.schedd(redis.settings(), ready=False)
    ask = ("--server", url_of(again), "--json")
    wait_until(lambda: "loading" in (run(*ask, "stats").json["reason"] or ""), what="loading")
    for words in (["queue", "ls"], ["queue", "show", "q1"], ["task", "ls", "q1"]):
        got = run(*ask, *words)
        assert got.code == 1 and "E101 REDIS_DOWN" in got.err, got
        assert got.json["error"]["name"] == "REDIS_DOWN"
    assert "loading its data" in run(*ask, "queue", "ls").err
    top = run("--server", url_of(again), "top")
    assert top.code == 0 and "loading its data" in top.out, top
    assert "no queues are known yet" in top.out
    wait_until(lambda: run(*ask, "queue", "ls").code == 0, what="its data")
    assert len(run(*ask, "queue", "ls").json["queues"]) == 10


def test_ls(place):
    one = place.schedd()
    with one.client() as client:
        client.queue("mail").push("a", "b", "c")
        ask = ("--server", url_of(one), "queue", "ls")
        wait_until(lambda: run(*ask).rows and run(*ask).rows[0][1] == "3", what="mail")
        got = run(*ask)
        titles = "NAME TODO DOING DELAYED FAILED DEAD FINISH OLDEST IN/S OUT/S WORKERS"
        assert got.out.splitlines()[0].split() == titles.split()
        assert [row[0] for row in got.rows] == ["mail"]
        sms = client.queue("sms")
        sms.push({"id": "x", "payload": 1}, {"id": "later", "payload": 1, "delay_s": 99})
        sms.take()
        sms.patch(paused=True)
        wait_until(lambda: len(run(*ask).rows) == 3 and "paused" in run(*ask).out, what="sms")
    rows = {row[0]: row[1:] for row in run(*ask).rows}
    assert rows["mail"][:6] == ["3", "0", "0", "0", "0", "0"]
    assert rows["sms"][:7] == ["0", "1", "1", "0", "0", "0", "-"]
    assert "paused" in rows["sms"] and "paused" not in rows["mail"]
    assert rows["(all)"][:6] == ["3", "1", "1", "0", "0", "0"]
    got = run(*ask, "--quiet").out.splitlines()
    assert [line.split()[0] for line in got] == ["mail", "sms"]

    def names(*words):
        return [row[0] for row in run(*ask, *words).rows]

    assert names("--sort", "doing") == ["sms", "mail", "(all)"]
    assert names("--sort", "todo") == ["mail", "sms", "(all)"]
    assert names("--sort", "todo", "-r") == ["sms", "mail", "(all)"]
    assert names("--reverse") == ["sms", "mail", "(all)"]
    assert names("m*") == ["mail"]
    got = run(*ask, "nope*")
    assert got.code == 0 and got.out == "" and "there is no such queue" in got.err
    # As JSON: the whole answer, or what was asked for in the order asked for.
    with one.client() as client:
        whole = client.get_json("/v1/queues")["queues"]
    got = run(*ask, "--json").json["queues"]
    assert [q["name"] for q in got] == ["mail", "sms"] and set(got[0]) == set(whole[0])
    got = run(*ask, "--json", "--sort", "doing").json["queues"]
    assert [q["name"] for q in got] == ["sms", "mail"] and set(got[0]) == set(whole[0])
    assert [q["name"] for q in run(*ask, "s*", "--json").json["queues"]] == ["sms"]
    got = run(*ask, "--sort", "nope")
    assert got.code == 2 and "expected one of name, todo, doing" in got.err


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_ls_on_a_terminal(place, columns):
    """Whatever the width, no line is wider and no number is cut; a pause is
    always seen."""
    one = place.schedd()
    name = "q" * 64
    with one.client() as client:
        client.queue(name).push("a")
        client.queue(name).patch(paused=True)
        client.queue("mail").push_many([f"t{i}" for i in range(1000)])
        ask = ["--server", url_of(one), "queue", "ls"]
        wait_until(lambda: "paused" in run(*ask).out and "1000" in run(*ask).out, what="both")
    code, out = in_terminal(ask, columns=columns)
    lines = plain(out)
    assert code == 0 and len(lines) == 4 and max(map(len, lines)) <= columns
    assert lines[1].split()[:2] == ["mail", "1000"]
    assert lines[2].endswith("paused") and lines[2].startswith("qqqqqqq")
    assert (name in lines[2]) == (columns == 200)
    titles = lines[0].split()
    assert titles[:3] == ["NAME", "TODO", "DOING"]
    assert ("FINISH" in titles) == (columns == 200) and "DEAD" in titles
    # Colours: headings, and what holds a queue up.
    assert b"\x1b[2mNAME" in out and b"\x1b[33mpaused\x1b[0m" in out
    code, out = in_terminal([*ask, "--no-color"], columns=columns)
    assert code == 0 and b"\x1b[" not in out


# -- queue show ----------------------------------------------------------------


def test_show(ctl, queue):
    queue.push("a")
    queue.push({"id": "b", "payload": 1, "priority": "high"})
    queue.take()
    queue.patch(lease_s=7200, max_payload=262144)
    got = ctl("queue", "show", queue.name)
    assert got.code == 0 and got.err == ""
    text = got.out
    assert re.search(rf"^queue +{queue.name}$", text, re.M)
    assert re.search(r"^todo +\d+  high \d, normal \d, low \d$", text, re.M)
    assert re.search(r"^doing +2$", text, re.M)
    assert re.search(r"^PER SECOND  1 MIN  5 MIN  15 MIN  TOTAL$", text, re.M)
    assert re.search(r"^taken .* 2$", text, re.M)
    assert re.search(r"^lease +2h ", text, re.M)
    assert re.search(r"^max_payload +256KiB ", text, re.M)
    assert ctl("queue", "show", queue.name, "--json").json["policy"] == queue.info()["policy"]
    got = ctl("queue", "show", "no-such-queue")
    assert got.code == 1 and got.out == "" and "E310 QUEUE_UNKNOWN" in got.err


def test_what_holds_it_up(ctl, queue):
    """In a word in the list, in a sentence of its own."""
    queue.patch(max_tasks=3, paused=True)
    queue.push("a", "b", "c")
    got = ctl("queue", "show", queue.name)
    held_up = re.findall(r"^held up +(.*)$", got.out, re.M)
    assert len(held_up) == 2 and held_up[0].startswith("paused")
    assert held_up[1].startswith("full: 3 of 3")

    def row():
        return ctl("queue", "ls", queue.name).out.splitlines()[-1]

    wait_until(lambda: row().endswith("0  paused, full"), what="the list")
    queue.patch(paused=False, max_tasks=None)
    queue.take("w1", count=2)
    queue.take("w2", count=1)
    assert "held up" not in ctl("queue", "show", queue.name).out
    assert re.search(r"^workers +2$", ctl("queue", "show", queue.name).out, re.M)
    wait_until(lambda: row().split()[-1] == "2", what="the workers in the list")
    assert re.search(r"^last take +\S+ ago$", ctl("queue", "show", queue.name).out, re.M)


def test_where_the_policy_comes_from(place):
    one = place.schedd({'queue "mail"': {"lease": "3h", "max_attempts": "9"}})
    server = ("--server", url_of(one))
    assert run(*server, "queue", "set", "mail", "max_attempts=4", "max_payload=1KiB").code == 0
    out = run(*server, "queue", "show", "mail").out
    for line in ("lease +3h  file", "max_attempts +4  http", "max_payload +1KiB  http",
                 "retry_base +10s  default"):  # fmt: skip
        assert re.search(rf"^{line}$", out, re.M), out
    out = run(*server, "queue", "set", "mail", "max_attempts=").out
    assert re.search(r"^max_attempts +9  file$", out, re.M)
    _, out = in_terminal([*server, "queue", "show", "mail"])
    assert b"\x1b[1mhttp\x1b[0m" in out


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_show_on_a_terminal(schedd, queue, columns):
    queue.push("a")
    words = ["--server", url_of(schedd), "queue", "show", queue.name]
    code, out = in_terminal(words, columns=columns)
    lines = plain(out)
    assert code == 0 and max(map(len, lines)) <= columns
    assert [line.split()[0] for line in lines if line.isupper() and line]


# -- pause, resume, set --------------------------------------------------------


def test_pause_and_resume(ctl, queue):
    queue.push("a")
    got = ctl("queue", "pause", queue.name)
    assert got.code == 0 and got.out == f"{queue.name} is paused\n" and got.err == ""
    assert queue.take_all()["paused"] is True
    assert ctl("queue", "pause", queue.name, "--quiet").out == ""
    got = ctl("queue", "resume", queue.name)
    assert got.code == 0 and got.out == f"{queue.name} goes on\n"
    assert queue.take_ids() == ["a"]
    assert ctl("queue", "pause", queue.name, "--json").json["paused"] is True


def test_misspelt_queue(ctl, client):
    """None is made by a slip of the fingers; --create does."""
    for words in (["pause", "mial"], ["resume", "mial"], ["set", "mial", "lease=1h"]):
        got = ctl("queue", *words)
        assert got.code == 1 and got.out == "" and "E310 QUEUE_UNKNOWN" in got.err
        assert "--create makes it" in got.err
    assert client.get("/v1/queues/mial").status == 404
    assert ctl("queue", "pause", "new1", "--create").code == 0
    assert ctl("queue", "set", "new2", "lease=1h", "--create").code == 0
    assert client.queue("new1").info()["paused"] is True
    assert client.queue("new2").info()["policy"]["lease_s"] == 3600


def test_set(ctl, queue):
    """Names and units are those of the settings file; NAME= takes it back."""
    queue.make()
    before = queue.info()["policy"]
    got = ctl(
        "queue", "set", queue.name, "lease=2h", "max_payload=256KiB", "max_attempts=7",
        "retry_base=250ms", "dead_age_s=90",
    )  # fmt: skip
    assert got.code == 0 and got.err == ""
    assert re.search(r"^lease +2h ", got.out, re.M)
    assert re.search(r"^retry_base +250ms ", got.out, re.M)
    policy = queue.info()["policy"]
    assert (policy["lease_s"], policy["max_payload"], policy["max_attempts"]) == (7200, 262144, 7)
    assert (policy["retry_base_s"], policy["dead_age_s"]) == (0.25, 90)
    assert ctl("queue", "set", queue.name, "lease=", "dead_age=", "--quiet").out == ""
    policy = queue.info()["policy"]
    assert policy["lease_s"] == before["lease_s"] and policy["dead_age_s"] == 0
    assert policy["max_attempts"] == 7
    got = ctl("queue", "set", queue.name, "max_attempts=", "--json")
    assert got.json["policy"]["max_attempts"] == before["max_attempts"]


@pytest.mark.parametrize(
    "word, said",
    [
        ("lease", "'lease': expected name=value"),
        ("leese=1h", "'leese': there is no such limit; expected one of max_tasks, max_payload"),
        ("=1h", "'': there is no such limit"),
        ("backend=x", "'backend': there is no such limit"),
        ("paused=true", "'paused': there is no such limit"),
        ("lease=soon", "'lease=soon': expected a span of time such as"),
        ("max_payload=lots", "'max_payload=lots': expected a size such as"),
        ("max_tasks=1e6", "'max_tasks=1e6': expected a whole number"),
    ],
)
def test_set_nonsense(ctl, queue, word, said):
    """Nothing is sent, and it is said what was expected."""
    queue.make()
    before = queue.info()["policy"]
    got = ctl("queue", "set", queue.name, "max_attempts=9", word)
    assert got.code == 2 and got.out == "" and said in got.err, got
    assert queue.info()["policy"] == before
    got = ctl("queue", "set", queue.name, "lease=1h", "lease_s=2")
    assert got.code == 2 and "'lease_s=2': it is given twice" in got.err


def test_set_out_of_range(ctl, queue):
    """The server knows the ranges, and names the field."""
    queue.make()
    got = ctl("queue", "set", queue.name, "lease=31d")
    assert got.code == 1 and "E305 FIELD_RANGE" in got.err and "lease_s" in got.err


# -- rm ------------------------------------------------------------------------


def test_rm(ctl, queue, client):
    """Finished tasks go with it; for others --force is needed."""
    queue.push("a", "b")
    queue.take(count=1)
    queue.finish("a")
    queue.patch(lease_s=60)
    got = ctl("queue", "rm", queue.name, "--yes")
    assert got.code == 1 and got.out == "" and "QUEUE_NOT_EMPTY" in got.err
    assert "--force" in got.err
    assert queue.counts() == {"todo": 1, "finish": 1}
    got = ctl("queue", "rm", queue.name, "--yes", "--force")
    assert got.code == 0 and got.out == f"{queue.name} is removed, with 2 tasks\n"
    assert client.get(queue.path).status == 404
    got = ctl("queue", "rm", queue.name, "--yes")
    assert got.code == 1 and "E310 QUEUE_UNKNOWN" in got.err
    queue.push("a")
    assert queue.info()["policy"]["lease_s"] != 60
    got = ctl("queue", "rm", queue.name, "-y", "--force", "--json").json
    assert got == {"name": queue.name, "removed": True, "tasks": 1}
    queue.make()
    assert ctl("queue", "rm", queue.name, "-y", "-q").out == ""
    got = ctl("queue", "rm", queue.name)
    assert got.code == 2 and "there is no terminal to ask at" in got.err


def test_rm_asks(schedd, queue, client):
    queue.push("a", "b")
    words = ("--server", url_of(schedd), "queue", "rm", queue.name, "--force")
    terminal = Terminal(*words)
    terminal.wait_for(rf"remove the queue {queue.name} with its policy and 2 tasks\? \[y/N\] ")
    terminal.type("n\r")
    code, out = terminal.end()
    assert code == 1 and b"nothing was done" in out and queue.counts() == {"todo": 2}
    terminal = Terminal(*words)
    terminal.wait_for(r"\[y/N\] ")
    terminal.type("y\r")
    code, out = terminal.end()
    assert code == 0 and b"is removed, with 2 tasks" in out
    assert client.get(queue.path).status == 404
    queue.make()
    # An empty one is asked about as well: its policy goes with it.
    terminal = Terminal("--server", url_of(schedd), "queue", "rm", queue.name)
    terminal.wait_for(rf"remove the queue {queue.name} with its policy\? \[y/N\] ")
    terminal.type("\x03")
    code, out = terminal.end()
    assert code == 1 and client.get(queue.path).status == 200
