"""schedctl as people and programs use it: run to its end, on a terminal that
nobody types at, or on one that a test types at."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

from server import SLOW

LIMIT_S = 60 * SLOW


class Ran:
    """What a schedctl printed and exited with."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        """stdout, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def rows(self):
        """stdout as a table, without its headings."""
        return [line.split() for line in self.out.splitlines()[1:]]

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


def environment(more=None):
    """The environment of a schedctl, without what would change its output."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("NO_COLOR", "SCHEDCTL_"))}
    own = {"LC_ALL": "C.UTF-8", "TERM": "xterm", "XDG_CONFIG_HOME": "/nonexistent"}
    return {**env, **own, **(more or {})}


def url_of(schedd):
    """The address of a server as --server takes it."""
    return schedd.addr if schedd.addr.startswith("unix:") else f"http://{schedd.addr}"


def run(*words, stdin="", env=None, stdout=subprocess.PIPE):
    """Runs schedctl to its end."""
    done = subprocess.run(
        [os.environ["SCHEDCTL"], *words],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment(env),
        timeout=LIMIT_S,
        check=False,
    )
    assert "Sanitizer" not in done.stderr.decode("utf-8", "replace"), done.stderr
    out = (done.stdout or b"").decode("utf-8", "surrogateescape")
    return Ran(done.returncode, out, done.stderr.decode("utf-8", "surrogateescape"))


def in_terminal(words, stdin=b"", columns=80, env=None):
    """Runs schedctl with stdout and stderr on a terminal: exit code, bytes."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        [os.environ["SCHEDCTL"], *words],
        stdin=subprocess.PIPE,
        stdout=slave,
        stderr=slave,
        env=environment(env),
    ) as process:
        os.close(slave)
        feeder = threading.Thread(target=_feed, args=(process.stdin, stdin))
        feeder.start()
        out = b""
        while True:
            try:
                got = os.read(master, 65536)
            except OSError:  # the other side is closed
                break
            if not got:
                break
            out += got
        feeder.join()
        code = process.wait(LIMIT_S)
    os.close(master)
    return code, out


def _feed(pipe, data):
    try:
        with pipe:
            pipe.write(data)
    except BrokenPipeError:
        pass


def plain(out):
    """What a terminal shows, as lines without colours."""
    return re.sub(rb"\x1b\[[0-9]*m", b"", out).decode().replace("\r\n", "\n").splitlines()


class Gate:
    """Between schedctl and a server: what the server answers is held back
    while the gate is closed."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))
        self.opened = threading.Event()
        self.asked = threading.Event()  # a request went through
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(self.target)
            self._start(client, server, self.asked.set)
            self._start(server, client, self.opened.wait)

    def _start(self, source, sink, before):
        self.sockets.append(source)
        args = (source, sink, before)
        threading.Thread(target=self._pump, args=args, daemon=True).start()

    @staticmethod
    def _pump(source, sink, before):
        try:
            while data := source.recv(65536):
                before()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # either side is gone
            pass

    def cut(self):
        """Ends the connections that there are."""
        for one in self.sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is over already
                pass
        self.sockets.clear()

    def close(self):
        """Accepts nobody any more."""
        self.opened.set()
        self.listener.close()


class Terminal:
    """schedctl (or another program) with all three streams on a terminal of
    its own, as a person has it: what is typed arrives as keys, Ctrl-C as a
    signal."""

    def __init__(self, *words, columns=80, lines=24, env=None, program=None):
        self.master, slave = pty.openpty()
        self.out = b""
        self._size(slave, lines, columns)
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [program or os.environ["SCHEDCTL"], *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment(env),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    @staticmethod
    def _size(fd, lines, columns):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, lines, columns):
        """Gives the terminal another size; the program gets SIGWINCH."""
        self._size(self.master, lines, columns)

    def type(self, keys):
        """Presses keys; \x03 is Ctrl-C."""
        os.write(self.master, keys.encode())

    def read(self, limit=0.1):
        """Reads what comes within limit. False when the other side is gone."""
        if not select.select([self.master], [], [], limit)[0]:
            return True
        try:
            got = os.read(self.master, 65536)
        except OSError:
            return False
        self.out += got
        return bool(got)

    def wait_for(self, pattern, limit=20):
        """Reads until the pattern (a regular expression) was written; what
        stood up to its end is taken from out."""
        until = time.monotonic() + limit * SLOW
        while True:
            found = re.search(pattern.encode(), self.out, re.S)
            if found:
                self.out = self.out[found.end() :]
                return found
            assert time.monotonic() < until, (pattern, self.out)
            if not self.read() and not re.search(pattern.encode(), self.out, re.S):
                raise AssertionError(f"ended without {pattern}: {self.out}")

    def end(self, limit=20):
        """Waits for the end: the exit code, and all that was left to read."""
        until = time.monotonic() + limit * SLOW
        while self.read():
            assert time.monotonic() < until, self.out
        code = self.process.wait(limit * SLOW)
        os.close(self.master)
        assert b"Sanitizer" not in self.out, self.out
        return code, self.out

    def kill(self):
        """Ends it whatever it does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
