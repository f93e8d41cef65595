"""Calls that are banned everywhere, and calls that have one place."""

import re

from _common import PRODUCT, code, files, finish, line_of

EVERYWHERE = (
    "strcpy strcat sprintf vsprintf strtok gets atoi atol atoll strncpy "
    "localtime gmtime system popen alloca rand srand"
).split()

# Pattern of a call, and where it may stand; tests may look anywhere.
PLACES = (
    (r"(?:malloc|calloc|realloc|strdup|strndup|asprintf)", r"core/"),
    (r"cJSON_\w+", r"core/json\.c"),
    (r"redis(?:Async\w*|Connect\w*|Command\w*|Reader\w*)", r"store/"),
    (r"bufferevent_\w+", r"http/"),
    (r"evbuffer_\w+", r"http/"),
    (r"PQ[a-z]\w+", r"store/"),
    (r"curl_\w+", r"cli/|relay/"),
)


def calls(body, pattern):
    for match in re.finditer(rf"(?<![\w.>])({pattern})\s*\(", body):
        yield line_of(body, match.start()), match.group(1)


def check(rel):
    body = code(rel)
    for line, name in calls(body, "|".join(EVERYWHERE)):
        yield f"{rel}:{line}: {name} is banned"
    if rel.parts[0] not in PRODUCT and str(rel) != "schedd.c":
        return
    for pattern, place in PLACES:
        if re.match(place, str(rel)):
            continue
        for line, name in calls(body, pattern):
            yield f"{rel}:{line}: {name} belongs into {place} only"


def main():
    sources = files(".c", ".h")
    finish([f for rel in sources for f in check(rel)], len(sources))


main()
