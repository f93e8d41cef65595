"""core/metrics.def against docs/metrics.md, both ways: name, kind, labels."""

import re

from _common import both_ways, finish, no_comments, text

ROW = re.compile(
    r'^M\((\w+),\s*"(\w+)",\s*(COUNTER|GAUGE|HISTOGRAM),\s*"([\w,]*)",\s*"([^"]+)"\)$',
    re.M,
)
# A row of the page: | `name` | kind | `label` `label` | help |
DOC = re.compile(r"^\|\s*`(\w+)`\s*\|\s*(\w+)\s*\|([^|]*)\|", re.M)

LABEL = re.compile(r"`(\w+)`")


def kind_and_labels(kind, labels):
    return kind.lower() + "{" + ",".join(sorted(labels)) + "}"


def table():
    rows = ROW.findall(no_comments("core/metrics.def"))
    return rows, {
        f"{name} {kind_and_labels(kind, filter(None, labels.split(',')))}"
        for _, name, kind, labels, _ in rows
    }


def page():
    return {
        f"{name} {kind_and_labels(kind, LABEL.findall(labels))}"
        for name, kind, labels in DOC.findall(text("docs/metrics.md"))
    }


def check_names(rows):
    for ident, name, kind, _, _ in rows:
        if (kind == "COUNTER") != name.endswith("_total"):
            yield f"{ident}: exactly counters end in _total"
        if not name.startswith(("schedd_", "process_")):
            yield f"{ident}: {name} has a foreign prefix"


def main():
    rows, known = table()
    findings = list(check_names(rows))
    if no_comments("core/metrics.def").count("M(") != len(rows):
        findings.append("core/metrics.def holds a row that is not understood")
    findings += both_ways(known, "core/metrics.def", page(), "docs/metrics.md")
    finish(findings, len(rows))


main()
