"""Helpers: configurable hierarchies, gzip streams, masking and the small functions."""

from __future__ import annotations

import datetime
import functools
import gzip
import os
import re
import sys
import unittest
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tornadic.util as util
from tornadic.util import ArgReplacer, Configurable, GzipDecompressor, ObjectDict


class Base(Configurable):
    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return Base

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return First


class First(Base):
    def initialize(self, position: Any = None, option: Any = None) -> None:
        self.seen = (position, option)


class Second(First):
    pass


class Nested(First):
    """An implementation that is the base of a hierarchy of its own."""

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return Nested

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return Nested


class NestedChild(Nested):
    pass


class TestConfigurable:
    @pytest.fixture(autouse=True)
    def restore(self) -> Iterator[None]:
        saved = [(base, base._save_configuration()) for base in (Base, Nested)]
        yield
        for base, state in saved:
            base._restore_configuration(state)

    def test_default_implementation(self) -> None:
        instance = Base(1, option=2)
        assert type(instance) is First
        assert instance.seen == (1, 2)
        assert Base.configured_class() is First

    def test_configured_class_and_arguments(self) -> None:
        Base.configure(Second, option=5)
        assert type(Base()) is Second
        assert Base(1).seen == (1, 5)
        assert Base(1, option=6).seen == (1, 6)

    def test_implementations_are_made_directly_without_the_configured_arguments(self) -> None:
        Base.configure(Second, option=5)
        assert type(First()) is First
        assert Second(1).seen == (1, None)

    def test_configure_none_returns_to_the_default(self) -> None:
        Base.configure(Second, option=5)
        Base.configure(None)
        assert type(Base()) is First
        assert Base().seen == (None, None)

    def test_arguments_without_a_class(self) -> None:
        Base.configure(None, option=5)
        assert Base().seen == (None, 5)

    def test_configure_by_name(self) -> None:
        Base.configure(f"{__name__}.Second")
        assert type(Base()) is Second

    @pytest.mark.parametrize(
        ("implementation", "error"),
        [(ObjectDict, ValueError), ("os.nothing", ImportError), ("os.path.join", TypeError)],
    )
    def test_a_wrong_class_leaves_the_configuration_alone(
        self, implementation: Any, error: type[Exception]
    ) -> None:
        Base.configure(Second)
        with pytest.raises(error):
            Base.configure(implementation)
        assert type(Base()) is Second

    def test_an_implementation_accepts_only_its_own_subclasses(self) -> None:
        with pytest.raises(ValueError, match="Invalid subclass"):
            Second.configure(First)

    def test_nested_hierarchies(self) -> None:
        Base.configure(Nested, position=1)
        Nested.configure(NestedChild, option=2)
        assert type(Base()) is NestedChild
        assert Base().seen == (1, 2)
        assert Nested().seen == (None, 2)

    def test_nested_configuration_is_not_inherited(self) -> None:
        Base.configure(Second, option=1)
        assert type(Nested()) is Nested
        assert Nested().seen == (None, None)

    def test_saving_a_nested_hierarchy_leaves_the_outer_one_out(self) -> None:
        class Fresh(First):
            @classmethod
            def configurable_base(cls) -> type[Configurable]:
                return Fresh

        Base.configure(Second, option=1)
        assert Fresh._save_configuration() == (None, None)

    def test_saving_and_restoring(self) -> None:
        Base.configure(Second, option=1)
        saved = Base._save_configuration()
        Base.configure(None)
        Base._restore_configuration(saved)
        assert type(Base()) is Second
        assert Base().seen == (None, 1)

    def test_abstract(self) -> None:
        for use in (Configurable, Configurable.configured_class, Configurable.configurable_default):
            with pytest.raises(NotImplementedError):
                use()

    def test_no_default(self) -> None:
        class Undecided(Configurable):
            @classmethod
            def configurable_base(cls) -> type[Configurable]:
                return Undecided

            @classmethod
            def configurable_default(cls) -> Any:
                return None

        with pytest.raises(ValueError, match="not found"):
            Undecided()

    def test_initialize_takes_nothing_unless_defined(self) -> None:
        class Plain(Configurable):
            @classmethod
            def configurable_base(cls) -> type[Configurable]:
                return Plain

            @classmethod
            def configurable_default(cls) -> type[Configurable]:
                return Plain

        assert isinstance(Plain(), Plain)
        with pytest.raises(TypeError):
            Plain(1)


def test_object_dict() -> None:
    value = ObjectDict(a=1)
    value.b = 2
    assert value == {"a": 1, "b": 2}
    assert (value.a, value["b"]) == (1, 2)
    with pytest.raises(AttributeError):
        _ = value.missing


def decompress(data: bytes, max_length: int, cut: int | None = None) -> bytes:
    """Decompress in pieces of ``cut`` bytes; check the bound on each call's result."""
    decompressor = GzipDecompressor()
    result = b""
    for start in range(0, len(data), cut or len(data) or 1):
        pending = data[start : start + (cut or len(data))]
        while pending:
            output = decompressor.decompress(pending, max_length)
            assert len(output) <= max_length
            result += output
            pending = decompressor.unconsumed_tail
    assert decompressor.flush() == b""
    return result


class TestGzipDecompressor:
    @given(
        st.lists(st.binary(max_size=300), max_size=4),
        st.integers(1, 400),
        st.integers(1, 100),
    )
    def test_any_members_any_cuts(self, members: list[bytes], max_length: int, cut: int) -> None:
        stream = b"".join(map(gzip.compress, members))
        assert decompress(stream, max_length, cut) == b"".join(members)

    @given(st.binary(max_size=200), st.integers(1, 50))
    def test_arbitrary_bytes_raise_only_zlib_error(self, data: bytes, cut: int) -> None:
        for start in (b"", gzip.compress(b"x"), b"\x1f\x8b\x08\0"):
            try:
                decompress(start + data, 100, cut)
            except zlib.error:
                pass

    def test_the_bound_at_n_and_beyond(self) -> None:
        stream = gzip.compress(b"x" * 1000)
        for max_length, expected in ((999, 999), (1000, 1000), (1001, 1000)):
            assert len(GzipDecompressor().decompress(stream, max_length)) == expected

    def test_a_bomb_is_held_back(self) -> None:
        decompressor = GzipDecompressor()
        output = decompressor.decompress(gzip.compress(bytes(10_000_000)), 1000)
        assert len(output) == 1000
        assert decompressor.unconsumed_tail

    def test_thousands_of_empty_members_take_one_call(self) -> None:
        decompressor = GzipDecompressor()
        assert decompressor.decompress(gzip.compress(b"") * 5000, 10) == b""
        assert decompressor.unconsumed_tail == b""
        decompressor.flush()

    @pytest.mark.parametrize("missing", [1, 8, 9, 15])
    def test_truncated_stream(self, missing: int) -> None:
        decompressor = GzipDecompressor()
        decompressor.decompress(gzip.compress(b"hello")[:-missing], 100)
        with pytest.raises(zlib.error, match="truncated"):
            decompressor.flush()

    def test_truncated_second_member(self) -> None:
        decompressor = GzipDecompressor()
        decompressor.decompress(gzip.compress(b"hello") + b"\x1f", 100)
        with pytest.raises(zlib.error, match="truncated"):
            decompressor.flush()

    @pytest.mark.parametrize("trailer", [b"junk", b"\0", b"\x1fx"])
    def test_trailing_data(self, trailer: bytes) -> None:
        with pytest.raises(zlib.error):
            decompress(gzip.compress(b"hello") + trailer, 100)

    @pytest.mark.parametrize("data", [b"hello", zlib.compress(b"hello"), b"\x8b\x1f"])
    def test_not_gzip(self, data: bytes) -> None:
        with pytest.raises(zlib.error, match="expected a gzip member"):
            GzipDecompressor().decompress(data, 100)

    def test_wrong_checksum(self) -> None:
        stream = bytearray(gzip.compress(b"hello"))
        stream[-8] ^= 1
        with pytest.raises(zlib.error):
            GzipDecompressor().decompress(bytes(stream), 100)

    def test_flush_before_the_tail_is_consumed(self) -> None:
        decompressor = GzipDecompressor()
        decompressor.decompress(gzip.compress(b"hello"), 1)
        with pytest.raises(ValueError, match="unconsumed_tail"):
            decompressor.flush()

    def test_nothing_fed(self) -> None:
        assert GzipDecompressor().decompress(b"", 1) == b""
        assert GzipDecompressor().flush() == b""

    def test_no_bound_is_deprecated(self) -> None:
        stream = gzip.compress(b"a" * 100_000) + gzip.compress(b"b")
        with pytest.warns(DeprecationWarning, match="without max_length") as warned:
            output = GzipDecompressor().decompress(stream)
        assert output == b"a" * 100_000 + b"b"
        assert warned[0].filename == __file__

    def test_negative_bound(self) -> None:
        with pytest.raises(ValueError, match="non-negative"):
            GzipDecompressor().decompress(b"", -1)


class TestImportObject:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [("os", os), ("os.path", os.path), ("os.path.join", os.path.join)],
    )
    def test_found(self, name: str, expected: object) -> None:
        assert util.import_object(name) is expected

    def test_submodule_not_yet_imported(self) -> None:
        assert util.import_object("xml.dom.minidom").__name__ == "xml.dom.minidom"

    @pytest.mark.parametrize("name", ["no_such_module", "no_such.module", "os.nothing"])
    def test_missing(self, name: str) -> None:
        with pytest.raises(ImportError, match="No module named"):
            util.import_object(name)


def test_exec_in() -> None:
    namespace: dict[str, Any] = {}
    util.exec_in("x = 1", namespace)
    assert namespace["x"] == 1
    local: dict[str, Any] = {}
    util.exec_in(compile("y = x + 1", "f", "exec"), namespace, local)
    assert local == {"y": 2}


def test_exec_in_does_not_inherit_future_imports() -> None:
    with pytest.raises(NameError):
        util.exec_in("def f(x: undefined_name): pass\nf.__annotations__", {})


def test_raise_exc_info() -> None:
    try:
        raise KeyError("k")
    except KeyError:
        info = sys.exc_info()
    with pytest.raises(KeyError) as caught:
        util.raise_exc_info(info)
    assert caught.value is info[1]
    with pytest.raises(TypeError, match="no exception"):
        util.raise_exc_info((None, None, None))


@pytest.mark.parametrize(
    ("error", "expected"),
    [(OSError(5, "x"), 5), (OSError(), None), (ValueError(7), 7), (ValueError(), None)],
)
def test_errno_from_exception(error: Exception, expected: int | None) -> None:
    assert util.errno_from_exception(error) == expected


@given(st.text())
def test_re_unescape_undoes_escape(text: str) -> None:
    assert util.re_unescape(re.escape(text)) == text


@pytest.mark.parametrize("pattern", [r"\d", r"a\b", r"\0"])
def test_re_unescape_refuses_classes(pattern: str) -> None:
    with pytest.raises(ValueError, match="cannot unescape"):
        util.re_unescape(pattern)


def test_timedelta_to_seconds() -> None:
    delta = datetime.timedelta(days=1, microseconds=500_000)
    assert util.timedelta_to_seconds(delta) == 86400.5


class TestArgReplacer:
    @staticmethod
    def function(x: int, y: int, callback: Any = None, z: Any = None) -> None:
        pass

    @pytest.mark.parametrize(
        ("args", "kwargs", "old", "new_args", "new_kwargs"),
        [
            ((1, 2), {}, None, [1, 2], {"callback": "new"}),
            ((1, 2, 3), {}, 3, [1, 2, "new"], {}),
            ((1, 2, 3, 4), {}, 3, [1, 2, "new", 4], {}),
            ((1,), {"y": 2, "callback": 3}, 3, [1], {"y": 2, "callback": "new"}),
        ],
    )
    def test_positions_and_keywords(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        old: Any,
        new_args: list[Any],
        new_kwargs: dict[str, Any],
    ) -> None:
        replacer = ArgReplacer(self.function, "callback")
        assert replacer.get_old_value(args, kwargs) == old
        assert replacer.get_old_value(args, kwargs, "default") == (old or "default")
        result = replacer.replace("new", args, kwargs)
        assert (result[0], list(result[1]), result[2]) == (old, new_args, new_kwargs)

    @pytest.mark.parametrize(
        "function",
        [lambda a, **kwargs: None, lambda a, *, callback: None],
        ids=["var-keyword", "keyword-only"],
    )
    def test_keyword_only(self, function: Callable[..., Any]) -> None:
        assert ArgReplacer(function, "callback").replace(1, (2,), {}) == (
            None,
            (2,),
            {"callback": 1},
        )

    def test_partial(self) -> None:
        partial = functools.partial(self.function, 1)
        assert ArgReplacer(partial, "callback").get_old_value((2, 3), {}) == 3


class TestWebSocketMask:
    @given(st.binary(min_size=4, max_size=4), st.binary(max_size=1000))
    def test_definition(self, mask: bytes, data: bytes) -> None:
        expected = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        assert util._websocket_mask(mask, data) == expected

    @pytest.mark.parametrize("size", [399, 400, 401, 402, 403, 404, 100_003])
    def test_both_methods_agree(self, size: int) -> None:
        data = os.urandom(size)
        masked = util._websocket_mask(b"\x01\x80\xff\x00", data)
        assert masked != data
        assert util._websocket_mask(b"\x01\x80\xff\x00", masked) == data
        assert masked[-9:] == bytes(
            data[i] ^ b"\x01\x80\xff\x00"[i % 4] for i in range(size - 9, size)
        )

    @pytest.mark.parametrize("mask", [b"", b"abc", b"abcde"])
    def test_mask_length(self, mask: bytes) -> None:
        with pytest.raises(ValueError, match="4 bytes"):
            util._websocket_mask(mask, b"data")


def test_docstring_examples() -> None:
    result = unittest.TestResult()
    suite = util.doctests()
    assert suite.countTestCases() > 0
    suite.run(result)
    assert result.wasSuccessful(), result.failures


def test_type_names() -> None:
    assert (util.bytes_type, util.unicode_type, util.basestring_type) == (bytes, str, str)
    assert util.TimeoutError is TimeoutError
    assert sorted(util.__all__) == util.__all__
    assert all(hasattr(util, name) for name in util.__all__)
