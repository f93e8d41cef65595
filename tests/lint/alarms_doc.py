"""etc/prometheus-rules.yml against docs/operations.md, both ways: each alarm
has its section, and each its link to it."""

import re

from _common import both_ways, finish, text

ALERT = re.compile(r"^ +- alert: (\w+)\n(.*?)(?=^ +- alert:|^  - name:|\Z)", re.M | re.S)
SECTION = re.compile(r"^## Alarms\n(.*?)(?=^## |\Z)", re.M | re.S)
NEEDED = ("summary:", "description:", "severity: ")


def check(name, body):
    """What an alarm must have."""
    if f"runbook: docs/operations.md#{name.lower()}\n" not in body:
        yield f"{name}: its runbook is not docs/operations.md#{name.lower()}"
    for word in NEEDED:
        if word not in body:
            yield f"{name}: has no {word}"


def main():
    alarms = ALERT.findall(text("etc/prometheus-rules.yml"))
    sections = re.findall(r"^### (\w+)$", "".join(SECTION.findall(text("docs/operations.md"))), re.M)
    names = [name for name, _ in alarms]
    findings = both_ways(
        set(names), "etc/prometheus-rules.yml", set(sections), "docs/operations.md"
    )
    if names != sections:
        findings.append("the alarms stand in another order than their sections")
    for name, body in alarms:
        findings += check(name, body)
    finish(findings, len(alarms))


main()
