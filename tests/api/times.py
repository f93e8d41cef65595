"""Times as the API writes and reads them."""

from datetime import datetime, timezone


def to_ms(text):
    """RFC 3339 text as ms since 1970."""
    assert len(text) == 24 and text.endswith("Z"), text
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    return round(moment.replace(tzinfo=timezone.utc).timestamp() * 1000)


def from_ms(ms):
    """ms since 1970 as RFC 3339 text."""
    moment = datetime.fromtimestamp(ms / 1000, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
