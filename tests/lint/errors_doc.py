"""core/err.def against docs/errors.md, both ways: number, name, status, text."""

import re

from _common import both_ways, finish, no_comments, text

ROW = re.compile(r'^E\(\s*(\d+), (\w+),\s*(\d+), "([^"]+)"\)$', re.M)
# A row of the page: | E310 | `NAME` | 404 | its text | what to do |
DOC = re.compile(r"^\| E(\d{3}) \| `(\w+)` \| (\d+) \| (.*?) \| (.*?) \|$", re.M)


def main():
    rows = {
        f"E{int(number):03} {name} {status} {words}"
        for number, name, status, words in ROW.findall(no_comments("core/err.def"))
    }
    page = DOC.findall(text("docs/errors.md"))
    described = {f"E{row[0]} {row[1]} {row[2]} {row[3]}" for row in page}
    findings = both_ways(rows, "core/err.def", described, "docs/errors.md")
    findings += [f"{row[1]}: says not what to do" for row in page if len(row[4]) < 10]
    findings += [
        f"{row[1]}: stands twice" for row in page if page.count(row) > 1
    ]
    finish(findings, len(rows))


main()
