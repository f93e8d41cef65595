"""The dashboard and the alarms against a real Prometheus that scrapes a schedd
with some load: every series that they name is there, every expression is one,
and alarms are raised by what they are about."""

import itertools
import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from channels import bring
from conftest import wait_state
from redisproc import free_port
from server import SLOW, WITH_US, merged, wait_until

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "etc/prometheus-rules.yml"
DASHBOARD = ROOT / "etc/grafana-schedd.json"

# What Grafana puts in for its variables.
VARIABLES = {"$__rate_interval": "20s", "$instance": ".+", "$queue": ".+"}

METRIC = re.compile(r"\b(?:schedd|process)_\w+|\bup\b|\bALERTS\b")


class Prometheus:
    """A server of our own that scrapes one schedd each second."""

    def __init__(self, folder, addr, rules):
        self.folder, self.port = Path(folder), free_port()
        self.folder.mkdir(parents=True)
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{"job_name": "schedd", "static_configs": [{"targets": [addr]}]}],
        }
        # JSON is YAML, too.
        (self.folder / "prometheus.yml").write_text(json.dumps(config), "utf-8")
        with open(self.folder / "log", "wb") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                [
                    *WITH_US,
                    "/usr/bin/prometheus",
                    f"--config.file={self.folder}/prometheus.yml",
                    f"--storage.tsdb.path={self.folder}/data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
            )

    def get(self, path, **query):
        """The data of one answer of its API."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=20 * SLOW) as answer:
                got = json.load(answer)
        except urllib.error.HTTPError as refused:
            if refused.code == 503:  # it starts
                raise
            raise AssertionError(f"{query}: {refused.read().decode()}") from None
        assert got["status"] == "success", (query, got)
        return got["data"]

    def is_ready(self):
        """Has it scraped something?"""
        assert self.process.poll() is None, (self.folder / "log").read_text("utf-8")
        try:
            return bool(self.query("up == 1"))
        except OSError:
            return False

    def query(self, expr):
        """The series that an expression gives now."""
        return self.get("query", query=expr)["result"]

    def names(self):
        """Every metric that it has."""
        return set(self.get("label/__name__/values"))

    def rules(self):
        """Every rule that it has loaded."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def firing(self, name, label="queue"):
        """The queue (or the label) of each alarm of that name that is raised."""
        return [
            alert["labels"].get(label)
            for alert in self.get("alerts")["alerts"]
            if alert["labels"]["alertname"] == name and alert["state"] == "firing"
        ]

    def stop(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait(30 * SLOW)


def quick(text):
    """The same alarms under other names, raised at once, and by tasks that
    have waited for two seconds."""
    text = text.replace("alert: Schedd", "alert: Quick").replace("name: schedd-", "name: quick-")
    text = text.replace("(schedd_queue_oldest_todo_seconds) > 900", "(schedd_queue_oldest_todo_seconds) > 2")
    assert "> 2\n" in text
    return re.sub(r"^ +for: .*\n", "", text, flags=re.M)


@pytest.fixture(scope="module", name="watched")
def _watched(_module_place, postgres):
    """A schedd with a channel and a relay, and a Prometheus that watches it."""
    redis = _module_place.redis(maxmemory="512mb")
    postgres.make("CREATE TABLE pages (url text PRIMARY KEY, status int2 CHECK (status < 600))")
    channel = {"pages": {"table": "pages", "key": "url"}}
    relay = {'relay "on"': {"from": "in", "to": "out"}}
    schedd = _module_place.schedd(merged(redis.settings(), postgres.settings(channel), relay))
    with schedd.client() as client:
        wait_state(client, "pages", "running")
    short = _module_place.folder / "quick.yml"
    short.write_text(quick(RULES.read_text("utf-8")), "utf-8")
    prometheus = Prometheus(_module_place.new_folder(), schedd.addr, [RULES, short])
    try:
        wait_until(prometheus.is_ready, 60, "prometheus")
        yield schedd, prometheus
    finally:
        prometheus.stop()


_serial = itertools.count(1)


def load(client):
    """A little of everything that a series can tell of."""
    queue, n = client.queue("mail"), next(_serial)
    ids = [f"t{n}-{i}" for i in range(50)]
    queue.patch(retry_base_s=1)
    queue.push_many(ids)
    queue.push(ids[0])
    held = queue.take_ids(count=20)
    queue.finish(*held[:10])
    queue.fail(*held[10:12])
    queue.post("tasks", {"id": f"late{n}", "payload": 1, "delay_s": 300})
    client.post("/v1/workers/w1/heartbeat", {"load": 1})
    client.get("/v1/queues/none-such")
    queue.take(wait_s=0.05, count=100)
    queue.report("w9", finished=held[12:13])
    rows = [{"url": f"{n}-{i}", "status": 200} for i in range(20)]
    client.queue("in").push(f"on{n}")
    bring(client, "pages", rows[0], {"url": "none", "status": 999}, *rows)


@pytest.fixture(name="loaded", scope="module")
def _loaded(watched):
    """The same under load, until rates were seen."""
    schedd, prometheus = watched
    with schedd.client() as client:
        load(client)
        wait_until(
            lambda: prometheus.query("schedd_redis_memory_max_bytes > 0"), 30, "Redis's memory"
        )
        load(client)
        for name in ("schedd_queue_pushed_total", "schedd_errors_total"):
            wait_until(lambda n=name: prometheus.query(f"rate({n}[20s]) > 0"), 30, name)
    return prometheus


def dashboard():
    """The dashboard."""
    return json.loads(DASHBOARD.read_text("utf-8"))


def filled_in(expr):
    """An expression as Grafana would send it."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, expr
    return expr


def panels():
    """Every panel but the headings."""
    return [p for p in dashboard()["panels"] if p["type"] != "row"]


# -- the alarms --------------------------------------------------------------


def promtool(*words):
    """Runs promtool, which must be content."""
    done = subprocess.run(["promtool", *words], capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def test_promtool_takes_the_rules():
    assert "SUCCESS" in promtool("check", "rules", str(RULES))


def test_promtool_raises_the_alarms(tmp_path):
    """Made-up series: what raises an alarm, and what must not."""
    text = Path(__file__).with_name("alarms.yml").read_text("utf-8")
    path = tmp_path / "alarms.yml"
    path.write_text(text.replace("RULES", str(RULES)), "utf-8")
    promtool("test", "rules", str(path))


def test_prometheus_takes_the_rules(loaded):
    wanted = set(re.findall(r"alert: (\w+)", RULES.read_text("utf-8")))
    assert len(wanted) > 15

    def evaluated():
        rules = loaded.rules()
        assert wanted <= {rule["name"] for rule in rules}
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    for rule in wait_until(evaluated, 30, "the rules to be evaluated"):
        assert rule["health"] == "ok", rule
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description", "runbook"} <= set(rule["annotations"])


def test_every_series_of_the_rules_is_there(loaded):
    names = loaded.names()
    for rule in loaded.rules():
        used = set(METRIC.findall(rule["query"]))
        assert used, rule["query"]
        assert used <= names, (rule["name"], used - names)


def test_alarms_are_raised(watched, loaded):
    """By a queue that is full, tasks that die, and tasks that wait; not by
    another one."""
    schedd, prometheus = watched
    with schedd.client() as client:
        full, pay = client.queue("full"), client.queue("pay")
        full.patch(max_tasks=10)
        full.push_many([f"t{i}" for i in range(10)])
        pay.push("a", "b")
        pay.take()
        seen = 'schedd_queue_dead_total{queue="pay"}'
        wait_until(lambda: prometheus.query(seen), 20, "a scrape before the death")
        pay.fail("a", retry=False)
        for name, queue in (
            ("QuickQueueFull", "full"),
            ("QuickBacklogOld", "full"),
            ("ScheddDeadGrowing", "pay"),
        ):
            wait_until(lambda n=name, q=queue: q in prometheus.firing(n), 30, name)
    for name in ("QuickRowsQuarantined", "ScheddRowsQuarantined"):
        assert prometheus.firing(name, "channel") == ["pages"]
    assert prometheus.firing("QuickQueueFull") == ["full"]
    assert "full" not in prometheus.firing("ScheddDeadGrowing")
    # What is well raises nothing, also not at once.
    for name in (
        "StoreAway", "StoreStrange", "StoreWeak", "Down", "JanitorStopped", "Repairs",
        "ChannelStopped", "RowsWait", "RowsRefused", "RelayStopped",
    ):  # fmt: skip
        assert not prometheus.firing(f"Quick{name}"), name
    del loaded


# -- the dashboard -----------------------------------------------------------


def test_the_dashboard_is_whole():
    """What Grafana asks of one: ids of their own, nothing over another."""
    document = dashboard()
    ids = [p["id"] for p in document["panels"]]
    assert len(ids) == len(set(ids)) > 30
    taken = set()
    for panel in document["panels"]:
        assert panel["title"]
        at = panel["gridPos"]
        assert 0 <= at["x"] and at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    known = {v["name"] for v in document["templating"]["list"]}
    assert known == {"datasource", "instance", "queue"}
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        assert [t["refId"] for t in panel["targets"]] == list("ABCDEFGH"[: len(panel["targets"])])


def test_every_series_of_the_dashboard_is_there(loaded):
    names = loaded.names()
    for panel in panels():
        for target in panel["targets"]:
            expr = filled_in(target["expr"])
            used = set(METRIC.findall(expr))
            assert used and used <= names, (panel["title"], used - names)


def test_every_panel_shows_something(watched, loaded):
    schedd, _ = watched
    with schedd.client() as client:
        for panel in panels():
            for target in panel["targets"]:
                expr = filled_in(target["expr"])
                if not loaded.query(expr):
                    load(client)
                wait_until(lambda e=expr: loaded.query(e), 20, f"{panel['title']}: {expr}")


def test_what_is_chosen_from(loaded):
    """The variables' lists are filled, and the alarms' marks can be asked."""
    document = dashboard()
    for variable in document["templating"]["list"][1:]:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
        series = loaded.query(filled_in(found.group(1)))
        assert any(found.group(2) in s["metric"] for s in series), variable["name"]
    for annotation in document["annotations"]["list"]:
        loaded.query(filled_in(annotation["expr"]))
