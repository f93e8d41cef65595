"""The form of the log's lines, read strictly, and files of them."""

import re

# What docs/operations.md says: time, level, event, then key=value, where a
# value is bare, or in double quotes with escapes.
BARE = r'[!#-<>-\[\]-~]+'  # ASCII that can be seen, but " = \
# Nothing that breaks a line, moves a cursor, or cannot be seen.
UNSEEN = "\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
QUOTED = rf'"(?:[^"\\{UNSEEN}]|\\["\\nt]|\\x[0-9a-f]{{2}})*"'
LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?P<level>error|warn|info|debug) "
    r"(?P<event>[a-z]+\.[a-z_]+)"
    rf"(?P<pairs>(?: [a-z0-9_]+=(?:{BARE}|{QUOTED}))*)"
)
PAIR = re.compile(rf"([a-z0-9_]+)=({BARE}|{QUOTED})")


def unquoted(value):
    """The bytes that were logged, as text in Latin-1."""
    if not value.startswith('"'):
        return value
    plain = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}

    def one(match):
        word = match.group(1)
        return plain.get(word) or chr(int(word[1:], 16))

    text = value[1:-1].encode().decode("latin-1")
    return re.sub(r'\\(x[0-9a-f]{2}|["\\nt])', one, text)


class Entry:
    """One line: level, event, and its values as they were logged."""

    def __init__(self, text):
        match = LINE.fullmatch(text)
        assert match, f"not a line of the log: {text!r}"
        self.text = text
        self.level, self.event = match.group("level", "event")
        pairs = PAIR.findall(match.group("pairs"))
        self.values = {key: unquoted(value) for key, value in pairs}
        assert len(self.values) == len(pairs), text

    def __repr__(self):
        return self.text


def read(path, of=None):
    """The entries of a file, which must be whole lines; of: one event's."""
    data = path.read_bytes() if path.exists() else b""
    assert not data or data.endswith(b"\n"), data[-200:]
    found = [Entry(line) for line in data.decode().split("\n")[:-1]]
    return [e for e in found if of in (None, e.event)]
