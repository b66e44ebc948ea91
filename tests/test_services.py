"""What tests need beside us is found, started, or said to be missing."""

from __future__ import annotations

import sys

import pytest
from tests.services import Program, free_port, is_listening, missing, redis_server


def test_what_is_missing_is_skipped_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORNADIC_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no such thing"):
        missing("there is no such thing")
    monkeypatch.setenv("TORNADIC_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="there is no such thing"):
        missing("there is no such thing")


def test_without_a_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("TORNADIC_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no redis-server"), redis_server():
        pass


def test_who_is_listening() -> None:
    assert not is_listening(free_port())
    with redis_server() as server:
        assert is_listening(server.port)
        assert is_listening(server.port, b"PING\r\n", b"+PONG")
        assert not is_listening(server.port, b"PING\r\n", b"-PONG")
    assert not is_listening(server.port)


def test_a_program_that_does_not_start() -> None:
    command = [sys.executable, "-c", "print('no room here')"]
    with pytest.raises(RuntimeError, match="no room here"):
        Program(command, lambda line: "ready" in line)
