"""What the tests of encrypted columns share: key files, and an independent
reader, the one of docs/encryption.md."""

import re
import secrets
import types
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/encryption.md"


def page_reader():
    """The Python of the page, as a module."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    module = types.ModuleType("reader")
    exec(compile(code, str(PAGE), "exec"), module.__dict__)  # pylint: disable=exec-used
    return module


class KeyFile:
    """A file with keys; add makes one."""

    def __init__(self, path, *ids):
        self.path, self.keys = Path(path), {}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for key_id in ids:
            self.add(key_id)

    def add(self, key_id):
        """One more key at the end."""
        self.keys[key_id] = secrets.token_hex(32)
        self.write()

    def write(self):
        """The file as the keys are."""
        self.path.write_text("".join(f"{i}:{k}\n" for i, k in self.keys.items()), "ascii")
        self.path.chmod(0o600)

    def settings(self, **more):
        """The settings of a schedd that has them."""
        return {"crypt": {"key_file": self.path, **more}}
