"""A redis-server of the test's own, and the few words of RESP to look in."""

import os
import signal
import socket
import subprocess
from pathlib import Path

from client import connect
from server import WITH_US, wait_until


class RedisError(Exception):
    """Redis answered with an error."""


class Redis:
    """Listens on a unix socket in folder, and on port when one is given."""

    def __init__(self, folder, port=0, password=None, **options):
        self.folder = Path(folder)
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

    def start(self):
        """Starts it and waits for its PONG."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"port {self.port}", "bind 127.0.0.1", 'save ""']
        lines += [f"unixsocket {self.socket}", f"dir {self.folder}"]
        lines += [f"{key} {value}" for key, value in self.options.items()]
        if self.password:
            lines.append(f"requirepass {self.password}")
        with open(self.folder / "log", "ab") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                [*WITH_US, "redis-server", "-"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        with self.process.stdin as pipe:
            pipe.write("\n".join(lines).encode() + b"\n")
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
        with connect(f"unix:{self.socket}") as sock:
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


def free_port():
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
