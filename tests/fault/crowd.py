"""Many clients at once, in a process of their own. One JSON line when they
are there, one with what happened at the end.

usage: crowd.py idle|slow|read|flood|wait|example|offer|takers
                ADDRESS COUNT [SECONDS [LINKS]]

They come from 127.0.0.2 to 127.0.0.9 and end when stdin does.
"""

import asyncio
import json
import os
import resource
import socket
import sys
import threading
import time
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "worker.py"
# IP_BIND_ADDRESS_NO_PORT, which socket does not name.
BIND_WITHOUT_PORT = 24
SOURCES = [f"127.0.0.{n}" for n in range(2, 10)]


def say(**what):
    """One line for whoever started this."""
    print(json.dumps(what), flush=True)


def request(method, path, body=None):
    """Bytes of a request."""
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n"
    if body is not None:
        head += f"Content-Length: {len(data)}\r\n"
    return head.encode() + b"\r\n" + data


class Link:
    """One connection."""

    def __init__(self, crowd, number):
        self.crowd, self.number = crowd, number
        self.reader = self.writer = None

    async def open(self):
        """Connects, from one of the addresses."""
        source = (SOURCES[self.number % len(SOURCES)], 0)
        self.reader, self.writer = await asyncio.open_connection(
            *self.crowd.address, local_addr=source, limit=1 << 16
        )

    async def call(self, method, path, body=None):
        """A request and its answer: status, body."""
        self.writer.write(request(method, path, body))
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        length = [s for s in lines if s.startswith("content-length:")]
        size = int(length[0].split(":")[1]) if length else 0
        return int(lines[0].split()[1]), await self.reader.readexactly(size)

    def close(self):
        """At once."""
        if self.writer:
            self.writer.transport.abort()
        self.writer = None


class Crowd:
    """All of them."""

    def __init__(self, address, count, seconds, links):
        host, port = address.rsplit(":", 1)
        self.address, self.count, self.seconds = (host, int(port)), count, seconds
        self.links = [Link(self, n) for n in range(links)]
        self.over = asyncio.Event()

    async def until_over(self):
        """Until stdin ends."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.read)
        self.over.set()

    async def each(self, work, at_once=200):
        """work for every link, so many at a time."""
        gate = asyncio.Semaphore(at_once)

        async def one(link):
            async with gate:
                return await work(link)

        return await asyncio.gather(*map(one, self.links))

    async def idle(self):
        """Connections that were used once and are kept open."""

        async def begin(link):
            await link.open()
            status, _ = await link.call("GET", "/healthz")
            return status

        statuses = await self.each(begin)
        say(there=statuses.count(200))
        await self.until_over()
        say(open=sum(not link.reader.at_eof() for link in self.links))

    async def slow(self):
        """A byte each 5 s; half of them in the head, half in the body."""
        ends = {"head": [], "body": []}

        async def drip(link):
            kind = "head" if link.number % 2 else "body"
            await link.open()
            begun = time.monotonic()
            text = request("POST", "/v1/queues/slow/tasks", {"payload": "x" * 5000})
            split = 20 if kind == "head" else text.index(b"\r\n\r\n") + 10
            link.writer.write(text[:split])
            for byte in text[split:]:
                try:
                    await asyncio.wait_for(link.reader.read(4096), 5)
                    break
                except asyncio.TimeoutError:
                    link.writer.write(bytes([byte]))
            link.close()
            ends[kind].append(time.monotonic() - begun)

        await self._slow_ones(drip, ends)

    async def read(self):
        """Ask for ten tasks of a MiB, every fourth in one take, the others one
        by one, until that is not refused; and read no more than that."""

        async def ask(link):
            text = request("GET", "/v1/queues/kept/tasks/long") * 10
            if link.number % 4 == 0:
                body = {"worker": f"r{link.number}", "count": 10}
                text = request("POST", "/v1/queues/long/take", body)
            for _ in range(100):
                await link.open()
                link.writer.write(text)
                head = await link.reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"HTTP/1.1 200 "):
                    link.writer.transport.pause_reading()
                    return True
                link.close()
                await asyncio.sleep(0.1)
            return False

        say(there=sum(await self.each(ask)))
        await self.until_over()
        say(left=self.count)

    async def _slow_ones(self, work, ends):
        say(there=self.count)
        jobs = [asyncio.create_task(work(link)) for link in self.links]
        over = asyncio.create_task(self.until_over())
        await asyncio.wait([over, asyncio.gather(*jobs, return_exceptions=True)])
        say(**{k: {"closed": len(v), "last": max(v, default=0)} for k, v in ends.items()})

    async def flood(self):
        """Connections that are opened and closed, half of them in mid-request,
        some with a long pipeline; count a second. Plainly: asyncio is too slow
        for so many."""
        say(there=0)
        done = failed = 0
        text = request("GET", "/healthz")
        end, due = time.monotonic() + self.seconds, time.monotonic()
        while time.monotonic() < end:
            try:
                self._touch(done, text)
            except OSError:
                failed += 1
            done += 1
            # What is late is made up for, up to a second of it.
            due = max(due + 1 / self.count, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))
        say(done=done, failed=failed)

    def _touch(self, number, text):
        with socket.socket() as sock:
            sock.settimeout(5)
            sock.setsockopt(socket.IPPROTO_IP, BIND_WITHOUT_PORT, 1)
            sock.bind((SOURCES[number % len(SOURCES)], 0))
            sock.connect(self.address)
            if number % 50 == 0:
                sock.sendall(text * 1000)
                sock.recv(1000)
            elif number % 2:
                sock.sendall(text[: number // 2 % len(text)])

    async def wait(self):
        """Takes that wait for work, one task each."""
        got = [0] * self.count
        times = []

        async def ask(link):
            worker = f"w{link.number}"
            body = {"worker": worker, "count": 1, "wait_s": 60}
            while not self.over.is_set():
                status, raw = await link.call("POST", "/v1/queues/herd/take", body)
                assert status == 200, raw
                tasks = json.loads(raw)["tasks"]
                if tasks:
                    got[link.number] += 1
                    times.append(time.monotonic())
                    return

        await self.each(lambda link: link.open())
        jobs = [asyncio.create_task(ask(link)) for link in self.links]
        say(there=self.count)
        await self.until_over()
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        errors = sum(not j.cancelled() and j.exception() is not None for j in jobs)
        say(answered=sum(got), most=max(got), errors=errors, times=sorted(times))

    async def example(self):
        """examples/worker.py, as it is, so many times, on the queue fleet."""
        code = compile(EXAMPLE.read_text("utf-8"), EXAMPLE.name, "exec")
        host, port = self.address
        os.environ["QUEUE"] = f"http://{host}:{port}/v1/queues/fleet"
        ended = []

        def work():
            try:
                exec(code, {"print": lambda *_, **__: None})  # pylint: disable=exec-used
            except BaseException as error:  # pylint: disable=broad-except
                ended.append(repr(error))

        for _ in range(self.count):
            threading.Thread(target=work, daemon=True).start()
        say(there=self.count)
        await self.until_over()
        say(ended=ended)

    async def offer(self):
        """Pushes at a rate that no answer slows down: count tasks a second,
        20 at a time."""
        say(there=0)
        outcomes, times, first = {}, [], time.monotonic_ns()
        free, end = list(self.links), time.monotonic() + self.seconds
        number, due = 0, time.monotonic()

        async def push(link, ids):
            try:
                if link.writer is None:
                    await link.open()
                tasks = [{"id": f"{first}-{i}", "payload": i} for i in ids]
                began = time.monotonic()
                path = "/v1/queues/offer/tasks"
                status, _ = await link.call("POST", path, {"tasks": tasks})
                if status in (200, 201):
                    times.append(time.monotonic() - began)
            except (OSError, EOFError):
                link.close()
                status = 0
            outcomes[status] = outcomes.get(status, 0) + 1
            free.append(link)

        jobs, unsent = set(), 0
        while time.monotonic() < end:
            ids = range(number, number + 20)
            number += 20
            if free:
                job = asyncio.create_task(push(free.pop(), ids))
                jobs.add(job)
                job.add_done_callback(jobs.discard)
            else:
                unsent += 1
            due += 20 / self.count
            await asyncio.sleep(max(0, due - time.monotonic()))
        await asyncio.gather(*jobs, return_exceptions=True)
        times.sort()
        p99 = times[int(len(times) * 0.99)] if times else 0
        say(outcomes=outcomes, unsent=unsent, p99=p99)


    async def takers(self):
        """Workers of what is offered, as quick as they are answered; what is
        refused they ask for again a little later."""
        say(there=self.count)
        outcomes, times, end = {}, [], time.monotonic() + self.seconds

        async def asked(link, verb, body):
            began = time.monotonic()
            status, raw = await link.call("POST", f"/v1/queues/offer/{verb}", body)
            if status == 200:
                times.append(time.monotonic() - began)
            else:
                await asyncio.sleep(0.1)
            outcomes[status] = outcomes.get(status, 0) + 1
            return json.loads(raw) if status == 200 else None

        async def work(link):
            await link.open()
            worker, count = f"t{link.number}", 0
            while time.monotonic() < end:
                got = await asked(link, "take", {"worker": worker, "count": 10})
                ids = [t["id"] for t in got["tasks"]] if got else []
                body = {"worker": worker, "finished": ids}
                while ids and not await asked(link, "report", body):
                    pass
                count += len(ids)
                await asyncio.sleep(0.05)
            return count

        tasks = sum(await self.each(work))
        times.sort()
        p99 = times[int(len(times) * 0.99)] if times else 0
        say(outcomes=outcomes, tasks=tasks, p99=p99)


def main():
    kind, address, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 10
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    links = int(sys.argv[5]) if len(sys.argv) > 5 else count
    asyncio.run(getattr(Crowd(address, count, seconds, links), kind)())


main()
