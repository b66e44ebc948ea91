"""Listening sockets on loopback, and what is an IP address."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.running import run

from tornadic.netutil import (
    add_accept_handler,
    bind_sockets,
    bind_unix_socket,
    is_valid_ip,
)


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    """Sockets to be closed in the end."""
    sockets: list[socket.socket] = []
    yield sockets
    for sock in sockets:
        sock.close()


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


class TestBindSockets:
    def test_listens(self, opened: list[socket.socket]) -> None:
        opened += bind_sockets(0, "127.0.0.1")
        (sock,) = opened
        assert sock.family == socket.AF_INET
        assert not sock.getblocking()
        host, port = sock.getsockname()
        assert host == "127.0.0.1" and port > 0
        with socket.create_connection((host, port)):
            pass

    def test_one_port_for_all_families(self, opened: list[socket.socket]) -> None:
        opened += bind_sockets(0, "localhost")
        assert len({sock.getsockname()[1] for sock in opened}) == 1

    @pytest.mark.parametrize("address", [None, ""])
    def test_all_interfaces(self, address: str | None, opened: list[socket.socket]) -> None:
        opened += bind_sockets(0, address)
        hosts = {sock.getsockname()[0] for sock in opened}
        assert "0.0.0.0" in hosts
        assert hosts <= {"0.0.0.0", "::"}
        assert len({sock.getsockname()[1] for sock in opened}) == 1

    @pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
    def test_one_family(self, family: socket.AddressFamily, opened: list[socket.socket]) -> None:
        if family == socket.AF_INET6 and not has_ipv6_loopback():
            pytest.skip("this host has no IPv6")
        opened += bind_sockets(0, "localhost" if family == socket.AF_INET else "::1", family)
        assert {sock.family for sock in opened} == {family}

    def test_a_given_port(self, opened: list[socket.socket]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        opened += bind_sockets(port, "127.0.0.1")
        assert opened[0].getsockname()[1] == port

    def test_port_in_use(self, opened: list[socket.socket]) -> None:
        opened += bind_sockets(0, "127.0.0.1")
        with pytest.raises(OSError) as caught:
            bind_sockets(opened[0].getsockname()[1], "127.0.0.1")
        assert caught.value.errno == errno.EADDRINUSE

    def test_reuse_port(self, opened: list[socket.socket]) -> None:
        opened += bind_sockets(0, "127.0.0.1", reuse_port=True)
        port = opened[0].getsockname()[1]
        opened += bind_sockets(port, "127.0.0.1", reuse_port=True)
        assert opened[0].getsockname() == opened[1].getsockname()

    def test_reuse_port_where_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(socket, "SO_REUSEPORT", raising=False)
        with pytest.raises(ValueError, match="SO_REUSEPORT"):
            bind_sockets(0, "127.0.0.1", reuse_port=True)

    def test_flags(self, opened: list[socket.socket]) -> None:
        flags = socket.AI_PASSIVE | socket.AI_NUMERICHOST
        opened += bind_sockets(0, "127.0.0.1", flags=flags)
        with pytest.raises(socket.gaierror):
            bind_sockets(0, "localhost", flags=flags)

    def test_unknown_host(self) -> None:
        with pytest.raises(socket.gaierror):
            bind_sockets(0, "no such host")

    def test_sockets_are_not_inherited(self, opened: list[socket.socket]) -> None:
        opened += bind_sockets(0, "127.0.0.1")
        assert not os.get_inheritable(opened[0].fileno())

    def test_nothing_stays_open_after_a_failure(
        self, monkeypatch: pytest.MonkeyPatch, opened: list[socket.socket]
    ) -> None:
        opened += bind_sockets(0, "127.0.0.1")
        taken = opened[0].getsockname()[1]
        entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses = [(*entry, ("127.0.0.1", 0)), (*entry, ("127.0.0.1", taken))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args: addresses)
        # A socket left open would be a ResourceWarning, and so a failure.
        with pytest.raises(OSError):
            bind_sockets(taken, "127.0.0.1")

    def test_an_address_twice_in_the_answer(
        self, monkeypatch: pytest.MonkeyPatch, opened: list[socket.socket]
    ) -> None:
        entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args: [entry, entry])
        opened += bind_sockets(0, "127.0.0.1")
        assert len(opened) == 1


class TestBindUnixSocket:
    def test_listens_with_its_mode(self, tmp_path: Path, opened: list[socket.socket]) -> None:
        file = tmp_path / "s"
        opened.append(bind_unix_socket(str(file)))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not opened[0].getblocking()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(file))

    def test_another_mode(self, tmp_path: Path, opened: list[socket.socket]) -> None:
        opened.append(bind_unix_socket(str(tmp_path / "s"), mode=0o666, backlog=1))
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o666

    def test_replaces_a_socket(self, tmp_path: Path, opened: list[socket.socket]) -> None:
        file = str(tmp_path / "s")
        opened.append(bind_unix_socket(file))
        opened.append(bind_unix_socket(file))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(file)
            opened[1].setblocking(True)
            opened[1].accept()[0].close()

    @pytest.mark.parametrize("kind", ["file", "directory", "link"])
    def test_replaces_nothing_else(self, kind: str, tmp_path: Path) -> None:
        file = tmp_path / "s"
        if kind == "directory":
            file.mkdir()
        else:
            target = tmp_path / "target"
            target.write_text("precious")
            file.symlink_to(target) if kind == "link" else target.rename(file)
        with pytest.raises(ValueError, match="exists and is not a socket"):
            bind_unix_socket(str(file))
        assert file.is_dir() or file.read_text() == "precious"

    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            bind_unix_socket(str(tmp_path / "no" / "s"))

    @pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="only on Linux")
    def test_abstract_name(self, opened: list[socket.socket]) -> None:
        name = f"\0tornadic-test-{os.getpid()}"
        opened.append(bind_unix_socket(name))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(name)


class TestAddAcceptHandler:
    def test_calls_back_until_removed(self, opened: list[socket.socket]) -> None:
        async def main() -> None:
            opened.extend(bind_sockets(0, "127.0.0.1"))
            address = opened[0].getsockname()
            accepted: asyncio.Queue[tuple[socket.socket, Any]] = asyncio.Queue()
            remove = add_accept_handler(opened[0], lambda *pair: accepted.put_nowait(pair))
            for _ in range(2):
                with socket.create_connection(address) as client:
                    connection, peer = await accepted.get()
                    assert peer == client.getsockname()
                    connection.close()
            remove()
            remove()  # once more does no harm
            with socket.create_connection(address):
                for _ in range(5):
                    await asyncio.sleep(0)
                assert accepted.empty()
            assert opened[0].fileno() >= 0

        run(main)

    def test_many_at_once(self, opened: list[socket.socket]) -> None:
        async def main() -> None:
            opened.extend(bind_sockets(0, "127.0.0.1"))
            accepted: list[socket.socket] = []
            done = asyncio.Event()

            def callback(connection: socket.socket, address: Any) -> None:
                accepted.append(connection)
                if len(accepted) == 100:
                    done.set()

            remove = add_accept_handler(opened[0], callback)
            clients = [socket.create_connection(opened[0].getsockname()) for _ in range(100)]
            await done.wait()
            remove()
            opened.extend(clients + accepted)

        run(main)

    def test_removed_in_the_callback(self, opened: list[socket.socket]) -> None:
        async def main() -> None:
            opened.extend(bind_sockets(0, "127.0.0.1"))
            accepted: list[socket.socket] = []

            def callback(connection: socket.socket, address: Any) -> None:
                accepted.append(connection)
                remove()

            remove = add_accept_handler(opened[0], callback)
            for _ in range(3):
                opened.append(socket.create_connection(opened[0].getsockname()))
            while not accepted:
                await asyncio.sleep(0)
            for _ in range(5):
                await asyncio.sleep(0)
            assert len(accepted) == 1
            opened.extend(accepted)

        run(main)

    def test_accepted_elsewhere_in_between(self, opened: list[socket.socket]) -> None:
        """Several processes may wait for the same connection; only one gets it."""

        async def main() -> None:
            opened.extend(bind_sockets(0, "127.0.0.1"))
            listening = opened[0]
            add_accept_handler(listening, lambda *pair: accepted.append(pair))
            opened.append(socket.create_connection(listening.getsockname()))
            thread = threading.Thread(target=lambda: opened.append(listening.accept()[0]))
            thread.start()
            thread.join()
            for _ in range(5):
                await asyncio.sleep(0)
            assert accepted == []

        accepted: list[Any] = []
        run(main)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("127.0.0.1", True),
        ("4.4.4.4", True),
        ("0.0.0.0", True),
        ("::1", True),
        ("2620:0:1cfe:face:b00c::3", True),
        ("::ffff:1.2.3.4", True),
        ("www.google.com", False),
        ("localhost", False),
        ("4.4.4.4<", False),
        (" 127.0.0.1", False),
        ("127.0.0.1 ", False),
        ("127.0.0.1\n", False),
        ("", False),
        (" ", False),
        ("\n", False),
        ("\x00", False),
        ("127.0.0.1\x00", False),
        ("a" * 100, False),
        ("a." * 500, False),
        ("256.1.1.1", False),
        ("1.2.3.4.5", False),
        ("[::1]", False),
        ("::1::", False),
        ("12345::", False),
        ("127.0.0.1:80", False),
        ("é", False),
        ("1.2.3.4, 5.6.7.8", False),
        ("\u0661.2.3.4", False),
        ("::1%lo; rm", False),
    ],
)
def test_is_valid_ip(text: str, valid: bool) -> None:
    assert is_valid_ip(text) is valid
