"""Programs that some tests need beside us: servers of other makes, on loopback.

Each is found where it listens already, or else started for the tests, with a port and a folder of
its own.  Where that is not possible the tests are skipped, and say why; with
``TORNADIC_REQUIRE_SERVICES=1`` in the environment they fail instead.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import pytest

__all__ = [
    "Program",
    "RedisServer",
    "any_redis",
    "free_port",
    "is_listening",
    "missing",
    "redis_server",
]

PATIENCE = 20.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
REDIS_PORT = 6379


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it where services are required."""
    if os.environ.get("TORNADIC_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


def is_listening(port: int, greeting: bytes = b"", answer: bytes = b"") -> bool:
    """Whether there is a server on a port of loopback that answers ``greeting`` as it should."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
            sock.sendall(greeting)
            return sock.recv(len(answer)) == answer if answer else True
    except OSError:
        return False


class Program:
    """A server that was started for the tests, until `kill`.

    ``command`` is told by ``is_ready``, a function of each line that it prints, to be ready.
    """

    def __init__(self, command: Sequence[str], is_ready: Callable[[str], bool]) -> None:
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        printed = []
        for line in self._process.stdout:
            printed.append(line)
            if is_ready(line):
                return
        self.kill()
        raise RuntimeError(f"{command[0]} does not start: {''.join(printed)}")

    def kill(self) -> None:
        """End it at once, without a chance to save or to say goodbye."""
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)

    def suspend(self) -> None:
        """Have it answer nobody, though its connections stay."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on as if nothing had been."""
        self._process.send_signal(signal.SIGCONT)


class RedisServer:
    """A Redis of ours, on its own port, that keeps nothing on the disk."""

    def __init__(self, folder: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._folder = folder
        self.start()

    def start(self) -> None:
        """Start it; it is empty."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", self._folder, "--save", "", "--appendonly", "no"]
        self.program = Program(command, lambda line: "eady to accept connections" in line)

    def kill(self) -> None:
        """End it at once."""
        self.program.kill()


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A Redis that the test has for itself, and may kill."""
    if shutil.which("redis-server") is None:
        missing("there is no redis-server to start")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(folder)
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def any_redis() -> Iterator[str]:
    """The URL of a Redis that others use too: keys need a prefix, and a time to live."""
    if is_listening(REDIS_PORT, b"PING\r\n", b"+PONG"):
        yield f"redis://127.0.0.1:{REDIS_PORT}"
        return
    with redis_server() as server:
        yield server.url
