"""A Postgres of the test's own: as a user that is not root, on a unix socket
and a loopback port, with fsync on."""

import atexit
import contextlib
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from redisproc import free_port
from server import SLOW, WITH_US, wait_until

# Where Debian has the programs that are not for everybody's PATH.
DEBIAN = "/usr/lib/postgresql/15/bin"
OPTIONS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "64MB",
    "max_connections": "20",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "warning",
    "autovacuum": "off",
}


def program(name):
    """The path of one of Postgres's programs."""
    found = shutil.which(name, path=f"{DEBIAN}:{os.environ['PATH']}")
    assert found, f"no {name}: install postgresql-15"
    return found


def user():
    """Who may run it: us, unless we are root."""
    return "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name


def as_user(words):
    """The words that run something as that user."""
    if os.getuid():
        return list(words)
    group = pwd.getpwnam("nobody").pw_gid
    ids = [f"--reuid={user()}", f"--regid={group}", "--clear-groups"]
    return ["setpriv", *ids, "--", *words]


@functools.cache
def pattern():
    """The folder of a new cluster, for all of this process: to copy it takes a
    tenth of the time that to make it does."""
    one = Postgres()
    atexit.register(one.stop)
    return one.make_cluster()


class Postgres:
    """A cluster with the superuser "admin" and the database "test", which
    belongs to the role "keeper". options: lines of its settings."""

    def __init__(self, **options):
        # Not below the test's folder: that is closed to other users.
        self.folder = Path(tempfile.mkdtemp(prefix="sg"))
        self.port = free_port()
        self.options = {**OPTIONS, "port": self.port, **options}
        self.process = None
        if os.getuid() == 0:
            shutil.chown(self.folder, user())
        self.folder.chmod(0o755)

    # -- life ------------------------------------------------------------

    def start(self):
        """Makes the cluster when there is none, starts it."""
        data = self.folder / "data"
        if not data.exists():
            words = ["cp", "-a", "--reflink=auto", pattern(), data]
            subprocess.run(as_user(map(str, words)), check=True, cwd="/")
        return self.spawn()

    def make_cluster(self):
        """A new one, as all begin; it is not running."""
        data = self.folder / "data"
        words = [program("initdb"), "-D", data, "-U", "admin", "-A", "trust"]
        words += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            as_user(map(str, words)), check=True, capture_output=True, cwd="/"
        )
        self.spawn()
        self.sql(
            "CREATE ROLE keeper LOGIN; CREATE DATABASE test OWNER keeper",
            database="postgres",
        )
        self.halt()
        return data

    def spawn(self):
        """Starts the server and waits until it answers."""
        words = [program("postgres"), "-D", str(self.folder / "data")]
        words += ["-k", str(self.folder)]
        for key, value in self.options.items():
            words += ["-c", f"{key}={value}"]
        with open(self.folder / "log", "ab") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                as_user([*WITH_US, *words]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        wait_until(self._answers, 30, "postgres")
        return self

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        return self.try_sql("SELECT 1", database="postgres").returncode == 0

    def pids(self):
        """The postmaster and all its children."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
        return [pid, *map(int, children.split())]

    def kill(self):
        """kill -9 of all its processes."""
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        # What is left of shared memory keeps a new start out until the last
        # backend is gone.
        time.sleep(0.05)

    def pause(self):
        """Stops all of it in its tracks."""
        for pid in self.pids():
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        """Lets it go on."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):  # its workers come and go
                os.kill(pid, signal.SIGCONT)

    def halt(self):
        """Ends it, fast but in order; it can be started again."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60 * SLOW)

    def stop(self):
        """Ends it and removes what it had."""
        if self.process and self.process.poll() is None:
            self.resume()
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- use -------------------------------------------------------------

    def conninfo(self, role="keeper", **more):
        """What schedd's postgres.main.conninfo takes."""
        values = {"host": self.folder, "port": self.port, "user": role, "dbname": "test"}
        return " ".join(f"{k}={v}" for k, v in {**values, **more}.items())

    def settings(self, channels=None, **more):
        """The settings of a schedd that uses it; channels: name -> values."""
        parts = {'postgres "main"': {"conninfo": self.conninfo(), **more}}
        for name, values in (channels or {}).items():
            parts[f'channel "{name}"'] = values
        return parts

    def try_sql(self, text, database="test", role="admin"):
        """psql with a script; what it says and how it ends."""
        words = [program("psql"), "-X", "-q", "-A", "-t", "-F", "\t"]
        words += ["-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-p", str(self.port)]
        words += ["-U", role, "-d", database, "-f", "-"]
        return subprocess.run(
            words, input=text, text=True, capture_output=True, check=False,
            timeout=120 * SLOW,
        )  # fmt: skip

    def sql(self, text, database="test", role="admin"):
        """The rows of a script that must succeed, as lists of texts."""
        done = self.try_sql(text, database, role)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def make(self, text):
        """A script of the role keeper: tables and the like."""
        return self.sql(text, role="keeper")

    def one(self, text):
        """The one value of a query."""
        ((value,),) = self.sql(text)
        return value
