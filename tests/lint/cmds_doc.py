"""cli/cmds.c against docs/schedctl.md, both ways: commands and options."""

import re

from _common import both_ways, finish, no_comments, text

CMD = re.compile(
    r'^\t\{"([a-z ]+)",\s*"([^"]*)",\s*\d+,\s*\d+,\s*\w+,\s*(\w+),', re.M
)
OPTS = re.compile(r"^static const struct opt (\w+)\[\] = \{\n(.*?)^\};", re.M | re.S)
OPT = re.compile(r'\{\.name = "([a-z-]+)"(?:.*?\.value = "([^"]+)")?')
# On the page: a heading `task take QUEUE`, then rows | `--count N` | ... |
SECTION = re.compile(r"^### `([^`]+)`\n(.*?)(?=^##|\Z)", re.M | re.S)
GLOBAL = re.compile(r"^## Global options\n(.*?)(?=^##|\Z)", re.M | re.S)
ROW = re.compile(r"^\|\s*`(?:-\w, )?--([a-z-]+)(?: ([^`]+))?`", re.M)


def options(name, pattern, body):
    return {f"{name} --{o} {v}".rstrip() for o, v in pattern.findall(body)}


def table():
    body = no_comments("cli/cmds.c")
    lists = dict(OPTS.findall(body))
    known = options("any:", OPT, lists["globals"])
    for words, arguments, opts in CMD.findall(body):
        name = f"{words} {arguments}".rstrip()
        known |= {name} | options(f"{name}:", OPT, lists.get(opts, ""))
    return known


def page():
    body = text("docs/schedctl.md")
    told = options("any:", ROW, "".join(GLOBAL.findall(body)))
    for name, rest in SECTION.findall(body):
        told |= {name} | options(f"{name}:", ROW, rest)
    return told


def main():
    known = table()
    findings = both_ways(known, "cli/cmds.c", page(), "docs/schedctl.md")
    finish(findings, len(known))


main()
