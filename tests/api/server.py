"""One schedd process of our own: started, listened to, moved in time, ended."""

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path

from client import Client

# Sanitizers and valgrind make everything slower: SLOW=5 stretches each limit.
SLOW = float(os.environ.get("SLOW", "1"))

# Where schedd runs in something that makes it slow (SCHEDD_WRAP), it waits for
# its Redis in proportion, unless a test says how long.
PATIENCE = {}
if "SCHEDD_WRAP" in os.environ:
    PATIENCE['redis "main"'] = {"deadline": "30s", "connect_timeout": "30s"}

# So that nothing is left when a test is killed.
WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]

_LINE = re.compile(r"(\S+) (error|warn|info|debug) ([a-z0-9_.]+)(?: (.*))?$")
_VALUE = re.compile(r'([a-z0-9_.]+)=("(?:\\.|[^"\\])*"|\S*)')
_REPORT = re.compile(
    r"AddressSanitizer|LeakSanitizer|runtime error:|"
    r"UndefinedBehaviorSanitizer|ERROR SUMMARY: [1-9]|ASSERT|assertion"
)


def wait_until(test, limit=10.0, what="it"):
    """Polls until test() gives something true, and returns that. what: its
    name, or what gives that when the time is over."""
    end = time.monotonic() + limit * SLOW
    while True:
        got = test()
        if got:
            return got
        if time.monotonic() >= end:
            name = what() if callable(what) else what
            raise AssertionError(f"waited {limit * SLOW:g} s for {name}")
        time.sleep(0.01)


class Line:
    """One line of the log; event is None where it is none."""

    def __init__(self, text):
        self.text = text
        match = _LINE.match(text)
        self.level, self.event = match.group(2, 3) if match else (None, None)
        rest = (match.group(4) or "") if match else ""
        self.values = {
            key: value[1:-1] if value.startswith('"') else value
            for key, value in _VALUE.findall(rest)
        }

    def __repr__(self):
        return self.text


def render(settings):
    """{"janitor": {"interval": "1s"}} as the text of a settings file."""
    lines = []
    for section, values in settings.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {value}" for key, value in values.items()]
        lines.append("")
    return "\n".join(lines)


def merged(*parts):
    """Settings laid over each other, section by section."""
    out = {}
    for part in parts:
        for section, values in (part or {}).items():
            out.setdefault(section, {}).update(values)
    return out


class Schedd:
    """settings: sections of its settings file; args: words for its command
    line; prefix: words before it. Its state folder and its file are in
    folder."""

    def __init__(self, folder, settings=None, args=(), env=None, prefix=()):
        self.folder = Path(folder)
        self.file = self.folder / "schedd.conf"
        self.settings = settings or {}
        self.args, self.prefix = list(args), list(prefix)
        self.env = env or {}
        self.offset_s = 0
        self.process = None
        self.lines = []
        self.checked = 0
        self.addr = None
        self.reader = None
        self.more = threading.Condition()
        self.allowed = set()

    # -- start and end ---------------------------------------------------

    def command(self):
        """The words that start it."""
        wrap = shlex.split(os.environ.get("SCHEDD_WRAP", ""))
        words = [*WITH_US, *self.prefix, *wrap, os.environ["SCHEDD"], "-c", str(self.file)]
        words.append(f"--server.state_dir={self.folder / 'state'}")
        if not any(w.startswith("--http.listen=") for w in self.args):
            words.append("--http.listen=127.0.0.1:0")
        return words + self.args

    def write_settings(self):
        """Writes the settings file, with the clock as it is set."""
        clock = {"debug": {"clock_offset": f"{self.offset_s}s"}}
        name = {"http": {"allowed_hosts": "x, a"}}  # of raw requests
        self.file.write_text(render(merged(name, PATIENCE, self.settings, clock)))

    def spawn(self):
        """Starts the process and waits for nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_settings()
        env = {**os.environ, **self.env}
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        self.addr = None
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=env,
        )
        self.reader = threading.Thread(
            target=self._read, args=(self.process.stderr,), daemon=True
        )
        self.reader.start()
        return self

    def start(self, ready=True):
        """Starts it, learns its address, and waits until it is ready."""
        mark = len(self.lines)
        self.spawn()
        self.addr = self.wait_log("http.listening", after=mark).values["addr"]
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        """Until /readyz says 200."""

        def ready():
            assert self.process.poll() is None, f"it ended:\n{self.tail()}"
            with self.client() as c:
                return c.get("/readyz").status == 200

        wait_until(ready, 30, f"/readyz; log:\n{self.tail()}")

    def pid(self):
        """Its process id."""
        return self.process.pid

    def cpu_s(self):
        """CPU time it used so far, in seconds."""
        text = Path(f"/proc/{self.pid()}/stat").read_text("ascii")
        fields = text.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        """Memory it uses now."""
        text = Path(f"/proc/{self.pid()}/statm").read_text("ascii")
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def is_running(self):
        """Is the process there?"""
        return self.process is not None and self.process.poll() is None

    def wait_end(self, limit=30):
        """Waits for its end and returns the exit code."""
        code = self.process.wait(limit * SLOW)
        self.reader.join(limit)
        self.process.stderr.close()
        return code

    def stop(self):
        """Ends it by SIGTERM; anything but a clean end fails the test."""
        if not self.is_running():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.wait_end()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait_end()
            raise AssertionError(f"no end on SIGTERM:\n{self.tail()}") from None
        assert code == 0, f"exit code {code}:\n{self.tail()}"

    def kill(self):
        """kill -9, as a crash would."""
        self.process.kill()
        self.wait_end()

    def children(self):
        """Process ids of its children: the private redis-server."""
        pid = self.pid()
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
        return [int(word) for word in text.split()]

    # -- its log ---------------------------------------------------------

    def _read(self, pipe):
        for raw in pipe:
            line = Line(raw.decode("utf-8", "replace").rstrip("\n"))
            with self.more:
                self.lines.append(line)
                self.more.notify_all()
        with self.more:
            self.more.notify_all()

    def tail(self, count=40):
        """The last lines of its log."""
        return "\n".join(line.text for line in self.lines[-count:])

    def mark(self):
        """A place in the log, for wait_log's after."""
        return len(self.lines)

    def find_log(self, event, after=0):
        """The first line of that event since after, or None."""
        for line in self.lines[after:]:
            if line.event == event:
                return line
        return None

    def wait_log(self, event, after=0, limit=15):
        """Waits for a line of that event."""
        end = time.monotonic() + limit * SLOW
        with self.more:
            while True:
                line = self.find_log(event, after)
                if line:
                    return line
                left = end - time.monotonic()
                gone = self.process.poll() is not None
                if left <= 0 or (gone and not self.reader.is_alive()):
                    raise AssertionError(f"no {event} in:\n{self.tail()}")
                self.more.wait(min(left, 0.1))

    def take_faults(self):
        """What the log says since the last call that fails a test: lines of
        level error that nobody allowed, reports of sanitizers."""
        lines = self.lines[self.checked :]
        self.checked += len(lines)
        return [
            line.text
            for line in lines
            if (line.level == "error" and line.event not in self.allowed)
            or (line.level is None and _REPORT.search(line.text))
        ]

    # -- settings and time -----------------------------------------------

    def reload(self, event="conf.reloaded"):
        """SIGHUP with the settings as they are; waits for what it says."""
        self.write_settings()
        mark = self.mark()
        self.process.send_signal(signal.SIGHUP)
        return self.wait_log(event, after=mark)

    def move_clock(self, seconds):
        """Moves its clock (and that of its scripts) on."""
        self.offset_s += seconds
        self.reload()

    def now_ms(self):
        """What its clock says now, as far as we know."""
        return round((time.time() + self.offset_s) * 1000)

    # -- clients ---------------------------------------------------------

    def client(self, **options):
        """A keep-alive client."""
        return Client(self.addr, **options)
