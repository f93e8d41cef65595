"""cppcheck over the product's sources, as the build compiles them."""

import json
import sys
from pathlib import Path

from _common import PRODUCT, finish, root, run

OPTIONS = (
    "--enable=warning,performance,portability",
    "--inline-suppr",
    "--quiet",
    "--error-exitcode=1",
    "--template={file}:{line}: {id}: {message}",
    "-j2",
    # The compiler's own headers are not looked into.
    "--suppress=missingIncludeSystem",
)


def is_ours(path):
    try:
        rel = Path(path).resolve().relative_to(root())
    except ValueError:
        return False
    return rel.parts[0] in PRODUCT or str(rel) == "schedd.c"


def main():
    build = Path(sys.argv[2])
    commands = json.loads((build / "compile_commands.json").read_text())
    ours = [row for row in commands if is_ours(row["file"])]
    # Only our own sources: neither the tests nor what the build made.
    chosen = build / "cppcheck_commands.json"
    chosen.write_text(json.dumps(ours))
    status, output = run("cppcheck", f"--project={chosen}", *OPTIONS)
    findings = [line for line in output.splitlines() if line.strip()]
    if status != 0 and not findings:
        findings = [f"cppcheck exited with {status}"]
    finish(findings, len(ours))


main()
