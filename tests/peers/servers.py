"""Real servers on the loopback, each as long as its context: nginx, and those of Python.

No port is guessed: the socket listens before the server starts, which inherits it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from string import Template

from tests.server.peer import PATIENCE
from tests.tools import program

__all__ = ["listener", "nginx", "python_server"]

FRAME = Template(
    """
daemon off;
worker_processes 1;
$user
error_log $folder/error.log;
pid $folder/pid;
events { worker_connections 256; }
http {
    access_log off;
    default_type text/plain;
    client_body_temp_path $folder/client;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    $servers
}
"""
)


def listener() -> socket.socket:
    """A socket that listens on a port of its own."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.set_inheritable(True)
    return sock


@contextmanager
def nginx(folder: Path, servers: str, count: int) -> Iterator[list[int]]:
    """An nginx of our own; yields its ports.

    ``servers`` are its server blocks, with ``$port0``, ``$port1`` and so on to listen to, which
    are ``count``, and the ``$folder`` where it writes what it must.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(listener()) for _ in range(count)]
        ports = [sock.getsockname()[1] for sock in sockets]
        names = {f"port{i}": f"127.0.0.1:{port}" for i, port in enumerate(ports)}
        # Else root's would become somebody who may not read the folders of a test.
        user = "user root;" if os.geteuid() == 0 else ""
        text = Template(FRAME.substitute(folder=folder, servers=servers, user=user))
        (folder / "nginx.conf").write_text(text.safe_substitute(names, folder=folder))
        command = [program("nginx"), "-p", str(folder), "-e", str(folder / "error.log")]
        numbers = [sock.fileno() for sock in sockets]
        # The way in which an nginx hands its sockets to the next one.
        environment = {**os.environ, "NGINX": "".join(f"{number};" for number in numbers)}
        process = subprocess.Popen(
            [*command, "-c", str(folder / "nginx.conf")],
            pass_fds=numbers,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        with ended(process):
            for sock in sockets:
                sock.close()  # nginx has them, so a connection waits until it is taken
            yield ports


@contextmanager
def python_server(name: str, *arguments: str) -> Iterator[int]:
    """The server that the program ``programs/NAME.py`` runs; yields its port.

    The program is given the number of its listening socket, and ``arguments``.
    """
    source = Path(__file__).with_name("programs") / f"{name}.py"
    with listener() as sock:
        number = sock.fileno()
        process = subprocess.Popen(
            [sys.executable, str(source), str(number), *arguments],
            pass_fds=[number],
            stdin=subprocess.DEVNULL,
        )
        with ended(process):
            yield sock.getsockname()[1]


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End ``process`` with the context; it must not have ended before."""
    try:
        yield
        assert process.poll() is None, "the server has died"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
