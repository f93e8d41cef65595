"""Feeding keeps the server busy, and not the client: the processor time that
schedctl takes for many lines, against what schedd and its Redis take for them
in the same run. On the release programs.

The environment names SCHEDD and SCHEDCTL."""

import json
import os
import resource
import subprocess
from pathlib import Path

import pytest

# pylint: disable-next=unused-import
import hot  # noqa: F401  (it sets the path)

# pylint: disable-next=wrong-import-position,import-error,wrong-import-order
from conftest import Place  # noqa: E402

LINES = 100000
SHARE_MAX = 0.5  # measured: 0.13 to 0.2, with --resume 0.2 to 0.3


def cpu_s(pid):
    """What a process used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("resumed", [False, True], ids=["plain", "resume"])
def test_share_of_the_client(tmp_path, resumed):
    place = Place()
    try:
        one = place.schedd()
        lines = tmp_path / "lines"
        with open(lines, "w", encoding="ascii") as out:
            for i in range(LINES):
                out.write(json.dumps({"to": f"user{i}@example.com", "text": "x" * 150}) + "\n")
        words = ["--server", f"http://{one.addr}", "task", "push", "q", "--file", str(lines)]
        if resumed:
            words += ["--resume", str(tmp_path / "note")]
        servers = [one.pid(), *one.children()]
        before = [cpu_s(pid) for pid in servers]
        begun = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [os.environ["SCHEDCTL"], *words], stderr=subprocess.PIPE, timeout=250, check=True
        )
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert f"queued {LINES}, exists 0, refused 0" in done.stderr.decode()
        server = sum(cpu_s(pid) - was for pid, was in zip(servers, before))
        client = ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime
        print(f"client {client:.2f} s, server {server:.2f} s: {client / server:.2f}")
        assert client < SHARE_MAX * server
    finally:
        place.close()
