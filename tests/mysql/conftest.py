"""The database, and a table of a test's own in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.mysql.support import Server, database, run

from tornadic.mysql import connect


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with database(lambda: tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture
def people(server: Server) -> Iterator[str]:
    """The name of a table of people, with three rows."""

    async def send(*statements: str) -> None:
        async with connect(**server.arguments, autocommit=True) as connection:
            for statement in statements:
                await connection.query(statement)

    name = f"tornadic_people_{os.getpid()}"
    columns = "id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) UNIQUE, born DATE, size DOUBLE"
    rows = "('Ada', '1815-12-10', 1.5), ('Zoë €😀', NULL, NULL), ('%s', '2000-01-01', 0.25)"
    run(
        lambda: send(
            f"DROP TABLE IF EXISTS {name}",
            f"CREATE TABLE {name} ({columns}) ENGINE=InnoDB CHARACTER SET utf8mb4",
            f"INSERT INTO {name} (name, born, size) VALUES {rows}",
        )
    )
    yield name
    run(lambda: send(f"DROP TABLE {name}"))
