"""Every C file stands as .clang-format wants it: ./dev fmt mends it."""

import re

from _common import files, finish, run


def main():
    sources = [str(f) for f in files(".c", ".h")]
    status, output = run("clang-format", "--dry-run", "-Werror", *sources)
    findings = re.findall(r"^(\S+?:\d+):\d+: error", output, re.M)
    if status != 0 and not findings:
        findings = [output.strip()]
    finish(findings, len(sources))


main()
