"""A MariaDB to talk to: the one that listens on this machine, or a private one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.running import run as run
from tests.services import Program, free_port, is_listening, missing

_T = TypeVar("_T")

MARIADB_PORT = 3306
PATIENCE = 40.0 * float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
MARIADBD = shutil.which("mariadbd") or shutil.which("mysqld") or shutil.which("/usr/sbin/mariadbd")


@dataclass
class Server:
    """Where a server listens, and its program if it is private."""

    port: int
    program: Program | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "root",
            "passwd": "",
            "db": "test",
        }

    def kill(self) -> None:
        assert self.program is not None
        self.program.kill()


class Private:
    """A server of the tests' own, in a folder; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        if MARIADBD is None:
            missing("there is no MariaDB to start")
        self.folder = folder
        self.port = free_port()
        self.common = [
            "--no-defaults",
            f"--datadir={folder}/data",
            f"--user={'root' if os.getuid() == 0 else os.environ.get('USER', 'mysql')}",
        ]
        install = shutil.which("mariadb-install-db") or shutil.which("mysql_install_db")
        assert install is not None
        subprocess.run(
            [install, *self.common, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
            timeout=50,
        )

    def start(self) -> Server:
        assert MARIADBD is not None
        command = [
            MARIADBD,
            *self.common,
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.folder}/socket",
            f"--pid-file={self.folder}/pid",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=8M",
        ]
        return Server(self.port, Program(command, lambda line: "ready for connections" in line))


@contextlib.contextmanager
def database(folder: Callable[[], Path]) -> Iterator[Server]:
    """The server that listens on 3306, or else a private one in a new ``folder()``."""
    if is_listening(MARIADB_PORT):
        yield Server(MARIADB_PORT)
        return
    server = Private(folder()).start()
    create = "CREATE DATABASE test"
    subprocess.run(
        ["mariadb", "-h127.0.0.1", f"-P{server.port}", "-uroot", "-e", create], check=True
    )
    try:
        yield server
    finally:
        server.kill()
