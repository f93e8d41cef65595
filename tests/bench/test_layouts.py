"""bench/layouts at tiny sizes: every layout takes each task through its whole
life, and its table is complete. Not how fast."""

import re
import subprocess
from pathlib import Path

import pytest

LAYOUTS = Path(__file__).resolve().parents[2] / "bench" / "layouts"


def run(*words):
    """Its exit code and all it printed."""
    done = subprocess.run(
        ["/usr/bin/python3", "-B", *map(str, words)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout


def cells(text):
    """{row: its figures}"""
    rows = re.findall(r"^\| ([a-z+-]+) \|(.*)\|$", text, re.M)
    return {name: row.split("|") for name, row in rows}


def test_every_layout(tmp_path):
    """Replies are checked as they come, and at the end nothing is left."""
    table = tmp_path / "table.csv"
    words = (LAYOUTS / "run", "--depth", 1000, "--blocks", 1)
    status, text = run(*words, "--csv", table)
    assert status == 0, text
    shown = cells(text)
    assert {"today", "lease", "multi", "order-in-memory", "chunks"} <= set(shown)
    for name, figures in shown.items():
        assert all(float(figure) > 0 for figure in figures), name
    assert cells(run(LAYOUTS / "run", "--show", "--csv", table)[1]) == shown


def test_beyond():
    """Streams, starts and single tasks; rebuild.c counts what it read."""
    names = ("today", "payload-in-lane", "order-in-memory", "chunks")
    words = (LAYOUTS / "beyond", "--tasks", 4000, "--depth", 2000, "--rounds", 1)
    status, text = run(*words, *names)
    assert status == 0, text
    assert set(cells(text)) == set(names)


@pytest.mark.parametrize("program", ("run", "beyond"))
def test_usage(program):
    """An unknown layout is told, with exit code 2."""
    status, text = run(LAYOUTS / program, "nobody")
    assert status == 2
    assert "nobody" in text
