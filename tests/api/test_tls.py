"""TLS: what clients see, what is refused, reload, speed, and what a server
that others reach asks for before it starts."""

import socket
import ssl
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from access import FOREIGN, bring_up, can_make_networks, make_token
from access import make_tokens, network_of
from certs import Authority, settings
from client import Client, Raw, connect
from server import SLOW, wait_until

TLS_HERE = ["--http.listen=tls:127.0.0.1:0"]


@pytest.fixture(scope="module", name="ca")
def _ca(_module_place):
    return Authority(_module_place.new_folder())


@pytest.fixture(scope="module", name="pair")
def _pair(ca):
    return ca.sign("server")


@pytest.fixture(scope="module", name="here")
def _here(_module_place, ca, pair):
    """A schedd on loopback with TLS."""
    context = ca.context()
    one = _module_place.schedd(
        settings(pair, header_timeout="700ms"), args=TLS_HERE, ready=False
    )
    one.client = lambda **more: Client(one.addr, **{"tls": context, **more})
    one.wait_ready()
    return one


def handshake(addr, context, host="localhost"):
    """A socket that has shaken hands."""
    return context.wrap_socket(connect(addr), server_hostname=host)


# -- what clients see ----------------------------------------------------


def test_requests_go_through(here):
    with here.client() as client:
        queue = client.queue("q")
        queue.push("a", "b")
        assert queue.take_ids(count=2) == ["a", "b"]
        queue.finish("a", "b")
        assert client.conn.sock.version() == "TLSv1.3"


def test_large_bodies_and_answers_stay_whole(here):
    with here.client() as client:
        queue = client.queue("large")
        tasks = [
            {"id": f"t{i}", "payload": {"n": i, "text": chr(97 + i % 26) * 12000}}
            for i in range(1000)
        ]
        queue.push(*tasks)
        got = queue.take(count=600) + queue.take(count=600)
        assert [(t["id"], t["payload"]) for t in got] == [
            (t["id"], t["payload"]) for t in tasks
        ]


def test_clients_refuse_a_certificate_that_is_not_right(place, ca):
    stranger = Authority(place.new_folder())
    bad = {
        "expired": (ca.sign("expired", days=-1), "expired"),
        "other": (ca.sign("other", host="elsewhere.example"), "mismatch"),
        "unknown": (stranger.sign("unknown"), "unable to get local issuer"),
    }
    for name, (pair, word) in bad.items():
        schedd = place.schedd(settings(pair), args=TLS_HERE, ready=False)
        with pytest.raises(ssl.SSLCertVerificationError, match=word):
            handshake(schedd.addr, ca.context())
        assert (schedd.find_log("http.tls_ends") is not None) == (name == "expired")


def test_old_versions_and_weak_ciphers_are_refused(here, ca):
    weak = ca.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    weak.set_ciphers("AES128-SHA:@SECLEVEL=0")
    old = ca.context(minimum_version=ssl.TLSVersion.TLSv1)
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    for context in (weak, old):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(here.addr, context)


def test_the_server_chooses_the_cipher(here, ca):
    names = ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384"]
    chosen = set()
    for order in (names, names[::-1]):
        context = ca.context(maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(":".join(order))
        with handshake(here.addr, context) as sock:
            chosen.add(sock.cipher()[0])
    assert len(chosen) == 1


def test_http_1_1_is_chosen_of_what_is_offered(here, ca):
    context = ca.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with handshake(here.addr, context) as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"


def test_nobody_shakes_hands_twice(here, ca):
    """A client's wish to do so is refused, and costs others nothing."""
    _, port = here.addr.rsplit(":", 1)
    done = subprocess.run(
        ["openssl", "s_client", "-tls1_2", "-CAfile", ca.file, "-connect",
         f"127.0.0.1:{port}"],
        input=b"R\n" * 3, capture_output=True, timeout=20 * SLOW, check=False,
    )  # fmt: skip
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"no renegotiation" in done.stderr.lower() or done.returncode != 0
    with here.client() as client:
        assert client.get("/healthz").status == 200


def test_the_end_is_announced(here, ca):
    with handshake(here.addr, ca.context()) as sock:
        sock.suppress_ragged_eofs = False
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while True:
            more = sock.recv(65536)  # raises when the end is not announced
            if not more:
                break
            data += more
        assert data.startswith(b"HTTP/1.1 200")


def test_a_client_that_leaves_is_noticed(here):
    with here.client() as other:
        client = here.client()
        client.send("POST", "/v1/queues/wait/take", {"worker": "w", "wait_s": 50})
        wait_until(lambda: other.get_json("/v1/stats")["waiting_takes"] == 1, what="wait")
        client.close()
        wait_until(lambda: other.get_json("/v1/stats")["waiting_takes"] == 0, what="end")


# -- what is no TLS, or takes its time -----------------------------------


def test_plain_http_is_told(here):
    for request in ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /v1 HTTP/1.0\r\n\r\n"):
        with Raw(here.addr) as raw:
            raw.send(request)
            raw.receive().refused(400, "HTTP_BAD", "https")
            assert raw.at_end()


def test_nonsense_is_closed(here):
    for data in (b"\0" * 500, b"\x16\x03\x01\xff\xff" + b"x" * 5000, b"SSH-2.0-x\r\n"):
        with Raw(here.addr) as raw:
            raw.send(data)
            raw.at_end()
    with here.client() as client:
        assert client.get("/healthz").status == 200


def test_half_handshakes_are_bounded(here, ca):
    """They end after http.header_timeout, and others are served meanwhile."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    ssl_object = ca.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        ssl_object.do_handshake()
    hello = outgoing.read()
    socks = [connect(here.addr) for _ in range(400)]
    for i, sock in enumerate(socks):
        sock.sendall(hello[: i % 2 * (len(hello) // 2)] if i % 3 else hello)
    with here.client() as client:
        assert client.get("/healthz").status == 200
        end = time.monotonic() + 10 * SLOW
        for sock in socks:
            sock.settimeout(max(0.1, end - time.monotonic()))
            try:
                while sock.recv(65536):
                    pass
            except ConnectionResetError:
                pass
            sock.close()
        wait_until(lambda: client.get_json("/v1/stats")["connections"] == 1, what="close")
        page = client.get("/metrics").body.decode()
        assert 'schedd_http_closed_total{reason="handshake"}' in page


# -- speed ---------------------------------------------------------------


def test_a_full_server_says_that_it_is_well(place, ca, pair):
    """Over TLS as without; who never shakes hands is gone after a moment."""
    schedd = place.schedd(
        settings(pair, max_connections=1), args=TLS_HERE, ready=False
    )
    schedd.client = lambda **more: Client(schedd.addr, tls=ca.context(), **more)
    schedd.wait_ready()

    def asked(path):
        with schedd.client() as client:
            return client.get(path)

    # Once what waited for the server has left, this one is not beyond the cap.
    wait_until(lambda: asked("/v1/version").status == 200)
    with schedd.client() as client:
        wait_until(lambda: client.get("/v1/version").status == 200)
        idle = [connect(schedd.addr) for _ in range(70)]
        for _ in range(3):
            assert asked("/healthz").status == asked("/readyz").status == 200
            asked("/v1/queues").refused(503, "TOO_MANY_CONNS")
        for sock in idle:
            sock.settimeout(5 * SLOW)
            assert sock.recv(1) == b""
            sock.close()


def test_a_request_costs_no_delayed_acknowledgement(here):
    with here.client() as client:
        client.get("/healthz")
        times = []
        for _ in range(100):
            began = time.monotonic()
            client.get("/v1/version")
            times.append(time.monotonic() - began)
    assert statistics.median(times) < 0.02 * SLOW


def first_request_s(here, ca, no_delay):
    """How long the first request takes, from a socket with TCP_NODELAY or
    without."""
    sock = connect(here.addr)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, no_delay)
    with ca.context().wrap_socket(sock, server_hostname="localhost") as tls:
        began = time.monotonic()
        tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert tls.recv(65536).startswith(b"HTTP/1.1 200")
        return time.monotonic() - began


def test_nor_does_the_first_request(here, ca):
    """The end of the handshake is acknowledged at once: a client that waits
    for that, as sockets do by themselves, waits no 40 ms."""
    times = [
        (first_request_s(here, ca, 0), first_request_s(here, ca, 1)) for _ in range(30)
    ]
    late, prompt = (statistics.median(column) for column in zip(*times, strict=True))
    assert late - prompt < 0.02, (late, prompt)


def records(data):
    """The types of the TLS records in it."""
    while data:
        length = int.from_bytes(data[3:5], "big")
        assert len(data) >= 5 + length, "part of a record"
        yield data[0]
        data = data[5 + length :]


def test_an_answer_is_one_record(here, ca):
    """Also two answers that are ready in one turn."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ca.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with connect(here.addr) as sock:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        sock.sendall(outgoing.read())
        request = b"GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n"
        for count in (1, 2, 1, 2):
            tls.write(request * count)
            sock.sendall(outgoing.read())
            data = sock.recv(65536)
            assert list(records(data)) == [23]
            incoming.write(data)
            assert tls.read(65536).count(b"HTTP/1.1 200") == count


# -- reload --------------------------------------------------------------


def serial_of(addr, ca):
    with handshake(addr, ca.context()) as sock:
        return sock.getpeercert()["serialNumber"]


@pytest.mark.log_errors("conf.refused")
def test_reload(place, ca):
    folder = place.new_folder()
    folder.mkdir()
    cert, key = folder / "cert", folder / "key"

    def install(pair):
        cert.write_bytes(pair[0].read_bytes())
        key.write_bytes(pair[1].read_bytes())
        key.chmod(0o600)

    one, two = ca.sign("one"), ca.sign("two")
    install(one)
    schedd = place.schedd(settings((cert, key)), args=TLS_HERE, ready=False)
    first = serial_of(schedd.addr, ca)
    with Client(schedd.addr, tls=ca.context()) as client:
        client.get("/healthz")
        install(two)
        assert serial_of(schedd.addr, ca) == first
        schedd.reload()
        second = serial_of(schedd.addr, ca)
        assert second != first
        assert client.get("/healthz").status == 200

        def refused(word):
            line = schedd.reload("conf.refused")
            assert word in line.text, line
            assert serial_of(schedd.addr, ca) == second

        key.write_bytes(one[1].read_bytes())
        refused("tls_key")
        key.write_text("nonsense")
        refused("tls_key")
        install(two)
        key.chmod(0o644)
        refused("readable by others")
        install(two)
        cert.unlink()
        refused("tls_cert")
        install(two)
        level, schedd.settings["log"] = schedd.settings.get("log"), {"level": "debug"}
        del schedd.settings["http"]["tls_key"], schedd.settings["http"]["tls_cert"]
        refused("http.tls_cert and http.tls_key must be set")
        assert schedd.find_log("http.open") is None, "the level was taken, too"
        schedd.settings["log"] = level or {"level": "info"}
        schedd.settings["http"].update(tls_key=key, tls_cert=cert)
        schedd.reload()
        assert client.get("/healthz").status == 200


def test_client_certificates(place, ca, pair):
    theirs = Authority(place.new_folder(), "clients")
    schedd = place.schedd(
        settings(pair, tls_client_ca=theirs.file), args=TLS_HERE, ready=False
    )
    good, bad = ca.context(), ca.context()
    good.load_cert_chain(*theirs.sign("agent"))
    bad.load_cert_chain(*ca.sign("stranger"))
    with Client(schedd.addr, tls=good) as client:
        assert client.get("/healthz").status == 200
    for context in (ca.context(), bad):
        with Client(schedd.addr, tls=context) as client:
            with pytest.raises((ssl.SSLError, OSError)):
                client.get("/healthz")


# -- secrets -------------------------------------------------------------


def test_files_by_the_service_manager(place, ca, pair):
    folder = place.new_folder()
    folder.mkdir()
    for name, file in zip(("web.pem", "web.key"), pair):
        (folder / name).write_bytes(file.read_bytes())
        (folder / name).chmod(0o440)
    schedd = place.schedd(
        settings(("web.pem", "web.key")),
        args=TLS_HERE,
        env={"CREDENTIALS_DIRECTORY": str(folder)},
        ready=False,
    )
    assert serial_of(schedd.addr, ca)


def test_no_secret_is_seen(place, ca, pair):
    schedd = place.schedd(settings(pair), args=TLS_HERE, ready=False)
    with Client(schedd.addr, tls=ca.context()) as client:
        wait_until(lambda: client.get("/readyz").status == 200, what="ready")
        tokens = make_tokens(client)
        pages = [client.get(p).body for p in ("/metrics", "/v1/stats", "/v1/tokens")]
        client.call("GET", f"/v1/queues/{tokens['viewer']}")
    proc = Path(f"/proc/{schedd.pid()}")
    pages += [(proc / name).read_bytes() for name in ("cmdline", "environ")]
    limits = (proc / "limits").read_text()
    assert limits.split("Max core file size")[1].split()[:2] == ["0", "0"]
    schedd.stop()
    pages += [line.text.encode() for line in schedd.lines]
    pages += [f.read_bytes() for f in schedd.folder.rglob("*.aof")]
    secrets = [t.rsplit("_", 1)[1].encode() for t in tokens.values()]
    secrets.append(pair[1].read_bytes().splitlines()[1])
    for page in pages:
        assert not any(secret in page for secret in secrets)


# -- the start -----------------------------------------------------------

ADDRESSES = {
    "127.0.0.1:0": "plain",
    "tls:127.0.0.1:0": "tls",
    "unix:{folder}/u": "plain",
    "0.0.0.0:0": "never",
    "tls:0.0.0.0:0": "public",
    "tls:[::]:0": "public",
}
FILES = ("none", "good", "open key", "other key")


def files_for(kind, ca, folder):
    if kind == "none":
        return {}
    cert, key = ca.sign("matrix")
    if kind == "open key":
        key.chmod(0o644)
    if kind == "other key":
        key = ca.sign("matrix2")[1]
    folder.mkdir(exist_ok=True)
    return settings((cert, key))


def expected(address, files, has_admin):
    """The error that ends the start, or None."""
    kind = ADDRESSES[address]
    if files in FILES[2:]:
        return "TLS_FILES"
    if kind == "never":
        return "ACCESS_OPEN"
    if kind in ("tls", "public") and files == "none":
        return "TLS_FILES"
    if kind == "public" and not has_admin:
        return "ACCESS_OPEN"
    return None


@pytest.fixture(scope="module", name="redises")
def _redises(_module_place):
    """One Redis without tokens, and one with an admin's that also has some
    that do not count."""
    empty, full = _module_place.redis(), _module_place.redis()
    schedd = _module_place.schedd(full.settings())
    with schedd.client() as client:
        client.token = make_token(client, "a", "admin")
        make_token(client, "w", "worker")
    schedd.stop()
    return {False: empty, True: full}


@pytest.mark.parametrize("has_admin", (False, True))
@pytest.mark.parametrize("files", FILES)
def test_start_matrix(place, ca, redises, files, has_admin):
    for address in ADDRESSES:
        name = expected(address, files, has_admin)
        is_public = ADDRESSES[address] in ("public", "never")
        if is_public and not can_make_networks():
            continue
        folder = place.new_folder()
        config = {**files_for(files, ca, folder), **redises[has_admin].settings()}
        schedd = place.schedd(
            config,
            start=False,
            folder=folder,
            args=["--http.listen=" + address.format(folder=folder)],
            prefix=["unshare", "-n"] if is_public else [],
        ).spawn()
        if name is None:
            schedd.wait_log("server.ready")
            schedd.stop()
            continue
        assert schedd.wait_end() == 78, (address, schedd.tail())
        last = [line.text for line in schedd.lines if line.text.startswith("schedd: ")]
        assert len(last) == 1 and name in last[0], (address, schedd.tail())


def test_an_admin_that_is_over_does_not_count(place, ca, pair):
    if not can_make_networks():
        pytest.skip("making a network takes root")
    redis = place.redis()
    first = place.schedd(redis.settings())
    with first.client() as client:
        make_token(client, "short", "admin", expires_s=1)
    first.stop()
    config = {**settings(pair), **redis.settings(), "debug": {"clock_offset": "1h"}}
    schedd = place.schedd(
        config, start=False, args=["--http.listen=tls:0.0.0.0:0"],
        prefix=["unshare", "-n"],
    )  # fmt: skip
    schedd.offset_s = 3600
    schedd.spawn()
    assert schedd.wait_end() == 78


# -- beyond this machine -------------------------------------------------


@pytest.fixture(name="public")
def _public(place, ca, pair):
    """A schedd in a network of its own, which FOREIGN reaches by TLS."""
    if not can_make_networks():
        pytest.skip("making a network takes root")
    redis = place.redis()
    first = place.schedd(redis.settings())
    with first.client() as client:
        tokens = make_tokens(client)
    first.stop()
    schedd = place.schedd(
        {**settings(pair), **redis.settings()},
        args=["--http.listen=tls:0.0.0.0:0"],
        prefix=["unshare", "-n"],
        ready=False,
    )
    schedd.wait_log("server.ready")
    bring_up(schedd.pid())
    schedd.port = schedd.addr.rsplit(":", 1)[1]
    schedd.tokens = tokens

    def client(host=FOREIGN, token=None):
        one = Client(f"{host}:{schedd.port}", token=token, tls=ca.context())
        with network_of(schedd.pid()):
            one.conn.connect()
        return one

    schedd.client = client
    return schedd


def test_strangers_are_told_nothing(public):
    with public.client() as client:
        assert client.get("/healthz").json == {"ok": True}
        assert client.get("/readyz").json["ok"] is True
        for path in ("/metrics", "/v1/stats", "/v1/version", "/v1/errors", "/v1/queues"):
            client.get(path).refused(401, "TOKEN_MISSING")
    with public.client(token=public.tokens["admin"]) as client:
        assert client.get("/v1/stats").status == 200


def test_no_token_opens_it_when_all_are_gone(public):
    with public.client(token=public.tokens["admin"]) as client:
        for role in ("producer", "worker", "viewer", "operator", "admin"):
            assert client.call("DELETE", f"/v1/tokens/{role}").status == 200
        client.get("/v1/queues").refused(401, "TOKEN_BAD")
    with public.client() as client:
        client.get("/v1/queues").refused(401, "TOKEN_MISSING")


def guess(client, text):
    got = client.call("GET", "/v1/queues", headers={"Authorization": f"Bearer {text}"})
    if got.status == 429:
        got.refused(429, "GUESSING")
        assert 0 < int(got.headers["Retry-After"]) <= 900
    else:
        got.refused(401, "TOKEN_BAD")
    return got.status == 401


def test_ten_thousand_guesses(public):
    """At most twenty are looked at; whoever has a token works on beside."""
    worker = public.client(token=public.tokens["viewer"])
    with public.client() as client:
        looked_at = sum(guess(client, f"schedd_{i:012x}_{i:064x}") for i in range(10000))
        assert looked_at <= 20
        assert worker.get("/v1/queues").status == 200
        # And at a token of which somebody knows half.
        half = public.tokens["viewer"][:20]
        assert sum(guess(client, f"{half}{i:064x}") for i in range(100)) == 5
        worker.get("/v1/queues").refused(429, "GUESSING")
    public.wait_log("access.guessing")
    with public.client("127.0.0.1", public.tokens["viewer"]) as here:
        assert here.get("/v1/queues").status == 200
        for i in range(50):
            assert guess(here, f"schedd_{i:012x}_{i:064x}")
    worker.close()
