"""Forked servers and child processes, for real: every fork happens in an interpreter of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.running import run

from tornadic import process
from tornadic.iostream import PipeIOStream
from tornadic.process import Subprocess

PATIENCE = 20.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))


def run_script(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``script`` with the general log on stderr, one line for each record."""
    prelude = """
        import logging, os, random, signal, sys, time
        from tornadic.process import cpu_count, fork_processes, task_id
        logging.basicConfig(level="INFO", format="%(levelname)s:%(name)s:%(message)s")
        def say(*words):
            os.write(1, (" ".join(map(str, words)) + "\\n").encode())
    """
    program = textwrap.dedent(prelude) + textwrap.dedent(script)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_public_names() -> None:
    names = ["CalledProcessError", "Subprocess", "cpu_count", "fork_processes", "task_id"]
    assert process.__all__ == names


def test_cpu_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process.cpu_count() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert process.cpu_count() == 1


def test_task_id_of_a_process_that_was_not_forked() -> None:
    assert process.task_id() is None


class TestForkProcesses:
    def test_each_child_has_its_number(self) -> None:
        done = run_script(
            """
            say("before", task_id())
            number = fork_processes(3)
            say("child", number, task_id())
            """
        )
        assert done.returncode == 0
        assert sorted(done.stdout.splitlines()) == [
            "before None",
            "child 0 0",
            "child 1 1",
            "child 2 2",
        ]
        lines = done.stderr.splitlines()
        assert lines[0] == "INFO:tornado.general:Starting 3 processes"
        assert len(lines) == 4
        assert all(line.endswith("exited normally") for line in lines[1:])

    def test_the_parent_exits_by_an_exception(self) -> None:
        done = run_script(
            """
            try:
                fork_processes(1)
            except SystemExit as e:
                say("parent", task_id(), e.code)
                raise
            os._exit(0)
            """
        )
        assert (done.returncode, done.stdout) == (0, "parent None 0\n")

    @pytest.mark.parametrize("number", ["None", "0", "-1"])
    def test_one_for_each_processor(self, number: str) -> None:
        done = run_script(f"say(fork_processes({number}))")
        assert len(done.stdout.splitlines()) == os.cpu_count()

    def test_children_draw_different_numbers(self) -> None:
        done = run_script(
            """
            random.seed(42)
            fork_processes(4)
            say(random.random())
            """
        )
        assert len(set(done.stdout.splitlines())) == 4

    def test_only_once(self) -> None:
        done = run_script(
            """
            fork_processes(1)
            try:
                fork_processes(1)
            except RuntimeError as e:
                say(e)
            """
        )
        assert "already" in done.stdout and done.returncode == 0

    def test_not_within_a_loop(self) -> None:
        done = run_script(
            """
            import asyncio
            async def main():
                try:
                    fork_processes(2)
                except RuntimeError as e:
                    say(e)
            asyncio.run(main())
            """
        )
        assert done.stdout == "fork_processes must come before the event loop\n"
        assert done.stderr == ""

    def test_other_children_do_not_count(self) -> None:
        done = run_script(
            """
            pid = os.fork()
            if pid == 0:
                os._exit(7)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            fork_processes(1)
            """
        )
        assert done.returncode == 0
        assert "restarting" not in done.stderr


class TestRestarts:
    # The first child fails as often as it is told to; the other is content.
    SCRIPT = """
        failures, restarts = int(sys.argv[1]), eval(sys.argv[2])
        reading, writing = os.pipe()
        os.write(writing, b"x" * failures)
        os.set_blocking(reading, False)
        number = fork_processes(2, max_restarts=restarts)
        if number == 0:
            try:
                os.read(reading, 1)
            except BlockingIOError:
                say("well")
                os._exit(0)
            say("failing")
            {how}
        os._exit(0)
    """

    @pytest.mark.parametrize(
        ("how", "line"),
        [
            ("os._exit(3)", "exited with status 3, restarting"),
            ("os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9, restarting"),
        ],
    )
    def test_as_often_as_allowed(self, how: str, line: str) -> None:
        done = run_script(self.SCRIPT.format(how=how), "3", "3")
        assert done.returncode == 0
        assert done.stdout.splitlines() == ["failing"] * 3 + ["well"]
        warnings = [text for text in done.stderr.splitlines() if text.startswith("WARNING")]
        assert len(warnings) == 3
        assert all("child 0" in text and text.endswith(line) for text in warnings)

    def test_once_too_often(self) -> None:
        done = run_script(self.SCRIPT.format(how="os._exit(3)"), "4", "3")
        assert done.returncode == 1
        assert done.stdout.splitlines() == ["failing"] * 4
        assert done.stderr.splitlines()[-1] == "RuntimeError: Too many child restarts, giving up"

    def test_not_at_all(self) -> None:
        done = run_script(self.SCRIPT.format(how="os._exit(3)"), "1", "0")
        assert done.returncode == 1 and done.stdout == "failing\n"

    @pytest.mark.parametrize(("failures", "status"), [(100, 0), (101, 1)])
    def test_a_hundred_by_default(self, failures: int, status: int) -> None:
        done = run_script(self.SCRIPT.format(how="os._exit(3)"), str(failures), "None")
        assert done.returncode == status


class TestForkedServers:
    # Every process stops listening when it has a connection, so that the next goes to another.
    SCRIPT = """
        from tornadic.ioloop import IOLoop
        from tornadic.iostream import StreamClosedError
        from tornadic.netutil import bind_sockets
        from tornadic.tcpserver import TCPServer

        class Server(TCPServer):
            async def handle_stream(self, stream, address):
                self.stop()
                await stream.write(b"%d %d\\n" % (task_id(), os.getpid()))
                command = await stream.read_until(b"\\n")
                stream.close()
                os._exit(int(command))

        server = Server()
        port, restarts = int(sys.argv[1]), eval(sys.argv[2])
        {start}
        IOLoop.current().start()
    """
    WAYS = {
        "bind and start": """
        server.bind(port, "127.0.0.1")
        server.start(2, restarts)
        """,
        "add_sockets": """
        sockets = bind_sockets(port, "127.0.0.1")
        fork_processes(2, restarts)
        server.add_sockets(sockets)
        """,
    }

    @pytest.fixture
    def port(self) -> Iterator[int]:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", 0))
            yield sock.getsockname()[1]

    def visit(self, port: int) -> tuple[socket.socket, list[str]]:
        """Connect, if need be again until the server is up, and return what it says."""
        while True:
            try:
                sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                return sock, sock.makefile().readline().split()
            except ConnectionError:
                time.sleep(0.01)

    @pytest.mark.parametrize("way", WAYS)
    def test_every_process_serves(self, way: str, port: int) -> None:
        outcome: list[subprocess.CompletedProcess[str]] = []
        script = self.SCRIPT.format(start=self.WAYS[way])
        server = threading.Thread(target=lambda: outcome.append(run_script(script, str(port), "1")))
        server.start()
        connections = [self.visit(port) for _ in range(2)]
        assert sorted(words[0] for _, words in connections) == ["0", "1"]
        assert len({words[1] for _, words in connections}) == 2
        # One of them dies, and comes again with its number.
        first, (number, _) = connections.pop(0)
        first.sendall(b"9\n")
        first.close()
        connections.append(self.visit(port))
        assert connections[-1][1][0] == number
        for sock, _ in connections:
            sock.sendall(b"0\n")
            sock.close()
        server.join(PATIENCE)
        assert outcome[0].returncode == 0, outcome[0].stderr
        assert "Traceback" not in outcome[0].stderr


@pytest.fixture(autouse=True)
def no_signal_handler() -> Iterator[None]:
    yield
    Subprocess.uninitialize()
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
    assert not Subprocess._waiting


class TestSubprocess:
    def test_streams(self) -> None:
        async def main() -> None:
            child = Subprocess(
                [sys.executable, "-c", "import sys; sys.stderr.write('e'); print(input()[::-1])"],
                stdin=Subprocess.STREAM,
                stdout=Subprocess.STREAM,
                stderr=Subprocess.STREAM,
            )
            assert all(
                isinstance(stream, PipeIOStream)
                for stream in (child.stdin, child.stdout, child.stderr)
            )
            assert child.pid == child.proc.pid and child.returncode is None
            await child.stdin.write(b"hello\n")
            assert await child.stdout.read_until(b"\n") == b"olleh\n"
            assert await child.stderr.read_until_close() == b"e"
            assert await child.wait_for_exit() == 0
            assert child.returncode == child.proc.returncode == 0
            for stream in (child.stdin, child.stdout, child.stderr):
                stream.close()

        run(main)

    def test_much_goes_through(self) -> None:
        async def main() -> None:
            child = Subprocess(["cat"], stdin=Subprocess.STREAM, stdout=Subprocess.STREAM)
            data = bytes(range(256)) * 10_000
            written = child.stdin.write(data)
            assert await child.stdout.read_bytes(len(data)) == data
            await written
            child.stdin.close()
            assert await child.stdout.read_until_close() == b""
            await child.wait_for_exit()

        run(main)

    def test_errors_with_the_output(self) -> None:
        async def main() -> None:
            child = Subprocess(
                ["sh", "-c", "echo out; echo err >&2"],
                stdout=Subprocess.STREAM,
                stderr=subprocess.STDOUT,
            )
            assert await child.stdout.read_until_close() == b"out\nerr\n"
            assert child.stderr is None and child.stdin is None
            await child.wait_for_exit()

        run(main)

    def test_ordinary_arguments(self) -> None:
        async def main() -> None:
            child = Subprocess("exit 3", shell=True, stdout=subprocess.PIPE)
            output = child.proc.stdout
            assert output is not None and child.stdout is output
            output.close()
            assert await child.wait_for_exit(raise_error=False) == 3

        run(main)

    def test_a_command_that_does_not_exist(self) -> None:
        async def main() -> None:
            before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
            for _ in range(3):
                with pytest.raises(FileNotFoundError):
                    Subprocess(
                        ["/no/such/command"],
                        stdin=Subprocess.STREAM,
                        stdout=Subprocess.STREAM,
                        stderr=Subprocess.STREAM,
                    )
            if before:
                assert len(os.listdir("/proc/self/fd")) == before

        run(main)


class TestExit:
    def test_callback(self) -> None:
        async def main() -> None:
            child = Subprocess(["true"])
            codes: asyncio.Queue[int] = asyncio.Queue()
            child.set_exit_callback(codes.put_nowait)
            assert await codes.get() == 0
            assert child.returncode == 0
            await asyncio.sleep(0.01)
            assert codes.empty()

        run(main)

    def test_callback_after_the_end(self) -> None:
        async def main() -> None:
            child = Subprocess(["true"])
            await child.wait_for_exit()
            assert await child.wait_for_exit() == 0
            codes: asyncio.Queue[int] = asyncio.Queue()
            child.set_exit_callback(codes.put_nowait)
            assert codes.empty()  # not within the call
            assert await codes.get() == 0

        run(main)

    def test_the_last_callback_counts(self) -> None:
        async def main() -> None:
            child = Subprocess(["cat"], stdin=Subprocess.STREAM)
            first: list[int] = []
            child.set_exit_callback(first.append)
            last = child.wait_for_exit()
            child.stdin.close()
            assert await last == 0
            assert first == []

        run(main)

    def test_a_failure_is_raised(self) -> None:
        async def main() -> None:
            child = Subprocess(["sh", "-c", "exit 3"])
            with pytest.raises(process.CalledProcessError) as caught:
                await child.wait_for_exit()
            assert caught.value.returncode == child.returncode == 3
            assert caught.value.cmd == ["sh", "-c", "exit 3"]

        run(main)

    def test_a_signal(self) -> None:
        async def main() -> None:
            child = Subprocess(["cat"], stdin=Subprocess.STREAM)
            future = child.wait_for_exit(raise_error=False)
            os.kill(child.pid, signal.SIGTERM)
            assert await future == -signal.SIGTERM
            child.stdin.close()

        run(main)

    @pytest.mark.parametrize("command", ["true", "false"])
    def test_nobody_waits_any_more(self, command: str) -> None:
        async def main() -> None:
            child = Subprocess([command])
            child.wait_for_exit().cancel()
            while child.returncode is None:
                await asyncio.sleep(0.001)

        run(main)

    def test_many_at_once(self) -> None:
        async def main() -> None:
            children = [
                Subprocess(["sh", "-c", f"read x; exit {number}"], stdin=Subprocess.STREAM)
                for number in range(20)
            ]
            futures = [child.wait_for_exit(raise_error=False) for child in children]
            for child in children:
                child.stdin.close()
            assert await asyncio.gather(*futures) == list(range(20))

        run(main)

    def test_one_loop_after_another(self) -> None:
        """The handler goes with its loop; the next loop gets a new one."""

        async def main() -> None:
            await Subprocess(["true"]).wait_for_exit()

        run(main)
        run(main)

    def test_initialize_and_uninitialize(self) -> None:
        async def main() -> None:
            Subprocess.initialize()
            Subprocess.initialize()
            assert signal.getsignal(signal.SIGCHLD) != signal.SIG_DFL
            await Subprocess(["true"]).wait_for_exit()
            Subprocess.uninitialize()
            Subprocess.uninitialize()
            assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
            await Subprocess(["true"]).wait_for_exit()

        run(main)

    def test_a_loop_in_another_thread(self) -> None:
        """Once the main thread's loop handles the signal, others are told by it."""
        codes: list[int] = []

        async def elsewhere() -> None:
            codes.append(await Subprocess(["true"]).wait_for_exit())

        async def main() -> None:
            Subprocess.initialize()
            await asyncio.to_thread(asyncio.run, elsewhere())

        run(main)
        assert codes == [0]

    def test_only_the_main_thread_can(self) -> None:
        async def elsewhere() -> None:
            child = Subprocess(["true"])
            try:
                with pytest.raises(RuntimeError):
                    child.set_exit_callback(lambda code: None)
            finally:
                child.proc.wait()

        async def main() -> None:
            await asyncio.to_thread(asyncio.run, elsewhere())

        run(main)
