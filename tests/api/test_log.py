"""The log in files: by component, rotated, on a disk that is full."""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest

from client import Raw
from loglines import LINE, Entry, read
from server import wait_until
from test_start import EX_CANTCREAT, EX_CONFIG, options, refused, run

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = re.findall(r"^L\((\w+),", (ROOT / "core/log.def").read_text(), re.M)


@pytest.fixture(name="folder")
def _folder(place):
    folder = place.new_folder()
    folder.mkdir()
    return folder


def hup(schedd, event="conf.reloaded"):
    """HUP, until it is through."""
    mark = schedd.mark()
    schedd.process.send_signal(signal.SIGHUP)
    return schedd.wait_log(event, after=mark)


def metric(client, name, **labels):
    """One sample."""
    text = ",".join(f'{k}="{v}"' for k, v in labels.items())
    page = client.get("/metrics").body.decode()
    name = re.escape(name + (f"{{{text}}}" if text else ""))
    return float(re.search(rf"^{name} (\S+)$", page, re.M).group(1))


# -- which line goes where ---------------------------------------------------


def test_files_by_component(place, folder):
    files = {f"file.{c}": folder / c for c in ("access", "janitor", "redis", "task")}
    log = {"access": "all", "level.janitor": "debug", "level.task": "debug", **files}
    schedd = place.schedd({"log": {**log, "file.error": folder / "error"}})
    with schedd.client() as client:
        client.queue("q").push("a")
        assert client.queue("q").take_ids() == ["a"]
        client.get("/nowhere")
    wait_until(lambda: read(folder / "janitor", "janitor.tick"), 10, "a tick")
    schedd.stop()
    for name, path in files.items():
        assert {e.event.split(".")[0] for e in read(path)} == {name.split(".")[1]}
        assert path.stat().st_mode & 0o777 == 0o640
    assert [e.values["id"] for e in read(folder / "task", "task.pushed")] == ["a"]
    paths = [e.values["path"] for e in read(folder / "access", "access.request")]
    assert "/nowhere" in paths and "/v1/queues/q/take" in paths
    assert read(folder / "error") == []
    mixed = {(line.event or "").split(".")[0] for line in schedd.lines}
    assert not mixed & {"access", "janitor", "redis", "task"}, mixed


def test_all_in_one_file(place, folder):
    """stderr stays empty, and the file has the first line and the last."""
    path, sock = folder / "all", folder / "s"
    schedd = place.schedd(
        {"log": {"file": path}}, args=[f"--http.listen=unix:{sock}"], start=False
    )
    schedd.spawn()
    schedd.addr = f"unix:{sock}"
    wait_until(lambda: read(path, "server.ready"), 15, "the start")
    schedd.stop()
    events = [e.event for e in read(path)]
    assert events[0] == "server.starting" and events[-1] == "server.stopped"
    assert schedd.lines == []


@pytest.mark.log_errors("conf.refused")
def test_errors_are_copied(place, folder):
    schedd = place.schedd({"log": {"file.error": folder / "error"}})
    schedd.settings["janitor"] = {"interval": "soon"}
    schedd.reload("conf.refused")
    schedd.stop()
    assert [e.event for e in read(folder / "error")] == ["conf.refused"]


def test_a_component_of_each_kind_can_be_set(place, folder):
    """And the same file for all."""
    log = {f"file.{c}": folder / "log" for c in COMPONENTS}
    log |= {f"level.{c}": "debug" for c in COMPONENTS}
    schedd = place.schedd({"log": log}, start=False)
    schedd.spawn()
    wait_until(lambda: read(folder / "log", "janitor.tick"), 15, "a tick")
    schedd.stop()
    seen = {e.event.split(".")[0] for e in read(folder / "log")}
    assert {"http", "redis", "server", "janitor"} <= seen


# -- what cannot be opened ---------------------------------------------------


def test_a_file_that_cannot_be_opened_stops_the_start(folder):
    path = folder / "none" / "x.log"
    for key in ("log.file", "log.file.janitor", "log.file.error"):
        words = options(folder, **{key: path})
        line = refused(run(*words), EX_CANTCREAT, "LOG_FILE", path, "No such file")
        assert key.replace("log.", "[log] ") in line
    refused(run(*options(folder, **{"log.file": folder})), EX_CANTCREAT, "LOG_FILE", folder)
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    refused(run(*options(folder, **{"log.file": fifo})), EX_CANTCREAT, "LOG_FILE", fifo)
    line = refused(run(*options(folder, **{"log.file": "x.log"})), EX_CONFIG, "CONF_VALUE")
    assert "a path that begins with /" in line
    assert not (folder / "state").exists()


def test_check_makes_no_files(folder):
    assert run(*options(folder, **{"log.file": folder / "x"}), "--check")[0] == 0
    assert list(folder.iterdir()) == []


@pytest.mark.log_errors("conf.refused")
def test_a_reload_that_cannot_open_its_file(place, folder):
    schedd = place.schedd({"log": {"file.access": folder / "access"}})
    schedd.settings["log"] |= {"file.task": folder / "task", "access": "all"}
    schedd.settings["log"]["file.http"] = folder / "none" / "http"
    line = schedd.reload("conf.refused")
    assert line.values["error"] == "E832" and "[log] file.http" in line.text
    with schedd.client() as client:
        client.get("/healthz")
        client.get("/nowhere")

    def paths():
        return [e.values["path"] for e in read(folder / "access", "access.request")]

    wait_until(lambda: "/nowhere" in paths(), 10, "its line")
    assert "/healthz" not in paths()
    schedd.settings["log"]["file.http"] = folder / "http"
    schedd.reload()
    assert (folder / "http").exists() and (folder / "task").exists()


# -- rotation ----------------------------------------------------------------


class Load(threading.Thread):
    """Requests, each with an id of its own, until told to stop."""

    def __init__(self, schedd, number):
        super().__init__(daemon=True)
        self.schedd, self.number = schedd, number
        self.sent, self.is_over = 0, False

    def run(self):
        with self.schedd.client() as client:
            while not self.is_over:
                headers = {"X-Request-Id": f"r-{self.number}-{self.sent}"}
                client.call("GET", "/healthz", headers=headers)
                self.sent += 1


def test_rotation_loses_no_line(place, folder):
    """Under load: each request has its line once, in one of the files."""
    path, rounds = folder / "access", 25
    schedd = place.schedd({"log": {"access": "all", "file.access": path}})
    loads = [Load(schedd, n) for n in range(4)]
    for load in loads:
        load.start()
    for n in range(rounds):
        sent = sum(load.sent for load in loads)
        wait_until(lambda s=sent: sum(x.sent for x in loads) > s + 40, 20, "load")
        path.rename(folder / f"access.{n}")
        hup(schedd)
    for load in loads:
        load.is_over = True
        load.join()
    schedd.stop()
    found, files = Counter(), sorted(folder.glob("access*"))
    for one in files:
        found.update(e.values["id"] for e in read(one, "access.request"))
    ids = {f"r-{load.number}-{i}" for load in loads for i in range(load.sent)}
    assert len(ids) > rounds * 40 and len(files) == rounds + 1
    assert all(read(one) for one in files[:-1])
    assert {i: found[i] for i in ids if found[i] != 1} == {}


def test_the_logrotate_example(place, folder):
    """etc/schedd.logrotate with the test's folder, user and process in it."""
    schedd = place.schedd({"log": {"access": "all", "file.access": folder / "access.log"}})
    with schedd.client() as client:
        client.get("/v1/version")
    wait_until(lambda: read(folder / "access.log"), 10, "a line")
    text = (ROOT / "etc/schedd.logrotate").read_text()
    for old, new in (
        ("/var/log/schedd/", f"{folder}/"),
        ("\tsu schedd schedd\n", ""),
        (
            "systemctl kill --kill-whom=main --signal=HUP schedd.service",
            f"kill -HUP {schedd.pid()}",
        ),
    ):
        assert old in text
        text = text.replace(old, new)
    rules = folder / "rules"
    rules.write_text(text)
    rules.chmod(0o644)
    mark = schedd.mark()
    words = ["/usr/sbin/logrotate", "-f", "-s", str(folder / "status"), str(rules)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done
    schedd.wait_log("conf.reloaded", after=mark)
    with schedd.client() as client:
        client.get("/v1/errors")
    wait_until(lambda: read(folder / "access.log"), 10, "the new file")
    old = [e.values["path"] for e in read(folder / "access.log.1", "access.request")]
    new = [e.values["path"] for e in read(folder / "access.log", "access.request")]
    assert "/v1/version" in old and "/v1/errors" not in old
    assert "/v1/errors" in new and "/v1/version" not in new


@pytest.mark.log_errors("log.kept")
def test_a_file_that_cannot_be_opened_anew_is_kept(place, folder):
    there = folder / "there"
    there.mkdir()
    log = {"file.http": there / "http", "level.http": "debug", "file.access": folder / "access"}
    schedd = place.schedd({"log": log}, start=False)
    schedd.spawn()
    schedd.addr = wait_until(
        lambda: read(there / "http", "http.listening"), 15, "the start"
    )[0].values["addr"]
    schedd.wait_ready()
    there.rename(folder / "gone")
    (folder / "access").rename(folder / "access.1")
    line = hup(schedd, "log.kept")
    assert line.values["file"] == str(there / "http") and "No such file" in line.text
    wait_until((folder / "access").exists, 10, "the other one")
    with schedd.client() as client:
        client.get("/nowhere")
    wait_until(lambda: read(folder / "access", "access.request"), 10, "its line")
    assert not there.exists()
    before = len(read(folder / "gone" / "http", "http.open"))
    there.mkdir()
    hup(schedd)
    with schedd.client() as client:
        client.get("/nowhere")
    wait_until(lambda: read(there / "http", "http.open"), 10, "the file is back")
    assert len(read(folder / "gone" / "http", "http.open")) == before


@pytest.mark.log_errors("conf.refused")
def test_bad_settings_do_not_keep_the_log_from_rotation(place, folder):
    schedd = place.schedd({"log": {"file.access": folder / "access"}})
    (folder / "access").rename(folder / "access.1")
    schedd.settings["janitor"] = {"interval": "soon"}
    schedd.reload("conf.refused")
    assert (folder / "access").exists()


# -- disks that are full, pipes that nobody reads ------------------------------


@pytest.mark.log_errors("log.failed")
def test_a_full_disk(place, folder):
    """The log loses lines, which are counted; the server loses nothing."""
    redis, count, path = place.redis(), 400, folder / "access"
    log = {"log": {"access": "all", "file.access": path}}
    # As a disk does: nothing fits behind that many bytes.
    schedd = place.schedd({**redis.settings(), **log}, prefix=["prlimit", "--fsize=20000:"])
    with schedd.client() as client:
        queue = client.queue("q")
        for n in range(count):
            queue.push(f"t{n}")
        assert queue.counts() == {"todo": count}
        dropped = metric(client, "schedd_log_dropped_total", file="access")
        assert dropped > count / 2
        assert metric(client, "schedd_log_dropped_total", file="stderr") == 0
        assert path.stat().st_size == 20000
        line = schedd.wait_log("log.failed")
        assert line.values["file"] == str(path)
        assert re.search("No space left|File too large", line.text)
        words = ["prlimit", f"--pid={schedd.pid()}", "--fsize=unlimited:"]
        subprocess.run(words, check=True)
        client.get("/healthz")
    schedd.stop()
    data = path.read_bytes().decode()
    assert data.count("\n") > 100
    # The line of which a part was written stands alone, then the gap is told.
    whole, _, rest = data[:20000].rpartition("\n")
    rest += data[20000:]
    assert " log.dropped " in rest.split("\n")[1 if data[19999] != "\n" else 0]
    told = [e for e in read_what_is_whole(rest) if e.event == "log.dropped"]
    assert len(told) == 1
    # Of this test's requests each is there, or counted.
    lines = [e for e in read_what_is_whole(whole + "\n") if e.event == "access.request"]
    pushes = [e for e in lines if e.values["path"] == "/v1/queues/q/tasks"]
    others = 3  # that were made meanwhile: one look at the queue, two at metrics
    assert count - len(pushes) + others == int(told[0].values["lines"])
    assert read_what_is_whole(rest)[-1].values["path"] == "/healthz"


def read_what_is_whole(data):
    """Entries of a text in which one line may be a part of one."""
    return [Entry(x) for x in data.split("\n")[:-1] if LINE.fullmatch(x)]


@pytest.mark.log_errors("log.failed")
def test_a_device_that_takes_nothing(place):
    schedd = place.schedd({"log": {"access": "all", "file.access": "/dev/full"}})
    with schedd.client() as client:
        for _ in range(100):
            assert client.get("/healthz").status == 200
        assert metric(client, "schedd_log_dropped_total", file="access") >= 100
        assert "No space left" in schedd.wait_log("log.failed").text
    schedd.stop()
    assert len([x for x in schedd.lines if x.event == "log.failed"]) == 1


@pytest.mark.log_errors("log.failed")
def test_a_fifo_that_nobody_reads(place, folder):
    """Answers come at once; what is read later says what is missing."""
    fifo, count = folder / "fifo", 2000
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    schedd = place.schedd({"log": {"access": "all", "file.access": fifo}})
    with schedd.client() as client:
        for n in range(count):
            headers = {"X-Request-Id": f"r-{n}"}
            assert client.call("GET", "/healthz", headers=headers).status == 200
        data = os.read(reader, 1 << 20)
        client.get("/healthz")
        data += os.read(reader, 1 << 20)
        lost = metric(client, "schedd_log_dropped_total", file="access")
    schedd.stop()
    os.close(reader)
    lines = data.decode().splitlines()
    there = len({x for x in lines if " id=r-" in x})
    told = [int(re.search(r"lines=(\d+)", x).group(1)) for x in lines if "log.dropped" in x]
    assert 0 < there < count and len(told) == 1
    assert count - there <= told[0] == lost <= count - there + 50


# -- floods ------------------------------------------------------------------


def flood(schedd, count, first=0):
    """Requests that fail, as fast as they go."""
    head = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"
    with Raw(schedd.addr) as raw:
        for at in range(first, count, 500):
            raw.send(head * min(500, count - at))
            for _ in range(min(500, count - at)):
                assert raw.receive().status == 404


def test_a_flood_of_failures(place, folder):
    """100,000 as fast as they go: few lines, and none is forgotten."""
    count, path = 100000, folder / "access"
    schedd = place.schedd({"log": {"file.access": path}})
    threads = [threading.Thread(target=flood, args=(schedd, count // 4)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with schedd.client() as client:
        suppressed = metric(client, "schedd_log_suppressed_total")
    schedd.stop()
    entries = [e for e in read(path, "access.request") if e.values["peer"] == "127.0.0.1" or
               e.values.get("path") == "/nowhere"]  # fmt: skip
    sums = [int(e.values["suppressed"]) for e in entries if "suppressed" in e.values]
    lines = [e for e in entries if "suppressed" not in e.values]
    assert len(lines) + sum(sums) == count
    assert sum(sums) == suppressed
    by_second = Counter(e.text[:19] for e in lines)
    assert max(by_second.values()) <= 2 * 100  # two of its seconds may meet in one
    assert len(sums) <= 2 * len(by_second)


def test_the_rate_is_a_setting(place, folder):
    path = folder / "access"
    schedd = place.schedd({"log": {"file.access": path, "rate": 0}})
    flood(schedd, 1000)
    schedd.settings["log"]["rate"] = 1
    schedd.reload()
    flood(schedd, 1000)
    schedd.stop()
    entries = read(path, "access.request")
    sums = [int(e.values["suppressed"]) for e in entries if "suppressed" in e.values]
    lines = [e for e in entries if e.values.get("path") == "/nowhere"]
    assert len(lines) + sum(sums) == 2000
    assert 900 < sum(sums) < 1000


def test_what_was_asked_for_is_not_held_back(place, folder):
    path = folder / "access"
    schedd = place.schedd({"log": {"file.access": path, "access": "all", "rate": 1}})
    with schedd.client() as client:
        for _ in range(300):
            client.get("/healthz")
    schedd.stop()
    paths = [e.values.get("path") for e in read(path, "access.request")]
    assert paths.count("/healthz") == 300


def test_connections_are_bounded_too(place, folder):
    path = folder / "http"
    log = {"level.http": "debug", "file.http": path, "rate": 5}
    schedd = place.schedd({"log": log}, start=False)
    schedd.spawn()
    schedd.addr = wait_until(lambda: read(path, "http.listening"), 15, "the start")[0].values["addr"]
    for _ in range(200):
        Raw(schedd.addr).sock.close()
    wait_until(
        lambda: sum(
            int(e.values.get("suppressed", "1")) for e in read(path, "http.close")
        ) >= 200,
        15,
        "their ends",
    )  # fmt: skip
    schedd.stop()
    for event in ("http.open", "http.close"):
        entries = read(path, event)
        sums = [int(e.values["suppressed"]) for e in entries if "suppressed" in e.values]
        assert len(entries) - len(sums) + sum(sums) >= 200 and sums, event


def test_the_page_has_what_the_example_has():
    """The example of the rotation names files that the page names."""
    page = (ROOT / "docs/operations.md").read_text()
    assert "/var/log/schedd/access.log" in page and "etc/schedd.logrotate" in page
    assert shutil.which("logrotate", path="/usr/sbin:/usr/bin")
