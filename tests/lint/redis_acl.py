"""etc/redis-acl.conf allows the commands that schedd uses and no other."""

import re

from _common import both_ways, files, finish, no_comments, text

# In a script each word in capitals is a command, wherever it stands (it may be
# chosen before it is called), or one of these that go with a command.
WORD = re.compile(r"'([A-Z]+)'")
OPTIONS = {"BYLEX", "CH", "COUNT", "LIMIT", "LT", "MINID", "REV", "WITHSCORES", "XX"}
# What the connections say themselves: the first word of each command, and the
# second one of those that are a family. SENTINEL is said to others.
IN_C = re.compile(
    r'(?:resp_add_str\([^,]+, |resp_add\([^,]+, |hello_ask\([^;"]*?, |add_words\([^,]+, )'
    r'"([A-Z]+)"(?:[,;)\s]+(?:resp_add_str\([^,]+, )?"([A-Z]+)")?'
)
# One that is written whole, for speed.
IN_TEXT = re.compile(r"\\r\\n([A-Z]{3,})\\r\\n")
FAMILIES = {"CLIENT", "CONFIG", "SCRIPT"}
SECOND = {"BYLEX", "COUNT", "GET", "LOAD", "SETNAME", "WITHSCORES"}
NOT_OURS = {"SENTINEL"}


def used():
    names = set()
    for rel in files(".lua", under=("store",)):
        words = set(WORD.findall(re.sub(r"--.*", "", text(rel))))
        names |= {word.lower() for word in words - OPTIONS}
    for rel in files(".c", under=("store",)):
        names |= {word.lower() for word in IN_TEXT.findall(no_comments(rel))}
        for first, second in IN_C.findall(no_comments(rel)):
            if first in FAMILIES:
                names.add(f"{first}|{second}".lower())
            elif first not in NOT_OURS | SECOND:
                names.add(first.lower())
    return names


def main():
    lines = [x for x in text("etc/redis-acl.conf").splitlines() if x[:1] not in "#"]
    words = lines[0].split()
    allowed = {word[1:] for word in words if word[0] == "+"}
    findings = both_ways(used(), "store/", allowed, "etc/redis-acl.conf")
    if len(lines) != 1 or "-@all" not in words or "~sched:*" not in words:
        findings.append("etc/redis-acl.conf: one user, with nothing but ours")
    rights = [word for word in words if word[0] == "+"]
    if rights != sorted(rights):
        findings.append("etc/redis-acl.conf: sort the commands")
    finish(findings, len(allowed))


main()
