"""The log's events against docs/operations.md, both ways: name and level; and
their components against core/log.def. What the log says of itself is in it."""

import re

from _common import PRODUCT, both_ways, files, finish, line_of, no_comments, text

CALL = re.compile(r'\blog_(error|warn|info|debug)\(\s*("?)([^",)]*)')
WRITE = re.compile(
    r'\blog_(?:write(?:_span)?|make_line)\((?:line,)?\s*([^,]+),\s*("?)([^",)]*)'
)
NAME = re.compile(r"[a-z]+\.[a-z_]+")
# A row of the page: | `event` | level | what it means |
DOC = re.compile(r"^\|\s*`([a-z]+\.[a-z_]+)`\s*\|\s*([a-z, ]+?)\s*\|", re.M)


def calls(body):
    """(place, level or None, quote, name) of every line that is logged."""
    for match in CALL.finditer(body):
        yield match.start(), match.group(1), match.group(2), match.group(3)
    for match in WRITE.finditer(body):
        level = re.match(r"LOG_(\w+)$", match.group(1).strip())
        level = level.group(1).lower() if level else None
        yield match.start(), level, match.group(2), match.group(3)


def check(rel, known):
    body = no_comments(rel)
    for place, level, quote, name in calls(body):
        where = f"{rel}:{line_of(body, place)}"
        if str(rel).startswith("core/log") and not quote:
            continue  # it passes others' events on
        if not quote or not NAME.fullmatch(name):
            yield f"{where}: an event's name is a literal, component.what"
        else:
            known.setdefault(name, set()).add(level)


def main():
    known, findings = {}, []
    sources = files(".c", under=PRODUCT + ("schedd.c",))
    for rel in sources:
        findings += check(rel, known)
    page = dict(DOC.findall(text("docs/operations.md")))
    findings += both_ways(set(known), "the code", set(page), "docs/operations.md")
    for name, levels in known.items():
        told = set(re.findall(r"\w+", page.get(name, "")))
        if name in page and None not in levels and levels != told:
            findings.append(f"{name}: {sorted(levels)} in code, {sorted(told)} on page")
    rows = set(re.findall(r"^L\((\w+),", no_comments("core/log.def"), re.M))
    used = {name.split(".")[0] for name in known}
    findings += both_ways(used, "the code's events", rows, "core/log.def")
    finish(sorted(findings), len(known))


main()
