"""Identity: what a proxy says of the client counts only if it was asked for, and is well-formed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.web.support import application, run, serving

from tornadic.web import RequestHandler

PEER = ["127.0.0.1", "http"]


class Who(RequestHandler):
    def get(self) -> None:
        self.write(json.dumps([self.request.remote_ip, self.request.protocol]))


def seen(*requests: list[tuple[str, str]], **options: Any) -> list[list[str]]:
    """What a server with ``options`` makes of requests with these fields on one connection."""

    async def main() -> list[list[str]]:
        async with serving(application(Who), **options) as server:
            client = await server.connect()
            return [
                json.loads((await client.request(headers=fields)).body)
                for fields in (*requests, [])  # what one says is not the next one's
            ]

    *found, last = run(main)
    assert last == PEER
    return found


ALL = [
    ("X-Real-Ip", "192.0.2.1"),
    ("X-Forwarded-For", "192.0.2.2"),
    ("X-Scheme", "https"),
    ("X-Forwarded-Proto", "https"),
]


def test_nothing_counts_without_xheaders() -> None:
    assert seen(ALL) == [PEER]
    assert seen(ALL, trusted_downstream=["127.0.0.1"]) == [PEER]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (ALL, ["192.0.2.1", "https"]),
        ([("X-Real-Ip", "2001:db8::1")], ["2001:db8::1", "http"]),
        ([("X-Forwarded-For", "192.0.2.2")], ["192.0.2.2", "http"]),
        ([("X-Forwarded-For", "192.0.2.9, 192.0.2.2")], ["192.0.2.2", "http"]),
        ([("X-Forwarded-For", "192.0.2.9,\t192.0.2.2 ")], ["192.0.2.2", "http"]),
        ([("X-Forwarded-For", "::1"), ("x-forwarded-for", "::2")], ["::2", "http"]),
        ([("X-Forwarded-Proto", "https")], ["127.0.0.1", "https"]),
        ([("X-Forwarded-Proto", "http, https")], ["127.0.0.1", "https"]),
        ([("X-Scheme", "http"), ("X-Forwarded-Proto", "https")], PEER),
    ],
)
def test_what_counts(fields: list[tuple[str, str]], expected: list[str]) -> None:
    assert seen(fields, xheaders=True) == [expected]


@pytest.mark.parametrize("name", ["X-Real-Ip", "X-Forwarded-For"])
@pytest.mark.parametrize(
    "address",
    [
        "",
        "unknown",
        "localhost",
        "evil.example",
        "192.0.2.1:80",
        "192.0.2.256",
        "192.0.2",
        "1",
        "0x7f.1",
        "0300.0.2.1",
        "::1%<script>",
        "[::1]",
        "::1]",
        "2001:db8::g",
        "192.0.2.1 192.0.2.2",
        "192.0.2.1;",
        "<script>",
        "\xe9",
        "192.0.2.1, ",
        "9" * 5000,
    ],
)
def test_what_is_no_address_is_nobodys(name: str, address: str) -> None:
    assert seen([(name, address)], xheaders=True) == [PEER]


def test_two_addresses_where_there_is_one() -> None:
    fields = [("X-Real-Ip", "192.0.2.1"), ("X-Real-Ip", "192.0.2.2")]
    assert seen(fields, xheaders=True) == [PEER]


@pytest.mark.parametrize("scheme", ["", "ftp", "HTTPS", "https://", "javascript", "https, ws"])
@pytest.mark.parametrize("name", ["X-Scheme", "X-Forwarded-Proto"])
def test_what_is_no_scheme_of_ours(name: str, scheme: str) -> None:
    assert seen([(name, scheme)], xheaders=True) == [PEER]


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        ("192.0.2.9, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
        ("192.0.2.9, 192.0.2.1, 10.0.0.2, 10.0.0.1", "192.0.2.1"),
        # Whoever stands in front of one that is not trusted may have made it up.
        ("10.0.0.2, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("10.0.0.2, 10.0.0.1", "10.0.0.2"),
        ("192.0.2.1, evil, 10.0.0.1", "127.0.0.1"),
    ],
)
def test_trusted_proxies_are_passed_over(hops: str, expected: str) -> None:
    trusted = ["10.0.0.1", "10.0.0.2"]
    fields = [("X-Forwarded-For", hops)]
    assert seen(fields, xheaders=True, trusted_downstream=trusted) == [[expected, "http"]]


def test_many_hops_take_linear_time() -> None:
    fields = [("X-Forwarded-For", "10.0.0.1," * 7000 + "192.0.2.1" + ",10.0.0.1" * 200)]
    found = seen(fields, xheaders=True, trusted_downstream=["10.0.0.1"])
    assert found == [["192.0.2.1", "http"]]
