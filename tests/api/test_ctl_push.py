"""schedctl task push: from arguments, files and streams, whatever happens."""

import base64
import gzip
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

import pytest

from ctl import LIMIT_S, Gate, Ran, Terminal, environment, in_terminal, run, url_of
from redisproc import free_port
from server import wait_until

MIB = 1024 * 1024


@pytest.fixture(name="ctl")
def _ctl(schedd):
    """schedctl against the server of this file."""

    def call(*words, **options):
        return run("--server", url_of(schedd), *words, **options)

    return call


@pytest.fixture(name="push")
def _push(ctl, queue):
    """task push into the test's queue."""

    def call(*words, **options):
        return ctl("task", "push", queue.name, *words, **options)

    return call


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


# -- one task ----------------------------------------------------------------


def test_push_one(ctl, queue):
    got = ctl("task", "push", queue.name, '{"to":"you"}', "--id", "a")
    assert got.code == 0 and got.out == "queued a\n" and got.err == ""
    assert queue.task("a")["payload"] == {"to": "you"}
    got = ctl("task", "push", queue.name, "2", "--id", "a")
    assert got.code == 0 and got.out == "exists a, todo\n"
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


# -- arguments ---------------------------------------------------------------


def test_push_arguments(push, queue):
    got = push("1", '{"a":\n2}', "-3", "--priority", "high")
    assert got.code == 0 and got.err == ""
    made = re.findall(r"^queued (\S+)$", got.out, re.M)
    assert len(made) == 3 and queue.task(made[0])["priority"] == "high"
    assert [t["payload"] for t in queue.take()] == [1, {"a": 2}, -3]
    got = push("1", "{", "3")
    assert got.code == 2 and "PAYLOAD is not valid JSON" in got.err
    assert queue.counts() == {"doing": 3}
    got = push("a b", "c", "--raw", "--json").json
    assert got["queued"] == 2 and [t["line"] for t in got["tasks"]] == [1, 2]
    assert [t["payload"] for t in queue.take()] == ["a b", "c"]
    queue.patch(max_payload=5)
    got = push("1", '"too large"', "3")
    assert got.code == 4 and "argument 2: E318 PAYLOAD_TOO_LARGE" in got.err
    assert "queued 2, exists 0, refused 1" in got.err


def test_push_arguments_with_ids(push, queue):
    got = push('{"n":1}', '{"n":1}', "--id-from", "n")
    assert got.code == 0 and got.out == "queued 1\nexists 1, todo\n"
    assert push('{"n":"x"}', "--id-from", "n").out == "queued x\n"
    got = push('{"m":1}', "--id-from", "n")
    assert got.code == 2 and "there is no member 'n'" in got.err
    assert push("1", "2", "--id", "x").code == 2
    assert queue.ids("todo") == ["1", "x"]


def test_push_usage(push):
    for words in (
        ["--file", "/no/such/file"],
        ["--file", "/"],
        ["--file", "-", "--file", "-"],
        ["1", "--file", "-"],
        ["1", "--resume", "x"],
        ["1", "2", "--tasks"],
        ["--tasks", "--id-from", "x"],
        ["--tasks", "--lines"],
        ["--lines", "--raw"],
        ["--lines", "--id-from", "x"],
        ["--batch", "0"],
        ["--batch", "1001"],
        ["--batch", "x"],
        ["--parallel", "9"],
        ["--refused", "/no/such/folder/x"],
        ["--resume", "/no/such/folder/x"],
    ):
        got = push(*words, stdin="1\n")
        assert got.code == 2 and got.out == "", (words, got)
        assert got.err.startswith("schedctl: "), got


# -- files -------------------------------------------------------------------


def test_push_files(push, queue, tmp_path):
    """In their order, the last line of each with or without its end."""
    a, b, c = tmp_path / "a", tmp_path / "b.gz", tmp_path / "c"
    a.write_text("1\n2")
    b.write_bytes(gzip.compress(b"3\n4\n") + gzip.compress(b"") + gzip.compress(b"5"))
    c.write_text("{\n")
    words = []
    for name in (a, b, "-", c):
        words += ["--file", str(name)]
    got = push(*words, stdin="6\n7\n")
    assert got.code == 4 and f"{c}: line 1: E300 BODY_NOT_JSON" in got.err
    assert "queued 7, exists 0, refused 1" in got.err
    assert [t["payload"] for t in queue.take()] == [1, 2, 3, 4, 5, 6, 7]
    got = push("--json", "--file", str(a), "--file", str(c))
    assert got.json["tasks"] == [
        {"line": 1, "file": str(c), "status": "refused", "error": got.json["tasks"][0]["error"]},
        {"line": 1, "file": str(a), "status": "queued", "id": got.json["tasks"][1]["id"]},
        {"line": 2, "file": str(a), "status": "queued", "id": got.json["tasks"][2]["id"]},
    ]


def test_push_gzip_stream(push, queue):
    lines = "".join(f'{{"n":{i}}}\n' for i in range(3000)).encode()
    got = push(stdin=gzip.compress(lines[:20000]) + gzip.compress(lines[20000:]))
    assert got.code == 0 and "queued 3000, exists 0, refused 0" in got.err
    assert queue.counts() == {"todo": 3000}


@pytest.mark.parametrize("harm", ["cut", "bit", "tail"])
def test_push_gzip_damaged(push, queue, tmp_path, harm):
    """What stands before the damage is pushed, whole lines only, and it is
    told how far that was."""
    rng = random.Random(7)
    lines = [json.dumps(rng.getrandbits(256)) for _ in range(4000)]
    data = bytearray(gzip.compress("\n".join(lines).encode()))
    if harm == "cut":
        del data[len(data) // 2 :]
    elif harm == "bit":
        data[-6] ^= 4  # of the checksum
    else:
        data += b"what is this?"
    file = tmp_path / "x.gz"
    file.write_bytes(data)
    other = tmp_path / "other"
    other.write_text("1\n")
    got = push("--file", str(file), "--file", str(other))
    assert got.code == 4, got
    found = re.search(rf"cannot read {file} behind line (\d+): (.*)", got.err)
    assert ("ends too early" if harm == "cut" else "damaged") in found.group(2)
    assert "the files behind it are not pushed" in got.err
    whole = int(found.group(1))
    assert f"queued {whole}, exists 0, refused 0" in got.err
    if harm == "cut":
        assert 1000 < whole < 3000
    else:
        # The last line has no end, and may have been cut.
        assert whole == 3999
    pushed = []
    while tasks := queue.take(count=1000):
        pushed += [t["payload"] for t in tasks]
    assert pushed == [json.loads(line) for line in lines[:whole]]


def test_push_unreadable(push, queue, tmp_path):
    """A file that goes away between the look at it and its turn."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    gone = tmp_path / "gone"
    gone.write_text("3\n")

    def feed():
        with open(pipe, "w", encoding="ascii") as out:
            out.write("1\n2\n")
            out.flush()
            wait_until(lambda: queue.counts() == {"todo": 2}, 20, "two tasks")
            gone.unlink()

    queue.make()
    feeder = threading.Thread(target=feed)
    feeder.start()
    got = push("--file", str(pipe), "--file", str(gone))
    feeder.join(LIMIT_S)
    assert got.code == 4 and f"cannot read {gone} behind line 0: No such file" in got.err


# -- ids, batches, requests at a time ----------------------------------------


def test_push_id_from(push, queue):
    lines = ['{"order":{"n":1},"n":"a-1"}', '{"n":12345678901234567890}', '{"n":-7}']
    bad = {
        4: ("[1]", "E303 FIELD_TYPE"),
        5: ('{"order":{"n":1}}', "E304 FIELD_MISSING"),
        6: ('{"n":1.5}', "E313 TASK_ID_BAD"),
        7: ('{"n":"with space"}', "E313 TASK_ID_BAD"),
        8: ('{"n":1,"n":2}', "E307 FIELD_DUPLICATE"),
        9: ('{"n":null}', "E313 TASK_ID_BAD"),
    }
    text = "\n".join(lines + [line for line, _ in bad.values()])
    got = push("--id-from", "n", stdin=text)
    assert got.code == 4 and "queued 3, exists 0, refused 6" in got.err
    said = dict(re.findall(r"schedctl: line (\d+): (\w+ \w+)", got.err))
    assert said == {str(number): why for number, (_, why) in bad.items()}
    assert queue.ids("todo") == ["a-1", "12345678901234567890", "-7"]
    assert queue.task("a-1")["payload"] == {"order": {"n": 1}, "n": "a-1"}
    got = push("--id-from", "n", stdin=text)
    assert got.code == 4 and "queued 0, exists 3, refused 6" in got.err


def test_push_batch(place):
    """So many tasks a request, and one more request for the rest."""
    one = place.schedd({"log": {"access": "all"}})
    for size, requests in ((100, 3), (250, 1), (1000, 1), (1, 250)):
        mark = one.mark()
        words = ("task", "push", f"q{size}", "--batch", str(size))
        got = run("--server", url_of(one), *words, stdin="1\n" * 250)
        assert got.code == 0 and "queued 250" in got.err

        def count(mark=mark, size=size):
            paths = [line.values.get("path") for line in one.lines[mark:]]
            return paths.count(f"/v1/queues/q{size}/tasks")

        wait_until(lambda n=requests, count=count: count() == n, 10, f"{requests} requests")


@pytest.mark.parametrize("parallel", [1, 4, 8])
def test_push_parallel(push, queue, parallel):
    """All of them, each once; one at a time keeps the order."""
    words = ("--parallel", str(parallel), "--batch", "20")
    got = push(*words, stdin="".join(f"{i}\n" for i in range(5000)))
    assert got.code == 0 and "queued 5000, exists 0, refused 0" in got.err
    seen = []
    while tasks := queue.take(count=1000):
        seen += [t["payload"] for t in tasks]
    assert sorted(seen) == list(range(5000))
    if parallel == 1:
        assert seen == list(range(5000))


def test_push_slow_lines(schedd, queue):
    """Lines that come one by one do not wait until a batch is full."""
    queue.make()
    stream = Streaming("--server", url_of(schedd), "task", "push", queue.name)
    for i in range(3):
        stream.feed([i])
        wait_until(lambda n=i + 1: queue.counts().get("todo", 0) == n, 10, f"task {i}")
    got = stream.end()
    assert got.code == 0 and "queued 3, exists 0, refused 0" in got.err


# -- the refused -------------------------------------------------------------


def test_push_refused_file(push, queue, tmp_path):
    """Every refused line with its place, its reason and its text; few of
    them on the terminal."""
    queue.patch(max_payload=20)
    out = tmp_path / "refused"
    out.write_text("old\n")
    lines = [b'"good"', b"{bad", b'"\xff\xfe"', b"", b'"' + b"x" * MIB + b'"', b'"too large for it!!!!"']
    lines += [b"?"] * 20
    source = tmp_path / "in"
    source.write_bytes(b"\n".join(lines))
    got = push("--file", str(source), "--refused", str(out), "--batch", "2")
    assert got.code == 4 and "queued 1, exists 0, refused 24" in got.err
    assert got.err.count(": E3") == 10
    assert f"further refused lines are in {out} only" in got.err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert all(row["file"] == str(source) for row in rows)
    assert [row["line"] for row in rows] == [2, 3, 5, 6] + list(range(7, 27))
    by_line = {row["line"]: row for row in rows}
    assert by_line[2]["text"] == "{bad" and by_line[2]["error"]["name"] == "BODY_NOT_JSON"
    assert base64.b64decode(by_line[3]["base64"]) == b'"\xff\xfe"'
    assert by_line[3]["error"]["name"] == "BODY_NOT_UTF8"
    assert by_line[5]["text"] is None and by_line[5]["error"]["name"] == "PAYLOAD_TOO_LARGE"
    assert by_line[6]["text"] == '"too large for it!!!!"'
    assert by_line[6]["error"]["name"] == "PAYLOAD_TOO_LARGE"
    # What was refused can be pushed once it is mended.
    queue.patch(max_payload=100)
    texts = [row["text"] for row in rows if row.get("text")]
    assert push("--lines", stdin="\n".join(texts)).code == 0


def test_push_refused_is_input(push, tmp_path):
    source = tmp_path / "in"
    source.write_text("1\n2\n")
    got = push("--file", str(source), "--refused", str(source))
    assert got.code == 2 and "is also what is read" in got.err
    assert source.read_text() == "1\n2\n"


def test_push_refused_full_disk(push, queue):
    queue.make()
    got = push("--refused", "/dev/full", stdin="1\n{\n2\n")
    assert got.code == 4 and "cannot write '/dev/full': No space left" in got.err


# -- going on ----------------------------------------------------------------


def payloads(queue):
    """All payloads of a queue's todo, in their order."""
    seen = []
    while tasks := queue.take(count=1000):
        seen += [t["payload"] for t in tasks]
    return seen


def test_push_resume(push, queue, tmp_path):
    """The first part, then the rest, then nothing; then what was added."""
    source, note = tmp_path / "in", tmp_path / "note"
    source.write_text("".join(f"{i}\n" for i in range(100)) + "\n{bad\n")
    words = ("--file", str(source), "--resume", str(note), "--batch", "10")
    got = push(*words)
    assert got.code == 4 and "queued 100, exists 0, refused 1" in got.err
    state = json.loads(note.read_text())
    assert state["lines"] == 102 and state["queue"] == queue.name
    got = push(*words)
    assert got.code == 4 and f"{note}: going on behind line 102" in got.err
    assert "queued 100, exists 0, refused 1" in got.err
    with open(source, "a", encoding="ascii") as more:
        more.write("100\n101")
    got = push(*words, "--json")
    assert got.json["queued"] == 102 and [t["line"] for t in got.json["tasks"]] == [103, 104]
    assert payloads(queue) == list(range(102))
    assert not list(tmp_path.glob("*.tmp"))


def test_push_resume_refuses(ctl, push, queue, tmp_path):
    """Another input, another queue, another way of reading: nothing is sent."""
    source, note = tmp_path / "in", tmp_path / "note"
    source.write_text("1\n2\n3\n")
    assert push("--file", str(source), "--resume", str(note)).code == 0
    before = note.read_text()
    for text, why in (
        ("9\n2\n3\n", "line 1 is not what was pushed"),
        ("1\n9\n3\n4\n", "line 3 is not what was pushed"),
        ("1\n2\n", "3 lines of it were pushed, and this one has 2"),
        ("", "3 lines of it were pushed, and this one has 0"),
    ):
        got = push("--resume", str(note), stdin=text)
        assert got.code == 2 and f"'{note}' belongs to another input: {why}" in got.err
    got = ctl("task", "push", "other", "--resume", str(note), stdin="1\n2\n3\n")
    assert got.code == 2 and "its queue is" in got.err
    got = push("--resume", str(note), "--lines", stdin="1\n2\n3\n")
    assert got.code == 2 and "it reads lines as 'payloads', not 'lines'" in got.err
    assert note.read_text() == before and queue.counts() == {"todo": 3}
    got = push("--resume", str(source), stdin="1\n")
    assert got.code == 2 and "is not a resume file" in got.err
    assert source.read_text() == "1\n2\n3\n"


def kill_often(words, stdin_of, rng, limit=60):
    """Runs schedctl, kills it after a moment, and so on until one run ended:
    how often it was killed, and what the last one said."""
    for kills in range(limit):
        with subprocess.Popen(
            [os.environ["SCHEDCTL"], *words],
            stdin=stdin_of(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(),
        ) as process:
            # The later runs get more time, so that it ends.
            wait_s = rng.uniform(0.05, 0.4 + kills * 0.05)
            try:
                err = process.communicate(timeout=wait_s)[1].decode()
                return kills, Ran(process.returncode, "", err)
            except subprocess.TimeoutExpired:
                process.kill()
    raise AssertionError("it never ended")


@pytest.mark.parametrize("kind", ["file", "gzip", "pipe"])
@pytest.mark.parametrize("parallel", [1, 4])
def test_push_resume_killed(schedd, queue, tmp_path, kind, parallel):
    """kill -9 at any moment, again and again: nothing is lost, nothing is
    there twice, and each refused line is told once."""
    count = 12000
    lines = [f'{{"n":{i}}}' if i % 1000 else "{bad" for i in range(1, count + 1)]
    text = ("\n".join(lines) + "\n").encode()
    source = tmp_path / "in"
    source.write_bytes(gzip.compress(text) if kind == "gzip" else text)
    note, refused = tmp_path / "note", tmp_path / "refused"
    words = ["--server", url_of(schedd), "task", "push", queue.name, "--batch", "50"]
    words += ["--resume", str(note), "--refused", str(refused), "--parallel", str(parallel)]
    if kind != "pipe":
        words += ["--file", str(source)]
    cats = []

    def stdin_of():
        if kind != "pipe":
            return subprocess.DEVNULL
        # pylint: disable-next=consider-using-with
        cats.append(subprocess.Popen(["cat", str(source)], stdout=subprocess.PIPE))
        return cats[-1].stdout

    kills, got = kill_often(words, stdin_of, random.Random(parallel))
    for cat in cats:
        cat.stdout.close()
        cat.wait(LIMIT_S)
    bad = count // 1000
    assert got.code == 4 and kills > 0, got
    assert f"queued {count - bad}, exists 0, refused {bad}" in got.err, got
    seen = sorted(t["n"] for t in payloads(queue))
    assert seen == [i for i in range(1, count + 1) if i % 1000]
    rows = [json.loads(line) for line in refused.read_text().splitlines()]
    assert [row["line"] for row in rows] == [1000 * i for i in range(1, bad + 1)]


def test_push_resume_server_killed(place, tmp_path):
    """The server is killed under load, and the client as well."""
    port = free_port()
    one = place.schedd(args=[f"--http.listen=127.0.0.1:{port}"])
    server = ("--server", f"http://127.0.0.1:{port}")
    source, note = tmp_path / "in", tmp_path / "note"
    source.write_text("".join(f"{i}\n" for i in range(8000)))
    words = [*server, "task", "push", "q", "--file", str(source), "--resume", str(note)]
    words += ["--batch", "20", "--parallel", "3"]
    with subprocess.Popen(
        [os.environ["SCHEDCTL"], *words], stderr=subprocess.PIPE, env=environment()
    ) as process:
        wait_until(lambda: todo_of(one) > 500, 30, "the first tasks")
        one.kill()
        one.start()
        wait_until(lambda: todo_of(one) > 2000 or process.poll() is not None, 30, "more")
        process.kill()
    got = run(*words)
    assert got.code == 0 and "queued 8000, exists 0, refused 0" in got.err, got
    with one.client() as client:
        assert sorted(payloads(client.queue("q"))) == list(range(8000))


def test_push_resume_full_disk(push, queue, tmp_path):
    """When it cannot be noted what is acknowledged, it is not gone on."""
    queue.make()
    folder = tmp_path / "folder"
    folder.mkdir()
    note = folder / "note"
    (folder / "note.tmp").symlink_to("/dev/full")
    got = push("--resume", str(note), stdin="1\n2\n")
    assert got.code == 2 and "cannot write" in got.err and "No space left" in got.err
    assert queue.counts() == {}


# -- other ways to the server ------------------------------------------------


def test_push_over_unix_socket(place):
    folder = place.new_folder()
    one = place.schedd(folder=folder, args=[f"--http.listen=unix:{folder}/http"])
    words = ("--server", f"unix:{folder}/http", "task", "push", "q", "--parallel", "3")
    got = run(*words, "--batch", "10", stdin="1\n" * 100)
    assert got.code == 0 and "queued 100, exists 0, refused 0" in got.err
    assert todo_of(one) == 100


def test_push_with_token(place, tmp_path):
    """Every connection shows the token; without one nothing goes on."""
    one = place.schedd()
    server = ("--server", url_of(one))
    tokens = {}
    for name, role in (("root", "admin"), ("feeder", "producer")):
        words = ("token", "add", name, "--role", role)
        more = ("--token-file", str(tokens["root"])) if tokens else ()
        got = run(*server, *more, *words)
        assert got.code == 0, got
        tokens[name] = tmp_path / name
        tokens[name].touch(0o600)
        tokens[name].write_text(got.out)
    push = ("task", "push", "q", "--parallel", "3", "--batch", "10")
    got = run(*server, *push, stdin="1\n" * 100)
    assert got.code == 1 and got.err.count("E460 TOKEN_MISSING") == 1
    assert "queued 0, exists 0, refused 0" in got.err
    got = run(*server, "--token-file", str(tokens["feeder"]), *push, stdin="1\n" * 100)
    assert got.code == 0 and "queued 100, exists 0, refused 0" in got.err


# -- Ctrl-C ------------------------------------------------------------------


def test_push_interrupted_waiting(schedd, queue, tmp_path):
    """While a full queue is waited for nothing is under way: it ends at once
    and says how far it came."""
    queue.patch(max_tasks=100)
    source, note = tmp_path / "in", tmp_path / "note"
    source.write_text("".join(f"{i}\n" for i in range(250)))
    words = ["--server", url_of(schedd), "task", "push", queue.name, "--batch", "50"]
    words += ["--file", str(source), "--resume", str(note)]
    terminal = Terminal(*words)
    terminal.wait_for("waiting: E319 QUEUE_FULL.*again in \\d+ s")
    terminal.type("\x03")
    code, out = terminal.end()
    assert code == 4 and b"acknowledged up to line 100; the same command goes on" in out
    assert b"queued 100, exists 0, refused 0" in out
    queue.patch(max_tasks=1000)
    got = run(*words)
    assert got.code == 0 and "queued 250, exists 0, refused 0" in got.err
    assert payloads(queue) == list(range(250))


@pytest.mark.parametrize("times", [1, 2])
def test_push_interrupted_under_way(schedd, queue, times):
    """The first Ctrl-C waits for what is under way; the second does not."""
    gate = Gate(schedd.addr)
    stream = Streaming("--server", gate.url, "task", "push", queue.name, "--batch", "10")
    stream.feed(range(25))
    assert gate.asked.wait(LIMIT_S)
    stream.process.send_signal(signal.SIGINT)
    stream.wait_said("stopping: waiting for what is under way; once more ends at once")
    if times == 2:
        stream.process.send_signal(signal.SIGTERM)
        got = stream.end()
        assert got.code == 1 and "10 were perhaps not pushed" in got.err, got
    else:
        gate.opened.set()
        got = stream.end()
        assert got.code == 4 and "queued 10, exists 0, refused 0" in got.err, got
        assert queue.counts() == {"todo": 10}
    gate.close()


# -- terminals ---------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_push_progress_widths(schedd, queue, tmp_path, columns):
    """One line, never wider than the terminal, wiped at the end."""
    source = tmp_path / "in"
    source.write_text("".join(f"{i}\n" for i in range(15000)))
    words = ["--server", url_of(schedd), "task", "push", queue.name, "--file", str(source)]
    terminal = Terminal(*words, "--batch", "20", columns=columns)
    drawn = terminal.wait_for("pushed")
    terminal.process.send_signal(signal.SIGSTOP)
    time.sleep(1.1)  # what is left is told after a second
    terminal.process.send_signal(signal.SIGCONT)
    code, out = terminal.end()
    out = drawn.string[: drawn.end()] + out
    assert code == 0
    drawn = [d.split(b"\r")[0] for d in out.split(b"\r\x1b[K") if b"pushed" in d]
    assert drawn and max(map(len, drawn)) < columns
    if columns >= 80:
        assert all(re.match(rb"\[[#.]{24}\] +\d+%  \d+ pushed, 0 refused", d) for d in drawn)
        assert any(re.search(rb"/s  [0-9.hms]+ left$", d) for d in drawn)
    assert out.endswith(b"\r\x1b[Kschedctl: queued 15000, exists 0, refused 0\r\n")


def test_push_reads_terminal(schedd, queue):
    """Typed by a person: it says what it waits for, and Ctrl-D ends it."""
    terminal = Terminal("--server", url_of(schedd), "task", "push", queue.name, "--lines")
    terminal.wait_for("reading one payload a line; Ctrl-D ends")
    terminal.type("hello there\n")
    wait_until(lambda: queue.client.get(queue.path).status == 200, 20, "the queue")
    terminal.type("\x04")
    code, out = terminal.end()
    assert code == 0 and b"queued 1, exists 0, refused 0" in out
    assert payloads(queue) == ["hello there"]


# -- a stream of tasks -------------------------------------------------------


def test_push_payloads(ctl, queue):
    lines = "".join(f'{{"n": {i}}}\n' for i in range(1234))
    got = ctl("task", "push", queue.name, stdin=lines)
    assert got.code == 0 and got.out == ""
    assert got.err == "schedctl: queued 1234, exists 0, refused 0\n"
    taken = queue.take(count=1000) + queue.take(count=1000)
    assert [t["payload"]["n"] for t in taken] == list(range(1234))
    got = ctl("task", "push", queue.name, "--quiet", "--priority", "low", stdin="1")
    assert got.code == 0 and got.err == ""
    assert queue.take()[0]["payload"] == 1
    assert ctl("task", "push", queue.name, stdin="").code == 0
    assert ctl("task", "push", queue.name, stdin="\n\r\n \n").err.startswith(
        "schedctl: queued 0, exists 0, refused 0"
    )


def test_push_raw_lines(ctl, queue):
    got = ctl("task", "push", queue.name, "--raw", stdin='one "1"\ntwo\r\n{not json\n')
    assert got.code == 0, got
    assert [t["payload"] for t in queue.take()] == ['one "1"', "two", "{not json"]


def test_push_tasks(ctl, queue):
    rows = [{"id": f"t{i}", "payload": i} for i in range(10)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    got = ctl("task", "push", queue.name, "--tasks", stdin=lines)
    assert got.code == 0 and "queued 10, exists 0, refused 0" in got.err
    got = ctl("task", "push", queue.name, "--tasks", stdin=lines + '{"payload":"new"}\n')
    assert got.code == 0 and "queued 1, exists 10, refused 0" in got.err
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
    assert f"queued {1000 - len(bad)}, exists 0, refused {len(bad)}" in got.err
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
    assert got.code == 1 and "queued 0, exists 0, refused 2" in got.err
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
    assert got.code == 0 and "queued 250, exists 0, refused 0" in got.err
    assert sorted(seen) == list(range(250)) and queue.counts() == {"finish": 250}


def test_push_gives_up(ctl, queue):
    queue.patch(max_tasks=100)
    lines = "".join(f"{i}\n" for i in range(600))
    got = ctl("--timeout", "1500ms", "task", "push", queue.name, stdin=lines)
    assert got.code == 4
    assert "schedctl: gave up: E319 QUEUE_FULL" in got.err
    assert "from line 1 to line 500, 400 were not pushed, and none behind them" in got.err
    assert "queued 100, exists 0, refused 0" in got.err
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
    assert got.code == 0 and "queued 2000, exists 0, refused 0" in got.err, got
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
    assert "queued 500, exists 0, refused 0" in got.err
    assert "from line 501 to line 510, 10 were" in got.err


def test_progress(schedd, queue):
    """On a terminal a line is drawn and wiped; the summary stays."""
    lines = b"".join(b"%d\n" % i for i in range(5000))
    words = ["--server", url_of(schedd), "task", "push", queue.name]
    code, out = in_terminal(words, stdin=lines)
    assert code == 0
    assert re.search(rb"\r\x1b\[K\d+ pushed, 0 refused  [0-9.]+/s", out)
    assert out.endswith(b"\r\x1b[Kschedctl: queued 5000, exists 0, refused 0\r\n")
    code, out = in_terminal([*words, "--quiet"], stdin=lines)
    assert code == 0 and out == b""
