"""What becomes of acknowledged tasks when the master changes: one master, two
replicas, three sentinels, and clients that push all the while."""

import threading
import time

import pytest

from redisset import role, start_set
from server import wait_until


@pytest.fixture(name="servers")
def _servers(place):
    return start_set(place)


class Pushers:
    """Threads that push one task after the other and note what got 201."""

    def __init__(self, schedd, count=4):
        self.schedd, self.acked, self.times = schedd, [], []
        self.wrong, self.end = set(), threading.Event()
        self.threads = [
            threading.Thread(target=self._push, args=(n,)) for n in range(count)
        ]
        for thread in self.threads:
            thread.start()

    def _push(self, name):
        n = 0
        with self.schedd.client() as client:
            while not self.end.is_set():
                n += 1
                got = client.queue("q").post("tasks", {"id": f"{name}-{n}", "payload": 1})
                if got.status == 201:
                    self.acked.append(f"{name}-{n}")
                    self.times.append(time.monotonic())
                elif got.status not in (503, 504):
                    self.wrong.add(str(got))
                else:
                    time.sleep(0.01)

    def wait_more(self, count=20, limit=60):
        """Until so many more were acknowledged. Each time a busy machine lets
        the master stall for 0.75 s that takes three seconds longer, or until
        it is replaced."""
        count += len(self.acked)
        wait_until(lambda: len(self.acked) >= count, limit, "more pushes")

    def stop(self):
        """Ends them; the longest time without an acknowledgment."""
        self.end.set()
        for thread in self.threads:
            thread.join()
        assert not self.wrong
        times = sorted(self.times)
        return max(b - a for a, b in zip(times, times[1:]))


def all_kept(schedd, acked):
    """Which of them the store does not know."""
    with schedd.client() as client:
        queue = client.queue("q")
        return [i for i in acked if queue.state(i) == "gone"]


def test_a_killed_master(place, servers):
    """Nothing acknowledged is lost, and it goes on within seconds."""
    schedd = place.schedd(servers.settings())
    pushers = Pushers(schedd)
    pushers.wait_more(100)
    old = servers.master()
    old.kill()
    servers.wait_switch(old)
    pushers.wait_more(100)
    gap = pushers.stop()
    assert gap < 8, f"nothing was acknowledged for {gap:.1f} s"
    lost = all_kept(schedd, pushers.acked)
    assert not lost, f"lost {len(lost)} of {len(pushers.acked)}"


def test_a_master_that_wakes_up(place, servers):
    """Stopped until another was chosen: it confirms nothing any more, not
    even to one that only knows this master."""
    schedd = place.schedd(servers.settings())
    pushers = Pushers(schedd)
    pushers.wait_more(100)
    old = servers.master()
    stubborn = place.schedd(servers.settings(url=old.url(), confirm="replicated"))
    old.pause()
    new = servers.wait_switch(old)
    old.resume()
    with stubborn.client() as client:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            got = client.queue("q").post("tasks", {"payload": 1})
            assert got.status in (503, 504), got
    pushers.wait_more(100)
    pushers.stop()
    kept = {k.decode() for k in new.do("HKEYS", "sched:{q}:task")}
    lost = set(pushers.acked) - kept
    assert not lost, f"lost {len(lost)} of {len(pushers.acked)}"


def test_a_master_that_wakes_before_its_replica_is_told(place, servers):
    """Frozen just until another one is master: it still has a replica that
    confirms what it does, and all of that is lost a moment later."""
    schedd = place.schedd(servers.settings())
    pushers = Pushers(schedd)
    for _ in range(2):
        pushers.wait_more(100)
        old = servers.master()
        old.pause()
        others = [r for r in servers.redises if r is not old]
        promoted = lambda rest=others: [r for r in rest if role(r) == b"master"]
        wait_until(promoted, 20, "another master")
        old.resume()
        servers.wait_switch(old)
        pushers.wait_more(100)
        wait_until(lambda z=old: role(z) == b"slave", 40, "its demotion")
        wait_until(servers.is_whole, 40, "all replicas")
    pushers.stop()
    kept = {k.decode() for k in servers.master().do("HKEYS", "sched:{q}:task")}
    lost = set(pushers.acked) - kept
    assert not lost, f"lost {len(lost)} of {len(pushers.acked)}"


def test_a_master_that_is_replaced_by_hand(place):
    """It answers all the time, and a replica goes on confirming what it does,
    until that one is told. Nobody is to be taken for down here: a stall of the
    new master, which at once copies all to both others, costs nothing."""
    servers = start_set(place, down_after_ms=8000)
    schedd = place.schedd(servers.settings())
    pushers = Pushers(schedd)
    for number in range(3):
        pushers.wait_more(200)
        old = servers.master()
        servers.sentinels[number].do("SENTINEL", "FAILOVER", "m")
        servers.wait_switch(old)
        pushers.wait_more(limit=20)
        wait_until(lambda z=old: role(z) == b"slave", 40, "its demotion")
        wait_until(servers.is_whole, 40, "all replicas")
        for sentinel in servers.sentinels:
            wait_until(sentinel.has_seen_demotion, 40, "news of its demotion")
    pushers.stop()
    kept = {k.decode() for k in servers.master().do("HKEYS", "sched:{q}:task")}
    lost = set(pushers.acked) - kept
    assert not lost, f"lost {len(lost)} of {len(pushers.acked)}"


def test_a_failover_that_comes_to_nothing(place, servers):
    """The replica that is to be the master hangs: nothing is acknowledged, as
    it may yet become it, until the sentinel gives up (failover-timeout)."""
    schedd = place.schedd(servers.settings())
    pushers = Pushers(schedd)
    pushers.wait_more(100)
    old, sentinel = servers.master(), servers.sentinels[0]
    replicas = [r for r in servers.redises if r is not old]
    for replica in replicas:
        replica.pause()
    sentinel.do("SENTINEL", "FAILOVER", "m")
    chosen = wait_until(lambda: sentinel.promotes(replicas), what="a choice")
    for replica in replicas:
        if replica is not chosen:
            replica.resume()
    schedd.wait_log("redis.lost")
    began = time.monotonic()
    pushers.wait_more(limit=40)
    assert servers.master() is old
    taken = time.monotonic() - began
    assert taken < 20, f"{taken:.1f} s"
    chosen.resume()
    wait_until(servers.is_whole, 40, "all replicas")
    pushers.wait_more()
    pushers.stop()
    kept = {k.decode() for k in servers.master().do("HKEYS", "sched:{q}:task")}
    lost = set(pushers.acked) - kept
    assert not lost, f"lost {len(lost)} of {len(pushers.acked)}"
