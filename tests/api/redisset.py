"""A master, replicas and sentinels that know each other."""

from redisproc import RedisError, Sentinel, free_port
from server import wait_until


def role(redis):
    """master or slave; None where Sentinel just ended all connections."""
    try:
        return redis.do("ROLE")[0]
    except (OSError, RedisError):
        return None


def follows(redis, master):
    """Has it all of the master's data? That lists it as soon as they are sent.
    While it loads them it refuses another master, and Sentinel, which does not
    look at the answer, tries again ten seconds later; while it writes them it
    cannot send them on."""
    try:
        info = redis.do("INFO", "everything")
    except (OSError, RedisError):
        return False
    wanted = (f"master_port:{master.port}", "master_link_status:up")
    return all(f"{w}\r\n".encode() in info for w in (*wanted, "aof_rewrite_in_progress:0"))


class Set:
    """The servers, and who is master."""

    def __init__(self, place, redises, sentinels):
        self.place, self.redises, self.sentinels = place, redises, sentinels

    def url(self):
        """What redis.main.url takes."""
        hosts = ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels)
        return f"sentinel://{hosts}/m"

    def settings(self, **more):
        """Settings of a schedd that uses them."""
        values = {"url": self.url(), **more}
        if self.redises[0].password:
            values["password_file"] = self.redises[0].password_file()
        if self.sentinels[0].password:
            path = self.redises[0].folder / "sentinel-password"
            path.write_text(self.sentinels[0].password + "\n")
            path.chmod(0o600)
            values["sentinel_password_file"] = path
        return {'redis "main"': values}

    def master(self):
        """The Redis that most sentinels take for the master."""
        ports = [s.master_port() for s in self.sentinels]
        port = max(ports, key=ports.count)
        return next(r for r in self.redises if r.port == port)

    def is_whole(self):
        """Do all others follow one master, as all sentinels know?"""
        master = self.master()
        others = [r for r in self.redises if r is not master]
        return all(follows(r, master) for r in others) and all(
            s.knows(len(others), 2) for s in self.sentinels
        )

    def wait_switch(self, old):
        """Until there is another master than old."""
        return wait_until(
            lambda: self.master() is not old and self.master(), 20, "a failover"
        )


def start_set(
    place, count=3, password=None, sentinel_password=None, down_after_ms=1000, **options
):
    """One master, the rest replicas, three sentinels that know each other."""
    options.setdefault("repl_diskless_sync_delay", "0")
    if password:
        options["masterauth"] = password
    ports = [free_port() for _ in range(count)]
    redises = [place.redis(port=ports[0], password=password, **options)]
    for port in ports[1:]:
        redises.append(
            place.redis(
                port=port,
                password=password,
                replicaof=f"127.0.0.1 {ports[0]}",
                **options,
            )
        )
    wait_until(lambda: all(follows(r, redises[0]) for r in redises[1:]), 20, "the replicas")
    sentinels = []
    for _ in range(3):
        one = Sentinel(
            place.new_folder(),
            redises[0],
            password=sentinel_password,
            down_after_ms=down_after_ms,
        )
        place.redises.append(one)
        sentinels.append(one.start())
    wait_until(
        lambda: all(s.knows(count - 1, 2) for s in sentinels), 20, "the sentinels"
    )
    return Set(place, redises, sentinels)
