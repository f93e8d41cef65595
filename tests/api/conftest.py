"""Fixtures: real schedd processes, real redis-servers, clients to them.

The environment names the programs: SCHEDD and SCHEDCTL (ctest sets both).
A test fails when a schedd wrote a line of level error that the test did not
declare by @pytest.mark.log_errors("event", ...), when a sanitizer reported
something, and when a schedd did not end with exit code 0 on SIGTERM.
"""

import itertools
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from ctl import run, url_of
from pgproc import Postgres
from redisproc import AclRedis, Redis
from server import Schedd, merged, wait_until

# Short times where a test would have to wait for them otherwise.
QUICK = {"janitor": {"interval": "100ms"}}

# By test_acl: every Redis has schedd as the user of etc/redis-acl.conf, and no
# schedd has one of its own.
UNDER_ACL = bool(os.environ.get("UNDER_ACL"))

_serial = itertools.count(1)


def pytest_configure(config):
    """Declares our mark."""
    config.addinivalue_line(
        "markers", "log_errors(event, ...): error events that the test causes"
    )


class Place:
    """A folder with a short name, and what was started in it."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sd"))
        self.schedds, self.redises = [], []

    def new_folder(self):
        """A folder of its own for one process."""
        return self.folder / str(next(_serial))

    def schedd(self, settings=None, start=True, ready=True, **options):
        """Starts one schedd with QUICK and the settings."""
        options.setdefault("folder", self.new_folder())
        if UNDER_ACL and "url" not in (settings or {}).get('redis "main"', {}):
            settings = merged(settings, self.redis().settings())
        one = Schedd(settings=merged(QUICK, settings), **options)
        self.schedds.append(one)
        if start:
            one.start(ready=ready)
        return one

    def redis(self, kind=Redis, **options):
        """Starts one redis-server."""
        if UNDER_ACL and kind is Redis and not options.get("password"):
            kind = AclRedis
        one = kind(self.new_folder(), **options)
        self.redises.append(one)
        return one.start()

    def close(self):
        """Ends everything; the first complaint wins, the rest is ended."""
        complaints = []
        for one in self.schedds:
            try:
                one.stop()
            except AssertionError as complaint:
                complaints.append(str(complaint))
            complaints += one.take_faults()
        for one in self.redises:
            one.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="module", name="postgres")
def _postgres():
    """One Postgres for the tests of a file; each makes tables of its own."""
    one = Postgres()
    try:
        yield one.start()
    finally:
        one.stop()


@pytest.fixture(name="world")
def _world(request, place, postgres):
    """Makes a schedd with channels: world(channels, sql) -> client. Settings of
    a channel, by name; the sql makes its tables."""

    def make(channels, sql="", settings=None, ready=True, **options):
        if sql:
            postgres.make(sql)
        redis = options.pop("redis", None)
        own = redis.settings() if redis else {}
        parts = merged(postgres.settings(channels), own, settings)
        schedd = place.schedd(parts, **options)
        client = schedd.client()
        request.addfinalizer(client.close)
        client.schedd, client.postgres = schedd, postgres
        if ready:
            for name in channels:
                wait_state(client, name, "running")
        return client

    return make


def wait_state(client, name, *states, limit=15):
    """Until a channel is in one of these states; the channel."""

    def there():
        got = client.get_json(f"/v1/channels/{name}")
        return got if got["state"] in states else None

    return wait_until(there, limit, f"{name} to be {states}")


@pytest.fixture(scope="module")
def _module_place():
    place = Place()
    yield place
    place.close()


@pytest.fixture(scope="module", name="schedd")
def _schedd(request, _module_place):
    """One schedd for the tests of a file; its SETTINGS are laid over QUICK."""
    return _module_place.schedd(getattr(request.module, "SETTINGS", None))


@pytest.fixture(name="place")
def _place():
    """A folder for one test, to start schedds and redis-servers in."""
    place = Place()
    yield place
    place.close()


@pytest.fixture(name="client")
def _client(schedd):
    with schedd.client() as client:
        yield client


@pytest.fixture(name="ctl")
def _ctl(schedd):
    """schedctl against the server of this file."""
    return lambda *words, **more: run("--server", url_of(schedd), *words, **more)


@pytest.fixture(name="queue")
def _queue(client):
    """A queue of the test's own."""
    return client.queue(f"q{next(_serial)}")


@pytest.fixture(autouse=True)
def _log_is_clean(request):
    """Checks the log of every schedd that the test may use."""
    mark = request.node.get_closest_marker("log_errors")
    allowed = set(mark.args) if mark else set()
    places = [
        request.getfixturevalue(name)
        for name in ("_module_place", "place")
        if name in request.fixturenames
    ]
    for place in places:
        for one in place.schedds:
            one.allowed = allowed
    yield
    faults = []
    for place in places:
        for one in place.schedds:
            one.allowed = allowed
            faults += one.take_faults()
    assert not faults, "\n".join(faults)
