"""No foreign host names, no paths of one machine, no secrets in the tree."""

import re

from _common import files, finish, line_of, text

HOST = re.compile(r"\b(?:https?|wss?|git|ssh)://(?:[^\s/@\"']*@)?([A-Za-z0-9.-]+\.[A-Za-z]{2,})")
# Reserved for examples, and the homes of formats that we speak.
KNOWN_HOSTS = re.compile(
    r"(?:.*\.)?(?:example(?:\.(?:com|org|net))?|invalid|test|localhost)"
    r"|spec\.openapis\.org|json-schema\.org|www\.w3\.org|prometheus\.io"
)
MACHINE_PATH = re.compile(r"(?<![\w.}/])/(?:work|root|home|Users)/\w+")
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\b(?:password|passwd|secret|token)\s*[=:]\s*[\"']?[A-Za-z0-9+/]{16,}"
)
BINARY = {".png", ".gz"}


def check(rel):
    body = text(rel)
    for match in HOST.finditer(body):
        if not KNOWN_HOSTS.fullmatch(match.group(1).lower()):
            yield f"{rel}:{line_of(body, match.start())}: host {match.group(1)}"
    for match in MACHINE_PATH.finditer(body):
        yield f"{rel}:{line_of(body, match.start())}: path {match.group(0)}"
    for match in SECRET.finditer(body):
        yield f"{rel}:{line_of(body, match.start())}: looks like a secret"


def main():
    all_files = [f for f in files() if f.suffix not in BINARY]
    finish([f for rel in all_files for f in check(rel)], len(all_files))


main()
