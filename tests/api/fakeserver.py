"""A server that answers schedctl as a test says: what a real one does only
when something goes wrong, or too fast to be looked at."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Gone(Exception):
    """Raised by an answer: the connection is closed without one."""


class FakeServer:
    """answer(method, path, body) gives a status and a value, or those and a
    dict of headers. Used with "with"."""

    def __init__(self, answer):
        fake = self
        self.requests = []  # (method, path, body)

        class Handler(BaseHTTPRequestHandler):
            """One connection."""

            protocol_version = "HTTP/1.1"

            def _serve(self):
                length = int(self.headers.get("Content-Length", "0"))
                body = json.loads(self.rfile.read(length)) if length else None
                fake.requests.append((self.command, self.path, body))
                try:
                    status, value, *more = answer(self.command, self.path, body)
                except Gone:
                    self.close_connection = True
                    return
                text = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                for name, header in (more[0] if more else {}).items():
                    self.send_header(name, header)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = do_PATCH = _serve

            def log_message(self, *_args):  # pylint: disable=arguments-differ
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self):
        """Where it is, as words for schedctl."""
        return ("--server", f"http://127.0.0.1:{self.server.server_address[1]}")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def error(code, name, **more):
    """An error object as an answer has it."""
    return {"error": {"code": code, "name": name, "text": f"it is {name}", **more}}


class Sets:
    """The answers to a retry or purge of the queue q: so many tasks of each
    state, all of which fit, acted on in steps. before(number, body) is called
    for each request that acts, and may answer itself."""

    def __init__(self, counts, step=10, before=None):
        self.counts, self.step, self.before = dict(counts), step, before
        self.acted = 0

    def _after(self, body):
        return int((body.get("after") or "0").split(":")[-1])

    def __call__(self, method, path, body):
        if method == "GET":
            assert path == "/v1/queues/q", path
            return 200, {"name": "q", "counts": self.counts}
        if not body["dry_run"]:
            self.acted += 1
            got = self.before(self.acted, body) if self.before else None
            if got:
                return got
        total, start = self.counts[body["state"]], self._after(body)
        count = min(self.step, total - start, body["limit"])
        after = f"{body['state']}:{start + count}" if start + count < total else None
        answer = {"count": count, "dry_run": body["dry_run"], "after": after, "seen": count}
        return 200, answer
