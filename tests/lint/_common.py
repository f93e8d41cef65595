"""What the checks share: the files of the tree, and C without its comments.

A check is a program that gets the source folder as its first argument,
prints one line per finding and exits 1 when there is any.
"""

import re
import subprocess
import sys
from pathlib import Path

PRODUCT = ("core", "store", "http", "janitor", "relay", "cli")
SKIPPED = {".git", "build", "__pycache__", ".pytest_cache"}


def root():
    """The source folder."""
    return Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()


def files(*suffixes, under=()):
    """Files of ours with one of these suffixes, relative, sorted."""
    top = root()
    found = []
    for path in top.rglob("*"):
        rel = path.relative_to(top)
        first = rel.parts[0]
        if SKIPPED & set(rel.parts) or first.startswith("build-"):
            continue
        if under and first not in under and str(rel) not in under:
            continue
        if path.is_file() and (not suffixes or path.suffix in suffixes):
            found.append(rel)
    return sorted(found)


def text(rel):
    """The text of one file; bytes that are no UTF-8 are replaced."""
    return (root() / rel).read_text(encoding="utf-8", errors="replace")


_TOKEN = re.compile(
    r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""",
    re.S,
)


def _blank(match):
    """Keeps the line breaks (and the quotes), so that lines still count."""
    token = match.group(0)
    mark = token[0] if token[0] in "\"'" else " "
    return mark + "\n" * token.count("\n") + mark


def code(rel):
    """A C file without comments and without what strings hold."""
    return _TOKEN.sub(_blank, text(rel))


def no_comments(rel):
    """A C file without comments; strings stay."""

    def blank(match):
        token = match.group(0)
        return token if token[0] in "\"'" else _blank(match)

    return _TOKEN.sub(blank, text(rel))


def line_of(body, offset):
    """The line number of a place in a text."""
    return body.count("\n", 0, offset) + 1


def run(*argv):
    """A program's exit code and all it printed."""
    done = subprocess.run(
        argv, cwd=root(), text=True, capture_output=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def both_ways(left, left_name, right, right_name):
    """Findings for what only one of two sets holds."""
    findings = [f"{x}: in {left_name}, not in {right_name}" for x in left - right]
    findings += [f"{x}: in {right_name}, not in {left_name}" for x in right - left]
    return sorted(findings)


def finish(findings, checked):
    """Prints the findings and ends the check. Nothing looked at is a finding."""
    if checked == 0:
        findings = list(findings) + ["nothing was found to check"]
    for finding in findings:
        print(finding)
    print(f"{checked} checked, {len(findings)} findings")
    sys.exit(1 if findings else 0)
