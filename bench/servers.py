"""The servers that are measured: each started by us on loopback, in a folder
of its own, on a free port, and stopped by its process id."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
START_S, STOP_S = 20, 20


class Missing(Exception):
    """This server cannot be measured here; the text says why."""


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(test, what, limit_s=START_S):
    """Polls until test() gives something true, and returns that."""
    end = time.monotonic() + limit_s
    while True:
        got = test()
        if got:
            return got
        if time.monotonic() > end:
            raise RuntimeError(f"waited {limit_s} s for {what}")
        time.sleep(0.01)


def answers(address):
    """Does somebody listen on this port, or this socket's path?"""
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as probe:
        probe.settimeout(1)
        return probe.connect_ex(address) == 0


def children(pid):
    """The process ids of a process's children."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return sorted(found)


def rss_bytes(pid):
    """Resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M).group(1)) * 1024


class Server:
    """One server under load. pids: all its processes, the front one first."""

    proto = None
    batch_only = False

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        self.processes = []
        self.pids = []
        self.to = None
        self.extra = []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        raise NotImplementedError

    def spawn(self, *command, **more):
        """Starts a process; what it prints goes into a file of its name."""
        name = Path(command[0]).name
        with open(self.folder / f"{name}.out", "wb") as out:
            # pylint: disable-next=consider-using-with
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                **more,
            )
        self.processes.append(process)
        return process

    def printed(self, name):
        """What a process has printed so far."""
        path = self.folder / f"{name}.out"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_listens(self, address):
        """Waits until the last process that was started listens."""
        process = self.processes[-1]

        def listens():
            if process.poll() is not None:
                raise RuntimeError(
                    f"{process.args[0]} ended: {self.printed(Path(process.args[0]).name)[-300:]}"
                )
            return answers(address)

        wait_for(listens, f"{process.args[0]} to listen")

    def stop(self):
        """Ends what was started, the last first, and removes its folder."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()


class Schedd(Server):
    """Ours, on its embedded default: a private Redis, appendfsync always."""

    proto = "schedd"
    program = None  # set by run

    def start(self):
        words = os.environ.get("BENCH_SCHEDD_OPTIONS", "").split()
        self.spawn(
            self.program,
            "--http.listen=127.0.0.1:0",
            f"--server.state_dir={self.folder / 'state'}",
            *words,
        )
        name = Path(self.program).name
        process = self.processes[-1]

        def address():
            found = re.search(r'http\.listening .*addr="?([0-9.:]+)', self.printed(name))
            if not found and process.poll() is not None:
                raise RuntimeError(f"schedd ended: {self.printed(name)[-300:]}")
            return found and found.group(1)

        self.to = wait_for(address, "schedd to listen")
        wait_for(lambda: self.request("GET", "/readyz")[0] == 200, "schedd to be ready")
        self.pids = [process.pid, *children(process.pid)]
        # More than its default half million, for those of us who go beyond.
        status, answer = self.request(
            "PATCH", "/v1/queues/bench", json.dumps({"max_tasks": 10_000_000})
        )
        if status != 200:
            raise RuntimeError(f"PATCH was answered {status}: {answer}")

    def request(self, method, path, body=None):
        """One request of our own: status and text."""
        connection = http.client.HTTPConnection(self.to, timeout=10)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, pattern):
        """The first number on /metrics whose line begins with this."""
        page = self.request("GET", "/metrics")[1]
        found = re.search(rf"^{pattern}\S* (\S+)$", page, re.M)
        return float(found.group(1)) if found else None

    def histogram(self, name):
        """(upper bound in seconds, how many are at most that), ..."""
        page = self.request("GET", "/metrics")[1]
        rows = re.findall(rf'^{name}_bucket{{le="([^"]+)"}} (\d+)$', page, re.M)
        return [(float(bound), int(count)) for bound, count in rows]


def redis_settings(folder, fsync):
    """A Redis as people run it, with its log of all writes."""
    return [
        *("--dir", folder),
        *("--save", ""),
        *("--appendonly", "yes"),
        *("--appendfsync", fsync),
        *("--aof-use-rdb-preamble", "yes"),
        *("--maxmemory-policy", "noeviction"),
    ]


class Redis(Server):
    """Redis alone, with schedd's scripts and schedd's settings of it."""

    proto = "redis"

    def start(self):
        path = self.folder / "redis.sock"
        process = self.spawn(
            "redis-server",
            *("--port", 0),
            *("--unixsocket", path),
            *redis_settings(self.folder, "always"),
        )
        self.wait_listens(str(path))
        self.to = f"unix:{path}"
        self.pids = [process.pid]
        hashes = [self.load(name) for name in ("push", "work")]
        self.extra = ["--scripts", ",".join(hashes)]

    def load(self, name):
        """Loads one of store/lua, with what it includes; its hash."""
        text = script_text(name)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.to[len("unix:") :])
            words = (b"SCRIPT", b"LOAD", text)
            parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
            sock.sendall(b"*3\r\n" + b"".join(parts))
            with sock.makefile("rb") as answers:
                head = answers.readline()
                if not head.startswith(b"$40"):
                    raise RuntimeError(f"SCRIPT LOAD {name}: {head.decode()}")
                return answers.readline().strip().decode()


def script_text(name):
    """A script as cmake/embed_one.cmake makes it: with its includes."""
    folder = TOP / "store" / "lua"

    def included(match):
        return (folder / match.group(1)).read_text()

    text = (folder / f"{name}.lua").read_text()
    while True:
        more = re.sub(r"^-- include ([a-z]+\.lua)\n", included, text, flags=re.M)
        if more == text:
            return text.encode()
        text = more


class Gearmand(Server):
    """gearmand as Debian ships it: in memory, 991 hash buckets."""

    proto = "gearmand"
    options = ()

    def start(self):
        port = free_port()
        process = self.spawn(
            "/usr/sbin/gearmand",
            *("-L", "127.0.0.1"),
            *("-p", port),
            *("-l", self.folder / "gearmand.log"),
            *("-j", 0),
            *self.options,
        )
        self.wait_listens(("127.0.0.1", port))
        self.to, self.pids = f"127.0.0.1:{port}", [process.pid]


class GearmandTuned(Gearmand):
    """The same with a hash table that fits deep queues."""

    options = ("--hashtable-buckets=1000003",)


class Beanstalkd(Server):
    """beanstalkd in memory."""

    proto = "beanstalkd"
    binlog = False

    def start(self):
        port = free_port()
        words = []
        if self.binlog:
            (self.folder / "binlog").mkdir()
            # Synced at most once a second, as Redis's everysec.
            words = ["-b", self.folder / "binlog", "-f", 1000, "-s", 128 << 20]
        process = self.spawn(
            "/usr/bin/beanstalkd", "-l", "127.0.0.1", "-p", port, *words
        )
        self.wait_listens(("127.0.0.1", port))
        self.to, self.pids = f"127.0.0.1:{port}", [process.pid]


class BeanstalkdBinlog(Beanstalkd):
    """beanstalkd with its log on disk."""

    binlog = True


class BeanstalkdPipelined(BeanstalkdBinlog):
    """The same, with a client that writes delete and reserve at once."""

    proto = "beanstalkd-pipelined"


class OnTcpRedis(Server):
    """What stands on a Redis of its own, at its usual fsync once a second."""

    def start_redis(self):
        """Its port."""
        port = free_port()
        self.spawn(
            "redis-server",
            *("--port", port),
            *("--bind", "127.0.0.1"),
            *redis_settings(self.folder, "everysec"),
        )
        self.wait_listens(("127.0.0.1", port))
        return port


class Flask(OnTcpRedis):
    """The older system: flask_app.py."""

    proto = "flask"
    workers = 4

    def start(self):
        redis_port, port = self.start_redis(), free_port()
        process = self.spawn(
            *("/usr/bin/python3", "-B", "/usr/bin/gunicorn"),
            *("-k", "gevent"),
            *("-w", self.workers),
            *("-b", f"127.0.0.1:{port}"),
            *("--worker-tmp-dir", self.folder),
            "flask_app:app",
            cwd=HERE,
            env={
                **os.environ,
                "REDIS_PORT": str(redis_port),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )
        wait_for(
            lambda: self.printed("python3").count("worker ready") >= self.workers,
            "gunicorn's workers",
        )
        self.wait_listens(("127.0.0.1", port))
        self.to = f"127.0.0.1:{port}"
        self.pids = [process.pid, *children(process.pid), self.processes[0].pid]


class Bullmq(OnTcpRedis):
    """BullMQ, driven by its own library in Node."""

    modules = None  # the folder with node_modules; set by prepare

    @classmethod
    def prepare(cls, folder):
        """Installs the library by npm, once, into a folder of the build."""
        for program in ("node", "npm"):
            if shutil.which(program) is None:
                raise Missing(f"there is no {program} (optional)")
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "peer.mjs"):
            shutil.copy(HERE / "bullmq" / name, folder / name)
        if not (folder / "node_modules" / "bullmq").is_dir():
            print("bench: installing bullmq by npm into", folder, flush=True)
            done = subprocess.run(
                ["npm", "install", "--no-package-lock", "--no-fund"]
                + ["--no-audit", "--ignore-scripts", "--loglevel=error"],
                cwd=folder,
                text=True,
                capture_output=True,
                check=False,
            )
            if done.returncode != 0:
                raise Missing(f"npm install failed: {done.stderr.strip()[-200:]}")
        cls.modules = folder

    def start(self):
        self.port = self.start_redis()
        self.pids = [self.processes[0].pid]

    def node(self, mode, count, concurrency, batch):
        """Starts one of its two halves."""
        return subprocess.Popen(
            ["node", "peer.mjs", mode, str(self.port)]
            + [str(n) for n in (count, concurrency, batch)],
            cwd=self.modules,
            stdout=subprocess.PIPE,
            text=True,
        )


SYSTEMS = {
    "schedd": Schedd,
    "redis": Redis,
    "gearmand": Gearmand,
    "gearmand-tuned": GearmandTuned,
    "beanstalkd": Beanstalkd,
    "beanstalkd-binlog": BeanstalkdBinlog,
    "beanstalkd-pipelined": BeanstalkdPipelined,
    "bullmq": Bullmq,
    "flask": Flask,
}
