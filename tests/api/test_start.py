"""The program: arguments, settings, failed starts, signals, drain."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest

from client import Raw
from redisproc import free_port
from server import Schedd, render, wait_until

EX_OK, EX_USAGE, EX_UNAVAILABLE, EX_OSERR = 0, 64, 69, 71
EX_CANTCREAT, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 73, 75, 77, 78


def run(*words, env=None, limit=30):
    """Runs schedd to its end: (code, stdout, stderr)."""
    done = subprocess.run(
        [os.environ["SCHEDD"], *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=limit,
        check=False,
        env={**os.environ, **(env or {})},
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def refused(result, code, name, *words):
    """Asserts a failed start: the code, and one clear line."""
    got, _, text = result
    lines = [x for x in text.splitlines() if x.startswith("schedd: ")]
    assert got == code, (got, text)
    assert len(lines) == 1, text
    assert re.match(rf"schedd: E\d\d\d {name}: ", lines[0]), lines
    for word in words:
        assert str(word) in lines[0], (word, lines[0])
    return lines[0]


@pytest.fixture(name="folder")
def _folder(place):
    folder = place.new_folder()
    folder.mkdir()
    return folder


def settings_file(folder, text):
    """A settings file with that text."""
    path = folder / "schedd.conf"
    path.write_text(text)
    return path


# -- arguments --------------------------------------------------------------


def test_version():
    code, out, err = run("--version")
    assert code == 0 and re.fullmatch(r"schedd \d+\.\d+\.\d+\n", out) and err == ""


def test_help():
    code, out, err = run("--help")
    assert code == 0 and err == ""
    words = ["-c FILE", "--accept-store", "--check", "--print-config"]
    for word in (*words, "--section.key=value"):
        assert word in out


@pytest.mark.parametrize("word", ["--nonsense", "start", "-x", "--http.listen", "-c"])
def test_usage(word):
    refused(run(word), EX_USAGE, "USAGE", word)


def test_check(folder):
    path = settings_file(folder, "[http]\nlisten = 127.0.0.1:0\n")
    code, out, err = run("-c", path, "--check")
    assert code == 0 and out != "" and err == ""
    assert not (folder / "state").exists()
    assert run("--check")[0] == 0


def test_print_config(folder):
    path = settings_file(
        folder,
        '[http]\nlisten = 127.0.0.1:7171\n[queue "mail"]\nmax_attempts = 9\n',
    )
    code, out, err = run("-c", path, "--print-config", "--worker.timeout=90s")
    assert code == 0 and err == ""
    lines = {x.split("=")[0].strip(): x for x in out.splitlines() if "=" in x}
    assert re.search(r"= 127\.0\.0\.1:7171\b.*#.*schedd\.conf:2", lines["http.listen"])
    assert re.search(r"= 90s +# argument", lines["worker.timeout"])
    assert "default" in lines["janitor.interval"]
    mail = [x for x in out.splitlines() if "mail" in x and "max_attempts" in x]
    assert len(mail) == 1 and "9" in mail[0] and "schedd.conf:4" in mail[0]


def test_arguments_win_over_the_file(folder):
    path = settings_file(folder, '[worker]\ntimeout = 5s\n[redis "main"]\ndatabase = 3\n')
    words = ["--worker.timeout=7s", "--redis.main.database=4"]
    out = run("-c", path, "--print-config", *words)[1]
    assert re.search(r"worker\.timeout *= *7s", out)
    assert re.search(r"redis\.main\.database *= *4\b", out)


# -- settings ---------------------------------------------------------------

BAD_FILES = [
    # text, name of the error, line, words
    ("[http]\n\nlisten here\n", "CONF_SYNTAX", 3, ()),
    ("[http]\n\nlisten 127.0.0.1:0\n", "CONF_UNKNOWN", 3, ("listen 127",)),
    ("listen = x\n", "CONF_SYNTAX", 1, ()),
    ("[http\nlisten = 127.0.0.1:0\n", "CONF_SYNTAX", 1, ()),
    ("[http]\nlisten = " + "x" * 300 + "\n", "CONF_SYNTAX", 2, ()),
    ("[http]\ncolour = red\n", "CONF_UNKNOWN", 2, ("colour",)),
    ("# hello\n[colours]\nred = 1\n", "CONF_UNKNOWN", None, ("colours",)),
    ('[http "x"]\nlisten = 127.0.0.1:0\n', None, 1, ()),
    ("[janitor]\nslice = 1\n\ninterval = 0\n", "CONF_VALUE", 4, ("interval",)),
    ("[janitor]\ninterval = soon\n", "CONF_VALUE", 2, ("interval", "soon")),
    ("[janitor]\nslice = -1\n", "CONF_VALUE", 2, ("slice",)),
    ("[janitor]\nslice = 1.5\n", "CONF_VALUE", 2, ("slice",)),
    ("[janitor]\nslice = 99999\n", "CONF_VALUE", 2, ("slice", "1000")),
    ("[http]\nmax_body = lots\n", "CONF_VALUE", 2, ("max_body",)),
    ("[http]\nlisten = nowhere\n", "CONF_VALUE", 2, ("listen",)),
    ("[log]\nlevel = loud\n", "CONF_VALUE", 2, ("level", "info")),
    ("[log]\naccess = maybe\n", "CONF_VALUE", 2, ("access",)),
    ('[redis "main"]\nurl = http:' + "//x\n", "CONF_VALUE", 2, ("url",)),
    ('[redis "a"]\nurl = unix:/x\n[redis "b"]\nurl = unix:/x\n', "CONF_VALUE", 4, ("url",)),
    ('[queue "a b"]\nmax_tasks = 1\n', None, 1, ()),
    ('[queue "a"]\nmax_tasks = 0\n', "CONF_VALUE", 2, ("max_tasks",)),
    ('[queue "a"]\nbackend = moon\n', "CONF_VALUE", 2, ("backend",)),
    ("[http]\nidle_timeout = 5s\nidle_timeout = 6s\n", None, 3, ("idle_timeout",)),
]


@pytest.mark.parametrize("text, name, line, words", BAD_FILES)
@pytest.mark.parametrize("check", [True, False])
def test_bad_settings(folder, text, name, line, words, check):
    path = settings_file(folder, text)
    state = folder / "state"
    more = ["--check"] if check else [f"--server.state_dir={state}"]
    place = f"{path}:{line}" if line else f"{path}:"
    refused(run("-c", path, *more), EX_CONFIG, name or r"CONF_\w+", place, *words)
    assert not state.exists()


def test_bad_arguments():
    for word in ("--janitor.slice=x", "--http.colour=red", "--a.b.c=1"):
        line = refused(run(word, "--check"), EX_CONFIG, r"CONF_\w+")
        assert word.split("=")[0] in line


def test_settings_file_that_is_not_there(folder):
    result = run("-c", folder / "none.conf", "--check")
    refused(result, EX_CONFIG, r"CONF_\w+", folder / "none.conf")
    result = run("-c", folder, "--check")
    refused(result, EX_CONFIG, r"CONF_\w+", folder)


def test_secrets_are_not_printed(folder):
    secret = folder / "password"
    secret.write_text("pssst\n")
    secret.chmod(0o600)
    out = run(f"--redis.main.password_file={secret}", "--print-config")[1]
    assert str(secret) in out and "pssst" not in out


# -- failed starts ----------------------------------------------------------


def options(folder, **more):
    """Words for a start on a free port in the folder."""
    words = [f"--server.state_dir={folder / 'state'}", "--http.listen=127.0.0.1:0"]
    return words + [f"--{k}={v}" for k, v in more.items()]


def test_port_taken(folder):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        words = options(folder, **{"http.listen": f"127.0.0.1:{port}"})
        refused(run(*words), EX_OSERR, "LISTEN_FAILED", port)


def test_address_that_is_not_ours(folder):
    words = options(folder, **{"http.listen": "192.0.2.1:7070"})
    code, _, text = run(*words)
    assert code in (EX_OSERR, EX_CONFIG), text
    assert "192.0.2.1" in text


def test_unix_socket_in_use(place, folder):
    path = folder / "s"
    place.schedd(args=[f"--http.listen=unix:{path}"])
    words = options(folder, **{"http.listen": f"unix:{path}"})
    refused(run(*words), EX_OSERR, "LISTEN_FAILED", path)
    with Raw(f"unix:{path}") as raw:
        raw.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.receive().status == 200


def test_state_folder_under_a_file(folder):
    (folder / "file").write_text("")
    state = folder / "file" / "state"
    words = ["--http.listen=127.0.0.1:0", f"--server.state_dir={state}"]
    refused(run(*words), EX_CANTCREAT, "STATE_DIR", state)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_state_folder_not_writable(folder):
    folder.chmod(0o500)
    refused(run(*options(folder)), EX_CANTCREAT, "STATE_DIR", folder)
    folder.chmod(0o700)


def test_second_schedd_on_the_same_folder(place, folder):
    schedd = place.schedd(folder=folder)
    refused(run(*options(folder)), EX_TEMPFAIL, "STATE_LOCKED", folder / "state")
    with schedd.client() as client:
        assert client.queue("q").push("a")["queued"] == 1
    schedd.stop()
    schedd.start()
    with schedd.client() as client:
        assert client.queue("q").take_ids() == ["a"]


def test_redis_server_missing(folder):
    empty = folder / "bin"
    empty.mkdir()
    result = run(*options(folder), env={"PATH": str(empty)})
    refused(result, EX_UNAVAILABLE, "REDIS_SERVER", "redis-server")


def test_redis_server_that_does_not_run(folder):
    """A program of that name that ends at once."""
    fake = folder / "bin"
    fake.mkdir()
    (fake / "redis-server").write_text("#!/bin/sh\nexit 1\n")
    (fake / "redis-server").chmod(0o755)
    path = f"{fake}:{os.environ['PATH']}"
    result = run(*options(folder), env={"PATH": path}, limit=90)
    refused(result, EX_UNAVAILABLE, "REDIS_SERVER")


def secret_file(folder, text):
    """A file that only we may read."""
    path = folder / "secret"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_wrong_password(place, folder):
    redis = place.redis(password="right")
    path = secret_file(folder, "wrong\n")
    more = {"redis.main.url": redis.url(), "redis.main.password_file": path}
    line = refused(run(*options(folder, **more)), EX_NOPERM, "REDIS_AUTH")
    assert "wrong" not in line.replace("WRONGPASS", "")


def test_no_password(place, folder):
    redis = place.redis(password="right")
    words = options(folder, **{"redis.main.url": redis.url()})
    refused(run(*words), EX_NOPERM, "REDIS_AUTH")


def test_password(place):
    redis = place.redis(password="right")
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        assert client.queue("q").push("a")["queued"] == 1
    assert not any("right" in x.text for x in schedd.lines)


@pytest.mark.parametrize("mode, text", [(0o644, "right\n"), (0o600, ""), (None, "")])
def test_bad_password_files(place, folder, mode, text):
    redis = place.redis(password="right")
    path = folder / "secret"
    if mode:
        path.write_text(text)
        path.chmod(mode)
    more = {"redis.main.url": redis.url(), "redis.main.password_file": path}
    refused(run(*options(folder, **more)), EX_CONFIG, "CONF_VALUE", path)


def test_redis_without_that_database(place, folder):
    redis = place.redis(databases=1)
    more = {"redis.main.url": redis.url(), "redis.main.database": 3}
    refused(run(*options(folder, **more)), EX_CONFIG, "REDIS_SETTINGS")


def test_redis_cluster(place, folder):
    # Its second port would be the first one + 10,000, which may not exist.
    redis = place.redis(
        port=free_port(), cluster_enabled="yes", cluster_port=free_port()
    )
    words = options(folder, **{"redis.main.url": redis.url()})
    refused(run(*words), EX_CONFIG, "REDIS_SETTINGS", "cluster")


def test_unreachable_redis_is_waited_for(place, folder):
    redis = place.redis()
    redis.stop()
    schedd = place.schedd(redis.settings(), ready=False)
    with schedd.client() as client:
        client.get("/readyz").refused(503, "NOT_READY")
        assert client.get("/healthz").status == 200
        redis.start()
        schedd.wait_ready()
        assert client.queue("q").push("a")["queued"] == 1
    del folder


def test_ready_although_the_first_read_was_refused(place):
    """What stands under our key has another type, until somebody mends it."""
    redis = place.redis()
    redis.do("SET", "sched:queues", "of another type")
    schedd = place.schedd(redis.settings(), ready=False)
    schedd.wait_log("redis.refused")
    with schedd.client() as client:
        client.get("/readyz").refused(503, "NOT_READY")
        redis.do("DEL", "sched:queues")
        schedd.wait_ready()
        assert client.queue("q").push("a")["queued"] == 1


def test_tcp_redis(place):
    redis = place.redis(port=free_port())
    assert redis.url().startswith("tcp:")
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        assert client.queue("q").push("a")["queued"] == 1
    assert redis.do("SCARD", "sched:queues") == 1


def test_prefix_and_database(place):
    redis = place.redis()
    settings = redis.settings()
    settings['redis "main"'].update({"prefix": "mine:", "database": 5})
    schedd = place.schedd(settings)
    with schedd.client() as client:
        client.queue("q").push("a")
    assert redis.do("DBSIZE") == 0
    assert b"db5" in redis.do("INFO", "keyspace")


def test_private_redis_has_no_port_and_shows_no_secret(place):
    schedd = place.schedd()
    (pid,) = schedd.children()
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read()
    assert b"requirepass" not in words
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as file:
        listeners = [x.split() for x in file.read().splitlines()[1:]]
    inodes = {x[9] for x in listeners if x[3] == "0A"}
    mine = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            mine.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            pass
    assert not any(f"socket:[{i}]" in mine for i in inodes)
    state = schedd.folder / "state"
    for path in (state, state / "redis"):
        assert path.stat().st_mode & 0o077 == 0, path


# Started so that it could; a sanitizer would forbid it by itself.
MAY_DUMP = {
    "prefix": ["prlimit", "--core=4096:4096", "--"],
    "env": {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:disable_coredump=0"},
}


def core_limits(pid):
    """How large a picture of its memory a process may leave: soft, hard."""
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        return file.read().split("Max core file size")[1].split()[:2]


def test_private_redis_leaves_no_picture_of_its_password(place):
    schedd = place.schedd(**MAY_DUMP)
    for pid in (schedd.pid(), *schedd.children()):
        assert core_limits(pid) == ["0", "0"]


def test_without_a_secret_a_picture_may_be_left(place):
    schedd = place.schedd(place.redis().settings(), **MAY_DUMP)
    assert core_limits(schedd.pid()) == ["4096", "4096"]


def test_long_state_folder(place):
    """Deeper than a socket's name may be."""
    folder = place.new_folder()
    deep = folder / ("d" * 60) / ("e" * 60)
    folder.mkdir()
    schedd = Schedd(folder, args=[f"--server.state_dir={deep}"])
    place.schedds.append(schedd)
    schedd.start()
    with schedd.client() as client:
        assert client.queue("q").push("a")["queued"] == 1


# -- signals ----------------------------------------------------------------


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_drain(place, signo):
    """A waiting take is answered empty, then the connection ends."""
    schedd = place.schedd()
    pid = schedd.children()[0]
    with schedd.client() as client, Raw(schedd.addr) as raw, Raw(schedd.addr) as idle:
        queue = client.queue("q")
        queue.make()
        body = '{"worker":"w","wait_s":60}'
        raw.send(
            f"POST /v1/queues/q/take HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        idle.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.receive().status == 200
        wait_until(lambda: queue.info()["waiting_takes"] == 1, what="a waiting take")
        began = time.monotonic()
        schedd.process.send_signal(signo)
        got = raw.receive()
        assert got.status == 200 and got.json == {"tasks": []}
        assert got.headers["Connection"] == "close"
        assert raw.at_end() and idle.at_end()
    assert schedd.wait_end() == 0
    assert time.monotonic() - began < 8
    assert not os.path.exists(f"/proc/{pid}") or _is_gone(pid)
    with pytest.raises(OSError):
        Raw(schedd.addr)


def _is_gone(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "Z"


def test_second_signal_does_no_harm(place):
    schedd = place.schedd()
    for _ in range(5):
        schedd.process.send_signal(signal.SIGTERM)
    assert schedd.wait_end() == 0


def test_stop_before_it_is_ready(place):
    redis = place.redis()
    redis.stop()
    schedd = place.schedd(redis.settings(), ready=False)
    schedd.stop()


def test_usr1_drains_and_stays(place):
    schedd = place.schedd()
    with schedd.client() as client:
        client.queue("q").push("a")
        schedd.process.send_signal(signal.SIGUSR1)
        schedd.wait_log("server.drained")
    with pytest.raises(OSError):
        with Raw(schedd.addr) as raw:
            raw.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            if raw.at_end():
                raise ConnectionError("closed without an answer")
    assert schedd.is_running()


def test_term_during_a_drain_waits_for_its_end(place):
    """What is open when USR1 comes is answered, though TERM follows."""
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    with schedd.client() as client:
        redis.pause()
        client.send("POST", "/v1/queues/q/tasks", {"id": "a", "payload": 1})
        wait_until(lambda: _pending(schedd), what="the push to be under way")
        for signo, event in (
            (signal.SIGUSR1, "server.draining"),
            (signal.SIGTERM, "server.stopping"),
        ):
            schedd.process.send_signal(signo)
            schedd.wait_log(event)
        redis.resume()
        assert client.receive().status == 201
    assert schedd.wait_end() == 0


def _pending(schedd):
    with schedd.client() as client:
        return client.get_json("/v1/stats")["store"]["pending"] > 0


def test_private_redis_dies_with_schedd(place):
    schedd = place.schedd()
    pid = schedd.children()[0]
    schedd.kill()
    wait_until(
        lambda: not os.path.exists(f"/proc/{pid}") or _is_gone(pid),
        what="redis-server to end",
    )


def test_private_redis_is_restarted(place):
    schedd = place.schedd()
    with schedd.client() as client:
        queue = client.queue("q")
        queue.push("a")
        for _ in range(2):
            (pid,) = schedd.children()
            os.kill(pid, signal.SIGKILL)
            wait_until(
                lambda pid=pid: schedd.children() and schedd.children() != [pid],
                15,
                "a new redis-server",
            )
            schedd.wait_ready()
        assert queue.counts() == {"todo": 1}
        assert queue.take_ids() == ["a"]


@pytest.mark.log_errors("redis.child_failed")
def test_private_redis_that_dies_too_often(place):
    """It is started again in the end, or schedd says why not and ends: it
    does not stay without one."""
    schedd = place.schedd()
    killed = set()

    def killed_five():
        try:
            for pid in set(schedd.children()) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass
        return len(killed) >= 5

    wait_until(killed_five, 30, "five to be killed")

    def served_or_ended():
        if not schedd.is_running():
            return True
        try:
            with schedd.client() as client:
                return client.get("/readyz").status == 200
        except OSError:
            return False  # it is ending

    wait_until(served_or_ended, 30, "a sixth, or the end of schedd")
    if not schedd.is_running():
        assert schedd.wait_end() == EX_UNAVAILABLE
        lines = [x.text for x in schedd.lines if x.text.startswith("schedd: ")]
        assert len(lines) == 1 and "E823 REDIS_SERVER" in lines[0], lines


# -- reload -----------------------------------------------------------------


def test_reload(place):
    schedd = place.schedd({'queue "q"': {"max_attempts": 4}})
    with schedd.client() as client:
        queue = client.queue("q")
        assert queue.info()["policy"]["max_attempts"] == 4
        schedd.settings['queue "q"'] = {"max_attempts": 6}
        schedd.settings['queue "new"'] = {"max_tasks": 1}
        schedd.reload()
        assert queue.info()["policy"]["max_attempts"] == 6
        new = client.queue("new")
        assert new.info()["policy"]["max_tasks"] == 1
        new.push("a")
        assert new.post("tasks", {"payload": 1}).status == 429
        del schedd.settings['queue "q"']
        schedd.reload()
        queue.push("a")
        assert queue.info()["policy"]["max_attempts"] == 3


@pytest.mark.log_errors("conf.refused")
@pytest.mark.parametrize(
    "section, values, code",
    [
        ("janitor", {"interval": "soon"}, "E812"),
        ("http", {"colour": "red"}, "E811"),
        ("colours", {"red": "1"}, "E811"),
        ("http", {"max_connections": "7\nnonsense"}, "E810"),
        ('redis "main"', {"database": "9"}, "E813"),
        ("server", {"state_dir": "/nowhere"}, None),
    ],
)
def test_reload_is_all_or_nothing(place, section, values, code):
    schedd = place.schedd({'queue "q"': {"max_attempts": 4}})
    with schedd.client() as client:
        queue = client.queue("q")
        schedd.settings['queue "q"'] = {"max_attempts": 6}
        kept = dict(schedd.settings.get(section, {}))
        schedd.settings.setdefault(section, {}).update(values)
        if code is None:  # the argument wins: nothing is changed by the file
            schedd.reload()
            assert queue.info()["policy"]["max_attempts"] == 6
            return
        line = schedd.reload("conf.refused")
        assert line.values["error"] == code, line
        assert "schedd.conf" in line.text or code == "E813", line
        assert queue.info()["policy"]["max_attempts"] == 4
        schedd.settings[section] = kept
        if not kept:
            del schedd.settings[section]
        schedd.reload()
        assert queue.info()["policy"]["max_attempts"] == 6


@pytest.mark.log_errors("conf.refused")
def test_reload_of_a_file_that_is_gone(place):
    schedd = place.schedd()
    schedd.file.unlink()
    mark = schedd.mark()
    schedd.process.send_signal(signal.SIGHUP)
    schedd.wait_log("conf.refused", after=mark)
    with schedd.client() as client:
        assert client.get("/readyz").status == 200
    schedd.reload()


def test_log_lines(place):
    """time level event key=value ..., one line an event."""
    schedd = place.schedd({"log": {"level": "debug"}})
    with schedd.client() as client:
        client.queue("q").push({"id": "a", "payload": "secret-payload\nx"})
        client.queue("q").take_ids()
        client.get("/v1/queues/%20")
    schedd.stop()
    for line in schedd.lines:
        assert line.event, line.text
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line.text), line
        assert "secret-payload" not in line.text
        assert not re.search(r"[\x00-\x1f\x7f]", line.text), line.text
    events = {line.event for line in schedd.lines}
    assert {"server.starting", "http.listening", "server.ready"} <= events
    assert {"server.stopping", "server.stopped"} <= events


def test_no_access_lines_when_switched_off(place):
    schedd = place.schedd({"log": {"access": "no"}})
    with schedd.client() as client:
        client.get("/healthz")
    schedd.stop()
    assert not [x for x in schedd.lines if (x.event or "").startswith("access")]


def test_render_is_what_the_file_holds():
    assert render({"a": {"b": 1}, 'c "d"': {}}) == '[a]\nb = 1\n\n[c "d"]\n'
