"""schedctl top, looked at and typed at as by a person: what stands on the
screen of a terminal, and what the terminal is like afterwards."""

import json
import os
import re
import signal
import socket
import termios
import threading

import pyte
import pytest

from ctl import LIMIT_S, Terminal, in_terminal, run, url_of
from server import SLOW, wait_until

# What ncurses draws for this one pyte understands.
ENV = {"TERM": "linux"}

SGR_COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?3[1-7](?:;[0-9;]*)?m")


class Picture(pyte.Screen):
    """In the last column pyte takes the cursor for beyond it."""

    def cursor_to_line(self, line=None):
        self.cursor.x = min(self.cursor.x, self.columns - 1)
        super().cursor_to_line(line)


class Screen:
    """A terminal that shows what a program draws."""

    def __init__(self, *words, columns=80, lines=24, env=None, program=None):
        self.terminal = Terminal(
            *words, columns=columns, lines=lines, env={**ENV, **(env or {})}, program=program
        )
        self.picture = Picture(columns, lines)
        self.stream = pyte.ByteStream(self.picture)
        self.raw = b""
        self.before = termios.tcgetattr(self.terminal.master)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.terminal.kill()

    def _feed(self):
        self.stream.feed(self.terminal.out)
        self.raw += self.terminal.out
        self.terminal.out = b""

    @property
    def lines(self):
        """What stands there."""
        return [line.rstrip() for line in self.picture.display]

    @property
    def text(self):
        """The same as one text."""
        return "\n".join(self.lines)

    def wait_for(self, test, limit=20):
        """Until the text matches (a regular expression), or test(screen) is
        true. Looked at when nothing more comes: half a picture is none."""

        def there():
            self.terminal.read(0.02)
            if self.terminal.out:
                self._feed()
                return None
            if callable(test):
                return test(self)
            return re.search(test, self.text, re.M)

        end = [False]

        def seen():
            end[0] = there()
            return end[0]

        try:
            wait_until(seen, limit)
        except AssertionError:
            raise AssertionError(f"no {test!r} in:\n{self.text}") from None
        return end[0]

    def type(self, keys):
        """Presses keys."""
        self.terminal.type(keys)

    def resize(self, lines, columns):
        """Another size."""
        self.picture.resize(lines, columns)
        self.terminal.resize(lines, columns)

    def queues(self):
        """The names in the table, from above."""
        at = next((i for i, t in enumerate(self.lines) if t.startswith("QUEUE ")), None)
        if at is None:
            return []
        names = []
        for line in self.lines[at + 1 : -2]:
            if not line:
                break
            names.append(line.split()[0])
        return names

    def selected(self):
        """The name in the row that is in reverse; None when there is none."""
        for y, line in enumerate(self.lines[1:-1], 1):
            if line and self.picture.buffer[y][0].reverse:
                return line.split()[0]
        return None

    def end(self):
        """Waits for the end: the exit code. The terminal must be as before."""
        wait_until(lambda: not self.terminal.read(0.02) or self._gone(), 20, "its end")
        after = termios.tcgetattr(self.terminal.master) if self._is_open() else None
        code, _ = self.terminal.end()
        self._feed()
        assert "Sanitizer" not in self.text, self.text
        if after is not None:
            assert after == self.before
        return code

    def _gone(self):
        return self.terminal.process.poll() is not None

    def _is_open(self):
        try:
            termios.tcgetattr(self.terminal.master)
        except termios.error:
            return False
        return True


@pytest.fixture(name="top")
def _top(schedd):
    """Starts schedctl top against the server of this file; the screens are
    ended with the test."""
    screens = []

    def start(*words, **options):
        one = Screen("--server", url_of(schedd), "top", "--interval", "100ms", *words, **options)
        screens.append(one)
        return one

    yield start
    for one in screens:
        one.terminal.kill()


@pytest.fixture(name="names", scope="module")
def _names(schedd):
    """Some queues, each with something of its own."""
    with schedd.client() as client:
        for i, name in enumerate(("mail", "thumbs", "video", "mailbox")):
            queue = client.queue(name)
            queue.push_many([f"t{k}" for k in range(10 * (i + 1))])
        client.queue("mail").patch(paused=True)
        client.queue("video").take("gpu-1", count=5)
        client.queue("thumbs").take("img-1", count=3)
        client.queue("thumbs").fail("t0", worker="img-1", retry=False)
    return ["mail", "mailbox", "thumbs", "video"]


# -- what it shows -----------------------------------------------------------


def test_the_screen(top, names):
    with top() as screen:
        screen.wait_for(r"^mail +10 .* paused$")
        assert sorted(screen.queues()) == names
        # What is in trouble stands above what is not.
        assert screen.queues().index("mail") < screen.queues().index("video")
        assert screen.lines[0].startswith("schedd 0.1.0 at http://127.0.0.1:")
        assert "1 paused" in screen.lines[1] and "4 in all" in screen.lines[1]
        screen.wait_for(r"^Tasks    92 todo  7 doing  1 dead")
        screen.wait_for(r"^Store    ready .* janitor ran 0s ago")
        screen.wait_for(r"^gpu-1 +5 ")  # there is room for the workers, too
        assert screen.lines[-1].startswith("q quit  ? help")
        assert "1-4 of 4" in screen.lines[-1]
        screen.type("q")
        assert screen.end() == 0


def test_it_goes_on(top, client, names):
    """New numbers come by themselves, and rates with them."""
    del names
    with top() as screen:
        screen.wait_for(r"^video ")
        client.queue("live").push_many([f"t{k}" for k in range(77)])
        screen.wait_for(r"^live +77 .*[1-9]")
        screen.type("s")
        client.queue("live").purge(state="todo", match="*")
        screen.wait_for(r"^live +- ")


@pytest.mark.parametrize("columns,lines", [(40, 12), (80, 24), (200, 50), (20, 3), (1, 1)])
def test_sizes(top, names, columns, lines):
    with top(columns=columns, lines=lines) as screen:
        if lines > 10:
            screen.wait_for(r"^mail +10 ")
            assert set(names) <= set(screen.queues())
            assert max(len(line) for line in screen.lines) <= columns
        else:
            screen.wait_for(lambda s: s.text.strip())
        screen.type("q")
        assert screen.end() == 0


def test_resizing(top, names):
    del names
    with top() as screen:
        screen.wait_for(r"^q quit .* 1-\d of \d$")
        screen.resize(12, 40)
        screen.wait_for(lambda s: s.lines[-1] == "q quit  ? help  p pause  / filter")
        assert "DRAINS" not in screen.text
        screen.resize(50, 200)
        screen.wait_for(r"DRAINS  TROUBLE$")
        assert screen.lines[49].startswith("q quit")
        screen.type("q")
        assert screen.end() == 0


def test_small_heights_scroll(place):
    schedd = place.schedd()
    with schedd.client() as client:
        client.queue("mail").push("a")
        for i in range(30):
            client.queue(f"many{i:02}").push("a")
    words = ["--server", url_of(schedd), "top", "--interval", "100ms"]
    with Screen(*words, lines=12) as screen:
        screen.wait_for(r"^mail ")
        screen.type("/many\r")
        screen.wait_for(r"^many00 ")
        assert len(screen.queues()) == 6, screen.text
        screen.type("j" * 9)
        screen.wait_for(lambda s: s.selected() == "many09")
        assert "many00" not in screen.queues()
        screen.type("G")
        screen.wait_for(lambda s: s.selected() == "many29")
        screen.type("\x1b[5~")  # PgUp
        screen.wait_for(lambda s: s.selected() == "many23")
        screen.type("g")
        screen.wait_for(lambda s: s.selected() == "many00")


def test_colours(top, names):
    del names
    with top() as screen:
        screen.wait_for(r"^mail +10 ")
        screen.type("G")  # so that another one is selected
        screen.wait_for(lambda s: s.selected() not in (None, "mail"))
        y = next(i for i, line in enumerate(screen.lines) if re.match("mail .*paused", line))
        at = screen.lines[y].index("paused")
        assert screen.picture.buffer[y][at].fg == "brown"  # as terminals call yellow
        assert SGR_COLOUR.search(screen.raw)
    with top("--no-color") as screen:
        screen.wait_for(r"^mail +10 ")
        assert not SGR_COLOUR.search(screen.raw)
    with top(env={"NO_COLOR": "1"}) as screen:
        screen.wait_for(r"^mail +10 ")
        assert not SGR_COLOUR.search(screen.raw)


# -- keys --------------------------------------------------------------------


def test_sorting(top, names):
    del names
    with top() as screen:
        screen.wait_for(r"^mail +10 ")
        screen.type("s")  # by name
        screen.wait_for(lambda s: s.queues() == sorted(s.queues()))
        screen.type("r")
        screen.wait_for(lambda s: s.queues() == sorted(s.queues(), reverse=True))
        screen.type("s")  # by what is to do
        screen.wait_for(lambda s: s.queues()[0] == "mailbox")
        screen.type("\x1b[C\x1b[D")  # right and left, and back where it was
        screen.wait_for(lambda s: s.queues()[0] == "mailbox")


def test_filter(top, names):
    del names
    with top() as screen:
        screen.wait_for(r"^video ")
        screen.type("/MAI")
        screen.wait_for(r"^filter: MAI_")
        screen.wait_for(lambda s: sorted(s.queues()) == ["mail", "mailbox"])
        screen.type("lb")
        screen.wait_for(lambda s: s.queues() == ["mailbox"])
        screen.type("\x7f\r")
        screen.wait_for(r"filter 'MAIl': 1-2 of 2$")
        screen.type("\x1b")
        screen.wait_for(r"^video ")


def test_help_and_lists(top, names):
    del names
    with top() as screen:
        screen.wait_for(r"^mail ")
        screen.type("?")
        screen.wait_for(r"^p +pause the selected queue, or resume it; asks first$")
        screen.wait_for(r"^OLDEST +how long the oldest of TODO has waited$")
        screen.type("x\t")
        screen.wait_for(r"^WORKER .*ADDRESS")
        screen.wait_for(r"^gpu-1 +5 ")
        assert "QUEUE " not in screen.text
        screen.type("\t")
        screen.wait_for(r"^DUTY ")
        screen.wait_for(r"^workers ")
        screen.type("\t")
        screen.wait_for(r"^QUEUE ")


def test_pausing(top, client, names):
    del names
    is_paused = lambda: client.queue("video").info()["paused"]
    with top() as screen:
        screen.wait_for(r"^video ")
        screen.type("/video\rp")
        screen.wait_for(r"^pause video\? y/n$")
        screen.type("n")
        screen.wait_for(r"^nothing was changed$")
        assert not is_paused()
        screen.type("py")
        screen.wait_for(r"^video is paused$")
        assert is_paused()
        screen.wait_for(r"^video +\d.* paused$")
        screen.type("p")
        screen.wait_for(r"^resume video\? y/n$")
        screen.type("y")
        screen.wait_for(r"^video goes on$")
        assert not is_paused()


def test_pausing_what_is_gone(top, client, schedd, names):
    """The server's error is told."""
    del client, names
    with top() as screen:
        screen.wait_for(r"^video ")
        screen.type("p")
        screen.wait_for(r"^(pause|resume) .*\? y/n$")
        os.kill(schedd.pid(), signal.SIGSTOP)
        try:
            screen.type("y")
            screen.wait_for(r"^(pausing|resuming) \w+: no answer within 1 s \(it may be done\)")
        finally:
            os.kill(schedd.pid(), signal.SIGCONT)
    # It was sent: whether it was done is another matter.
    with schedd.client() as other:
        other.queue("mail").patch(paused=True)


# -- the server away, or another one -----------------------------------------


def test_a_restart(place):
    schedd = place.schedd()
    with schedd.client() as client:
        client.queue("mail").push("a", "b", "c")
    with Screen("--server", url_of(schedd), "top", "--interval", "100ms") as screen:
        screen.wait_for(r"^mail +3 ")
        port = schedd.addr.rsplit(":", 1)[1]
        schedd.stop()
        screen.wait_for(r"^not reached for [\d.]+s: Connection refused$")
        screen.wait_for(r"^mail +3 ")  # what was known stays
        screen.type("?")  # and keys work
        screen.wait_for(r"keys and columns")
        screen.type("x")
        screen.wait_for(r"^not reached for [1-9][\d.]*s")
        schedd.args = [f"--http.listen=127.0.0.1:{port}"]
        schedd.start()
        screen.wait_for(lambda s: "not reached" not in s.text and "mail" in s.text)
        with schedd.client() as client:
            client.queue("mail").push("d")
        screen.wait_for(r"^mail +4 ")
        screen.type("q")
        assert screen.end() == 0


def test_a_server_that_hangs(top, schedd, names):
    """Keys are heeded at once, and it goes on when the server does."""
    del names
    with top() as screen:
        screen.wait_for(r"^video ")
        os.kill(schedd.pid(), signal.SIGSTOP)
        try:
            screen.wait_for(r"^not reached for [\d.]+s: no answer within 1 s$")
            screen.type("?")
            screen.wait_for(r"keys and columns", 1)
            screen.type("x")
            screen.wait_for(r"^video ", 1)
        finally:
            os.kill(schedd.pid(), signal.SIGCONT)
        screen.wait_for(lambda s: "not reached" not in s.text)
        os.kill(schedd.pid(), signal.SIGSTOP)
        try:
            screen.type("q")
            assert screen.end() == 0
        finally:
            os.kill(schedd.pid(), signal.SIGCONT)


def test_redis_hangs(place):
    """The server's own numbers go on; the workers, which Redis is asked for,
    are told of as not told."""
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        client.queue("mail").push("a", "b")
        client.queue("mail").take("w1", count=1)
    with Screen("--server", url_of(schedd), "top", "--interval", "100ms") as screen:
        screen.wait_for(r"^w1 +1 ")
        redis.pause()
        try:
            screen.type("\t")
            screen.wait_for(r"^not told: .*\S")
            screen.wait_for(r"^(takes no pushes: |Store    ready  [1-9]\d* calls under way)")
            assert "not reached" not in screen.text
        finally:
            redis.resume()
        screen.wait_for(r"^w1 +1 ", 30)


class Fake:
    """Answers each path with a fixed status and body."""

    def __init__(self, answers):
        self.answers = answers
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.sock.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            with conn:
                conn.settimeout(LIMIT_S)
                path = conn.recv(65536).decode().split(" ")[1]
                status, body = self.answers.get(path, (404, {}))
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                conn.sendall(
                    b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                    % (status, len(body))
                    + body
                )

    def close(self):
        """Stops listening."""
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.thread.join(LIMIT_S)


def a_queue(name, **more):
    """A queue as an older server tells of it."""
    counts = {s: 1 for s in ("todo", "delayed", "doing", "failed", "finish", "dead")}
    rates = {"pushed": 1, "taken": 1, "finished": 1, "failed": 0}
    return {
        "name": name,
        "paused": False,
        "counts": counts,
        "oldest_todo_s": 1,
        "rates": rates,
        **more,
    }


def test_a_hostile_server():
    """Nothing that it says is acted on by the terminal."""
    evil = "\x1b[2J\x1b]0;own\x07\u202e\x9b31m\n"
    stats = {
        "version": evil,
        "ready": False,
        "reason": evil,
        "queues": [],
        "janitor": {"d": {}},
    }
    held = [{"reason": evil, "text": evil}]
    fake = Fake(
        {
            "/v1/stats": (200, stats),
            "/v1/queues": (200, {"queues": [a_queue("a" + evil, held_up=held)]}),
            "/v1/workers": (403, {"error": {"code": 403, "name": "X", "text": evil}}),
        }
    )
    try:
        with Screen("--server", fake.url, "top", "--interval", "100ms") as screen:
            screen.wait_for(r"^takes no pushes: \\x1b\[2J")
            screen.wait_for(r"^a\\x1b")
            screen.type("p")
            screen.wait_for(r"^there is no queue to pause$")
            screen.type("\t")
            screen.wait_for(r"^not told: E403 X: \\x1b\[2J")
            fake.answers["/v1/stats"] = (500, {"error": {"code": 999, "name": "BUG", "text": evil}})
            screen.wait_for(r"^refused for [\d.]+s: E999 BUG: \\x1b\[2J")
            fake.answers["/v1/stats"] = (200, b"hello")
            screen.wait_for(r"^refused for [\d.]+s: what answers there is no schedd$")
            screen.type("q")
            assert screen.end() == 0
            for bad in (b"\x1b[2J\x1b]", b"own\x07", "\u202e".encode(), b"\xc2\x9b"):
                assert bad not in screen.raw
    finally:
        fake.close()


def test_an_older_server():
    """One without /v1/queues and the newer numbers."""
    fake = Fake({"/v1/stats": (200, {"version": "0.0.9", "ready": True, "queues": [a_queue("a")]})})
    try:
        with Screen("--server", fake.url, "top", "--interval", "100ms") as screen:
            screen.wait_for(r"^schedd 0.0.9 at ")
            screen.wait_for(r"^a +1 ")
            assert "Latency" not in screen.text and "WRK" not in screen.text
            screen.type("q")
            assert screen.end() == 0
    finally:
        fake.close()


# -- the ways out ------------------------------------------------------------


def test_ctrl_c(top, names):
    del names
    with top(env={"TERM": "xterm"}) as screen:
        screen.wait_for(lambda s: b"mailbox" in s.raw)
        screen.type("\x03")
        assert screen.end() == 0
        assert screen.raw.count(b"\x1b[?1049h") == screen.raw.count(b"\x1b[?1049l") == 1
        assert screen.raw.rindex(b"\x1b[?25h") > screen.raw.rindex(b"\x1b[?25l")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGABRT])
def test_signals(top, names, number):
    """The terminal is as it was, and whoever waits sees what ended it."""
    del names
    with top(env={"TERM": "xterm"}) as screen:
        screen.wait_for(lambda s: b"mailbox" in s.raw)
        assert b"\x1b[?1049h" in screen.raw
        screen.terminal.process.send_signal(number)
        assert screen.end() == -number
        assert b"\x1b[?1049l" in screen.raw and b"\x1b[?25h" in screen.raw


def test_stop_and_go_on(schedd, names):
    """Ctrl-Z gives the shell its terminal back, and fg goes on."""
    del names
    words = f"{os.environ['SCHEDCTL']} --server {url_of(schedd)} top --interval 100ms"
    env = {"PS1": "$ ", "HISTFILE": "", "TERM": "linux"}
    with Screen("--norc", "--noprofile", "-i", program="bash", env=env) as screen:
        screen.wait_for(r"\$$")
        screen.type("stty -a | md5sum\r")
        before = screen.wait_for(r"^([0-9a-f]{32}) ").group(1)
        screen.type(f"{words}\r")
        screen.wait_for(r"^mail +10 ")
        screen.type("\x1a")
        screen.wait_for(r"Stopped")
        screen.type("clear; stty -a | md5sum\r")
        assert screen.wait_for(r"^([0-9a-f]{32}) ").group(1) == before
        screen.type("fg\r")
        screen.wait_for(r"^mail +10 ")
        screen.type("/video\r")
        screen.wait_for(lambda s: s.queues() == ["video"])
        screen.type("q")
        screen.wait_for(r"^\$ ")
        screen.type("clear; echo it said $?; stty -a | md5sum\r")
        screen.wait_for(r"^it said 0$")
        assert screen.wait_for(r"^([0-9a-f]{32}) ").group(1) == before
        screen.type("exit\r")
        assert screen.terminal.end()[0] == 0


def test_the_terminal_goes_away(top, names):
    """Nobody is left to draw for: it ends instead of spinning."""
    del names
    with top() as screen:
        screen.wait_for(r"^mail ")
        os.close(screen.terminal.master)
        code = screen.terminal.process.wait(20 * SLOW)
        assert code in (0, -signal.SIGHUP)


# -- without a terminal ------------------------------------------------------


def test_once(schedd, names):
    """A pipe gets one table, with every column."""
    del names
    ran = run("--server", url_of(schedd), "top")
    assert ran.code == 0 and ran.err == "", ran
    assert "\x1b" not in ran.out
    lines = ran.out.splitlines()
    assert lines[0].startswith("schedd 0.1.0 at http://")
    head = next(line for line in lines if line.startswith("QUEUE"))
    assert head.split()[:4] == ["QUEUE", "TODO", "OLDEST", "DEAD"] or "DRAINS" in head
    assert any(re.match(r"mail +10 .* paused$", line) for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_once_with_keys_from_elsewhere(schedd, names):
    """A terminal to draw on, but none to type at."""
    del names
    code, out = in_terminal(["--server", url_of(schedd), "top"], columns=80)
    assert code == 0 and b"mailbox" in out
    assert all(len(line) <= 80 for line in out.decode().split("\r\n"))


def test_once_quiet_and_json(schedd, names):
    ran = run("-q", "--server", url_of(schedd), "top")
    assert ran.code == 0 and set(names) <= {line.split()[0] for line in ran.out.splitlines()}
    assert "QUEUE" not in ran.out and "schedd" not in ran.out
    ran = run("--json", "--server", url_of(schedd), "top")
    assert ran.code == 0 and ran.json["ready"] is True
    assert {q["name"] for q in ran.json["queues"]} >= set(names)


def test_a_terminal_that_cannot(top, names):
    del names
    with top(env={"TERM": "dumb"}) as screen:
        screen.wait_for(r"this terminal cannot be drawn on")
        screen.wait_for(r"^mail +10 ")
        assert screen.end() == 0


def test_refused_and_unreachable(schedd):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        gone = sock.getsockname()[1]
    ran = run("--server", f"http://127.0.0.1:{gone}", "top")
    assert ran.code == 3 and "cannot reach" in ran.err, ran
    code, out = in_terminal(["--server", f"http://127.0.0.1:{gone}", "top"])
    assert code == 3 and b"\x1b[?1049" not in out
    for bad in ("0", "50ms", "2h", "x", "-1"):
        ran = run("--server", url_of(schedd), "top", f"--interval={bad}")
        assert ran.code == 2 and "--interval" in ran.err and "100ms to 1h" in ran.err, ran
    fake = Fake({"/v1/stats": (200, b"hello")})
    try:
        ran = run("--server", fake.url, "top")
        assert ran.code == 3 and "E9" in ran.err, ran
    finally:
        fake.close()
