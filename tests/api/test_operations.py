"""docs/operations.md, taken literally: what a new user does in the first half
hour, on a terminal; and the other commands of that page."""

import gzip
import json
import os
import re
import threading
import time
from pathlib import Path

import pytest

from ctl import Terminal, environment, run, url_of
from server import SLOW, wait_until
from test_ctl_top import Screen

PAGE = (Path(__file__).resolve().parents[2] / "docs/operations.md").read_text("utf-8")
TASKS = 100_000
RESET = "connection reset by smtp.example.com"
SESSION_S = 150 * SLOW


def section(title):
    """The page's words under a heading."""
    (text,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    return text


def commands(text):
    """What is indented as a block, a command a line."""
    lines = re.findall(r"^    (\S(?:.*\\\n)*.*)$", text, re.M)
    return [re.sub(r"\\\n\s*", "", line) for line in lines]


class Shell:
    """Runs a line as it is typed, on a terminal, in a folder of its own."""

    def __init__(self, schedd, folder):
        self.folder = folder
        (folder / "bin").mkdir()
        for name in ("schedd", "schedctl"):
            (folder / "bin" / name).symlink_to(os.environ[name.upper()])
        self.env = {
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder),
            "SCHEDCTL_SERVER": url_of(schedd),
        }

    def terminal(self, line):
        """The line, just begun."""
        line = f"cd {self.folder} && {line}"
        return Terminal("-c", line, columns=100, env=self.env, program="/bin/bash")

    def run(self, line, answer=None):
        """To its end; the answer is typed when it asks. What it has shown."""
        terminal = self.terminal(line)
        try:
            asked = b""
            if answer:
                asked = terminal.wait_for(r"\[y/N\] ").string
                terminal.type(answer)
            code, out = terminal.end(60)
        finally:
            terminal.kill()
        assert code == 0, (line, out)
        return (asked + out).decode()


@pytest.fixture(name="shell")
def _shell(schedd, tmp_path):
    return Shell(schedd, tmp_path)


class Workers(threading.Thread):
    """Real ones: of a hundred tasks one is reset by its peer, until that is
    mended, and one can never be."""

    def __init__(self, schedd):
        super().__init__(daemon=True)
        self.schedd = schedd
        self.is_mended = False
        self.over = threading.Event()

    def error_of(self, task):
        """What becomes of it; None when it is done."""
        kind = int(task["id"].rpartition("-")[2]) % 100
        if kind == 37 and not self.is_mended:
            return RESET
        return "550 no such mailbox" if kind == 73 else None

    def run(self):
        with self.schedd.client() as client:
            queue, report = client.queue("mail"), {}
            while not self.over.is_set():
                tasks = queue.take("real", count=500, **report)
                errors = [(task["id"], self.error_of(task)) for task in tasks]
                report = {
                    "finished": [i for i, error in errors if not error],
                    "failed": [
                        {"id": i, "error": e, "retry": False} for i, e in errors if e
                    ],
                    "wait_s": 1,
                }

    def end(self):
        """Waits for it."""
        self.over.set()
        self.join(60)


def look_on(shell, client):
    """schedctl top, until all is done."""
    with Screen("-c", "schedctl top", columns=100, env=shell.env, program="/bin/bash") as screen:
        screen.wait_for(lambda s: s.queues() == ["mail"], 30)
        wait_until(lambda: not client.queue("mail").counts().get("todo"), 90, "the workers")
        screen.wait_for(r"^mail +- +- ", 30)
        screen.type("q")
        assert screen.end() == 0


def test_a_first_session(schedd, client, shell, tmp_path):
    """Its commands in their order, and what each of them shows."""
    text = section("A first session")
    (make,) = re.findall(r"`(seq .*?)`", text)
    shell.run(make)
    assert len((tmp_path / "mails").read_text().splitlines()) == TASKS
    workers = Workers(schedd)
    shows = {
        "task push": rf"queued {TASKS}, exists 0, refused 0",
        "queue ls": r"mail +100k ",
        "queue show": r"mail",
        "task take": r"finished 10, failed 0 \(0 now dead\), lost 0",
        "task ls mail --state dead --limit 10": r"550 no such mailbox|reset",
        "task ls mail --state dead --error-match": r"(connection reset.*){3}",
        "task retry mail --error-match 'connection reset' --dry-run": r"would retry 1000 tasks",
        "task retry mail --error-match 'connection reset'": r"retried 1000 tasks",
        "queue purge": r"removed 1000 tasks",
        "queue ls --sort": r"mail +0 ",
    }
    begun = time.monotonic()
    for line in commands(text):
        if line == "schedctl top":
            workers.start()
            look_on(shell, client)
            continue
        words = line.removeprefix("schedctl ")
        key = max((k for k in shows if words.startswith(k)), key=len)
        asks = words.startswith(("task retry", "queue purge")) and "--dry-run" not in words
        workers.is_mended = workers.is_mended or asks
        if key == "queue ls":  # as its numbers were a second ago
            wait_until(lambda: client.queue("mail").counts().get("todo") == TASKS, 10)
        shown = shell.run(line, "y\n" if asks else None)
        assert re.search(shows.pop(key), shown, re.S), (line, shown)
    assert not shows
    assert time.monotonic() - begun < SESSION_S
    queue = client.queue("mail")
    wait_until(lambda: not {"todo", "doing"} & set(queue.counts()), 30, "those retried")
    workers.end()
    assert queue.counts() == {"finish": TASKS - TASKS // 100}


def test_sent_again(schedd, client, shell, tmp_path):
    """As the page says, nothing is pushed twice."""
    lines = [json.dumps({"id": f"twice-{i}"}) for i in range(1000)]
    (tmp_path / "mails").write_text("\n".join(lines) + "\n")
    push = commands(section("A first session"))[0].replace(" mail ", " twice ")
    assert "queued 1000, exists 0, refused 0" in shell.run(push)
    assert "queued 0, exists 1000, refused 0" in shell.run(push)
    assert client.queue("twice").counts() == {"todo": 1000}


# -- the rest of the page ---------------------------------------------------------


WORDS = {
    "QUEUE": "common",
    "ID": "common-1",
    "NAME": "w1",
    "TEXT": "refused",
    "CODE": "106",
    "max_tasks=N": "max_tasks=7",
}


def test_each_command_in_the_text(schedd, client):
    """They are written as schedctl takes them, and do something."""
    queue = client.queue("common")
    told = {" ".join(one.split()) for one in re.findall(r"`(schedctl [^`]+)`", PAGE)}
    told -= {"schedctl token rm NAME", "schedctl top"}
    # Those of channels and relays are run where there is one: test_schedctl_channels,
    # test_schedctl_relays.
    told = {one for one in told if one.split()[1] not in ("channel", "quarantine", "relay")}
    assert len(told) >= 20
    for line in sorted(told):
        queue.push("common-1", "common-2")
        queue.take_all("w1", count=1)
        if "N:HASH" in line:
            tip = re.search(r"\d+:[0-9a-f]{64}", run("--server", url_of(schedd), "audit", "verify").out)
            line = line.replace("N:HASH", tip[0])
        words = re.sub("|".join(WORDS), lambda found: WORDS[found[0]], line).split()[1:]
        got = run("--server", url_of(schedd), "--yes", *words)
        if words[:2] == ["queue", "rm"]:
            assert got.code == 1 and "QUEUE_NOT_EMPTY" in got.err, got
        else:
            assert got.code == 0, (line, got)


def test_a_large_file(client, shell, tmp_path):
    """The command of "Feeding and working"."""
    (line,) = [one for one in commands(section("Feeding and working")) if "push" in one]
    with gzip.open(tmp_path / "orders.ndjson.gz", "wt") as out:
        for i in range(1000):
            out.write(json.dumps({"order_no": i}) + "\n")
        out.write('{"order_no": "has spaces"}\n')
    terminal = shell.terminal(line)
    code, out = terminal.end(60)
    assert code == 4 and b"queued 1000, exists 0, refused 1" in out, out
    (refused,) = (tmp_path / "orders.refused").read_text().splitlines()
    assert json.loads(refused)["line"] == 1001
    assert client.queue("orders").counts() == {"todo": 1000}


def test_a_worker_as_a_service(client, shell, tmp_path):
    """What the unit starts, until there is nothing left."""
    queue = client.queue("mail")
    queue.push({"id": "by-service", "payload": "hello"})
    (line,) = re.findall(r"^    ExecStart=((?:.*\\\n)*.*)$", PAGE, re.M)
    line = re.sub(r"\\\n\s*", "", line).replace("/usr/bin/", "").replace("%H", "host")
    line = line.replace("%i", "1").replace("%S", str(tmp_path))
    (tmp_path / "mail-worker").mkdir()
    shell.run(line.replace(" -- /usr/local/bin/send-mail", " --wait 0 -- grep -q hello"))
    assert queue.state("by-service") == "finish"
    assert queue.task("by-service")["worker"] == "host:mail-1"


def test_commands_of_schedd(shell, tmp_path):
    """Those that look at settings."""
    (tmp_path / "FILE").write_text("[http]\nlisten = 127.0.0.1:0\n")
    lines = commands(section("Start, stop, reload"))
    lines = [line for line in lines if "--" in line.partition("#")[0]]
    assert len(lines) == 3
    for line in lines:
        said = shell.run(line)
        assert "http" in said or "--check" in line or "accepts what is there" in said


def test_levels_of_the_log(client, shell):
    """Changed and put back, as the page shows."""
    lines = [line for line in commands(section("The log")) if "config set" in line]
    assert len(lines) == 2
    for line, level in zip(lines, ("debug", "as the settings say")):
        assert level in shell.run(line)


def test_the_first_token(place, tmp_path):
    """It is made, and opens what it closed."""
    schedd = place.schedd()
    shell = Shell(schedd, tmp_path)
    (line,) = commands(section("Access"))
    shell.run(line)
    assert (tmp_path / ".schedd-token").stat().st_mode & 0o777 == 0o600
    ask = ("--server", url_of(schedd), "queue", "ls")
    assert "TOKEN" in run(*ask).err
    shell.env["SCHEDCTL_TOKEN_FILE"] = str(tmp_path / ".schedd-token")
    shell.run("schedctl queue ls")
    shell.run("schedctl token add NAME --role viewer >other")
    assert "is ended" in shell.run("schedctl token rm NAME")
