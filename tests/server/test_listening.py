"""What a server listens on: sockets of all kinds, shared by several processes or not.

The processes are real ones, each an interpreter of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from tests.server.logs import Log
from tests.server.peer import PATIENCE, Peer, Response, get

from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_sockets, bind_unix_socket
from tornadic.web import Application, RequestHandler

PROGRAM = """
import os, sys
from tornadic.httpserver import HTTPServer
from tornadic.ioloop import IOLoop
from tornadic.netutil import bind_sockets
from tornadic.process import fork_processes, task_id
from tornadic.web import Application, RequestHandler

class About(RequestHandler):
    def get(self):
        self.write(f"{task_id()} {os.getpid()} {self.request.remote_ip}")

class Busy(About):
    def get(self):
        super().get()
        self.finish()
        os.read(0, 1)

class End(RequestHandler):
    def get(self, status):
        self.finish("good-bye")
        os._exit(int(status))

rules = [("/about", About), ("/busy", Busy), ("/end/([0-9])", End)]
server = HTTPServer(Application(rules))
way, port = sys.argv[1], int(sys.argv[2])
if way == "bind and start":
    server.bind(port, "127.0.0.1")
    server.start(2)
elif way == "add_sockets after fork":
    sockets = bind_sockets(port, "127.0.0.1")
    fork_processes(2)
    server.add_sockets(sockets)
else:
    server.listen(port, "127.0.0.1", reuse_port=True)
os.write(1, b"ready\\n")
IOLoop.current().start()
"""


def free_port() -> int:
    [sock] = bind_sockets(0, "127.0.0.1", family=socket.AF_INET)
    with closing(sock):
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def program(way: str, port: int, children: int) -> Iterator[subprocess.Popen[bytes]]:
    """The program, started, with so many processes that serve."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, way, str(port)]
    with subprocess.Popen(
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            for _ in range(children):
                assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its children too


def ask(port: int, path: str) -> Response:
    with Peer(port) as peer:
        return peer.ask(get(path, "Connection: close"))


def about(port: int, path: str = "/about") -> list[str]:
    response = ask(port, path)
    assert response.status == 200
    return response.body.decode().split()


@pytest.mark.parametrize("way", ["bind and start", "add_sockets after fork"])
def test_several_processes_share_a_socket(way: str) -> None:
    port = free_port()
    with program(way, port, 2) as process:
        assert process.stdin is not None and process.stdout is not None
        # While one of them is busy, it is the other who answers.
        one = about(port, "/busy")
        other = about(port)
        assert one[0] != other[0] and one[1] != other[1]
        assert {one[0], other[0]} == {"0", "1"}
        assert str(process.pid) not in (one[1], other[1])
        # Who fails is replaced, by one that serves as well.
        assert ask(port, "/end/1").body == b"good-bye"
        assert process.stdout.readline() == b"ready\n"
        replaced = about(port)
        assert replaced[0] == other[0] and replaced[1] != other[1]
        # And who has done its work is not.
        assert ask(port, "/end/0").body == b"good-bye"
        process.stdin.write(b"x")
        assert about(port) == one
        assert ask(port, "/end/0").body == b"good-bye"
        assert process.wait(PATIENCE) == 0


def test_processes_of_their_own_share_a_port() -> None:
    port = free_port()
    with ExitStack() as stack:
        pids = {
            str(stack.enter_context(program("listen with reuse_port", port, 1)).pid)
            for _ in range(2)
        }
        seen: set[str] = set()
        for _ in range(500):
            task, pid, _ = about(port)
            assert task == "None"
            seen.add(pid)
            if seen == pids:
                break
        assert seen == pids


class About(RequestHandler):
    def get(self) -> None:
        self.write(f"{self.request.remote_ip} {self.request.protocol} {self.request.host}")


async def talk(file: str, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(file)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


def test_a_unix_socket(tmp_path: Path, log: Log) -> None:
    file = str(tmp_path / "socket")

    async def main() -> None:
        server = HTTPServer(Application([("/about", About)]))
        server.add_socket(bind_unix_socket(file))
        answer = await talk(file, get("/about", "Connection: close"))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        # Who asks has no address there.
        assert body == b"0.0.0.0 http example.com"
        # A refusal is as whole as over the network.
        head, _, body = (await talk(file, b"garbage\r\n\r\n")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\nDate: ") and body == b""
        assert b"\r\nContent-Length: 0\r\nConnection: close" in head
        server.stop()
        await server.close_all_connections()

    asyncio.run(main())
    log.one("Malformed HTTP request line")
    assert os.path.exists(file)


def test_ipv6(log: Log) -> None:
    if not socket.has_ipv6:
        pytest.skip("there is no IPv6")

    async def main() -> None:
        try:
            [sock] = bind_sockets(0, "::1", family=socket.AF_INET6)
        except OSError:
            pytest.skip("there is no IPv6 on this machine")
        port = sock.getsockname()[1]
        server = HTTPServer(Application([("/about", About)]))
        server.add_socket(sock)
        reader, writer = await asyncio.open_connection("::1", port)
        head = f"GET /about HTTP/1.1\r\nHost: [::1]:{port}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.read()).endswith(f"\r\n\r\n::1 http [::1]:{port}".encode())
        writer.close()
        server.stop()
        await server.close_all_connections()

    asyncio.run(main())
