"""Web programs as documentation and tutorials once showed them, each in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import struct
import time
from pathlib import Path

import pytest
from tests.compat.legacy.support import PATIENCE, PROGRAMS, serving


def assert_warned(warnings: list[str], program: str, uses: dict[str, str]) -> None:
    """Of each of ``uses``, by the text of its line, there is a warning, and of nothing else."""
    lines = (PROGRAMS / program).read_text("utf-8").splitlines()
    expected = {
        f"{program}:{next(n for n, line in enumerate(lines, 1) if text in line)} {old}"
        for old, text in uses.items()
    }
    assert {warning.partition(" was removed")[0] for warning in warnings} == expected


def test_hello() -> None:
    with serving("old_hello.py") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        for path in ("/a", "/b"):
            connection.request("GET", path)
            assert connection.getresponse().read().decode() == f"You requested {path}\n"
        connection.close()
    uses = {
        "HTTPServerRequest.write": "request.write",
        "HTTPServerRequest.finish": "request.finish",
    }
    assert_warned(server.warnings, "old_hello.py", uses)


def test_asynchronous() -> None:
    with serving("old_asynchronous.py", "--entries=5") as server:
        assert server.fetch("/").body == b"Fetched 5 entries from the feed"
        assert server.fetch("/timeout").body == b"begun ended"
        broken = server.fetch("/?broken=1")
        assert (broken.status, broken.body) == (502, b"<h1>502</h1>")
    named = {warning.split(" ", 1)[1].partition(" was removed")[0] for warning in server.warnings}
    assert {
        "tornado.web.asynchronous",
        "RequestHandler.async_callback",
        "RequestHandler.get_error_html",
        "callback= of RequestHandler.flush",
    } <= named
    assert all(warning.startswith("old_asynchronous.py:") for warning in server.warnings)
    assert "Traceback" not in server.stderr


def test_chat() -> None:
    with serving("old_chat.py") as server:

        def wait(client: socket.socket) -> None:
            client.sendall(
                b"POST /a/message/updates HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            )

        def until_waiting(count: int) -> None:
            deadline = time.monotonic() + PATIENCE
            while server.fetch("/").body != b"%d wait" % count:
                assert time.monotonic() < deadline
                time.sleep(0.01)

        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        for client in clients:
            client.settimeout(PATIENCE)
            wait(client)
        until_waiting(3)
        # One of them leaves, by a reset.
        gone = clients.pop()
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()
        until_waiting(2)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        sent = json.loads(server.fetch("/a/message/new", "POST", "body=hello", form).body)
        for client in clients:
            response = http.client.HTTPResponse(client)
            response.begin()
            assert json.loads(response.read()) == {"messages": [sent]}
            wait(client)  # on the same connection
        until_waiting(2)
        for client in clients:
            client.close()
        until_waiting(0)
        second = json.loads(server.fetch("/a/message/new", "POST", "body=again", form).body)
        missed = server.fetch("/a/message/updates", "POST", f"cursor={sent['id']}", form)
        assert json.loads(missed.body) == {"messages": [second]}
    assert_warned(server.warnings, "old_chat.py", {"tornado.web.asynchronous": "asynchronous"})
    assert "Traceback" not in server.stderr


def test_three_processes(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with serving("old_processes.py", f"--folder={tmp_path}", f"--port={port}") as server:
        clients = []
        pids: list[int] = []
        try:
            for number in range(1, 4):
                client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
                client.request("GET", "/")
                clients.append(client)
                deadline = time.monotonic() + PATIENCE
                while len(pids) < number:
                    pids = [int(path.name[3:]) for path in tmp_path.glob("in-*")]
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
            (tmp_path / "go").touch()
            answers = [client.getresponse().read().split() for client in clients]
            assert sorted(int(number) for number, _ in answers) == [0, 1, 2]
            assert {int(pid) for _, pid in answers} == set(pids)
        finally:
            # The parent first, for it starts those anew that end.
            server.process.kill()
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            for client in clients:
                client.close()
    assert server.warnings == []


@pytest.mark.parametrize("kind", ["application", "adapter"])
def test_under_wsgi(kind: str) -> None:
    with serving("old_wsgi.py", kind) as server:
        assert server.fetch("/?name=you").body == b"Hello, you"
        assert server.fetch("/other").status == 404
    name = "WSGIAdapter" if kind == "adapter" else "WSGIApplication"
    assert_warned(server.warnings, "old_wsgi.py", {f"tornado.wsgi.{name}": f"wsgi.{name}("})


def test_login() -> None:
    program = "old_login.py"
    with serving(program) as server:
        path = "/login"
        for _ in range(2):  # to the provider, and back
            answer = server.fetch(path)
            assert answer.status == 302
            path = answer.headers["Location"].partition(f":{server.port}")[2] or path
        answer = server.fetch(path)
        assert (answer.status, answer.body) == (200, b"Welcome, ada@example.com")
        assert answer.headers["Set-Cookie"].startswith("user=")
        assert server.fetch(path.replace("ada&", "eve&")).status == 403
    uses = {
        "tornado.web.asynchronous": "web.asynchronous",
        "callback of get_authenticated_user": "self.get_authenticated_user(",
    }
    # Of the mixin itself Tornado warns, too.
    assert_warned([text for text in server.warnings if "OpenIdMixin" not in text], program, uses)
