"""Relative links in the documents lead to files and headings that exist."""

import re

from _common import files, finish, root, text

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def anchors(rel):
    """The anchors of a document's headings, as they are commonly made."""
    found = set()
    for heading in re.findall(r"^#+\s+(.*)$", FENCE.sub("", text(rel)), re.M):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).strip()
        found.add(plain.replace(" ", "-"))
    return found


def check(rel):
    for target in LINK.findall(FENCE.sub("", text(rel))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        full = (root() / rel.parent / path) if path else root() / rel
        if not full.exists():
            yield f"{rel}: {target} does not exist"
        elif anchor and full.suffix == ".md":
            if anchor not in anchors(full.resolve().relative_to(root())):
                yield f"{rel}: {target} has no such heading"


def main():
    pages = files(".md")
    finish([f for rel in pages for f in check(rel)], len(pages))


main()
