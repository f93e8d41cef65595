"""The requests of the hot path, for the tests that count what they cost."""

import itertools
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

# pylint: disable-next=wrong-import-position,import-error
from client import connect  # noqa: E402

BATCH = 50
_ids = itertools.count(10**9)


def _tasks(n):
    """New ones, all of one size."""
    return [{"id": f"t{next(_ids)}", "payload": "x" * 200} for _ in range(n)]


class Workers:
    """Keep-alive connections, a worker each. All ask before the first is
    answered, so that one turn of the loop has many requests; whatever is
    answered must be whole."""

    def __init__(self, addr, count, token=None):
        self.token = f"Authorization: Bearer {token}\r\n" if token else ""
        self.socks = [connect(addr) for _ in range(count)]
        self.files = [sock.makefile("rb") for sock in self.socks]
        self.held = [[] for _ in self.socks]

    def close(self):
        """Leaves."""
        for one in self.files + self.socks:
            one.close()

    @staticmethod
    def _answer(file):
        status, length = file.readline(), 0
        assert status.startswith(b"HTTP/1.1 20"), status
        while (line := file.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return json.loads(file.read(length))

    def _ask(self, verb, bodies):
        for sock, body in zip(self.socks, bodies):
            text = json.dumps(body, separators=(",", ":"))
            sock.sendall(
                f"POST /v1/queues/hot/{verb} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"{self.token}Content-Type: application/json\r\n"
                f"Content-Length: {len(text)}\r\n\r\n{text}".encode()
            )
        return [self._answer(file) for file in self.files]

    def mark(self):
        """A request that belongs to none of the kinds."""
        self.socks[0].sendall(b"GET /v1/version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self._answer(self.files[0])

    def push_one(self):
        """A task alone."""
        for answer in self._ask("tasks", [_tasks(1)[0] for _ in self.socks]):
            assert answer["queued"] == 1

    def push_batch(self):
        """BATCH tasks."""
        for answer in self._ask("tasks", [{"tasks": _tasks(BATCH)} for _ in self.socks]):
            assert answer["queued"] == BATCH

    def _take(self, count, reports):
        bodies = [
            {"worker": f"w{i}", "count": count, **({"finished": ids} if reports else {})}
            for i, ids in enumerate(self.held)
        ]
        answers = self._ask("take", bodies)
        self.held = [[task["id"] for task in a["tasks"]] for a in answers]
        assert all(len(ids) == count for ids in self.held)

    def _report(self):
        bodies = [{"worker": f"w{i}", "finished": ids} for i, ids in enumerate(self.held)]
        for answer, ids in zip(self._ask("report", bodies), self.held):
            assert answer["finished"] == len(ids)
        self.held = [[] for _ in self.socks]

    def take_report_one(self):
        """A task, in two requests."""
        self._take(1, False)
        self._report()

    def turn_one(self):
        """The one before reported, and the next taken, in one request."""
        self._take(1, True)

    def take_report_batch(self):
        """BATCH tasks, in two requests."""
        self._take(BATCH, False)
        self._report()


# In this order each finds what it takes, round for round.
KINDS = (
    "push_one",
    "take_report_one",
    "push_one",
    "turn_one",
    "push_batch",
    "take_report_batch",
)
