"""What the tests of channels share."""

from conftest import wait_state  # noqa: F401  (for those who import from here)
from server import wait_until

LINES = {"Content-Type": "application/x-ndjson"}


def rows_path(channel, **query):
    """Where a channel takes rows."""
    words = "&".join(f"{k}={v}" for k, v in query.items())
    return f"/v1/channels/{channel}/rows" + (f"?{words}" if words else "")


def bring(client, channel, *rows):
    """Rows, and waits until they are in the table or refused: the answer."""
    body = {"rows": list(rows)} if len(rows) > 1 else rows[0]
    got = client.post(rows_path(channel, wait="commit"), body)
    assert got.status == 200, got
    return got.json


def spool(client, channel, *rows):
    """Rows, and waits until the spool has them."""
    got = client.post(rows_path(channel), {"rows": list(rows)})
    assert got.status == 202 and got.json == {"rows": len(rows), "state": "spooled"}, got


def info(client, channel):
    """The channel."""
    return client.get_json(f"/v1/channels/{channel}")


def wait_empty(client, channel, limit=30):
    """Until nothing waits in its spool; the channel."""

    def empty():
        got = info(client, channel)
        return got if got["spool_rows"] == 0 else None

    return wait_until(empty, limit, f"the spool of {channel} to be empty")


def quarantine(client, channel, **query):
    """All rows of the quarantine, over all pages."""
    out, after = [], None
    while True:
        more = {"after": after} if after else {}
        page = client.get_json(f"/v1/channels/{channel}/quarantine", **query, **more)
        out += page["rows"]
        after = page["after"]
        if not after:
            assert page["total"] == len(out)
            return out


def act(client, channel, verb, **body):
    """retry or purge, to its end: how many."""
    count, after = 0, None
    while True:
        more = {"after": after} if after else {}
        got = client.post(f"/v1/channels/{channel}/{verb}", {**body, **more})
        assert got.status == 200, got
        count += got.json["count"]
        after = got.json["after"]
        if not after:
            return count
