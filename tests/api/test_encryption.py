"""Encrypted columns: what lies in the table, what is read back, keys and their
change, and what is refused."""

import base64
import json
import secrets
import subprocess

import pytest

import ctl
from access import make_token, make_tokens
from channels import LINES, act, bring, info, quarantine, rows_path, spool, wait_empty
from conftest import wait_state
from sealing import KeyFile, page_reader
from server import Schedd, wait_until

READER = page_reader()
SQL = "CREATE TABLE {0} (id int PRIMARY KEY, phone text, idcard text UNIQUE, raw bytea CHECK (length(raw) < 4000), n int CHECK (n > 0))"
COLUMNS = "id:int4, phone:text, idcard:text, raw:bytea, n:int4"
CHANNEL = {"columns": COLUMNS, "encrypt": "phone, raw", "encrypt_deterministic": "idcard"}


@pytest.fixture(name="keys")
def _keys(place):
    return KeyFile(place.new_folder() / "keys", "k1")


@pytest.fixture(name="client")
def _client(world, request, keys):
    table = f"e_{request.node.name.removeprefix('test_')[:40]}"
    client = world({"people": {"table": table, **CHANNEL}}, SQL.format(table), keys.settings())
    client.ctl = lambda *words, **more: ctl.run("--server", ctl.url_of(client.schedd), *words, **more)
    client.table = table
    return client


def column(client, name, row_id):
    """What the table has: text, or bytes of a bytea column."""
    kind = "encode(raw, 'hex')" if name == "raw" else name
    got = client.postgres.one(f"SELECT coalesce({kind}, '<null>') FROM {client.table} WHERE id = {row_id}")
    return None if got == "<null>" else bytes.fromhex(got) if name == "raw" else got


def read(client, keys, name, row_id):
    """What the page's reader makes of it."""
    return READER.decrypt(READER.read_keys(keys.path), "people", name, column(client, name, row_id))


def decrypt(client, **fields):
    """What schedd makes of it."""
    got = client.post("/v1/decrypt", {"fields": fields, "context": {"channel": "people"}})
    assert got.status == 200, got
    return got.json["fields"]


def encrypt(client, **fields):
    """What schedd would put into the table."""
    got = client.post("/v1/encrypt", {"fields": fields, "context": {"channel": "people"}})
    assert got.status == 200, got
    return got.json["fields"]


# -- there and back -------------------------------------------------------

TEXTS = [
    ("+49 30 901820", "+49 30 901820"),
    ("Zoë 😀 \" \\ \t\n", "Zoë 😀 \" \\ \t\n"),
    ("a\0b", "a\0b"),
    (13800138000, "13800138000"),
    (-1.50, "-1.5"),
    (True, "true"),
    ([1, None, {"a": "b"}], '[1, null, {"a": "b"}]'),
    ({"no": "L01X00T47"}, '{"no": "L01X00T47"}'),
    ("enc1 is no value", "enc1 is no value"),
    ("x" * 100_000, "x" * 100_000),
]


def test_what_is_written_is_read_back_by_others(client, keys):
    for i, (value, text) in enumerate(TEXTS):
        bring(client, "people", {"id": i, "phone": value, "idcard": [i, value] if len(text) < 1000 else str(i), "raw": value if i < 9 else "x"})
        stored = column(client, "phone", i)
        assert stored.startswith("enc1") and column(client, "raw", i).startswith(b"zw5")
        assert read(client, keys, "phone", i) == text
        assert decrypt(client, phone=stored) == {"phone": text}
        if i < 9:
            assert read(client, keys, "raw", i) == text
            assert decrypt(client, raw="\\x" + column(client, "raw", i).hex()) == {"raw": text}
        assert json.loads(read(client, keys, "idcard", i)) in ([i, value], i)


def test_null_and_empty_stay_as_they_are(client, keys):
    bring(client, "people", {"id": 1, "phone": None, "idcard": "", "raw": ""}, {"id": 2})
    assert column(client, "phone", 1) is None and column(client, "phone", 2) is None
    assert column(client, "idcard", 1) == "" and column(client, "raw", 1) == b""
    assert read(client, keys, "idcard", 1) == "" and read(client, keys, "phone", 1) is None
    assert decrypt(client, phone=None, idcard="") == {"phone": None, "idcard": ""}
    assert encrypt(client, phone=None, idcard="") == {"phone": None, "idcard": ""}


def test_deterministic_is_equal_and_random_is_not(client):
    rows = [{"id": i, "phone": "same", "idcard": f"no-{i // 2}", "n": 1} for i in range(6)]
    got = bring(client, "people", *rows)
    # The unique index on what is encrypted holds.
    assert (got["committed"], got["quarantined"]) == (3, 3)
    assert int(client.postgres.one(f"SELECT count(DISTINCT phone) FROM {client.table}")) == 3
    wanted = encrypt(client, idcard="no-2")["idcard"]
    assert client.postgres.sql(f"SELECT id FROM {client.table} WHERE idcard = '{wanted}'") == [["4"]]
    assert encrypt(client, idcard="no-2")["idcard"] == wanted
    assert encrypt(client, phone="x")["phone"] != encrypt(client, phone="x")["phone"]
    # A number and its digits are the same text.
    assert encrypt(client, idcard=138) == encrypt(client, idcard="138")


def test_tables_are_joined_by_deterministic_columns(world, keys):
    sql = "CREATE TABLE j_people (idcard text, phone text); CREATE TABLE j_orders (idcard text, phone text, n int)"
    kinds = {"encrypt": "phone", "encrypt_deterministic": "idcard"}
    client = world({"people": {"table": "j_people", **kinds}, "orders": {"table": "j_orders", **kinds}}, sql, keys.settings())
    bring(client, "people", *[{"idcard": f"c{i}", "phone": f"p{i}"} for i in range(3)])
    bring(client, "orders", *[{"idcard": f"c{i % 2}", "phone": f"p{i}", "n": i} for i in range(4)])
    joined = client.postgres.sql("SELECT p.phone, n FROM j_people p JOIN j_orders o USING (idcard) ORDER BY n")
    assert [int(row[1]) for row in joined] == [0, 1, 2, 3]
    assert decrypt(client, phone=[row[0] for row in joined])["phone"] == ["p0", "p1", "p0", "p1"]
    assert client.postgres.one("SELECT count(*) FROM j_people p JOIN j_orders o USING (phone)") == "0"


def test_all_ways_in(client, keys):
    """One row, a list, lines, a report, a take with one; blanks and escapes."""
    client.post(rows_path("people", wait="commit"), b' { "phone" : "one" ,"id":1 , "idcard":"\\u0061" } ')
    bring(client, "people", {"id": 2, "phone": "two"}, {"id": 3, "phone": "three"})
    body = b'{"id":4,"phone":"four"}\n\n{"raw":"five","id":5,"phone":"five"}\r\n'
    client.call("POST", rows_path("people", wait="commit"), body, LINES)
    queue = client.queue("q")
    queue.push("t0", "t1")
    held = queue.take_ids("w", count=2)
    got = client.post("/v1/queues/q/report", {"worker": "w", "finished": [{"id": held[0], "rows": {"people": [{"id": 6, "phone": "six"}, {"id": 7, "phone": "seven"}]}}], "rows": {"people": [{"id": 8, "phone": "eight"}]}})
    assert got.status == 200 and got.json["rows"] == {"people": 3}, got
    got = client.post("/v1/queues/q/take", {"worker": "w", "finished": [held[1]], "rows": {"people": [{"phone": "nine", "id": 9, "n": 9}]}})
    assert got.status == 200, got
    wait_empty(client, "people")
    names = "one two three four five six seven eight nine".split()
    assert [read(client, keys, "phone", i + 1) for i in range(9)] == names
    assert read(client, keys, "idcard", 1) == "a" and read(client, keys, "raw", 5) == "five"
    assert client.postgres.one(f"SELECT n FROM {client.table} WHERE id = 9") == "9"


def test_columns_of_the_catalogue(world, keys):
    channel = {"table": "cat", "encrypt": "raw", "encrypt_deterministic": "idcard", "key": "idcard"}
    client = world({"people": channel}, "CREATE TABLE cat (id int, idcard text UNIQUE, raw bytea)", keys.settings())
    client.table = "cat"
    shown = {c["name"]: c["encrypt"] for c in info(client, "people")["columns"]}
    assert shown == {"id": None, "idcard": "deterministic", "raw": "random"}
    # The key of a channel, deterministic, keeps each text once.
    bring(client, "people", *[{"id": i, "idcard": "a", "raw": "b"} for i in range(3)])
    assert client.postgres.one("SELECT count(*) FROM cat") == "1"
    assert read(client, keys, "raw", 0) == "b"
    client.post(rows_path("people"), {"id": 1, "idcard": None}).refused(400, "FIELD_TYPE", "part of the key")


@pytest.mark.log_errors("channel.stopped")
@pytest.mark.parametrize("sql, channel, words", [
    ("CREATE TABLE {0} (id int)", {"encrypt": "phone"}, 'encrypted column "phone" is not among the columns'),
    ("CREATE TABLE {0} (id int, phone int)", {"encrypt": "phone"}, 'encrypted column "phone" must be of type text or bytea'),
    ("CREATE TABLE {0} (phone varchar(20))", {"encrypt_deterministic": "phone"}, "it is varchar"),
    ("CREATE TABLE {0} (phone bytea)", {"encrypt": "phone", "columns": "phone:text"}, "it is bytea"),
])  # fmt: skip
def test_a_table_that_cannot_hold_it_stops_the_channel(world, keys, request, sql, channel, words):
    table = f"bad_{request.node.callspec.id.split('-')[0].replace(' ', '')[-8:]}{abs(hash(words)) % 10**6}"
    table = "".join(c for c in table.lower() if c.isalnum() or c == "_")
    client = world({"people": {"table": table, **channel}}, sql.format(table), keys.settings(), ready=False)
    got = wait_state(client, "people", "stopped")
    assert words in got["error"]["detail"], got
    # It goes on by itself when that is mended.
    client.postgres.make(f"DROP TABLE {table}; CREATE TABLE {table} (id int, phone text)")
    wait_state(client, "people", "running")


# -- what is refused ------------------------------------------------------


def test_a_value_of_another_place_is_no_text(client):
    """A value that is encrypted already is opened and encrypted anew; one that
    is of another column, or was changed, is refused."""
    made = encrypt(client, phone="+1", idcard="+1", raw="+1")
    bring(client, "people", {"id": 1, **made})
    assert decrypt(client, phone=column(client, "phone", 1)) == {"phone": "+1"}
    assert column(client, "phone", 1) != made["phone"] and column(client, "idcard", 1) == made["idcard"]
    for name, value in (("phone", made["idcard"]), ("idcard", made["phone"]), ("raw", made["phone"])):
        client.post(rows_path("people"), {"id": 2, name: value}).refused(400, "CIPHER_BAD", f"'{name}'", "for this channel and column")
        client.post("/v1/encrypt", {"fields": {name: value}, "context": {"channel": "people"}}).refused(400, "CIPHER_BAD", name)
    bad = made["phone"][:-8] + ("A" if made["phone"][-8] != "A" else "B") + made["phone"][-7:]
    client.post(rows_path("people"), {"rows": [{"id": 2}, {"id": 3, "phone": bad}]}).refused(400, "CIPHER_BAD", "'rows[1].phone'")
    client.post("/v1/decrypt", {"fields": {"phone": made["phone"], "idcard": bad}, "context": {"channel": "people"}}).refused(400, "CIPHER_BAD", "fields.idcard")
    client.post("/v1/decrypt", {"fields": {"phone": made["phone"]}, "context": {"channel": "other"}}).refused(400, "CIPHER_BAD", "fields.phone")
    # A part of one is plain text.
    bring(client, "people", {"id": 4, "phone": made["phone"][:-1], "idcard": "enc1", "raw": "\\x7a7735"})
    assert decrypt(client, phone=column(client, "phone", 4), raw="\\x" + column(client, "raw", 4).hex()) == {
        "phone": made["phone"][:-1], "raw": "\\x7a7735"
    }  # fmt: skip


BAD = [
    ("encrypt", {}, 400, "FIELD_MISSING", "'fields'"),
    ("encrypt", {"fields": {"phone": "x"}}, 400, "FIELD_MISSING", "'context'"),
    ("encrypt", {"fields": {"phone": "x"}, "context": {}}, 400, "FIELD_MISSING", "'channel'"),
    ("encrypt", {"fields": {"phone": "x"}, "context": {"channel": "people", "column": "x"}}, 400, "FIELD_UNKNOWN", "'column'"),
    ("encrypt", {"fields": {}, "context": {"channel": "people"}}, 400, "FIELD_RANGE", "at least one"),
    ("encrypt", {"fields": ["x"], "context": {"channel": "people"}}, 400, "FIELD_TYPE", "'fields'"),
    ("encrypt", {"fields": {"id": 1}, "context": {"channel": "people"}}, 400, "NOT_ENCRYPTED", "fields.id"),
    ("encrypt", {"fields": {"nope": 1}, "context": {"channel": "people"}}, 400, "NOT_ENCRYPTED", "fields.nope"),
    ("encrypt", {"fields": {"phone": 1}, "context": {"channel": "nope"}}, 404, "CHANNEL_UNKNOWN", ""),
    ("encrypt", {"fields": {"phone": 1}, "context": {"channel": "a b"}}, 400, "CHANNEL_NAME_BAD", "'channel'"),
    ("encrypt", {"fields": {"phone": 1}, "context": {"channel": "people"}, "key": "no"}, 404, "KEY_UNKNOWN", ""),
    ("encrypt", {"fields": {"phone": 1}, "context": {"channel": "people"}, "key": "a:b"}, 400, "FIELD_RANGE", "'key'"),
    ("decrypt", {"fields": {"phone": 1}, "context": {"channel": "people"}}, 400, "FIELD_TYPE", "fields.phone"),
    ("decrypt", {"fields": {"phone": "x"}, "context": {"channel": "people"}}, 400, "CIPHER_BAD", "fields.phone"),
    ("decrypt", {"fields": {"phone": [None] * 1001}, "context": {"channel": "people"}}, 413, "TOO_MANY_ITEMS", "1000"),
    ("decrypt", {"fields": {"a.b": "x"}, "context": {"channel": "people"}}, 400, "FIELD_RANGE", "names of columns"),
    ("decrypt", {"fields": {"phone": "x"}, "context": {"channel": "people"}, "key": "k1"}, 400, "FIELD_UNKNOWN", "'key'"),
    ("decrypt", b'{"fields":{"phone":null,"phone":null},"context":{"channel":"people"}}', 400, "FIELD_DUPLICATE", "only once"),
    ("decrypt", b'{"fields":{"phone":', 400, "BODY_NOT_JSON", "byte"),
]  # fmt: skip


@pytest.fixture(scope="module", name="plain")
def _plain(_module_place, postgres):
    postgres.make(SQL.format("plain"))
    keys = KeyFile(_module_place.new_folder() / "keys", "k1")
    parts = {**postgres.settings({"people": {"table": "plain", **CHANNEL}}), **keys.settings()}
    with _module_place.schedd(parts).client() as client:
        wait_state(client, "people", "running")
        yield client


@pytest.mark.parametrize("verb, body, status, name, word", BAD)
def test_bad_bodies(plain, verb, body, status, name, word):
    plain.post(f"/v1/{verb}", body).refused(status, name, word)


def test_a_row_must_fit_when_it_is_encrypted(plain):
    """Base64 takes a third more."""
    plain.post(rows_path("people"), {"id": 1, "phone": "x" * 900_000}).refused(413, "ROW_TOO_LARGE", "1048576")
    assert bring(plain, "people", {"id": 1, "phone": "x" * 700_000})["committed"] == 1


def test_roles(world, keys):
    client = world({"people": {"table": "roles", **CHANNEL}}, SQL.format("roles"), keys.settings())
    tokens = make_tokens(client)
    client.token = tokens["admin"]
    tokens["far"] = make_token(client, "far", "worker", queues=["mail*"])
    tokens["near"] = make_token(client, "near", "worker", queues=["channel:people"])
    made = encrypt(client, phone="x")
    body = {"fields": made, "context": {"channel": "people"}}
    encrypts = {"admin": 200, "producer": 200, "worker": 200, "near": 200, "far": 404, "viewer": 403, "operator": 403}
    for who, token in tokens.items():
        client.token = token
        assert client.post("/v1/encrypt", body).status == encrypts[who], who
        got = client.post("/v1/decrypt", body)
        if who == "admin":
            assert got.json == {"fields": {"phone": "x"}}
        else:
            got.refused(403, "FORBIDDEN")
    client.token = tokens["admin"]
    entries = [json.loads(e["entry"]) for e in client.get_json("/v1/audit")["entries"]]
    (told,) = [e for e in entries if e["action"] == "fields.decrypt"]
    assert (told["who"], told["channel"], told["columns"], told["values"]) == ("admin", "people", ["phone"], 1)


# -- keys -----------------------------------------------------------------


def test_keys_change_without_a_pause(client, keys):
    bring(client, "people", {"id": 1, "phone": "old", "idcard": "same"})
    old = column(client, "idcard", 1)
    keys.add("k2")
    client.schedd.reload()
    bring(client, "people", {"id": 2, "phone": "new", "idcard": "same"})
    assert b"k2" in base64.b64decode(column(client, "phone", 2))
    both = decrypt(client, phone=[column(client, "phone", 1), None, column(client, "phone", 2)], idcard=[old, column(client, "idcard", 2)])
    assert both == {"phone": ["old", None, "new"], "idcard": ["same", "same"]}
    assert [read(client, keys, "phone", i) for i in (1, 2)] == ["old", "new"]
    assert column(client, "idcard", 2) != old
    got = client.post("/v1/encrypt", {"fields": {"idcard": "same"}, "context": {"channel": "people"}, "key": "k1"})
    assert got.json["fields"]["idcard"] == old
    # The key of deterministic columns can stay.
    client.schedd.settings["crypt"]["deterministic_key"] = "k1"
    client.schedd.reload()
    assert encrypt(client, idcard="same")["idcard"] == old
    assert client.get_json("/v1/config")["settings"]


@pytest.mark.log_errors("conf.refused")
def test_bad_keys_change_nothing(client, keys):
    bring(client, "people", {"id": 1, "phone": "old"})
    good = keys.path.read_text("ascii")
    for text, mode, words in (
        (good + "k1:" + secrets.token_hex(32) + "\n", 0o600, "2: 'k1' stands twice"),
        ("k1:" + keys.keys["k1"][::-1] + "\n", 0o600, "'k1' was another key"),
        (good, 0o644, "must not be readable by others"),
        (good + "k2:" + "xy" * 32, 0o600, "2: expected id:64 lower-case hex digits"),
        ("", 0o600, "is empty"),
    ):
        keys.path.write_text(text, "ascii")
        keys.path.chmod(mode)
        line = client.schedd.reload("conf.refused")
        assert words in line.text and "E833" in line.text and keys.keys["k1"][:16] not in line.text
        assert decrypt(client, phone=column(client, "phone", 1)) == {"phone": "old"}
        bring(client, "people", {"id": 1, "phone": "x"})
    keys.write()
    client.schedd.reload()
    keys.keys = {}
    keys.add("k3")
    client.schedd.reload()
    stored = column(client, "phone", 1)
    client.post("/v1/decrypt", {"fields": {"phone": stored}, "context": {"channel": "people"}}).refused(404, "KEY_UNKNOWN", "fields.phone")
    client.post(rows_path("people"), {"id": 5, "phone": stored}).refused(404, "KEY_UNKNOWN", "'phone'")


def refused_start(place, settings):
    """What a schedd says that does not start, and how it ends."""
    one = Schedd(place.new_folder(), settings)
    one.folder.mkdir(parents=True)
    one.write_settings()
    done = subprocess.run([*one.command(), "--check"], capture_output=True, text=True, check=False)
    again = subprocess.run(one.command(), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == again.returncode == 78, (done, again)
    assert done.stderr == again.stderr
    return done.stderr


def test_what_keeps_it_from_starting(place, keys):
    channel = {"table": "t", "columns": COLUMNS}
    for settings, words in (
        ({'channel "a"': {**channel, "encrypt": "nope"}, **keys.settings()}, "E812 CONF_VALUE"),
        ({'channel "a"': {**channel, "encrypt": "n"}, **keys.settings()}, "encrypt: expected names that stand in columns, of type text or bytea"),
        ({'channel "a"': {**channel, "encrypt": "phone"}}, "encrypt: expected [crypt] key_file to be set"),
        ({'channel "a"': {**channel, "encrypt": "phone"}, "crypt": {"key_file": "/nonexistent"}}, "E833 KEY_FILE: crypt.key_file: /nonexistent No such file"),
        (keys.settings(key="k9"), "E833 KEY_FILE: crypt.key: "),
    ):
        assert words in refused_start(place, settings)
    keys.path.chmod(0o640)
    assert "must not be readable by others (chmod 600)" in refused_start(place, keys.settings())


# -- what was there before ------------------------------------------------


def test_rows_that_were_spooled_in_the_clear_are_encrypted_on_their_way(world, place, keys):
    """The settings come to say so while rows wait, and while some are refused."""
    redis = place.redis()
    columns = COLUMNS.replace("idcard:text", "idcard:int8")
    client = world({"people": {"table": "before", "columns": columns}}, SQL.format("before"), redis=redis)
    bring(client, "people", {"id": 1, "phone": "refused before", "n": -1})
    client.call("PATCH", "/v1/channels/people", {"paused": True})
    spool(client, "people", {"id": 2, "phone": "spooled \\u0062efore", "idcard": 138, "raw": "\\x00"}, {"id": 3, "phone": "enc1 or so"}, {"id": 4, "phone": ""})
    client.schedd.stop()
    client = world({"people": {"table": "before", **CHANNEL}}, "", keys.settings(), redis=redis, ready=False)
    client.table = "before"
    client.call("PATCH", "/v1/channels/people", {"paused": False})
    wait_empty(client, "people")
    assert read(client, keys, "phone", 2) == "spooled \\u0062efore" and read(client, keys, "phone", 3) == "enc1 or so"
    assert read(client, keys, "idcard", 2) == "138" and read(client, keys, "raw", 2) == "\\x00"
    assert column(client, "phone", 4) == ""
    (row,) = quarantine(client, "people")
    client.call("PATCH", f"/v1/channels/people/quarantine/{row['id']}", {"row": {**row["row"], "n": 1}})
    (row,) = quarantine(client, "people")
    assert row["row"]["phone"].startswith("enc1")
    assert act(client, "people", "retry", all=True) == 1
    wait_empty(client, "people")
    assert read(client, keys, "phone", 1) == "refused before"


def test_a_row_of_the_quarantine_is_mended(client, keys):
    bring(client, "people", {"id": 1, "phone": "+1", "idcard": "i", "raw": "r", "n": -1})
    (row,) = quarantine(client, "people")
    assert all(row["row"][name] != text for name, text in (("phone", "+1"), ("idcard", "i"), ("raw", "r")))
    path = f"/v1/channels/people/quarantine/{row['id']}"
    assert client.call("PATCH", path, {"row": {**row["row"], "n": 1}}).status == 200
    assert act(client, "people", "retry", all=True) == 1
    wait_empty(client, "people")
    assert [read(client, keys, name, 1) for name in ("phone", "idcard", "raw")] == ["+1", "i", "r"]


# -- schedctl, numbers ----------------------------------------------------


def test_schedctl(client, keys):
    bring(client, "people", *[{"id": i, "phone": f"p{i}", "idcard": f"c{i}"} for i in range(1, 700)])
    there = client.postgres.sql(f"SELECT phone FROM {client.table} ORDER BY id")
    got = client.ctl("decrypt", "people", "phone", stdin="".join(f"{row[0]}\n" for row in there))
    assert got.code == 0 and got.out.splitlines() == [f"p{i}" for i in range(1, 700)], got
    assert client.ctl("decrypt", "people", "phone", there[6][0], "", there[8][0]).out == "p7\n\np9\n"
    assert client.ctl("decrypt", "people", "phone", there[6][0], "--json").json == {"values": ["p7"]}
    bad = client.ctl("decrypt", "people", "idcard", there[6][0])
    assert bad.code == 1 and bad.out == "" and "E607 CIPHER_BAD" in bad.err
    assert client.ctl("decrypt", "people").code == 2 and client.ctl("decrypt", "a,b", "c", "d").code == 2
    got = client.ctl("encrypt", "people", "idcard", stdin="c7\nc8\n")
    wanted = client.postgres.sql(f"SELECT idcard FROM {client.table} WHERE id IN (7, 8) ORDER BY id")
    assert got.code == 0 and got.out.splitlines() == [row[0] for row in wanted]
    keys.add("k2")
    client.schedd.reload()
    assert client.ctl("encrypt", "people", "idcard", stdin="c7\n").out != wanted[0][0] + "\n"
    old = client.ctl("encrypt", "people", "idcard", "--key", "k1", "--json", stdin="c7\n")
    assert old.json == {"values": [wanted[0][0]]}
    assert client.ctl("encrypt", "people", "id", stdin="1\n").code == 1
    shown = client.ctl("channel", "show", "people").out
    assert "phone text encrypted (random)" in shown and "idcard text encrypted (deterministic)" in shown
    assert "fields.decrypt" in client.ctl("audit", "ls").out


def test_a_new_key_is_a_line_of_the_file(place):
    made = ctl.run("key", "new", "2026-01")
    key_id, key = made.out.strip().split(":")
    assert made.code == 0 and key_id == "2026-01" and len(bytes.fromhex(key)) == 32
    assert ctl.run("key", "new", "2026-01").out != made.out
    assert ctl.run("key", "new", "a:b").code == 2 and ctl.run("key", "new").code == 2
    folder = place.new_folder()
    folder.mkdir(parents=True)
    (folder / "keys").write_text(made.out, "ascii")
    (folder / "keys").chmod(0o600)
    schedd = place.schedd({"crypt": {"key_file": folder / "keys"}})
    assert schedd.find_log("conf.keys").values == {"keys": "1", "key": "2026-01", "deterministic_key": "2026-01"}


def test_metrics(client):
    def numbers():
        lines = client.get("/metrics").body.decode().splitlines()
        return {line.split('"')[1]: float(line.split()[-1]) for line in lines if line.startswith("schedd_crypt_fields_total{")}

    assert numbers() == {"encrypted": 0, "decrypted": 0, "refused": 0}
    bring(client, "people", {"id": 1, "phone": "x", "idcard": "y"}, {"id": 2, "phone": None, "raw": "z"})
    decrypt(client, phone=[column(client, "phone", 1)] * 3)
    client.post(rows_path("people"), {"id": 3, "phone": column(client, "idcard", 1)})
    assert numbers() == {"encrypted": 3, "decrypted": 3, "refused": 1}
    assert b"schedd_crypt_keys 1\n" in client.get("/metrics").body


def test_a_restart_encrypts_on(client, keys):
    """Killed between the spool and the table; what waits is as it was."""
    client.call("PATCH", "/v1/channels/people", {"paused": True})
    spool(client, "people", *[{"id": i, "phone": f"p{i}", "idcard": f"c{i}"} for i in range(50)])
    client.schedd.kill()
    client.schedd.start()
    client.addr = client.schedd.addr
    with client.schedd.client() as again:
        again.table, again.postgres = client.table, client.postgres
        again.call("PATCH", "/v1/channels/people", {"paused": False})
        wait_until(lambda: info(again, "people")["spool_rows"] == 0, 20)
        assert [read(again, keys, "phone", i) for i in range(50)] == [f"p{i}" for i in range(50)]
