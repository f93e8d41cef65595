"""H, N4: many clients, slow ones, hostile ones, more than can be served."""

import http.client
import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import checks
import corpus
from client import Raw
from rows_kill import restart_at
from run import alone, files_of
from server import WITH_US, wait_until

MIB = 1 << 20


class Crowd:
    """crowd.py as a process of ours."""

    def __init__(self, run, kind, schedd, count, seconds=10, links=None):
        words = [kind, schedd.addr, str(count), str(seconds), str(links or count)]
        script = Path(__file__).with_name("crowd.py")
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [*WITH_US, sys.executable, "-B", str(script), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        run.others.append(self)
        self.there = self._line()["there"]

    def _line(self):
        line = self.process.stdout.readline()
        assert line, "the crowd ended"
        return json.loads(line)

    def end(self):
        """They leave; what they saw."""
        self.process.stdin.close()
        return self.wait()

    def wait(self):
        """Until they end by themselves; what they saw."""
        got = self._line()
        self.process.wait(30)
        return got

    def stop(self):
        """Ends it, whatever it is doing."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def served(run, **settings):
    """A schedd on TCP, with its Redis."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    redis = run.redis()
    return redis, run.schedd(settings, redis=redis, tcp=True)


def cpu_part(schedd, seconds):
    """The part of one processor that it uses."""
    before = schedd.cpu_s()
    time.sleep(seconds)
    return (schedd.cpu_s() - before) / seconds


@alone
def h1(run):
    """10,000 idle connections."""
    redis, schedd = served(run)
    count = run.times(10_000)
    before = schedd.rss_bytes()
    crowd = Crowd(run, "idle", schedd, count)
    run.expect(crowd.there == count, f"only {crowd.there} of {count} were served")
    each = (schedd.rss_bytes() - before) / count
    run.at_most("rss_each", each / 1024, 12 if count > 1000 else 40, "KiB")
    run.at_most("rss", schedd.rss_bytes() / MIB, 150, "MiB")
    run.at_most("idle_cpu", cpu_part(schedd, 3) * 100, 3, "%")
    run.start_load(batch=10)
    with_crowd = run.push_p99_ms(run.seconds(15, 4))
    seen = crowd.end()
    run.expect(seen["open"] == count, f"{count - seen['open']} were closed")
    time.sleep(1)
    alone = run.push_p99_ms(run.seconds(15, 4))
    run.facts["push_p99_alone"] = f"{alone:.1f}ms"
    run.at_most("push_p99", with_crowd, alone * 1.2 + 2, "ms")
    events = run.finish(redis)
    run.gap(events, 3)


@alone
def h2(run):
    """Clients that send a byte each 5 s, and such that read nothing of
    10 MiB, in one answer or in ten: each is closed in its time, the load goes
    on."""
    # Where the later ones of ten looks are refused, the system's buffers hold
    # all that is to be read: that client is idle, no slow reader.
    idle = {"idle_timeout": "20s"}
    redis, schedd = served(run, http=idle, **{'queue "long"': {"max_payload": "1MiB"}})
    with schedd.client(timeout=60) as client:
        for n in range(TEN * TAKING):
            task = {"id": f"long{n}", "payload": "x" * MIB_LESS}
            push = lambda t=task: client.queue("long").post("tasks", t).status < 300
            wait_until(push, 20, "room for a large task")
        client.queue("kept").patch(max_payload=MIB)
        client.queue("kept").push({"id": "long", "payload": "x" * MIB_LESS})
    run.start_load(batch=10)
    alone_p99 = run.push_p99_ms(run.seconds(10, 3))
    before, base = schedd.rss_bytes(), connections(schedd)
    count = run.times(3000)
    slow = Crowd(run, "slow", schedd, count)
    began, readers = time.monotonic(), Crowd(run, "read", schedd, 4 * TAKING)
    with_crowd = run.push_p99_ms(run.seconds(30, 10))
    run.at_most("rss_more", (schedd.rss_bytes() - before) / MIB, 400, "MiB")
    wait_until(lambda: connections(schedd) <= base, 60, "all of them to be closed")
    run.at_most("all_closed", time.monotonic() - began, 45, "s")
    run.at_most("push_p99", with_crowd, alone_p99 * 2 + 2, "ms")
    run.facts["push_p99_alone"] = f"{alone_p99:.1f}ms"
    with schedd.client() as client:
        cut = counter(client, 'schedd_http_closed_total{reason="timeout_write"}')
    run.facts["readers_cut"] = cut
    run.expect(cut * 3 >= readers.there, f"{cut} of {readers.there} readers cut off")
    seen = slow.end()
    readers.end()
    # And up to 5 s until the client looks, with its next byte.
    for kind, limit in (("head", 10 + 5), ("body", 30 + 5)):
        closed, last = seen[kind]["closed"], seen[kind]["last"]
        run.expect(closed >= count // 2, f"{kind}: {count // 2 - closed} not closed")
        run.at_most(kind, last, limit + 1, "s")
    events = run.finish(redis)
    run.gap(events, 3)


# H2's clients that take ten tasks of a MiB in one answer; three times as many
# ask ten times for one.
TAKING, TEN, MIB_LESS = 15, 10, MIB - 1000


def h3(run):
    """2,000 connections a second, opened and closed, cut at each byte of a
    request, with pipelines of 1,000; the cap of one address."""
    redis, schedd = served(run, limits={"max_per_address": 2500})
    run.start_load()
    time.sleep(1)
    before = schedd.rss_bytes()
    seconds = run.seconds(60, 4)
    seen = Crowd(run, "flood", schedd, 2000, seconds).wait()
    wait_until(lambda: connections(schedd) < 40, 10, "connections to end")
    fds = files_of(schedd.pid())
    run.at_most("rss_more", (schedd.rss_bytes() - before) / MIB, 30, "MiB")
    run.expect(fds < 60, f"{fds} descriptors are open")
    run.facts["connections_per_s"] = round(seen["done"] / seconds)
    run.expect(seen["done"] * run.slow >= 1900 * seconds, f"too few in {seconds} s: {seen}")
    run.expect(seen["failed"] == 0, f"not all were accepted: {seen}")
    capped(run, schedd)
    events = run.finish(redis)
    run.gap(events, 3)


def capped(run, schedd):
    """One address opens more than it may; others are served."""
    socks, refused = [], 0
    try:
        for _ in range(2600):
            socks.append(Raw(schedd.addr, timeout=5))
        last = socks[-1]
        last.send("GET /v1/version HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            refused = last.receive().status
        except (OSError, EOFError):
            refused = "closed"
        run.expect(refused in (429, 503, "closed"), f"over the cap: {refused}")
        crowd = Crowd(run, "idle", schedd, 8)
        run.expect(crowd.there == 8, "others are not served")
        crowd.end()
    finally:
        for sock in socks:
            sock.sock.close()
    wait_until(lambda: connections(schedd) < 40, 10, "connections to end")


def connections(schedd):
    """Sockets that it has open."""
    folder = f"/proc/{schedd.pid()}/fd"
    count = 0
    for name in os.listdir(folder):
        try:
            count += os.readlink(f"{folder}/{name}").startswith("socket:")
        except OSError:
            pass
    return count


@alone
def h4(run):
    """Descriptors are used up: no busy loop, Redis stays, it recovers."""
    redis = run.redis()
    prefix = ["prlimit", "--nofile=256:256", "--"]
    schedd = run.schedd(redis=redis, tcp=True, prefix=prefix)
    run.start_load(producers=1, workers=1)
    time.sleep(1)
    mark = schedd.mark()
    socks = [Raw(schedd.addr, timeout=5) for _ in range(400)]
    time.sleep(1)
    run.at_most("cpu", cpu_part(schedd, 3) * 100, 20, "%")
    over = []
    for path in ("/healthz", "/readyz", "/v1/version"):
        last = Raw(schedd.addr, timeout=30)
        last.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        over.append(last.receive().status)
        last.sock.close()
    run.facts["over"] = over
    run.expect(over == [200, 200, 503], f"with no descriptors left: {over}")
    run.expect(not schedd.find_log("redis.lost", mark), "Redis was lost")
    for sock in socks:
        sock.sock.close()
    began = time.monotonic()
    wait_until(lambda: ready(schedd), 10, "it to recover")
    run.at_most("recovered", time.monotonic() - began, 3, "s")
    events = run.finish(redis)
    run.gap(events, 2)


def ready(schedd):
    """Does it answer /readyz with 200?"""
    try:
        with schedd.client(timeout=2) as client:
            return client.get("/readyz").status == 200
    except OSError:
        return False


TESTS = Path(__file__).resolve().parent.parent


def posted(verb, body):
    """The request that brings this body."""
    head = f"POST /v1/queues/bad/{verb} HTTP/1.1\r\nHost: x\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def kept_inputs():
    """The requests that the fuzzers keep."""
    for path in sorted((TESTS / "fuzz" / "corpus").glob("*/*")):
        data = path.read_bytes()
        if path.parent.name == "http_parser":
            yield data
        elif path.parent.name != "conf":
            yield posted("tasks", data)


def corpus_inputs():
    """Those of tests/corpus; its other files are not for clients to send."""
    yield from (data for *_, data in corpus.cases("http"))
    yield from (posted(verb, body) for _, verb, _, body in corpus.cases("json"))


def h5(run):
    """Malformed requests and bodies: every input that the fuzzers keep, whole
    and cut off, and those of tests/corpus, to the server under load. Each gets
    an answer or is closed, soon, and the next client is served. Then each
    call that can fail does so once (tests/torture)."""
    redis, schedd = served(run, http={"header_timeout": "1s", "idle_timeout": "1s"})
    run.start_load()
    files, cases, took = list(kept_inputs()), list(corpus_inputs()), []
    for data in cases[:: round(1 / min(run.part, 1))]:
        took += malformed(run, schedd, data)
    for data in files:
        # Whole, and cut off at places all over it.
        step = max(1, len(data) // run.times(40))
        for end in (len(data), *range(0, len(data), step)):
            took += malformed(run, schedd, data[:end])
    run.expect(len(files) >= 25, f"only {len(files)} inputs")
    run.expect(len(cases) >= 600, f"only {len(cases)} cases")
    run.facts["answers"] = len(took)
    run.at_most("answered_p99", checks.quantile(took, 0.99) * 1000, 50, "ms")
    events = run.finish(redis)
    run.gap(events, 2)
    torture(run)


def torture(run):
    """tests/torture on the same program; all of it, or a part."""
    words = ["--smoke"] if run.part < 1 else []
    done = subprocess.run(
        [*WITH_US, sys.executable, "-B", TESTS / "torture" / "run", *words],
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    bad = [line for line in lines if "FAILED" in line]
    run.facts["torture"] = f"{len(lines) - len(bad)}/{len(lines)}"
    run.expect(done.returncode == 0, f"torture: {bad or done.returncode}"[:500])


def malformed(run, schedd, data):
    """Sends that and says that nothing follows; reads to the end. How long
    the first byte of an answer took, if there was one."""
    with Raw(schedd.addr, timeout=10) as raw:
        began, out = time.monotonic(), []
        try:
            raw.send(data)
            raw.half_close()
            first = raw.sock.recv(65536)
            if first:
                out = [time.monotonic() - began]
                run.expect(first.startswith(b"HTTP/1.1 "), f"{data!r}: {first!r}")
                fine = first[9:12] < b"500" or first[9:12] in (b"501", b"505")
                run.expect(fine, f"{data[:100]!r}: {first[:100]!r}")
            while raw.sock.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        except TimeoutError:
            run.expect(False, f"{data[:100]!r}: neither answered nor closed")
    return out


# What the link to Redis carries while that is too much: by this, not by the
# machine, what can be served is little enough to offer five times as much.
LINK_BYTES_S = 200_000


@alone
def h6(run):
    """Five times more is offered than can be served, while others take and
    report."""
    redis = run.redis()
    proxy = run.proxy(redis.socket)
    link = {'redis "main"': {"url": proxy.address}}
    schedd = run.schedd(link, tcp=True)
    proxy.do(f"rate {LINK_BYTES_S} up")
    peak = goodput(run, schedd, 50_000, run.seconds(20, 3), at_once=50)
    rss = schedd.rss_bytes()
    over = goodput(run, schedd, 5 * peak.pushed_s, run.seconds(60, 3))
    again = schedd.rss_bytes()
    proxy.do("clear")
    run.facts["peak"] = f"{peak.pushed_s:.0f}/s"
    run.facts["over"] = f"{over.pushed_s:.0f}/s"
    enough = over.pushed_s >= 0.8 * peak.pushed_s
    run.expect(enough, f"goodput {over.pushed_s:.0f} of {peak.pushed_s:.0f}/s")
    run.expect(over.refused > 2 * over.accepted, f"too little was offered: {over}")
    run.at_most("p99", over.p99 * 1000, 500, "ms")
    run.at_most("take_p99", over.take_p99 * 1000, 500, "ms")
    run.at_most("rss_more", (again - rss) / MIB, 64, "MiB")
    run.start_load()
    run.pause(2, 2)
    run.finish(redis)


class goodput:  # pylint: disable=invalid-name
    """Offers so many tasks a second on at_once connections, while twenty
    workers take: what became of it."""

    def __init__(self, run, schedd, rate, seconds, at_once=1000):
        with schedd.client() as client:
            before = stored(client)
            takers = Crowd(run, "takers", schedd, 20, seconds)
            seen = Crowd(run, "offer", schedd, int(rate), seconds, at_once).wait()
            self.pushed_s = (stored(client) - before) / seconds
        took = takers.wait()
        self.p99, self.take_p99 = seen["p99"], took["p99"]
        answers = seen["outcomes"]
        run.expect(marked(answers, "201"), f"pushes: {answers}")
        self.refused = answers.get("429", 0) + answers.get("503", 0) + seen["unsent"]
        self.accepted = answers.get("201", 0)
        answers = took["outcomes"]
        run.expect(marked(answers, "200"), f"takes: {answers}")
        run.expect(took["tasks"] > 0, "nothing was taken")
        run.facts["taken"] = took["tasks"]

    def __repr__(self):
        return f"{self.accepted} pushes accepted, {self.refused} refused"


def marked(answers, done):
    """Done or refused; at most one in 200 not known, as when the disk of
    Redis stalls."""
    unknown = answers.get("504", 0)
    few = unknown * 200 <= sum(answers.values())
    return few and set(answers) <= {done, "429", "503", "504"}


def stored(client):
    """How many tasks were ever stored in the queue that is offered."""
    client.queue("offer").make()
    return client.queue("offer").info()["totals"]["pushed"]


@alone
def h7(run):
    """10,000 takes wait; one task is pushed, then 10,000."""
    redis, schedd = served(run)
    count = run.times(10_000)
    with schedd.client(timeout=60) as client:
        queue = client.queue("herd")
        queue.make()
        crowd = Crowd(run, "wait", schedd, count)
        wait_until(lambda: queue.info()["waiting_takes"] == count, 60, "the takes")
        run.at_most("waiting_cpu", cpu_part(schedd, 3) * 100, 3, "%")
        before = schedd.cpu_s()
        queue.push("one")
        time.sleep(1)
        run.at_most("one_push_cpu", schedd.cpu_s() - before, 0.1, "s")
        left = queue.info()["waiting_takes"]
        run.expect(left == count - 1, f"one task woke {count - left} takes")
        before, began = schedd.cpu_s(), time.monotonic()
        for first in range(0, count - 1, 1000):
            last = min(first + 1000, count - 1)
            queue.push_many([f"t{n}" for n in range(first, last)])
        wait_until(lambda: queue.info()["waiting_takes"] == 0, 30, "all to wake")
        run.facts["woken_in"] = f"{time.monotonic() - began:.2f}s"
        run.at_most("herd_cpu", schedd.cpu_s() - before, 1.0, "s")
        time.sleep(1)
        counts = queue.counts()
    seen = crowd.end()
    run.expect(seen["answered"] == count, f"{seen['answered']} of {count} got a task")
    run.expect(seen["most"] == 1 and not seen["errors"], f"{seen}"[:200])
    run.expect(counts == {"doing": count}, f"counts: {counts}")
    run.start_load()
    run.pause(1, 1)
    run.finish(redis)


class Samples(threading.Thread):
    """Calls something again and again; list of (when, what it gave)."""

    def __init__(self, call, pause_s):
        super().__init__(daemon=True)
        self.call, self.pause_s = call, pause_s
        self.got, self.over = [], threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(self.pause_s):
            try:
                value = self.call()
            except (OSError, http.client.HTTPException):
                continue
            self.got.append((time.monotonic(), value))

    def stop(self):
        """No more; what there was."""
        self.over.set()
        self.join()
        return self.got


def counter(client, name):
    """A counter of that server."""
    text = client.get("/metrics").body.decode()
    lines = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return int(float(lines[0].split()[1])) if lines else 0


def most_a_second(samples):
    """The most that a counter rose within any second."""
    most, first = 0, 0
    for when, value in samples:
        while samples[first][0] < when - 1:
            first += 1
        most = max(most, value - samples[first][1])
    return most


class Feed:
    """Pushes tasks into the fleet's queue, when it is on."""

    def __init__(self, schedd):
        self.schedd, self.serial, self.on = schedd, 0, threading.Event()
        self.on.set()
        self.samples = Samples(self.push, 0.2)

    def push(self):
        """Some at a time."""
        if self.on.is_set():
            ids = [f"f{n}" for n in range(self.serial, self.serial + 5)]
            with self.schedd.client() as client:
                client.queue("fleet").push_many(ids)
            self.serial += 5

    def stop(self):
        """No more; how many there were."""
        self.samples.stop()
        return self.serial


def took_s(client):
    """How long a take takes, that finds nothing or one task."""
    began = time.monotonic()
    tasks = client.queue("probe").take("probe", count=1)
    assert not tasks
    return time.monotonic() - began


@alone
def n4(run):
    """500 workers, examples/worker.py as it is, lose the server for 20 s and
    come back."""
    redis, schedd = served(run)
    port = schedd.addr.rsplit(":", 1)[1]
    feed = Feed(schedd)
    crowd = Crowd(run, "example", schedd, run.times(500))
    time.sleep(run.seconds(10, 5))
    feed.on.clear()
    time.sleep(0.5)
    schedd.kill()
    time.sleep(run.seconds(20, 3))
    restart_at(schedd, f"127.0.0.1:{port}")
    back = time.monotonic()
    feed.on.set()
    with schedd.client() as looks, schedd.client() as takes:
        opened = Samples(lambda: counter(looks, "schedd_http_accepted_total"), 0.05)
        time.sleep(max(0, back + 10 - time.monotonic()))
        took = Samples(lambda: took_s(takes), 0.02)
        time.sleep(run.seconds(12, 12))
        took = [value for _, value in took.stop()]
        opened = opened.stop()
        pushed = feed.stop()
        done = lambda: looks.queue("fleet").counts() == {"finish": pushed}
        wait_until(done, 40, lambda: f"{pushed}: {looks.queue('fleet').counts()}")
        waiting = lambda: looks.queue("fleet").info()["waiting_takes"]
        wait_until(lambda: waiting() == crowd.there, 40, lambda: f"all; {waiting()} are back")
    ended = crowd.end()["ended"]
    run.expect(not ended, f"{len(ended)} workers ended: {ended[:1]}")
    run.at_most("opened_per_s", most_a_second(opened), 200)
    run.expect(len(took) > 100, f"only {len(took)} takes after 10 s")
    run.at_most("take_p99", checks.quantile(took, 0.99) * 1000, 500, "ms")
    run.facts["tasks"] = pushed
    run.start_load()
    run.pause(1, 1)
    run.finish(redis)


ROWS = {"H1": h1, "H2": h2, "H3": h3, "H4": h4, "H5": h5, "H6": h6, "H7": h7, "N4": n4}
