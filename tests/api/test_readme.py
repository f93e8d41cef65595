"""The README's words, taken literally: its three curl lines, its worker, and
what ./dev run prints."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from server import SLOW, wait_until

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
ADDRESS = "127.0.0.1:7070"


def fenced(language):
    """The one block of that language in the README."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)
    return block


def run_line(line):
    """Runs one curl line as a shell would, and gives its answer."""
    words = shlex.split(line)
    assert words[:2] == ["curl", "-s"], line
    done = subprocess.run(
        words, capture_output=True, timeout=30 * SLOW, check=True
    )
    return json.loads(done.stdout)


def push_take_report(lines, task_id):
    """Runs the three lines and checks that each did what it should."""
    pushed, taken, reported = map(run_line, lines)
    assert pushed["queued"] == 1, pushed
    (task,) = taken["tasks"]
    assert task["id"] == task_id and task["payload"] == {"to": "you"}
    assert reported["finished"] == 1, reported


def test_three_lines(schedd, client):
    """Push, take, report: copied from the README."""
    lines = fenced("sh").replace(ADDRESS, schedd.addr).splitlines()
    assert len(lines) == 3
    push_take_report(lines, "hello-1")
    assert client.queue("mail").state("hello-1") == "finish"


def test_lines_of_dev_run_are_the_readme_s():
    """The script prints the same lines, with its own address and id."""
    script = (ROOT / "dev").read_text("utf-8")
    for line in fenced("sh").splitlines():
        template = line.replace(f"curl -s http://{ADDRESS}", "$curl $url")
        assert template.replace("hello-1", "$id") in script


def test_worker_is_the_one_in_examples():
    """Shown and shipped are the same, and fit on a screen."""
    worker = (ROOT / "examples" / "worker.py").read_text("utf-8")
    assert fenced("python") == worker
    assert worker.count("\n") <= 24


def test_worker_works(schedd, queue):
    """It finishes what is pushed before and after it started."""
    env = {**os.environ, "QUEUE": f"http://{schedd.addr}{queue.path}"}
    queue.push("early")
    command = [sys.executable, str(ROOT / "examples" / "worker.py")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as worker:
        try:
            wait_until(lambda: queue.state("early") == "finish")
            queue.push("late")
            wait_until(lambda: queue.state("late") == "finish")
        finally:
            worker.kill()
        printed = worker.stdout.read().decode()
    assert printed == "early {'id': 'early'}\nlate {'id': 'late'}\n"


def test_worker_goes_on_when_the_server_is_back(place):
    """It waits while nobody listens, while it is refused, and after that."""
    schedd = place.schedd()
    schedd.args = [f"--http.listen={schedd.addr}"]
    schedd.stop()
    env = {**os.environ, "QUEUE": f"http://{schedd.args[0].split('=')[1]}/v1/queues/q"}
    command = [sys.executable, str(ROOT / "examples" / "worker.py")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as worker:
        try:
            for name in ("one", "two"):
                schedd.start()
                with schedd.client() as client:
                    client.queue("q").push(name)
                    wait_until(lambda c=client, n=name: c.queue("q").state(n) == "finish")
                schedd.kill()
        finally:
            worker.kill()
        printed = worker.stdout.read().decode()
    assert printed == "one {'id': 'one'}\ntwo {'id': 'two'}\n"


def test_worker_ends_when_it_is_told_that_it_is_wrong(schedd):
    env = {**os.environ, "QUEUE": f"http://{schedd.addr}/v1/queues/not%20a%20name"}
    command = [sys.executable, str(ROOT / "examples" / "worker.py")]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=30 * SLOW, check=False
    )
    assert done.returncode == 1 and "HTTP Error 400" in done.stderr, done


def read_how_to(pipe):
    """What ./dev run prints until its three lines are whole."""
    seen, lines = [], []
    for raw in pipe:
        seen.append(raw)
        if raw.strip().startswith("curl -s "):
            lines.append(raw.strip())
        if len(lines) == 3:
            return lines
    raise AssertionError("".join(seen))


def test_dev_run(place):
    """./dev run starts a server, its lines work, and Ctrl-C ends it."""
    state = place.new_folder()
    command = [
        str(ROOT / "dev"),
        "run",
        "--http.listen=127.0.0.1:0",
        f"--server.state_dir={state}",
    ]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            lines = read_how_to(process.stderr)
            task_id = json.loads(shlex.split(lines[0])[-1])["id"]
            push_take_report(lines, task_id)
            # As a terminal does: the whole group gets it.
            os.killpg(process.pid, signal.SIGINT)
            rest = process.stderr.read()
            assert process.wait(30 * SLOW) == 0, rest
        finally:
            if process.poll() is None:
                process.kill()



def test_dev_run_with_a_postgres(place):
    """It starts one, makes the demo's table and channel, prints a line that
    works, and takes it down with schedd."""
    place.folder.chmod(0o711)
    state = place.new_folder()
    command = [str(ROOT / "dev"), "run", "--postgres", "--http.listen=127.0.0.1:0"]
    command.append(f"--server.state_dir={state}")
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            line = next(raw for raw in process.stderr if "/v1/channels/pages/rows" in raw)
            next(raw for raw in process.stderr if " channel.running " in raw)
            pid = int((state / "postgres/data/postmaster.pid").read_text().splitlines()[0])
            # To zsh a bare ? is a pattern, and the line an error.
            assert "?" not in re.sub(r"'[^']*'", "", line), line
            answer = run_line(line.strip())
            assert answer["state"] == "committed" and answer["committed"] == 1
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
            assert process.wait(30 * SLOW) == 0, rest
        finally:
            if process.poll() is None:
                process.kill()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 30, "the end of Postgres")
