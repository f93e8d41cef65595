"""Rows arrive once: outages, kills, several schedd, tables that are not as
they should be, hostile texts."""

import json
import re
import threading
import time

import pytest

from client import Client
from channels import bring, info, quarantine, rows_path, spool, wait_empty
from conftest import wait_state
from corpus import FOLDER
from pgproc import Postgres
from server import wait_until


@pytest.fixture(name="own")
def _own():
    """A Postgres that a test may kill."""
    one = Postgres()
    yield one.start()
    one.stop()


def count(postgres, table):
    """How many rows, and how many different."""
    ((rows, ids),) = postgres.sql(f"SELECT count(*), count(DISTINCT id) FROM {table}")
    return int(rows), int(ids)


# -- outages --------------------------------------------------------------


def test_rows_wait_for_a_database_that_is_away(place, own):
    own.make("CREATE TABLE a (id text PRIMARY KEY)")
    schedd = place.schedd(own.settings({"c": {"table": "a", "key": "id"}}))
    with schedd.client() as client:
        wait_state(client, "c", "running")
        own.halt()
        waiting = wait_state(client, "c", "waiting")
        assert waiting["error"]["code"] == 200 and not waiting["connected"]
        assert schedd.wait_log("pg.down").level == "warn"
        for n in range(20):
            spool(client, "c", *[{"id": f"{n}-{i}"} for i in range(50)])
        assert info(client, "c")["spool_rows"] == 1000
        # Known from before, also for a new schedd.
        schedd.stop()
        schedd.start()
        with schedd.client() as again:
            wait_until(lambda: info(again, "c")["columns"], what="columns")
            again.post(rows_path("c"), {"id": 1}).refused(400, "FIELD_TYPE")
            spool(again, "c", {"id": "last"})
            own.spawn()
            wait_empty(again, "c")
    assert count(own, "a") == (1001, 1001)


def test_columns_that_were_never_seen(place, own):
    own.make("CREATE TABLE a (id text)")
    own.halt()
    schedd = place.schedd(
        own.settings({"c": {"table": "a"}, "d": {"table": "a", "columns": "id:text"}})
    )
    with schedd.client() as client:
        client.post(rows_path("c"), {"id": "1"}).refused(503, "COLUMNS_UNKNOWN")
        queue = client.queue("q")
        queue.push("t")
        queue.take()
        body = {"worker": "w1", "finished": ["t"], "rows": {"c": [{"id": "1"}]}}
        queue.post("report", body).refused(503, "COLUMNS_UNKNOWN", "'rows.c'")
        assert info(client, "c")["columns"] is None
        spool(client, "d", {"id": "2"})
        own.spawn()
        wait_state(client, "c", "running")
        bring(client, "c", {"id": "1"})
        wait_empty(client, "d")
    assert count(own, "a") == (2, 2)


class Bringer(threading.Thread):
    """Brings rows one batch after the other, each until it is acknowledged."""

    def __init__(self, addresses, channel, batch=20):
        super().__init__(daemon=True)
        self.addresses, self.channel, self.batch = addresses, channel, batch
        self.halt, self.sent, self.acknowledged = threading.Event(), 0, 0
        self.error = None

    def run(self):
        try:
            while not self.halt.is_set():
                self.one()
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def one(self):
        """One batch."""
        rows = [{"id": f"r{self.sent + i}"} for i in range(self.batch)]
        self.sent += self.batch
        tries = 0
        while True:
            addr = self.addresses[tries % len(self.addresses)]
            tries += 1
            try:
                with Client(addr, timeout=5) as client:
                    got = client.post(rows_path(self.channel), {"rows": rows})
            except OSError:
                got = None
            if got is not None and got.status == 202:
                self.acknowledged += self.batch
                return
            assert got is None or got.status in (503, 504), got
            assert tries < 2000
            time.sleep(0.02)

    def end(self):
        """No more; all that was sent is acknowledged."""
        self.halt.set()
        self.join(60)
        assert not self.is_alive() and not self.error, self.error
        return self.sent


def test_kills_of_either_side(place, own):
    """Each row once, with a key and (as it was acknowledged) without one."""
    own.make("CREATE TABLE a (id text PRIMARY KEY)")
    redis = place.redis()
    schedd = place.schedd({**own.settings({"c": {"table": "a", "key": "id", "batch": 50}}), **redis.settings()})
    schedd.args.append(f"--http.listen={schedd.addr}")
    bringer = Bringer([schedd.addr], "c")
    bringer.start()
    for turn in range(4):
        time.sleep(0.25)
        if turn % 2:
            own.kill()
            time.sleep(0.1)
            own.spawn()
        else:
            schedd.kill()
            schedd.start()
    sent = bringer.end()
    with schedd.client() as client:
        wait_empty(client, "c")
        assert quarantine(client, "c") == []
    assert count(own, "a") == (sent, sent)


def test_a_commit_whose_answer_is_lost(place, own):
    """Without a key only the position keeps a row from coming twice."""
    own.make("CREATE TABLE a (id text)")
    schedd = place.schedd(own.settings({"c": {"table": "a", "batch": 10}}))
    with schedd.client() as client:
        wait_state(client, "c", "running")
        for n in range(15):
            spool(client, "c", *[{"id": f"{n}-{i}"} for i in range(50)])
            own.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'schedd'")
        wait_empty(client, "c")
    assert count(own, "a") == (750, 750)


def test_redis_is_killed(place, own):
    own.make("CREATE TABLE a (id text)")
    redis = place.redis()
    schedd = place.schedd({**own.settings({"c": {"table": "a"}}), **redis.settings()})
    with schedd.client() as client:
        wait_state(client, "c", "running")
        for _ in range(5):
            spool(client, "c", *[{"id": f"{time.monotonic_ns()}-{i}"} for i in range(100)])
            redis.kill()
            redis.start()
            schedd.wait_ready()
        wait_empty(client, "c")
    assert count(own, "a") == (500, 500)


def test_refused_rows_of_a_batch_that_was_not_settled(world):
    """The batch was committed, and then schedd was killed: the position names
    the rows that were refused, the spool has all of them still."""
    client = world({"c": {"table": "unsettled"}}, "CREATE TABLE unsettled (id text, n int)")
    client.call("PATCH", "/v1/channels/c", {"paused": True})
    wait_state(client, "c", "paused")
    spool(client, "c", {"id": "in"}, {"id": "bad"}, {"id": "next"})
    spool(client, "c", {"id": "more"})
    schedd = client.schedd
    schedd.stop()
    # What a schedd would have left: the first two rows of the first entry.
    ms, seq = last_entry(schedd, back=1).split("-")
    bad = f"{int(ms):013}-{int(seq):06}-0001"
    set_position(client.postgres, f"{ms}-{seq}:2", json.dumps([[bad, "22003", "a reason"]]))
    client.postgres.sql("INSERT INTO unsettled VALUES ('in')")
    schedd.start()
    with schedd.client() as again:
        again.call("PATCH", "/v1/channels/c", {"paused": False})
        wait_empty(again, "c")
        (row,) = quarantine(again, "c")
        assert row["row"] == {"id": "bad"} and row["sqlstate"] == "22003" and row["message"] == "a reason"
        assert row["id"] == bad
    assert sorted(r[0] for r in client.postgres.sql("SELECT id FROM unsettled")) == ["in", "more", "next"]


def last_entry(schedd, back=0):
    """The id of the last entry that came into the spool (or one before), from
    the private Redis's file."""
    files = sorted((schedd.folder / "state").rglob("*.aof"))
    text = b"".join(path.read_bytes() for path in files)
    ids = re.findall(rb"XADD\r\n\$\d+\r\nsched:channel:{c}:spool\r\n\$\d+\r\n([\d-]+)", text)
    return ids[-1 - back].decode()


def set_position(postgres, at, refused="[]"):
    """Moves the position of c in the newest spool, as a commit would."""
    postgres.sql(
        f"UPDATE schedd.position SET at = '{at}', refused = $r${refused}$r$ "
        "WHERE channel = 'c' AND spool = (SELECT spool FROM schedd.position "
        "WHERE channel = 'c' ORDER BY changed_at DESC LIMIT 1)"
    )


def test_a_spool_that_was_committed_is_trimmed(world):
    """No refused rows, but schedd was killed before it could settle."""
    client = world({"c": {"table": "trimmed"}}, "CREATE TABLE trimmed (id text)")
    bring(client, "c", {"id": "1"})
    client.call("PATCH", "/v1/channels/c", {"paused": True})
    wait_state(client, "c", "paused")
    spool(client, "c", {"id": "2"})
    client.schedd.stop()
    set_position(client.postgres, f"{last_entry(client.schedd)}:1")
    client.postgres.sql("INSERT INTO trimmed VALUES ('2')")
    client.schedd.start()
    with client.schedd.client() as again:
        again.call("PATCH", "/v1/channels/c", {"paused": False})
        wait_empty(again, "c")
    assert count(client.postgres, "trimmed") == (2, 2)


def test_a_redis_that_lost_the_end_of_its_spool(world):
    """One took over that never saw what was brought, and its clock is behind:
    what it adds stands behind that all the same."""
    client = world({"c": {"table": "shorter"}}, "CREATE TABLE shorter (id text)")
    bring(client, "c", {"id": "1"})
    client.schedd.stop()
    ms = int(last_entry(client.schedd).split("-")[0])
    set_position(client.postgres, f"{ms + 3_600_000}-0:1")
    client.schedd.start()
    with client.schedd.client() as again:
        wait_state(again, "c", "running")
        client.schedd.wait_log("channel.shorter")
        assert bring(again, "c", {"id": "2"}, {"id": "3"})["committed"] == 2
        wait_empty(again, "c")
    assert count(client.postgres, "shorter") == (3, 3)


def test_what_was_passed_leaves_the_spool(world):
    """The position's own entry is not there any more."""
    client = world({"c": {"table": "passed"}}, "CREATE TABLE passed (id text)")
    client.call("PATCH", "/v1/channels/c", {"paused": True})
    wait_state(client, "c", "paused")
    spool(client, "c", {"id": "1"}, {"id": "2"})
    client.schedd.stop()
    client.postgres.sql("INSERT INTO passed VALUES ('1'), ('2')")
    ms = int(last_entry(client.schedd).split("-")[0])
    set_position(client.postgres, f"{ms + 5}-3:1")
    client.schedd.start()
    with client.schedd.client() as again:
        again.call("PATCH", "/v1/channels/c", {"paused": False})
        wait_empty(again, "c")
    assert count(client.postgres, "passed") == (2, 2)


def test_a_position_that_somebody_removed(world):
    """Redis knows as well what was brought."""
    client = world({"c": {"table": "removed"}}, "CREATE TABLE removed (id text)")
    bring(client, "c", {"id": "1"})
    wait_empty(client, "c")
    mine = "FROM schedd.position WHERE channel = 'c' AND spool = (SELECT spool FROM schedd.position ORDER BY changed_at DESC LIMIT 1)"
    at = client.postgres.one(f"SELECT at {mine}")
    client.schedd.stop()
    client.postgres.sql("DELETE FROM schedd.position")
    client.schedd.start()
    with client.schedd.client() as again:
        wait_state(again, "c", "running")
        wait_until(lambda: client.postgres.sql(f"SELECT at {mine}") == [[at]], what="the position")
        bring(again, "c", {"id": "2"})
    assert count(client.postgres, "removed") == (2, 2)


def test_a_channel_that_is_in_no_settings_any_more(world):
    client = world({"c": {"table": "left_over"}}, "CREATE TABLE left_over (id text)")
    client.call("PATCH", "/v1/channels/c", {"paused": True})
    spool(client, "c", {"id": "1"}, {"id": "2"})
    schedd = client.schedd
    schedd.stop()
    section = schedd.settings.pop('channel "c"')
    schedd.settings['channel "renamed"'] = section
    schedd.start()
    line = schedd.wait_log("channel.left")
    assert line.level == "warn"
    assert (line.values["channel"], line.values["rows"]) == ("c", "2")
    schedd.stop()
    schedd.settings['channel "c"'] = section
    mark = schedd.mark()
    schedd.start()
    with schedd.client() as again:
        again.call("PATCH", "/v1/channels/c", {"paused": False})
        wait_empty(again, "c")
    assert schedd.find_log("channel.left", after=mark) is None
    assert count(client.postgres, "left_over") == (2, 2)


@pytest.mark.log_errors("channel.gap")
def test_entries_that_somebody_damaged(place, world):
    redis = place.redis()
    client = world({"c": {"table": "damaged"}}, "CREATE TABLE damaged (id text)", redis=redis)
    client.call("PATCH", "/v1/channels/c", {"paused": True})
    wait_state(client, "c", "paused")
    spool(client, "c", {"id": "1"})
    key = "sched:channel:{c}:spool"
    for words in (["n", "x"], ["n", "2", "data", '[{"id":"2"},{'], ["data", "no list"], ["n", "9" * 30, "rows", "-1"]):
        redis.do("XADD", key, "*", *words)
    spool(client, "c", {"id": "3"})
    client.call("PATCH", "/v1/channels/c", {"paused": False})
    wait_empty(client, "c")
    assert sorted(r[0] for r in client.postgres.sql("SELECT id FROM damaged")) == ["1", "2", "3"]
    assert {r["sqlstate"] for r in quarantine(client, "c")} == {"XX001"}
    assert len(quarantine(client, "c")) == 4


def test_a_text_that_the_database_cannot_read(world):
    """It was accepted for a column of another type."""
    client = world({"c": {"table": "texts"}}, "CREATE TABLE texts (id text, j jsonb)")
    client.call("PATCH", "/v1/channels/c", {"paused": True})
    wait_state(client, "c", "paused")
    spool(client, "c", {"id": "1", "j": "a"}, {"id": "2", "j": "b\0"}, {"id": "3", "j": "c"})
    client.schedd.stop()
    client.postgres.make("ALTER TABLE texts ALTER j TYPE text")
    client.schedd.start()
    with client.schedd.client() as again:
        again.call("PATCH", "/v1/channels/c", {"paused": False})
        wait_empty(again, "c")
        assert [(r["row"]["id"], r["sqlstate"]) for r in quarantine(again, "c")] == [("2", "22021")]
    assert client.postgres.sql("SELECT id, j FROM texts ORDER BY id") == [["1", "a"], ["3", "c"]]


def test_a_batch_that_fails_before_it_runs(place, postgres):
    """A text that has no place in the database's encoding: the statement never
    gets to its rows."""
    postgres.sql("CREATE DATABASE latin OWNER keeper ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", database="postgres")
    postgres.sql("CREATE TABLE a (id int, t text)", database="latin", role="keeper")
    parts = postgres.settings({"c": {"table": "a"}}, conninfo=postgres.conninfo(dbname="latin"))
    with place.schedd(parts).client() as client:
        wait_state(client, "c", "running")
        rows = [{"id": n, "t": "caf\u00e9" if n != 37 else "\U0001f600"} for n in range(100)]
        assert bring(client, "c", *rows)["quarantined"] == 1
        (bad,) = quarantine(client, "c")
        assert (bad["row"]["id"], bad["sqlstate"]) == (37, "22P05")
    there = postgres.sql("SELECT count(*), count(DISTINCT id) FROM a WHERE length(t) = 4", database="latin")
    assert there == [["99", "99"]]


def test_a_batch_that_takes_too_long(place, postgres):
    """Fewer rows at a time get through."""
    postgres.make(
        "CREATE TABLE slow (id int); CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$; "
        "CREATE TRIGGER nap BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION nap()"
    )
    parts = postgres.settings({"c": {"table": "slow"}}, statement_timeout="600ms")
    with place.schedd(parts).client() as client:
        wait_state(client, "c", "running")
        spool(client, "c", *[{"id": n} for n in range(60)])
        wait_until(lambda: "57014" in str(info(client, "c")["error"]), what="the reason")
        wait_empty(client, "c")
    assert postgres.sql("SELECT count(*), count(DISTINCT id) FROM slow") == [["60", "60"]]


# -- several schedd -------------------------------------------------------


def test_several_schedd_bring_each_row_once(place, own):
    own.make("CREATE TABLE a (id text)")
    redis = place.redis()
    settings = {**own.settings({"c": {"table": "a", "batch": 30}}), **redis.settings()}
    schedds = [place.schedd(settings) for _ in range(3)]
    bringer = Bringer([s.addr for s in schedds], "c")
    clients = [s.client() for s in schedds]
    wait_until(
        lambda: sorted(info(c, "c")["state"] for c in clients)
        == ["elsewhere", "elsewhere", "running"],
        what="one that brings them",
    )
    # Who waits at another than the one that brings them is told, too.
    assert all(bring(c, "c", {"id": f"w{n}"})["committed"] == 1 for n, c in enumerate(clients))
    bringer.start()
    time.sleep(1)
    for n, one in enumerate(clients):
        if info(one, "c")["state"] == "running":
            schedds[n].kill()
            break
    bringer.addresses = [s.addr for s in schedds if s.is_running()]
    left = [c for c, s in zip(clients, schedds) if s.is_running()]
    wait_until(lambda: any(info(c, "c")["state"] == "running" for c in left), 20, "another")
    sent = bringer.end()
    wait_empty(left[0], "c")
    assert bring(left[0], "c", {"id": "end"})["state"] == "committed"
    rows, ids = count(own, "a")
    assert ids == sent + 4
    # A batch whose answer was lost with the killed one came twice: from outside.
    assert rows - ids <= bringer.batch
    for one in clients:
        one.close()


# -- tables ---------------------------------------------------------------

TABLES = [
    ("missing", "", {}, "does not exist", "CREATE TABLE missing (id text)"),
    ("short", "CREATE TABLE short (id text)", {"columns": "id:text,n:int4"}, 'no column "n"', "ALTER TABLE short ADD n int"),
    ("need", "CREATE TABLE need (id text, n int NOT NULL)", {"columns": "id:text"}, 'column "n" must not be null', "ALTER TABLE need ALTER n DROP NOT NULL"),
    ("nokey", "CREATE TABLE nokey (id text)", {"key": "id"}, "no unique or exclusion constraint", "ALTER TABLE nokey ADD UNIQUE (id)"),
    ("keyless", "CREATE TABLE keyless (a text)", {"key": "id"}, '"id" is not among', "ALTER TABLE keyless ADD id text UNIQUE"),
    ("gen", "CREATE TABLE gen (id text GENERATED ALWAYS AS ('x') STORED, a text)", {"columns": "id:text"}, "made by the database", "ALTER TABLE gen ALTER id DROP EXPRESSION"),
]  # fmt: skip


@pytest.mark.log_errors("channel.stopped")
@pytest.mark.parametrize("table, sql, more, reason, mend", TABLES)
def test_a_table_that_is_not_right_is_told_at_the_start(world, table, sql, more, reason, mend):
    channels = {"bad": {"table": table, **more}, "good": {"table": f"{table}_good"}}
    client = world(channels, f"{sql}; CREATE TABLE {table}_good (id text)", ready=False)
    stopped = wait_state(client, "bad", "stopped")
    assert reason in stopped["error"]["detail"], stopped
    assert stopped["error"]["code"] == 201
    line = client.schedd.wait_log("channel.stopped")
    assert line.values["channel"] == "bad" and line.values["error"] == "E201"
    wait_state(client, "good", "running")
    assert bring(client, "good", {"id": "1"})["committed"] == 1
    if "columns" in more:
        spool(client, "bad", {"id": "1"})
    client.postgres.make(mend)
    wait_state(client, "bad", "running")
    wait_empty(client, "bad")
    assert bring(client, "bad", {"id": "2"})["committed"] == 1


@pytest.mark.log_errors("channel.stopped")
def test_a_column_goes_while_it_runs(world):
    client = world({"c": {"table": "goes", "columns": "id:text,n:int4"}}, "CREATE TABLE goes (id text, n int)")
    bring(client, "c", {"id": "1", "n": 1})
    client.postgres.make("ALTER TABLE goes DROP n")
    spool(client, "c", {"id": "2", "n": 2})
    assert 'no column "n"' in wait_until(
        lambda: (info(client, "c")["error"] or {}).get("detail") if "no column" in str(info(client, "c")["error"]) else None, 15, "the reason"
    )
    client.postgres.make("ALTER TABLE goes ADD n int")
    wait_empty(client, "c")
    assert count(client.postgres, "goes") == (2, 2)


@pytest.mark.log_errors("channel.stopped")
def test_no_permission(world):
    client = world({"c": {"table": "perm"}}, "CREATE TABLE perm (id text); REVOKE ALL ON perm FROM keeper", ready=False)
    assert "permission denied" in wait_state(client, "c", "stopped")["error"]["detail"]
    client.postgres.sql("GRANT SELECT, INSERT ON perm TO keeper")
    wait_state(client, "c", "running")
    bring(client, "c", {"id": "1"})


def test_a_lock_holds_only_its_own_channel(world):
    channels = {"c": {"table": "locked"}, "d": {"table": "unlocked"}}
    client = world(channels, "CREATE TABLE locked (id text); CREATE TABLE unlocked (id text)")
    holder = threading.Thread(
        target=client.postgres.sql, args=("BEGIN; LOCK TABLE locked; SELECT pg_sleep(4); COMMIT",)
    )
    holder.start()
    wait_until(lambda: client.postgres.one("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'locked'::regclass") == "1", what="the lock")
    spool(client, "c", {"id": "1"})
    began = time.monotonic()
    for n in range(5):
        bring(client, "d", {"id": str(n)})
    assert time.monotonic() - began < 3.5
    waiting = wait_state(client, "c", "waiting")
    assert "55P03" in waiting["error"]["detail"]
    holder.join()
    wait_empty(client, "c")
    assert count(client.postgres, "locked") == (1, 1)


def test_a_read_only_database_waits(world):
    client = world({"c": {"table": "ro"}}, "CREATE TABLE ro (id text)")
    alter = "ALTER ROLE keeper IN DATABASE test {} default_transaction_read_only {}"
    client.postgres.sql(alter.format("SET", "= on"))
    try:
        client.postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'schedd'")
        spool(client, "c", {"id": "1"})
        wait_until(lambda: "read-only" in str(info(client, "c")["error"]), what="the reason")
        assert info(client, "c")["state"] == "waiting"
    finally:
        client.postgres.sql(alter.format("RESET", ""))
    wait_empty(client, "c")
    assert count(client.postgres, "ro") == (1, 1)


@pytest.mark.log_errors("pg.refused", "channel.stopped")
def test_a_password_that_changes(place, own):
    own.make("CREATE TABLE a (id text)")
    own.sql("ALTER ROLE keeper PASSWORD 'first'")
    hba = own.folder / "data" / "pg_hba.conf"
    hba.write_text("local all admin trust\nlocal all all scram-sha-256\nhost all all all scram-sha-256\n")
    own.sql("SELECT pg_reload_conf()")
    file = place.folder / "pgpass"
    file.touch(mode=0o600)
    file.write_text("first\n")
    schedd = place.schedd(own.settings({"c": {"table": "a"}}, password_file=file))
    with schedd.client() as client:
        wait_state(client, "c", "running")
        own.sql("ALTER ROLE keeper PASSWORD 'second'")
        own.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'schedd'")
        spool(client, "c", {"id": "1"})
        stopped = wait_state(client, "c", "stopped")
        assert "28P01" in stopped["error"]["detail"] and stopped["error"]["code"] == 200
        assert schedd.wait_log("pg.refused").values["sqlstate"] == "28P01"
        file.write_text("second\n")
        wait_empty(client, "c")
    assert not [line for line in schedd.lines if "second" in line.text or "first" in line.text]


def test_by_name_over_tcp(place, own):
    """The name is looked up by our own resolver; of several hosts the one that
    answers is taken."""
    own.make("CREATE TABLE a (id text)")
    conninfo = f"host=127.0.0.1,localhost port=1,{own.port} user=keeper dbname=test"
    settings = {'postgres "main"': {"conninfo": conninfo}, 'channel "c"': {"table": "a"}}
    schedd = place.schedd(settings)
    with schedd.client() as client:
        wait_state(client, "c", "running")
        bring(client, "c", {"id": "1"})
    unknown = {'postgres "main"': {"conninfo": "host=no.such.host.invalid dbname=test"}, 'channel "c"': {"table": "a"}}
    schedd = place.schedd(unknown)
    with schedd.client() as client:
        waiting = wait_state(client, "c", "waiting")
        assert "no.such.host.invalid" in waiting["error"]["detail"]


# -- hostile texts --------------------------------------------------------


def hostile():
    """(number of its line, text) of the corpus."""
    text = (FOLDER / "sql.txt").read_text("utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if line and not line.startswith("# "):
            yield number, json.loads(line)


def test_hostile_values_change_nothing_but_their_row(world):
    client = world({"c": {"table": "hv", "key": "id"}}, "CREATE TABLE hv (id text PRIMARY KEY, v text, j jsonb)")
    texts = [text for _, text in hostile()]
    assert len(texts) >= 40
    before = client.postgres.sql("SELECT relname FROM pg_class WHERE relkind IN ('r','f','v') ORDER BY 1")
    bring(client, "c", *[{"id": t, "v": t, "j": {t: t}} for t in texts])
    there = client.postgres.sql("SELECT encode(convert_to(id, 'UTF8'), 'hex'), encode(convert_to(v, 'UTF8'), 'hex') FROM hv")
    assert sorted(there) == sorted([t.encode().hex()] * 2 for t in texts)
    # Through the slow way, too: one bad row among them.
    client.postgres.make("CREATE TABLE hv2 (id text PRIMARY KEY, v varchar(500) CHECK (v <> 'no'), j jsonb)")
    assert client.postgres.sql("SELECT relname FROM pg_class WHERE relkind IN ('r','f','v') AND relname <> 'hv2' ORDER BY 1") == before


def names():
    """Those that may be names of columns and tables."""
    for _, text in hostile():
        if 0 < len(text.encode()) <= 63 and text == text.strip() and not set(text) & set(",:.\\\n\r\t") and text.isprintable() and "#" not in text and ";" not in text:
            yield text


def test_hostile_names(world, postgres):
    """Of table, columns, key and channel's column members; also in the function
    for bad rows."""
    chosen = list(names())
    assert len(chosen) >= 20

    def quoted(name):
        return '"' + name.replace('"', '""') + '"'

    for n in range(0, len(chosen), 10):
        part = chosen[n : n + 10]
        table = part[0]
        postgres.make(f"CREATE TABLE {quoted(table)} ({', '.join(quoted(c) + ' text' for c in part)}, PRIMARY KEY ({quoted(part[-1])}), CHECK ({quoted(part[-1])} <> 'bad'))")
        client = world({"c": {"table": table, "key": part[-1], "on_conflict": "update"}})
        rows = [{c: f"{c} {i}" for c in part} for i in range(3)] + [{**{c: "x" for c in part}, part[-1]: "bad"}]
        got = bring(client, "c", *rows)
        assert (got["committed"], got["quarantined"]) == (3, 1), part
        client.schedd.stop()
        assert postgres.one(f"SELECT count(*) FROM {quoted(table)}") == "3"
        postgres.make(f"DROP TABLE {quoted(table)}")
