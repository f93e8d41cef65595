"""The arrows between the folders, and each third-party API in its place."""

import re

from _common import PRODUCT, files, finish, no_comments, root

# What a folder may include of ours: prefixes, or one whole header.
ARROWS = {
    "core": ("core/",),
    "store": ("core/", "store/"),
    "http": ("core/", "http/", "store/store.h"),
    "janitor": ("core/", "janitor/", "store/store.h"),
    "relay": ("core/", "relay/", "store/store.h"),
    "cli": ("core/", "cli/"),
    "pack": ("core/", "cli/", "pack/", "schedd.def"),
}

# Where a third-party header may stand.
PLACES = {
    r"hiredis/": r"store/",
    r"libpq-fe\.h": r"store/",
    r"cjson/": r"core/json\.c",
    r"ini\.h": r"core/conf\w*\.c",
    r"curl/": r"cli/|relay/",
    r"curses\.h": r"cli/screen\.c",
    r"zlib\.h": r"cli/",
    r"event2/": r"core/loop\w*\.c|http/|relay/|store/",
    r"openssl/": r"core/(secret|seal)\.c|http/tls\.c",
    # Poisons what an arena has not handed out; the compiler's own header.
    r"sanitizer/": r"core/arena\.c",
}

SYSTEM = re.compile(r"(sys|netinet|arpa|net|linux)/\w+\.h|\w+\.h")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def ours(rel, name):
    folder = rel.parts[0]
    if not (root() / name).exists():
        yield f"{rel}: includes {name}, which does not exist"
    if folder in ARROWS and not name.startswith(ARROWS[folder]):
        yield f"{rel}: {folder} may not see {name}"


def theirs(rel, name):
    for header, place in PLACES.items():
        if re.match(header, name):
            if not re.match(place, str(rel)):
                yield f"{rel}: <{name}> belongs into {place} only"
            return
    if not SYSTEM.fullmatch(name):
        yield f"{rel}: <{name}> is of no library that we use"


def own_first(rel, includes):
    """x.c includes x.h before all else, so that every header stands alone; or
    the folder's private one, which begins with it."""
    own = rel.with_suffix(".h")
    if rel.suffix != ".c" or not (root() / own).exists():
        return
    first = includes[0][1] if includes else ""
    if first != str(own) and not first.endswith("_priv.h"):
        yield f"{rel}: the first include must be {own}"


def check(rel):
    includes = INCLUDE.findall(no_comments(rel))
    for kind, name in includes:
        yield from ours(rel, name) if kind == '"' else theirs(rel, name)
    yield from own_first(rel, includes)


def main():
    sources = files(".c", ".h", under=PRODUCT + ("pack", "schedd.c"))
    finish([f for rel in sources for f in check(rel)], len(sources))


main()
