"""Each checker finds what it is there for: a history that is right, and the
same with one violation planted in it."""

import copy
import time

import pytest

import checks
from history import History, read

S = 1_000_000_000


def event(t, kind, what, ids=(), proc="w1", **more):
    """One event at t seconds."""
    made = {"t": int(t * S), "type": kind, "f": what, "proc": proc, "ids": list(ids)}
    return {"op": int(t * 1000), **made, **more}


def run(t, ids, attempt=1, proc="w1", until=100, asked=None):
    """A take and the run that follows it."""
    op = int(t * 1000)
    attempts = [attempt] * len(ids)
    return [
        event(t - 0.5 if asked is None else asked, "invoke", "take", proc=proc, op=op),
        event(t, "ok", "take", ids, proc, op=op, attempts=attempts),
        event(t, "run", "run", ids, proc, op=op, attempts=attempts, until=until * S),
    ]


def report(t, what, ids, proc="w1"):
    """A report that was taken."""
    return [
        event(t, "invoke", what, ids, proc),
        event(t + 0.1, "ok", what, ids, proc, op=int(t * 1000)),
    ]


@pytest.fixture(name="good")
def _good():
    """a: once; b: fails, runs again elsewhere; c: its worker is killed."""
    events = [
        event(1, "invoke", "push", "abc", "p1"),
        event(1.1, "ok", "push", "abc", "p1", op=1000),
        event(1.2, "invoke", "push", "d", "p1"),
        event(1.3, "unknown", "push", (), "p1", op=1200),
        *run(3, "ab"),
        *report(4, "finish", "a"),
        *report(5, "fail", "b"),
        *run(7, "b", 2, "w2"),
        *report(8, "finish", "b", "w2"),
        *run(9, "c", 1, "w3"),
        event(10, "note", "gone", (), "w3"),
        *run(12, "c", 2, "w2"),
        *report(13, "finish", "c", "w2"),
    ]
    return events


THERE = {"finish": ["a", "b", "c"], "todo": ["d"]}


def sort(events):
    """In the order of time."""
    return sorted(events, key=lambda e: e["t"])


def test_good(good):
    good = sort(good)
    assert checks.k1_total(good, THERE) == []
    assert checks.k2_finality(good) == []
    assert checks.k3_bound(good, 2) == []
    assert checks.k4_overlap(good) == []
    assert checks.extra_runs(good) == {"c": 1}
    assert checks.held_when_gone(good) == 1


@pytest.mark.parametrize(
    "there,word",
    [
        ({"finish": ["a", "b", "c"]}, None),  # d was never acknowledged
        ({"finish": ["a", "b"]}, "lost"),
        ({"finish": ["a", "b", "c", "x"]}, "never pushed"),
        ({"finish": ["a", "b", "c"], "todo": ["a"]}, "twice"),
        ({"finish": ["b", "c"], "todo": ["a"]}, "not so there"),
    ],
)
def test_k1(good, there, word):
    found = checks.k1_total(good, there)
    assert bool(found) == (word is not None)
    assert word is None or any(word in line for line in found), found


def test_k1_does_not_miss_what_was_cancelled(good):
    good += [event(20, "invoke", "cancel", "a")]
    assert checks.k1_total(good, {"finish": ["b", "c"]}) == []


def test_k2(good):
    again = sort(good + run(20, "a", 2, "w2"))
    assert "after their finish" in checks.k2_finality(again)[0]
    # Asked for before the finish, answered after it: that may be.
    late = sort(good + run(20, "a", 2, "w2", asked=3.9))
    assert checks.k2_finality(late) == []
    twice = sort(good + report(20, "finish", "a", "w2"))
    assert "two workers" in checks.k2_finality(twice)[0]
    same = sort(good + report(20, "finish", "a"))
    assert checks.k2_finality(same) == []


def test_k3(good):
    assert "more than 1" in checks.k3_bound(sort(good), 1)[0]
    down = sort(good + run(20, "b", 2))
    assert any("go up" in line for line in checks.k3_bound(down, 3))
    # An extra run that no killed worker explains.
    alive = sort([e for e in good if e["f"] != "gone"])
    assert "1 extra runs, at most 0" in checks.k3_bound(alive, 3)[0]
    # An attempt that was counted, though nobody ran it.
    burnt = sort(run(3, "a", 2))
    assert "1 extra runs" in checks.k3_bound(burnt, 3)[0]
    # A failure that may have been taken is a reason.
    unknown = [
        *run(3, "a"),
        event(5, "invoke", "fail", "a"),
        event(5.1, "unknown", "fail", "a", op=5000),
        *run(7, "a", 2),
    ]
    assert checks.k3_bound(sort(unknown), 3) == []


def test_k4():
    two = run(3, "a", until=30) + run(7, "a", 2, "w2")
    assert "two workers" in checks.k4_overlap(sort(two))[0]
    over = run(3, "a", until=6) + run(7, "a", 2, "w2")
    assert checks.k4_overlap(sort(over)) == []
    sent = run(3, "a") + report(5, "fail", "a") + run(7, "a", 2, "w2")
    assert checks.k4_overlap(sort(sent)) == []


SHAPE = {
    "task": {"a", "b", "c", "d"},
    "finished": {"c"},
    "todo": ["a"],
    "delayed": [],
    "doing": ["b"],
    "failed": ["d"],
    "dead": [],
    "finish": ["c"],
    "holder": {"b": b"17 w1"},
    "held": {b"w1": b"1"},
}


@pytest.mark.parametrize(
    "key,value,word",
    [
        ("todo", ["a", "b"], "two places"),
        ("todo", ["a", "a"], "two places"),
        ("todo", ["a", "x"], "without a value"),
        ("failed", [], "in no place"),
        ("finish", [], "not in finish"),
        ("finish", ["c", "d"], "not finished"),
        ("holder", {}, "held by nobody"),
        ("holder", {"b": b"17 w1", "a": b"17 w2"}, "not in doing"),
        ("held", {b"w1": b"2"}, "counted as"),
    ],
)
def test_k5(key, value, word):
    assert checks.k5_shape(SHAPE) == []
    bad = copy.deepcopy(SHAPE)
    bad[key] = value
    found = checks.k5_shape(bad)
    assert any(word in line for line in found), found


BROUGHT = [
    event(1, "invoke", "rows", ["a-1", "a-2", "a-3"]),
    event(2, "ok", "rows", ["a-1", "a-2", "a-3"]),
    event(3, "invoke", "rows", ["a-4"]),
]


@pytest.mark.parametrize(
    "there, quarantine, word",
    [
        (["a-1", "a-3"], ["a-2"], ""),
        (["a-1", "a-3", "a-4"], ["a-2"], ""),
        (["a-1"], ["a-2"], "nowhere"),
        (["a-1", "a-3", "a-5"], ["a-2"], "never brought"),
        (["a-1", "a-3", "a-3"], ["a-2"], "twice"),
        (["a-1", "a-2", "a-3"], ["a-2"], "twice"),
        (["a-1"], ["a-2", "a-3"], "good rows"),
        (["a-1", "a-2", "a-3"], [], "bad rows"),
        (["a-3", "a-1"], ["a-2"], "out of order"),
    ],
)
def test_k6(there, quarantine, word):
    found = checks.k6_rows(BROUGHT, there, quarantine, {"a-2"})
    assert any(word in line for line in found) if word else found == []


def test_k8(good):
    good = sort(good)
    assert checks.k8_gap(good, 1 * S, 14 * S) == pytest.approx(3)
    assert checks.k8_gap(good, 1 * S, 20 * S) == pytest.approx(6.9)
    assert checks.k8_gap([], 1 * S, 5 * S) == pytest.approx(4)
    assert max(checks.latencies_ms(good, "finish")) == pytest.approx(100)


@pytest.mark.parametrize("what", ["fds", "threads", "children", "files", "rss"])
def test_k9(what):
    before = {"fds": 9, "threads": 1, "children": 1, "files": 0, "rss": 1 << 24}
    assert checks.k9_leftover(before, dict(before), 1 << 20) == []
    more = {**before, what: before[what] + (1 << 21)}
    assert len(checks.k9_leftover(before, more, 1 << 20)) == 1


def test_a_million_events_in_ten_seconds(tmp_path):
    events, batch = [], 100
    for n in range(0, 333_400, batch):
        ids, t = [f"t{i}" for i in range(n, n + batch)], n / 100
        push = [event(t, kind, "push", ids, "p", op=n) for kind in ("invoke", "ok")]
        events += push + run(t + 1, ids) + report(t + 2, "finish", ids)
    events = sort(events)
    began = time.monotonic()
    there = {"finish": [i for e in events if e["f"] == "run" for i in e["ids"]]}
    assert checks.k1_total(events, there) == []
    assert checks.k2_finality(events) == []
    assert checks.k3_bound(events, 3) == []
    assert checks.k4_overlap(events) == []
    assert time.monotonic() - began < 10


def test_history(tmp_path):
    history = History(tmp_path / "history")
    op = history.next_op()
    history.add("invoke", "p1", "push", op=op, ids=["a"])
    history.add("ok", "p1", "push", op=op, ids=["a"], status=201)
    assert [e["type"] for e in history.events()] == ["invoke", "ok"]
    history.close()
    assert read(tmp_path / "history")[1]["status"] == 201
