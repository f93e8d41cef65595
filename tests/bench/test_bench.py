"""./dev bench at small sizes: that it works, not how fast. The environment
names the programs: LOAD and SCHEDD. Servers and measurements are bench's own
modules; peers of other people are not needed."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))

# pylint: disable=wrong-import-position,import-error
import measure  # noqa: E402
import rows  # noqa: E402
import servers  # noqa: E402

SMALL = {
    "ROUNDS": "1",
    "SINGLE": "300",
    "TURN": "300",
    "BATCHED": "2000",
    "LATENCY": "20",
    "QUEUED": "3000",
    "SHALLOW": "500",
    "SIZE": "2000",
    "IDLE": "50",
    "PARKED": "100",
    "SWEEP": "0",
}
ENVIRON = {f"BENCH_{name}": value for name, value in SMALL.items()}
SIZES = measure.Sizes(ENVIRON)
OURS = [name for name, (_, systems) in measure.SCENARIOS.items() if "schedd" in systems]
SCRIPTS = [name for name, (_, systems) in measure.SCENARIOS.items() if "redis" in systems]


@pytest.fixture(name="driver")
def _driver():
    return measure.Driver(os.environ["LOAD"])


@pytest.fixture(name="schedd")
def _schedd(tmp_path):
    servers.Schedd.program = os.environ["SCHEDD"]
    with servers.Schedd(tmp_path / "s") as server:
        yield server


def counts(server):
    """How many tasks are in each state."""
    status, text = server.request("GET", "/v1/queues/bench")
    assert status == 200, text
    return json.loads(text)["counts"]


@pytest.mark.parametrize("name", OURS)
def test_scenario_on_schedd(driver, schedd, name):
    """Every figure of every scenario is there and above nothing."""
    found = measure.SCENARIOS[name][0](driver, schedd, SIZES)
    assert found
    for figure, value in found.items():
        if "cpu_us" not in figure and figure not in ("twice", "bytes_each"):
            assert value > 0, figure
    assert found.get("delivered_once", 1) == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_scenario_on_our_scripts(driver, tmp_path, name):
    """The driver speaks to the scripts as the store does."""
    with servers.Redis(tmp_path / "r") as server:
        found = measure.SCENARIOS[name][0](driver, server, SIZES)
    assert found["per_s"] > 0


def test_every_task_is_accounted_for(driver, schedd):
    """What the driver calls done is done in the queue."""
    sized = {"producers": 2, "workers": 2, "batch": 50}
    driver.run(schedd, "push", count=1000, **sized)
    assert counts(schedd)["todo"] == 1000
    driver.run(schedd, "take", count=400, **sized)
    assert counts(schedd)["doing"] == 400
    driver.run(schedd, "turn", count=600, **sized)
    assert counts(schedd) == {**counts(schedd), "todo": 0, "doing": 400, "finish": 600}
    driver.run(schedd, "life", count=500, first=1000, **sized)
    assert counts(schedd) == {**counts(schedd), "todo": 0, "doing": 400, "finish": 1100}


def test_refusal_ends_the_driver(driver, schedd):
    """A server that refuses is not a fast one."""
    schedd.request("PATCH", "/v1/queues/bench", json.dumps({"max_tasks": 10}))
    with pytest.raises(RuntimeError, match="QUEUE_FULL|was expected"):
        driver.run(schedd, "push", count=50, producers=1, batch=25)


def test_known_ids_end_the_driver(driver, schedd):
    """A push that changed nothing is not a push."""
    driver.run(schedd, "push", count=50, producers=1)
    with pytest.raises(RuntimeError, match="queued"):
        driver.run(schedd, "push", count=50, producers=1)


def test_shortage_ends_the_driver(driver, schedd):
    """Asked for more than there is, it says so instead of waiting for ever."""
    driver.run(schedd, "push", count=10, producers=1)
    with pytest.raises(RuntimeError, match="stays empty|time limit"):
        driver.run(schedd, "take", count=20, workers=1, limit=2)


def test_usage():
    """Wrong options are told, with exit code 2."""
    for words in ([], ["--proto", "nobody"], ["--mode"], ["--count", "0"]):
        done = subprocess.run(
            [os.environ["LOAD"], *words], text=True, capture_output=True, check=False
        )
        assert done.returncode == 2
        assert "usage" in done.stderr


def test_table_judges():
    """Ratios are the median of the rounds' ratios, and are held to targets."""
    results = rows.Results()
    for turn, (ours, theirs) in enumerate(((100, 50), (90, 100), (30, 30))):
        results.add("push64", "schedd", turn, {"per_s": ours})
        results.add("push64", "beanstalkd-binlog", turn, {"per_s": theirs})
        results.add("push64", "gearmand", turn, {"per_s": 10 * theirs})
    lines = {line.cells[1]: line for line in rows.table(results, SIZES)}
    assert lines["beanstalkd, binlog"].cells[3:6] == ["90/s", "50/s", "1.00"]
    assert lines["beanstalkd, binlog"].reached is True
    assert lines["gearmand, memory"].reached is False
    assert lines["the older system"].reached is None


def test_loop_share_is_an_upper_bound():
    """The bucket in which the share ends."""
    results = rows.Results()
    results.add_held([(0.001, 998), (0.002, 999), (0.01, 1000), (float("inf"), 1000)])
    assert rows.held_at(results.held, 0.999) == 0.002
    assert rows.held_at(results.held, 1.0) == 0.01


def test_whole_run(tmp_path):
    """bench/run on ours and Redis: the table, the raw figures, the exit."""
    build = Path(os.environ["SCHEDD"]).parent
    done = subprocess.run(
        ["/usr/bin/python3", "-B", str(BENCH / "run"), "schedd", "redis", "push64", "life"],
        env={
            **os.environ,
            **ENVIRON,
            "BENCH_BUILD": str(build),
            "BENCH_TMP": str(tmp_path / "scratch"),
            "BENCH_OUT": str(tmp_path / "out"),
        },
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "| single push, 64 connections" in done.stdout
    with open(tmp_path / "out" / "results.csv", encoding="utf-8") as f:
        found = {(row["scenario"], row["system"]) for row in csv.DictReader(f)}
    assert found == {(n, s) for n in ("push64", "life") for s in ("schedd", "redis")}
    assert not list((tmp_path / "scratch").glob("run-*"))
