"""The small tier of ./dev chaos: one kill of each process, with the whole
load, history and checkers. And a run that must fail does fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHAOS = Path(__file__).resolve().parent / "chaos"


def chaos(*words):
    """Runs it."""
    return subprocess.run(
        [sys.executable, "-B", CHAOS, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ,
    )


@pytest.mark.parametrize("row", ["F1", "F7"])
def test_row(row):
    done = chaos("--part", "0.02", row)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    (line,) = [one for one in done.stdout.splitlines() if one.startswith(row)]
    for word in (" ops=", " lost=0 ", " extra_runs=0 ", " worst_gap=", " ok "):
        assert word in line


def test_rows_to_postgres():
    done = chaos("--part", "0.03", "G4")
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert " cuts=6 " in done.stdout and " ok " in done.stdout


def test_unknown_row():
    done = chaos("F99")
    assert done.returncode != 0 and "F99" in done.stderr
