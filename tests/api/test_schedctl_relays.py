"""schedctl relay, as people and programs use it."""

import pytest

import ctl
from test_relay_looks import push, relay_to, wait_look


@pytest.fixture(name="source")
def _source(place):
    """A schedd that relays to another one."""
    target = place.schedd()
    target.args = [f"--http.listen={target.addr}"]  # the same after a restart
    source = place.schedd(relay_to(target))
    source.target = target
    source.ctl = lambda *words: ctl.run("--server", ctl.url_of(source), *words)
    return source


def test_relay_ls_and_show(source):
    with source.client() as client:
        push(client.queue("in"), "a")
        wait_look(client, tasks_total=1, waiting_tasks=0)
    got = source.ctl("relay", "ls")
    heads = ["NAME", "STATE", "WAITING", "OLDEST", "HANDED", "ON", "REFUSED", "QUEUE", "TO"]
    assert got.code == 0 and got.out.splitlines()[0].split() == heads
    assert got.rows[0][:2] == ["r", "running"] and got.rows[0][4:7] == ["1", "0", "in"]
    assert source.ctl("relay", "ls", "--json").json["relays"][0]["name"] == "r"
    shown = source.ctl("relay", "show", "r")
    assert shown.code == 0 and "handed on by" in shown.out and "reason" not in shown.out
    assert f"out at http://{source.target.addr}" in shown.out
    assert source.ctl("relay", "show", "r", "--json").json["queue"] == "in"
    missing = source.ctl("relay", "show", "nope")
    assert missing.code == 1 and "E612 RELAY_UNKNOWN" in missing.err
    assert source.ctl("relay", "show", "a,b").code == 2
    assert source.ctl("relay", "show").code == 2


def test_they_say_what_is_wrong(source):
    with source.client() as client:
        wait_look(client, state="running")
        source.target.kill()
        push(client.queue("in"), "a", "b")
        wait_look(client, state="waiting", waiting_tasks=2)
        listed = source.ctl("relay", "ls")
        assert listed.rows[0][:3] == ["r", "waiting", "2"] and "push: " in listed.out
        assert "reason" in source.ctl("relay", "show", "r").out
        words = ["--server", ctl.url_of(source), "relay", "ls"]
        code, out = ctl.in_terminal(words, columns=200)
        assert code == 0 and b"\x1b[33m" in out and b"push: " in out
        for columns in (40, 80):
            _, out = ctl.in_terminal(["--no-color", *words], columns=columns)
            assert all(len(line.rstrip()) <= columns for line in out.decode().splitlines())
        source.target.start()
        wait_look(client, state="running", tasks_total=2)
        assert "push: " in source.ctl("relay", "show", "r").out


def test_there_are_no_relays(schedd):
    got = ctl.run("--server", ctl.url_of(schedd), "relay", "ls")
    assert got.code == 0 and got.out == "" and "no relays" in got.err
