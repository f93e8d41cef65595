"""docs/tour.md names every source file of the programs, and no other."""

import re

from _common import PRODUCT, both_ways, files, finish, text

# On the page each file, or header with its .c, stands in bold backticks.
NAMED = re.compile(r"\*\*`([^`]+)`\*\*")


def main():
    there = {str(f) for f in files(".c", ".lua", ".def", under=PRODUCT + ("pack",))}
    there |= {"schedd.c"}
    named = set(NAMED.findall(text("docs/tour.md")))
    findings = both_ways(there, "the tree", named, "docs/tour.md")
    finish(findings, len(there))


main()
