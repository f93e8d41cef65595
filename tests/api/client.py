"""A keep-alive JSON client, a handle for one queue, and a bare socket."""

import http.client
import json
import os
import socket
import time
from urllib.parse import quote, urlencode

TIMEOUT_S = 30 * float(os.environ.get("SLOW", "1"))
# Where schedd runs in something that makes it slow, a push is refused as one
# that would wait, and may be sent again; elsewhere that is the test's matter.
TRIES = 100 if "SCHEDD_WRAP" in os.environ else 1


def connect(addr, timeout=TIMEOUT_S):
    """A socket to 127.0.0.1:port (also after tls:) or unix:/path."""
    if addr.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect(addr[len("unix:") :])
        return sock
    host, port = addr.removeprefix("tls:").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout)


class _Connection(http.client.HTTPConnection):
    def __init__(self, addr, timeout, tls):
        super().__init__("localhost", timeout=timeout)
        self.addr, self.tls = addr, tls

    def connect(self):
        self.sock = connect(self.addr, self.timeout)
        if self.sock.family == socket.AF_INET:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            self.sock = self.tls.wrap_socket(self.sock, server_hostname="localhost")


class Answer:
    """status, headers (any case), body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self):
        """The error object."""
        error = self.json["error"]
        assert set(error) <= {"code", "name", "text", "detail"}, error
        assert {"code", "name", "text"} <= set(error), error
        return error

    def refused(self, status, name, *words):
        """Asserts an error, and that its detail has these words."""
        assert self.status == status, self
        assert self.error["name"] == name, self
        detail = self.error.get("detail", "")
        for word in words:
            assert word in detail, f"no {word!r} in {detail!r}"
        return self

    def __repr__(self):
        return f"{self.status} {self.body[:2000].decode('utf-8', 'replace')}"


class Client:
    """One keep-alive connection. It is opened at the first request and, when
    the server closed it by an answer, again at the next. token: shown with
    every request. tls: an ssl.SSLContext."""

    def __init__(self, addr, timeout=TIMEOUT_S, token=None, tls=None):
        self.addr, self.token = addr, token
        self.conn = _Connection(addr, timeout, tls)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Leaves, also in the middle of a request."""
        self.conn.close()

    def send(self, method, path, body=None, headers=None):
        """Sends a request; receive() reads its answer."""
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        self.conn.request(method, path, body, headers)

    def receive(self):
        """The answer to the request that was sent."""
        response = self.conn.getresponse()
        body = response.read()
        assert response.headers.get("X-Request-Id"), response.headers
        return Answer(response.status, response.headers, body)

    def call(self, method, path, body=None, headers=None):
        """A request and its answer."""
        for _ in range(TRIES):
            self.send(method, path, body, headers)
            got = self.receive()
            # One that had no memory for more has no body.
            if got.status != 503 or b'"STORE_BUSY"' not in got.body:
                break
            time.sleep(0.1)
        return got

    def get(self, path, **query):
        """GET with a query."""
        if query:
            path += "?" + urlencode(query)
        return self.call("GET", path)

    def post(self, path, body=None):
        """POST of a value or of bytes."""
        return self.call("POST", path, body)

    def get_json(self, path, **query):
        """GET that must succeed."""
        got = self.get(path, **query)
        assert got.status == 200, got
        return got.json

    def queue(self, name):
        """A handle for one queue."""
        return Queue(self, name)


def quoted(task_id):
    """An id as a segment of a path, where . and .. would be something else."""
    text = quote(task_id, safe="")
    return text.replace(".", "%2E") if task_id in (".", "..") else text


class Queue:
    """What one may do with a queue. Methods without try_ must succeed."""

    def __init__(self, client, name):
        self.client, self.name = client, name
        self.path = f"/v1/queues/{name}"

    def post(self, verb, body):
        """POST below the queue."""
        return self.client.post(f"{self.path}/{verb}", body)

    def _must(self, verb, body, *status):
        got = self.post(verb, body)
        assert got.status in (status or (200,)), got
        return got.json

    def push(self, *tasks):
        """One task (a dict or an id) alone, several as a batch."""
        made = [
            t if isinstance(t, dict) else {"id": t, "payload": {"id": t}}
            for t in tasks
        ]
        body = made[0] if len(made) == 1 else {"tasks": made}
        return self._must("tasks", body, 200, 201)

    def push_many(self, ids):
        """A batch, also of one."""
        tasks = [{"id": i, "payload": i} for i in ids]
        return self._must("tasks", {"tasks": tasks}, 200, 201)

    def take_all(self, worker="w1", **more):
        """The whole answer of a take."""
        return self._must("take", {"worker": worker, **more})

    def take(self, worker="w1", **more):
        """The tasks of a take."""
        return self.take_all(worker, **more)["tasks"]

    def take_ids(self, worker="w1", **more):
        """Their ids."""
        return [t["id"] for t in self.take(worker, **more)]

    def report(self, worker="w1", **items):
        """finished=[...], failed=[...]."""
        return self._must("report", {"worker": worker, **items})

    def finish(self, *ids, worker="w1"):
        """Reports ids finished; each must be taken."""
        got = self.report(worker, finished=list(ids))
        assert got["finished"] == len(ids), got
        return got

    def fail(self, *ids, worker="w1", **more):
        """Reports ids failed; each must be taken."""
        items = [{"id": i, "error": f"no {i}", **more} for i in ids]
        got = self.report(worker, failed=items)
        assert got["failed"] == len(ids), got
        return got

    def extend(self, worker, ids, **more):
        """Extends leases."""
        return self._must("extend", {"worker": worker, "ids": ids, **more})

    def retry(self, **body):
        """The count of a retry."""
        return self._must("retry", body)["count"]

    def purge(self, **body):
        """The count of a purge."""
        return self._must("purge", body)["count"]

    def info(self):
        """The queue."""
        return self.client.get_json(self.path)

    def counts(self):
        """Its counts, without those that are 0."""
        return {k: v for k, v in self.info()["counts"].items() if v}

    def make(self):
        """Lets the queue exist, empty."""
        return self.patch(paused=False)

    def patch(self, **policy):
        """Changes its policy; gives the queue."""
        got = self.client.call("PATCH", self.path, policy)
        assert got.status == 200, got
        return got.json

    def try_task(self, task_id):
        """GET of one task."""
        path = f"{self.path}/tasks/{quoted(task_id)}"
        return self.client.get(path)

    def task(self, task_id):
        """One task."""
        got = self.try_task(task_id)
        assert got.status == 200, got
        return got.json

    def state(self, task_id):
        """The state of one task, or gone."""
        got = self.try_task(task_id)
        if got.status == 404:
            got.refused(404, "TASK_UNKNOWN")
            return "gone"
        assert got.status == 200, got
        return got.json["state"]

    def remove(self, task_id):
        """DELETE of one task."""
        path = f"{self.path}/tasks/{quoted(task_id)}"
        return self.client.call("DELETE", path)

    def page(self, state, **query):
        """One page of tasks."""
        return self.client.get_json(f"{self.path}/tasks", state=state, **query)

    def all(self, state, **query):
        """Every task of a state, over all pages."""
        out, after = [], None
        while True:
            more = {"after": after} if after else {}
            page = self.page(state, **query, **more)
            out += page["tasks"]
            after = page.get("after")
            if not after:
                return out

    def ids(self, state, **query):
        """Every id of a state, over all pages."""
        return [t["id"] for t in self.all(state, **query)]


class Raw:
    """A bare connection: bytes out, answers in."""

    def __init__(self, addr, timeout=TIMEOUT_S):
        self.sock = connect(addr, timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """Sends bytes (or ASCII text)."""
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def half_close(self):
        """Says that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def _more(self):
        try:
            got = self.sock.recv(65536)
        except ConnectionResetError:
            got = b""
        self.buffer += got
        return bool(got)

    def _until(self, mark):
        while mark not in self.buffer:
            if not self._more():
                raise EOFError(self.buffer)
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def _exactly(self, count):
        while len(self.buffer) < count:
            if not self._more():
                raise EOFError(self.buffer)
        got, self.buffer = self.buffer[:count], self.buffer[count:]
        return got

    def receive(self, head=False):
        """The next answer; head: that to a HEAD, which has no body."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _reason = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines
        headers = http.client.HTTPMessage()
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name] = value.strip()
        if int(status) == 100:
            return Answer(100, headers, b"")
        length = int(headers.get("Content-Length", "0"))
        body = b"" if head or int(status) == 204 else self._exactly(length)
        return Answer(int(status), headers, body)

    def at_end(self):
        """Has the server closed, with nothing more to read? Waits for it."""
        while self._more():
            pass
        return self.buffer == b""
