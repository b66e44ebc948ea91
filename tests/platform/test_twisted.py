"""Twisted beside us: Deferreds in coroutines, and its reactor on our loop.

Where Twisted is not installed, only what importing the module says is shown.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tornadic import gen
from tornadic.ioloop import IOLoop

needs_twisted = pytest.mark.skipif(
    importlib.util.find_spec("twisted") is None, reason="Twisted is not installed"
)
PATIENCE = 20.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))


def run_script(script: str) -> str:
    """Run a program in a Python of its own, since a reactor is for good; return what it said."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


@pytest.mark.skipif(importlib.util.find_spec("twisted") is not None, reason="Twisted is installed")
def test_without_twisted() -> None:
    with pytest.raises(ModuleNotFoundError, match="twisted"):
        importlib.import_module("tornadic.platform.twisted")


def test_nothing_of_twisted_is_loaded_unasked() -> None:
    said = run_script("""
    import sys, tornadic.gen, tornadic.web, tornadic.platform.asyncio
    print([name for name in sys.modules if "twisted" in name])
    """)
    assert said == "[]\n"


@needs_twisted
class TestDeferreds:
    @pytest.fixture(autouse=True)
    def bridge(self) -> None:
        importlib.import_module("tornadic.platform.twisted")

    def run(self, coroutine: Callable[[], Any]) -> Any:
        """Run ``coroutine``; what nobody caught in its loop is an error."""
        uncaught: list[dict[str, Any]] = []

        async def main() -> Any:
            asyncio.get_running_loop().set_exception_handler(lambda _, c: uncaught.append(c))
            async with asyncio.timeout(PATIENCE):
                return await coroutine()

        result = asyncio.run(main())
        assert uncaught == []
        return result

    def test_results(self) -> None:
        from twisted.internet.defer import Deferred, succeed

        @gen.coroutine
        def main() -> Generator[Any, Any, Any]:
            first = yield succeed("there already")
            deferred: Any = Deferred()
            IOLoop.current().add_callback(deferred.callback, "later")
            return first, (yield deferred)

        assert self.run(main) == ("there already", "later")

    def test_failures(self) -> None:
        from twisted.internet.defer import Deferred, fail

        @gen.coroutine
        def main() -> Generator[Any, Any, None]:
            with pytest.raises(KeyError, match="at once"):
                yield fail(KeyError("at once"))
            deferred: Any = Deferred()
            IOLoop.current().add_callback(deferred.errback, ValueError("later"))
            with pytest.raises(ValueError, match="later"):
                yield deferred

        self.run(main)

    def test_the_traceback_is_that_of_the_failure(self) -> None:
        from twisted.internet.defer import succeed

        def culprit(_: Any) -> None:
            raise KeyError("x")

        @gen.coroutine
        def main() -> Generator[Any, Any, Any]:
            with pytest.raises(KeyError) as caught:
                yield succeed(None).addCallback(culprit)
            return [entry.name for entry in caught.traceback]

        assert "culprit" in self.run(main)

    def test_with_other_yieldables(self) -> None:
        from twisted.internet.defer import succeed

        @gen.coroutine
        def main() -> Generator[Any, Any, Any]:
            return (yield {"a": succeed(1), "b": gen.sleep(0), "c": [succeed(2), native()]})

        async def native() -> int:
            return 3

        assert self.run(main) == {"a": 1, "b": None, "c": [2, 3]}

    def test_no_turn_of_the_loop_is_lost(self) -> None:
        from twisted.internet.defer import succeed

        @gen.coroutine
        def coroutine() -> Generator[Any, Any, Any]:
            return (yield succeed(1)) + (yield succeed(2))

        async def main() -> None:
            future = coroutine()
            assert future.done() and future.result() == 3

        self.run(main)

    def test_convert_yielded(self) -> None:
        from twisted.internet.defer import succeed

        async def main() -> None:
            future = gen.convert_yielded(succeed(5))
            assert type(future) is gen.Future
            assert await future == 5

        self.run(main)

    def test_subclasses(self) -> None:
        from twisted.internet.defer import DeferredList, succeed

        @gen.coroutine
        def main() -> Generator[Any, Any, Any]:
            return (yield DeferredList([succeed(1), succeed(2)]))

        assert self.run(main) == [(True, 1), (True, 2)]

    def test_stop_iteration(self) -> None:
        from twisted.internet.defer import fail

        @gen.coroutine
        def main() -> Generator[Any, Any, None]:
            with pytest.raises(RuntimeError, match="StopIteration") as caught:
                yield fail(StopIteration(1))
            assert isinstance(caught.value.__cause__, StopIteration)

        self.run(main)

    def test_cancelled_here(self) -> None:
        """The Deferred is cancelled too, and nobody hears of the error that this makes."""
        from twisted.internet.defer import Deferred

        async def main() -> list[Any]:
            cancelled: list[Any] = []
            deferred: Any = Deferred(cancelled.append)
            future = gen.convert_yielded(deferred)
            future.cancel()
            while not deferred.called:
                await asyncio.sleep(0)
            return cancelled

        assert len(self.run(main)) == 1

    def test_cancelled_there(self) -> None:
        from twisted.internet.defer import CancelledError, Deferred

        @gen.coroutine
        def main() -> Generator[Any, Any, None]:
            deferred: Any = Deferred()
            IOLoop.current().add_callback(deferred.cancel)
            with pytest.raises(CancelledError):
                yield deferred

        self.run(main)

    def test_what_comes_after_a_cancel(self) -> None:
        from twisted.internet.defer import Deferred

        async def main() -> None:
            for finish, value in (("callback", 1), ("errback", KeyError("late"))):
                deferred: Any = Deferred()
                future = gen.convert_yielded(deferred)
                future.cancel()
                getattr(deferred, finish)(value)
                await asyncio.sleep(0)
                assert future.cancelled()

        self.run(main)

    def test_without_a_loop(self) -> None:
        from twisted.internet.defer import succeed

        errors: list[BaseException] = []

        def elsewhere() -> None:
            try:
                gen.convert_yielded(succeed(1))
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(errors) == 1


@needs_twisted
class TestReactor:
    def test_public_names(self) -> None:
        module = importlib.import_module("tornadic.platform.twisted")
        assert module.__all__ == ["install"]

    def test_one_loop_for_both(self) -> None:
        said = run_script("""
        import tornadic.platform.twisted
        tornadic.platform.twisted.install()

        from twisted.internet import reactor
        from twisted.internet.defer import inlineCallbacks
        from twisted.internet.task import deferLater
        from tornadic import gen
        from tornadic.ioloop import IOLoop

        @inlineCallbacks
        def in_twisted():
            yield deferLater(reactor, 0.001)
            return "from twisted"

        @gen.coroutine
        def main():
            said = yield in_twisted()
            print(type(reactor).__name__, said)

        loop = IOLoop.current()
        reactor.startRunning()
        loop.run_sync(main)
        reactor.fireSystemEvent("shutdown")
        loop.close()
        """)
        assert said == "AsyncioSelectorReactor from twisted\n"

    def test_twisted_serves_tornadic_asks(self) -> None:
        said = run_script("""
        import tornadic.platform.twisted
        tornadic.platform.twisted.install()

        import socket
        from twisted.internet import reactor
        from twisted.internet.protocol import Factory, Protocol
        from tornadic.ioloop import IOLoop
        from tornadic.iostream import IOStream

        class Echo(Protocol):
            def dataReceived(self, data):
                self.transport.write(data.upper())
                self.transport.loseConnection()

        async def main():
            port = reactor.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1")
            stream = IOStream(socket.socket())
            await stream.connect(("127.0.0.1", port.getHost().port))
            await stream.write(b"hello")
            print(await stream.read_until_close())
            await port.stopListening().asFuture(IOLoop.current().asyncio_loop)

        loop = IOLoop.current()
        reactor.startRunning()
        loop.run_sync(main)
        reactor.fireSystemEvent("shutdown")
        loop.close()
        """)
        assert said == "b'HELLO'\n"

    def test_within_a_running_loop(self) -> None:
        said = run_script("""
        import asyncio
        from tornadic.platform.twisted import install

        async def main():
            install()
            from twisted.internet import reactor
            done = asyncio.Event()
            reactor.callLater(0, done.set)
            reactor.startRunning()
            await done.wait()
            print(reactor._asyncioEventloop is asyncio.get_running_loop())
            reactor.fireSystemEvent("shutdown")

        asyncio.run(main())
        """)
        assert said == "True\n"

    def test_only_once(self) -> None:
        said = run_script("""
        from twisted.internet.error import ReactorAlreadyInstalledError
        from tornadic.ioloop import IOLoop
        from tornadic.platform.twisted import install
        install()
        try:
            install()
        except ReactorAlreadyInstalledError:
            print("already")
        IOLoop.current().close()
        """)
        assert said == "already\n"

    def test_under_the_alias(self) -> None:
        said = run_script("""
        from tornadic.compat import install_as_tornado
        install_as_tornado()
        import asyncio
        import tornado.platform.twisted
        from tornado import gen
        from twisted.internet.defer import succeed

        @gen.coroutine
        def main():
            return (yield succeed(tornado.platform.twisted.install.__module__))

        async def run():
            return await main()

        print(asyncio.run(run()))
        """)
        assert said == "tornado.platform.twisted\n"
