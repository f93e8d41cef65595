"""Throughput and p99 against connections, batch size and queue length."""

import shutil
import subprocess

import measure

COLUMNS = ("figure", "system", "x", "per_s", "p99_us")

AXES = {
    "connections": ("connections, one push each under way", [1, 4, 16, 64, 256]),
    "batch": ("tasks in a batch, 4 + 4 connections", [1, 10, 50, 100, 500, 1000]),
    "queue": ("tasks queued, batches of 500, 4 + 4 connections", None),
}
SYSTEMS = {
    "connections": ["schedd", "redis", "gearmand", "beanstalkd-binlog"],
    "batch": ["schedd", "redis", "gearmand", "beanstalkd-binlog"],
    "queue": ["schedd", "gearmand-tuned", "beanstalkd-binlog"],
}


def points(figure, sizes):
    if figure == "queue":
        deep = sizes.QUEUED
        return [n for n in (1_000, 10_000, 100_000) if n < deep] + [deep]
    return AXES[figure][1]


def measure_point(driver, server, sizes, figure, x):
    """(tasks per second, p99 of one request in µs)"""
    if figure == "connections":
        count = max(2_000, sizes.SINGLE * min(x, 16) // 32)
        found = driver.run(server, "push", producers=x, count=count)
        return found["push_per_s"], found["push_p99_us"]
    count, batch, first = sizes.BATCHED // 4, sizes.BATCH, 0
    if figure == "batch":
        batch = x
        count = min(count, max(4_000, 1_000 * x))
    else:
        first = x
        measure.fill(driver, server, sizes, x)
    found = driver.run(
        server, "life", producers=4, workers=4, count=count, batch=batch, first=first
    )
    return found["life_per_s"], found["life_p99_us"]


def script(figure, rows, out):
    """gnuplot's commands, with the data in them."""
    systems = list(dict.fromkeys(row["system"] for row in rows))
    words = [
        "set terminal svg size 900,380 font 'sans,12' background 'white'",
        f"set output '{out}'",
        "set multiplot layout 1,2",
        "set logscale x",
        "set grid",
        "set key outside below horizontal",
        f"set xlabel '{AXES[figure][0]}' font ',10'",
        "set format y '%.0s%c'",
    ]
    for system in systems:
        name = "$" + system.replace("-", "_")
        words.append(f"{name} << END")
        for row in rows:
            if row["system"] == system:
                words.append(f"{row['x']} {row['per_s']} {row['p99_us']}")
        words.append("END")
    for column, title in ((2, "tasks/s"), (3, "p99 of a request, µs")):
        if column == 3:
            words.append("set logscale y")
        words.append(f"set title '{title}'")
        curves = (
            f"${s.replace('-', '_')} using 1:{column} with linespoints lw 2 title '{s}'"
            for s in systems
        )
        words.append("plot [] [0:*] " + ", ".join(curves) if column == 2
                     else "plot " + ", ".join(curves))
    words.append("unset multiplot")
    return "\n".join(words) + "\n"


def draw(rows, folder):
    """One SVG for each figure; returns what was drawn."""
    drawn = []
    if shutil.which("gnuplot") is None:
        print("bench: no gnuplot, no plots; the points are in sweep.csv")
        return drawn
    for figure in AXES:
        mine = [row for row in rows if row["figure"] == figure]
        if not mine:
            continue
        out = folder / f"{figure}.svg"
        subprocess.run(["gnuplot"], input=script(figure, mine, out), text=True, check=True)
        drawn.append(out)
    return drawn
