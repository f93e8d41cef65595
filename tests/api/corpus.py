"""Reading the files of tests/corpus; their form is in tests/corpus/README.md."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "corpus"
NAMES = ("http", "json", "resp", "conf", "forge")

_REPEAT = re.compile(r"\{((?:[^{}]|\{[^{}]*\})+?)\*(\d+)\}")
_ESCAPE = re.compile(r"\\(r|n|t|\\|x[0-9a-f]{2})")
_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}


def expand(text):
    """The bytes that a case stands for."""
    text = _REPEAT.sub(lambda m: m[1] * int(m[2]), text)
    text = _ESCAPE.sub(lambda m: _ESCAPES.get(m[1]) or chr(int(m[1][1:], 16)), text)
    return text.encode("latin-1")


def cases(name):
    """(file:line, its fields, the last expanded to bytes) for each case."""
    text = (FOLDER / f"{name}.txt").read_text("ascii")
    for number, line in enumerate(text.splitlines(), 1):
        if line and not line.startswith("# "):
            *fields, last = line.split("\t")
            yield f"{name}.txt:{number}", *fields, expand(last)
