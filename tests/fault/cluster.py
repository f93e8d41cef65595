"""Redis under Sentinel, each on a machine of its own: namespaces on a bridge.
Machines 1 to n run a Redis and a Sentinel, the last one schedd (and, so that
there are three, a Sentinel when there are two Redis)."""

import subprocess

from redisproc import Redis, RedisError, pairs
from server import WITH_US, wait_until
from spaces import Space

MASTER = "tasks"
REDIS_PORT, SENTINEL_PORT = 6379, 26379
TO_SENTINELS = f"to 10.77.0.0/24 ipproto tcp dport {SENTINEL_PORT} blackhole"


class Machine:
    """One host on the bridge of the hub."""

    def __init__(self, hub, number):
        self.hub, self.number = hub, number
        self.ip, self.veth = f"10.77.0.{number}", f"m{number}"
        self.space = Space(hub)
        pid = str(self.space.process.pid)
        hub.run(*f"ip link add {self.veth} type veth peer eth0 netns {pid}".split())
        hub.run(*f"ip link set {self.veth} master main up".split())
        for words in (
            "ip link set lo up",
            f"ip address add {self.ip}/24 dev eth0",
            "ip link set eth0 up",
        ):
            self.space.run(*words.split())
        self.cut_to, self.asks_none = set(), False

    def words(self):
        """Before a command, so that it runs on this machine."""
        return self.space.words()

    def bridge(self, name):
        """Plugs its cable into a bridge: main or other."""
        self.hub.run(*f"ip link set {self.veth} master {name}".split())

    def cut(self, other):
        """What it sends to another machine is lost, from now on."""
        self.space.run(*f"ip route add blackhole {other.ip}/32".split())
        self.cut_to.add(other)

    def cut_sentinels(self):
        """What it sends to Sentinels of other machines is lost."""
        self.space.run(*f"ip rule add {TO_SENTINELS}".split())
        self.asks_none = True

    def reaches_sentinel(self, other):
        """Can it connect to the Sentinel of that machine?"""
        knock = f"exec 3<>/dev/tcp/{other.ip}/{SENTINEL_PORT}"
        words = [*self.words(), "timeout", "3", "bash", "-c", knock]
        done = subprocess.run(words, stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    def heal(self):
        """Nothing is lost any more."""
        for other in self.cut_to:
            self.space.run(*f"ip route del blackhole {other.ip}/32".split())
        self.cut_to.clear()
        if self.asks_none:
            self.space.run(*f"ip rule del {TO_SENTINELS}".split())
        self.asks_none = False
        self.bridge("main")

    def stop(self):
        """Ends it."""
        self.space.stop()


class Sentinel(Redis):
    """One redis-server as a Sentinel. It rewrites its file."""

    def __init__(self, folder, master, quorum, down_after_ms, **more):
        super().__init__(folder, **more)
        self.lines = [
            f"port {SENTINEL_PORT}",
            "bind 0.0.0.0",
            "protected-mode no",
            f"unixsocket {self.socket}",
            f"dir {self.folder}",
            f"sentinel monitor {MASTER} {master} {REDIS_PORT} {quorum}",
            f"sentinel down-after-milliseconds {MASTER} {down_after_ms}",
            f"sentinel failover-timeout {MASTER} 6000",
        ]

    def start(self):
        """Starts it, with what it wrote itself after the first time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "sentinel.conf"
        if not file.exists():
            file.write_text("\n".join(self.lines) + "\n")
        with open(self.folder / "log", "ab") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                [*WITH_US, *self.prefix, "redis-server", str(file), "--sentinel"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, 15, "a Sentinel")
        return self

    def master(self):
        """The address that it takes for the master's."""
        return self.do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[0].decode()


class Cluster:
    """run: ends what is started here. options: for every Redis."""

    def __init__(self, run, redises=3, down_after_ms=1000, **options):
        self.run, self.down_after_ms = run, down_after_ms
        self.hub = self._keep(Space())
        for name in ("main", "other"):
            self.hub.run(*f"ip link add {name} type bridge".split())
            self.hub.run(*f"ip link set {name} up".split())
        count = max(4, redises + 1) if redises > 2 else 3
        self.machines = [self._keep(Machine(self.hub, n + 1)) for n in range(count)]
        self.home = self.machines[-1]  # where schedd is
        self.redises = [self._redis(n, options) for n in range(redises)]
        self.wait_replicas()
        where = self.machines[: max(3, redises)]
        self.sentinels = [self._sentinel(machine) for machine in where]
        self.wait_sentinels()

    def _keep(self, one):
        # First in, last out.
        self.run.ground.insert(0, one)
        return one

    def _redis(self, number, options):
        more = {} if number == 0 else {"replicaof": f"10.77.0.1 {REDIS_PORT}"}
        return self.run.redis(
            port=REDIS_PORT,
            prefix=self.machines[number].words(),
            bind="0.0.0.0",
            protected_mode="no",
            repl_diskless_sync_delay=0,
            **{**more, **options},
        )

    def _sentinel(self, machine):
        one = Sentinel(
            self.run.place(),
            self.machines[0].ip,
            2,
            self.down_after_ms,
            prefix=machine.words(),
        )
        self.run.redises.append(one)
        return one.start()

    def url(self):
        """For redis.main.url."""
        hosts = ",".join(
            f"10.77.0.{number + 1}:{SENTINEL_PORT}"
            for number in range(len(self.sentinels))
        )
        return f"sentinel://{hosts}/{MASTER}"

    def schedd(self, *settings, **options):
        """A schedd on its machine."""
        link = {'redis "main"': {"url": self.url()}}
        return self.run.schedd(link, *settings, prefix=self.home.words(), **options)

    # -- who is what -----------------------------------------------------

    @staticmethod
    def _full_role(redis):
        try:
            return redis.do("ROLE")
        except (OSError, RedisError):
            return None

    def role(self, redis):
        """master, slave, or None when it does not answer."""
        full = self._full_role(redis)
        return full[0].decode() if full else None

    def index(self, sentinel=None):
        """Which of the Redis the Sentinels take for the master."""
        last = int((sentinel or self.sentinels[-1]).master().rsplit(".", 1)[1])
        return last - 1

    def wait_failover(self, old, limit_s=20):
        """Until another than the old one is master. Its number."""
        alive = self.sentinels[1 if old == 0 else 0]

        def changed():
            new = self.index(alive)
            return new != old and self.role(self.redises[new]) == "master"

        wait_until(changed, limit_s, "a failover")
        return self.index(alive)

    def wait_replicas(self, limit_s=30):
        """Until one is master and has all others as replicas in step."""

        def whole():
            roles = [self._full_role(redis) for redis in self.redises]
            masters = [role for role in roles if role and role[0] == b"master"]
            linked = [role for role in roles if role and role[3:4] == [b"connected"]]
            wanted = len(self.redises) - 1
            return (
                len(masters) == 1
                and len(masters[0][2]) == wanted
                and len(linked) == wanted
            )

        wait_until(whole, limit_s, "the replicas")

    def wait_sentinels(self, limit_s=20):
        """Until each of them knows the others and all replicas."""

        def known(sentinel):
            got = pairs(sentinel.do("SENTINEL", "MASTER", MASTER))
            others = int(got[b"num-other-sentinels"])
            slaves = int(got[b"num-slaves"])
            enough = others == len(self.sentinels) - 1
            return enough and slaves == len(self.redises) - 1

        wait_until(lambda: all(map(known, self.sentinels)), limit_s, "the Sentinels")

    def heal(self):
        """Every cable is in its place again."""
        for machine in self.machines:
            machine.heal()

    def master_redis(self):
        """The one that calls itself master and that the Sentinels mean."""
        return self.redises[self.index()]
