"""What became of tasks, in Postgres: each end once, by day, for so long."""

import json
import time

import pytest

from channels import info, quarantine, rows_path, wait_empty
from conftest import wait_state
from pgproc import Postgres
from server import wait_until

HISTORY = {"h": {"kind": "history"}}
QUEUE = {'queue "q"': {"retry_base": "0", "max_attempts": 2}, "janitor": {"interval": "100ms"}}


@pytest.fixture(name="clean")
def _clean(postgres):
    """A Postgres without history; the table is one for all schedd on it."""
    if postgres.one("SELECT to_regclass('schedd.history') IS NOT NULL") == "t":
        postgres.sql("SELECT schedd.history_keep('-10 days')")
    return postgres


@pytest.fixture(name="own")
def _own():
    """A Postgres that a test may end."""
    one = Postgres()
    yield one.start()
    one.stop()


def rows(postgres, fields="id"):
    """The history, in the order of the tasks."""
    return postgres.sql(f"SELECT {fields} FROM schedd.history ORDER BY id, ended_at, state")


def open_history(place, own, settings=None, **more):
    """A client of a schedd with a history."""
    channels = {"h": {"kind": "history", **more}}
    schedd = place.schedd({**own.settings(channels), **QUEUE, **(settings or {})})
    client = schedd.client()
    client.schedd = schedd
    wait_state(client, "h", "running")
    return client


def test_every_end_is_there_once(place, clean):
    client = open_history(place, clean)
    queue = client.queue("q")
    queue.push("a", "b", 'c"quoted')
    queue.take_ids(count=3)
    body = {
        "worker": "w1",
        "finished": ["a", {"id": "b", "result": {"n": 9223372036854775807, "l": []}}],
        "failed": [{"id": 'c"quoted', "error": 'a "reason" \n é', "retry": False}],
    }
    for _ in range(2):  # the second time its answer was lost
        queue.post("report", body)
    wait_until(lambda: len(rows(clean)) == 3, what="the rows")
    wait_empty(client, "h")
    assert rows(clean, "queue, id, state, worker, attempts") == [
        ["q", "a", "finish", "w1", "1"],
        ["q", "b", "finish", "w1", "1"],
        ["q", 'c"quoted', "dead", "w1", "1"],
    ]
    assert clean.one("SELECT result FROM schedd.history WHERE id = 'b'") == '{"n": 9223372036854775807, "l": []}'
    assert clean.one("SELECT error = E'a \"reason\" \\n é' FROM schedd.history WHERE state = 'dead'") == "t"
    order = "pushed_at <= taken_at + interval '1s' AND taken_at <= ended_at AND ended_at BETWEEN now() - interval '1 min' AND now()"
    assert clean.one(f"SELECT bool_and({order}) FROM schedd.history") == "t"
    assert clean.one("SELECT count(DISTINCT tableoid) FROM schedd.history") in ("1", "2")
    got = info(client, "h")
    assert (got["kind"], got["keep_s"], got["missed_total"]) == ("history", 30 * 86400, 0)
    assert got["rows_total"] == got["committed_total"] == 3 and got["table"] == "schedd.history"


def test_leases_that_end_and_late_reports(place, clean):
    client = open_history(place, clean)
    queue = client.queue("q")
    queue.push("over", {"id": "late", "payload": 1, "max_attempts": 5})
    for _ in range(2):
        queue.post("take", {"worker": "w1", "count": 2, "lease_s": 1})
        wait_until(lambda: queue.state("late") == "todo", 20, "its lease to end")
    wait_until(lambda: queue.state("over") == "dead", what="it to be dead")
    assert queue.post("report", {"worker": "w1", "finished": ["late"]}).json["finished"] == 1
    wait_until(lambda: len(rows(clean)) == 2, what="the rows")
    late, over = rows(clean, "id, state, worker, attempts, error, taken_at IS NULL")
    assert late == ["late", "finish", "w1", "2", "", "t"]
    assert over[:4] == ["over", "dead", "w1", "2"] and "lease of worker w1 ended" in over[4] and over[5] == "f"


def test_silent_workers_and_tasks_out_of_attempts(place, clean):
    client = open_history(place, clean, {"worker": {"timeout": "300ms"}})
    queue = client.queue("q")
    queue.push({"id": "silent", "payload": 1, "max_attempts": 1}, "fails")
    client.post("/v1/workers/w1/heartbeat", {})
    assert queue.take_ids(count=2)
    queue.post("report", {"worker": "w1", "failed": [{"id": "fails", "error": "once"}]})
    wait_until(lambda: queue.state("silent") == "dead", what="it to be dead")
    wait_until(lambda: queue.take_ids(worker="w2"), what="the second attempt")
    queue.post("report", {"worker": "w2", "failed": [{"id": "fails", "error": "twice"}]})
    wait_until(lambda: len(rows(clean)) == 2, what="the rows")
    fails, silent = rows(clean, "id, state, worker, attempts, error")
    assert fails == ["fails", "dead", "w2", "2", "twice"]
    assert silent[:4] == ["silent", "dead", "w1", "1"] and "nothing more was heard" in silent[4]


def test_beside_rows_of_a_report(place, clean):
    clean.make("CREATE TABLE a (id text)")
    client = open_history(place, clean, {'channel "c"': {"table": "a"}})
    wait_state(client, "c", "running")
    queue = client.queue("q")
    queue.push("t")
    queue.take_ids()
    got = queue.post("report", {"worker": "w1", "finished": ["t"], "rows": {"c": [{"id": "1"}]}})
    assert got.json["rows"] == {"c": 1}
    wait_until(lambda: rows(clean, "id, state") == [["t", "finish"]], what="the row")
    wait_empty(client, "c")
    assert clean.one("SELECT count(*) FROM a") == "1"


def test_rows_of_programs_are_refused(place, clean):
    client = open_history(place, clean)
    row = {"queue": "q", "id": "x", "state": "finish", "ended_at": "2026-01-01", "attempts": 1}
    client.post(rows_path("h"), row).refused(409, "CHANNEL_CLOSED")
    queue = client.queue("q")
    queue.push("t")
    queue.take_ids()
    queue.post("report", {"worker": "w1", "finished": ["t"], "rows": {"h": [row]}}).refused(409, "CHANNEL_CLOSED", "'rows.h'")
    assert queue.state("t") == "doing"


def days(postgres):
    """Which partitions there are."""
    return [r[0] for r in postgres.sql("SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'schedd.history'::regclass ORDER BY 1")]


def test_old_days_go(place, clean):
    client = open_history(place, clean, keep="2d")
    clean.sql("SELECT schedd.history_days(ARRAY[current_date - 1, current_date - 5, '2020-01-01'])", role="keeper")
    assert len(days(clean)) == 3
    client.schedd.stop()
    client.schedd.start()
    assert client.schedd.wait_log("channel.dropped").values["days"] == "2"
    assert days(clean) == ["schedd.history_" + clean.one("SELECT to_char(current_date - 1, 'YYYYMMDD')")]


def test_a_day_that_somebody_dropped(place, clean):
    client = open_history(place, clean)
    queue = client.queue("q")
    for n in range(2):
        queue.push(f"t{n}")
        queue.take_ids()
        queue.post("report", {"worker": "w1", "finished": [f"t{n}"]})
        wait_until(lambda n=n: rows(clean) == [[f"t{n}"]], what="the row")
        wait_empty(client, "h")
        if n == 0:
            for day in days(clean):
                clean.sql(f"DROP TABLE {day}")
    assert quarantine(client, "h") == []


def test_a_database_that_is_away_for_days(place, own):
    """Rows of several days come at once."""
    client = open_history(place, own)
    own.halt()
    queue = client.queue("q")
    ids = [f"t{n}" for n in range(4)]
    for n, one in enumerate(ids):
        client.schedd.move_clock(86400 * (n > 0))
        queue.push(one)
        queue.take_ids()
        assert queue.post("report", {"worker": "w1", "finished": [one]}).json["finished"] == 1
    own.spawn()
    wait_until(lambda: [r[0] for r in rows(own, "id")] == ids, 40, "the rows")
    assert len(days(own)) == 4 and quarantine(client, "h") == []


@pytest.mark.log_errors("channel.missed")
def test_tasks_end_though_there_is_no_room(place, clean):
    client = open_history(place, clean, max_spool=1000)
    client.call("PATCH", "/v1/channels/h", {"paused": True})
    wait_state(client, "h", "paused")
    queue = client.queue("q")
    ids = [f"t{n}" for n in range(1200)]
    for n in range(0, 1200, 300):
        queue.push(*ids[n : n + 300])
        queue.take_ids(count=300)
        got = queue.post("report", {"worker": "w1", "finished": ids[n : n + 300]})
        assert got.json["finished"] == 300
    assert client.schedd.wait_log("channel.missed").values["rows"] == "300"
    assert info(client, "h")["missed_total"] == 300 and info(client, "h")["spool_rows"] == 900
    client.call("PATCH", "/v1/channels/h", {"paused": False})
    wait_empty(client, "h")
    assert clean.one("SELECT count(DISTINCT id) FROM schedd.history") == clean.one("SELECT count(*) FROM schedd.history") == "900"


def test_a_spool_of_another_type_holds_no_task_up(place, clean):
    redis = place.redis()
    client = open_history(place, clean, redis.settings())
    redis.do("DEL", "sched:channel:{h}:spool")
    redis.do("SET", "sched:channel:{h}:spool", "x")
    queue = client.queue("q")
    queue.push("t")
    queue.take_ids()
    assert queue.post("report", {"worker": "w1", "finished": ["t"]}).json["finished"] == 1
    assert queue.state("t") == "finish"
    assert redis.do("HGET", "sched:channel:{h}:meta", "missed") == b"1"


def test_kills_lose_and_double_no_end(place, own):
    redis = place.redis()
    client = open_history(place, own, redis.settings(), batch=20)
    schedd = client.schedd
    schedd.args.append(f"--http.listen={schedd.addr}")
    queue, ids = client.queue("q"), [f"t{n:04}" for n in range(600)]
    queue.push(*ids)
    done = []
    for turn in range(4):
        got = queue.take_ids(count=150)
        assert queue.post("report", {"worker": "w1", "finished": got}).json["finished"] == 150
        done += got
        (own.kill if turn % 2 else schedd.kill)()
        time.sleep(0.1)
        (own.spawn if turn % 2 else schedd.start)()
        client = schedd.client()
        queue = client.queue("q")
    wait_until(lambda: len(rows(own, "id")) >= 600, 60, "the rows")
    wait_empty(client, "h")
    assert [r[0] for r in rows(own, "id")] == sorted(done) == ids
    assert json.loads(own.one("SELECT json_agg(DISTINCT attempts) FROM schedd.history")) == [1]
