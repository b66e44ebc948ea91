"""Resolvers: names and written-out addresses, errors, executors, and which one is used."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import pickle
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.iostream.support import run
from tests.resolving import Answers, no_name_servers

from tornadic import netutil
from tornadic.concurrent import Future
from tornadic.netutil import (
    BlockingResolver,
    DefaultExecutorResolver,
    DefaultLoopResolver,
    ExecutorResolver,
    OverrideResolver,
    Resolver,
    ThreadedResolver,
    is_valid_ip,
)

__all__ = ["no_name_servers"]

pytestmark = pytest.mark.usefixtures("no_name_servers")

V4, V6 = socket.AF_INET, socket.AF_INET6

KINDS = [
    DefaultLoopResolver,
    DefaultExecutorResolver,
    ExecutorResolver,
    BlockingResolver,
    ThreadedResolver,
]


@pytest.fixture(autouse=True)
def configuration() -> Iterator[None]:
    """What a test configures is for itself only, and so are the threads."""
    saved = Resolver._save_configuration()
    yield
    Resolver._restore_configuration(saved)
    if ThreadedResolver._threadpool is not None:
        ThreadedResolver._threadpool.shutdown()
        ThreadedResolver._threadpool = None


def resolve(resolver: Resolver, *args: Any) -> list[tuple[int, Any]]:
    found: list[list[tuple[int, Any]]] = []

    async def main() -> None:
        found.append(await resolver.resolve(*args))

    run(main)
    return found[0]


class NoThreads(futures.Executor):
    """An executor that must not be needed."""

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("an address that is written out needs nobody")


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_a_name(self, kind: type[Resolver]) -> None:
        found = resolve(kind(), "localhost", 80)
        assert found
        for family, address in found:
            assert family in (V4, V6)
            assert address[:2] == ("127.0.0.1" if family == V4 else "::1", 80)
            assert len(address) == (2 if family == V4 else 4)

    def test_the_name_for_one_family(self, kind: type[Resolver]) -> None:
        assert (V4, ("127.0.0.1", 80)) in resolve(kind(), "localhost", 80, V4)

    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("127.0.0.1", (V4, ("127.0.0.1", 80))),
            ("127.1", (V4, ("127.0.0.1", 80))),
            ("::1", (V6, ("::1", 80, 0, 0))),
            ("0:0::0:1", (V6, ("::1", 80, 0, 0))),
            ("::ffff:1.2.3.4", (V6, ("::ffff:1.2.3.4", 80, 0, 0))),
        ],
    )
    def test_an_address(self, host: str, expected: Any, kind: type[Resolver]) -> None:
        assert resolve(kind(), host, 80) == [expected]

    @pytest.mark.parametrize(("host", "family"), [("127.0.0.1", V6), ("::1", V4)])
    def test_an_address_of_another_family(
        self, host: str, family: socket.AddressFamily, kind: type[Resolver]
    ) -> None:
        with pytest.raises(socket.gaierror):
            resolve(kind(), host, 80, family)

    @pytest.mark.parametrize(
        "host",
        [
            "no-such-host.invalid",
            "1.2.3.4.5.invalid",
            "a\0b",
            "127.0.0.1\0.invalid",
            "x" * 64,
            "x" * 64 + ".invalid",
            "a..b",
            "\ud800.invalid",
            "[::1]",
            "::1 x",
            "1.2.3.4\n",
            "",
        ],
    )
    def test_no_such_host(self, host: str, kind: type[Resolver]) -> None:
        with pytest.raises(socket.gaierror):
            resolve(kind(), host, 80)

    @pytest.mark.parametrize("port", [-1, 65536, 70000])
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_no_port(self, host: str, port: int, kind: type[Resolver]) -> None:
        with pytest.raises(socket.gaierror, match=str(port)):
            resolve(kind(), host, port)

    @pytest.mark.parametrize("port", [0, 65535])
    def test_the_first_and_the_last_port(self, port: int, kind: type[Resolver]) -> None:
        assert resolve(kind(), "127.0.0.1", port) == [(V4, ("127.0.0.1", port))]

    def test_what_is_listened_on(self, kind: type[Resolver]) -> None:
        found = resolve(kind(), None, 80)
        assert {address[0] for _, address in found} <= {"127.0.0.1", "::1"}

    def test_many_at_once(self, kind: type[Resolver]) -> None:
        async def main() -> None:
            resolver = kind()
            hosts = [f"127.0.0.{n}" for n in range(1, 100)] + ["localhost"] * 20
            found = await asyncio.gather(*(resolver.resolve(host, 1) for host in hosts))
            assert [one[0][1][0] for one in found[:99]] == hosts[:99]
            assert all(found)

        run(main)

    def test_no_deprecation_warning(self, kind: type[Resolver]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kind().close()

    def test_closing_twice(self, kind: type[Resolver]) -> None:
        resolver = kind()
        resolver.close()
        resolver.close()

    def test_its_public_name(self, kind: type[Resolver]) -> None:
        assert kind.__module__ == "tornadic.netutil"
        assert pickle.loads(pickle.dumps(kind)) is kind


def test_an_error_that_is_known_at_once_is_in_the_future() -> None:
    async def main() -> None:
        future = ThreadedResolver().resolve("localhost", 65536)
        assert isinstance(future, Future) and future.done()
        assert isinstance(future.exception(), OSError)

    run(main)


class TestTheLoopsOwn:
    def test_it_is_the_default(self) -> None:
        assert type(Resolver()) is DefaultLoopResolver

    def test_an_address_takes_no_thread(self) -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_default_executor(futures.ThreadPoolExecutor(1))
            before = threading.active_count()
            for kind in (DefaultLoopResolver, DefaultExecutorResolver):
                assert await kind().resolve("127.0.0.1", 80)
                assert await kind().resolve("fe80::1%1", 80)
            assert threading.active_count() == before

        run(main)

    @pytest.mark.parametrize("kind", [DefaultLoopResolver, DefaultExecutorResolver])
    def test_the_loop_goes_on_meanwhile(
        self, kind: type[Resolver], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked, may_answer = threading.Event(), threading.Event()
        real = socket.getaddrinfo

        def slow(host: Any, *args: Any, **kwargs: Any) -> Any:
            if host != "slow.example":
                return real(host, *args, **kwargs)
            asked.set()
            assert may_answer.wait(30)
            return [(V4, socket.SOCK_STREAM, 6, "", ("127.0.0.9", 80))]

        monkeypatch.setattr(socket, "getaddrinfo", slow)

        async def main() -> None:
            lookup = asyncio.ensure_future(kind().resolve("slow.example", 80))
            while not asked.is_set():
                await asyncio.sleep(0.001)
            may_answer.set()
            assert await lookup == [(V4, ("127.0.0.9", 80))]

        run(main)

    @pytest.mark.parametrize("kind", [DefaultLoopResolver, DefaultExecutorResolver])
    def test_cancelled(self, kind: type[Resolver], monkeypatch: pytest.MonkeyPatch) -> None:
        asked, may_answer = threading.Event(), threading.Event()

        def slow(host: Any, *args: Any, **kwargs: Any) -> Any:
            asked.set()
            assert may_answer.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "too late")

        monkeypatch.setattr(socket, "getaddrinfo", slow)

        async def main() -> None:
            lookup = asyncio.ensure_future(kind().resolve("slow.example", 80))
            while not asked.is_set():
                await asyncio.sleep(0.001)
            lookup.cancel()
            with pytest.raises(asyncio.CancelledError):
                await lookup
            may_answer.set()

        run(main)


class TestExecutors:
    def test_a_name_goes_to_the_executor(self) -> None:
        with futures.ThreadPoolExecutor(1) as executor:
            resolver = ExecutorResolver(executor, close_executor=False)
            assert resolver.executor is executor
            assert resolve(resolver, "localhost", 80)
            resolver.close()
            assert executor.submit(lambda: 1).result() == 1

    def test_an_address_does_not(self) -> None:
        assert resolve(ExecutorResolver(NoThreads()), "127.0.0.1", 80)

    def test_the_executor_is_closed_with_the_resolver(self) -> None:
        executor = futures.ThreadPoolExecutor(1)
        ExecutorResolver(executor).close()
        with pytest.raises(RuntimeError):
            executor.submit(print)

    def test_closing_does_not_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked, may_answer = threading.Event(), threading.Event()

        def slow(*args: Any, **kwargs: Any) -> Any:
            asked.set()
            assert may_answer.wait(30)
            return [(V4, socket.SOCK_STREAM, 6, "", ("127.0.0.9", 80))]

        monkeypatch.setattr(socket, "getaddrinfo", slow)

        async def main() -> None:
            resolver = ExecutorResolver(futures.ThreadPoolExecutor(1))
            lookup = resolver.resolve("slow.example", 80)
            assert asked.wait(30)
            resolver.close()
            may_answer.set()
            assert await lookup == [(V4, ("127.0.0.9", 80))]

        run(main)

    def test_after_closing(self) -> None:
        for resolver in (ExecutorResolver(), BlockingResolver(), ThreadedResolver()):
            resolver.close()
            with pytest.raises(RuntimeError, match="closed"):
                resolver.resolve("localhost", 80)

    def test_blocking(self) -> None:
        async def main() -> None:
            for resolver in (BlockingResolver(), ExecutorResolver()):
                lookup = resolver.resolve("localhost", 80)
                assert isinstance(lookup, Future) and lookup.done()
                assert await lookup

        run(main)

    def test_threads_are_shared(self) -> None:
        first, second = ThreadedResolver(num_threads=3), ThreadedResolver(num_threads=5)
        assert isinstance(first.executor, futures.ThreadPoolExecutor)
        assert first.executor is second.executor
        assert first.executor._max_workers == 3
        first.close()
        assert resolve(second, "localhost", 80)

    def test_ten_threads(self) -> None:
        executor = ThreadedResolver().executor
        assert isinstance(executor, futures.ThreadPoolExecutor)
        assert executor._max_workers == 10

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_threads_do_not_survive_a_fork(self) -> None:
        # In a process of its own, which has no other threads.
        code = """
import asyncio, os
from tornadic.netutil import ThreadedResolver

async def main():
    return await ThreadedResolver().resolve("localhost", 80)

child = None
for _ in range(2):
    assert asyncio.run(main())
    if child is None:
        ThreadedResolver._threadpool.shutdown()
        child = os.fork()
        if child:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
        subprocess.run([sys.executable, "-c", code], check=True, timeout=50)

    @pytest.mark.parametrize("args", [(1,), (None, True, 3)])
    def test_too_many_arguments(self, args: Any) -> None:
        with pytest.raises(TypeError):
            BlockingResolver(*args)


class TestOverrideResolver:
    MAPPING: dict[Any, Any] = {
        "a": "b",
        "b": "c",
        ("a", 1): ("d", 2),
        ("a", 1, V6): ("::1", 3),
        ("d", 2): ("e", 4),
    }

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            (("a", 80), ("b", 80, socket.AF_UNSPEC)),
            (("a", 80, V6), ("b", 80, V6)),
            (("a", 1), ("d", 2, socket.AF_UNSPEC)),
            (("a", 1, V4), ("d", 2, V4)),
            (("a", 1, V6), ("::1", 3, V6)),
            (("b", 1), ("c", 1, socket.AF_UNSPEC)),
            (("other", 1), ("other", 1, socket.AF_UNSPEC)),
        ],
    )
    def test_what_is_asked_instead(self, asked: Any, expected: Any) -> None:
        inner = Answers()
        assert resolve(OverrideResolver(inner, self.MAPPING), *asked) == []
        assert inner.asked == [expected]

    def test_the_mapping_may_change(self) -> None:
        mapping: dict[Any, Any] = {}
        resolver = OverrideResolver(resolver=BlockingResolver(), mapping=mapping)
        mapping["example.com"] = "127.0.0.7"
        assert resolve(resolver, "example.com", 80) == [(V4, ("127.0.0.7", 80))]

    def test_an_error_is_the_inner_resolvers(self) -> None:
        resolver = OverrideResolver(BlockingResolver(), {"example.com": "nothing.invalid"})
        with pytest.raises(socket.gaierror):
            resolve(resolver, "example.com", 80)

    def test_the_inner_resolver_is_closed(self) -> None:
        inner = Answers()
        OverrideResolver(inner, {}).close()
        assert inner.closed == 1


class TestConfiguring:
    @pytest.mark.parametrize("package", ["tornadic", "tornado"])
    @pytest.mark.parametrize("kind", [*KINDS, OverrideResolver])
    def test_by_name(self, package: str, kind: type[Resolver]) -> None:
        Resolver.configure(f"{package}.netutil.{kind.__name__}")
        assert Resolver.configured_class() is kind

    def test_with_arguments(self) -> None:
        Resolver.configure("tornado.netutil.ThreadedResolver", num_threads=4)
        resolver = Resolver()
        assert isinstance(resolver, ThreadedResolver)
        assert isinstance(resolver.executor, futures.ThreadPoolExecutor)
        assert resolver.executor._max_workers == 4

    def test_by_class(self) -> None:
        Resolver.configure(OverrideResolver, resolver=BlockingResolver(), mapping={"a": "::1"})
        assert resolve(Resolver(), "a", 1) == [(V6, ("::1", 1, 0, 0))]

    def test_back_to_the_default(self) -> None:
        Resolver.configure(BlockingResolver)
        Resolver.configure(None)
        assert type(Resolver()) is DefaultLoopResolver

    def test_no_such_class(self) -> None:
        with pytest.raises(ImportError):
            Resolver.configure("tornado.netutil.NoSuchResolver")
        with pytest.raises(ValueError, match="subclass"):
            Resolver.configure(dict)  # type: ignore[arg-type]

    def test_under_the_alias(self) -> None:
        code = """
from tornadic.compat import install_as_tornado
install_as_tornado()
import tornado.netutil, tornadic.netutil
for name in ("tornado.netutil.ThreadedResolver", "tornadic.netutil.ThreadedResolver"):
    tornado.netutil.Resolver.configure(name, num_threads=2)
    assert type(tornado.netutil.Resolver()) is tornadic.netutil.ThreadedResolver
assert tornado.netutil.ThreadedResolver.__module__ == "tornado.netutil"
"""
        subprocess.run([sys.executable, "-c", code], check=True, timeout=50)

    def test_a_class_of_ones_own(self) -> None:
        Resolver.configure(Answers)
        resolver = Resolver()
        assert isinstance(resolver, Answers)
        resolve(resolver, "a", 1)
        assert resolver.asked == [("a", 1, socket.AF_UNSPEC)]

    def test_the_base_class_resolves_nothing(self) -> None:
        class Unfinished(Resolver):
            pass

        with pytest.raises(NotImplementedError):
            Unfinished().resolve("a", 1)
        Unfinished().close()


@pytest.mark.parametrize("kind", [*KINDS, OverrideResolver])
def test_the_arguments_have_the_documented_names(kind: type[Resolver]) -> None:
    parameters = inspect.signature(kind.resolve).parameters
    assert list(parameters) == ["self", "host", "port", "family"]
    assert parameters["family"].default is socket.AF_UNSPEC
    assert kind.__name__ in netutil.__all__


@given(st.ip_addresses().map(str), st.integers(0, 65535))
def test_any_address_is_its_own(ip: str, port: int) -> None:
    [(family, address)] = resolve(BlockingResolver(), ip, port)
    assert family == (V6 if ":" in ip else V4)
    assert socket.inet_pton(family, address[0]) == socket.inet_pton(family, ip)
    assert address[1] == port


@given(st.text(st.characters(codec="ascii"), max_size=80) | st.text(max_size=80))
def test_any_text_is_an_address_or_left_to_the_lookup(host: str) -> None:
    """What is not written out is never guessed at, and nothing but an `OSError` is raised."""
    from tornadic._resolvers import written_out

    try:
        found = written_out(host, 80, socket.AF_UNSPEC)
    except OSError as e:
        assert e.errno == socket.EAI_NONAME and "\0" in host
        return
    if found is not None:
        assert is_valid_ip(host)
    else:
        assert not host.isascii() or not is_valid_ip(host)


def test_an_error_is_an_oserror_with_its_number() -> None:
    with pytest.raises(OSError) as caught:
        resolve(Resolver(), "x" * 64, 80)
    assert caught.value.errno == socket.EAI_NONAME != errno.ENOENT
