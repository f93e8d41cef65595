"""store/lua: each script parses as it is embedded, says what it takes and
gives, uses no globals but Redis's own, and is short. A file that others take
in by "-- include" is a part, not a script: it has no row in scripts.def."""

import re
import subprocess

from _common import files, finish, no_comments, text

FOLDER = "store/lua/"
MOST_LINES = 120
INCLUDE = re.compile(r"^-- include ([a-z]+\.lua)\n", re.M)
# cjson is not among them: it damages numbers and empty arrays.
GLOBALS = set(
    "redis KEYS ARGV struct bit math string table ipairs pairs next pcall error "
    "select tonumber tostring type unpack".split()
)


def embedded(name):
    """The script as the build embeds it."""
    return INCLUDE.sub(lambda m: embedded(m.group(1)), text(FOLDER + name))


def head_comment(body):
    """The comment lines between the flags and the first line of code."""
    lines = []
    for line in body.splitlines()[1:]:
        if line.strip() and not line.startswith("--"):
            break
        lines.append(line)
    return "\n".join(lines).lower()


def compiled(name):
    """What luac says of it: exit code, and the listing or the error."""
    done = subprocess.run(
        ["luac5.1", "-l", "-p", "-"], input=embedded(name), text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def check_script(name):
    body = text(FOLDER + name)
    if not re.match(r"#!lua( flags=[a-z,-]+)?\n", body):
        yield f"{name}: the first line must be #!lua, with its flags"
    for word in ("keys", "argv", "reply"):
        if word not in head_comment(body):
            yield f"{name}: the comment on top does not name {word}"
    status, listing = compiled(name)
    if status != 0:
        yield f"{name}: {listing.strip()}"
    used = set(re.findall(r"[GS]ETGLOBAL\s.*; (\w+)", listing))
    yield from (f"{name}: uses the global {g}" for g in sorted(used - GLOBALS))


def check_size(name):
    lines = text(FOLDER + name).count("\n")
    if lines > MOST_LINES:
        yield f"{name}: {lines} lines, at most {MOST_LINES}"


def main():
    names = {f.name for f in files(".lua") if str(f).startswith(FOLDER)}
    parts = {p for name in names for p in INCLUDE.findall(text(FOLDER + name))}
    rows = re.findall(r"^S\(\w+,\s*(\w+),", no_comments("store/scripts.def"), re.M)
    rows = {f"{stem}.lua" for stem in rows}
    findings = [f"{n}: in scripts.def, no such file" for n in sorted(rows - names)]
    findings += [f"{n}: no row in scripts.def" for n in sorted(names - parts - rows)]
    for name in sorted(names):
        findings += check_size(name)
        if name in names - parts:
            findings += check_script(name)
        elif not text(FOLDER + name).startswith("-- "):
            findings.append(f"{name}: begins with no comment")
    finish(findings, len(names))


main()
