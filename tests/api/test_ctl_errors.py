"""schedctl errors, and what schedctl says when something goes wrong."""

import re
import socket
import threading

import pytest

from certs import Authority, settings
from ctl import in_terminal, run, url_of
from redisproc import free_port


def nowhere():
    """A server that is none."""
    return ("--server", f"http://127.0.0.1:{free_port()}")


# -- the error table -----------------------------------------------------------


def test_errors(ctl, client):
    table = client.get_json("/v1/errors")["errors"]
    assert all(len(e["advice"]) > 10 for e in table)
    got = ctl("errors")
    assert got.code == 0
    assert [row[0] for row in got.rows] == [f"E{e['code']:03}" for e in table]
    assert ctl("errors", "--json").json == {"errors": table}
    quiet = ctl("errors", "--quiet").out.splitlines()
    assert len(quiet) == len(table) and quiet[0].startswith("E000  JANITOR_CLEANUP")


@pytest.mark.parametrize("word", ["310", "E310", "e310", "QUEUE_UNKNOWN", "queue_unknown"])
def test_one_error(ctl, client, word):
    """By number or name: its text, and what to do."""
    want = next(e for e in client.get_json("/v1/errors")["errors"] if e["code"] == 310)
    got = ctl("errors", word)
    assert got.code == 0 and got.err == ""
    assert got.out.splitlines() == [
        "error       E310 QUEUE_UNKNOWN",
        "means       there is no such queue",
        "status      404",
        f"what to do  {want['advice']}",
    ]
    assert ctl("errors", word, "--json").json == want


def test_error_numbers(ctl):
    assert "JANITOR_TODO" in ctl("errors", "E005").out
    assert "JANITOR_CLEANUP" in ctl("errors", "0").out
    assert "may be sent again later" in ctl("errors", "319").out
    for word in ("998", "NOPE", "E"):
        got = ctl("errors", word)
        assert got.code == 1 and got.out == "" and f"there is no error {word}" in got.err


def test_errors_without_server(ctl):
    """Errors are looked up when the server is down."""
    got = run(*nowhere(), "errors", "E101")
    assert got.code == 0 and got.out.startswith("error       E101 REDIS_DOWN\n")
    assert "cannot ask" in got.err and "what to do  Send the request again" in got.out
    assert run(*nowhere(), "errors").out == ctl("errors").out
    assert run(*nowhere(), "errors", "--json").json == ctl("errors", "--json").json
    assert run(*nowhere(), "errors", "310", "--quiet").err == ""


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_errors_on_a_terminal(schedd, columns):
    """Long texts go on below themselves; nothing is wider than the terminal,
    and no word is lost."""
    server = ("--server", url_of(schedd), "--no-color")
    for words in (["errors"], ["errors", "106"]):
        code, out = in_terminal([*server, *words], columns=columns)
        lines = out.decode().replace("\r\n", "\n").splitlines()
        assert code == 0 and max(map(len, lines)) <= columns
        piped = run(*server, *words).out
        if columns >= 80:
            assert " ".join(out.decode().split()) == " ".join(piped.split())
    assert any(line.startswith("what to do  Operator: ") for line in lines)


# -- no answer -----------------------------------------------------------------


def test_where_and_why(place):
    """Each kind of not being there says what to try."""
    got = run(*nowhere(), "ping")
    assert got.code == 3
    assert re.match(r"schedctl: cannot reach http://127\.0\.0\.1:\d+: Connection ref", got.err)
    assert "is schedd running?" in got.err
    got = run("--server", "http://no-such-host.invalid", "ping")
    assert got.code == 3 and "is the host's name right?" in got.err
    folder = place.new_folder()
    got = run("--server", f"unix:{folder}/none", "ping")
    assert got.code == 3 and "No such file or directory" in got.err
    assert "is schedd running?" in got.err
    # It is said where the address was taken from, when that was not typed.
    got = run("ping", env={"SCHEDCTL_SERVER": nowhere()[1]})
    assert " (SCHEDCTL_SERVER): Connection refused\n" in got.err
    got = run("ping", "--quiet", env={"SCHEDCTL_SERVER": nowhere()[1]})
    assert got.code == 3 and got.err.count("\n") == 1


def test_silent_server():
    """It takes the connection and says nothing; or closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = ("--server", f"http://127.0.0.1:{listener.getsockname()[1]}")
        got = run(*server, "--timeout", "300ms", "ping")
        assert got.code == 3 and "no answer within 0.3 s" in got.err
        assert "it may have been carried out" in got.err
        assert "is it busy?" in got.err

        def close_next():
            one = listener.accept()[0]
            one.recv(65536)
            one.close()

        # The one of before still waits to be taken.
        for _ in range(2):
            closer = threading.Thread(target=close_next)
            closer.start()
            closer.join(0.01)
        got = run(*server, "ping")
        assert got.code == 3 and "is it schedd" in got.err, got


def test_not_trusted(place):
    """A server over TLS: without its authority, with a wrong file, without
    TLS."""
    ca = Authority(place.new_folder())
    other = Authority(place.new_folder(), "other")
    one = place.schedd(
        settings(ca.sign("server")), args=["--http.listen=tls:127.0.0.1:0"], ready=False
    )
    port = one.addr.rsplit(":", 1)[1]
    server = ("--server", f"https://localhost:{port}")
    assert run(*server, "--ca", str(ca.file), "version").code == 0
    for words in ([], ["--ca", str(other.file)]):
        got = run(*server, *words, "version")
        assert got.code == 3 and "its certificate is not trusted: --ca FILE" in got.err, got
    got = run(*server, "--ca", "/nonexistent", "version")
    assert got.code == 3 and "--ca FILE and --cert FILE are PEM files" in got.err, got
    got = run("--server", f"http://localhost:{port}", "version")
    assert got.code == 1 and "begin its URL with https" in got.err, got


# -- refused -------------------------------------------------------------------


def test_refused(ctl):
    """Code, name, text, detail, and what to do."""
    got = ctl("queue", "show", "no-such-queue")
    assert got.code == 1 and got.out == ""
    first, hint = got.err.splitlines()
    assert first == "schedctl: E310 QUEUE_UNKNOWN: there is no such queue"
    assert hint.startswith("schedctl: Check the name.")
    got = ctl("queue", "show", "no-such-queue", "--quiet")
    assert got.err == first + "\n"
    got = ctl("queue", "show", "no-such-queue", "--json")
    assert got.code == 1 and got.json["error"]["name"] == "QUEUE_UNKNOWN"
    # What is wrong in a request is in its detail; there is no more to say.
    got = ctl("task", "push", "q", "1", "--priority", "urgent")
    assert got.code == 1 and got.err.count("\n") == 1 and "(" in got.err
