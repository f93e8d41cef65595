"""schedctl as people and programs use it, against real servers."""

import re
import threading

import pytest

from ctl import LIMIT_S, in_terminal, run, url_of
from redisproc import free_port
from server import wait_until


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


def test_output_has_no_taker(ctl):
    with open("/dev/full", "wb") as full:
        got = ctl("errors", stdout=full)
    assert got.code == 1
    assert got.err == "schedctl: cannot write the output: No space left on device\n"
