"""The fault proxy of tests/tools as a process of ours."""

import os
import subprocess

from server import WITH_US


class Proxy:
    """Between clients and target (unix:/path or tcp:127.0.0.1:port)."""

    def __init__(self, listen, target, seed=1):
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [*WITH_US, os.environ["FAULTPROXY"], listen, target, str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        word, self.address = self.process.stdout.readline().split()
        assert word == "listening", word

    def do(self, command):
        """One command; see the head of faultproxy.c."""
        self.process.stdin.write(command + "\n")
        answer = self.process.stdout.readline().split()
        assert answer and answer[0] == "ok", f"{command}: {answer}"
        return answer[1:]

    def stop(self):
        """Ends it."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(10)
