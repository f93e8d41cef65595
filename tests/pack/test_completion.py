"""The completions, in a real bash and a real zsh on a terminal: what is typed,
and what stands there after the tab. And what schedctl says to them."""

import os
import pty
import re
import select
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
SLOW = float(os.environ.get("SLOW", "1"))
SCHEDCTL = os.environ["SCHEDCTL"]
TAB, CLEAR = "\t", "\x15"  # Ctrl-U
PROMPT = "ready> "


class Server:
    """Answers GET /v1/queues and its like with names; or never, when it
    has none."""

    def __init__(self, names):
        self.names = names
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.asked = []
        self.open = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.open.append(client)
            head = client.recv(65536).decode()
            self.asked.append(head)
            if self.names is None:
                continue
            kind = re.match(r"GET /v1/(\w+) ", head).group(1)
            rows = ",".join(f'{{"name":"{name}","x":[1]}}' for name in self.names)
            body = f'{{"{kind}":[{rows}]}}'
            client.sendall(
                f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )

    def close(self):
        """Ends it and its connections."""
        for one in (self.socket, *self.open):
            one.close()


REDIS_CONFIRM = [f"redis.main.confirm{c}" for c in ("", "_replicas", "_timeout")]
LOG_LEVELS = [f"log.level.{c}" for c in ("sentinel", "server", "store")]
NAMES = ["mail", "mail-slow", "a:b", "a:c", "video@2", "bad;name", "x$(touch no)"]


@pytest.fixture(name="server", scope="module")
def _server():
    one = Server(NAMES)
    yield one
    one.close()


# -- what schedctl says -----------------------------------------------------


def candidates(*words, server=None):
    """The candidates for the last of these words, with what they mean."""
    env = {**os.environ, "HOME": "/nonexistent"}
    env["SCHEDCTL_SERVER"] = server.url if server else "http://127.0.0.1:1"
    done = subprocess.run(
        [SCHEDCTL, "__complete", *words],
        capture_output=True,
        text=True,
        env=env,
        timeout=20 * SLOW,
        check=False,
    )
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def names(*words, server=None):
    """Those without what they mean."""
    return [name for name, _ in candidates(*words, server=server)]


def helped(*words):
    """Names in the first column of a command's help, by its headings."""
    done = subprocess.run(
        [SCHEDCTL, "help", *words], capture_output=True, text=True, check=True
    )
    blocks = re.split(r"^(\S.*):\n", done.stdout, flags=re.M)
    return dict(zip(blocks[1::2], blocks[2::2]))


def test_commands():
    """All first words, each once; then all verbs of each noun, and help."""
    found = re.findall(r"^  ((?:[a-z]+ )+)", helped()["commands"], re.M)
    told = [words.split() for words in found]
    assert len(told) > 15
    first = list(dict.fromkeys(words[0] for words in told))
    assert names("") == first
    assert names("help", "") == first
    for noun in first:
        verbs = [words[1] for words in told if words[0] == noun and len(words) > 1]
        if verbs:
            assert names(noun, "") == verbs
            assert names("help", noun, "") == verbs
            assert [noun, ", ".join(verbs)] in candidates("")
    assert names("ta") == ["task"]
    assert names("--json", "queue", "s") == [v for v in names("queue", "") if v[0] == "s"]


def test_options():
    """All options of each command, with their help, until they are given."""
    for command in ("task push", "task ls", "queue ls", "ping"):
        words = command.split()
        told = helped(*words)
        rows = told.get("options", "") + told["global options"]
        pattern = r"^  (?:-\w, )?(--[a-z-]+)(?: [A-Z]\S*)? +(.*)$"
        assert candidates(*words, "-") == [list(row) for row in re.findall(pattern, rows, re.M)]
    assert names("task", "ls", "--st") == ["--state"]
    assert names("task", "ls", "--state", "todo", "--st") == []
    assert "--finished" in names("task", "report", "q", "--finished", "1", "--fin")
    assert names("task", "ls", "--", "-") == []
    assert names("-") == [name for name in names("ping", "-")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["task", "ls", "q", "--state", "d"], ["doing", "delayed", "dead"]),
        (["task", "ls", "q", "--state=d"], ["--state=doing", "--state=delayed", "--state=dead"]),
        (["task", "rm", "q", "--state", "dead,f"], ["dead,failed", "dead,finish"]),
        (["task", "rm", "q", "--state=dead,fai"], ["--state=dead,failed"]),
        (["task", "ls", "q", "--state", "dead,f"], []),
        (["task", "push", "q", "--priority", ""], ["high", "normal", "low"]),
        (["queue", "set", "q", "max_p"], ["max_payload="]),
        (["queue", "set", "q", "lease=1h", "retry_"], ["retry_base=", "retry_max="]),
        (["token", "add", "x", "--role", "a"], ["admin"]),
        (["queue", "ls", "--sort", "do"], ["doing"]),
        (["task", "push", "q", "--delay", ""], []),
        (["config", "get", "redis.main.conf"], REDIS_CONFIRM),
        (["config", "show", "http.tls_c"], ["http.tls_cert", "http.tls_client_ca"]),
        (["config", "set", "log.level.s"], LOG_LEVELS),
        (["config", "set", "http.m"], []),
        (["config", "set", "log.level", "de"], ["debug", "default"]),
        (["errors", "E31"], [f"E{n}" for n in range(310, 320)]),
        (["errors", "QUEUE_UNK"], ["QUEUE_UNKNOWN"]),
        (["--token-file", ""], [""]),
        (["--ca=/etc/"], [""]),
        (["ping", ""], []),
        (["nonsense", ""], []),
        (["queue", "nonsense", ""], []),
        (["task", "ls", "--nonsense", ""], []),
        (["queue", "show", "q", ""], []),
    ],
)
def test_values(words, expected):
    """Words that are always the same; errors; files, which the shell knows;
    and nothing behind what is wrong."""
    assert names(*words) == expected


def test_words_are_those_of_the_help():
    """What is offered for an option is what its help speaks of: no word more,
    and no word less, of those that another help knows."""
    lines = re.findall(r"^  ((?:[a-z]+ )+)", helped()["commands"], re.M)
    seen = {}
    for words in (line.split() for line in lines):
        options = helped(*words).get("options", "")
        for name, text in re.findall(r"^  (--[a-z-]+) [A-Z]\S* +(.*)$", options, re.M):
            if name in ("--priority", "--role", "--sort", "--state"):
                seen.setdefault(name, []).append((names(*words, name, ""), text))
    assert len(seen) == 4
    for offers in seen.values():
        known = {word for offered, _ in offers for word in offered}
        for offered, text in offers:
            assert known & set(re.findall(r"[a-z]+", text)) == set(offered), text


def test_names_of_the_server(server):
    """Queues, workers, channels, relays; nothing that is no name, for it reaches a shell."""
    good = NAMES[:5]
    assert names("queue", "show", "", server=server) == good
    assert names("task", "ls", "ma", server=server) == ["mail", "mail-slow"]
    assert names("task", "take", "mail", "--worker", "v", server=server) == ["video@2"]
    assert server.asked[-1].startswith("GET /v1/workers ")
    assert names("decrypt", "vi", server=server) == ["video@2"]
    assert names("quarantine", "show", "vi", server=server) == ["video@2"]
    assert server.asked[-1].startswith("GET /v1/channels ")
    assert names("relay", "show", "vi", server=server) == ["video@2"]
    assert server.asked[-1].startswith("GET /v1/relays ")
    # As the line says, over the environment.
    assert names("--server", server.url, "queue", "show", "a:") == ["a:b", "a:c"]
    assert names("queue", "show", f"--server={server.url}", "a:b") == ["a:b"]


def test_a_server_that_is_away_or_silent():
    """Nobody waits for it longer than a second or so."""
    began = time.monotonic()
    assert names("queue", "show", "") == []
    silent = Server(None)
    assert names("queue", "show", "", server=silent) == []
    silent.close()
    assert len(silent.asked) == 1
    assert time.monotonic() - began < 5 * SLOW


# -- in the shells ----------------------------------------------------------


class Shell:
    """A shell on a terminal, without anybody's settings."""

    def __init__(self, words, set_up, folder, server):
        env = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder)}
        env |= {"TERM": "dumb", "LC_ALL": "C.UTF-8", "SCHEDCTL_SERVER": server.url}
        self.master, slave = pty.openpty()
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            cwd=folder,
            start_new_session=True,
        )
        os.close(slave)
        self.seen, self.keeps_blank = "", words[0] == "bash"
        for line in set_up:
            os.write(self.master, f"{line}\n".encode())
        os.write(self.master, f"PS1='{PROMPT[:3]}'\"{PROMPT[3:]}\"\n".encode())
        self.read_until(PROMPT)

    def read_until(self, text, limit=20.0):
        """Reads until the text was written; returns all that came before."""
        end = time.monotonic() + limit * SLOW
        while text not in self.seen:
            left = end - time.monotonic()
            assert left > 0, f"no {text!r} in {self.seen!r}"
            if select.select([self.master], [], [], left)[0]:
                self.seen += os.read(self.master, 65536).decode("utf-8", "replace")
        before, _, self.seen = self.seen.partition(text)
        return before

    def complete(self, line):
        """Types the line and a tab, and has it printed what then stands in the
        line: by a command of its own that takes it as one word."""
        os.write(self.master, f"{line}{TAB}".encode())
        os.write(self.master, b"\x01say '\x05'\n")  # at the start, at the end
        self.read_until("<")
        line = self.read_until(">")
        # zsh takes the blank back that it put behind a word.
        return line if self.keeps_blank else line.rstrip()

    def close(self):
        """Ends it."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def bash(folder, server):
    """bash, with our completion alone."""
    set_up = [
        "bind 'set show-all-if-ambiguous off'",
        "bind 'set enable-bracketed-paste off'",
        "say() { printf '%s\\n' \"<$1>\"; }",
        f"source {SOURCE}/pack/schedctl.bash",
    ]
    return Shell(["bash", "--norc", "--noprofile", "-i"], set_up, folder, server)


def zsh(folder, server):
    """zsh, with its own completion system and ours in it."""
    (folder / "functions").mkdir()
    shutil.copy(SOURCE / "pack/schedctl.zsh", folder / "functions/_schedctl")
    set_up = [
        "unsetopt zle_bracketed_paste auto_menu; bindkey -e",
        "say() { print -r -- \"<$1>\" }",
        f"fpath=({folder}/functions $fpath)",
        "autoload -U compinit; compinit -u -D",
    ]
    return Shell(["zsh", "-f", "-i"], set_up, folder, server)


@pytest.fixture(name="shell", params=[bash, zsh])
def _shell(request, tmp_path, server):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/schedctl").symlink_to(SCHEDCTL)
    (tmp_path / "tokenfile").write_text("")
    shell = request.param(tmp_path, server)
    yield shell
    shell.close()


def test_in_a_shell(shell):
    """One candidate is put into the line, of several what they share."""
    for typed, expected in [
        ("schedctl que", "schedctl queue "),
        ("schedctl task pu", "schedctl task push "),
        ("schedctl queue show vi", "schedctl queue show video@2 "),
        ("schedctl queue show ma", "schedctl queue show mail"),
        ("schedctl queue show mail-", "schedctl queue show mail-slow "),
        ("schedctl queue show a:", "schedctl queue show a:"),
        ("schedctl queue show a:b", "schedctl queue show a:b "),
        ("schedctl task ls mail --sta", "schedctl task ls mail --state "),
        ("schedctl task ls mail --state fi", "schedctl task ls mail --state finish "),
        ("schedctl task ls mail --state=fi", "schedctl task ls mail --state=finish "),
        ("schedctl --token-file tok", "schedctl --token-file tokenfile "),
        ("schedctl --token-file=tok", "schedctl --token-file=tokenfile "),
        ("schedctl errors QUEUE_UNK", "schedctl errors QUEUE_UNKNOWN "),
        ("schedctl --json que", "schedctl --json queue "),
        ("schedctl queue set mail max_pa", "schedctl queue set mail max_payload="),
        ("schedctl nonsense x", "schedctl nonsense x"),
    ]:
        if not shell.keeps_blank:
            expected = expected.rstrip()
        assert shell.complete(typed) == expected, typed
