"""Rows on to Postgres: it is killed, away, full of locks, cut off; the spool is
full; rows are bad."""

import random
import threading
import time

import checks
from channels import LINES
from client import Client
from load import PAUSE_S
from pgproc import Postgres
from proxy import Proxy
from server import wait_until

BATCH = 50
POISON = ("fk", "check", "null", "long", "type", "nul", "num", "twin")


class Bringer(threading.Thread):
    """Brings batches of rows at a rate (rows a second; None: as fast as it
    goes), each until it is settled, and writes down what it was told. bad: the
    part of rows that is poisoned."""

    def __init__(self, run, schedd, channel, number, rate=None, bad=0.0, batch=BATCH):
        super().__init__(daemon=True, name=f"{channel}{number}")
        self.run_, self.addr, self.channel = run, schedd.addr, channel
        self.rate, self.bad, self.batch = rate, bad, batch
        self.rng = random.Random(f"{run.seed}-{self.name}")
        self.halt, self.error, self.client = threading.Event(), None, None
        self.serial, self.poisoned, self.full = 0, {}, 0

    def run(self):
        try:
            due = time.monotonic()
            while not self.halt.is_set():
                self.one()
                if self.rate:
                    due = max(due + self.batch / self.rate, time.monotonic() - 1)
                    self.halt.wait(max(0, due - time.monotonic()))
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error
        if self.client:
            self.client.close()

    def rows(self):
        """The next batch; its ids say who made it, in which order."""
        rows = []
        for _ in range(self.batch):
            row = {"id": f"{self.name}-{self.serial:08}", "n": 1, "t": "some text of a usual length", "j": {"a": [1, 2]}}
            if self.rng.random() < self.bad:
                kind = POISON[len(self.poisoned) % len(POISON)]
                row.update(poison(kind))
                self.poisoned[row["id"]] = kind
            rows.append(row)
            self.serial += 1
        return rows

    def one(self, wait=False):
        """One batch, until it is settled: how long the last try took."""
        rows = self.rows()
        history, op = self.run_.history, self.run_.history.next_op()
        ids = [row["id"] for row in rows]
        path = f"/v1/channels/{self.channel}/rows" + ("?wait=commit" if wait else "")
        while True:
            history.add("invoke", self.name, "rows", op=op, ids=ids)
            began = time.monotonic()
            try:
                if self.client is None:
                    self.client = Client(self.addr, timeout=90)
                got = self.client.post(path, {"rows": rows})
            except OSError as error:
                self.client.close()
                self.client = None
                history.add("unknown", self.name, "rows", op=op, why=str(error))
                got = None
            if got is not None and got.status in (200, 202):
                history.add("ok", self.name, "rows", op=op, ids=ids)
                return time.monotonic() - began
            if got is not None:
                assert got.status in (503, 504), got
                if got.error["name"] == "SPOOL_FULL":
                    assert int(got.headers["Retry-After"]) >= 1
                    self.full += 1
                history.add("fail" if got.status == 503 else "unknown", self.name, "rows", op=op)
            if self.halt.is_set() and self.full > 2000:
                raise AssertionError("it is not settled")
            time.sleep(PAUSE_S)

    def end(self):
        """No more; what was begun is settled."""
        self.halt.set()
        self.join(120)
        assert not self.is_alive(), f"{self.name} does not settle its rows"
        if self.error:
            raise self.error


def poison(kind):
    """What makes a row one that the database refuses."""
    return {
        "fk": {"o": 7},
        "check": {"n": -1},
        "null": {"n": None},
        "long": {"t": "x" * 201},
        "type": {"d": "no day"},
        "nul": {"j": {"a": "\0"}},
        "num": {"m": "1e200000"},
        "twin": {"u": "twin"},
    }[kind]


TABLE = """CREATE TABLE owners (id int PRIMARY KEY);
CREATE TABLE {0} (at bigserial, id text{1}, n int NOT NULL CHECK (n > 0),
  t varchar(200), j jsonb, o int REFERENCES owners, d date, m numeric, u text UNIQUE);
INSERT INTO {0} (id, n, u) VALUES ('twin', 1, 'twin')"""
COLUMNS = "id:text, n:int4, t:text, j:jsonb, o:int4, d:text, m:numeric, u:text"


def postgres(run, **options):
    """A Postgres that ends with the run."""
    one = Postgres(**options)
    run.ground.append(one)
    return one.start()


def start(run, pg, *, key=True, settings=None, **channel):
    """A schedd with the channel c on it."""
    pg.make(TABLE.format("rows_c", " PRIMARY KEY" if key else ""))
    values = {"table": "rows_c", "columns": COLUMNS, **({"key": "id"} if key else {})}
    redis = run.redis()
    schedd = run.schedd(
        pg.settings({"c": {**values, **channel}}), settings or {}, redis=redis
    )
    schedd.allowed = {"channel.stopped", "pg.refused"}
    return schedd, redis


def info(schedd, channel="c"):
    """The channel."""
    with schedd.client(timeout=30) as client:
        return client.get_json(f"/v1/channels/{channel}")


def drained_s(schedd, limit_s, channel="c"):
    """How long until nothing waits in the spool."""
    began = time.monotonic()
    wait_until(
        lambda: info(schedd, channel)["spool_rows"] == 0,
        limit_s,
        f"the spool to be empty: {info(schedd, channel)}",
    )
    return time.monotonic() - began


def verify_rows(run, schedd, pg, bringers, table="rows_c", channel="c"):
    """K6 of a channel."""
    quarantine, after = [], ""
    with schedd.client(timeout=60) as client:
        while True:
            more = {"after": after} if after else {}
            page = client.get_json(f"/v1/channels/{channel}/quarantine", limit=1000, **more)
            quarantine += [row["row"]["id"] for row in page["rows"]]
            after = page["after"]
            if not after:
                break
    there = [r[0] for r in pg.sql(f"SELECT id FROM {table} WHERE id <> 'twin' ORDER BY at")]
    bad = set().union(*(b.poisoned for b in bringers))
    events = [e for e in run.history.events() if e["proc"].startswith(channel)]
    run.findings += checks.k6_rows(events, there, quarantine, bad)
    run.facts[f"{channel}_rows"] = len(there)
    run.facts[f"{channel}_quarantined"] = len(quarantine)


def p99_ms(run, since, until):
    """Of pushes and takes in that time."""
    found = checks.latencies_ms(run.history.events(), "push", "finish", since=since, until=until)
    return checks.quantile(found, 0.99) if found else 0


def f3(run):
    """kill -9 all of Postgres, again and again; tasks notice nothing."""
    pg = postgres(run)
    schedd, redis = start(run, pg, batch=200)
    bringers = [Bringer(run, schedd, "c", n, rate=1000) for n in range(2)]
    run.start_load()
    for one in bringers:
        one.start()
    time.sleep(run.seconds(8, 3))
    quiet = (run.began, time.monotonic_ns())
    for _ in range(run.times(10)):
        run.pause(1.5, 3)
        run.note("kill")
        pg.kill()
        time.sleep(2)
        pg.spawn()
    loud = (quiet[1], time.monotonic_ns())
    for one in bringers:
        one.end()
    run.facts["drained"] = f"{drained_s(schedd, 60 * run.slow):.1f}s"
    run.finish(redis)
    verify_rows(run, schedd, pg, bringers)
    before, after = p99_ms(run, *quiet), p99_ms(run, *loud)
    run.facts["p99_quiet"] = f"{before:.1f}ms"
    # A fifth; and what this machine's own noise is, in ms.
    run.at_most("p99", after, before * 1.2 + 20, "ms")


def d3(run):
    """The spool is full while Postgres is away: 503 with Retry-After, nothing
    dropped, another database's channel and tasks go on."""
    pg, other = postgres(run), postgres(run)
    other.make(TABLE.format("rows_d", " PRIMARY KEY"))
    more = {
        'postgres "other"': {"conninfo": other.conninfo()},
        'channel "d"': {"table": "rows_d", "columns": COLUMNS, "key": "id", "database": "other"},
    }
    schedd, redis = start(run, pg, settings=more, max_spool=20_000)
    run.start_load(rate=400)
    pg.halt()
    bringers = [Bringer(run, schedd, "c", n) for n in range(3)]
    beside = Bringer(run, schedd, "d", 0, rate=500)
    for one in [*bringers, beside]:
        one.start()
    wait_until(lambda: any(b.full for b in bringers), 120, "a refusal")
    time.sleep(run.seconds(10, 2))
    there = info(schedd)
    run.expect(there["spool_rows"] <= 20_000, f"more than fits: {there['spool_rows']}")
    run.expect(there["spool_rows"] > 19_000, f"refused too early: {there['spool_rows']}")
    run.expect(info(schedd, "d")["state"] == "running", "the other channel does not run")
    pg.spawn()
    for one in [*bringers, beside]:
        one.end()
    run.facts["refusals"] = sum(b.full for b in bringers)
    run.facts["drained"] = f"{drained_s(schedd, 60 * run.slow):.1f}s"
    drained_s(schedd, 30 * run.slow, "d")
    run.expect(not beside.full, "the other channel was refused")
    run.finish(redis)
    verify_rows(run, schedd, pg, bringers)
    verify_rows(run, schedd, other, [beside], "rows_d", "d")


def g1(run):
    """Away for long at 2,000 rows a second (a quarter of the three minutes, at
    --part 4 all of it), then back: all arrive, live rows are not starved."""
    pg = postgres(run)
    schedd, redis = start(run, pg)
    bringers = [Bringer(run, schedd, "c", n, rate=1000) for n in range(2)]
    for one in bringers:
        one.start()
    away = run.seconds(45, 5)
    pg.halt()
    time.sleep(away)
    waiting = info(schedd)["spool_rows"]
    run.expect(waiting > away * 1000, f"only {waiting} rows wait")
    pg.spawn()
    began = time.monotonic()
    wait_until(lambda: info(schedd)["oldest_s"] < 5, 60 * run.slow, "the backlog to be gone")
    run.at_most("backlog_gone", time.monotonic() - began, 60, "s")
    live = Bringer(run, schedd, "c", 9)
    took = [live.one(wait=True) for _ in range(run.times(100))]
    run.at_most("live_p99", checks.quantile(took, 0.99), 5, "s")
    for one in bringers:
        one.end()
    run.facts["drained"] = f"{drained_s(schedd, 60 * run.slow):.1f}s"
    verify_rows(run, schedd, pg, [*bringers, live])
    run.expect(redis.process.poll() is None, "Redis ended")


def g2(run):
    """One row in a hundred is bad, of eight kinds: those and no others are in
    the quarantine, and it costs at most 70 % of the speed."""
    pg = postgres(run)
    schedd, _ = start(run, pg, max_quarantine=100_000)
    wait_until(lambda: info(schedd)["state"] == "running", 20, "the channel")
    count = run.times(50_000)
    clean = Bringer(run, schedd, "c", 1, batch=500)
    bad = Bringer(run, schedd, "c", 2, bad=0.01, batch=500)
    speeds = []
    for bringer in (clean, bad):
        with schedd.client(timeout=60) as client:
            client.call("PATCH", "/v1/channels/c", {"paused": True})
        while bringer.serial < count:
            bringer.one()
        began = time.monotonic()
        with schedd.client(timeout=60) as client:
            client.call("PATCH", "/v1/channels/c", {"paused": False})
        drained_s(schedd, 300 * run.slow)
        speeds.append(bringer.serial / (time.monotonic() - began))
    run.facts.update(clean=f"{speeds[0]:.0f}/s", bad=f"{speeds[1]:.0f}/s")
    run.expect(
        speeds[1] >= 0.3 * speeds[0],
        f"{speeds[1]:.0f} rows/s with bad ones, {speeds[0]:.0f} without",
    )
    verify_rows(run, schedd, pg, [clean, bad])
    refused_at_the_door(run, schedd)


def refused_at_the_door(run, schedd):
    """What is known to be bad never comes in, by name."""
    path = "/v1/channels/c/rows"
    with schedd.client() as client:
        got = client.post(path, {"id": "x\0", "n": 1})
        run.expect(got.status == 400, f"a NUL: {got}")
        got = client.post(path, b'{"id":"\xff","n":1}')
        run.expect(got.error["name"] == "BODY_NOT_UTF8", f"bad UTF-8: {got}")
        got = client.call("POST", path, b'{"id":"a","n":"x"}\n', LINES)
        run.expect(got.status == 400 and "line 1" in got.error["detail"], f"a type: {got}")
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 30}\r\n\r\n"
        client.conn.connect()
        client.conn.sock.sendall(head.encode())
        answer = client.conn.sock.recv(4096)
        run.expect(b" 413 " in answer, f"a claim of 1 GiB: {answer[:200]}")


def g3(run):
    """Seven things that go wrong with a table or a server, one after the other:
    rows wait, nothing is lost, the channel beside it goes on."""
    pg = postgres(run, max_connections=8, superuser_reserved_connections=3)
    pg.make("CREATE TABLE rows_d (at bigserial, id text PRIMARY KEY, n int, t text, j jsonb, o int, d date, m numeric, u text)")
    more = {'channel "d"': {"table": "rows_d", "columns": COLUMNS, "key": "id"}}
    schedd, _ = start(run, pg, settings=more)
    bringer = Bringer(run, schedd, "c", 0, rate=200)
    beside = Bringer(run, schedd, "d", 0)
    bringer.start()
    hold = run.seconds(30, 3)

    def goes_on(what, database_is_there=True):
        """The one beside; while the database is not there both wait."""
        if database_is_there:
            took = beside.one(wait=True)
            run.expect(took < 10 * run.slow, f"{what}: the other channel took {took:.1f} s")

    def waits(what, *states):
        wait_until(lambda: info(schedd)["state"] in states, 40 * run.slow, f"{what}: {states}, is {info(schedd)}")

    def heals(what):
        wait_until(lambda: info(schedd)["state"] == "running", 60 * run.slow, f"{what} to be healed: {info(schedd)}")

    # 1 the table is away
    pg.make("ALTER TABLE rows_c RENAME TO rows_away")
    waits("table", "stopped")
    goes_on("table")
    pg.make("ALTER TABLE rows_away RENAME TO rows_c")
    heals("table")
    # 2 a column is
    pg.make("ALTER TABLE rows_c RENAME t TO away")
    waits("column", "stopped")
    goes_on("column")
    pg.make("ALTER TABLE rows_c RENAME away TO t")
    heals("column")
    # 3 a lock
    locker = threading.Thread(target=pg.sql, args=(f"BEGIN; LOCK TABLE rows_c; SELECT pg_sleep({hold}); COMMIT",))
    locker.start()
    waits("lock", "waiting")
    goes_on("lock")
    locker.join()
    heals("lock")
    # 4 deadlocks: by hand, as a trigger raises them
    pg.make("CREATE FUNCTION dead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a deadlock' USING ERRCODE = '40P01'; END $$; CREATE TRIGGER dead BEFORE INSERT ON rows_c FOR EACH STATEMENT EXECUTE FUNCTION dead()")
    waits("deadlock", "waiting")
    goes_on("deadlock")
    pg.make("DROP TRIGGER dead ON rows_c")
    heals("deadlock")
    # 5 no connection is left
    terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'schedd'"
    pg.sql("ALTER ROLE keeper CONNECTION LIMIT 0")
    pg.sql(terminate)
    waits("connections", "waiting", "stopped")
    pg.sql("ALTER ROLE keeper CONNECTION LIMIT -1")
    heals("connections")
    # 6 read-only
    pg.sql("ALTER ROLE keeper SET default_transaction_read_only = on")
    pg.sql(terminate)
    waits("read-only", "waiting")
    pg.sql("ALTER ROLE keeper RESET default_transaction_read_only")
    heals("read-only")
    # 7 the password is another one
    hba = pg.folder / "data" / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("local all admin trust\nlocal all all scram-sha-256\n")
    pg.sql("SELECT pg_reload_conf()")
    pg.sql(terminate)
    waits("password", "stopped", "waiting")
    hba.write_text(before)
    pg.sql("SELECT pg_reload_conf()")
    heals("password")
    bringer.end()
    drained_s(schedd, 60 * run.slow)
    drained_s(schedd, 60 * run.slow, "d")
    verify_rows(run, schedd, pg, [bringer])
    verify_rows(run, schedd, pg, [beside], "rows_d", "d")


def g4(run):
    """The connection is cut in the middle of what the database answers, 200
    times: without a key only the position keeps rows from coming twice."""
    pg = postgres(run)
    folder = run.place()
    folder.mkdir(parents=True)
    target = f"unix:{pg.folder}/.s.PGSQL.{pg.port}"
    proxy = Proxy(f"unix:{folder}/.s.PGSQL.{pg.port}", target, run.seed)
    run.proxies.append(proxy)
    link = {'postgres "main"': {"conninfo": pg.conninfo(host=folder)}}
    schedd, _ = start(run, pg, key=False, settings=link, batch=100)
    bringer = Bringer(run, schedd, "c", 0, rate=1500)
    bringer.start()
    wanted = run.times(200)
    made = 0
    end = time.monotonic() + 240 * run.slow
    while made < wanted and time.monotonic() < end:
        if info(schedd)["connected"]:
            # Behind what a commit's answer is long, or within it.
            proxy.do(f"cut {run.rng.randrange(1, 260)} down")
        time.sleep(run.rng.uniform(0.02, 0.12))
        made = int(proxy.do("cuts")[0])
    proxy.do("clear")
    run.facts["cuts"] = made
    run.expect(made >= wanted, f"only {made} cuts were made")
    bringer.end()
    drained_s(schedd, 60 * run.slow)
    verify_rows(run, schedd, pg, [bringer])


ROWS = {"F3": f3, "D3": d3, "G1": g1, "G2": g2, "G3": g3, "G4": g4}
