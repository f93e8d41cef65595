"""The table: what is to be reached, what is, and against whom."""

from statistics import median

HELD = "schedd_loop_held_seconds"


class Results:
    """Every figure that was measured."""

    def __init__(self):
        self.values = {}  # (scenario, system, figure): {round: value}
        self.held = {}  # upper bound: how many turns of the loop, in all
        self.failed = []

    def add(self, scenario, system, turn, found):
        for figure, value in found.items():
            self.values.setdefault((scenario, system, figure), {})[turn] = value

    def add_held(self, histogram):
        for bound, count in histogram:
            self.held[bound] = self.held.get(bound, 0) + count

    def of(self, scenario, system, figure):
        """{round: value}"""
        return self.values.get((scenario, system, figure), {})

    def median(self, scenario, system, figure):
        values = self.of(scenario, system, figure)
        return median(values.values()) if values else None


class Line:
    """One line of the table."""

    def __init__(self, what, against="", target="", ours="", theirs="", ratio=""):
        self.cells = [what, against, target, ours, theirs, ratio]
        self.reached = None  # None: nothing was asked

    def words(self):
        verdict = {None: "", True: "yes", False: "NO"}[self.reached]
        return self.cells + [verdict]


def rate(value):
    return f"{value:,.0f}/s"


def micros(value):
    return f"{value:,.1f} µs" if value < 100 else f"{value:,.0f} µs"


def count_bytes(value):
    return f"{value:,.0f} B"


def mebibytes(value):
    return f"{value:,.1f} MiB"


def ratio_of(results, ours, theirs):
    """The median of the rounds' ratios: in a round the two ran next to each
    other, so that a machine whose speed drifts does not count."""
    pairs = [(ours[turn], theirs[turn]) for turn in ours if turn in theirs]
    return median(a / b for a, b in pairs) if pairs else None


def compare(results, what, place, show, peers):
    """Lines of schedd against peers: (system, name, sign, factor), factor
    None where nothing is asked."""
    scenario, figure = place
    ours = results.of(scenario, "schedd", figure)
    for system, name, sign, factor in peers:
        theirs = results.of(scenario, system, figure)
        if not theirs and (not ours or not factor):
            continue
        line = Line(what, name, f"{sign} {factor} ×" if factor else "")
        if ours:
            line.cells[3] = show(median(ours.values()))
        if theirs:
            line.cells[4] = show(median(theirs.values()))
        ratio = ratio_of(results, ours, theirs)
        if ratio is not None:
            line.cells[5] = f"{ratio:.2f}"
            if factor:
                line.reached = ratio >= factor if sign == "≥" else ratio <= factor
        elif factor:
            line.cells[5] = "not measured"
        yield line


def within(results, what, place, show, most):
    """Our own figure, at most so much."""
    value = results.median(place[0], "schedd", place[1])
    if value is None:
        return
    line = Line(what, "", f"≤ {show(most)}", show(value))
    line.reached = value <= most
    yield line


def held_at(held, share):
    """The upper bound of the bucket in which this share of turns ends."""
    bounds = sorted(held)
    if not bounds or held[bounds[-1]] == 0:
        return None
    total = held[bounds[-1]]
    return next(bound for bound in bounds if held[bound] >= share * total)


def loop_lines(results):
    """By buckets: the true figure is at most what is shown."""
    for what, share, most in (
        ("loop held, p99.9", 0.999, 0.002),
        ("loop held, longest", 1.0, 0.010),
    ):
        bound = held_at(results.held, share)
        if bound is None:
            yield Line(what, "", f"≤ {most * 1000:g} ms", "", "", "not measured")
            continue
        line = Line(what, "", f"≤ {most * 1000:g} ms", f"≤ {bound * 1000:g} ms")
        line.reached = bound <= most
        yield line


BINLOG = "beanstalkd, binlog"
GEARMAND = "gearmand, memory"


def batch_peers(sizes):
    return [
        ("gearmand", "gearmand as shipped", "≥", 1.3),
        ("gearmand-tuned", "gearmand, big hash table", "≥", None),
        ("beanstalkd-binlog", BINLOG, "≥", 3),
        ("bullmq", "BullMQ", "≥", 12),
        ("redis", "our scripts on Redis alone", "≥", 0.9),
    ]


def push_lines(results):
    asked = [
        ("beanstalkd-binlog", BINLOG, "≥", 1.0),
        ("gearmand", GEARMAND, "≥", 0.8),
        ("flask", "the older system", "≥", 15),
        ("beanstalkd", "beanstalkd, memory", "≥", None),
        ("redis", "our scripts on Redis alone", "≥", None),
    ]
    yield from compare(
        results, "single push, 64 connections", ("push64", "per_s"), rate, asked
    )
    free = [(s, name, sign, None) for s, name, sign, _ in asked if s != "flask"]
    yield from compare(
        results, "single push, 16 connections", ("push16", "per_s"), rate, free
    )
    cpu = "CPU of a single push, 64 connections"
    yield from compare(
        results,
        cpu,
        ("push64", "cpu_us"),
        micros,
        [
            ("gearmand", GEARMAND, "≤", 1.0),
            ("beanstalkd-binlog", BINLOG, "≤", None),
        ],
    )
    for line in within(results, cpu, ("push64", "cpu_us"), micros, 20):
        split = [results.median("push64", "schedd", f"cpu_us_{i}") for i in (0, 1)]
        if None not in split:
            line.cells[1] = "schedd {:.1f} + Redis {:.1f}".format(*split)
        yield line
    yield from compare(
        results,
        "CPU of a single push, 16 connections",
        ("push16", "cpu_us"),
        micros,
        [("gearmand", GEARMAND, "≤", None)],
    )


def work_lines(results, sizes):
    yield from compare(
        results,
        "report one and take one, 64 workers",
        ("turn64", "per_s"),
        rate,
        [
            ("beanstalkd-binlog", BINLOG, "≥", 1.0),
            ("beanstalkd-pipelined", BINLOG + ", pipelined", "≥", None),
            ("gearmand", GEARMAND, "≥", None),
            ("redis", "our scripts on Redis alone", "≥", None),
        ],
    )
    for scenario, what in (
        ("stages", f"whole life, batches of {sizes.BATCH}, one stage after the other"),
        ("life", f"whole life, batches of {sizes.BATCH}, 4 + 4 at once"),
    ):
        yield from compare(
            results, what, (scenario, "per_s"), rate, batch_peers(sizes)
        )


def latency_lines(results):
    for figure in ("p50", "p99"):
        yield from compare(
            results,
            f"push to waiting worker, {figure}",
            ("latency", f"{figure}_us"),
            micros,
            [
                ("beanstalkd-binlog", BINLOG, "≤", 1.2),
                ("gearmand", GEARMAND, "≤", None),
            ],
        )


def own_lines(results, sizes):
    yield from within(
        results,
        f"bytes per queued task, {sizes.QUEUED:,} queued",
        ("deep", "bytes_per_task"),
        count_bytes,
        300,
    )
    yield from within(
        results,
        f"schedd's memory, {sizes.QUEUED:,} queued",
        ("deep", "front_rss_mib"),
        mebibytes,
        20,
    )
    yield from within(
        results,
        f"schedd's memory per connection, {sizes.IDLE:,} idle",
        ("idle", "bytes_each"),
        count_bytes,
        4096,
    )
    yield from pair(
        results,
        f"whole life on {sizes.QUEUED:,} queued",
        f"on {sizes.SHALLOW:,} queued",
        (("deep", "per_s"), ("shallow", "per_s")),
        rate,
        ("≥", 0.85),
    )
    yield from pair(
        results,
        f"CPU per delivery, {sizes.PARKED:,} takes wait",
        "16 wait",
        (("parked", "cpu_us"), ("parked16", "cpu_us")),
        micros,
        ("≤", 1.5),
    )
    once = list(results.of("parked", "schedd", "delivered_once").values())
    once += results.of("parked16", "schedd", "delivered_once").values()
    if once:
        line = Line("each delivered once", "", "all", "all" if all(once) else "no")
        line.reached = all(once)
        yield line


def pair(results, what, against, places, show, target):
    """Two of our own figures."""
    ours, other = (results.of(scenario, "schedd", f) for scenario, f in places)
    ratio = ratio_of(results, ours, other)
    if ratio is None:
        return
    sign, factor = target
    line = Line(what, against, f"{sign} {factor} ×")
    line.cells[3] = show(median(ours.values()))
    line.cells[4] = show(median(other.values()))
    line.cells[5] = f"{ratio:.2f}"
    line.reached = ratio >= factor if sign == "≥" else ratio <= factor
    yield line


def table(results, sizes):
    """All lines that could be measured."""
    return [
        *push_lines(results),
        *work_lines(results, sizes),
        *latency_lines(results),
        *own_lines(results, sizes),
        *loop_lines(results),
    ]


HEADS = ["", "against", "target", "schedd", "the other", "ratio", "reached"]


def markdown(lines):
    """The table as text that is also Markdown."""
    rows = [HEADS] + [line.words() for line in lines]
    previous = None
    for row in rows[1:]:
        if row[0] == previous:
            row[0] = ""
        else:
            previous = row[0]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    right = {3, 4, 5}

    def cell(text, i):
        return text.rjust(widths[i]) if i in right else text.ljust(widths[i])

    out = []
    for number, row in enumerate(rows):
        out.append("| " + " | ".join(cell(t, i) for i, t in enumerate(row)) + " |")
        if number == 0:
            marks = (
                "-" * (w + 1) + ":" if i in right else "-" * (w + 2)
                for i, w in enumerate(widths)
            )
            out.append("|" + "|".join(marks) + "|")
    return "\n".join(out)
