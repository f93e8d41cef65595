"""Instructions per request of the hot path, held against instructions.txt.

    instructions.py build/schedd            compare: exit 1 when one grew
    instructions.py build/schedd --renew    write the file anew

(with /usr/bin/python3 -B, after ./dev build).

A release schedd runs under callgrind on its private Redis and serves a fixed
number of requests of each kind, one after the other. Only what its own
functions execute is counted, not the libraries': those choose their code by
the processor. So a figure is repeatable within 1 %; one that is 5 % above
the file fails, and one that is 5 % below asks to renew it, so that the next
growth is seen from there. Turns of the loop are no such figure: how many a
request takes depends on the time that passes. The books, of which some are
kept once a turn, count in the sum only.

The figures hold for one compiler and one kind of processor. With others
there is nothing to compare, and it says so (exit 77: skipped).
"""

import collections
import os
import re
import subprocess
import sys
from pathlib import Path

from hot import KINDS, Workers

# pylint: disable-next=wrong-import-position,import-error,wrong-import-order
from conftest import Place  # noqa: E402  (hot has set the path)

FILE = Path(__file__).with_name("instructions.txt")
ROUNDS, WARM = 200, 20
BOUND = 0.05
SMALL = 200  # parts below that are not worth a look
SKIPPED = 77

TURNS, BOOKS = "turns", "books"

# What a function belongs to, by its file; the first that fits.
PARTS = (
    ("parse", r"http/(parser|conn|req|listen|server|unescape)\b"),
    ("route", r"http/(route|routes|query|auth)\b"),
    ("scan", r"http/body|core/json_scan"),
    ("gather", r"store/(batch|wait|queue|store|script|seen|worker)\b"),
    ("wire", r"store/(resp|redis_op|redis_conn)\b"),
    ("reply", r"store/(reply|redis_link)"),
    ("answer", r"http/"),
    (TURNS, r"core/(loop|clock|log)\b"),
    (BOOKS, r"core/metrics\b"),
    ("rest", r""),
)


def part_of(path):
    """The part that a file's functions count for."""
    return next(name for name, pattern in PARTS if re.search(pattern, path))


def own_costs(dump, program):
    """{part: instructions} of the program's own functions in one dump."""
    costs = collections.Counter()
    is_own, part, is_call = False, "rest", False
    for line in dump.read_text("utf-8", "replace").splitlines():
        if line.startswith("ob="):
            is_own = line.endswith(f"/{program}")
        elif line.startswith("fl="):
            part = part_of(line)
        elif line.startswith("calls="):
            is_call = True  # the next line has what the callee cost
        elif line[:1].isdigit():
            if is_own and not is_call:
                costs[part] += int(line.split()[1])
            is_call = False
    return costs


def serve(schedd):
    """Serves all kinds, with a mark before and after the rounds of each."""
    workers = Workers(schedd.addr, 1)
    for name in KINDS:
        ask = getattr(workers, name)
        for _ in range(WARM):
            ask()
        workers.mark()
        for _ in range(ROUNDS):
            ask()
        workers.mark()
    workers.close()


def measure(program):
    """{(kind, part): instructions per round}."""
    place = Place()
    os.environ["SCHEDD"] = str(program)
    # A dump at each mark, by the function that answers it.
    os.environ["SCHEDD_WRAP"] = (
        "valgrind -q --tool=callgrind --dump-before=api_version "
        "--compress-strings=no --compress-pos=no "
        f"--callgrind-out-file={place.folder}/dump"
    )
    found = {}
    try:
        serve(place.schedd({"janitor": {"interval": "60s"}}))
        for i, name in enumerate(KINDS):
            costs = own_costs(place.folder / f"dump.{2 * i + 2}", program.name)
            found[name, "all"] = round((costs.total() - costs[TURNS]) / ROUNDS)
            for part, _ in PARTS:
                found[name, part] = round(costs[part] / ROUNDS)
    finally:
        place.close()
    return found


def built_by(program):
    """Compilers (libc's start files have one, too) and processor, as the
    program tells them."""
    words = ["readelf", "-p", ".comment", "-h", str(program)]
    text = subprocess.run(words, text=True, capture_output=True, check=True).stdout
    compilers = re.findall(r"^\s+\[\s*\w+\]\s+(.*)", text, re.M)
    machine = re.search(r"Machine:\s+(.*)", text)
    return ", ".join([*compilers, machine.group(1)])


def read_file():
    """What instructions.txt holds for, and its figures."""
    holds_for, figures = "", {}
    for line in FILE.read_text("utf-8").splitlines():
        if line.startswith("for "):
            holds_for = line[len("for ") :]
        elif line and not line.startswith("#"):
            kind, part, n = line.split()
            figures[kind, part] = int(n)
    return holds_for, figures


def write_file(builder, figures):
    """Renews instructions.txt."""
    lines = [
        "# Instructions of schedd's own functions per round of a kind of request,",
        "# by instructions.py, which also says how to renew this file.",
        f"for {builder}",
    ]
    lines += [f"{kind} {part} {n}" for (kind, part), n in figures.items()]
    FILE.write_text("\n".join(lines) + "\n", "utf-8")


def changes(known, found):
    """What changed by more than BOUND: {(kind, part): (was, is)}."""
    changed = {}
    for key, n in found.items():
        was = known.get(key, 0)
        if key[1] not in (TURNS, BOOKS) and max(n, was) >= SMALL and abs(n - was) > BOUND * was:
            changed[key] = (was, n)
    return changed


def grown(known, found):
    """Those that became more."""
    return [key for key, (was, n) in changes(known, found).items() if n > was]


def main():
    """See above; the exit code."""
    program = Path(sys.argv[1]).resolve()
    builder = built_by(program)
    renew = sys.argv[2:] == ["--renew"]
    holds_for, known = read_file() if not renew else (builder, {})
    if builder != holds_for:
        print(f"SKIPPED: {FILE.name} holds for {holds_for}; this is {builder}")
        return SKIPPED
    found = measure(program)
    for kind in dict.fromkeys(KINDS):
        print(f"{kind}: {found[kind, 'all']} instructions")
    if renew:
        write_file(builder, found)
        return 0
    if found.keys() != known.keys():
        print("the file has other kinds or parts: renew it")
        return 1
    for key, (was, n) in changes(known, found).items():
        print(f"{'GREW' if n > was else 'shrank'}: {' '.join(key)}: {was} -> {n}")
    if grown(known, found):
        print("if that is worth it, renew the file in the same commit")
        return 1
    return 0


sys.exit(main())
