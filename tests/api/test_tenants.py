"""Workers of two tenants that have the same name: neither ends nor keeps the
other's leases by what it says, or leaves unsaid."""

import itertools

import pytest

from access import make_token
from server import wait_until

TIMEOUT_S = 8
SETTINGS = {"worker": {"timeout": f"{TIMEOUT_S}s"}, "queue": {"lease": "1h"}}

_serial = itertools.count(1)


class Servers:
    """Two schedd on one Redis, with an admin's token."""

    def __init__(self, place):
        self.redis = place.redis()
        settings = {**SETTINGS, **self.redis.settings()}
        self.schedds = [place.schedd(settings), place.schedd(settings)]
        self.clients = []
        self.admin = self.client(0)
        self.admin.token = make_token(self.admin, "admin", "admin")
        stranger = self.client(1)
        wait_until(
            lambda: stranger.get("/v1/version").status == 401, what="tokens to hold"
        )
        # A start gives workers a whole timeout to be heard of again.
        stranger.token = self.admin.token
        wait_until(
            lambda: stranger.get_json("/v1/stats")["uptime_s"] > TIMEOUT_S + 0.5,
            TIMEOUT_S + 10,
            "the grace after the start to be over",
        )

    def client(self, at, token=None):
        """One to the first or the second."""
        self.clients.append(self.schedds[at].client(token=token))
        return self.clients[-1]


class World:
    """A test's own worker's name, and queues."""

    def __init__(self, servers):
        self.servers, self.admin = servers, servers.admin
        self.redis = servers.redis
        serial = next(_serial)
        self.bob = f"bob{serial}"
        self.theirs = self.admin.queue(f"theirs{serial}")
        self.mine = self.admin.queue(f"mine{serial}")
        self.theirs.push("a")
        self.mine.push("a")

    def worker(self, *queues, at=0):
        """A client with a worker's token of its own, at one of the two."""
        name = f"token{next(_serial)}"
        token = make_token(self.admin, name, "worker", queues=list(queues))
        client = self.servers.client(at, token)
        wait_until(
            lambda: client.get("/v1/version").status == 200, what="the token to hold"
        )
        client.name = name
        return client

    def beats(self):
        """{queues: ms} of bob, as Redis has it."""
        flat = self.redis.do("ZRANGE", "sched:beats", "0", "-1", "WITHSCORES")
        found = {}
        for who, at_ms in zip(flat[::2], flat[1::2]):
            name, _, queues = who.decode().partition(" ")
            if name == self.bob:
                found[queues or "*"] = int(at_ms)
        return found

    def beat(self, client, queues):
        """A heartbeat, until Redis has it."""
        before = self.beats()
        got = client.post(f"/v1/workers/{self.bob}/heartbeat", {})
        assert got.status == 200, got
        wait_until(
            lambda: self.beats().get(queues, 0) > before.get(queues, 0), what=queues
        )

    def take(self, client, queue, **more):
        """What bob takes."""
        return client.queue(queue.name).take_ids(self.bob, **more)

    def move_clock(self, seconds):
        """That of both."""
        for schedd in self.servers.schedds:
            schedd.move_clock(seconds)


@pytest.fixture(scope="module", name="servers")
def _servers(_module_place):
    servers = Servers(_module_place)
    yield servers
    for client in servers.clients:
        client.close()


@pytest.fixture(name="world")
def _world(servers):
    return World(servers)


@pytest.mark.parametrize("at", [0, 1])
def test_anothers_silence_ends_no_lease(world, at):
    """Also when it speaks to another schedd."""
    bob = world.worker(world.theirs.name)
    evil = world.worker("mine*", at=at)
    assert world.take(bob, world.theirs) == ["a"]
    assert world.take(evil, world.mine) == ["a"]
    world.beat(evil, "mine*")
    world.move_clock(TIMEOUT_S + 1)
    wait_until(lambda: world.mine.state("a") == "todo", what="its own lease")
    wait_until(lambda: not world.beats(), what="it to count as silent once")
    assert world.theirs.state("a") == "doing"
    bob.queue(world.theirs.name).finish("a", worker=world.bob)


@pytest.mark.parametrize("at", [0, 1])
def test_anothers_words_keep_no_lease(world, at):
    bob = world.worker(world.theirs.name)
    evil = world.worker("mine*", at=at)
    world.take(bob, world.theirs)
    world.beat(bob, world.theirs.name)
    world.beat(evil, "mine*")
    world.move_clock(TIMEOUT_S - 3)
    world.beat(evil, "mine*")
    world.take(evil, world.mine)
    world.move_clock(4)
    wait_until(lambda: world.theirs.state("a") == "todo", what="the lease")
    assert list(world.beats()) == ["mine*"]
    assert world.mine.state("a") == "doing"


def test_a_token_speaks_for_all_its_queues(world):
    """Who may see the queue could report its tasks too."""
    bob = world.worker(world.theirs.name)
    wide = world.worker("theirs*", "x")
    world.take(bob, world.theirs)
    world.beat(wide, "theirs* x")
    world.move_clock(TIMEOUT_S + 1)
    wait_until(lambda: world.theirs.state("a") == "todo", what="the lease")


@pytest.mark.parametrize("kind", ["same", "other", "all"])
def test_a_token_may_be_changed_for_another(world, kind):
    """Of the same queues in any order, of others as well, or of all."""
    theirs, mine = world.theirs.name, world.mine.name
    queues, speaker = {
        "same": ([theirs, mine], f"{mine} {theirs}"),
        "other": ([theirs, "b*"], f"b* {theirs}"),
        "all": (["*"], "*"),
    }[kind]
    old = world.worker(mine, theirs)
    new = world.worker(*queues, at=1)
    world.take(old, world.theirs)
    world.take(old, world.mine)
    world.beat(old, f"{mine} {theirs}")
    world.theirs.push("b")
    world.take(new, world.theirs)
    world.move_clock(TIMEOUT_S - 3)
    world.beat(new, speaker)
    assert world.admin.call("DELETE", f"/v1/tokens/{old.name}").status == 200
    world.move_clock(4)
    wait_until(lambda: list(world.beats()) == [speaker], what="the old one's silence")
    assert world.theirs.counts() == {"doing": 2}
    # What only the old one was for is lost with it.
    assert world.mine.counts() == ({"todo": 1} if kind == "other" else {"doing": 1})
    world.move_clock(TIMEOUT_S)
    wait_until(lambda: world.theirs.counts() == {"todo": 2}, what="silence")


def test_an_admin_removes_all_of_a_name(world):
    bob = world.worker(world.theirs.name)
    evil = world.worker("mine*")
    for client, queue in ((bob, world.theirs), (evil, world.mine)):
        world.take(client, queue)
    world.beat(bob, world.theirs.name)
    world.beat(evil, "mine*")
    got = world.admin.call("DELETE", f"/v1/workers/{world.bob}")
    assert got.json == {"name": world.bob, "reclaimed": 2, "removed": True}
    assert world.beats() == {}
    assert world.redis.do("EXISTS", f"sched:worker:{world.bob}") == 0


def test_reports_and_takes_stay_within_a_queue(world):
    """What a tenant says in bob's name, it says of its own queues."""
    bob = world.worker(world.theirs.name)
    evil = world.worker("mine*")
    world.take(bob, world.theirs, request_id="r")
    for verb, body in (
        ("report", {"finished": ["a"]}),
        ("extend", {"ids": ["a"]}),
        ("take", {"request_id": "r"}),
    ):
        got = evil.queue(world.theirs.name).post(verb, {"worker": world.bob, **body})
        got.refused(404, "QUEUE_UNKNOWN")
    assert world.take(evil, world.mine, request_id="r") == ["a"]
    evil.queue(world.mine.name).finish("a", worker=world.bob)
    evil.call("DELETE", f"/v1/workers/{world.bob}").refused(403, "FORBIDDEN")
    assert world.theirs.state("a") == "doing"
    assert world.take(bob, world.theirs, request_id="r") == ["a"]
