"""How the release programs are built, by what is in their files."""

import os
import re
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
RELEASE = Path(os.environ["RELEASE"])


def run(*words):
    """What a program writes."""
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("name", ["schedd", "schedctl"])
def test_hardened(name):
    """Where it lies in memory, and what may be written and run there."""
    program = RELEASE / name
    text = run("readelf", "-W", "-h", "-l", "-d", "--dyn-syms", "-n", program)
    assert re.search(r"Type:\s+DYN \(Position-Independent", text)
    assert re.search(r"FLAGS_1\).*\bNOW\b.*\bPIE\b", text)
    assert re.search(r"GNU_RELRO", text)
    assert re.search(r"GNU_STACK\s+\S+ \S+ \S+ \S+ \S+ RW ", text)
    assert not re.search(r"LOAD\s.* RWE ", text)
    assert "__stack_chk_fail" in text and "__snprintf_chk" in text
    assert not re.search(r"\(R(UN)?PATH\)|\(TEXTREL\)", text)
    assert re.search(r"Build ID: [0-9a-f]{40}", text)


@pytest.mark.parametrize("name", ["schedd", "schedctl"])
def test_built_with(name):
    """What leaves no other trace: the flags of each of our own objects."""
    text = run("readelf", "--debug-dump=info", RELEASE / name)
    built = set(re.findall(r"DW_AT_producer\s+:.*?: (GNU C11.*)$", text, re.M))
    assert built
    for flags in built:
        assert "-O2" in flags and "-fstack-protector-strong" in flags
        assert "-fstack-clash-protection" in flags
        if "-march=x86-64" in flags:
            assert "-fcf-protection=return" in flags
    assert str(SOURCE) not in text


def test_fortified():
    """-D_FORTIFY_SOURCE reached each file of the programs."""
    rows = run("ninja", "-C", RELEASE, "-t", "commands", "schedd", "schedctl").splitlines()
    compiled = [row for row in rows if re.search(r" -c \S+/(core|store|http|janitor|cli)/", row)]
    assert len(compiled) > 100
    for row in compiled:
        assert "-D_FORTIFY_SOURCE=3" in row and "-O2" in row, row
