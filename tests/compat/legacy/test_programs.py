"""Programs as Tornado's documentation once showed them, each in a process of its own.

They are run as they are, by ``tornadic run``; what they do is what they did, and each old form is
warned of at its line.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest
from tests.compat.legacy.support import PATIENCE, PROGRAMS, Server, deprecations, run, serving


def place_of(program: str, text: str) -> str:
    """``file.py:line`` of the first line of a program that has ``text``."""
    lines = (PROGRAMS / program).read_text("utf-8").splitlines()
    number = next(number for number, line in enumerate(lines, 1) if text in line)
    return f"{program}:{number}"


def assert_warned(warnings: list[str], program: str, text: str, old: str) -> None:
    """Of ``old`` there is a warning, which names the line of the program that has ``text``."""
    start = f"{place_of(program, text)} {old} was removed from Tornado"
    assert any(warning.startswith(start) for warning in warnings), (start, warnings)


@pytest.fixture(scope="module")
def site() -> Iterator[Server]:
    """A server of the old kind, which all tests of clients ask."""
    with serving("coroutine_site.py") as server:
        yield server


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/task", 200, b"3"),
        ("/keys", 200, b"4 3"),
        ("/all", 200, b"1 2 3"),
        ("/greet", 200, b"Hello, you; Hello, me"),
        ("/thread", 200, b"49"),
        ("/never", 200, b"too late"),
        ("/task?by=0", 500, None),
        ("/leak", 500, None),
        ("/task?by=3", 200, b"2"),
    ],
)
def test_coroutine_site(site: Server, path: str, status: int, body: bytes | None) -> None:
    answer = site.fetch(path)
    assert answer.status == status
    if body is not None:
        assert answer.body == body


def test_what_a_site_says_on_stderr() -> None:
    program = "coroutine_site.py"
    with serving(program) as server:
        for path in ("/task", "/keys", "/all", "/thread", "/task?by=0", "/leak"):
            server.fetch(path)
    assert_warned(
        server.warnings, program, "import return_future", "tornado.concurrent.return_future"
    )
    assert_warned(server.warnings, program, "gen.Task(divide", "tornado.gen.Task")
    assert_warned(server.warnings, program, 'gen.Callback("first")', "tornado.gen.Callback")
    assert_warned(server.warnings, program, 'gen.Wait("first")', "tornado.gen.Wait")
    assert_warned(server.warnings, program, "gen.WaitAll", "tornado.gen.WaitAll")
    assert_warned(server.warnings, program, "worker.square(7", "callback= of run_on_executor")
    assert server.stderr.count("ZeroDivisionError: division by zero") == 1
    assert server.stderr.count("LeakedCallbackError: ") == 1


def test_fetch_callback(site: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        refused = free.getsockname()[1]
    base = f"http://127.0.0.1:{site.port}"
    for url, printed in (
        (f"{base}/task", "3\n"),
        (f"{base}/missing", "Error: 404 HTTPClientError\n"),
        (f"http://127.0.0.1:{refused}/", "Error: 599 ConnectionRefusedError\n"),
    ):
        finished = run("fetch_callback.py", url)
        assert (finished.status, finished.stdout) == (0, printed), finished.stderr
        [warning] = finished.warnings
        assert_warned(
            [warning],
            "fetch_callback.py",
            "http_client.fetch(",
            "callback of AsyncHTTPClient.fetch",
        )


def test_fetch_callbacks_at_once(site: Server) -> None:
    finished = run("fetch_callback.py", *[f"http://127.0.0.1:{site.port}/task"] * 20)
    assert (finished.status, finished.stdout) == (0, "3\n" * 20), finished.stderr


def test_engine(site: Server) -> None:
    base = f"http://127.0.0.1:{site.port}"
    finished = run("engine.py", f"{base}/task", f"{base}/keys")
    assert finished.stdout == "3; 4 3\n200\ncaught 'MISSING'\n", finished.stderr
    assert finished.status == 0
    assert_warned(finished.warnings, "engine.py", "@gen.engine", "tornado.gen.engine")
    assert_warned(finished.warnings, "engine.py", "gen.Task(fetch_both", "tornado.gen.Task")
    assert "Traceback" not in finished.stderr


def test_raw_client(site: Server) -> None:
    finished = run("raw_client.py", str(site.port), "/all")
    assert finished.stdout == "sent\n1 2 3\nclosed\n", finished.stderr
    for text, name in (
        ("stream.connect(", "connect"),
        ("stream.write(", "write"),
        ("stream.read_until(", "read_until"),
        ("stream.read_bytes(", "read_bytes"),
    ):
        assert_warned(finished.warnings, "raw_client.py", text, f"callback of IOStream.{name}")
    assert len(finished.warnings) == 4


def converse(port: int, *exchanges: tuple[bytes, bytes]) -> None:
    """Say each of the first, and read each of the second."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock, sock.makefile("rb") as f:
        for said, expected in exchanges:
            sock.sendall(said)
            assert f.read(len(expected)) == expected


def test_echo_server() -> None:
    program = "echo_server.py"
    with serving(program) as server:
        converse(server.port, (b"one\n", b"ONE\n"), (b"two\nthree\n", b"TWO\nTHREE\n"))
        converse(server.port, (b"file 3\nabc", b"<abc>that was all\n"), (b"end\n", b"END\n"))
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:
            sock.sendall(b"fail\n")
            assert sock.recv(10) == b""
        converse(server.port, (b"still here\n", b"STILL HERE\n"))
    assert_warned(server.warnings, program, "import TCPServer", "tornado.netutil.TCPServer")
    assert_warned(server.warnings, program, "EchoServer(io_loop", "io_loop= of TCPServer")
    assert server.stderr.count("RuntimeError: asked to fail") == 1


def test_die_on_error() -> None:
    finished = run("die_on_error.py")
    assert finished.status == 3
    lines = finished.stdout.splitlines()
    assert lines[0] == "reported ValueError"
    assert sorted(lines[1:3])[-1] == "reported KeyError"
    assert "ZeroDivisionError: division by zero" in finished.stdout
    assert lines[-1] == "dying of a callback that failed"
    [warning] = finished.warnings
    assert_warned([warning], "die_on_error.py", "tornado.stack_context", "tornado.stack_context")


def test_io_loops() -> None:
    finished = run("io_loops.py")
    assert finished.stdout == "served\necho of words\ntick\n", finished.stderr
    for text, owner in (
        ("HTTPServer(", "TCPServer"),
        ("websocket_connect(", "websocket_connect"),
        ("PeriodicCallback(", "PeriodicCallback"),
        ("AsyncHTTPClient(", "AsyncHTTPClient"),
    ):
        assert_warned(finished.warnings, "io_loops.py", text, f"io_loop= of {owner}")


def test_old_tests() -> None:
    finished = run("old_tests.py")
    assert finished.status == 0, finished.stderr
    assert re.search(r"^Ran 5 tests in .*\n\nOK$", finished.stderr, re.MULTILINE)
    text = "import AsyncHTTPTestCase"
    assert_warned(finished.warnings, "old_tests.py", text, "tornado.testing.LogTrapTestCase")
    assert_warned(finished.warnings, "old_tests.py", text, "tornado.testing.get_unused_port")


def test_threads() -> None:
    finished = run("threads.py")
    assert finished.stdout == "initialized True\nresult 144\n", finished.stderr
    assert_warned(
        finished.warnings, "threads.py", "set_blocking", "IOLoop.set_blocking_log_threshold"
    )
    assert_warned(finished.warnings, "threads.py", "initialized", "IOLoop.initialized")


def test_warnings_are_shown_without_being_asked_for(site: Server) -> None:
    """In the program itself, as Python does it: where somebody can do something about it."""
    import os
    import subprocess
    import sys

    command = [sys.executable, "-m", "tornadic", "run", str(PROGRAMS / "threads.py")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    finished = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert len(deprecations(finished.stderr)) == 2


def test_download(site: Server) -> None:
    finished = run("old_download.py", str(site.port), "/all")
    printed = "began with b'1 ', left b''\nended with b'2 3', left b''\n"
    assert finished.stdout == printed, finished.stderr
    program = "old_download.py"
    for text, name in (
        ("stream.connect(", "connect"),
        ("stream.read_until(", "read_until"),
        ("stream.read_bytes(", "read_bytes"),
        ("stream.read_until_close(", "read_until_close"),
    ):
        assert_warned(finished.warnings, program, text, f"callback of IOStream.{name}")
