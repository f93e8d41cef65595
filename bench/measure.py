"""What is measured, one function for each: a server in, its figures out."""

import subprocess
import time

from servers import rss_bytes, wait_for


class Sizes:
    """How much of each. Every one can be set by BENCH_ and its name."""

    FULL = {
        "ROUNDS": 5,
        "SINGLE": 50_000,  # tasks pushed one by one
        "SINGLE_SLOW": 5_000,  # the same for what is slow
        "TURN": 50_000,  # tasks taken and reported one by one
        "BATCHED": 200_000,  # tasks through a whole life in batches
        "BATCHED_SLOW": 20_000,
        "LATENCY": 800,  # deliveries, at 200 a second
        "QUEUED": 500_000,  # a deep queue
        "SHALLOW": 1_000,
        "SIZE": 100_000,  # tasks through a queue that stays so deep
        "IDLE": 10_000,  # connections
        "PARKED": 10_000,  # takes that wait, and pushes to them
        "SWEEP": 1,  # whether the plots' points are measured
        "BATCH": 500,
    }
    QUICK = {
        "ROUNDS": 2,
        "SINGLE": 20_000,
        "SINGLE_SLOW": 2_000,
        "TURN": 20_000,
        "BATCHED": 100_000,
        "BATCHED_SLOW": 5_000,
        "LATENCY": 300,
        "SIZE": 50_000,
        "SWEEP": 0,
    }

    def __init__(self, environ):
        quick = environ.get("BENCH_QUICK", "0") not in ("", "0")
        chosen = {**self.FULL, **(self.QUICK if quick else {})}
        for name, value in chosen.items():
            setattr(self, name, int(environ.get(f"BENCH_{name}", value)))


class Driver:
    """bench/load, and how one run of it is read."""

    def __init__(self, program):
        self.program = program

    def command(self, server, mode, **options):
        words = [self.program, "--proto", server.proto, "--to", server.to]
        words += ["--mode", mode, *server.extra]
        words += ["--pids", ",".join(str(pid) for pid in server.pids)]
        for name, value in options.items():
            words += [f"--{name}", value]
        return [str(word) for word in words]

    def run(self, server, mode, **options):
        """Its figures by name."""
        done = subprocess.run(
            self.command(server, mode, **options),
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip()[-600:])
        return figures(done.stdout.splitlines())

    def run_held(self, server, mode, look, **options):
        """As run, for a mode that stops half-way and waits for a line: look
        is called then, and what it returns comes with the figures."""
        with subprocess.Popen(
            self.command(server, mode, **options),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            seen = None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "_ready " in line:
                    break
            else:
                process.wait()
            if process.poll() is None:
                seen = look()
            out, err = process.communicate("\n" if process.poll() is None else None)
        if process.returncode != 0:
            raise RuntimeError(err.strip()[-600:])
        return figures(lines + out.splitlines()), seen


def figures(lines):
    pairs = (line.split() for line in lines)
    return {name: float(value) for name, value in pairs}


def one_stage(found, mode):
    """The figures of one mode, without its name in front."""
    cut = len(mode) + 1
    return {k[cut:]: v for k, v in found.items() if k.startswith(mode + "_")}


def push(driver, server, sizes, connections):
    count = sizes.SINGLE_SLOW if server.proto == "flask" else sizes.SINGLE
    found = driver.run(server, "push", producers=connections, count=count)
    return one_stage(found, "push")


def push_16(driver, server, sizes):
    return push(driver, server, sizes, 16)


def push_64(driver, server, sizes):
    return push(driver, server, sizes, 64)


def fill(driver, server, sizes, count, first=0):
    """Tasks into the queue, as fast as it goes."""
    driver.run(
        server, "push", producers=4, count=count, batch=sizes.BATCH, first=first
    )


def turn_64(driver, server, sizes):
    """Report one and take one, 64 workers."""
    fill(driver, server, sizes, sizes.TURN)
    return one_stage(driver.run(server, "turn", workers=64, count=sizes.TURN), "turn")


def stages(driver, server, sizes):
    """A whole life in batches, all pushed, then taken, then reported."""
    if server.proto is None:
        return bullmq_stages(server, sizes)
    sized = {"producers": 4, "workers": 4, "batch": sizes.BATCH}
    mode = "push,take,finish"
    if server.proto.startswith("beanstalkd"):
        # It searches all that a connection holds at each delete.
        mode = "push,turn"
    found = driver.run(server, mode, count=sizes.BATCHED, **sized)
    rates = [found[f"{stage}_per_s"] for stage in mode.split(",")]
    cpu = [found[f"{stage}_cpu_us"] for stage in mode.split(",")]
    out = dict(found)
    out["per_s"] = 1 / sum(1 / rate for rate in rates)
    out["cpu_us"] = sum(cpu)
    return out


def life(driver, server, sizes):
    """A whole life in batches, producers and workers at the same time."""
    if server.proto is None:
        return bullmq_life(server, sizes)
    found = driver.run(
        server, "life", producers=4, workers=4, count=sizes.BATCHED, batch=sizes.BATCH
    )
    return one_stage(found, "life")


def times(process):
    """When a half of BullMQ began and ended."""
    out, _ = process.communicate(timeout=300)
    if process.returncode != 0:
        raise RuntimeError(f"node exited with {process.returncode}")
    found = figures(out.splitlines())
    return found["began"], found["ended"]


def bullmq_stages(server, sizes):
    count = sizes.BATCHED_SLOW
    spent = 0
    for mode, concurrency in (("push", 4), ("work", 100)):
        began, ended = times(server.node(mode, count, concurrency, sizes.BATCH))
        spent += ended - began
    return {"per_s": count / spent}


def bullmq_life(server, sizes):
    count = sizes.BATCHED_SLOW
    worker = server.node("work", count, 100, sizes.BATCH)
    began, _ = times(server.node("push", count, 4, sizes.BATCH))
    _, ended = times(worker)
    return {"per_s": count / (ended - began)}


def latency(driver, server, sizes):
    """Push to waiting worker, 200 a second."""
    found = driver.run(server, "latency", count=sizes.LATENCY, rate=200)
    return one_stage(found, "latency")


def memory(server):
    """What schedd holds, and what Redis says it uses, which schedd asks it
    every 10 s."""
    time.sleep(11)
    return rss_bytes(server.pids[0]), server.metric("schedd_redis_memory_bytes")


def deep(driver, server, sizes):
    """A deep queue: what it weighs, and how a life goes on top of it."""
    before = memory(server)
    fill(driver, server, sizes, sizes.QUEUED)
    after = memory(server)
    out = {"bytes_per_task": (sum(after) - sum(before)) / sizes.QUEUED}
    out["front_rss_mib"] = after[0] / 2**20
    if server.proto == "schedd":
        out.update(life_on_top(driver, server, sizes, sizes.QUEUED))
    return out


def life_on_top(driver, server, sizes, queued):
    """The second of two: the first fills what keeps finished tasks, and lets
    Redis's tables grow to the size that they then have."""
    for first in (queued, queued + sizes.SIZE):
        found = driver.run(
            server,
            "life",
            producers=4,
            workers=4,
            count=sizes.SIZE,
            batch=sizes.BATCH,
            first=first,
        )
    return one_stage(found, "life")


def shallow(driver, server, sizes):
    """The same life on a queue that is nearly empty."""
    fill(driver, server, sizes, sizes.SHALLOW)
    return life_on_top(driver, server, sizes, sizes.SHALLOW)


def idle(driver, server, sizes):
    """Memory of connections that have had one answer and stay."""
    before = rss_bytes(server.pids[0])
    _, after = driver.run_held(
        server, "idle", lambda: rss_bytes(server.pids[0]), workers=sizes.IDLE
    )
    return {"bytes_each": (after - before) / sizes.IDLE}


def parked(driver, server, sizes, waiting):
    """Single pushes to takes that wait."""

    def all_wait():
        wait_for(
            lambda: server.metric("schedd_queue_waiting_takes") == waiting,
            f"{waiting} waiting takes",
            30,
        )

    found, _ = driver.run_held(
        server, "parked", all_wait, workers=waiting, producers=16, count=sizes.PARKED
    )
    out = one_stage(found, "parked")
    once = out["delivered"] == sizes.PARKED and out["twice"] == 0
    out["delivered_once"] = 1 if once else 0
    return out


def parked_many(driver, server, sizes):
    return parked(driver, server, sizes, sizes.PARKED)


def parked_few(driver, server, sizes):
    return parked(driver, server, sizes, 16)


FAST = ["schedd", "redis", "gearmand", "beanstalkd", "beanstalkd-binlog"]

# name: function, systems. In this order within a round.
SCENARIOS = {
    "push16": (push_16, FAST),
    "push64": (push_64, FAST + ["flask"]),
    "turn64": (
        turn_64,
        ["schedd", "redis", "gearmand", "beanstalkd-binlog", "beanstalkd-pipelined"],
    ),
    "stages": (
        stages,
        ["schedd", "redis", "gearmand", "gearmand-tuned", "beanstalkd-binlog", "bullmq"],
    ),
    "life": (
        life,
        ["schedd", "redis", "gearmand", "gearmand-tuned", "beanstalkd-binlog", "bullmq"],
    ),
    "latency": (latency, ["schedd", "gearmand", "beanstalkd-binlog"]),
    "deep": (deep, ["schedd"]),
    "shallow": (shallow, ["schedd"]),
    "idle": (idle, ["schedd"]),
    "parked": (parked_many, ["schedd"]),
    "parked16": (parked_few, ["schedd"]),
}


