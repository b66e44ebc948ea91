"""Masks: the ways to make them agree, at every length and wherever the data lie."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.frames.framing import KEY, xor

from tornadic.frames import masking
from tornadic.frames.masking import mask, mask_by_integer, mask_by_translation, mask_in_python

Way = Callable[[bytes, bytes | bytearray | memoryview], bytes]

WAYS: list[Way] = [mask_by_integer, mask_by_translation, mask_in_python]
if importlib.util.find_spec("tornadic.frames._masking"):
    from tornadic.frames._masking import mask as mask_in_c

    WAYS.append(mask_in_c)

every_way = pytest.mark.parametrize("way", WAYS)


@every_way
class TestWays:
    def test_every_length(self, way: Way) -> None:
        data = bytes(range(256)) * 4
        for size in range(len(data)):
            assert way(KEY, data[:size]) == xor(KEY, data[:size])

    def test_every_alignment(self, way: Way) -> None:
        data = memoryview(bytes(range(1, 150)))
        for start in range(17):
            for size in range(0, 80, 3):
                piece = data[start : start + size]
                assert way(KEY, piece) == xor(KEY, bytes(piece))

    @given(key=st.binary(min_size=4, max_size=4), data=st.binary(max_size=3000))
    def test_definition(self, way: Way, key: bytes, data: bytes) -> None:
        masked = way(key, data)
        assert masked == xor(key, data)
        assert way(key, masked) == data

    @pytest.mark.parametrize("size", [599, 600, 601, 65537, (1 << 20) + 3])
    def test_large(self, way: Way, size: int) -> None:
        data = (bytes(range(251)) * (size // 251 + 1))[:size]
        masked = way(KEY, data)
        assert len(masked) == size
        assert masked != data
        assert masked[-9:] == xor(KEY[(size - 9) % 4 :] + KEY[: (size - 9) % 4], data[-9:])
        assert way(KEY, masked) == data

    def test_kinds_of_data(self, way: Way) -> None:
        for data in (b"abcdefg", bytearray(b"abcdefg"), memoryview(b"abcdefg")):
            assert way(KEY, data) == xor(KEY, b"abcdefg")
            assert type(way(KEY, data)) is bytes
        assert data == b"abcdefg"

    @pytest.mark.parametrize("key", [b"", b"abc", b"abcde"])
    def test_length_of_the_key(self, way: Way, key: bytes) -> None:
        with pytest.raises(ValueError, match="mask must be 4 bytes"):
            way(key, b"data")

    def test_what_is_not_bytes(self, way: Way) -> None:
        for arguments in [(KEY, "text"), ("text", b"data"), (KEY, None), (KEY,), (KEY, b"", b"")]:
            with pytest.raises(TypeError):
                way(*arguments)  # type: ignore[arg-type]


class TestExtension:
    def test_is_used_where_it_is(self) -> None:
        wanted = not os.environ.get("TORNADIC_NO_EXTENSION")
        assert (len(WAYS) == 4 and wanted) == masking.HAS_EXTENSION == (mask is not mask_in_python)

    def test_was_built(self) -> None:
        if not any(map(os.path.exists, ["/usr/bin/cc", "/usr/bin/gcc", "/usr/bin/clang"])):
            pytest.skip("no compiler to build it with")
        assert len(WAYS) == 4

    @pytest.mark.parametrize("value, ignored", [("1", True), ("", False)])
    def test_can_be_left_aside(self, value: str, ignored: bool) -> None:
        if len(WAYS) < 4:
            pytest.skip("the extension is not built")
        code = (
            "from tornadic.frames import masking, reader\n"
            "from tornadic import util\n"
            "assert reader.mask is masking.mask is util._websocket_mask\n"
            "print(masking.HAS_EXTENSION, masking.mask(b'abcd', b'data').hex())"
        )
        environment = {**os.environ, "TORNADIC_NO_EXTENSION": value}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=50, check=True)
        assert done.stdout.decode().split() == [str(not ignored), xor(b"abcd", b"data").hex()]

    def test_under_the_alias(self) -> None:
        code = (
            "from tornadic.compat import install_as_tornado\n"
            "install_as_tornado()\n"
            "from tornado.util import _websocket_mask\n"
            "from tornadic.frames import masking\n"
            "assert _websocket_mask is masking.mask\n"
            "print(masking.HAS_EXTENSION)"
        )
        environment = {**os.environ, "TORNADIC_NO_EXTENSION": ""}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=50, check=True)
        assert done.stdout.decode().strip() == str(len(WAYS) == 4)

    def test_data_in_more_than_one_piece(self) -> None:
        if len(WAYS) < 4:
            pytest.skip("the extension is not built")
        with pytest.raises(BufferError):
            mask_in_c(KEY, memoryview(b"abcdefgh")[::2])

    def test_holds_on_to_nothing(self) -> None:
        data = bytearray(b"abc")
        key = bytearray(b"abcd")
        mask(key, data)  # type: ignore[arg-type]
        for wrong in (bytearray(), "text"):
            with pytest.raises((TypeError, ValueError)):
                mask(wrong, data)  # type: ignore[arg-type]
            with pytest.raises((TypeError, ValueError)):
                mask(key, "text")  # type: ignore[arg-type]
        data += b"can be resized"
        key += b"too"


class TestKeys:
    def test_are_never_the_same(self) -> None:
        # Four in four thousand million may be, by the birthday paradox, but hardly more.
        keys = {masking.new_key() for _ in range(5000)}
        assert len(keys) > 4990
        assert {len(key) for key in keys} == {4}

    def test_a_child_has_keys_of_its_own(self) -> None:
        code = (
            "import os\n"
            "from tornadic.frames.masking import new_key\n"
            "new_key()\n"
            "ours, theirs = os.pipe()\n"
            "if not os.fork():\n"
            "    os.write(theirs, b''.join([new_key() for _ in range(8)]))\n"
            "    os._exit(0)\n"
            "mine = b''.join([new_key() for _ in range(8)])\n"
            "assert os.wait()[1] == 0\n"
            "child = os.read(ours, 100)\n"
            "assert len(child) == 32 and child != mine"
        )
        subprocess.run([sys.executable, "-c", code], timeout=50, check=True)
