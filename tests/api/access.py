"""What the tests of access share: tokens by role, and a network of one."""

import ctypes
import fcntl
import os
import re
import socket
import struct
from contextlib import contextmanager
from pathlib import Path

TOKEN = re.compile(r"schedd_[0-9a-f]{12}_[0-9a-f]{64}")
ROLES = ("producer", "worker", "viewer", "operator", "admin")


def make_token(client, name, role, **more):
    """Makes a token and gives its text."""
    got = client.post("/v1/tokens", {"name": name, "role": role, **more})
    assert got.status == 201, got
    assert TOKEN.fullmatch(got.json["token"]), got
    return got.json["token"]


def make_tokens(client, **more):
    """One of each role, the admin's first: {role: text}."""
    admin = make_token(client, "admin", "admin")
    client.token = admin
    tokens = {"admin": admin}
    for role in ROLES[:-1]:
        tokens[role] = make_token(client, role, role, **more)
    return tokens


_LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
SIOCSIFADDR, SIOCSIFFLAGS, UP_RUNNING = 0x8916, 0x8914, 0x41
# An address beyond the machine, as far as the network made here knows.
FOREIGN = "192.0.2.7"


def _request(name, rest):
    return struct.pack("16s24s", name.encode(), rest)


@contextmanager
def network_of(pid):
    """Sockets made meanwhile are in that process's network."""
    mine = os.open("/proc/self/ns/net", os.O_RDONLY)
    theirs = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        assert _LIBC.setns(theirs, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        yield
    finally:
        assert _LIBC.setns(mine, CLONE_NEWNET) == 0
        os.close(theirs)
        os.close(mine)


def bring_up(pid):
    """Gives the network its loopback, and FOREIGN beside it."""
    with network_of(pid), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        address = struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(FOREIGN))
        up = struct.pack("H", UP_RUNNING)
        fcntl.ioctl(sock, SIOCSIFFLAGS, _request("lo", up))
        fcntl.ioctl(sock, SIOCSIFADDR, _request("lo:1", address))


def can_make_networks():
    """Making one takes root."""
    return os.geteuid() == 0 and Path("/proc/self/ns/net").exists()
