"""What the tests of several backends share: a schedd on two Redis, main and
group; the queue phones lives on group."""

from server import merged, wait_until

SECTIONS = {'queue "phones"': {"backend": "group"}}


def named(redis, backend):
    """The settings of a redis-server as that backend."""
    return {f'redis "{backend}"': redis.settings()['redis "main"']}


class Pair:
    """Two redis-servers, one schedd on them, a client."""

    def __init__(self, place, settings=None, start=True, **options):
        self.place = place
        self.main, self.group = place.redis(), place.redis()
        self.settings = merged(
            self.main.settings(), named(self.group, "group"), SECTIONS, settings
        )
        self.schedd = place.schedd(self.settings, start=start, **options)
        self.client = self.schedd.client() if start else None
        if start:
            wait_until(lambda: all(self.ready().values()), 15, "both backends")

    def redis(self, backend):
        """By its name."""
        return {"main": self.main, "group": self.group}[backend]

    def queue(self, name):
        """A handle for one queue."""
        return self.client.queue(name)

    def ready(self):
        """Which backends are ready, by /v1/stats."""
        got = self.client.get_json("/v1/stats")["backends"]
        return {b["name"]: b["ready"] for b in got}


def keys(redis, queue):
    """The keys of a queue on a Redis, without their common beginning."""
    start = f"sched:{{{queue}}}:"
    return {k.decode()[len(start) :] for k in redis.do("KEYS", start + "*")}
