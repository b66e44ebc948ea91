"""Time and memory: one bad peer, or many of them, never disturb another connection."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from tests.server.peer import PATIENCE, chunked, get, post, request
from tests.server.support import Recorder, Serve, Site

from tornadic.web import RequestHandler, stream_request_body

BAD = [
    b"no request\r\n\r\n",
    get("/", "no colon"),
    request("POST", "/", "Content-Length: x"),
    chunked("/") + b"x\r\n",
    b"GET / HTTP/2.0\r\n\r\n",
    b"\x16\x03\x01\x00" * 10,
    request("POST", "/", "Content-Length: 99999999999"),
]


class Large(RequestHandler):
    """A response that is more than sockets hold."""

    def get(self) -> None:
        self.write(b"x" * (1 << 24))


def test_good_and_bad_peers_side_by_side(site: Site) -> None:
    good = [site.connect() for _ in range(20)]
    with contextlib.ExitStack() as stack:
        for peer in good:
            stack.enter_context(peer)
        for round in range(7):
            bad = [stack.enter_context(site.connect()) for _ in BAD]
            for i, data in enumerate(BAD):
                bad[i].send(data)
                one, other = good[(round + i) % 20], good[(round * i) % 20]
                assert one.ask(post("/", b"%d" % i)).body == b"%d" % i
                assert other.ask(get("/bystander")).body == b"undisturbed"
            for peer in bad:
                assert peer.read_response().status in (400, 413, 505)
                peer.ends()
        for peer in good:
            assert peer.ask(get("/")).body == b"ok"
    records = site.log.take()
    assert len(records) == 7 * len(BAD)
    assert {record.exc_info for record in records} == {None}
    assert len(site.seen) == 7 * len(BAD) + 20


def test_many_slow_peers_are_served_as_they_come(site: Site) -> None:
    data = post("/", b"12345")
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(site.connect()) for _ in range(100)]
        for i in range(len(data)):
            for peer in slow:
                peer.send(data[i : i + 1])
            if i % 10 == 0:
                site.goes_on()
        for peer in slow:
            assert peer.read_response().body == b"12345"
    assert len(site.seen) == 100


def test_many_peers_at_once_keep_their_answers(site: Site) -> None:
    def talk(number: int) -> None:
        with site.connect() as peer:
            for i in range(20):
                body = b"%d of %d" % (i, number)
                if peer.ask(post(f"/{number}", body)).body != body:
                    failures.append(number)

    failures: list[int] = []
    threads = [threading.Thread(target=talk, args=[number]) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and len(site.seen) == 200


STAGES = [
    b"",
    b"GET",
    get("/")[:-2],
    get("/"),
    get("/gate"),
    get("/gate") + get("/") * 10,
    request("POST", "/", "Content-Length: 10"),
    post("/", b"x" * 10)[:-1],
    chunked("/"),
    chunked("/") + b"5\r\nabc",
    chunked("/") + b"0\r\n",
    request("POST", "/", "Content-Length: 10", "Expect: 100-continue"),
    get("/large"),
    get("/large") * 3,
    get("/large", "Connection: close"),
    post("/streaming", b"x" * 10)[:-1],
    chunked("/streaming") + b"5\r\nabc",
    BAD[0],
    BAD[3],
]


@stream_request_body
class Streaming(Recorder):
    async def prepare(self) -> None:
        pass

    async def data_received(self, chunk: bytes) -> None:
        pass


@pytest.mark.parametrize("end", ["close", "reset", "half"])
@pytest.mark.parametrize("data", STAGES, ids=range(len(STAGES)))
def test_a_peer_that_hangs_up_at_any_stage(serve: Serve, data: bytes, end: str) -> None:
    site = serve(("/large", Large), ("/streaming", Streaming))
    for seen in (True, False):
        site.goes_on()
        with site.connect(receive_buffer=4096) as peer:
            peer.send(data)
            if seen:
                # The server has looked at it before the peer is gone.
                site.goes_on()
            if end == "reset":
                peer.reset()
            elif end == "half":
                peer.half_close()
                site.goes_on()
        site.goes_on()
        site.log.allow(1)
    site.open_gate_for_all()
    site.goes_on()


def test_a_peer_that_does_not_read_holds_up_nobody(serve: Serve) -> None:
    site = serve(("/large", Large))
    with contextlib.ExitStack() as stack:
        deaf = [stack.enter_context(site.connect(receive_buffer=4096)) for _ in range(5)]
        for peer in deaf:
            peer.send(get("/large") * 3)
        for _ in range(20):
            site.goes_on()
        # Once it does read, it gets what it asked for.
        assert len(deaf[0].read_response().body) == 1 << 24


def test_answers_that_nobody_reads_are_not_piled_up(serve: Serve) -> None:
    """A peer that sends requests and reads nothing waits for the next answer until it does."""
    answered = 0

    class Medium(RequestHandler):
        def get(self) -> None:
            nonlocal answered
            answered += 1
            self.write(b"x" * 100_000)

    site = serve(("/medium", Medium))
    count = 600
    with site.connect(receive_buffer=65536) as peer:
        peer.send(get("/medium") * count)
        for _ in range(100):
            site.goes_on()
        # Two hundred are twenty megabytes, far beyond what the kernel takes for one peer.
        assert answered < 200
        for _ in range(count):
            assert len(peer.read_response().body) == 100_000
    assert answered == count


def test_a_flood_of_pipelined_requests_holds_up_nobody(site: Site) -> None:
    stop = threading.Event()

    def flood() -> None:
        with site.connect() as peer:
            data = get("/bystander") * 500
            while not stop.is_set():
                peer.send(data)
                for _ in range(500):
                    peer.read_response()

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for _ in range(50):
            site.goes_on()
    finally:
        stop.set()
        thread.join()


def test_a_flood_of_connections_holds_up_nobody(site: Site) -> None:
    for _ in range(5):
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                peer = socket.create_connection(("127.0.0.1", site.port), PATIENCE)
                stack.callback(peer.close)
            site.goes_on()
            with site.connect() as other:
                assert other.ask(get("/")).status == 200


def test_random_bytes_are_refused_or_waited_for(site: Site) -> None:
    source = random.Random(6)
    words = [b"GET ", b"POST ", b"/ ", b"HTTP/1.1", b"\r\n", b"\r\n\r\n", b"Host: x", b"\0", b"\n"]
    words += [b"Transfer-Encoding: chunked", b"Content-Length: 3", b"0", b"abc", b": ", b"\xff"]
    for _ in range(200):
        with site.connect() as peer:
            peer.try_to_send(b"".join(source.choices(words, k=source.randrange(1, 30))))
            peer.half_close()
            for answer in re.findall(rb"HTTP/1\.1 (\d+)", peer.is_cut()):
                assert int(answer) in (100, 200, 400, 413, 431, 501, 505)
        site.log.at_most_one()
    site.goes_on()


SERVER_WITH_FEW_DESCRIPTORS = """
    import asyncio, resource, sys
    from tornadic.web import Application, RequestHandler

    class Hello(RequestHandler):
        def get(self):
            self.write("hello")

    async def main():
        server = Application([("/", Hello)]).listen(0, "127.0.0.1")
        [listening] = server._sockets.values()
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        print(listening.getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    asyncio.run(main())
"""


def test_a_server_that_is_out_of_descriptors_comes_back(tmp_path: Path) -> None:
    program = tmp_path / "server.py"
    program.write_text(textwrap.dedent(SERVER_WITH_FEW_DESCRIPTORS))
    with subprocess.Popen(
        [sys.executable, "-W", "error", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        port = int(process.stdout.readline())

        def ask(peer: socket.socket) -> bytes:
            peer.sendall(get("/"))
            return peer.recv(65536)

        with contextlib.ExitStack() as stack:
            peers = []
            for _ in range(100):
                peer = socket.create_connection(("127.0.0.1", port), PATIENCE)
                stack.callback(peer.close)
                peers.append(peer)
            # Those that got in are served, while others wait at the door.
            for _ in range(20):
                assert ask(peers[0]).endswith(b"hello")
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as peer:
            assert ask(peer).endswith(b"hello")
        errors = process.communicate(timeout=PATIENCE)[1].decode()
    assert process.returncode == 0
    # It may say so, but not in a loop, and without a traceback for each.
    assert len(errors.splitlines()) < 20, errors[:2000]
