"""What the keys of one queue hold, for checks.k5_shape."""

from redisproc import pairs

# A value of a finished task begins with a byte from here on.
FINISHED = 128
LANES = ("todo:high", "todo:normal", "todo:low")


def names(raw):
    """Ids as text."""
    return [i.decode() for i in raw]


def dump(redis, queue, prefix="sched:"):
    """redis: a redisproc.Redis."""
    base = f"{prefix}{{{queue}}}:"

    def fields(key):
        return pairs(redis.do("HGETALL", base + key))

    values = {k.decode(): v for k, v in fields("task").items()}
    out = {
        "task": set(values),
        "finished": {i for i, value in values.items() if value[0] >= FINISHED},
        "holder": {k.decode(): v for k, v in fields("holder").items()},
        "held": fields("held"),
        "todo": [
            i
            for lane in LANES
            for i in names(redis.do("LRANGE", base + lane, 0, -1))
            if i
        ],
        "finish": names(redis.do("LRANGE", base + "finish", 0, -1)),
    }
    for key in ("delayed", "doing", "failed", "dead"):
        out[key] = names(redis.do("ZRANGE", base + key, 0, -1))
    return out
