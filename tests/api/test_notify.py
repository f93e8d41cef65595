"""What a service manager is told: sd_notify(3)'s datagrams, on a socket that
the test holds in the manager's place."""

import os
import shutil
import signal
import socket
import time

import pytest

from redisproc import free_port
from server import SLOW, wait_until

WATCHDOG_S = 0.4


class Manager:
    """The manager's socket, and what came to it, a dict a datagram."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.told = []

    def env(self, **more):
        """The environment that it starts a service with."""
        return {"NOTIFY_SOCKET": self.name, **more}

    def next(self, limit=10.0):
        """The next datagram; None when none comes within limit seconds."""
        self.socket.settimeout(limit)
        try:
            text = self.socket.recv(4096).decode()
        except TimeoutError:
            return None
        assert text.endswith("\n"), text
        self.told.append(dict(line.split("=", 1) for line in text.splitlines()))
        return self.told[-1]

    def wait_for(self, **values):
        """Reads until a datagram says this."""

        def fits():
            one = self.next(1.0) or {}
            return one if values.items() <= one.items() else None

        return wait_until(fits, 30, values)

    def states(self):
        """All changes of state so far, in order."""
        names = ("READY", "RELOADING", "STOPPING")
        return [name for one in self.told for name in one if name in names]


@pytest.fixture(name="manager", params=["file", "abstract"])
def _manager(request, place):
    folder = place.new_folder()
    folder.mkdir()
    name = str(folder / "notify")
    one = Manager(f"@{name}" if request.param == "abstract" else name)
    yield one
    one.socket.close()


@pytest.mark.log_errors("conf.refused")
def test_a_whole_life(manager, place):
    """Ready, a reload that is taken, one that is refused, the end."""
    schedd = place.schedd(env=manager.env(), ready=False)
    manager.wait_for(READY="1", STATUS="ready, durability: disk")
    before_us = time.monotonic() * 1e6
    schedd.reload()
    at = int(manager.wait_for(RELOADING="1")["MONOTONIC_USEC"])
    assert before_us - 1e6 < at <= time.monotonic() * 1e6
    manager.wait_for(READY="1")
    schedd.settings = {"http": {"max_body": "none"}}
    schedd.reload("conf.refused")
    manager.wait_for(RELOADING="1")
    manager.wait_for(READY="1")
    schedd.stop()
    last = manager.wait_for(STOPPING="1", STATUS="stopping")
    assert int(last["EXTEND_TIMEOUT_USEC"]) > 10e6  # server.drain
    assert manager.states() == ["READY", *["RELOADING", "READY"] * 2, "STOPPING"]
    assert not any("WATCHDOG" in one for one in manager.told)


def test_waiting_and_degraded(manager, place):
    """A start whose Redis is away asks for time, and a Redis that goes away
    later is told, as it comes back."""
    redis = place.redis(port=free_port())
    redis.kill()
    schedd = place.schedd(redis.settings(), env=manager.env(), ready=False)
    for _ in range(2):
        one = manager.wait_for(EXTEND_TIMEOUT_USEC="30000000")
        assert "READY" not in one
    assert any(
        one.get("STATUS", "").startswith("waiting for Redis: ") for one in manager.told
    )
    redis.start()
    manager.wait_for(READY="1")
    redis.kill()
    wait_until(
        lambda: (manager.next(2) or {}).get("STATUS", "").startswith("degraded: "), 15
    )
    redis.start()
    one = manager.wait_for(STATUS="ready, durability: disk")
    assert "READY" not in one and "EXTEND_TIMEOUT_USEC" not in one
    assert schedd.is_running()


def test_drain(manager, place):
    """USR1: drained, but there; and TERM ends that."""
    schedd = place.schedd(env=manager.env(), ready=False)
    manager.wait_for(READY="1")
    schedd.process.send_signal(signal.SIGUSR1)
    manager.wait_for(STATUS="drained")
    schedd.stop()
    manager.wait_for(STOPPING="1")


def beats(manager, seconds):
    """How many signs of life come within that time."""
    end, count = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0:
        count += "WATCHDOG" in (manager.next(left) or {})
    return count


def test_watchdog(manager, place):
    """A sign of life twice in the time that was given; none while the process
    is stopped, as the loop does not turn then."""
    env = manager.env(WATCHDOG_USEC=str(int(WATCHDOG_S * SLOW * 1e6)))
    schedd = place.schedd(env=env, ready=False)
    manager.wait_for(READY="1")
    first = len(manager.told)
    assert not any("WATCHDOG" in one for one in manager.told[: first - 1])
    seen = beats(manager, 5 * WATCHDOG_S * SLOW)
    assert 6 <= seen <= 11, manager.told
    os.kill(schedd.pid(), signal.SIGSTOP)
    beats(manager, 0.1)  # those that were on their way
    assert beats(manager, 2 * WATCHDOG_S * SLOW) == 0
    os.kill(schedd.pid(), signal.SIGCONT)
    manager.wait_for(WATCHDOG="1")


def test_watchdog_of_another(manager, place):
    """WATCHDOG_PID names another process: it is not us who is watched."""
    env = manager.env(WATCHDOG_USEC="200000", WATCHDOG_PID=str(os.getpid()))
    place.schedd(env=env)
    assert beats(manager, 1.0) == 0


def test_children_do_not_speak(manager, place):
    """The variables do not reach the private Redis, which a script of this
    name starts, after it noted what it was given."""
    folder = place.new_folder()
    folder.mkdir()
    script = folder / "redis-server"
    script.write_text(
        f"#!/bin/sh\nenv >{folder}/env\nexec {shutil.which('redis-server')} \"$@\"\n"
    )
    script.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    place.schedd(env=manager.env(WATCHDOG_USEC="30000000", PATH=path))
    given = (folder / "env").read_text()
    assert f"PATH={path}" in given
    assert "NOTIFY_SOCKET" not in given and "WATCHDOG" not in given


def test_a_manager_that_does_not_read(manager, place):
    """Its socket is full: schedd does not wait for it, and what it did not
    take comes when it reads again."""
    schedd = place.schedd(env=manager.env(), ready=False)
    manager.wait_for(READY="1")
    fill(manager.name)
    schedd.process.send_signal(signal.SIGUSR1)
    schedd.wait_log("server.drained")
    manager.wait_for(STATUS="drained")
    fill(manager.name)
    schedd.stop()


def fill(name):
    """Sends to that socket until it takes no more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        for _ in range(100_000):
            try:
                other.sendto(b"STATUS=?\n", "\0" + name[1:] if name[0] == "@" else name)
            except BlockingIOError:
                return
    raise AssertionError("it takes everything")


@pytest.mark.parametrize("name", ["", "@", "notify", "/" + "x" * 120, "/nowhere/notify"])
def test_odd_sockets(name, place):
    """What is no socket's name, or leads nowhere, is nobody."""
    schedd = place.schedd(env={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000"})
    schedd.stop()
