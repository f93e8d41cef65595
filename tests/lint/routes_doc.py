"""http/routes.c against docs/api.md, both ways: method and path."""

import re

from _common import both_ways, finish, no_comments, text

ROW = re.compile(r'\{\s*METHOD_(\w+)\s*,\s*"([^"]+)"')
# On the page each stands in backticks: `POST /v1/queues/{queue}/take`.
DOC = re.compile(r"^#.*?`(GET|POST|PUT|PATCH|DELETE) (/[^`?\s]*)", re.M)


def main():
    rows = {f"{m} {p}" for m, p in ROW.findall(no_comments("http/routes.c"))}
    page = {f"{m} {p}" for m, p in DOC.findall(text("docs/api.md"))}
    findings = both_ways(rows, "http/routes.c", page, "docs/api.md")
    finish(findings, len(rows))


main()
