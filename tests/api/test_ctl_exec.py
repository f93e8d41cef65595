"""schedctl task take with a command: a worker in one line, whatever its
commands, its server and its user do."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import zlib
from pathlib import Path

import pytest

from ctl import LIMIT_S, Gate, Ran, Terminal, environment, run, url_of
from redisproc import free_port
from server import SLOW, wait_until

SUMS = "schedctl: finished {}, failed {} ({} now dead), lost {}\n"


class Worker:
    """A schedctl that runs commands, beside the test."""

    def __init__(self, *words, state, env=None):
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [os.environ["SCHEDCTL"], *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment({"XDG_STATE_HOME": str(state), **(env or {})}),
        )
        self.err = b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.err += line

    def wait_said(self, text):
        """Until it said that on stderr."""
        wait_until(lambda: text.encode() in self.err, 30, text)

    def signal(self, number=signal.SIGINT):
        """Sends it a signal."""
        self.process.send_signal(number)

    def end(self):
        """Waits for its end: the exit code and all it said."""
        code = self.process.wait(LIMIT_S)
        self.reader.join(LIMIT_S)
        out = self.process.stdout.read().decode()
        self.process.stdout.close()
        self.process.stderr.close()
        assert b"Sanitizer" not in self.err, self.err
        return Ran(code, out, self.err.decode("utf-8", "replace"))

    def kill(self):
        """kill -9."""
        self.process.kill()
        return self.end()


@pytest.fixture(name="state")
def _state(tmp_path):
    """A state folder of the test's own."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture(name="worker")
def _worker(schedd, queue, state):
    """Starts a worker on the test's queue; what is left of it is killed."""
    started = []

    def call(*words, server=None, env=None):
        server = server or url_of(schedd)
        started.append(
            Worker("--server", server, "task", "take", queue.name, *words, state=state, env=env)
        )
        return started[-1]

    queue.make()
    yield call
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(LIMIT_S)


@pytest.fixture(name="work")
def _work(worker):
    """Works until the queue is empty."""

    def call(*words, **options):
        return worker("--wait", "0", *words, **options).end()

    return call


def spools(state):
    """What is in the state folder."""
    return sorted(p.name for p in (state / "schedctl").glob("*"))


def alive(pid):
    """Is there a process of that number that is no zombie?"""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii")
    except FileNotFoundError:
        return False
    return text.rsplit(")", 1)[1].split()[0] != "Z"


def pid_in(path):
    """The process id that a command wrote to a file."""
    return int(wait_until(lambda: path.exists() and path.read_text("ascii"), 20, path))


# -- what a command gets -----------------------------------------------------


def test_payload_and_environment(work, queue, tmp_path):
    """The payload byte for byte, and what task it is."""
    payload = '{"b": 1,  "a":12345678901234567890, "c":[ ], "d":"\\u00e9 é"}'
    body = f'{{"id":"a/b?","payload":{payload}}}'.encode()
    assert queue.client.post(f"{queue.path}/tasks", body).status == 201
    script = f'cat >{tmp_path}/in; env | grep ^SCHED_ | sort >{tmp_path}/env'
    got = work("--worker", "me", "--exec", script, env={"SCHED_ATTEMPT": "9", "SCHED_X": "9"})
    assert got.code == 0 and got.out == "" and got.err.endswith(SUMS.format(1, 0, 0, 0))
    assert (tmp_path / "in").read_text() == payload
    assert (tmp_path / "env").read_text().splitlines() == [
        "SCHED_ATTEMPT=1",
        f"SCHED_QUEUE={queue.name}",
        "SCHED_TASK_ID=a/b?",
        "SCHED_WORKER=me",
        "SCHED_X=9",
    ]
    task = queue.task("a/b?")
    assert task["state"] == "finish" and task["worker"] == "me"


def test_words_of_a_program(work, queue, tmp_path):
    """Behind -- a program with its words, as they are and without a shell."""
    queue.push({"id": "a", "payload": 1})
    out = tmp_path / "out"
    got = work("--", "sh", "-c", 'printf "%s|" "$@" >"$0"', str(out), "a b", "$HOME", "--exec", "-j")
    assert got.code == 0 and out.read_text() == "a b|$HOME|--exec|-j|"


def test_raw(work, queue, tmp_path):
    """With --raw a string is its text, and anything else is as it is."""
    queue.push({"id": "a", "payload": 'say "é"\n'}, {"id": "b", "payload": [1]})
    got = work("--raw", "--exec", f"cat >{tmp_path}/$SCHED_TASK_ID")
    assert got.code == 0
    assert (tmp_path / "a").read_text() == 'say "é"\n' and (tmp_path / "b").read_text() == "[1]"


def test_nothing_is_inherited(work, queue, tmp_path):
    """Three descriptors, no ignored or blocked signals, a group of its own."""
    queue.push("a")
    script = (
        f"ls /proc/self/fd >{tmp_path}/fds; grep -E '^Sig(Ign|Blk)' /proc/self/status >{tmp_path}/sig;"
        f"yes | head -1; echo $$ $(ps -o pgid= $$) >{tmp_path}/group"
    )
    got = work("--exec", script)
    assert got.code == 0
    # ls has one of its own, for the folder.
    assert (tmp_path / "fds").read_text().split() == ["0", "1", "2", "3"]
    for line in (tmp_path / "sig").read_text().splitlines():
        assert int(line.split()[1], 16) == 0, line
    pid, group = (tmp_path / "group").read_text().split()
    assert pid == group


def test_large_payload_unread(work, queue):
    """A command need not read what it is given."""
    queue.patch(max_payload=1 << 20)
    queue.push({"id": "a", "payload": "x" * 1000000}, {"id": "b", "payload": "y" * 1000000})
    got = work("--exec", 'test $SCHED_TASK_ID = a || { head -c 70000 >/dev/null; exec 0<&-; sleep 0.2; }')
    assert got.code == 0 and queue.counts() == {"finish": 2}


# -- what becomes of it ------------------------------------------------------


def test_exit_codes(work, queue):
    """0 is finished; else failed, with the end of stderr; 65 for good."""
    queue.patch(retry_base_s=3600)
    queue.push("ok", "fail", "dead", "kill", "quiet")
    script = """case $SCHED_TASK_ID in
        fail) echo one >&2; echo "no such user" >&2; exit 3;;
        dead) echo "bad data" >&2; exit 65;;
        kill) kill -SEGV $$;;
        quiet) exit 1;;
        esac"""
    got = work("--exec", script)
    assert got.code == 0 and got.err.endswith(SUMS.format(1, 4, 1, 0))
    assert queue.state("ok") == "finish"
    assert queue.task("fail")["error"] == "exit 3: one\nno such user"
    assert queue.task("quiet")["error"] == "exit 1"
    assert queue.task("kill")["error"] == "signal 11, Segmentation fault"
    assert queue.state("dead") == "dead" and queue.task("dead")["error"] == "exit 65: bad data"
    assert re.search(r"fail: failed after \S+: exit 3: one\\nno such user\n", got.err)
    assert queue.counts() == {"finish": 1, "failed": 3, "dead": 1}


def test_dead_exit(work, queue):
    queue.patch(retry_base_s=3600)
    queue.push("3", "4", "65")
    got = work("--dead-exit", "3", "--dead-exit", "4", "--exec", "exit $SCHED_TASK_ID")
    assert got.code == 0
    assert [queue.state(i) for i in ("3", "4", "65")] == ["dead", "dead", "failed"]


def test_result(work, queue):
    """One JSON value on stdout; anything else is said and left out."""
    queue.push("json", "empty", "text", "two", "large", "edge")
    script = """case $SCHED_TASK_ID in
        json) printf ' {"a": [1,\\n 2]}\\n';;
        text) echo hello;;
        two) echo 1 2;;
        large) head -c 70000 /dev/zero | tr '\\0' 1;;
        edge) printf '"%065534d"' 0;;
        esac"""
    got = work("--result", "--exec", script)
    assert got.code == 0 and queue.counts() == {"finish": 6}
    assert queue.task("json")["result"] == {"a": [1, 2]}
    assert queue.task("edge")["result"] == "0" * 65534
    for name in ("empty", "text", "two", "large"):
        assert queue.task(name)["result"] is None
    for name in ("text", "two"):
        assert f"{name}: stdout is not one JSON value, and no result" in got.err
    assert "large: stdout is larger than 64 KiB, and no result" in got.err
    assert "empty: stdout" not in got.err


def test_flood(work, queue):
    """Commands that never stop writing cost neither memory nor the others."""
    queue.push("err", "out", "ok")
    script = 'case $SCHED_TASK_ID in err) yes "$(head -c 100 /dev/zero | tr "\\0" x)" >&2;; out) yes;; esac'
    got = work("-j", "3", "--result", "--task-timeout", "1s", "--exec", script)
    assert got.code == 0 and got.err.endswith(SUMS.format(1, 2, 0, 0))
    error = queue.task("err")["error"]
    assert error.startswith("no end within 1s: xxx") and 3800 < len(error) <= 4096
    assert queue.task("out")["error"] == "no end within 1s"


def test_control_characters(work, queue):
    """What a command wrote does not reach a terminal as it is."""
    queue.push("a")
    got = work("--exec", "printf '\\033]0;x\\007\\377 bad' >&2; exit 1")
    assert "\x1b" not in got.err and "a: failed after" in got.err
    assert queue.task("a")["error"] == "exit 1: \x1b]0;x\x07\ufffd bad"


def test_json_lines(work, queue):
    queue.push("a", "b")
    got = work("--json", "--exec", "test $SCHED_TASK_ID = a || { echo no >&2; exit 2; }")
    assert got.code == 0
    rows = {row["id"]: row for row in map(json.loads, got.out.splitlines())}
    assert rows["a"]["outcome"] == "finished" and rows["a"]["attempt"] == 1
    assert rows["b"]["outcome"] == "failed" and rows["b"]["error"] == "exit 2: no"
    assert rows["a"]["took_s"] >= 0
    got = work("--quiet", "--exec", "true")
    assert got.err == "" and got.out == ""


def test_json_reader_leaves(worker, queue):
    """A worker whose output nobody reads any more ends."""
    queue.push("a", "b", "c")
    one = worker("--json", "--exec", "true")
    one.process.stdout.close()
    assert one.process.wait(LIMIT_S) == 1
    wait_until(lambda: b"cannot write the output" in one.err, 10, "why")
    one.reader.join(LIMIT_S)
    assert queue.counts() == {"finish": 1, "todo": 2}


# -- commands that do not end well -------------------------------------------


def test_task_timeout(work, queue, tmp_path):
    """TERM to the whole group, CONT for who is stopped, KILL for who does
    not listen."""
    queue.push("plain", "stopped", "deaf")
    script = f"""echo $$ >{tmp_path}/$SCHED_TASK_ID
        case $SCHED_TASK_ID in
        plain) sleep 100 & wait;;
        stopped) kill -STOP $$; sleep 100;;
        deaf) trap '' TERM; while :; do sleep 1; done;;
        esac"""
    begun = time.monotonic()
    got = work("-j", "3", "--task-timeout", "500ms", "--exec", script)
    assert got.code == 0 and got.err.endswith(SUMS.format(0, 3, 0, 0))
    # TERM has five seconds.
    assert 5 < time.monotonic() - begun < 20 * SLOW
    assert queue.task("plain")["error"].startswith("no end within 0.5s")
    assert queue.task("stopped")["error"].startswith("no end within 0.5s")
    assert queue.task("deaf")["error"].startswith("no end within 0.5s, killed")
    assert not any(alive(pid_in(tmp_path / name)) for name in ("plain", "stopped", "deaf"))


def test_left_running(work, queue, tmp_path):
    """The task ends with its command: what that left running in its group is
    ended, who left the group goes on, and neither is waited for."""
    queue.push("group", "daemon")
    script = f"""case $SCHED_TASK_ID in
        group) sleep 100 & echo $! >{tmp_path}/group;;
        daemon) setsid sleep 100 & echo $! >{tmp_path}/daemon;;
        esac; echo done >&2"""
    begun = time.monotonic()
    got = work("-j", "2", "--exec", script)
    assert got.code == 0 and time.monotonic() - begun < 20 * SLOW
    assert queue.counts() == {"finish": 2}
    wait_until(lambda: not alive(pid_in(tmp_path / "group")), 5, "its end")
    daemon = pid_in(tmp_path / "daemon")
    assert alive(daemon)
    os.kill(daemon, signal.SIGKILL)


def test_program_goes_away(worker, queue, tmp_path):
    """A program that cannot be run any more ends the worker, instead of
    failing every task there is."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    queue.patch(retry_base_s=3600)
    one = worker("--", str(program))
    queue.push("a")
    one.wait_said("a: finished after")
    program.unlink()
    queue.push("b", "c", "d")
    got = one.end()
    assert got.code == 1 and f"cannot run '{program}': No such file or directory" in got.err
    assert queue.counts() == {"finish": 1, "failed": 1, "todo": 2}


# -- many --------------------------------------------------------------------


def test_in_parallel(work, queue, tmp_path):
    """So many at a time: each waits until all four are there."""
    queue.push("a", "b", "c", "d")
    script = f"touch {tmp_path}/$SCHED_TASK_ID; while [ $(ls {tmp_path}/? | wc -l) -lt 4 ]; do sleep 0.05; done"
    got = work("-j", "4", "--task-timeout", "50s", "--exec", script)
    assert got.code == 0 and got.err.endswith(SUMS.format(4, 0, 0, 0))


def test_many_tasks(work, queue, tmp_path):
    """Each once, in the order of the queue for one at a time."""
    ids = [f"t{i}" for i in range(300)]
    queue.push_many(ids)
    out = tmp_path / "out"
    got = work("-j", "8", "--exec", f"echo $SCHED_TASK_ID >>{out}")
    assert got.code == 0 and got.err.endswith(SUMS.format(300, 0, 0, 0))
    assert sorted(out.read_text().split()) == sorted(ids)
    assert queue.counts() == {"finish": 300}


def test_count(worker, queue):
    queue.push_many([f"t{i}" for i in range(10)])
    got = worker("--count", "7", "-j", "3", "--exec", "true").end()
    assert got.code == 0 and queue.counts() == {"finish": 7, "todo": 3}


def test_wait(worker, queue):
    """It ends when no task came for so long, counted from the last one."""
    begun = time.monotonic()
    one = worker("--wait", "1500ms", "--exec", "true")
    one.wait_said("takes from")
    time.sleep(0.7)  # less than it waits
    queue.push("a")
    got = one.end()
    assert got.code == 0 and queue.counts() == {"finish": 1}
    assert 2.1 < time.monotonic() - begun < 20 * SLOW


def test_paused(worker, queue):
    queue.patch(paused=True)
    queue.push("a")
    one = worker("--count", "1", "--exec", "true")
    one.wait_said("the queue is paused")
    queue.patch(paused=False)
    assert one.end().code == 0 and queue.counts() == {"finish": 1}


# -- leases ------------------------------------------------------------------


def test_lease_is_extended(work, queue):
    """A task that takes longer than its lease stays ours."""
    queue.patch(lease_s=1.5)
    queue.push("policy", "option")
    got = work("--exec", "sleep 4", "-j", "2")
    assert got.code == 0 and got.err.endswith(SUMS.format(2, 0, 0, 0))
    info = queue.info()["totals"]
    assert info["reclaimed"] == 0 and info["taken"] == 2
    queue.patch(lease_s=None)
    queue.push("c")
    got = work("--lease", "1s", "--exec", "sleep 3")
    assert got.code == 0 and queue.info()["totals"]["reclaimed"] == 0


def test_heartbeat(worker, queue, client):
    queue.push("a")
    one = worker("--worker", "beating", "--exec", "sleep 60")

    def running():
        rows = client.get_json("/v1/workers")["workers"]
        mine = [w for w in rows if w["name"] == "beating" and w["details"]]
        return mine and mine[0]["held"] == 1 and mine[0]
    row = wait_until(running, 20, "a heartbeat")
    assert row["last_heartbeat"] and row["details"]["pid"] == one.process.pid
    assert row["details"]["version"].startswith("schedctl ")
    one.signal()
    one.wait_said("stopping: 1 commands run")
    one.signal()
    assert one.end().code == 0


@pytest.mark.parametrize("how", ["cancelled", "lost"])
def test_task_is_taken_away(worker, queue, client, tmp_path, how):
    """Its command is ended, and nothing is reported."""
    queue.push("a")
    pid = tmp_path / "pid"
    words = ("--worker", f"w-{how}", "--lease", "1s", "--count", "1")
    one = worker(*words, "--exec", f"echo $$ >{pid}; exec sleep 100")
    number = pid_in(pid)
    if how == "cancelled":
        assert client.call("DELETE", f"{queue.path}/tasks/a").status == 200
    else:
        assert client.call("DELETE", f"/v1/workers/w-{how}").status == 200
        assert queue.take_ids("other") == ["a"]
    got = one.end()
    assert got.code == 4 and "its command is ended" in got.err and "a: lost after" in got.err
    assert ("E512 TASK_CANCELLED" if how == "cancelled" else "E510 LEASE_LOST") in got.err
    assert got.err.endswith(SUMS.format(0, 0, 0, 1)) and not alive(number)
    assert queue.counts() == ({} if how == "cancelled" else {"doing": 1})


# -- stopping ----------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stop_idle(worker, queue, number):
    """A worker that waits for work ends at once, and takes nothing along."""
    one = worker("--exec", "true")
    wait_until(lambda: queue.info()["waiting_takes"] == 1, 20, "a waiting take")
    one.signal(number)
    got = one.end()
    assert got.code == 0 and got.err.endswith(SUMS.format(0, 0, 0, 0))
    wait_until(lambda: queue.info()["waiting_takes"] == 0, 5, "no waiting take")
    queue.push("a")
    assert queue.counts() == {"todo": 1}


def test_stop_lets_commands_end(worker, queue, tmp_path):
    """What runs may end within the grace time; nothing more is taken."""
    queue.push("a", "b", "c")
    go = tmp_path / "go"
    one = worker("-j", "2", "--exec", f"while [ ! -e {go} ]; do sleep 0.05; done")
    wait_until(lambda: queue.counts() == {"doing": 2, "todo": 1}, 20, "two commands")
    one.signal(signal.SIGTERM)
    one.wait_said("stopping: 2 commands run and have 30 s; once more kills them")
    go.touch()
    got = one.end()
    assert got.code == 0 and got.err.endswith(SUMS.format(2, 0, 0, 0))
    assert queue.counts() == {"finish": 2, "todo": 1}


def test_stop_after_grace(worker, queue, tmp_path):
    """Past it they are told to end, and their tasks go back."""
    queue.patch(retry_base_s=0)
    queue.push("a")
    pid = tmp_path / "pid"
    one = worker("--grace", "500ms", "--exec", f"echo $$ >{pid}; echo half-way >&2; exec sleep 100")
    number = pid_in(pid)
    one.signal()
    got = one.end()
    assert got.code == 0 and got.err.endswith(SUMS.format(0, 1, 0, 0)) and not alive(number)
    task = queue.task("a")
    assert task["error"] == "worker stopped, signal 15, Terminated: half-way"
    wait_until(lambda: queue.counts() == {"todo": 1}, 10, "the task")


def test_stop_twice(worker, queue, tmp_path):
    """The second Ctrl-C kills, also who does not listen to TERM."""
    queue.push("a")
    pid = tmp_path / "pid"
    script = f"trap '' TERM INT; echo $$ >{pid}; while :; do sleep 0.1; done"
    one = worker("--exec", script)
    number = pid_in(pid)
    one.signal()
    one.wait_said("once more kills them")
    one.signal()
    begun = time.monotonic()
    got = one.end()
    assert got.code == 0 and time.monotonic() - begun < 4 * SLOW and not alive(number)
    assert queue.task("a")["error"] == "worker stopped, signal 9, Killed"


def test_stop_three_times(schedd, worker, queue, tmp_path):
    """Told three times it waits for nothing: not for the answer to its last
    report either, which stays in the spool."""
    gate = Gate(schedd.addr)
    gate.opened.set()
    go = tmp_path / "go"
    one = worker("--exec", f"while [ ! -e {go} ]; do sleep 0.05; done", server=gate.url)
    queue.push("a")
    wait_until(lambda: queue.counts() == {"doing": 1}, 20, "the command")
    one.signal()
    one.wait_said("stopping: 1 commands run")
    gate.opened.clear()
    go.touch()
    wait_until(lambda: queue.counts() == {"finish": 1}, 20, "the report")
    begun = time.monotonic()
    one.signal(signal.SIGTERM)
    one.signal(signal.SIGHUP)
    got = one.end()
    gate.close()
    assert got.code == 4 and "1 reports are kept in" in got.err
    assert time.monotonic() - begun < 4 * SLOW


def test_ctrl_c_at_a_terminal(schedd, queue, state, tmp_path):
    """The key reaches the worker alone: commands have a group of their own,
    and end in peace."""
    queue.push("a")
    go = tmp_path / "go"
    script = f"while [ ! -e {go} ]; do sleep 0.05; done"
    words = ("--server", url_of(schedd), "task", "take", queue.name, "--exec", script)
    terminal = Terminal(*words, env={"XDG_STATE_HOME": str(state)})
    terminal.wait_for("takes from .*Ctrl-C stops it")
    wait_until(lambda: queue.counts() == {"doing": 1}, 20, "the command")
    terminal.type("\x03")
    terminal.wait_for("stopping: 1 commands run and have 30 s")
    go.touch()
    code, out = terminal.end()
    assert code == 0 and b"finished 1, failed 0" in out


# -- the server goes away ----------------------------------------------------


def test_server_away_all_the_time(worker, queue):
    """It goes on trying; told to stop, or out of patience, it says so."""
    url = f"http://127.0.0.1:{free_port()}"
    got = worker("--wait", "1s", "--exec", "true", server=url).end()
    assert got.code == 3 and f"cannot reach {url}: Connection refused; going on trying" in got.err
    one = worker("--exec", "true", server=url)
    one.wait_said("going on trying")
    one.signal()
    got = one.end()
    assert got.code == 3 and got.err.count("going on trying") == 1
    assert queue.counts() == {}


def test_server_restarts(place, state, tmp_path):
    """Commands end while it is away; their reports are kept, and go when it
    is back. Nothing runs twice."""
    port = free_port()
    one = place.schedd(args=[f"--http.listen=127.0.0.1:{port}"])
    with one.client() as client:
        client.queue("q").push_many([f"t{i}" for i in range(6)])
    go, out = tmp_path / "go", tmp_path / "out"
    script = f"echo $SCHED_TASK_ID >>{out}; while [ ! -e {go} ]; do sleep 0.05; done"
    words = ("--server", f"http://127.0.0.1:{port}", "task", "take", "q", "-j", "4")
    worker = Worker(*words, "--exec", script, state=state)
    wait_until(lambda: out.exists() and len(out.read_text().split()) == 4, 20, "four commands")
    one.kill()
    go.touch()
    for i in range(4):
        worker.wait_said(f"t{i}: finished after")
    worker.wait_said("cannot reach")
    one.start()
    worker.wait_said("is reached again")
    with one.client() as client:
        queue = client.queue("q")
        wait_until(lambda: queue.counts() == {"finish": 6}, 30, "six finished tasks")
    worker.signal()
    got = worker.end()
    assert got.code == 0 and got.err.endswith(SUMS.format(6, 0, 0, 0))
    assert sorted(out.read_text().split()) == [f"t{i}" for i in range(6)]
    assert spools(state) == []


def test_reports_outlive_the_worker(place, state):
    """The server is away when it ends: the reports are kept, and the next
    start sends them in one request, before it takes anything."""
    port = free_port()
    one = place.schedd({"log": {"access": "all"}}, args=[f"--http.listen=127.0.0.1:{port}"])
    with one.client() as client:
        client.queue("q").push_many([f"t{i}" for i in range(20)])
    words = ("--server", f"http://127.0.0.1:{port}", "task", "take", "q")
    worker = Worker(*words, "-j", "20", "--exec", "sleep 2; exit 3", state=state)
    with one.client() as client:
        wait_until(lambda: client.queue("q").counts() == {"doing": 20}, 20, "20 commands")
    one.stop()
    for i in range(20):
        worker.wait_said(f"t{i}: failed after")
    worker.signal()
    got = worker.end()
    assert got.code == 3 and re.search(r"20 reports are kept in \S+-1.spool, for the next start", got.err)
    one.start()
    mark = one.mark()
    got = Worker(*words, "--wait", "0", "--exec", "true", state=state).end()
    assert got.code == 0 and "20 reports of an earlier run go first" in got.err
    assert "failed 20 (0 now dead)" in got.err
    paths = [line.values.get("path", "") for line in one.lines[mark:]]
    verbs = [p.rsplit("/", 1)[1] for p in paths if p.startswith("/v1/queues/q/")]
    assert verbs == ["report", "take"]
    with one.client() as client:
        assert client.queue("q").task("t0")["error"] == "exit 3"
    assert spools(state) == []


def test_worker_is_killed(worker, schedd, queue, state, tmp_path):
    """kill -9: its commands end with it, and what they had done is known at
    the next start, though the server had not answered."""
    queue.push("a")
    gate = Gate(schedd.addr)
    gate.opened.set()
    out, pid = tmp_path / "out", tmp_path / "pid"
    spool = ("--spool", str(tmp_path / "spool"), "--worker", "w")
    script = f"echo $SCHED_TASK_ID >>{out}; test $SCHED_TASK_ID = a || {{ echo $$ >{pid}; exec sleep 100; }}"
    one = worker(*spool, "-j", "2", "--exec", script, server=gate.url)
    one.wait_said("a: finished after")
    wait_until(lambda: queue.counts() == {"finish": 1}, 20, "the first")
    gate.opened.clear()
    queue.push("b")
    # The take's answer waits at the gate; that it was given is known.
    wait_until(lambda: queue.counts().get("doing") == 1, 20, "b is given out")
    gate.opened.set()
    number = pid_in(pid)
    gate.opened.clear()
    os.kill(number, signal.SIGKILL)
    one.wait_said("b: failed after")
    one.kill()
    gate.opened.set()
    got = worker(*spool, "--wait", "0", "--exec", "true", server=gate.url).end()
    gate.close()
    assert got.code == 0 and "1 reports of an earlier run go first" in got.err, got
    assert queue.task("b")["error"] == "signal 9, Killed"
    assert out.read_text().split() == ["a", "b"]


def test_killed_worker_takes_commands_along(worker, queue, tmp_path):
    queue.push("a")
    pid = tmp_path / "pid"
    one = worker("--exec", f"echo $$ >{pid}; exec sleep 100")
    number = pid_in(pid)
    one.kill()
    wait_until(lambda: not alive(number), 5, "the command's end")


def test_take_is_repeated(schedd, worker, queue):
    """A take whose answer was lost is asked again, and gives the same."""
    queue.push("a", "b")
    gate = Gate(schedd.addr)
    one = worker("-j", "2", "--exec", "true", "--count", "2", server=gate.url)
    wait_until(lambda: queue.counts() == {"doing": 2}, 20, "two leases")
    gate.cut()
    gate.opened.set()
    got = one.end()
    gate.close()
    assert got.code == 0 and got.err.endswith(SUMS.format(2, 0, 0, 0)), got
    assert queue.info()["totals"]["taken"] == 2 and queue.counts() == {"finish": 2}


# -- the spool ---------------------------------------------------------------


def spool_line(text):
    """A record as the file has it."""
    data = text.encode()
    return b"%08x %08x %s\n" % (len(data), zlib.crc32(data), data)


def record(number, schedd, queue, task, worker="w"):
    """A report of a finished task."""
    row = {
        "server": url_of(schedd),
        "queue": queue.name,
        "worker": worker,
        "kind": "finished",
        "id": task,
        "item": {"id": task},
    }
    return spool_line(f"R {number} {json.dumps(row)}")


def test_spool_damaged(work, schedd, queue, tmp_path):
    """What is whole is reported; what is not is counted and set aside."""
    queue.push("a", "b", "c", "d")
    queue.take("w", count=4)
    file = tmp_path / "spool"
    bad = record(2, schedd, queue, "b").replace(b"finished", b"finishEd")
    cut = record(4, schedd, queue, "d")[:-9]
    good = [record(1, schedd, queue, "a"), record(3, schedd, queue, "c")]
    file.write_bytes(good[0] + bad + good[1] + cut)
    got = work("--spool", str(file), "--exec", "true")
    assert got.code == 0 and "was damaged in 2 places" in got.err, got
    assert [queue.state(i) for i in "abcd"] == ["finish", "doing", "finish", "doing"]
    assert (tmp_path / "spool.aside").read_bytes() == bad + cut
    assert not file.exists()


def test_spool_nonsense(work, schedd, queue, tmp_path):
    """Records that are none of ours, and one that the server does not take,
    do not keep the others."""
    queue.push("a")
    queue.take("w")
    file = tmp_path / "spool"
    faulty = record(2, schedd, queue, "a").split(b" ", 2)[2].decode().strip()
    faulty = faulty.replace('{"id": "a"}', '{"id": "a", "colour": 1}')
    file.write_bytes(
        spool_line("R 1 {}") + spool_line(faulty.replace('"a"', '"x"', 1)) + record(3, schedd, queue, "a")
    )
    got = work("--spool", str(file), "--exec", "true")
    assert got.code == 4 and "E306 FIELD_UNKNOWN" in got.err and "this report is in" in got.err, got
    assert queue.counts() == {"finish": 1}
    assert len((tmp_path / "spool.aside").read_text().splitlines()) == 2


def test_spool_of_others(work, schedd, queue, client, tmp_path):
    """Reports of another queue or server are not thrown away here."""
    file = tmp_path / "spool"
    other = client.queue("other-queue")
    file.write_bytes(record(1, schedd, other, "a"))
    before = file.read_bytes()
    got = work("--spool", str(file), "--exec", "true")
    assert got.code == 2 and "holds reports of queue 'other-queue' at" in got.err
    assert file.read_bytes() == before
    got = work("--spool", "/no/such/folder/x", "--exec", "true")
    assert got.code == 2 and "No such file or directory" in got.err


def test_spool_in_use(worker, work, queue, state, tmp_path):
    """One worker a file; by default each finds one of its own, and takes
    along what others left."""
    file = tmp_path / "spool"
    one = worker("--spool", str(file), "--exec", "true")
    one.wait_said("takes from")
    got = work("--spool", str(file), "--exec", "true")
    assert got.code == 2 and "another process uses it" in got.err
    one.signal()
    assert one.end().code == 0
    many = [worker("--exec", "true") for _ in range(3)]
    for one in many:
        one.wait_said("takes from")
    assert len(spools(state)) == 3
    queue.push("a", "b")
    wait_until(lambda: queue.counts() == {"finish": 2}, 20, "two finished tasks")
    for one in many:
        one.signal()
    for one in many:
        assert one.end().code == 0
    assert spools(state) == []


def test_spool_adopted(work, schedd, queue, state):
    """What a worker left that is not started again, the next one sends."""
    queue.push("a", "b")
    queue.take("w", count=2)
    assert work("--exec", "true").code == 0
    folder = state / "schedctl"
    one = Worker("--server", url_of(schedd), "task", "take", queue.name, "--exec", "true", state=state)
    one.wait_said("takes from")
    stem = spools(state)[0].removesuffix("-1.spool")
    one.signal()
    one.end()
    (folder / f"{stem}-3.spool").write_bytes(record(1, schedd, queue, "a"))
    (folder / f"{stem}-7.spool").write_bytes(record(1, schedd, queue, "b"))
    got = work("--exec", "true")
    assert got.code == 0 and "2 reports of an earlier run go first" in got.err
    assert queue.counts() == {"finish": 2} and spools(state) == []


def test_spool_unwritable(work, queue, state):
    """Without a place for it nothing is taken."""
    queue.push("a")
    (state / "schedctl").write_text("in the way")
    got = work("--exec", "true")
    assert got.code == 2 and "Not a directory" in got.err and queue.counts() == {"todo": 1}


# -- refusals and usage ------------------------------------------------------


def test_usage(schedd, queue):
    for words in (
        ["--exec", "true", "--", "true"],
        ["--", "/no/such/program"],
        ["--", "no-such-program"],
        ["--", "/"],
        ["x", "--", "true"],
        ["--jobs", "2", "--worker", "w"],
        ["--worker", "a b", "--exec", "true"],
        ["--exec", "true", "-j", "0"],
        ["--exec", "true", "-j", "129"],
        ["--exec", "true", "--dead-exit", "0"],
        ["--exec", "true", "--dead-exit", "256"],
        ["--exec", "true", "--lease", "0.5"],
        ["--exec", "true", "--task-timeout", "soon"],
        ["--exec", "true", "--count", "0"],
        ["--exec"],
        ["--exec", ""],
    ):
        got = run("--server", url_of(schedd), "task", "take", queue.name, *words)
        assert got.code == 2 and got.out == "" and got.err.startswith("schedctl: "), (words, got)
    got = run("task", "take", "a b", "--exec", "true")
    assert got.code == 2 and "QUEUE" in got.err
    got = run("--server", url_of(schedd), "task", "take", queue.name)
    assert got.code == 2 and "--worker W" in got.err and "--exec CMD" in got.err


def test_refused_for_good(place, state):
    """A server that lets us take nothing ends the worker."""
    one = place.schedd()
    with one.client() as client:
        made = client.post("/v1/tokens", {"name": "root", "role": "admin"})
        assert made.status == 201, made
    got = Worker("--server", url_of(one), "task", "take", "q", "--exec", "true", state=state).end()
    assert got.code == 1 and "E460 TOKEN_MISSING" in got.err
