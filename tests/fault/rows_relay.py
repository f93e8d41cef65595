"""R: tasks go from one place to another, by a relay or as a whole queue, while
what brings them is killed or away."""

import time

import checks
import redisdump
from backends import keys, named
from load import QUEUE
from rows_kill import restart, restart_at
from run import QUIET_S
from server import wait_until


def r1(run):
    """A relay from one schedd to another, each on a Redis of its own: one of the
    four after the other is killed. Each task comes once, in its order."""
    near_redis, far_redis = run.redis(), run.redis()
    far = run.schedd(redis=far_redis, tcp=True)
    addr = far.addr
    relay = {"from": QUEUE, "url": f"http://{addr}", "batch": 200}
    near = run.schedd({'relay "on"': relay}, redis=near_redis)
    # One worker, so that the order in which it takes is the queue's.
    run.start_load(near, takes_at=[addr], workers=1, failing=0)
    faults = [
        lambda: restart(killed(near)),
        lambda: restart_at(killed(far), addr),
        lambda: away(run, near_redis),
        lambda: away(run, far_redis),
    ]
    for number in range(max(len(faults), run.times(16))):
        run.pause(0.5, 2.5)
        run.note("kill", number=number % len(faults))
        faults[number % len(faults)]()
    run.load.end_pushing()
    here = all_finished(near)
    there = run.settle(client_of=far)
    events = run.verify(there, far_redis)
    run.findings += checks.k1_total(events, {"finish": here})
    run.findings += checks.k5_shape(redisdump.dump(near_redis, QUEUE))
    run.findings += out_of_order(events)
    with far.client() as client:
        pushed = client.queue(QUEUE).info()["totals"]["pushed"]
    with near.client() as client:
        counted = client.get_json("/v1/relays/on")["tasks_total"]
    run.facts.update(tasks=len(here), counted=counted)
    run.expect(counted <= len(here), f"{counted} were handed on, of {len(here)}")
    run.expect(pushed == len(here), f"{pushed} tasks were stored there, of {len(here)}")
    worst = run.gap_s(events, kinds=("finish",))
    run.at_most("handed_on_gap", worst, 15, "s")


def killed(schedd):
    """It, after a kill -9."""
    schedd.kill()
    return schedd


def away(run, redis):
    """Kills a Redis and starts it after a while."""
    redis.kill()
    time.sleep(run.rng.uniform(0.2, 1.5))
    redis.start()


def all_finished(schedd):
    """The tasks of a queue, when all of them are."""
    with schedd.client(timeout=30) as client:
        queue = client.queue(QUEUE)
        wait_until(
            lambda: not set(queue.counts()) - {"finish"},
            QUIET_S,
            lambda: f"all tasks to be handed on; there is {queue.counts()}",
        )
        return queue.ids("finish", limit=1000)


def out_of_order(events):
    """What was run before something that its producer had pushed earlier."""
    ranks, last, wrong = {}, {}, []
    for event in events:
        if event["f"] == "push" and event["type"] == "invoke":
            for task in event["ids"]:
                ranks.setdefault(task, len(ranks))
        elif event["f"] == "run":
            for task in event["ids"]:
                maker = task.rsplit("-", 1)[0]
                if ranks[task] < last.get(maker, 0):
                    wrong.append(task)
                last[maker] = ranks[task]
    return [f"{len(wrong)} out of order: {wrong[:5]}"] if wrong else []


def r2(run):
    """A queue goes to another Redis and back, under load, and schedd is killed
    at some moment of it: each task is in one of them."""
    redises = {"main": run.redis(), "group": run.redis()}
    schedd = run.schedd(named(redises["group"], "group"), redis=redises["main"])
    run.start_load()
    took, gone = 0.5, {"there": 0, "back": 0}
    for number in range(run.times(14)):
        run.pause(0.2, 0.8)
        to = "group" if backend(schedd) == "main" else "main"
        began = time.monotonic()
        wait_until(lambda: starts(schedd, to), 20, "a move to begin")
        if number % 4 == 0:
            wait_until(lambda: backend(schedd) == to, 60, "a move to end")
            took = time.monotonic() - began
            continue
        run.pause(0, 1.5 * took)
        run.note("kill")
        restart(killed(schedd))
        gone["there" if backend(schedd) == to else "back"] += 1
    run.facts.update(gone)
    home = backend(schedd)
    events = run.finish(redises.pop(home))
    for other in redises.values():
        left = keys(other, QUEUE) - {"meta"}
        run.expect(not left, f"tasks are left where they came from: {left}")
    worst = run.gap_s(events, kinds=("push",))
    run.at_most("push_gap", worst, 10, "s")


def starts(schedd, to):
    """Does a move begin? Not while the one before is not taken back."""
    with schedd.client(timeout=20) as client:
        got = client.post(f"/v1/queues/{QUEUE}/move", {"to": to})
    assert got.status in (202, 503, 504) or "already" in str(got), got
    return got.status == 202


def backend(schedd):
    """Where the queue lives, as soon as it is not on its way."""
    path = f"/v1/queues/{QUEUE}"

    def where():
        with schedd.client(timeout=20) as client:
            if client.get(f"{path}/tasks", limit=1).status != 200:
                return None
            got = client.get(path)
        return got.json["backend"] if got.status == 200 else None

    return wait_until(where, 60, "the queue to be somewhere")


ROWS = {"R1": r1, "R2": r2}
