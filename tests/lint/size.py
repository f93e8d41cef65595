"""Sizes: lists what is worth a second look, fails on the outer bounds only.

A function of more than 100 and up to 150 lines (a flat switch, a table) says
why in the comment above it, on a line with "long:".
"""

import re

from _common import code, files, finish, text

LOOK, BOUND, MARKED = 60, 100, 150
FILE_LOOK = {".c": 600, ".h": 150}
FILE_BOUND = {".c": 900, ".h": 300}

NAME = re.compile(r"^[a-z_]\w*\(")


def functions(rel):
    """(name, first line, lines) of each definition: by the house style, its
    name and both its braces stand in the first column."""
    name, start, opened = None, 0, False
    for number, line in enumerate(code(rel).splitlines(), 1):
        if NAME.match(line):
            name, start, opened = line.split("(")[0], number, False
        elif line == "{":
            opened = name is not None
        elif line.startswith("}") and opened:
            yield name, start, number - start + 1
            name, opened = None, False


def is_marked(rel, start):
    above = text(rel).splitlines()[max(0, start - 10) : start - 1]
    return any("long:" in line for line in above)


def check_functions(rel):
    for name, start, lines in functions(rel):
        limit = MARKED if is_marked(rel, start) else BOUND
        if lines > limit:
            yield True, f"{rel}:{start}: {name} has {lines} lines"
        elif lines > LOOK:
            yield False, f"{rel}:{start}: {name} has {lines} lines"


def check_file(rel):
    lines = text(rel).count("\n")
    # A header of the tests holds code that several of them share.
    kind = ".c" if rel.parts[0] == "tests" else rel.suffix
    if lines > FILE_LOOK[kind]:
        yield lines > FILE_BOUND[kind], f"{rel}: {lines} lines"


def main():
    sources = files(".c", ".h")
    found = []
    for rel in sources:
        found += list(check_file(rel)) + list(check_functions(rel))
    for too_much, line in found:
        if not too_much:
            print(f"look twice: {line}")
    finish([line for too_much, line in found if too_much], len(sources))


main()
