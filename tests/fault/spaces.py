"""Machines in namespaces: a process that holds a network and mounts of its
own, and the words that start something in there. All need the right to make
them; Space.possible says why not."""

import os
import subprocess

from server import WITH_US, wait_until

# Without root, a user namespace in which we are.
USER = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]


def run(*words):
    """A program that must succeed; its output."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}"
    return done.stdout


class Space:
    """Namespaces for mounts and network, inside those of another one."""

    def __init__(self, inside=None):
        self.inside = inside
        before = inside.words() if inside else []
        made = ["unshare", *([] if inside else USER), "--mount", "--net"]
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([*WITH_US, *before, *made, "sleep", "1000000"])
        name = f"/proc/{self.process.pid}/comm"
        wait_until(lambda: _text(name) == "sleep\n", 10, "a namespace")

    def words(self):
        """Before a command, so that it runs in here."""
        user = ["--user", "--preserve-credentials"] if USER else []
        pid = str(self.process.pid)
        return ["nsenter", "--target", pid, *user, "--mount", "--net", "--"]

    def run(self, *words):
        """A program in here that must succeed; its output."""
        return run(*self.words(), *words)

    def stop(self):
        """Ends it; what it held goes with its last process."""
        self.process.kill()
        self.process.wait()

    @staticmethod
    def possible():
        """Empty, or why there can be none here."""
        words = ["unshare", *USER, "--mount", "--net", "true"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.stderr.strip() if done.returncode else ""


def _text(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""
