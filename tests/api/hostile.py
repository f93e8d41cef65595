"""A Redis that lies: a real redis-server behind a go-between that passes every
command and reply on, one by one, but gives what it was told to as the reply to
one script."""

import hashlib
import socket
import threading
from pathlib import Path

from client import connect

LUA = Path(__file__).parent.parent.parent / "store" / "lua"


def _read_reply(stream):
    """One whole reply as bytes."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise OSError("closed")
    kind, size = line[:1], line[1:-2]
    if kind == b"$" and size != b"-1":
        return line + stream.read(int(size) + 2)
    if kind == b"*" and size != b"-1":
        return line + b"".join(_read_reply(stream) for _ in range(int(size)))
    return line


def _read_command(stream):
    """The words of one command, and it as bytes."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise OSError("closed")
    words, raw = [], line
    for _ in range(int(line[1:])):
        size = stream.readline()
        word = stream.read(int(size[1:]) + 2)
        words.append(word[:-2])
        raw += size + word
    return words, raw


class Hostile:
    """lie(script, reply): the next call of that script is not made, and reply
    is its answer. Ends in "<close>": then the connection is closed."""

    def __init__(self, redis):
        self.redis, self.stems = redis, {}
        self.told, self.lies = threading.Event(), {}
        self.path = redis.folder / "hostile.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def settings(self):
        """Those of a schedd that uses it."""
        return {'redis "main"': {"url": f"unix:{self.path}", "deadline": "400ms"}}

    def lie(self, stem, reply):
        """Sets the trap."""
        self.told.clear()
        self.lies = {stem: reply}

    def close(self):
        """Takes no further connection."""
        self.lies = {}
        self.listener.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with sock, connect(f"unix:{self.redis.socket}") as behind:
            ours, theirs = sock.makefile("rwb"), behind.makefile("rwb")
            try:
                while True:
                    words, raw = _read_command(ours)
                    lie = self.lies.pop(self._stem(words), None)
                    if lie is None:
                        theirs.write(raw)
                        theirs.flush()
                        ours.write(_read_reply(theirs))
                    else:
                        self.told.set()
                        ours.write(lie.removesuffix(b"<close>"))
                    ours.flush()
                    if lie is not None and lie.endswith(b"<close>"):
                        return
            except (OSError, ValueError):
                pass

    def _stem(self, words):
        """The name of the script that is called."""
        name = words[0].upper()
        if name == b"SCRIPT" and words[1].upper() == b"LOAD":
            about = words[2].decode().split("\n")[1]
            for path in LUA.glob("*.lua"):
                if about in path.read_text().split("\n")[:2]:
                    sha = hashlib.sha1(words[2]).hexdigest().encode()
                    self.stems[sha] = path.stem
        return self.stems.get(words[1]) if name == b"EVALSHA" else None
