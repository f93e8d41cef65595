"""The layouts: for each what it sends to push, take, finish and trim. An
operation is a list of round trips, each with a test of its reply."""

from pathlib import Path

from wire import bulk, command

HERE = Path(__file__).resolve().parent
BASE = "sched:{bench}:"
LEASE_MS = 86400000
PATTERN = (
    b'{"url":"http://127.0.0.1/item/%09d","method":"GET","depth":3,"meta":{'
    b'"site":"example","lang":"en","tags":["a","b","c"]},"pad":"' + b"x" * 66 + b'"}'
)
HEAD = b"P\1\2\3\4\5\6"
STAMP = b"F\1\2\3\4\5\6"
NOW = b"1700000000000"


def task_id(number):
    return b"t-%09d" % number


def value(number):
    return HEAD + PATTERN % number


def key(name):
    return BASE + name


def flat(pairs):
    return [word for pair in pairs for word in pair]


class Scripts:
    """Lua with knobs, one script an operation (common.lua)."""

    defaults = {
        "DOING": "zset",
        "FINISH": "list",
        "PAYLOAD": "hash",
        "MOVES": "flat",
        "COUNT": "each",
        "LEAN": False,
    }

    def __init__(self, **knobs):
        self.knobs = {**self.defaults, **knobs}
        self.hashes = {}

    def prepare(self, redis):
        lua = {True: "true", False: "false"}
        words = [lua.get(v, f"'{v}'") for v in self.knobs.values()]
        knobs = f"local {', '.join(self.knobs)} = {', '.join(words)}\n"
        common = knobs + (HERE / "common.lua").read_text()
        for name in ("push", "take", "finish", "trim"):
            text = common + (HERE / f"{name}.lua").read_text()
            self.hashes[name] = redis.load("#!lua flags=allow-oom\n" + text)

    def call(self, name, *words):
        return command("EVALSHA", self.hashes[name], 1, BASE, 0, *words)

    def push(self, numbers, _call):
        if self.knobs["LEAN"]:
            words = flat((task_id(i), value(i)) for i in numbers)
            want = b":%d\r\n" % len(numbers)
        else:
            words = flat((task_id(i), value(i), b"") for i in numbers)
            want = bulk(b"q" * len(numbers))
        yield self.call("push", 1000000000, *words), want.__eq__

    def take(self, numbers, workers, _call):
        """workers: name and how many."""
        words = flat((w, n, "", "") for w, n in workers)

        def whole(reply):
            return reply.count(b"t-") == len(numbers) and (
                self.knobs["MOVES"] == "ids" or reply.count(b"depth") == len(numbers)
            )

        yield self.call("take", LEASE_MS, *words), whole
        if self.knobs["MOVES"] == "ids":
            yield fetch(numbers)

    def finish(self, numbers, workers, _calls, _ended):
        words, at = [], 0
        for worker, n in workers:
            mine = [task_id(i) for i in numbers[at : at + n]]
            words += [worker, n]
            words += mine if self.knobs["LEAN"] else flat((i, b"f", b"") for i in mine)
            at += n
        want = bulk(b"k" * len(numbers))
        if self.knobs["LEAN"]:
            want = b":%d\r\n" % len(numbers)
        yield self.call("finish", 3, 10000, 3600000, 1, *words), want.__eq__

    def trim(self, numbers, _calls):
        yield self.call("trim", len(numbers)), (b":%d\r\n" % len(numbers)).__eq__

    def show(self, number, _call):
        if self.knobs["PAYLOAD"] == "lane":
            lane, i = key("todo:normal"), task_id(number)
            yield command("LPOS", lane, i), (b":%d\r\n" % (number * 2)).__eq__
            yield command("LINDEX", lane, number * 2 + 1), has_payload
        else:
            yield show_value(number)

    def remove(self, number, _call):
        lane, i = key("todo:normal"), task_id(number)
        if self.knobs["PAYLOAD"] == "lane":
            # What is overwritten goes later, many at a time (act.lua).
            yield command("LPOS", lane, i), is_number
            yield (
                multi(
                    command("LSET", lane, number * 2, ""),
                    command("LSET", lane, number * 2 + 1, ""),
                    command("HDEL", key("task"), i),
                ),
                no_error,
            )
        else:
            yield (
                multi(command("LREM", lane, 1, i), command("HDEL", key("task"), i)),
                no_error,
            )


def fetch(numbers):
    """The payloads by a plain HMGET."""
    ids = [task_id(i) for i in numbers]
    return (
        command("HMGET", key("task"), *ids),
        lambda reply: reply.count(b"depth") == len(ids),
    )


def has_payload(reply):
    return b"depth" in reply


def is_number(reply):
    return reply.startswith(b":")


def show_value(number):
    return command("HGET", key("task"), task_id(number)), has_payload


def multi(*commands):
    return command("MULTI") + b"".join(commands) + command("EXEC")


def no_error(reply):
    return b"\r\n-" not in reply


class Plain:
    """Plain commands: look first, then change in MULTI."""

    def __init__(self, lease=False):
        self.lease = lease

    def prepare(self, redis):
        pass

    def push(self, numbers, _call):
        ids = [task_id(i) for i in numbers]
        nil = b"*%d\r\n" % len(ids) + b"$-1\r\n" * len(ids)
        yield (
            command("HMGET", key("task"), *ids)
            + command("HLEN", key("task"))
            + command("LLEN", key("finish"))
            + command("HMGET", key("meta"), "max_tasks", "paused"),
            lambda reply: reply.startswith(nil),
        )
        pairs = flat((task_id(i), value(i)) for i in numbers)
        yield (
            multi(
                command("RPUSH", key("todo:normal"), *ids),
                command("HSET", key("task"), *pairs),
                command("HINCRBY", key("meta"), "pushed", len(ids)),
            ),
            no_error,
        )

    def take(self, numbers, workers, call):
        ids, n = [task_id(i) for i in numbers], len(numbers)
        yield (
            command("LRANGE", key("todo:normal"), 0, n - 1)
            + command("HLEN", key("retry")),
            lambda reply: reply.count(b"t-") == n,
        )
        mark = b" %010d " % call if self.lease else b" "
        by = [NOW + mark + w.encode() for w, n in workers for _ in range(n)]
        commands = [
            command("LTRIM", key("todo:normal"), n, -1),
            command("HSET", key("holder"), *flat(zip(ids, by))),
            *(command("HINCRBY", key("held"), w, n) for w, n in workers),
            command("HINCRBY", key("meta"), "taken", n),
        ]
        if self.lease:
            commands += [
                command("ZADD", key("leases"), NOW, call),
                command("HSET", key("left"), call, n),
                command("HSET", key("takes"), call, b" ".join(ids)),
            ]
        else:
            words = flat((NOW, i) for i in ids)
            commands.append(command("ZADD", key("doing"), *words))
        more, test = fetch(numbers)
        yield multi(*commands) + more, test

    def finish(self, numbers, workers, calls, ended):
        ids, n = [task_id(i) for i in numbers], len(numbers)
        yield (
            command("HMGET", key("holder"), *ids),
            lambda reply: reply.count(NOW) == n,
        )
        stamps = [STAMP + w.encode() for w, n in workers for _ in range(n)]
        commands = [
            command("RPUSH", key("finish"), *ids),
            command("HSET", key("task"), *flat(zip(ids, stamps))),
            command("HDEL", key("holder"), *ids),
            *(command("HINCRBY", key("held"), w, -n) for w, n in workers),
            command("HINCRBY", key("meta"), "finished", n),
        ]
        if not self.lease:
            commands.append(command("ZREM", key("doing"), *ids))
        for call in calls if self.lease else ():
            commands.append(command("HINCRBY", key("left"), call, -n // len(calls)))
        yield multi(*commands), no_error
        # Which takes are done with is known from that reply.
        if self.lease and ended:
            names = (("ZREM", "leases"), ("HDEL", "left"), ("HDEL", "takes"))
            forget = [command(verb, key(name), *ended) for verb, name in names]
            yield multi(*forget), no_error

    def trim(self, numbers, _calls):
        ids, n = [task_id(i) for i in numbers], len(numbers)
        yield (
            command("LRANGE", key("finish"), 0, n - 1),
            lambda reply: reply.count(b"t-") == n,
        )
        names = ("task", "retry", "opts", "error", "result")
        yield (
            multi(
                command("LTRIM", key("finish"), n, -1),
                *(command("HDEL", key(name), *ids) for name in names),
                command("HINCRBY", key("meta"), "trimmed", n),
            ),
            no_error,
        )


class Order:
    """The order lives in schedd's memory; Redis is the log. The sequence in
    the value's head restores the order, a take is one field."""

    def prepare(self, redis):
        pass

    def push(self, numbers, _call):
        pairs = flat((task_id(i), b"P%08d" % i + value(i)) for i in numbers)
        want = b":%d\r\n" % len(numbers)
        yield command("HSET", key("task"), *pairs), want.__eq__

    def take(self, numbers, workers, call):
        text, at = b"%s" % NOW, 0
        for worker, n in workers:
            ids = b" ".join(task_id(i) for i in numbers[at : at + n])
            text += b"\n%s %s" % (worker.encode(), ids)
            at += n
        more, test = fetch(numbers)
        yield command("HSET", key("takes"), call, text) + more, test

    def finish(self, numbers, workers, _calls, ended):
        stamps = [STAMP + w.encode() for w, n in workers for _ in range(n)]
        ids = [task_id(i) for i in numbers]
        text = command("HSET", key("task"), *flat(zip(ids, stamps)))
        # A take is forgotten with its last task: schedd knows when.
        if ended:
            text += command("HDEL", key("takes"), *ended)
        yield text, lambda reply: reply.startswith(b":0\r\n")

    def show(self, number, _call):
        yield show_value(number)

    def remove(self, number, _call):
        yield command("HDEL", key("task"), task_id(number)), b":1\r\n".__eq__

    def trim(self, numbers, _calls):
        ids = [task_id(i) for i in numbers]
        want = b":%d\r\n" % len(ids)
        yield command("HDEL", key("task"), *ids), want.__eq__


class Chunk:
    """What one call pushes is one value; a task's own state exists only
    where it differs from its chunk's. A call takes one chunk."""

    def __init__(self):
        self.part = []

    def prepare(self, redis):
        self.part = []

    def push(self, numbers, call):
        text = b"\n".join(task_id(i) + b" " + value(i) for i in numbers)
        yield command("HSET", key("chunk"), call, text), b":1\r\n".__eq__

    def take(self, numbers, workers, call):
        by = NOW + b" " + b" ".join(b"%s=%d" % (w.encode(), n) for w, n in workers)
        yield (
            command("HSET", key("takes"), call, by)
            + command("HGET", key("chunk"), call),
            lambda reply: reply.count(b"depth") == len(numbers),
        )

    def finish(self, numbers, workers, calls, ended):
        ids = [task_id(i) for i in numbers]
        if len(calls) == 1:
            yield self.end(calls, ids), no_error
            return
        # Parts of several chunks: exceptions until their chunk is done.
        self.part += ids
        stamp = STAMP + workers[0][0].encode()
        text = command("HSET", key("part"), *flat((i, stamp) for i in ids))
        if ended:
            text += command("HDEL", key("part"), *self.part)
            text += self.end(ended, self.part)
            self.part = []
        yield text, no_error

    @staticmethod
    def end(calls, ids):
        """Chunks are finished: their ids stay, without payloads."""
        n = len(ids) // len(calls)
        parts = [STAMP + b" ".join(ids[i * n : i * n + n]) for i in range(len(calls))]
        return command("HDEL", key("takes"), *calls) + command(
            "HSET", key("chunk"), *flat(zip(calls, parts))
        )

    def show(self, _number, call):
        yield command("HGET", key("chunk"), call), has_payload

    def remove(self, number, _call):
        pair = task_id(number), b"X"
        yield command("HSET", key("part"), *pair), b":1\r\n".__eq__

    def trim(self, _numbers, calls):
        yield command("HDEL", key("chunk"), *calls), (b":%d\r\n" % len(calls)).__eq__


VARIANTS = {
    "today": Scripts(),
    "lease": Scripts(DOING="lease"),
    "finish-stream": Scripts(FINISH="stream"),
    "finish-zset": Scripts(FINISH="zset"),
    "payload-in-lane": Scripts(PAYLOAD="lane"),
    "ids-only": Scripts(MOVES="ids"),
    "nested-reply": Scripts(MOVES="nested"),
    "no-counters": Scripts(COUNT="off"),
    "counters-at-once": Scripts(COUNT="once"),
    "lean-only": Scripts(LEAN=True),
    "lean": Scripts(LEAN=True, COUNT="once", MOVES="nested"),
    "lean+lease": Scripts(LEAN=True, COUNT="once", MOVES="nested", DOING="lease"),
    "lean+lease+ids": Scripts(LEAN=True, COUNT="once", MOVES="ids", DOING="lease"),
    "multi": Plain(),
    "multi+lease": Plain(lease=True),
    "order-in-memory": Order(),
    "chunks": Chunk(),
}
