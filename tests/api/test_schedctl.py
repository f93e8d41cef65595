"""schedctl as people and programs use it, against real servers."""

import json
import os
import re
import subprocess
import threading

import pytest

from ctl import LIMIT_S, Ran, environment, in_terminal, run, url_of
from redisproc import free_port
from server import wait_until

MIB = 1024 * 1024


class Streaming:
    """A schedctl that is fed line by line."""

    def __init__(self, *words):
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [os.environ["SCHEDCTL"], *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        self.err = b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.err += line

    def feed(self, lines):
        """Writes lines to its standard input."""
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self.process.stdin.flush()

    def wait_said(self, text):
        """Until it said that on stderr."""
        wait_until(lambda: text.encode() in self.err, 30, f"{text!r}; got {self.err}")

    def end(self):
        """Closes its input; the exit code and stdout."""
        self.process.stdin.close()
        out = self.process.stdout.read().decode()
        code = self.process.wait(LIMIT_S)
        self.reader.join(LIMIT_S)
        self.process.stdout.close()
        self.process.stderr.close()
        return Ran(code, out, self.err.decode())


# -- where the server is -----------------------------------------------------


def test_ping(ctl, schedd):
    got = ctl("ping")
    assert got.code == 0 and got.err == ""
    pattern = rf"{re.escape(url_of(schedd))}: ready, schedd [0-9.]+, [0-9.]+ ms\n"
    assert re.fullmatch(pattern, got.out)
    got = ctl("ping", "--json").json
    assert got["ready"] is True and got["round_trip_ms"] > 0
    assert ctl("ping", "--quiet").out == ""


def test_server_from_environment(schedd):
    assert run("ping", env={"SCHEDCTL_SERVER": url_of(schedd)}).code == 0
    assert run("ping", env={"SCHEDCTL_SERVER": schedd.addr}).code == 0
    nowhere = {"SCHEDCTL_SERVER": f"http://127.0.0.1:{free_port()}"}
    assert run("ping", env=nowhere).code == 3
    # The option wins; a proxy of the environment is for other hosts.
    assert run("--server", url_of(schedd), "ping", env=nowhere).code == 0
    proxy = {"http_proxy": nowhere["SCHEDCTL_SERVER"], "all_proxy": "http://127.0.0.1:1"}
    assert run("--server", url_of(schedd) + "/", "ping", env=proxy).code == 0


def test_unix_socket(place):
    folder = place.new_folder()
    one = place.schedd(folder=folder, args=[f"--http.listen=unix:{folder}/http"])
    server = ("--server", f"unix:{folder}/http")
    assert run(*server, "ping").code == 0
    assert run(*server, "task", "push", "q", "1").code == 0
    one.stop()
    got = run(*server, "ping")
    assert got.code == 3
    assert got.err.startswith(f"schedctl: cannot reach unix:{folder}/http: ")


def test_unreachable():
    url = f"http://127.0.0.1:{free_port()}"
    for words in (["ping"], ["queue", "ls"], ["task", "push", "q", "1"], ["stats"]):
        got = run("--server", url, *words)
        assert got.code == 3 and got.out == ""
        assert got.err.startswith(
            f"schedctl: cannot reach {url}: Connection refused\nschedctl: is schedd running? "
        )
    got = run("--server", url, "--json", "queue", "ls")
    assert got.code == 3 and got.json["error"]["name"] == "UNREACHABLE"
    got = run("--server", url, "task", "push", "q", stdin="1\n2\n")
    assert got.code == 3 and "cannot reach" in got.err


def test_not_ready(place):
    redis = place.redis()
    one = place.schedd(redis.settings())
    for one_schedd in place.schedds:
        one_schedd.allowed = {"redis.lost", "redis.connect_failed", "redis.down"}
    redis.kill()
    wait_until(lambda: run("--server", url_of(one), "ping").code == 1, 30, "not ready")
    got = run("--server", url_of(one), "ping")
    assert got.code == 1 and got.err.startswith("schedctl: E715 NOT_READY: ")
    redis.start()
    one.wait_ready()


def test_not_a_schedd(place):
    """What answers, but is none, is named as such: here a redis-server."""
    port = free_port()
    place.redis(port=port)
    got = run("--server", f"http://127.0.0.1:{port}", "--timeout", "5", "queue", "ls")
    assert got.code == 3 and got.out == ""


# -- the command line --------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nope"],
        ["queue"],
        ["queue", "nope"],
        ["queue", "ls", "x", "y"],
        ["queue", "show"],
        ["queue", "show", "a b"],
        ["queue", "show", "x" * 65],
        ["ping", "--nope"],
        ["ping", "--timeout", "x"],
        ["ping", "--timeout", "0"],
        ["ping", "--server", "ftp://127.0.0.1"],
        ["ping", "--server", "http://me:secret@127.0.0.1:1"],
        ["ping", "--server", "unix:"],
        ["ping", "--server", "unix:/" + "x" * 108],
        ["task", "push", "q", "{"],
        ["task", "push", "q", "1", "--id", "a b"],
        ["task", "push", "q", "1", "--delay", "soon"],
        ["task", "push", "q", "1", "--max-attempts", "-1"],
        ["task", "push", "q", "1", "--tasks"],
        ["task", "push", "q", "--id", "a"],
        ["task", "push", "q", "--tasks", "--priority", "high"],
        ["task", "show", "q", "a b"],
        ["task", "take", "q"],
        ["task", "take", "q", "--worker", "a b"],
        ["task", "take", "q", "--worker", "w", "--count", "x"],
        ["task", "report", "q", "--worker", "w"],
        ["task", "ls", "q", "--limit", "0"],
        ["errors", "1000"],
        ["errors", "3 10"],
        ["help", "nope"],
    ],
)
def test_usage(ctl, words):
    got = ctl(*words)
    assert got.code == 2 and got.out == "", got
    assert "secret" not in got.err
    assert got.err.startswith(("schedctl: ", "usage: schedctl ")), got


def test_help(ctl):
    got = ctl("help")
    assert got.code == 0 and got.err == ""
    lines = [line.strip() for line in got.out.splitlines()]
    commands = lines[lines.index("commands:") + 1 : lines.index("global options:") - 1]
    assert commands == sorted(commands) and len(commands) >= 12
    assert run("--help").out == got.out
    for words in (["queue", "show"], ["task", "push"], ["ping"]):
        page = run("help", *words)
        assert page.code == 0 and page.out == run(*words, "--help").out
        assert page.out.startswith(f"usage: schedctl {' '.join(words)}")
    assert "task push" in run("help", "task").out
    assert "queue ls" not in run("help", "task").out


def test_version(ctl):
    own = run("--version")
    assert own.code == 0 and re.fullmatch(r"schedctl [0-9.]+\n", own.out)
    got = ctl("version")
    assert got.code == 0 and got.out.startswith(own.out + "schedd ")
    assert ctl("version", "--json").json["name"] == "schedd"
    got = run("--server", f"http://127.0.0.1:{free_port()}", "version")
    assert got.code == 3 and got.out == own.out


# -- one task ----------------------------------------------------------------


def test_push_one(ctl, queue):
    got = ctl("task", "push", queue.name, '{"to":"you"}', "--id", "a")
    assert got.code == 0 and got.out == "queued a\n" and got.err == ""
    assert queue.task("a")["payload"] == {"to": "you"}
    got = ctl("task", "push", queue.name, "2", "--id", "a")
    assert got.code == 0 and got.out == "known a, todo\n"
    assert queue.task("a")["payload"] == {"to": "you"}
    made = ctl("task", "push", queue.name, "-5").out.split()[1]
    assert queue.task(made)["payload"] == -5
    got = ctl("task", "push", queue.name, "1", "--json").json
    assert got["queued"] == 1 and got["tasks"][0]["status"] == "queued"
    assert ctl("task", "push", queue.name, "1", "--quiet").out == ""


def test_push_options(ctl, queue):
    def push(task_id, *words):
        got = ctl("task", "push", queue.name, "say \"x\"", "--raw", "--id", task_id, *words)
        assert got.code == 0, got
        return queue.task(task_id)

    assert push("plain")["payload"] == 'say "x"'
    assert push("high", "--priority", "high")["priority"] == "high"
    assert push("delay", "--delay", "1h")["state"] == "delayed"
    assert push("at", "--run-at", "2033-01-02T03:04:05Z")["due_at"] == "2033-01-02T03:04:05.000Z"
    assert push("sec", "--run-at", "1988150400")["due_at"] == "2033-01-01T00:00:00.000Z"
    assert push("tries", "--max-attempts", "7")["max_attempts"] == 7
    queue.take(count=500)
    queue.finish("plain")
    assert push("plain")["state"] == "finish"
    assert push("plain", "--replace")["state"] == "todo"
    odd = 'o"dd\\/%2e?#='
    assert push(odd)["id"] == odd
    got = ctl("task", "show", queue.name, odd)
    assert got.code == 0 and odd in got.out


def test_push_refused(ctl, queue):
    got = ctl("task", "push", queue.name, "1", "--priority", "urgent")
    assert got.code == 1 and got.out == ""
    assert "E305 FIELD_RANGE" in got.err and "priority" in got.err
    queue.patch(max_tasks=1)
    assert ctl("task", "push", queue.name, "1").code == 0
    got = ctl("task", "push", queue.name, "1", "--json")
    assert got.code == 1 and got.json["error"]["name"] == "QUEUE_FULL"
    assert "E319 QUEUE_FULL" in got.err


def test_life_of_a_task(ctl, queue):
    payload = '{"b": 1, "a":12345678901234567890, "c":[ ]}'
    ctl("task", "push", queue.name, payload, "--id", "a")
    ctl("task", "push", queue.name, "2", "--id", "b")
    got = ctl("task", "take", queue.name, "--worker", "w", "--count", "5", "--lease", "1h")
    assert got.code == 0
    lines = got.out.splitlines()
    assert lines[0].split() == ["ID", "ATTEMPT", "LEASE", "ENDS", "PAYLOAD"]
    assert lines[1].split()[:2] == ["a", "1"] and payload in lines[1]
    assert re.search(r" in (59m59s|1h0m) ", lines[1])
    got = ctl("task", "show", queue.name, "a")
    lines = ["{", '  "b": 1,', '  "a": 12345678901234567890,', '  "c": []', "}"]
    assert got.code == 0 and got.out.endswith("\n".join(["payload:", *lines, ""]))
    assert re.search(r"^state +doing$", got.out, re.M)
    assert payload in ctl("task", "show", queue.name, "a", "--json").out
    ask = ("task", "report", queue.name, "--worker", "w")
    got = ctl(*ask, "--finished", "a", "--failed", "b=it broke = badly")
    assert got.code == 0 and got.out == ""
    assert got.err == "schedctl: finished 1, failed 1 (0 now dead), refused 0\n"
    assert queue.state("a") == "finish"
    assert queue.task("b")["error"] == "it broke = badly"
    got = ctl("task", "ls", queue.name, "--state", "failed")
    assert [row[0] for row in got.rows] == ["b"] and "it broke = badly" in got.out
    got = ctl("task", "show", queue.name, "nope")
    assert got.code == 1 and "E312 TASK_UNKNOWN" in got.err


def test_report_refused(ctl, queue):
    queue.push("a", "b=c", "d")
    queue.take("w", count=2)
    ask = ("task", "report", queue.name, "--worker", "w")
    got = ctl(*ask, "--finished", "a", "--finished", "d", "--json")
    assert got.code == 4 and got.json["finished"] == 1
    assert "schedctl: d: E511 TASK_NOT_HELD" in got.err
    got = ctl("task", "report", queue.name, "--worker", "other", "--failed", "b\\=c=no")
    assert got.code == 1 and "schedctl: b=c: E510 LEASE_LOST" in got.err
    got = ctl(*ask, "--failed", "b\\=c=no", "--no-retry")
    assert got.code == 0 and "failed 1 (1 now dead)" in got.err
    assert queue.state("b=c") == "dead"


def test_take_nothing(ctl, queue):
    queue.make()
    ask = ("task", "take", queue.name, "--worker", "w")
    got = ctl(*ask)
    assert got.code == 0 and got.out == "" and got.err == "schedctl: no tasks\n"
    assert ctl(*ask, "--json").json["tasks"] == []
    queue.patch(paused=True)
    queue.push("a")
    assert ctl(*ask).err == "schedctl: the queue is paused\n"


def test_take_waits(ctl, queue, client):
    queue.make()
    got = []
    ask = ("task", "take", queue.name, "--worker", "w", "--wait", "50s", "--timeout", "5s")
    taker = threading.Thread(target=lambda: got.append(ctl(*ask)))
    taker.start()
    wait_until(lambda: queue.info()["waiting_takes"] == 1, what="a waiting take")
    client.queue(queue.name).push("a")
    taker.join(LIMIT_S)
    assert got[0].code == 0 and got[0].rows[0][0] == "a"


def test_take_without_answer(place):
    """A server that is silent: the timeout ends it, and it is said that
    the request was sent."""
    redis = place.redis()
    one = place.schedd({**redis.settings(), 'redis "main"': {
        **redis.settings()['redis "main"'], "deadline": "30s"}})
    with one.client() as client:
        client.queue("q").push("a")
    redis.pause()
    got = run("--server", url_of(one), "--timeout", "500ms", "task", "show", "q", "a")
    redis.resume()
    assert got.code == 3 and "no answer within 0.5 s" in got.err
    assert "may have been carried out" in got.err


# -- a stream of tasks -------------------------------------------------------


def test_push_payloads(ctl, queue):
    lines = "".join(f'{{"n": {i}}}\n' for i in range(1234))
    got = ctl("task", "push", queue.name, stdin=lines)
    assert got.code == 0 and got.out == ""
    assert got.err == "schedctl: queued 1234, known 0, refused 0\n"
    taken = queue.take(count=1000) + queue.take(count=1000)
    assert [t["payload"]["n"] for t in taken] == list(range(1234))
    got = ctl("task", "push", queue.name, "--quiet", "--priority", "low", stdin="1")
    assert got.code == 0 and got.err == ""
    assert queue.take()[0]["payload"] == 1
    assert ctl("task", "push", queue.name, stdin="").code == 0
    assert ctl("task", "push", queue.name, stdin="\n\r\n \n").err.startswith(
        "schedctl: queued 0, known 0, refused 0"
    )


def test_push_raw_lines(ctl, queue):
    got = ctl("task", "push", queue.name, "--raw", stdin='one "1"\ntwo\r\n{not json\n')
    assert got.code == 0, got
    assert [t["payload"] for t in queue.take()] == ['one "1"', "two", "{not json"]


def test_push_tasks(ctl, queue):
    rows = [{"id": f"t{i}", "payload": i} for i in range(10)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    got = ctl("task", "push", queue.name, "--tasks", stdin=lines)
    assert got.code == 0 and "queued 10, known 0, refused 0" in got.err
    got = ctl("task", "push", queue.name, "--tasks", stdin=lines + '{"payload":"new"}\n')
    assert got.code == 0 and "queued 1, known 10, refused 0" in got.err
    assert queue.counts() == {"todo": 11}


def test_push_refused_lines(ctl, queue):
    """Each bad line is named; the others go on, also those of its batch."""
    queue.patch(max_payload=100)
    lines = [f'{{"id":"t{i}","payload":{i}}}' for i in range(1, 1001)]
    bad = {
        3: ('{"id":"t3"', "E300 BODY_NOT_JSON"),
        7: ("[7]", "E303 FIELD_TYPE"),
        100: ('{"id":"t100"}', "E304 FIELD_MISSING"),
        101: ('{"id":"t 101","payload":1}', "E313 TASK_ID_BAD"),
        400: ('{"id":"t400","payload":1,"colour":"red"}', "E306 FIELD_UNKNOWN"),
        499: ('{"id":"t499","payload":1,"priority":"urgent"}', "E305 FIELD_RANGE"),
        700: (f'{{"id":"t700","payload":"{"x" * 200}"}}', "E318 PAYLOAD_TOO_LARGE"),
        800: (f'{{"id":"t800","payload":"{"x" * MIB}"}}', "E318 PAYLOAD_TOO_LARGE"),
        1000: ('{"id":"t1000","payload":"\xff"}', "E301 BODY_NOT_UTF8"),
    }
    for number, (line, _) in bad.items():
        lines[number - 1] = line
    text = "\n".join(lines).encode("latin-1")
    got = ctl("task", "push", queue.name, "--tasks", "--json", stdin=text)
    assert got.code == 4, got
    said = dict(re.findall(r"schedctl: line (\d+): (\w+ \w+)", got.err))
    assert said == {str(number): why for number, (_, why) in bad.items()}
    assert f"queued {1000 - len(bad)}, known 0, refused {len(bad)}" in got.err
    assert len(queue.ids("todo")) == 1000 - len(bad)
    out = got.json
    assert (out["queued"], out["exists"], out["refused"]) == (991, 0, 9)
    assert sorted(t["line"] for t in out["tasks"]) == list(range(1, 1001))
    for task in out["tasks"]:
        if task["line"] in bad:
            assert task["status"] == "refused" and task["error"]["code"]
        else:
            assert task == {"line": task["line"], "id": f"t{task['line']}", "status": "queued"}


def test_push_all_refused(ctl, queue):
    got = ctl("task", "push", queue.name, stdin="{\nnot json\n")
    assert got.code == 1 and "queued 0, known 0, refused 2" in got.err
    queue.patch(max_payload=1)
    got = ctl("task", "push", queue.name, stdin="12\n34\n")
    assert got.code == 1 and got.err.count("E318 PAYLOAD_TOO_LARGE") == 2


def test_push_large_lines(ctl, queue):
    """More than one request may hold, in lines of almost 1 MiB."""
    queue.patch(max_payload=MIB)
    lines = "".join(f'"{chr(97 + i) * (MIB - 2)}"\n' for i in range(20))
    got = ctl("task", "push", queue.name, stdin=lines)
    assert got.code == 0 and "queued 20" in got.err
    got = ctl("task", "push", queue.name, stdin=f'"{"x" * MIB}"\n1\n')
    assert got.code == 4 and "line 1: E318" in got.err and "queued 1," in got.err


def test_push_waits_for_room(schedd, queue):
    """A full queue is waited for, and nothing is lost or pushed twice."""
    queue.patch(max_tasks=100)
    stream = Streaming("--server", url_of(schedd), "task", "push", queue.name)
    stream.feed(range(250))
    stream.process.stdin.close()
    stream.wait_said("schedctl: waiting: E319 QUEUE_FULL")
    seen = []

    def drain():
        tasks = queue.take(count=50)
        seen.extend(t["payload"] for t in tasks)
        if tasks:
            queue.finish(*[t["id"] for t in tasks])
        return len(seen) >= 250

    wait_until(drain, 50, "250 tasks")
    got = stream.end()
    assert got.code == 0 and "queued 250, known 0, refused 0" in got.err
    assert sorted(seen) == list(range(250)) and queue.counts() == {"finish": 250}


def test_push_gives_up(ctl, queue):
    queue.patch(max_tasks=100)
    lines = "".join(f"{i}\n" for i in range(600))
    got = ctl("--timeout", "1500ms", "task", "push", queue.name, stdin=lines)
    assert got.code == 4
    assert "schedctl: gave up: E319 QUEUE_FULL" in got.err
    assert "of lines 1 to 500, 400 were not pushed, and none behind them" in got.err
    assert "queued 100, known 0, refused 0" in got.err
    got = ctl("--timeout", "1500ms", "task", "push", queue.name, "--json", stdin="1\n")
    assert got.code == 1 and got.json["queued"] == 0


def todo_of(one):
    """How many tasks wait in the queue q, which may not exist yet."""
    with one.client() as client:
        got = client.get("/v1/queues/q")
        return got.json["counts"]["todo"] if got.status == 200 else 0


@pytest.mark.parametrize("hard", [False, True], ids=["restart", "kill"])
def test_push_over_restart(place, hard):
    """The server goes and comes back in the middle: each task once."""
    port = free_port()
    one = place.schedd(args=[f"--http.listen=127.0.0.1:{port}"])
    stream = Streaming("--server", f"http://127.0.0.1:{port}", "task", "push", "q")
    stream.feed(range(1000))

    wait_until(lambda: todo_of(one) == 1000, 30, "the first thousand")
    if hard:
        one.kill()
    else:
        one.stop()
    stream.feed(range(1000, 2000))
    stream.wait_said("schedctl: waiting: ")
    one.start()
    got = stream.end()
    assert got.code == 0 and "queued 2000, known 0, refused 0" in got.err, got
    assert todo_of(one) == 2000


def test_push_server_stays_away(place):
    port = free_port()
    one = place.schedd(args=[f"--http.listen=127.0.0.1:{port}"])
    server = ("--server", f"http://127.0.0.1:{port}")
    stream = Streaming(*server, "--timeout", "2s", "task", "push", "q")
    stream.feed(range(500))

    wait_until(lambda: todo_of(one) == 500, 30, "the first batch")
    one.stop()
    stream.feed(range(10))
    got = stream.end()
    assert got.code == 4 and "gave up: cannot reach" in got.err
    assert "queued 500, known 0, refused 0" in got.err
    assert "of lines 501 to 510, 10 were" in got.err


# -- terminals ---------------------------------------------------------------


def test_control_characters(ctl, schedd, queue):
    """Whatever producers and workers wrote, a terminal does not act on it."""
    evil = "\x1b]0;title\x07\u009b31m\u202e"
    queue.push({"id": "a", "payload": {"x": evil}})
    raw = '{"id":"b","payload":"\u009b31m\u202e"}'
    assert queue.client.post(f"{queue.path}/tasks", raw.encode()).status == 201
    queue.take()
    queue.report(failed=[{"id": "a", "error": evil}])
    server = ("--server", url_of(schedd))
    for words in (
        ("task", "ls", queue.name, "--state", "failed"),
        ("task", "show", queue.name, "a"),
        ("task", "show", queue.name, "b"),
        ("task", "show", queue.name, "b", "--json"),
        ("task", "show", queue.name, "a", "--json"),
    ):
        code, out = in_terminal([*server, *words], env={"NO_COLOR": "1"}, columns=300)
        assert code == 0
        text = out.decode("utf-8")
        assert not set(text) & set("\x1b\x07\u009b\u202e"), (words, text)
    got = ctl("task", "show", queue.name, "a")
    assert "error        \\x1b]0;title\\x07\\u{9b}31m\\u{202e}\n" in got.out
    # To a program the bytes go as they came.
    assert "\u009b" in ctl("task", "show", queue.name, "b", "--json").out


def test_terminal_width_and_colour(schedd, queue):
    queue.push({"id": "a", "payload": "x" * 200})
    queue.take()
    queue.report(failed=[{"id": "a", "error": "y" * 200, "retry": False}])
    words = ["--server", url_of(schedd), "task", "ls", queue.name, "--state", "dead"]
    _, out = in_terminal(words, columns=60)
    plain = re.sub(rb"\x1b\[[0-9]*m", b"", out).decode()
    lines = plain.replace("\r", "").splitlines()
    assert len(lines) == 2 and max(map(len, lines)) == 60 and lines[1].endswith("...")
    assert b"\x1b[" in out
    for more in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert b"\x1b[" not in in_terminal(words, env=more)[1]
    assert b"\x1b[" not in in_terminal([*words, "--no-color"])[1]
    # A pipe gets all of it, without colour.
    got = run(*words)
    assert "y" * 200 in got.out and "\x1b[" not in got.out


def test_progress(schedd, queue):
    """On a terminal a line is drawn and wiped; the summary stays."""
    lines = b"".join(b"%d\n" % i for i in range(5000))
    words = ["--server", url_of(schedd), "task", "push", queue.name]
    code, out = in_terminal(words, stdin=lines)
    assert code == 0
    assert re.search(rb"\r\x1b\[K\d+ pushed, 0 refused  [0-9.]+/s", out)
    assert out.endswith(b"\r\x1b[Kschedctl: queued 5000, known 0, refused 0\r\n")
    code, out = in_terminal([*words, "--quiet"], stdin=lines)
    assert code == 0 and out == b""


def test_output_has_no_taker(ctl):
    with open("/dev/full", "wb") as full:
        got = ctl("errors", stdout=full)
    assert got.code == 1
    assert got.err == "schedctl: cannot write the output: No space left on device\n"
