"""The settings over HTTP and by schedctl, and levels changed at run time."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from access import make_tokens
from ctl import Terminal, in_terminal, run, url_of
from server import wait_until
from test_audit import entries

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = re.findall(r"^L\((\w+),", (ROOT / "core/log.def").read_text(), re.M)
LEVELS = ("error", "warn", "info", "debug")


@pytest.fixture(name="world")
def _world(place):
    schedd = place.schedd({"log": {"level.redis": "warn"}, 'queue "mail"': {"lease": "90s"}})
    with schedd.client() as client:
        client.schedd = schedd
        yield client


def settings(client):
    """{name: setting}"""
    got = client.get_json("/v1/config")["settings"]
    found = {s["name"]: s for s in got}
    assert len(found) == len(got)
    return found


def change(client, **levels):
    """PATCH with log.NAME for each; the answer."""
    body = {f"log.{name}": level for name, level in levels.items()}
    got = client.call("PATCH", "/v1/config", body)
    assert got.status == 200, got
    return got.json["settings"]


def ticks(schedd, after):
    """Lines of the janitor's that only debug has."""
    return [line for line in schedd.lines[after:] if line.event == "janitor.tick"]


# -- looking ------------------------------------------------------------------


def test_it_is_what_print_config_says(world):
    schedd = world.schedd
    words = [w for w in schedd.command() if not w.startswith("--pdeathsig")]
    words = words[words.index(os.environ["SCHEDD"]) :] + ["--print-config"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    printed = re.findall(r"^(\S+) = (.*?)  # (.*)$", done.stdout, re.M)
    found = world.get_json("/v1/config")["settings"]
    assert [(s["name"], s["value"], s["source"]) for s in found] == printed
    assert len(found) > 80


def test_what_it_says_of_each(world):
    found = settings(world)
    rows = re.findall(
        r"^[CD]\((\w+),\s*(\w+),.*?(true|false),\s*\"", (ROOT / "core/conf.def").read_text(), re.M
    )
    assert found["http.max_body"] == {
        "name": "http.max_body",
        "value": "16MiB",
        "default": "16MiB",
        "source": "default",
        "change": "reload",
    }
    assert found["http.listen"]["source"] == "argument"
    assert found["http.listen"]["change"] == "restart"
    file = str(world.schedd.file)
    assert found["log.level.redis"]["source"].startswith(file)
    assert found["log.level.redis"]["value"] == "warn"
    assert found["queue.mail.lease"]["value"] == "90s"
    assert found["queue.mail.lease"]["source"].startswith(file)
    assert found["queue.mail.dead_age"]["source"] == "default"
    for section, key, reload in rows:
        name = f"redis.main.{key}" if section == "redis" else f"{section}.{key}"
        if name in found and name != "log.level" and not name.startswith("log.level."):
            assert found[name]["change"] == ("reload" if reload == "true" else "restart")
    now = {name for name, s in found.items() if s["change"] == "now"}
    assert now == {"log.level"} | {f"log.level.{c}" for c in COMPONENTS}


def test_secrets_are_not_in_it(place):
    redis = place.redis(password="not-to-be-seen")
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        body = client.get("/v1/config").body.decode()
    assert redis.password not in body
    assert str(redis.folder / "password") in body


# -- changing ------------------------------------------------------------------


def test_a_level_changes_at_once(world):
    schedd = world.schedd
    assert not ticks(schedd, 0)
    mark = schedd.mark()
    got = change(world, janitor="debug")
    assert got == [
        {
            "name": "log.level.janitor",
            "value": "debug",
            "default": "",
            "source": "http",
            "change": "now",
        }
    ]
    wait_until(lambda: ticks(schedd, mark), 10, "a tick")
    line = schedd.wait_log("conf.changed")
    assert line.values == {"setting": "log.janitor", "level": "debug", "by": "local"}
    assert settings(world)["log.level.janitor"]["value"] == "debug"
    # Others stay quiet.
    loud = {x.event for x in schedd.lines if x.level == "debug"}
    assert loud <= {"janitor.tick", "janitor.slice"}
    change(world, janitor=None)
    line = schedd.wait_log("conf.changed", after=schedd.lines.index(line) + 1)
    assert line.values["level"] == "-"
    mark = schedd.mark()
    schedd.reload()  # some time passes, in which it would tick
    assert not ticks(schedd, mark)
    assert settings(world)["log.level.janitor"]["source"] == "default"


def test_it_holds_until_a_reload(world):
    schedd = world.schedd
    change(world, level="error", redis="debug", access="debug")
    found = settings(world)
    assert found["log.level"]["value"] == "error" and found["log.level"]["source"] == "http"
    mark = schedd.mark()
    schedd.process.send_signal(1)
    # conf.reloaded is of level info: it is heard as the levels are back.
    schedd.wait_log("conf.reloaded", after=mark)
    found = settings(world)
    assert found["log.level"]["value"] == "info" and found["log.level"]["source"] == "default"
    assert found["log.level.redis"]["value"] == "warn"
    assert found["log.level.redis"]["source"].startswith(str(schedd.file))
    assert found["log.level.access"]["value"] == ""


@pytest.mark.log_errors("conf.refused")
def test_a_reload_that_is_refused_keeps_it(world):
    change(world, janitor="debug")
    world.schedd.settings["janitor"] = {"interval": "soon"}
    world.schedd.reload("conf.refused")
    assert settings(world)["log.level.janitor"]["value"] == "debug"


@pytest.mark.parametrize("back", [None, ""])
def test_back_to_the_settings(world, back):
    change(world, redis="debug", level="warn")
    got = {s["name"]: s for s in change(world, redis=back, level=back)}
    assert got["log.level.redis"]["value"] == "warn" and got["log.level"]["value"] == "info"
    assert got["log.level"]["source"] == "default"
    assert got["log.level.redis"]["source"].startswith(str(world.schedd.file))


def test_every_component_has_each_level(world):
    for level in LEVELS:
        got = change(world, **{c: level for c in ("level", *COMPONENTS)})
        assert [s["value"] for s in got] == [level] * (1 + len(COMPONENTS))
    change(world, **{c: None for c in ("level", *COMPONENTS)})


def test_it_is_called_as_its_setting_too(world):
    got = world.call("PATCH", "/v1/config", {"log.level.janitor": "debug"})
    assert got.json["settings"][0]["value"] == "debug"


BAD = [
    # body, name of the error, words of its detail
    ({"log.nope": "debug"}, "FIELD_UNKNOWN", ("log.nope", "log.level, log.access", "log.task")),
    ({"log.postgres": "debug"}, "FIELD_UNKNOWN", ("log.postgres", "log.janitor")),
    ({"http.listen": "x"}, "FIELD_UNKNOWN", ("http.listen", "SIGHUP")),
    ({"log.file": "/x"}, "FIELD_UNKNOWN", ("log.file",)),
    ({"log.rate": 5}, "FIELD_UNKNOWN", ("log.rate",)),
    ({"log.": "info"}, "FIELD_UNKNOWN", ("log.",)),
    ({"log.level.": "info"}, "FIELD_UNKNOWN", ("log.level.",)),
    ({"log.level.level": "info"}, "FIELD_UNKNOWN", ("log.level.level",)),
    ({"": "info"}, "FIELD_UNKNOWN", ()),
    ({"x" * 5000: "info"}, "FIELD_UNKNOWN", ()),
    ({"log.janitor": "loud"}, "FIELD_RANGE", ("log.janitor", "error, warn, info or debug")),
    ({"log.level": "INFO"}, "FIELD_RANGE", ("log.level", "error, warn, info or debug")),
    ({"log.level": "info\n"}, "FIELD_RANGE", ("log.level",)),
    ({"log.janitor": 3}, "FIELD_TYPE", ("log.janitor", "a string")),
    ({"log.janitor": ["debug"]}, "FIELD_TYPE", ("log.janitor",)),
    ({"log.janitor": True}, "FIELD_TYPE", ("log.janitor",)),
    (b'{"log.http":"info","log.http":"warn"}', "FIELD_DUPLICATE", ("log.http",)),
    (b'{"log.http":"info","log.level.http":null}', "FIELD_DUPLICATE", ("log.level.http",)),
    ({}, "FIELD_MISSING", ("at least one",)),
    ([], "FIELD_TYPE", ("an object",)),
    (b'{"log.http":', "BODY_NOT_JSON", ()),
    (b"", "BODY_NOT_JSON", ()),
    (b'{"log.http":"info"} x', "BODY_NOT_JSON", ()),
    (b'{"log.http":"\xff"}', "BODY_NOT_UTF8", ()),
]


@pytest.mark.parametrize("body, name, words", BAD)
def test_bad_changes(schedd, client, body, name, words):
    mark = schedd.mark()
    # What stands before the fault is not made either.
    if isinstance(body, dict) and body:
        body = {"log.store": "debug", **body}
    client.call("PATCH", "/v1/config", body).refused(400, name, *words)
    assert settings(client)["log.level.store"]["value"] == ""
    assert schedd.find_log("conf.changed", after=mark) is None
    assert entries(client) == []


def test_only_admins(place):
    schedd = place.schedd()
    with schedd.client() as client:
        tokens = make_tokens(client)
        for role, token in tokens.items():
            with schedd.client(token=token) as one:
                got = one.call("PATCH", "/v1/config", {"log.http": "warn"})
                look = one.get("/v1/config")
            if role == "admin":
                assert got.status == look.status == 200
            else:
                got.refused(403, "FORBIDDEN")
                look.refused(403, "FORBIDDEN")
        got = entries(client)[-1]
    assert got["action"] == "config.set" and got["who"] == "admin"
    assert got["change"] == {"log.http": "warn"}
    assert schedd.wait_log("conf.changed").values["by"] == "admin"


def test_while_redis_is_away(place):
    """When it is most wanted: the levels change, and the answer says that the
    audit trail is behind."""
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        redis.stop()
        schedd.wait_log("redis.lost")
        got = client.call("PATCH", "/v1/config", {"log.redis": "debug"})
        assert got.status in (503, 504) and "made" in got.error["detail"], got
        assert settings(client)["log.level.redis"]["value"] == "debug"
        schedd.wait_log("redis.again")
        redis.start()
        schedd.wait_ready()
        wait_until(lambda: [e["change"] for e in entries(client)], 15, "the entry")
        assert entries(client)[0]["change"] == {"log.redis": "debug"}


# -- schedctl -------------------------------------------------------------------


@pytest.fixture(name="ctl")
def _ctl(world):
    def call(*words, **options):
        return run("--server", url_of(world.schedd), *words, **options)

    return call


def test_ctl_show(world, ctl):
    """With and without its verb, and part of it."""
    got = ctl("config")
    assert got.code == 0 and got.err == "" and ctl("config", "show").out == got.out
    assert got.out.splitlines()[0].split() == ["SETTING", "VALUE", "CHANGES", "BY", "SOURCE", "DEFAULT"]
    rows = {row[0]: row[1:] for row in got.rows}
    assert set(rows) == set(settings(world))
    assert rows["http.max_body"] == ["16MiB", "reload", "default", "16MiB"]
    assert rows["log.level.janitor"] == ["-", "now", "default", "-"]
    part = ctl("config", "show", "log.level")
    assert {row[0] for row in part.rows} == {n for n in rows if n.startswith("log.level")}
    assert ctl("--json", "config").json == world.get_json("/v1/config")
    assert "SETTING" not in ctl("-q", "config").out
    got = ctl("config", "show", "nope")
    assert got.code == 1 and "'nope'" in got.err and got.out == ""


def test_ctl_get(world, ctl):
    assert ctl("config", "get", "http.max_body").out == "16MiB\n"
    assert ctl("config", "get", "log.file").out == "\n"
    assert ctl("config", "get", "queue.mail.lease").out == "90s\n"
    change(world, janitor="debug")
    for name in ("log.janitor", "log.level.janitor"):
        assert ctl("config", "get", name).out == "debug\n"
    assert ctl("config", "get", "log.level").out == "info\n"
    assert ctl("config", "get", "log.file").code == 0  # a name of its own
    got = ctl("--json", "config", "get", "log.janitor")
    assert got.json == settings(world)["log.level.janitor"]
    for name in ("nope", "log.nope", "log.", "x" * 300):
        got = ctl("config", "get", name)
        assert got.code == 1 and "there is no setting" in got.err and got.out == ""


def test_ctl_set(world, ctl):
    got = ctl("config", "set", "log.janitor", "debug")
    assert got.code == 0
    assert got.out == "log.level.janitor is debug until the next restart or reload\n"
    assert settings(world)["log.level.janitor"]["value"] == "debug"
    for back in ("default", ""):
        ctl("config", "set", "log.redis", "debug")
        got = ctl("config", "set", "log.redis", back)
        assert got.out == "log.level.redis is warn, as the settings say\n"
    got = ctl("config", "set", "log.janitor", "default")
    assert got.out == "log.level.janitor is as log.level, as the settings say\n"
    assert ctl("-q", "config", "set", "log.level", "warn").out == ""
    got = ctl("--json", "config", "set", "log.level", "info")
    assert got.json["settings"][0]["name"] == "log.level"
    for words, name in (
        (("log.janitor", "loud"), "FIELD_RANGE"),
        (("log.nope", "info"), "FIELD_UNKNOWN"),
        (("http.listen", "x"), "FIELD_UNKNOWN"),
    ):
        got = ctl("config", "set", *words)
        assert got.code == 1 and name in got.err and got.out == "", got
    assert ctl("config", "set", "log.janitor").code == 2
    assert ctl("config", "set").code == 2
    assert ctl("config", "nope").code == 2


def test_ctl_shows_in_the_audit_trail_what_was_set(ctl):
    ctl("config", "set", "log.janitor", "debug")
    assert '{"log.janitor":"debug"}' in ctl("audit", "ls").out


def test_ctl_without_a_server():
    for words in (("config",), ("config", "get", "x"), ("config", "set", "log.level", "info")):
        got = run("--server", "http://127.0.0.1:1", *words)
        assert got.code == 3 and "cannot reach" in got.err and got.out == ""


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_ctl_on_a_terminal(world, columns):
    """Coloured, as wide as the terminal, and what was changed stands out."""
    change(world, janitor="debug")
    words = ["--server", url_of(world.schedd), "config"]
    code, out = in_terminal(words, columns=columns)
    assert code == 0 and b"\x1b[" in out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.decode()).replace("\r", "").splitlines()
    assert max(len(line) for line in plain) <= columns
    assert len(plain) == 1 + len(settings(world))
    line = next(x for x in out.decode().splitlines() if x.startswith("log.level.janitor"))
    assert "\x1b[1mdebug" in line
    if columns == 200:
        assert "\x1b[33mhttp" in line
    assert b"\x1b[" not in in_terminal([*words, "--no-color"], columns=columns)[1]


def test_ctl_is_interrupted(place):
    """Ctrl-C while the server does not answer ends it at once."""
    schedd = place.schedd()
    os.kill(schedd.pid(), 19)
    terminal = Terminal("--server", url_of(schedd), "config")
    wait_until(lambda: connected(terminal.process.pid), 20, "its connection")
    terminal.type("\x03")
    code, _ = terminal.end()
    os.kill(schedd.pid(), 18)
    assert code in (130, -2)


def connected(pid):
    """Does it hold a socket?"""
    folder = Path(f"/proc/{pid}/fd")
    return any("socket:" in os.readlink(fd) for fd in folder.iterdir() if fd.is_symlink())
