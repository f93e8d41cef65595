"""How slow is this machine, against the one the limits were written for?"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from redisproc import Redis

# Reference: one fdatasync, one process, one round trip to Redis.
FSYNC_MS, START_MS, TRIP_MS = 0.2, 3.0, 0.4
MOST = 3.0


def median_ms(count, work):
    """The median time of work."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)[count // 2]


def fsync_ms(folder):
    """One append of 512 bytes on its way to the disk."""
    with open(folder / "sync", "ab", buffering=0) as file:

        def append():
            file.write(bytes(512))
            os.fdatasync(file.fileno())

        return median_ms(50, append)


def factor():
    """The factor, 1 to 3, and what was measured."""
    with tempfile.TemporaryDirectory(prefix="sc") as name:
        fsync = fsync_ms(Path(name))
        start = median_ms(20, lambda: subprocess.run(["true"], check=True))
        redis = Redis(Path(name) / "redis").start()
        try:
            trip = median_ms(50, lambda: redis.do("PING"))
        finally:
            redis.stop()
    worst = max(fsync / FSYNC_MS, start / START_MS, trip / TRIP_MS)
    why = f"fsync {fsync:.2f} ms, process {start:.1f} ms, Redis {trip:.2f} ms"
    return min(MOST, max(1.0, worst)), why
