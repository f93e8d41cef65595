"""What happened in a scenario: one JSON line per event, appended to a file.

An operation is invoked, and each time it was it ends as ok (2xx), fail
(refused: not done) or unknown (no answer, or 504: perhaps done). One that is
repeated until it is settled keeps its number. Fields:

    t       monotonic ns        type     invoke ok fail unknown note
    proc    who                 f        push take finish fail extend run ...
    op      its number          ids      tasks; of a take: what it brought
    status  of the answer       attempts of a take or a run, beside ids

A run is written by the worker that begins to work on what a take brought:
the ledger. Notes say what was done to the system: f "gone" with proc, a
worker that was killed or frozen.
"""

import itertools
import json
import threading
import time


class History:
    """Appended to by many threads, never changed."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "a", encoding="utf-8")
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)

    def next_op(self):
        """The number of a new operation."""
        return next(self.numbers)

    def add(self, kind, proc, what, **more):
        """One event, now. Gives its time."""
        event = {"t": time.monotonic_ns(), "type": kind, "proc": proc, "f": what}
        line = json.dumps({**event, **more}, separators=(",", ":"))
        with self.lock:
            self.file.write(line + "\n")
        return event["t"]

    def events(self):
        """All of it so far, in the order of time."""
        if not self.file.closed:
            with self.lock:
                self.file.flush()
        return read(self.path)

    def mark(self):
        """A place in it, for since()."""
        with self.lock:
            self.file.flush()
            return self.file.tell()

    def since(self, mark):
        """What was written after a mark."""
        with self.lock:
            self.file.flush()
        with open(self.path, encoding="utf-8") as file:
            file.seek(mark)
            return [json.loads(line) for line in file]

    def close(self):
        """Nothing more will be written."""
        self.file.close()


def read(path):
    """The events of a file, in the order of time."""
    with open(path, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    events.sort(key=lambda event: event["t"])
    return events
