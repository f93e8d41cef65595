"""A Redis that came back empty, older, or as another one is noticed, also over
a restart: nothing is acknowledged on it until a person has put it right."""

import shutil
import stat
import subprocess

import pytest

from conftest import UNDER_ACL
from server import wait_until

SETTINGS = {"log": {"access": "no"}}
pytestmark = pytest.mark.log_errors("redis.hopeless")


@pytest.fixture(name="pair")
def _pair(place):
    """A Redis and a schedd with tasks that were acknowledged."""
    redis = place.redis()
    schedd = place.schedd({**SETTINGS, **redis.settings()})
    push(schedd, "first")
    wait_until(lambda: sequence(redis) >= 2, what="two signs of life")
    return redis, schedd


def push(schedd, name):
    """A push of one task that must be acknowledged."""
    with schedd.client() as client:
        assert client.queue("q").push(name)["queued"] == 1


def sequence(redis):
    """The store's sequence."""
    return int(redis.do("HGET", "sched:store", "sequence") or 0)


def data(redis):
    """Where its append-only file is."""
    return redis.folder / "appendonlydir"


def files(schedd):
    """What it keeps of its Redis: one file each. While one is written, the new
    one has a longer name."""
    return sorted((schedd.folder / "state").glob("store-" + 16 * "?"))


def saved(schedd):
    """The sequence in the file of its only Redis; 0 without."""
    lines = [line.split() for f in files(schedd) for line in f.read_text().splitlines()]
    return sum(int(words[1]) for words in lines if words[0] == "sequence")


def wait_saved(schedd, redis):
    """Until the file has what Redis has acknowledged by now."""
    least = sequence(redis)
    wait_until(lambda: saved(schedd) >= least, 15, "the file")


def accept(schedd, code=0):
    """schedd --accept-store; what it says."""
    words = [*schedd.command(), "--accept-store"]
    got = subprocess.run(words, capture_output=True, text=True, check=False)
    assert got.returncode == code, got
    return got.stdout + got.stderr


def restart(schedd, ready=True):
    """Ends it and starts it."""
    schedd.stop()
    schedd.start(ready=ready)


def wait_refused(schedd, words, limit=5):
    """Until schedd acknowledges nothing, and says why wherever one looks."""

    def refused():
        with schedd.client() as client:
            return words in client.get("/readyz").body.decode()

    wait_until(refused, limit, f"{words!r} in /readyz")
    with schedd.client() as client:
        got = client.queue("q").post("tasks", {"id": "late", "payload": 1})
        got.refused(503, "REDIS_DOWN")
        page = client.get("/metrics").body.decode()
    assert 'schedd_store_strange{backend="main"} 1\n' in page
    assert 'schedd_store_up{backend="main"} 0\n' in page
    line = schedd.find_log("redis.hopeless")
    assert line.values["error"] == "REDIS_OLDER" and words in line.text
    assert "--accept-store" in line.text


def check_accepts(schedd, redis):
    """It is itself again."""
    schedd.wait_ready()
    push(schedd, "after")
    with schedd.client() as client:
        assert 'schedd_store_strange{backend="main"} 0\n' in client.get("/metrics").body.decode()
    assert redis.do("HEXISTS", "sched:{q}:task", "late") == 0


def test_wiped(pair):
    """FLUSHALL under a running schedd: a restart does not accept what is
    there, an operator does."""
    redis, schedd = pair
    redis.do("FLUSHALL")
    wait_refused(schedd, "came back empty", limit=2)
    assert redis.do("DBSIZE") == 0, "the empty Redis was written to"
    restart(schedd, ready=False)
    wait_refused(schedd, "came back empty")
    assert redis.do("DBSIZE") == 0, "the empty Redis was written to"
    schedd.kill()
    schedd.start(ready=False)
    wait_refused(schedd, "came back empty")
    schedd.stop()
    said = accept(schedd)
    assert redis.url() in said and "sequence" in said and not files(schedd)
    schedd.start()
    check_accepts(schedd, redis)


def test_empty(pair):
    """Redis is started without its data, and then with them again."""
    redis, schedd = pair
    redis.kill()
    data(redis).rename(redis.folder / "kept")
    redis.start()
    wait_refused(schedd, "came back empty")
    redis.kill()
    shutil.rmtree(data(redis))
    (redis.folder / "kept").rename(data(redis))
    redis.start()
    check_accepts(schedd, redis)
    assert redis.do("HEXISTS", "sched:{q}:task", "first") == 1


@pytest.mark.parametrize("killed", [False, True])
def test_older(pair, killed):
    """Redis is started from a copy of some seconds ago, and then from what
    it had. When schedd was killed, its file knows of it."""
    redis, schedd = pair
    redis.pause()
    shutil.copytree(data(redis), redis.folder / "older")
    redis.resume()
    before = sequence(redis)
    push(schedd, "second")
    wait_until(lambda: sequence(redis) >= before + 2, what="signs of life")
    if killed:
        wait_saved(schedd, redis)
        schedd.kill()
    redis.kill()
    data(redis).rename(redis.folder / "newer")
    (redis.folder / "older").rename(data(redis))
    redis.start()
    if killed:
        schedd.start(ready=False)
    wait_refused(schedd, "came back older")
    assert redis.do("HEXISTS", "sched:{q}:task", "second") == 0
    redis.kill()
    shutil.rmtree(data(redis))
    (redis.folder / "newer").rename(data(redis))
    redis.start()
    check_accepts(schedd, redis)
    assert redis.do("HEXISTS", "sched:{q}:task", "second") == 1


def test_another(pair):
    """A Redis of another schedd, with a higher sequence."""
    redis, schedd = pair
    redis.do("HSET", "sched:store", "generation", "other", "sequence", 10**9)
    wait_refused(schedd, "another Redis", limit=2)


def test_what_is_last_is_saved_at_the_end(pair):
    """So that a restart of both notices a loss of few seconds."""
    redis, schedd = pair
    wait_saved(schedd, redis)
    at = sequence(redis)
    wait_until(lambda: sequence(redis) >= at + 2, what="signs of life")
    schedd.stop()
    assert saved(schedd) == sequence(redis) >= at + 2
    (file,) = files(schedd)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    redis.do("HINCRBY", "sched:store", "sequence", -1)
    schedd.start(ready=False)
    wait_refused(schedd, "came back older")


def test_restarts_hinder_nothing(pair):
    """Of schedd, of both, of either in any order; killed or not."""
    redis, schedd = pair
    for end in (schedd.stop, schedd.kill):
        end()
        redis.kill()
        redis.start()
        schedd.start()
        end()
        schedd.start()
        redis.kill()
        redis.start()
        schedd.wait_ready()
    check_accepts(schedd, redis)


def test_another_url(pair, place):
    """Another Redis on purpose is another one to know; the first is known as
    long as it is there."""
    first, schedd = pair
    second = place.redis()
    wait_saved(schedd, first)
    schedd.stop()
    schedd.settings = {**schedd.settings, **second.settings()}
    schedd.start()
    wait_until(lambda: len(files(schedd)) == 2, what="a second file")
    schedd.stop()
    first.do("FLUSHALL")
    second.do("FLUSHALL")
    schedd.start(ready=False)
    wait_refused(schedd, "came back empty")
    restart_with(schedd, first)
    wait_refused(schedd, "came back empty")


def restart_with(schedd, redis):
    """Ends it and starts it on that Redis."""
    schedd.settings = {**schedd.settings, **redis.settings()}
    restart(schedd, ready=False)


def test_several_schedd(place):
    """With folders of their own and with one for two."""
    redis = place.redis()
    parts = {**SETTINGS, **redis.settings()}
    one, two = place.schedd(parts), place.schedd(parts)
    shared = f"--server.state_dir={one.folder / 'state'}"
    three = place.schedd(parts, args=[shared])
    for schedd in (one, two, three):
        push(schedd, str(schedd.pid()))
        wait_until(lambda: saved(one) > 0, what="a file")
    for schedd in (one, two, three):
        restart(schedd)
    assert len(files(one)) == 1 and len(files(two)) == 1
    redis.do("FLUSHALL")
    for schedd in (one, two, three):
        wait_refused(schedd, "came back empty")


@pytest.mark.skipif(UNDER_ACL, reason="there no Redis is private")
def test_private(place):
    """Its folder alone may not be lost; with the state folder it is a first
    start."""
    schedd = place.schedd(SETTINGS)
    push(schedd, "first")
    wait_until(lambda: saved(schedd) > 0, 15, "the file")
    schedd.stop()
    state = schedd.folder / "state"
    shutil.rmtree(state / "redis")
    schedd.start(ready=False)
    wait_refused(schedd, "came back empty")
    schedd.stop()
    shutil.rmtree(state)
    schedd.start()
    push(schedd, "first")
    wait_until(lambda: saved(schedd) > 0, 15, "the file")
    schedd.stop()
    shutil.rmtree(state / "redis")
    assert "the private Redis" in accept(schedd)
    schedd.start()
    push(schedd, "first")


def test_no_state_folder(place):
    """It cannot be made: then all is as if nothing outlived a schedd."""
    redis = place.redis()
    args = ["--server.state_dir=/dev/null/state"]
    schedd = place.schedd({**SETTINGS, **redis.settings()}, args=args)
    line = schedd.wait_log("store.unsaved")
    assert line.level == "warn" and "/dev/null/state" in line.text
    push(schedd, "first")
    assert "nothing is known" in accept(schedd)
    wait_until(lambda: sequence(redis) >= 2, what="two signs of life")
    redis.do("FLUSHALL")
    wait_refused(schedd, "came back empty")
    restart(schedd)
    check_accepts(schedd, redis)


def test_folder_is_away_for_a_while(pair):
    """It is told once, and once when it is there again."""
    redis, schedd = pair
    state = schedd.folder / "state"
    wait_saved(schedd, redis)
    state.rename(schedd.folder / "away")
    schedd.wait_log("store.unsaved", limit=20)
    push(schedd, "second")
    (schedd.folder / "away").rename(state)
    schedd.wait_log("store.saved", limit=20)
    assert [line.event for line in schedd.lines].count("store.unsaved") == 1
    wait_saved(schedd, redis)


def test_spoiled_file(pair):
    """What makes no sense is not taken for a first start."""
    redis, schedd = pair
    wait_until(lambda: saved(schedd) > 0, 15, "the file")
    schedd.stop()
    (file,) = files(schedd)
    good = file.read_bytes()
    for bad in (b"", good[:40], good[:-1], good + b"x\n", good.replace(b"sched:", b"x:")):
        file.write_bytes(bad)
        schedd.spawn()
        assert schedd.wait_end() == 73
        assert "E821 STATE_DIR" in schedd.tail(1) and str(file) in schedd.tail(1)
        assert "--accept-store" in schedd.tail(1)
        assert file.read_bytes() == bad
    accept(schedd)
    schedd.start()
    check_accepts(schedd, redis)


def test_what_cannot_be_removed(pair):
    """Is said, with the reason."""
    schedd = pair[1]
    wait_until(lambda: saved(schedd) > 0, 15, "the file")
    schedd.stop()
    (file,) = files(schedd)
    file.unlink()
    file.mkdir()
    schedd.spawn()
    assert schedd.wait_end() == 73
    assert f"E821 STATE_DIR: {file}: " in schedd.tail(1)
    said = accept(schedd, code=73)
    assert "E821 STATE_DIR" in said and f"{file}: cannot remove" in said
