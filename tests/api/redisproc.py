"""A redis-server of the test's own, and the few words of RESP to look in."""

import hashlib
import os
import secrets
import signal
import socket
import subprocess
from itertools import takewhile
from pathlib import Path

from client import connect
from server import WITH_US, wait_until


ACL = Path(__file__).resolve().parents[2] / "etc/redis-acl.conf"


class RedisError(Exception):
    """Redis answered with an error."""


class Redis:
    """Listens on a unix socket in folder, and on port when one is given.
    prefix: words before it."""

    def __init__(self, folder, port=0, password=None, prefix=(), **options):
        self.folder, self.prefix = Path(folder), list(prefix)
        self.port, self.password = port, password
        self.options = {"appendonly": "yes", "appendfsync": "always"}
        self.options.update({k.replace("_", "-"): v for k, v in options.items()})
        self.socket = self.folder / "redis.sock"
        self.process = None

    def url(self):
        """What schedd's redis.main.url takes."""
        if self.port:
            return f"tcp://127.0.0.1:{self.port}"
        return f"unix:{self.socket}"

    def settings(self):
        """The settings of a schedd that uses it."""
        values = {"url": self.url()}
        if self.password:
            values["password_file"] = self.password_file()
        return {'redis "main"': values}

    def password_file(self):
        """A file that holds the password."""
        path = self.folder / "password"
        path.write_text(self.password + "\n")
        path.chmod(0o600)
        return path

    def start(self, ready=True):
        """Starts it and waits for its PONG, unless not ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"port {self.port}", "bind 127.0.0.1", 'save ""']
        lines += [f"unixsocket {self.socket}", f"dir {self.folder}"]
        lines += [f"{key} {value}" for key, value in self.options.items()]
        if self.password:
            lines.append(f"requirepass {self.password}")
        with open(self.folder / "log", "ab") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                [*WITH_US, *self.prefix, "redis-server", "-"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        with self.process.stdin as pipe:
            pipe.write("\n".join(lines).encode() + b"\n")
        if ready:
            wait_until(self._answers, 15, "redis-server")
        return self

    def _answers(self):
        try:
            return self.do("PING") == b"PONG"
        except (OSError, RedisError):
            return False

    def pause(self):
        """Stops it in its tracks: connections stay, nothing is answered."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        """Lets it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it, whatever it is doing."""
        if self.process and self.process.poll() is None:
            self.resume()
            self.kill()

    def do(self, *words):
        """One command on a connection of its own."""
        auth = [["AUTH", self.password]] if self.password else []
        return self._say([*auth, words])

    def _say(self, commands):
        """Commands on one connection; the answer to the last."""
        with connect(f"unix:{self.socket}") as sock:
            stream = sock.makefile("rwb")
            for words in commands:
                _send(stream, *words)
                answer = _read(stream)
            return answer


def cut_script():
    """What docs/operations.md has people run before each start of a Redis."""
    page = Path(__file__).resolve().parents[2] / "docs/operations.md"
    lines = page.read_text().split("\n")
    start = lines.index("    #!/bin/sh")
    return "\n".join(x[4:] for x in takewhile(bool, lines[start:])) + "\n"


class AclRedis(Redis):
    """One that schedd uses as the user of etc/redis-acl.conf; tests look in
    as the default user, who may do all."""

    def __init__(self, folder, **options):
        super().__init__(folder, **options)
        self.secret = secrets.token_hex(32)

    def start(self):
        """Starts it with that user."""
        self.folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(self.secret.encode()).hexdigest()
        file = self.folder / "acl.conf"
        file.write_text(ACL.read_text().replace("PASSWORD_SHA256", digest))
        self.options["include"] = file
        return super().start()

    def settings(self):
        """The settings of a schedd that uses it."""
        path = self.folder / "password"
        path.touch(mode=0o600)
        path.write_text(self.secret + "\n")
        values = {"url": self.url(), "user": "schedd", "password_file": path}
        return {'redis "main"': values}

    def do_as_schedd(self, *words):
        """One command, as schedd's user."""
        return self._say([["AUTH", "schedd", self.secret], words])


class Sentinel:
    """One sentinel in folder, on a port of its own, that watches "m"."""

    def __init__(self, folder, master, quorum=2, password=None, down_after_ms=1000):
        self.folder, self.port = Path(folder), free_port()
        self.password, self.process = password, None
        self.lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            f"sentinel monitor m 127.0.0.1 {master.port} {quorum}",
            f"sentinel down-after-milliseconds m {down_after_ms}",
            "sentinel failover-timeout m 10000",
        ]
        if password:
            self.lines += [f"requirepass {password}"]
            self.lines += [f"sentinel sentinel-pass {password}"]
        if master.password:
            self.lines += [f"sentinel auth-pass m {master.password}"]

    def start(self):
        """Starts it and waits for its PONG."""
        self.folder.mkdir(parents=True, exist_ok=True)
        conf = self.folder / "sentinel.conf"
        if not conf.exists():
            conf.write_text("\n".join(self.lines) + "\n")
        with open(self.folder / "log", "ab") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                [*WITH_US, "redis-server", str(conf), "--sentinel"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, 15, "redis-sentinel")
        return self

    def _answers(self):
        try:
            return self.do("PING") == b"PONG"
        except (OSError, RedisError):
            return False

    def knows(self, replicas, sentinels):
        """Has it found so many replicas and other sentinels?"""
        facts = pairs(self.do("SENTINEL", "MASTER", "m"))
        return (
            int(facts[b"num-slaves"]) >= replicas
            and int(facts[b"num-other-sentinels"]) >= sentinels
        )

    def master_port(self):
        """The port of what it takes for the master."""
        return int(self.do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "m")[1])

    def replicas(self):
        """What it knows of each."""
        return [pairs(flat) for flat in self.do("SENTINEL", "REPLICAS", "m")]

    def promotes(self, redises):
        """Which of them it is making the master; None."""
        for facts in self.replicas():
            if b"promoted" in facts[b"flags"]:
                return next(r for r in redises if r.port == int(facts[b"port"]))
        return None

    def has_seen_demotion(self):
        """Did all that are to be replicas say so when it last asked, each ten
        seconds? Until then it makes the old master a replica once more, even
        when another sentinel makes it the master just now."""
        return all(facts[b"role-reported"] == b"slave" for facts in self.replicas())

    def stop(self):
        """kill -9."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def do(self, *words):
        """One command on a connection of its own."""
        with connect(f"127.0.0.1:{self.port}") as sock:
            stream = sock.makefile("rwb")
            if self.password:
                _send(stream, "AUTH", self.password)
                _read(stream)
            _send(stream, *words)
            return _read(stream)


def _send(stream, *words):
    raw = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    out = b"*%d\r\n" % len(raw)
    out += b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in raw)
    stream.write(out)
    stream.flush()


def _read(stream):
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise OSError("redis-server closed")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise RedisError(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        if rest == b"-1":
            return None
        return stream.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return [_read(stream) for _ in range(int(rest))]
    return rest


def pairs(flat):
    """A flat reply of fields and values as a dict."""
    return dict(zip(flat[::2], flat[1::2]))


def free_port():
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
