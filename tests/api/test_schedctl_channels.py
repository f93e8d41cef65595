"""schedctl channel and quarantine, as people and programs use them."""

import pytest

import ctl
from channels import bring, info, spool
from conftest import wait_state

SQL = "CREATE TABLE {0} (id text PRIMARY KEY, n int CHECK (n > 0))"


@pytest.fixture(name="client")
def _client(world, request):
    table = f"t_{request.node.name.removeprefix('test_')[:40]}"
    client = world({"pages": {"table": table, "key": "id"}, "rest": {"table": table}}, SQL.format(table))
    client.ctl = lambda *words, **more: ctl.run("--server", ctl.url_of(client.schedd), *words, **more)
    return client


def refuse(client, count):
    """So many refused rows."""
    bring(client, "pages", {"id": "good", "n": 1}, *[{"id": f"b{n}", "n": -n} for n in range(count)])


def test_channel_ls_and_show(client):
    refuse(client, 3)
    got = client.ctl("channel", "ls")
    assert got.code == 0 and got.out.splitlines()[0].split() == ["NAME", "STATE", "SPOOL", "OLDEST", "REFUSED", "COMMITTED", "TABLE"]
    (pages, rest) = got.rows
    assert pages[:3] == ["pages", "running", "0"] and pages[4:6] == ["3", "1"], got
    assert rest[:2] == ["rest", "running"]
    assert client.ctl("channel", "ls", "--json").json["channels"][0]["name"] == "pages"
    shown = client.ctl("channel", "show", "pages")
    assert shown.code == 0 and "refused rows    3 of at most" in shown.out and "columns" in shown.out
    assert client.ctl("channel", "show", "pages", "--json").json["key"] == "id"
    assert "kind            rows" in shown.out and "kept" not in shown.out
    missing = client.ctl("channel", "show", "nope")
    assert missing.code == 1 and "E600 CHANNEL_UNKNOWN" in missing.err
    assert client.ctl("channel", "show", "a,b").code == 2
    assert client.ctl("channel", "show").code == 2


def test_channel_pause_and_resume(client):
    got = client.ctl("channel", "pause", "pages")
    assert got.code == 0 and got.out == "pages is paused: its rows wait\n"
    wait_state(client, "pages", "paused")
    spool(client, "pages", {"id": "1", "n": 1})
    assert client.ctl("channel", "resume", "pages", "--json").json["paused"] is False
    wait_state(client, "pages", "running")
    assert client.ctl("channel", "pause", "nope").code == 1
    assert "channel.set" in client.ctl("audit", "ls").out


@pytest.mark.log_errors("channel.stopped")
def test_channel_ls_says_what_is_wrong(client):
    client.postgres.make("ALTER TABLE t_channel_ls_says_what_is_wrong RENAME TO gone_away")
    spool(client, "pages", {"id": "1", "n": 1})
    wait_state(client, "pages", "stopped")
    got = client.ctl("channel", "ls")
    assert "stopped" in got.out and "does not exist" in got.out
    code, out = ctl.in_terminal(["--server", ctl.url_of(client.schedd), "channel", "ls"], columns=200)
    assert code == 0 and b"\x1b[31m" in out and b"does not exist" in out
    for columns in (40, 80):
        _, out = ctl.in_terminal(["--server", ctl.url_of(client.schedd), "--no-color", "channel", "ls"], columns=columns)
        assert all(len(line.rstrip()) <= columns for line in out.decode().splitlines())
    client.postgres.make("ALTER TABLE gone_away RENAME TO t_channel_ls_says_what_is_wrong")


def test_quarantine(client):
    refuse(client, 7)
    got = client.ctl("quarantine", "ls", "pages", "--limit", "3")
    assert got.code == 0 and len(got.rows) == 3 and "23514" in got.out and '"b0"' in got.out
    assert "3 of 7; more with --after" in got.err
    after = got.rows[-1][0]
    assert len(client.ctl("quarantine", "ls", "pages", "--after", after).rows) == 4
    shown = client.ctl("quarantine", "show", "pages", after, "--json").json
    assert shown["sqlstate"] == "23514" and shown["row"]["id"] == "b2"
    assert client.ctl("quarantine", "show", "pages", "nope").code == 1
    assert client.ctl("quarantine", "rm", "pages", after).out == "1 row dropped\n"
    client.postgres.make("ALTER TABLE t_quarantine DROP CONSTRAINT t_quarantine_n_check")
    assert client.ctl("quarantine", "retry", "pages", "--sqlstate", "23514").out == "6 rows brought again\n"
    assert bring(client, "pages", {"id": "end", "n": 1})["committed"] == 1
    assert info(client, "pages")["committed_total"] == 8
    assert client.ctl("quarantine", "ls", "pages").err == "schedctl: no row was refused\n"
    assert client.ctl("quarantine", "rm", "pages", "--all", "--json").json == {"count": 0}
    for words in (["rm", "pages"], ["retry", "pages", "x", "--all"], ["ls", "pages", "--limit", "0"], ["ls"]):
        assert client.ctl("quarantine", *words).code == 2
