"""The private Redis ends in the middle of the write of a transaction: what was
half written is not done, and not later either."""

import re
import subprocess

import pytest

from conftest import UNDER_ACL
from redisproc import cut_script
from server import wait_until
from test_kill import runs

pytestmark = pytest.mark.skipif(UNDER_ACL, reason="there no Redis is private")

SETTINGS = {"log": {"access": "no"}}
IDS = [f"t{i:02}" for i in range(20)]
START, END = b"*1\r\n$5\r\nMULTI\r\n", b"*1\r\n$4\r\nEXEC\r\n"


def end_all(schedd):
    """kill -9 of schedd, and the end of its Redis."""
    (redis,) = schedd.children()
    schedd.kill()
    wait_until(lambda: not runs(redis), 20, "its redis-server to end")


def tear(schedd, what, command):
    """Cuts the file in the transaction that did that, a few bytes into the
    command of that number. Says where the transaction starts."""
    state = schedd.folder / "state"
    (path,) = state.rglob("*.incr.aof")
    text = path.read_bytes()
    end = text.index(END, text.index(what))
    start = text.rindex(START, 0, end)
    at = [m.end() for m in re.finditer(rb"\r\n\*\d+\r\n\$", text[start:end])]
    assert len(at) >= 3, text[start:end]
    path.write_bytes(text[: start + at[command]])
    for known in state.glob("store-*"):
        known.unlink()  # of signs of life that came after
    return start


def restart(schedd):
    """Ends it in good order, and starts it."""
    schedd.stop()
    schedd.start()


@pytest.mark.parametrize("command", [1, -1])
def test_a_torn_push(place, command):
    """It is done once, when it is asked for again."""
    schedd = place.schedd(SETTINGS)
    with schedd.client() as client:
        client.queue("q").push_many(["before"])
        client.queue("q").push_many(IDS)
    end_all(schedd)
    start = tear(schedd, IDS[0].encode(), command)
    schedd.start()
    line = schedd.wait_log("redis.aof_cut")
    assert int(line.values["offset"]) == start
    with schedd.client() as client:
        queue = client.queue("q")
        assert queue.counts() == {"todo": 1}
        assert queue.push_many(IDS)["queued"] == len(IDS)
    restart(schedd)
    with schedd.client() as client:
        queue = client.queue("q")
        assert queue.counts() == {"todo": 1 + len(IDS)}
        assert queue.push_many(["after"])["queued"] == 1
    restart(schedd)
    with schedd.client() as client:
        queue = client.queue("q")
        assert queue.counts() == {"todo": 2 + len(IDS)}
        assert queue.take_ids(count=100) == ["before", *IDS, "after"]
        assert queue.counts() == {"doing": 2 + len(IDS)}
    assert len([x for x in schedd.lines if x.event == "redis.aof_cut"]) == 1


def test_a_torn_report(place):
    """The finish list has each task once."""
    schedd = place.schedd(SETTINGS)
    with schedd.client() as client:
        queue = client.queue("q")
        queue.push_many(IDS)
        assert queue.take_ids(count=100) == IDS
        queue.finish(*IDS)
    end_all(schedd)
    tear(schedd, b":finish", -1)
    schedd.start()
    for _ in range(2):
        with schedd.client() as client:
            queue = client.queue("q")
            queue.report(finished=IDS)
            assert queue.counts() == {"finish": len(IDS)}
            assert sorted(queue.ids("finish")) == IDS
        restart(schedd)


def resp(*words):
    """As it stands in the file."""
    parts = [f"${len(w)}\r\n{w}\r\n" for w in words]
    return (f"*{len(words)}\r\n" + "".join(parts)).encode()


PLAIN = resp("DEL", "a")
TORN = START + resp("RPUSH", "l", "x" * 12) + PLAIN
GOOD = PLAIN + TORN + END


@pytest.fixture(name="cut")
def _cut(tmp_path):
    """Runs the script on a file; what is left of it."""
    tool, file = tmp_path / "tool", tmp_path / "appendonly.aof.1.incr.aof"
    tool.write_text(cut_script())
    manifest = tmp_path / "appendonly.aof.manifest"
    manifest.write_text(f"file {file.name} seq 1 type i\n")

    def cut(data):
        file.write_bytes(data)
        subprocess.run(["sh", tool, manifest], check=False, stdout=subprocess.DEVNULL)
        return file.read_bytes()

    return cut


def test_the_script_for_a_redis_of_ones_own(cut):
    """It cuts wherever Redis would leave a part of a transaction."""
    for size in range(1, len(TORN) + len(END)):
        data = GOOD + (TORN + END)[:size]
        # Redis itself cuts what is no whole command, and no MULTI before it.
        expected = (GOOD, data) if size < len(START) else (GOOD,)
        assert cut(data) in expected, data[len(GOOD) :]
    assert cut(GOOD) == GOOD


@pytest.mark.parametrize(
    "rest",
    [
        TORN + GOOD,
        TORN + TORN,
        END + PLAIN,
        b"nonsense\r\n" + GOOD,
        TORN + b"\0\0\0\0" + GOOD,
        START + b"*2\r\n$3\r\nDEL\r\n$1\r\nab\r\n" + GOOD,
    ],
)
def test_the_script_leaves_damage(cut, rest):
    """What stands behind it would be cut, too."""
    assert cut(GOOD + rest) == GOOD + rest
