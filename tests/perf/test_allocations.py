"""The hot path allocates nothing: requests of each kind are counted on the
release program, on its private Redis, with alloc_count.c preloaded. What it
may still allocate goes by time, not by requests.

The environment names SCHEDD and ALLOC_COUNT, the library."""

import collections
import mmap
import os
import re
import struct
import subprocess
import time
from pathlib import Path

import pytest

from hot import KINDS, Workers

# pylint: disable=wrong-import-position,import-error,wrong-import-order
from access import make_token  # noqa: E402  (hot has set the path)
from conftest import Place  # noqa: E402

CALLERS, DEPTH = 512, 8  # the file's layout, as in alloc_count.c
CALLERS_AT = 24
FILE_BYTES = CALLERS_AT + 8 * CALLERS * DEPTH
WARM, ROUNDS = 60, 200
PERIODIC = 10  # a second: sweeps and the like, however long the rounds take


class Counts:
    """The file that alloc_count.c counts in."""

    def __init__(self, path):
        path.write_bytes(bytes(FILE_BYTES))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), FILE_BYTES)

    def made(self):
        """Allocations so far."""
        return struct.unpack_from("=Q", self.map, 8)[0]

    def trace(self):
        """From now on it is noted who allocates."""
        self.map[:8] = struct.pack("=Q", 1)
        self.map[CALLERS_AT:] = bytes(FILE_BYTES - CALLERS_AT)

    def callers(self, pid):
        """Who allocated since: the innermost functions, and how often."""
        words = struct.unpack_from(f"={CALLERS * DEPTH}Q", self.map, CALLERS_AT)
        chains = [words[i : i + DEPTH] for i in range(0, len(words), DEPTH)]
        names = names_of(pid, {a for chain in chains for a in chain if a})
        texts = [" < ".join(names[a] for a in chain if a) for chain in chains if any(chain)]
        return [f"{n} {text}" for text, n in collections.Counter(texts).most_common()]


def names_of(pid, addresses):
    """{address: function} in a running program."""
    names = {}
    maps = Path(f"/proc/{pid}/maps").read_text("ascii")
    for line in re.finditer(r"^(\w+)-(\w+) \S+ (\w+) \S+ \S+ *(.*)$", maps, re.M):
        low, high, offset = (int(x, 16) for x in line.group(1, 2, 3))
        for address in (a for a in addresses if low <= a < high):
            at = hex(address - 1 - low + offset)
            words = ["addr2line", "-f", "-e", line.group(4), at]
            done = subprocess.run(words, text=True, capture_output=True, check=False)
            names[address] = done.stdout.split("\n")[0] or line.group(4)
    return {a: names.get(a, "?") for a in addresses}


@pytest.fixture(name="counted", scope="module")
def _counted():
    place = Place()
    file = place.folder / "counts"
    counts = Counts(file)
    preload = [f"LD_PRELOAD={os.environ['ALLOC_COUNT']}", f"ALLOC_COUNT_FILE={file}"]
    one = place.schedd({"janitor": {"interval": "60s"}}, prefix=["env", *preload])
    yield one, counts
    place.close()


def test_it_counts(counted):
    """What is known to allocate does."""
    schedd, counts = counted
    before = counts.made()
    assert before > 0
    Workers(schedd.addr, 1).close()
    with schedd.client() as client:
        client.get("/readyz")
    assert counts.made() > before


@pytest.mark.parametrize("connections", [1, 16])
def test_hot_path_allocates_nothing(counted, connections):
    """Neither one request at a time nor many in a turn of the loop."""
    schedd, counts = counted
    serve(schedd, counts, Workers(schedd.addr, connections))


def test_tokens_allocate_nothing(counted):
    """Nor does looking one up. Comes last: from now on one is asked for."""
    schedd, counts = counted
    with schedd.client() as client:
        token = make_token(client, "all", "admin")
    serve(schedd, counts, Workers(schedd.addr, 4, token))


def serve(schedd, counts, workers):
    """Rounds of each kind, counted."""
    connections, complaints = len(workers.socks), []
    for kind in KINDS:
        ask = getattr(workers, kind)
        for _ in range(WARM):
            ask()
        before, began = counts.made(), time.monotonic()
        counts.trace()
        for _ in range(ROUNDS):
            ask()
        made = counts.made() - before
        rounds = ROUNDS * connections
        if made > rounds / 20 + PERIODIC * (time.monotonic() - began):
            complaints.append(f"{kind}: {made} in {rounds} rounds, the last by")
            complaints += counts.callers(schedd.pid())
    workers.close()
    assert not complaints, "\n".join(complaints)
