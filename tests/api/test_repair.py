"""The task check: what a hand in Redis put in no place or in two is mended,
nothing is lost, and healthy data are left as they are."""

import threading

import pytest

from server import wait_until

SETTINGS = {"log": {"access": "no"}, "worker": {"timeout": "2s"}}
LANES = ["todo:high", "todo:normal", "todo:low"]
LISTS = LANES + ["finish"]
SETS = ["doing", "dead", "failed", "delayed"]


class Broken:
    """A queue with a task in each place, to be broken."""

    def __init__(self, redis, client, name):
        self.redis, self.name = redis, name
        self.queue = client.queue(name)
        tasks = [{"id": f"{p}{i}", "payload": p, "priority": p} for p in
                 ("high", "normal", "low") for i in (0, 1)]  # fmt: skip
        tasks += [{"id": "delayed", "payload": 1, "delay_s": 3600}]
        first = [{"id": i, "payload": 1} for i in ("finish", "failed", "dead", "doing")]
        self.queue.push(*first)
        assert len(self.queue.take_ids("w1", count=4)) == 4
        self.queue.finish("finish")
        self.queue.fail("failed")
        self.queue.fail("dead", retry=False)
        self.queue.push(*tasks)
        self.ids = {t["id"] for t in tasks + first}

    def do(self, command, key, *words):
        """A command on one of its keys."""
        return self.redis.do(command, f"sched:{{{self.name}}}:{key}", *words)

    def places(self):
        """Every place of every id."""
        found = {}
        for key in LISTS + SETS:
            words = (0, -1)
            got = self.do("LRANGE" if key in LISTS else "ZRANGE", key, *words)
            for i in got:
                found.setdefault(i.decode(), []).append(key)
        return found

    def is_whole(self):
        """Each task in one place, and nothing else anywhere."""
        found = self.places()
        holders = {i.decode() for i in self.do("HKEYS", "holder")}
        doing = {i for i, places in found.items() if places == ["doing"]}
        tasks = {i.decode() for i in self.do("HKEYS", "task")}
        once = all(len(places) == 1 for places in found.values())
        return once and set(found) == tasks and holders == doing

    def check_drained(self):
        """All that is not finished or dead can be worked off, each once."""
        self.queue.retry(state="dead", match="*")
        self.queue.retry(state="failed", match="*")
        self.queue.retry(state="delayed", match="*")
        held = [i for i, places in self.places().items() if places == ["doing"]]
        if held:
            self.queue.finish(*held)
        got = self.queue.take_ids("w2", count=100)
        assert len(got) == len(set(got))
        if got:
            self.queue.finish(*got, worker="w2")
        assert set(self.places()) == self.ids
        assert self.queue.counts() == {"finish": len(self.ids)}


def add_double(b):
    """Twice in its lane."""
    b.do("RPUSH", "todo:normal", "normal0")


# name: (what is done by hand, where which task is to be found then)
WAYS = {
    "todo-lost": (lambda b: b.do("LREM", "todo:high", 0, "high1"), "high1 todo:high"),
    "lane-lost": (lambda b: b.do("DEL", "todo:normal"), "normal1 todo:normal"),
    "failed-lost": (lambda b: b.do("DEL", "failed"), "failed todo:normal"),
    "delayed-lost": (lambda b: b.do("DEL", "delayed"), "delayed todo:normal"),
    "dead-lost": (lambda b: b.do("DEL", "dead"), "dead todo:normal"),
    "finish-lost": (lambda b: b.do("DEL", "finish"), "finish finish"),
    "doing-lost": (lambda b: b.do("DEL", "doing"), "doing doing"),
    "holder-lost": (lambda b: b.do("DEL", "holder"), "doing todo:normal"),
    "twice-lane": (add_double, "normal0 todo:normal"),
    "twice-finish": (lambda b: b.do("RPUSH", "finish", "finish"), "finish finish"),
    "two-lanes": (lambda b: b.do("RPUSH", "todo:low", "high0"), "high0 todo:high"),
    "doing-lane": (lambda b: b.do("RPUSH", "todo:low", "doing"), "doing doing"),
    "finish-lane": (lambda b: b.do("RPUSH", "todo:low", "finish"), "finish finish"),
    "todo-finish": (lambda b: b.do("RPUSH", "finish", "low0"), "low0 todo:low"),
    "todo-failed": (lambda b: b.do("ZADD", "failed", 9e14, "low0"), "low0 todo:low"),
    "doing-dead": (lambda b: b.do("ZADD", "dead", 1, "doing"), "doing doing"),
    "dead-failed": (lambda b: b.do("ZADD", "failed", 9e14, "dead"), "dead dead"),
    "finish-doing": (lambda b: b.do("ZADD", "doing", 9e14, "finish"), "finish finish"),
    "ghost-lane": (lambda b: b.do("RPUSH", "todo:low", "ghost"), "low1 todo:low"),
    "ghost-finish": (lambda b: b.do("LPUSH", "finish", "ghost"), "finish finish"),
    "ghost-doing": (lambda b: b.do("ZADD", "doing", 9e14, "ghost"), "doing doing"),
    "ghost-dead": (lambda b: b.do("ZADD", "dead", 1, "ghost"), "dead dead"),
    "ghost-holder": (lambda b: b.do("HSET", "holder", "ghost", "1234567890123 w"),
                     "doing doing"),
}  # fmt: skip


@pytest.fixture(name="pair")
def _pair(place):
    redis = place.redis()
    return redis, place.schedd({**SETTINGS, **redis.settings()})


def repairs(client):
    """What was mended, by the metric."""
    page = client.get("/metrics").body.decode()
    line = next(n for n in page.splitlines() if n.startswith("schedd_store_repairs"))
    return int(line.split()[1])


def test_ways(pair):
    """Each way to break a queue, all at the same time."""
    redis, schedd = pair
    with schedd.client() as client:
        broken = {name: Broken(redis, client, name) for name in WAYS}
        for b in broken.values():
            wait_until(b.is_whole, 5, f"{b.name} to begin whole")
        assert repairs(client) == 0
        for name, b in broken.items():
            WAYS[name][0](b)
        for name, b in broken.items():
            task, where = WAYS[name][1].split()
            wait_until(
                lambda b=b, t=task, w=where: b.is_whole() and b.places()[t] == [w],
                75,  # one that was looked at too early has a minute's rest
                f"{name}: {task} in {where}",
            )
        assert repairs(client) >= len(WAYS)
        page = client.get("/metrics").body.decode()
        assert 'schedd_janitor_errors_total{duty="check"} 0\n' in page
        assert schedd.find_log("store.amiss").values["queue"] in WAYS
        assert schedd.wait_log("store.mended").values["error"] == "E004"
        for b in broken.values():
            b.check_drained()


def work(schedd, number, stop, done, faults):
    """Pushes, takes, fails and finishes tasks of its own."""
    serial, name = 0, f"w{number}"
    try:
        with schedd.client() as client:
            queue = client.queue("busy")
            while not stop.is_set():
                ids = [f"{name}-{serial + i}" for i in range(100)]
                serial += 100
                queue.push_many(ids)
                got = queue.take_ids(name, count=150)
                if got[:5]:
                    queue.fail(*got[:5], worker=name)
                if got[5:]:
                    queue.finish(*got[5:], worker=name)
                    done.extend(got[5:])
                queue.retry(state="failed", match="*")
    except BaseException as error:  # pylint: disable=broad-except
        faults.append(error)


def test_under_load(pair):
    """A busy queue that is walked again and again for one id that does not
    belong there: nothing but that id is touched."""
    redis, schedd = pair
    with schedd.client() as client:
        client.queue("busy").patch(max_attempts=1000, finish_keep=10**6)
        stop, done, faults = threading.Event(), [], []
        hands = [
            threading.Thread(target=work, args=(schedd, n, stop, done, faults))
            for n in range(3)
        ]
        for hand in hands:
            hand.start()
        for n in range(1, 5):
            redis.do("ZADD", "sched:{busy}:dead", 1, f"ghost{n}")
            wait_until(lambda n=n: repairs(client) >= n or faults, 20, f"{n} mended")
        stop.set()
        for hand in hands:
            hand.join(20)
        assert not faults, faults
        assert repairs(client) == 4
        queue = client.queue("busy")
        while got := queue.take_ids("last", count=500):
            queue.finish(*got, worker="last")
            done += got
        assert len(done) == len(set(done)), "handed out again after its finish"
        assert queue.counts() == {"finish": len(done)}
        assert queue.info()["totals"]["pushed"] == len(done)
