"""Many clients at once, in a process of their own. One JSON line when they
are there, one with what happened at the end.

usage: crowd.py idle|slow|read|flood|wait|agents|offer ADDRESS COUNT [SECONDS [LINKS]]

They come from 127.0.0.2 to 127.0.0.9 and end when stdin does.
"""

import asyncio
import json
import random
import resource
import sys
import time

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
        begun, ends = time.monotonic(), {"head": [], "body": []}

        async def drip(link):
            kind = "head" if link.number % 2 else "body"
            await link.open()
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
        """Ask ten times for a long answer, and read nothing of it."""

        async def ask(link):
            await link.open()
            link.writer.transport.pause_reading()
            link.writer.write(request("GET", "/v1/queues/long/tasks/long") * 10)

        await self.each(ask)
        say(there=self.count)
        await self.until_over()
        say(left=self.count)

    async def _slow_ones(self, work, ends):
        say(there=self.count)
        jobs = [asyncio.create_task(work(link)) for link in self.links]
        over = asyncio.create_task(self.until_over())
        await asyncio.wait([over, asyncio.gather(*jobs, return_exceptions=True)])
        say(**{k: {"closed": len(v), "last": max(v, default=0)} for k, v in ends.items()})

    async def flood(self):
        """Connections that are opened and closed, some in mid-request, some
        with a long pipeline; count a second."""
        say(there=0)
        done = failed = 0
        end = time.monotonic() + self.seconds
        text = request("GET", "/healthz")

        async def touch(number):
            link = Link(self, number)
            try:
                await link.open()
                if number % 50 == 0:
                    link.writer.write(text * 1000)
                    await asyncio.wait_for(link.reader.read(1000), 5)
                elif number % 2:
                    link.writer.write(text[: number % len(text)])
                    await asyncio.sleep(0)
            finally:
                link.close()

        number, due = 0, time.monotonic()
        while time.monotonic() < end:
            batch = [touch(number + n) for n in range(20)]
            for got in await asyncio.gather(*batch, return_exceptions=True):
                failed += isinstance(got, BaseException)
                done += 1
            number += 20
            due = max(due + 20 / self.count, time.monotonic() - 0.1)
            await asyncio.sleep(max(0, due - time.monotonic()))
        say(done=done, failed=failed)

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

    async def agents(self):
        """Workers as the API's page tells them to be: after a failure they
        wait a random time, more each time."""
        opened, takes = [], []

        async def work(link):
            worker, failures = f"a{link.number}", 0
            while not self.over.is_set():
                try:
                    if link.writer is None:
                        opened.append(time.monotonic())
                        await link.open()
                    body = {"worker": worker, "count": 5}
                    began = time.monotonic()
                    status, raw = await link.call("POST", "/v1/queues/fleet/take", body)
                    tasks = json.loads(raw)["tasks"] if status == 200 else []
                    takes.append((time.monotonic(), time.monotonic() - began))
                    if tasks:
                        done = {"worker": worker, "finished": [t["id"] for t in tasks]}
                        await link.call("POST", "/v1/queues/fleet/report", done)
                    if status != 200:
                        raise OSError(status)
                    failures = 0
                    await asyncio.sleep(random.uniform(0.3, 0.7))
                except (OSError, EOFError):
                    link.close()
                    failures += 1
                    most = min(8.0, 0.5 * 2**failures)
                    await asyncio.sleep(random.uniform(most / 2, most))

        jobs = [asyncio.create_task(work(link)) for link in self.links]
        say(there=self.count)
        await self.until_over()
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        say(opened=opened, takes=takes)

    async def offer(self):
        """Pushes at a rate that no answer slows down: count tasks a second,
        20 at a time."""
        say(there=0)
        outcomes, times = {}, []
        free, end = list(self.links), time.monotonic() + self.seconds
        number, due = 0, time.monotonic()

        async def push(link, ids):
            try:
                if link.writer is None:
                    await link.open()
                tasks = [{"id": f"o{i}", "payload": i} for i in ids]
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


def main():
    kind, address, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 10
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    links = int(sys.argv[5]) if len(sys.argv) > 5 else count
    asyncio.run(getattr(Crowd(address, count, seconds, links), kind)())


main()
