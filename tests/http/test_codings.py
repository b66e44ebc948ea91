"""Content codings: which one a client gets, and that what is encoded is read back."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic.http import codings
from tornadic.http.codings import PIECE, choose, decoder, encoder

ALL = ("zstd", "br", "gzip")
LEVELS = {"zstd": 3, "br": 4, "gzip": 6}


class TestChoice:
    @pytest.mark.parametrize(
        ("accepted", "chosen"),
        [
            ("gzip", "gzip"),
            ("GZIP", "gzip"),
            ("x-gzip", "gzip"),
            ("gzip, br;q=1.0", "br"),
            ("gzip;q=0.8, br;q=0.5", "gzip"),
            ("gzip ; Q=0.8 , br;q = 0.5", "gzip"),
            ("*", None),
            ("*;q=0.3, br;q=0.2", "br"),
            ("zstd;q=0, br, *", "br"),
            ("gzip, *;q=0", "gzip"),
            ("gzip;q=0", None),
            ("gzip;q=0.000", None),
            ("gzip;q=0.5, identity;q=0.8", None),
            ("gzip;q=0.8, identity;q=0.5", "gzip"),
            ("gzip, identity", "gzip"),
            ("gzip;q=nan", None),
            ("gzip;q=-1", None),
            ("gzip;q=0.1234", None),
            ("gzip;q=", None),
            ("compress, deflate", None),
            ("", None),
            (",;,", None),
            ("gzip" + " " * 508, "gzip"),
            ("gzip" + " " * 509, None),
        ],
    )
    def test_by_weight(self, accepted: str, chosen: str | None) -> None:
        assert choose(accepted, ALL) == chosen

    @given(st.text("gzipbrstd*;q=0.19, ", max_size=60))
    def test_whatever_is_sent(self, accepted: str) -> None:
        assert choose(accepted, ALL) in (*ALL, None)
        assert choose(accepted, ()) is None


def zstd() -> Any:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return pytest.importorskip(name)


def decompress(coding: str, data: bytes) -> bytes:
    """By the other side's own library, without any of ours."""
    reads: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
        "gzip": lambda: gzip.decompress,
        "br": lambda: pytest.importorskip("brotli").decompress,
        "zstd": lambda: zstd().decompress,
    }
    return reads[coding]()(data)


def stream_of(coding: str) -> Callable[[bytes], bytes]:
    """What decodes piece by piece, by the other side's own library."""
    if coding == "gzip":
        return zlib.decompressobj(31).decompress
    if coding == "zstd":
        decompress: Callable[[bytes], bytes] = zstd().ZstdDecompressor().decompress
        return decompress
    process = pytest.importorskip("brotli").Decompressor().process

    def read(data: bytes) -> bytes:
        """It hands out what it has in several pieces."""
        found = process(data)
        while piece := process(b""):
            found += piece
        return bytes(found)

    return read


class TestThereOrNot:
    def test_all_are_there(self) -> None:
        assert codings.AVAILABLE == ALL

    @pytest.mark.parametrize("missing", ["brotli", "backports.zstd", "both"])
    def test_packages_are_not_needed(self, missing: str) -> None:
        names = ["brotli", "backports.zstd"] if missing == "both" else [missing]
        if "backports.zstd" in names:
            names.append("compression.zstd")
        script = f"""
import sys
for name in {names!r}:
    sys.modules[name] = None
from tornadic.http import codings
from tornadic.simple_httpclient import decoding
from tornadic.web import NegotiatedContentEncoding
assert NegotiatedContentEncoding.CODINGS == codings.AVAILABLE
print(*codings.AVAILABLE, "/", decoding.ACCEPTED)
print([codings.decoder(name) is not None for name in {ALL!r}])
"""
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
        )
        there = {
            "brotli": "zstd gzip / gzip, zstd\n[True, False, True]\n",
            "backports.zstd": "br gzip / gzip, br\n[False, True, True]\n",
            "both": "gzip / gzip\n[False, False, True]\n",
        }
        assert done.stdout == there[missing]

    def test_what_nobody_knows(self) -> None:
        assert decoder("compress") is None
        assert decoder("identity") is None
        assert decoder("X-GZip") is not None


@pytest.mark.parametrize("coding", ALL)
class TestCoding:
    @given(pieces=st.lists(st.binary(max_size=3000), min_size=1, max_size=6))
    def test_what_is_encoded_is_read_back(self, coding: str, pieces: list[bytes]) -> None:
        encode = encoder(coding, LEVELS[coding], whole=len(pieces) == 1)
        last = len(pieces) - 1
        encoded = [encode(piece, i == last) for i, piece in enumerate(pieces)]
        assert decompress(coding, b"".join(encoded)) == b"".join(pieces)
        ours = decoder(coding)
        assert ours is not None
        found = b"".join(piece for data in encoded for piece in ours.decode(data))
        ours.finish()
        assert found == b"".join(pieces)

    def test_each_piece_can_be_read_at_once(self, coding: str) -> None:
        encode = encoder(coding, LEVELS[coding], whole=False)
        read = stream_of(coding)
        for i in range(5):
            piece = b"piece %d;" % i * (10_000 if i == 3 else 1)
            assert read(encode(piece, False)) == piece
        assert read(encode(b"the end", True)) == b"the end"

    def test_the_memory_of_who_decodes_is_bounded(self, coding: str) -> None:
        encode = encoder(coding, LEVELS[coding], whole=True)
        ours = decoder(coding)
        assert ours is not None
        pieces = list(ours.decode(encode(bytes(5_000_000), True)))
        assert sum(map(len, pieces)) == 5_000_000
        assert max(map(len, pieces)) <= 2 * PIECE

    def test_nothing_at_all(self, coding: str) -> None:
        assert decompress(coding, encoder(coding, 1, whole=True)(b"", True)) == b""


def test_zstd_keeps_to_the_window_that_browsers_have() -> None:
    """RFC 9659: at most 8 MB."""
    data = bytes(20_000_000)
    for whole in (True, False):
        encode = encoder("zstd", 3, whole=whole)
        encoded = encode(data, whole) + (b"" if whole else encode(b"", True))
        module = zstd()
        bounded = module.ZstdDecompressor(
            options={module.DecompressionParameter.window_log_max: 23}
        )
        assert bounded.decompress(encoded) == data
