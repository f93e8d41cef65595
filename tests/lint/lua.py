"""store/lua: each script parses, says what it takes and gives, and is short."""

import re

from _common import files, finish, no_comments, run, text

MOST_LINES = 120


def head_comment(body):
    """The comment lines between the flags and the first line of code."""
    lines = []
    for line in body.splitlines()[1:]:
        if line.strip() and not line.startswith("--"):
            break
        lines.append(line)
    return "\n".join(lines)


def check(rel):
    body = text(rel)
    status, output = run("luac5.1", "-p", str(rel))
    if status != 0:
        yield output.strip()
    if not re.match(r"#!lua( flags=[a-z,-]+)?\n", body):
        yield f"{rel}: the first line must be #!lua, with its flags"
    for word in ("KEYS", "ARGV", "reply"):
        if word.lower() not in head_comment(body).lower():
            yield f"{rel}: the comment on top does not name {word}"
    if body.count("\n") > MOST_LINES:
        yield f"{rel}: {body.count(chr(10))} lines, at most {MOST_LINES}"


def main():
    scripts = [f for f in files(".lua") if str(f).startswith("store/lua/")]
    findings = [f for rel in scripts for f in check(rel)]
    table = no_comments("store/scripts.def")
    named = set(re.findall(r"^S\(\w+,\s*(\w+),", table, re.M))
    there = {rel.stem for rel in scripts}
    findings += [f"{n}: in scripts.def, no such script" for n in named - there]
    findings += [f"{n}: script in no row of scripts.def" for n in there - named]
    finish(findings, len(scripts))


main()
