"""Free ports, and context managers for a test."""

from __future__ import annotations

import contextlib
import socket
import unittest
from collections.abc import Iterator
from typing import Any

import pytest
from tests.testing.support import run_case

from tornadic.testing import bind_unused_port, setup_with_context_manager


class TestPorts:
    def test_listens_on_a_free_port(self) -> None:
        first, port = bind_unused_port()
        second, another = bind_unused_port()
        with first, second:
            assert port != another
            assert first.getsockname() == ("127.0.0.1", port)
            assert not first.getblocking()
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.setblocking(True)

    @pytest.mark.parametrize(
        ("address", "bound"), [("127.0.0.2", "127.0.0.2"), ("", "0.0.0.0"), ("localhost", None)]
    )
    def test_another_address(self, address: str, bound: str | None) -> None:
        sock, port = bind_unused_port(address=address)
        with sock:
            assert sock.getsockname() == (bound or "127.0.0.1", port)

    def test_ipv6(self) -> None:
        try:
            sock, port = bind_unused_port(address="::1")
        except OSError:
            pytest.skip("this machine has no IPv6")
        with sock:
            assert sock.getsockname()[:2] == ("::1", port)

    def test_no_such_address(self) -> None:
        with pytest.raises(OSError):
            bind_unused_port(address="192.0.2.1")

    @pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="needs SO_REUSEPORT")
    def test_reuse_port(self) -> None:
        sock, port = bind_unused_port(reuse_port=True)
        with sock, socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(("127.0.0.1", port))
        sock, port = bind_unused_port()
        with sock, socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError):
                other.bind(("127.0.0.1", port))


class TestContextManagers:
    def test_last_for_the_test(self) -> None:
        events: list[str] = []

        @contextlib.contextmanager
        def manager(name: str) -> Iterator[str]:
            events.append(f"{name} entered")
            yield name
            events.append(f"{name} left")

        class Case(unittest.TestCase):
            def setUp(self) -> None:
                assert setup_with_context_manager(self, manager("one")) == "one"
                setup_with_context_manager(self, manager("two"))

            def test(self) -> None:
                events.append("test")
                self.fail()

            def tearDown(self) -> None:
                events.append("tearDown")

        assert isinstance(run_case(Case).error(), AssertionError)
        assert events == [
            "one entered",
            "two entered",
            "test",
            "tearDown",
            "two left",
            "one left",
        ]

    def test_that_fails_to_leave(self) -> None:
        class Case(unittest.TestCase):
            def test(self) -> None:
                setup_with_context_manager(self, contextlib.closing(NotClosing()))

        assert isinstance(run_case(Case).error(), OSError)

    def test_nothing_else(self) -> None:
        wrong: Any = 5
        with pytest.raises(TypeError):
            setup_with_context_manager(unittest.TestCase(), wrong)


class NotClosing:
    """Has no way out."""

    def close(self) -> None:
        raise OSError("stuck")
