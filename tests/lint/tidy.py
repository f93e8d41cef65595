"""clang-tidy over every C file of ours that the build compiles."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _common import finish, root, run


def sources(build):
    """Our own files, the longest first: so that none is left over at the end."""
    commands = json.loads((build / "compile_commands.json").read_text())
    found = {Path(row["file"]).resolve() for row in commands}
    ours = [f for f in found if root() in f.parents and build not in f.parents]
    return sorted(ours, key=lambda f: -f.stat().st_size)


def findings_of(job):
    build, source = job
    status, output = run("clang-tidy", "--quiet", "-p", str(build), str(source))
    lines = [
        line.replace(str(root()) + "/", "")
        for line in output.splitlines()
        if " warning: " in line or " error: " in line
    ]
    if status != 0 and not lines:
        lines = [f"{source}: clang-tidy exited with {status}: {output.strip()}"]
    return lines


def main():
    build = Path(sys.argv[2]).resolve()
    jobs = [(build, source) for source in sources(build)]
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        found = {line for lines in pool.map(findings_of, jobs) for line in lines}
    finish(sorted(found), len(jobs))


main()
