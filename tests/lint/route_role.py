"""A route that declares no role, or no scope, does not compile."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from _common import finish, root, text

ROW = re.compile(r"^\t\{METHOD_POST,.*?\},$", re.M)


def command():
    """How the build compiles http/routes.c, without its output."""
    build = Path(sys.argv[2]).resolve()
    rows = json.loads((build / "compile_commands.json").read_text())
    row = next(r for r in rows if r["file"].endswith("/http/routes.c"))
    words = shlex.split(row["command"])
    at = words.index("-o")
    words = [w for w in words[:at] + words[at + 2 :] if w not in ("-c", row["file"])]
    return [w for w in words if not w.endswith("ccache")], row["directory"]


def compiles(body):
    words, folder = command()
    done = subprocess.run(
        [*words, "-fsyntax-only", "-I", str(root()), "-x", "c", "-"],
        input=body, text=True, capture_output=True, check=False, cwd=folder,
    )  # fmt: skip
    return done.returncode == 0


def main():
    body = text("http/routes.c")
    row = ROW.search(body).group(0)
    without = {
        "as it is": body,
        "a role": body.replace(row, re.sub(r" ROLE_\w+,", "", row)),
        "a scope": body.replace(row, re.sub(r" SCOPE_\w+,", "", row)),
        "both": body.replace(row, re.sub(r" (ROLE|SCOPE)_\w+,", "", row)),
    }
    findings = []
    for what, changed in without.items():
        if compiles(changed) != (changed == body):
            findings.append(f"http/routes.c, a row without {what}: it compiles" if
                            changed != body else "http/routes.c does not compile")  # fmt: skip
    finish(findings, len(without))


main()
