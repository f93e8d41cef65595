"""The checkers: pure functions of a history (see history.py) and of what is
there at the end. Each returns what it found wrong, as lines; none is right.

    k1_total     nothing acknowledged is lost, nothing is invented
    k2_finality  what was finished never runs again
    k3_bound     no task runs more often than it may, none without a reason
    k4_overlap   two workers never hold one task under valid leases
    k5_shape     every task is in exactly one place, and counted
    k6_rows      each acknowledged row is in its table or in the quarantine, once
    k8_gap       how long nothing succeeded
    k9_leftover  nothing was used up, nothing was left behind
"""

from collections import Counter, defaultdict

SHOWN = 5


def _some(ids):
    """A few of them for a line."""
    few = sorted(ids)[:SHOWN]
    return f"{', '.join(map(str, few))}{' ...' if len(ids) > SHOWN else ''}"


def _finding(ids, what):
    return [f"{len(ids)} {what}: {_some(ids)}"] if ids else []


def ids_of(events, what, *kinds):
    """Every id of such events."""
    return {
        i
        for e in events
        if e["f"] == what and e["type"] in kinds
        for i in e.get("ids", ())
    }


def lost(events, there):
    """Acknowledged pushes that are nowhere. there: state -> ids."""
    seen = {i for ids in there.values() for i in ids}
    gone = ids_of(events, "push", "ok") - ids_of(events, "cancel", "invoke")
    return gone - seen


def k1_total(events, there):
    """there: state -> list of ids, at the end."""
    places = Counter(i for ids in there.values() for i in ids)
    tried = ids_of(events, "push", "invoke")
    done = ids_of(events, "finish", "ok") - ids_of(events, "cancel", "invoke")
    return (
        _finding(lost(events, there), "acknowledged and lost")
        + _finding(set(places) - tried, "never pushed")
        + _finding({i for i, n in places.items() if n > 1}, "there twice")
        + _finding(done - set(there.get("finish", ())), "finished, not so there")
    )


def _runs(events):
    """id -> its runs in the order of time: (asked, began, attempt, worker)."""
    asked, runs = {}, defaultdict(list)
    for e in events:
        if e["f"] == "take" and e["type"] == "invoke":
            asked[e["op"]] = e["t"]
        elif e["f"] == "run":
            for i, attempt in zip(e["ids"], e["attempts"]):
                run = (asked.get(e["op"], e["t"]), e["t"], attempt, e["proc"])
                runs[i].append(run)
    return runs


def k2_finality(events):
    """A take that was asked for after a finish was acknowledged must not
    bring that task; nor may another worker's finish of it be taken."""
    done, again, twice = {}, set(), set()
    for e in events:
        if e["f"] == "finish" and e["type"] == "ok":
            for i in e["ids"]:
                _, worker = done.setdefault(i, (e["t"], e["proc"]))
                if worker != e["proc"]:
                    twice.add(i)
    for i, runs in _runs(events).items():
        if i in done and any(asked > done[i][0] for asked, *_ in runs):
            again.add(i)
    return _finding(again, "ran after their finish") + _finding(
        twice, "finished by two workers"
    )


def extra_runs(events):
    """Runs, and attempts that were counted without one, for which there is
    no failure report: id -> how many. A report whose outcome is not known
    may have been taken."""
    failed = {
        (i, e["op"])
        for e in events
        if e["f"] == "fail" and e["type"] in ("ok", "unknown")
        for i in e["ids"]
    }
    reasons = Counter(i for i, _op in failed)
    extra = {}
    for i, runs in _runs(events).items():
        count = max(len(runs), max(run[2] for run in runs)) - 1 - reasons[i]
        if count > 0:
            extra[i] = count
    return extra


def held_when_gone(events):
    """The leases that workers held when they were killed or frozen."""
    held, count = defaultdict(set), 0
    for e in events:
        if e["f"] == "run":
            held[e["proc"]].update(e["ids"])
        elif e["f"] in ("finish", "fail") and e["type"] == "ok":
            held[e["proc"]].difference_update(e["ids"])
        elif e["f"] == "gone":
            count += len(held.pop(e["proc"], ()))
    return count


def k3_bound(events, max_attempts):
    """Runs per task are bounded and numbered upwards; those without a reason
    are at most the leases that killed or frozen workers held."""
    many, order = set(), set()
    for i, runs in _runs(events).items():
        attempts = [attempt for _, _, attempt, _ in runs]
        if len(runs) > max_attempts or max(attempts) > max_attempts:
            many.add(i)
        if any(a >= b for a, b in zip(attempts, attempts[1:])):
            order.add(i)
    found = _finding(many, f"ran more than {max_attempts} times")
    found += _finding(order, "with attempts that do not go up")
    extra, held = extra_runs(events), held_when_gone(events)
    if sum(extra.values()) > held:
        found.append(
            f"{sum(extra.values())} extra runs, at most {held} have a reason: "
            + _some(extra)
        )
    return found


def k4_overlap(events):
    """A run may begin only when the one before has ended, by its report
    having been sent or its lease being over. until in a run's event: the end
    of the lease on the monotonic clock."""
    ended, over, current = {}, set(), {}
    for e in events:
        if e["f"] in ("finish", "fail") and e["type"] == "invoke":
            for i in e["ids"]:
                ended[i, e["proc"]] = e["t"]
        elif e["f"] == "gone":
            ended[None, e["proc"]] = e["t"]
        elif e["f"] == "run":
            for i in e["ids"]:
                if i in current:
                    began, until, worker = current[i]
                    sent = max(
                        ended.get((i, worker), 0), ended.get((None, worker), 0)
                    )
                    if sent < began and e["t"] < until:
                        over.add(i)
                current[i] = (e["t"], e["until"], e["proc"])
    return _finding(over, "held by two workers")


PLACES = ("todo", "delayed", "doing", "failed", "dead", "finish")


def k5_shape(dump):
    """dump: what one queue's keys hold (see redisdump.py)."""
    places = Counter(i for name in PLACES for i in dump[name])
    done = set(dump["finished"])
    live = set(dump["task"]) - done
    found = _finding({i for i, n in places.items() if n > 1}, "in two places")
    found += _finding(set(places) - set(dump["task"]), "in a place, without a value")
    found += _finding(set(dump["task"]) - set(places), "with a value, in no place")
    found += _finding(live & set(dump["finish"]), "in finish, not finished")
    found += _finding(done - set(dump["finish"]), "finished, not in finish")
    doing, holder = set(dump["doing"]), dump["holder"]
    found += _finding(doing - set(holder), "in doing, held by nobody")
    found += _finding(set(holder) - doing, "held, not in doing")
    held = Counter(value.split(b" ", 1)[1] for value in holder.values())
    counted = {worker: int(n) for worker, n in dump["held"].items()}
    if dict(held) != counted:
        found.append(f"leases by worker are {dict(held)}, counted as {counted}")
    return found


def k6_rows(events, there, quarantine, bad):
    """there: ids of the table in the order of their coming; quarantine: ids of
    the refused rows; bad: ids of those that had to be. An id is its maker, a
    dash and a number that goes up."""
    tried = ids_of(events, "rows", "invoke")
    done = ids_of(events, "rows", "ok")
    places = Counter(there) + Counter(quarantine)
    order, last = set(), {}
    for i in there:
        maker = i.rsplit("-", 1)[0]
        if last.get(maker, "") > i:
            order.add(i)
        last[maker] = i
    return (
        _finding(done - set(places), "acknowledged rows are nowhere")
        + _finding(set(places) - tried, "rows were never brought")
        + _finding({i for i, n in places.items() if n > 1}, "rows came twice")
        + _finding(set(quarantine) - bad, "good rows are in the quarantine")
        + _finding(bad & set(there), "bad rows are in the table")
        + _finding(order, "rows are out of order")
    )


def k8_gap(events, since, until, kinds=("push", "take", "finish")):
    """The longest time, in s, in which nothing succeeded (ns to ns)."""
    times = [e["t"] for e in events if e["type"] == "ok" and e["f"] in kinds]
    times = [since, *(t for t in times if since <= t <= until), until]
    return max(b - a for a, b in zip(times, times[1:])) / 1e9


def quantile(values, part):
    """The value below which that part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def latencies_ms(events, *kinds, since=0, until=1 << 63):
    """How long each operation of these kinds took that succeeded; a take's
    own waiting for work (waited) is no part of it."""
    began, out = {}, []
    for e in events:
        if e["f"] not in kinds or e.get("waited"):
            continue
        if e["type"] == "invoke":
            began[e["op"]] = e["t"]
        elif e["type"] == "ok" and since <= e["t"] <= until:
            out.append((e["t"] - began[e["op"]]) / 1e6)
    return out


def k9_leftover(before, after, rss_slack):
    """before, after: descriptors, threads, children, rss, temporary files."""
    found = [
        f"{what}: {before[what]} before, {after[what]} after"
        for what in ("fds", "threads", "children", "files")
        if after[what] > before[what]
    ]
    if after["rss"] > before["rss"] + rss_slack:
        found.append(
            f"memory: {before['rss'] >> 20} MiB before, {after['rss'] >> 20} after"
        )
    return found
