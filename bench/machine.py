"""What stands above the table: the machine and the versions."""

import json
import os
import platform
import re
import shutil
import subprocess
import time
from statistics import median
from pathlib import Path


def first_line(*command):
    """The first line that a program prints, or nothing."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    return (done.stdout + done.stderr).strip().split("\n")[0]


def version_of(*command):
    found = re.search(r"\d+\.\d+(?:\.\d+)*", first_line(*command))
    return found.group(0) if found else "?"


def processor():
    text = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*: (.*)$", text, re.M)
    return found.group(1) if found else platform.machine()


def memory_gib():
    text = Path("/proc/meminfo").read_text()
    return int(re.search(r"^MemTotal:\s+(\d+)", text, re.M).group(1)) / 2**20


def fdatasync_us(folder):
    """What one durable write of 4 KiB costs on the disk that is used."""
    took = []
    path = folder / "fdatasync"
    with open(path, "wb", buffering=0) as f:
        for _ in range(200):
            f.write(b"x" * 4096)
            began = time.monotonic()
            os.fdatasync(f.fileno())
            took.append(time.monotonic() - began)
    path.unlink()
    return 1e6 * median(took)


def debian_version(package):
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package],
        text=True,
        capture_output=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else "?"


def commit(top):
    done = subprocess.run(
        ["git", "-C", str(top), "rev-parse", "--short", "HEAD"],
        text=True,
        capture_output=True,
        check=False,
    )
    return done.stdout.strip() or "?"


def lines(top, scratch, schedd, systems, bullmq_folder):
    """The lines of the head."""
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    load = os.getloadavg()[0]
    yield (
        f"machine: {os.cpu_count()} × {processor()}, {memory_gib():.0f} GiB, "
        f"{release}, Linux {platform.release()}, fdatasync "
        f"{fdatasync_us(scratch):.0f} µs, load {load:.1f} before"
    )
    words = [
        f"schedd {version_of(str(schedd), '--version')} ({commit(top)})",
        f"Redis {version_of('redis-server', '--version')}",
    ]
    if any(name.startswith("gearmand") for name in systems):
        words.append(f"gearmand {version_of('/usr/sbin/gearmand', '--version')}")
    if any(name.startswith("beanstalkd") for name in systems):
        words.append(f"beanstalkd {version_of('/usr/bin/beanstalkd', '-v')}")
    if "flask" in systems:
        for package in ("python3-flask", "gunicorn", "python3-gevent"):
            words.append(f"{package} {debian_version(package)}")
    if "bullmq" in systems:
        path = bullmq_folder / "node_modules" / "bullmq" / "package.json"
        version = json.loads(path.read_text())["version"]
        words.append(f"BullMQ {version} on Node {version_of('node', '--version')}")
    yield "versions: " + ", ".join(words)
