"""core/err.def: sorted, no leading zeros, no number that reads as a status."""

import re

from _common import finish, no_comments

ROW = re.compile(r'^E\(\s*(\d+),\s*(\w+),\s*(\d+),\s*"([^"]+)"\)$')
# Statuses that people would mistake an error's number for.
STATUSES = {400, 401, 402, 403, 404, 405, 409, 413, 429} | set(range(500, 505))


def check_row(number, name, status, text):
    if len(number) > 1 and number[0] == "0":
        yield f"{name}: {number} has a leading zero; the compiler reads octal"
    if int(number) in STATUSES:
        yield f"{name}: {number} reads as an HTTP status"
    if not name.isupper():
        yield f"{name}: names are upper case"
    if not 100 <= int(status) <= 599:
        yield f"{name}: {status} is no HTTP status"
    if text.endswith("."):
        yield f"{name}: texts end without a period"


def main():
    findings, rows = [], []
    for line in no_comments("core/err.def").splitlines():
        if not line.strip():
            continue
        match = ROW.match(line.strip())
        if not match:
            findings.append(f"not a row: {line.strip()}")
            continue
        rows.append(match.groups())
        findings += check_row(*match.groups())
    numbers = [int(row[0]) for row in rows]
    names = [row[1] for row in rows]
    if numbers != sorted(set(numbers)):
        findings.append("rows are not sorted by number, or one stands twice")
    findings += [f"{n}: name stands twice" for n in set(names) if names.count(n) > 1]
    finish(findings, len(rows))


main()
