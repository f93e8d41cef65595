"""A private Redis as schedd starts it, and the raw bytes to and from it."""

import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import servers  # noqa: E402  pylint: disable=wrong-import-position,import-error

MARK = b"$4\r\nmark\r\n"
ECHO = b"*2\r\n$4\r\nECHO\r\n" + MARK
READ_BYTES = 1 << 20
LOG_S = 60
# As store/redis_spawn.c writes them, but the log is not rewritten.
SETTINGS = (
    *("--port", 0, "--databases", 1, "--save", ""),
    *("--hash-max-listpack-entries", 16),
    *("--zset-max-listpack-entries", 16),
    *("--appendonly", "yes", "--appendfsync", "always"),
    *("--aof-use-rdb-preamble", "yes", "--auto-aof-rewrite-percentage", 0),
    *("--maxmemory-policy", "noeviction"),
)


def bulk(word):
    """One argument."""
    if not isinstance(word, bytes):
        word = str(word).encode()
    return b"$%d\r\n%s\r\n" % (len(word), word)


def command(*words):
    """One command."""
    return b"*%d\r\n" % len(words) + b"".join(map(bulk, words))


class Redis(servers.Server):
    """redis-server on a unix socket in its folder, and one connection."""

    def start(self):
        path = self.folder / "redis.sock"
        process = self.spawn(
            "redis-server", *SETTINGS, "--unixsocket", path, "--dir", self.folder
        )
        self.wait_listens(str(path))
        self.pids = [process.pid]
        self.connection = Connection(path)
        servers.wait_for(self.is_ready, "the log to be read", LOG_S)

    def is_ready(self):
        """It answers -LOADING until it has read its log."""
        self.connection.sock.sendall(command("PING"))
        return self.connection.sock.recv(READ_BYTES).startswith(b"+PONG")

    def stop(self):
        if hasattr(self, "connection"):
            self.connection.close()
        super().stop()

    def restart(self):
        """Seconds until it has read its log again."""
        self.connection.close()
        process = self.processes.pop()
        process.terminate()
        process.wait(servers.STOP_S)
        began = time.monotonic()
        self.start()
        return time.monotonic() - began

    def ask(self, *commands):
        """Sends commands; the bytes of their replies."""
        return self.connection.ask(b"".join(commands))

    def number(self, *words):
        reply = self.ask(command(*words))
        if not reply.startswith(b":"):
            raise RuntimeError(f"{words}: {reply[:200]!r}")
        return int(reply[1:])

    def info(self, field):
        """A number of INFO."""
        text = self.ask(command("INFO", "everything")).decode(errors="replace")
        return int(text.split(f"\n{field}:", 1)[1].split("\r", 1)[0])

    def load(self, script):
        reply = self.ask(command("SCRIPT", "LOAD", script))
        if not reply.startswith(b"$40"):
            raise RuntimeError(reply[:300].decode())
        return reply[5:45]

    def cpu_s(self):
        """Processor time of all its threads; exact, because it sleeps now."""
        time.sleep(0.0003)
        tasks = Path(f"/proc/{self.pids[0]}/task").glob("*/schedstat")
        return sum(int(t.read_text().split()[0]) for t in tasks) / 1e9

    def log_bytes(self):
        return sum(f.stat().st_size for f in (self.folder / "appendonlydir").iterdir())


class Connection:
    """One connection. A reply is whole when the ECHO behind it has come."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(path))

    def close(self):
        self.sock.close()

    def receive(self, wanted=1):
        """All replies up to that many marks."""
        parts, tail, seen = [], b"", 0
        while True:
            part = self.sock.recv(READ_BYTES)
            if not part:
                raise RuntimeError("Redis closed the connection")
            parts.append(part)
            seen += (tail + part).count(MARK)
            tail = (tail + part)[-len(MARK) + 1 :]
            if seen >= wanted:
                return b"".join(parts)[: -len(MARK)]

    def ask(self, data):
        self.sock.sendall(data + ECHO)
        reply = self.receive()
        if reply.startswith(b"-") or b"\r\n-" in reply:
            raise RuntimeError(reply[:300].decode())
        return reply

    def stream(self, data):
        """Sends without waiting for answers; seconds until the last came."""
        sender = threading.Thread(target=self.sock.sendall, args=(data + ECHO,))
        began = time.monotonic()
        sender.start()
        reply = self.receive()
        took = time.monotonic() - began
        sender.join()
        if reply.startswith(b"-") or b"\r\n-" in reply:
            raise RuntimeError(reply[:300].decode())
        return took
