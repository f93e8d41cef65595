"""Where schedctl takes its own settings from: option, environment, file."""

import os

import pytest

from ctl import in_terminal, run, url_of
from redisproc import free_port


@pytest.fixture(name="home")
def _home(place):
    """A home folder; write() puts a settings file into it."""
    return Home(place.new_folder())


class Home:
    """A folder with .config/schedctl.conf."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / ".config" / "schedctl.conf"
        self.file.parent.mkdir(parents=True)

    def write(self, *lines):
        """The file's lines."""
        self.file.write_text("".join(f"{line}\n" for line in lines))
        return self

    @property
    def env(self):
        """An environment in which it is the home folder."""
        return {"HOME": str(self.folder), "XDG_CONFIG_HOME": ""}

    def run(self, *words, **env):
        """schedctl at home."""
        return run(*words, env={**self.env, **env})


def nowhere():
    """A server that is none."""
    return f"http://127.0.0.1:{free_port()}"


def test_order(home, schedd):
    """The option wins over the environment, that over the file."""
    url = url_of(schedd)
    home.write(f"server = {url}")
    assert home.run("ping").code == 0
    lost = nowhere()
    home.write(f"server = {lost}")
    got = home.run("ping")
    assert got.code == 3 and f"cannot reach {lost}" in got.err
    assert home.run("ping", SCHEDCTL_SERVER=url).code == 0
    assert home.run("ping", "--server", url).code == 0
    assert home.run("ping", SCHEDCTL_SERVER=nowhere()).code == 3
    assert home.run("ping", "--server", url, SCHEDCTL_SERVER=nowhere()).code == 0
    # What is empty is as if it were not there.
    home.write(f"server = {url}", "timeout =", "ca=")
    assert home.run("ping", SCHEDCTL_SERVER="").code == 0


def test_where_the_file_is(home, schedd):
    home.write(f"server = {url_of(schedd)}")
    config = {"XDG_CONFIG_HOME": str(home.file.parent), "HOME": "/nonexistent"}
    assert run("ping", env=config).code == 0
    # Relative ones are none, by that standard; then it is that of HOME.
    assert home.run("ping", XDG_CONFIG_HOME=".config").code == 0
    # No file is fine, and so is no home.
    words = ("--server", url_of(schedd), "ping")
    assert run(*words, env={"XDG_CONFIG_HOME": "/nonexistent"}).code == 0
    assert run(*words, env={"XDG_CONFIG_HOME": "", "HOME": ""}).code == 0
    assert run(*words, env={"XDG_CONFIG_HOME": "/" + "x" * 5000}).code == 0


def test_every_setting(home, schedd):
    """A file with each of them, comments, and blanks."""
    token = home.folder / "token"
    token.write_text("schedd_x\n")
    token.chmod(0o600)
    home.write(
        "# of this machine",
        "",
        f"  server =   {url_of(schedd)}  ",
        "; more",
        "json=yes",
        "quiet = yes",
        "no-color = yes",
        "timeout = 2s\r",
        "token-file = ~/token",
        "ca = ~/token",
        "cert = ~/token",
    )
    got = home.run("ping")
    assert got.code == 0 and got.json["ready"] is True
    home.write(f"server = {url_of(schedd)}", "json = yes", "token-file = ~/none")
    got = home.run("ping")
    assert got.code == 2 and f"{home.folder}/none" in got.err


def test_flags(home, schedd, queue):
    """json, quiet and no-color, on and off again."""
    queue.push("a")
    home.write(f"server = {url_of(schedd)}", "json = yes", "quiet = yes")
    assert home.run("queue", "show", queue.name).json["name"] == queue.name
    plain = home.run("task", "ls", queue.name, SCHEDCTL_JSON="no")
    assert plain.code == 0 and plain.out.startswith("a ")
    full = home.run("task", "ls", queue.name, SCHEDCTL_JSON="no", SCHEDCTL_QUIET="no")
    assert full.out.startswith("ID ")
    words = ["--server", url_of(schedd), "task", "ls", queue.name]
    home.write("no-color = yes")
    assert b"\x1b[" not in in_terminal(words, env=home.env)[1]
    home.write("no-color = no")
    assert b"\x1b[" in in_terminal(words, env=home.env)[1]
    assert b"\x1b[" not in in_terminal(words, env={**home.env, "NO_COLOR": "1"})[1]


@pytest.mark.parametrize(
    "lines, where, said",
    [
        (["servr = x"], 1, "'servr': there is no such setting; expected one of ca, cert, "),
        (["", "# x", "yes = yes"], 3, "'yes': there is no such setting"),
        (["server"], 1, "'server': expected name = value"),
        (["[schedctl]"], 1, "'[schedctl]': expected name = value"),
        (["json = true"], 1, "'json': expected yes or no, not 'true'"),
        (["timeout = soon"], 1, "'timeout': expected seconds, or such as 500ms or 2m, not 'soon'"),
        (["timeout = 0"], 1, "'timeout': expected seconds"),
        (["ca = ca.pem"], 1, "'ca': expected a path that begins with / or ~/"),
        (["json = no", "json = no"], 2, "'json': it stands twice, first in line 1"),
        (["a\x1b[2Jb = 1"], 1, "'a\\x1b[2Jb': there is no such setting"),
        (["server = x\0y"], 1, "expected name = value"),
        (["x" * 5000 + " = 1"], 1, "there is no such setting"),
    ],
)
def test_bad_file(home, lines, where, said):
    """What is wrong in the file is named by its line; nothing is sent."""
    home.write(*lines)
    got = home.run("ping")
    assert got.code == 2 and got.out == ""
    assert got.err.startswith(f"schedctl: {home.file}:{where}: "), got.err
    assert said in got.err


def test_bad_values():
    """Of variables and options, too."""
    got = run("ping", env={"SCHEDCTL_TIMEOUT": "soon"})
    assert got.code == 2 and "SCHEDCTL_TIMEOUT 'soon': expected seconds" in got.err
    got = run("ping", env={"SCHEDCTL_JSON": "1"})
    assert got.code == 2 and "SCHEDCTL_JSON '1': expected yes or no" in got.err
    got = run("ping", "--timeout", "-1")
    assert got.code == 2 and "--timeout '-1': expected seconds" in got.err


def test_unreadable_file(home):
    home.file.mkdir()
    got = home.run("ping")
    assert got.code == 2 and f"cannot read {home.file}: Is a directory" in got.err
    home.file.rmdir()
    home.file.write_bytes(b"#" * 70000)
    got = home.run("ping")
    assert got.code == 2 and "it has more than 64 KiB" in got.err
    if os.geteuid() != 0:
        home.write("json = yes")
        home.file.chmod(0)
        got = home.run("ping")
        assert got.code == 2 and "Permission denied" in got.err
