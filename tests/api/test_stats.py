"""What the server says about itself: stats, metrics, health, tables."""

import re
import subprocess
import time
from pathlib import Path

from server import wait_until

ROOT = Path(__file__).resolve().parents[2]

SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Page:
    """A page of metrics, taken apart."""

    def __init__(self, text):
        self.text = text
        self.types, self.helps, self.samples = {}, {}, {}
        self.order = []
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in self.types, f"{name} twice"
                self.types[name] = kind
            elif line.startswith("# HELP "):
                name, words = line[7:].split(" ", 1)
                assert name not in self.helps, f"{name} twice"
                self.helps[name] = words
            else:
                self._sample(line)

    def _sample(self, line):
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        key = (name, tuple(sorted(LABEL.findall(labels or ""))))
        assert key not in self.samples, f"{key} twice"
        self.samples[key] = float(value)
        family = self.family(name)
        if not self.order or self.order[-1] != family:
            assert family not in self.order, f"{family} in two places"
            self.order.append(family)

    def family(self, name):
        """The family that a sample belongs to."""
        for end in ("_bucket", "_sum", "_count"):
            base = name[: -len(end)] if name.endswith(end) else None
            if base and self.types.get(base) == "histogram":
                return base
        return name

    def value(self, name, **labels):
        """One value; 0 when it is not there."""
        return self.samples.get((name, tuple(sorted(labels.items()))), 0)

    def series(self, name):
        """{labels: value} of a name."""
        return {k[1]: v for k, v in self.samples.items() if k[0] == name}


def metrics(client):
    """The page now."""
    got = client.get("/metrics")
    assert got.status == 200
    assert got.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Page(got.body.decode())


def live(queue):
    """Puts something everywhere."""
    queue.patch(max_payload=100)
    queue.push("a", "b", "c", "d", {"id": "l", "payload": 1, "delay_s": 99})
    queue.push("a")
    queue.post("tasks", {"payload": "x" * 200})
    queue.take(count=3)
    queue.finish("a")
    queue.fail("b")
    queue.fail("c", retry=False)
    queue.report("w2", finished=["a"])
    queue.client.get("/v1/queues/none-such")
    queue.client.get("/none-such")
    queue.take(wait_s=0.05, count=1)


# -- metrics ----------------------------------------------------------------


def test_promtool_is_content(client, queue):
    live(queue)
    page = metrics(client).text
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=page.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == b"", done


def test_shape_of_the_page(client, queue):
    """What promtool does not see: duplicates, scattered families."""
    live(queue)
    page = metrics(client)
    assert set(page.types) == set(page.helps)
    assert all(page.family(name) in page.types for name, _ in page.samples)
    assert page.text.endswith("\n")


def test_every_family_of_the_table_is_there(client):
    text = (ROOT / "core/metrics.def").read_text(encoding="utf-8")
    rows = re.findall(r'^M\(\w+,\s*"(\w+)",\s*(\w+),', text, re.M)
    page = metrics(client)
    assert {name: kind.lower() for name, kind in rows} == page.types


def test_histograms(client, queue):
    live(queue)
    page = metrics(client)
    histograms = [n for n, kind in page.types.items() if kind == "histogram"]
    assert len(histograms) >= 3
    for name in histograms:
        buckets = {}
        for labels, value in page.series(name + "_bucket").items():
            rest = tuple(x for x in labels if x[0] != "le")
            bound = float(dict(labels)["le"].replace("+Inf", "inf"))
            buckets.setdefault(rest, []).append((bound, value))
        counts, sums = page.series(name + "_count"), page.series(name + "_sum")
        assert set(buckets) == set(counts) == set(sums), name
        for rest, pairs in buckets.items():
            pairs.sort()
            values = [value for _, value in pairs]
            assert values == sorted(values), (name, rest)
            assert pairs[-1] == (float("inf"), counts[rest]), (name, rest)
            assert sums[rest] >= 0
            finite = [bound for bound, _ in pairs[:-1]]
            if counts[rest]:
                assert sums[rest] <= counts[rest] * 3600
            assert finite and all(bound > 0 for bound in finite)


def test_histogram_counts_requests(client, queue):
    queue.make()
    route = "/v1/queues/{queue}/tasks/{id}"
    name = "schedd_http_request_seconds_count"

    def of_route():
        series = metrics(client).series(name)
        return sum(v for k, v in series.items() if route in dict(k)["route"])

    before = of_route()
    for i in range(7):
        queue.try_task(f"t{i}")
    assert of_route() == before + 7


def test_queue_values(client, queue):
    live(queue)
    wanted = {"todo": 1, "delayed": 1, "doing": 1, "failed": 1, "finish": 1, "dead": 1}
    wanted = {**wanted, **queue.info()["counts"]}
    name = queue.name

    def caught_up():
        page = metrics(client)
        got = {
            s: page.value("schedd_queue_tasks", queue=name, state=s) for s in wanted
        }
        return page if got == wanted else None

    page = wait_until(caught_up, what="the gauges")
    for what, value in {
        "pushed": 5,
        "push_exists": 1,
        "push_refused": 1,
        "taken": 4,
        "finished": 1,
        "failed": 2,
        "dead": 1,
        "lease_lost": 1,
        "retried": 0,
    }.items():
        got = page.value(f"schedd_queue_{what}_total", queue=name)
        assert got == value, (what, got)
    assert page.value("schedd_queue_paused", queue=name) == 0
    assert page.value("schedd_queue_max_tasks", queue=name) == 500000
    assert page.value("schedd_queue_workers", queue=name) == 1
    taken_at = page.value("schedd_queue_last_take_timestamp_seconds", queue=name)
    assert abs(taken_at - time.time()) < 60
    queue.patch(paused=True, max_tasks=77)
    wait_until(
        lambda: metrics(client).value("schedd_queue_paused", queue=name) == 1,
        what="paused",
    )
    assert metrics(client).value("schedd_queue_max_tasks", queue=name) == 77


def test_request_and_error_counters(client):
    before = metrics(client)
    client.get("/v1/queues/none-such").refused(404, "QUEUE_UNKNOWN")
    client.get("/none-such").refused(404, "ROUTE_UNKNOWN")
    after = metrics(client)
    grown = lambda name, **labels: after.value(name, **labels) - before.value(
        name, **labels
    )
    assert grown("schedd_http_requests_total", code="404") == 2
    assert grown("schedd_http_requests_total", code="200") == 1
    errors = after.series("schedd_errors_total")
    values = {dict(k)["error"]: v for k, v in errors.items()}
    assert any("310" in k or "QUEUE_UNKNOWN" in k for k in values), values


def test_memory_limits(place):
    redis = place.redis(maxmemory="64mb")
    settings = {**redis.settings(), "limits": {"max_memory": "96MiB"}}
    with place.schedd(settings).client() as client:
        assert metrics(client).value("schedd_memory_max_bytes") == 96 << 20
        wait_until(
            lambda: metrics(client).value("schedd_redis_memory_max_bytes", backend="main") == 64 << 20,
            15,
            "what Redis may use",
        )
        assert 0 < metrics(client).value("schedd_redis_memory_bytes", backend="main") < 64 << 20


def test_process_values(schedd, client):
    page = metrics(client)
    assert page.value("process_resident_memory_bytes") > 1_000_000
    assert page.value("process_cpu_seconds_total") > 0
    fds = len(list(Path(f"/proc/{schedd.pid()}/fd").iterdir()))
    assert abs(page.value("process_open_fds") - fds) <= 2
    assert page.value("process_max_fds") >= 64
    assert page.value("process_start_time_seconds") > 1.6e9
    assert list(page.series("schedd_build_info").values()) == [1]


def test_connections_and_waiting(schedd, client, queue):
    queue.make()
    assert metrics(client).value("schedd_http_connections") >= 1
    with schedd.client() as other:
        other.send("POST", f"{queue.path}/take", {"worker": "w", "wait_s": 30})
        name = "schedd_queue_waiting_takes"
        wait_until(
            lambda: metrics(client).value(name, queue=queue.name) == 1,
            what="a waiting take",
        )
        queue.push("a")
        assert other.receive().json["tasks"][0]["id"] == "a"
    assert metrics(client).value("schedd_take_wait_seconds_count") >= 1


def test_janitor_values(client, queue):
    queue.patch(dead_keep=1)
    queue.push("a", "b", "c")
    queue.take()
    before = metrics(client).value("schedd_janitor_items_total", duty="dead")
    queue.fail("a", "b", "c", retry=False)

    def trimmed():
        page = metrics(client)
        got = page.value("schedd_janitor_items_total", duty="dead") - before
        return page if got == 2 else None

    page = wait_until(trimmed, what="the janitor")
    assert page.value("schedd_janitor_runs_total", duty="dead") >= 1
    last = page.value("schedd_janitor_last_run_timestamp_seconds", duty="dead")
    assert last > 1.6e9
    duties = {"doing", "failed", "delayed", "finish", "dead", "check", "workers"}
    for name in ("runs_total", "errors_total", "items_total"):
        series = page.series(f"schedd_janitor_{name}")
        assert {dict(k)["duty"] for k in series} == duties


def test_loop_held(client):
    assert metrics(client).value("schedd_loop_held_seconds_count") > 0


def test_store_values(client, queue):
    before = metrics(client)
    queue.push("a")
    queue.take()
    after = metrics(client)
    grown = lambda name, **labels: after.value(name, **labels) - before.value(
        name, **labels
    )
    for op in ("push", "work"):
        assert grown("schedd_store_calls_total", op=op) == 1
        assert grown("schedd_store_gathered_total", op=op) == 1
        assert grown("schedd_store_op_seconds_count", op=op) == 1
    assert grown("schedd_store_ops_total", outcome="done") >= 2
    assert after.value("schedd_store_connects_total") == 1


def test_store_up_and_pending(place):
    redis = place.redis()
    settings = redis.settings()
    settings['redis "main"']["deadline"] = "20s"
    schedd = place.schedd(settings)
    with schedd.client() as client, schedd.client() as other:
        up = lambda: metrics(client).value("schedd_store_up", backend="main")
        assert up() == 1
        redis.pause()
        other.send("POST", "/v1/queues/q/tasks", {"id": "a", "payload": 1})
        wait_until(
            lambda: metrics(client).value("schedd_store_pending") > 0,
            what="something pending",
        )
        assert client.get_json("/v1/stats")["store"]["pending"] > 0
        redis.resume()
        assert other.receive().status == 201
        redis.kill()
        wait_until(lambda: up() == 0, what="the store to be down")
        assert metrics(client).value("schedd_store_lost_total") >= 1
        redis.start()
        wait_until(lambda: up() == 1, what="the store to be up")


def test_an_idle_server_asks_little_of_redis(place):
    """About three commands a second, however many queues there are: a look, a
    sign of life, and, as they were in use, a window of the task check."""
    redis = place.redis()
    schedd = place.schedd(redis.settings())
    schedd.settings["janitor"] = {"interval": "1s"}
    schedd.reload()
    with schedd.client() as client:
        for i in range(50):
            client.queue(f"q{i}").push("a")

    before, began = script_calls(redis), redis_ms(redis)
    wait_until(lambda: redis_ms(redis) - began >= 5000, 20, "five seconds")
    spent = script_calls(redis) - before
    assert spent <= 18, f"{spent} commands in five idle seconds"


def redis_ms(redis):
    """Redis's clock."""
    seconds, micros = redis.do("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


def script_calls(redis):
    """How many commands Redis got. What scripts call counts there too, so
    only those are summed that no script of ours calls."""
    asked = {"evalsha", "evalsha_ro", "eval", "ping", "smembers", "sscan", "sadd"}
    text = redis.do("INFO", "commandstats").decode()
    calls = dict(re.findall(r"cmdstat_([\w|]+):calls=(\d+)", text))
    return sum(int(n) for name, n in calls.items() if name in asked)


# -- stats ------------------------------------------------------------------


def test_stats(client, queue):
    live(queue)
    wanted = queue.info()["counts"]

    def caught_up():
        stats = client.get_json("/v1/stats")
        mine = [q for q in stats["queues"] if q["name"] == queue.name]
        return stats if mine and mine[0]["counts"] == wanted else None

    stats = wait_until(caught_up, what="the stats")
    assert stats["ready"] is True and stats["reason"] is None
    assert stats["uptime_s"] > 0 and stats["connections"] >= 1
    assert set(stats["janitor"]) == {
        "doing",
        "failed",
        "delayed",
        "check",
        "finish",
        "dead",
        "workers",
    }
    for state in wanted:
        total = sum(q["counts"][state] for q in stats["queues"])
        assert stats["sums"]["counts"][state] == total
    assert stats["sums"]["queues"] == len(stats["queues"])


def test_latency(place):
    """Of what ended well in the last minute; waiting for work is not ours."""
    schedd = place.schedd()
    with schedd.client() as client, schedd.client() as waiter:
        queue = client.queue("q")
        nothing = {"p50_s": None, "p99_s": None, "count": 0}
        latency = client.get_json("/v1/stats")["latency"]
        assert latency == dict.fromkeys(("push", "take", "report"), nothing)
        for i in range(20):
            queue.push(f"t{i}")
        queue.take_ids(count=10)
        queue.finish("t0")
        queue.post("report", {}).refused(400, "FIELD_MISSING")
        client.get_json(f"{queue.path}/tasks")  # the path of a push
        latency = client.get_json("/v1/stats")["latency"]
        assert {k: v["count"] for k, v in latency.items()} == {
            "push": 20,
            "take": 1,
            "report": 1,
        }
        for one in latency.values():
            assert 0 < one["p50_s"] <= one["p99_s"] < 30
        queue.take_ids(count=10)
        got = queue.take_all("w2", wait_s=0.2)
        assert got["tasks"] == []
        waiter.send("POST", f"{queue.path}/take", {"worker": "w3", "wait_s": 30})
        wait_until(lambda: queue.info()["waiting_takes"], what="a take that waits")
        queue.push("last")
        assert waiter.receive().json["tasks"]
        assert client.get_json("/v1/stats")["latency"]["take"]["count"] == 2


def test_outcomes(place):
    schedd = place.schedd()
    with schedd.client() as client:
        for _ in range(30):
            client.get("/v1/queues/none").refused(404, "QUEUE_UNKNOWN")
            client.get_json("/v1/version")
        stats = client.get_json("/v1/stats")
        assert set(stats["outcomes"]) == {"2xx", "4xx", "5xx"}
        assert stats["outcomes"]["2xx"] >= stats["outcomes"]["4xx"] > 0
        assert stats["outcomes"]["4xx"] * stats["uptime_s"] >= 29.5


def test_rates(client, queue):
    queue.push_many([f"t{i}" for i in range(600)])
    queue.take()

    def seen():
        rates = queue.info()["rates"]
        return rates if rates["pushed"] > 0 and rates["taken"] > 0 else None

    rates = wait_until(seen, 20, "rates")
    assert rates["pushed"] <= 600 and rates["finished"] == 0
    assert client.get_json("/v1/stats")["sums"]["rates"]["pushed"] > 0


# -- health, tables ---------------------------------------------------------


def test_health(client):
    assert client.get_json("/healthz") == {"ok": True}
    assert client.get_json("/readyz") == {"ok": True, "durability": "disk"}


def test_version(client):
    got = client.get_json("/v1/version")
    assert got["name"] == "schedd" and got["api"] == "v1"
    assert re.fullmatch(r"\d+\.\d+\.\d+", got["version"])


def test_errors_are_the_table(client):
    text = (ROOT / "core/err.def").read_text(encoding="utf-8")
    rows = re.findall(r'^E\(\s*(\d+), (\w+),\s*(\d+), "(.*)"\)$', text, re.M)
    got = client.get_json("/v1/errors")["errors"]
    assert [
        (str(e["code"]), e["name"], str(e["http"]), e["text"]) for e in got
    ] == rows
    retryable = {e["name"] for e in got if e["retryable"]}
    assert {"REDIS_DOWN", "STORE_BUSY", "QUEUE_FULL", "STORE_UNKNOWN"} <= retryable
    assert not {"BODY_NOT_JSON", "QUEUE_UNKNOWN", "TAKE"} & retryable


def test_openapi_describes_every_route(client):
    got = client.get("/v1/openapi.json")
    assert got.headers["Content-Type"].startswith("application/json")
    document = got.json
    assert document["openapi"].startswith("3.")
    text = (ROOT / "http/routes.c").read_text(encoding="utf-8")
    routes = re.findall(r'\{METHOD_(\w+),\s*"([^"]+)"', text)
    assert len(routes) > 15
    described = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert described == set(routes)
    for method, path in routes:
        operation = document["paths"][path][method.lower()]
        assert operation["responses"], (method, path)


def test_json_answers_say_so(client, queue):
    queue.push("a")
    for path in ("/healthz", "/v1/stats", "/v1/queues", queue.path, "/none-such"):
        got = client.get(path)
        assert got.headers["Content-Type"].startswith("application/json"), path
        assert int(got.headers["Content-Length"]) == len(got.body)
