"""Small helpers that the rest of the package stands on.

Nothing here knows about sockets, loops or HTTP.  The one class that users meet is `Configurable`:
its ``configure`` method becomes part of `.AsyncHTTPClient`, `.IOLoop`, `.Resolver` and their kin.
`GzipDecompressor` is on a hot path and written for speed: it copies each input byte a bounded
number of times however the stream is cut into members.
"""

from __future__ import annotations

import builtins
import datetime
import doctest
import re
import sys
import unittest
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from inspect import getfullargspec
from types import TracebackType
from typing import Any, NoReturn

from tornadic import _legacy
from tornadic.frames import masking

__all__ = [
    "ArgReplacer",
    "Configurable",
    "GzipDecompressor",
    "ObjectDict",
    "TimeoutError",
    "basestring_type",
    "bytes_type",
    "doctests",
    "errno_from_exception",
    "exec_in",
    "import_object",
    "raise_exc_info",
    "re_unescape",
    "timedelta_to_seconds",
    "unicode_type",
]

# Names from the days of two Python lines, which programs still import.
bytes_type = bytes
unicode_type = str
basestring_type = str

TimeoutError = builtins.TimeoutError

__getattr__ = _legacy.names_of(__name__)

_GZIP_MAGIC = b"\x1f\x8b"
# zlib hands back what follows the end of a member as a copy.  Feeding it at most this many bytes
# at a time keeps a stream of many tiny members from costing quadratic time.
_GZIP_FEED_SIZE = 16384


# Names of Tornado's that programs import, though they have no business with them.
_websocket_mask = masking.mask
_websocket_mask_python = masking.mask_in_python


class ObjectDict(dict[str, Any]):
    """A dictionary whose items can be read and set as attributes too.

    Reading an attribute that is neither a method of ``dict`` nor a key raises `AttributeError`.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class GzipDecompressor:
    """Decompresses a gzip stream (RFC 1952) piece by piece.

    The interface is that of `zlib.decompressobj`.  A stream of several members is decompressed in
    full; bytes after a member that do not start another one are an error.
    """

    def __init__(self) -> None:
        # None between members: nothing of the next one has been seen.
        self._member: zlib._Decompress | None = None
        self._tail = b""

    def decompress(self, value: bytes, max_length: int = 0) -> bytes:
        """Return what ``value`` decompresses to.

        ``max_length`` bounds the length of the result, in bytes.  When the bound is reached, input
        may be left in `unconsumed_tail`; pass that to the next call, and go on until it is empty.
        Such a call may return nothing.  0 means no bound, which is deprecated because a few bytes
        can decompress to gigabytes.

        Raises `zlib.error` if the input is not gzip data, and `ValueError` if ``max_length`` is
        negative.
        """
        if max_length < 0:
            raise ValueError("max_length must be non-negative")
        if max_length == 0:
            warnings.warn(
                "GzipDecompressor.decompress without max_length is deprecated",
                DeprecationWarning,
                stacklevel=2,
            )
        view = memoryview(value)
        position = 0
        produced: list[bytes] = []
        room = max_length
        while position < len(view):
            piece = view[position : position + _GZIP_FEED_SIZE]
            data, used = self._feed(piece, room)
            position += used
            if data:
                produced.append(data)
            if max_length:
                room -= len(data)
                if room == 0:
                    break
        self._tail = bytes(view[position:])
        return b"".join(produced)

    def _feed(self, piece: memoryview, room: int) -> tuple[bytes, int]:
        """Give a piece to the current member; return its output and the count of bytes used."""
        if self._member is None:
            start = bytes(piece[: len(_GZIP_MAGIC)])
            if not _GZIP_MAGIC.startswith(start):
                raise zlib.error(f"expected a gzip member, got {start!r}")
            self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        member = self._member
        data = member.decompress(piece, room)
        if member.eof:
            self._member = None
            return data, len(piece) - len(member.unused_data)
        return data, len(piece) - len(member.unconsumed_tail)

    @property
    def unconsumed_tail(self) -> bytes:
        """The input that the last `decompress` left over because of ``max_length``."""
        return self._tail

    def flush(self) -> bytes:
        """Declare that there is no more input; call it once, last.

        Returns ``b""`` always: `decompress` has returned all output.  Raises `zlib.error` if the
        stream ended inside a member, and `ValueError` if `unconsumed_tail` is not empty.
        """
        if self._tail:
            raise ValueError("unconsumed_tail must be passed to decompress before flush")
        if self._member is not None:
            raise zlib.error("incomplete or truncated gzip stream")
        return b""


def import_object(name: str) -> Any:
    """Import the module, or the attribute of a module, that a dotted name stands for.

    ``import_object("x")`` is ``import x``; ``import_object("x.y.z")`` is ``from x.y import z``.
    Raises `ImportError` if there is no such thing.

    >>> import tornadic.escape
    >>> import_object("tornadic.escape") is tornadic.escape
    True
    >>> import_object("tornadic.escape.utf8") is tornadic.escape.utf8
    True
    >>> import_object("tornadic") is tornadic
    True
    >>> import_object("tornadic.missing_module")
    Traceback (most recent call last):
        ...
    ImportError: No module named missing_module
    """
    parent, dot, last = name.rpartition(".")
    if not dot:
        return __import__(name)
    module = __import__(parent, fromlist=[last])
    try:
        return getattr(module, last)
    except AttributeError:
        raise ImportError(f"No module named {last}") from None


def exec_in(code: Any, glob: dict[str, Any], loc: Mapping[str, Any] | None = None) -> None:
    """Execute source text or a code object in the given namespaces.

    Text is compiled without the ``from __future__`` imports of this module.  ``loc`` of None means
    that ``glob`` holds the local names too.
    """
    if isinstance(code, str):
        code = compile(code, "<string>", "exec", dont_inherit=True)
    exec(code, glob, loc)


def raise_exc_info(
    exc_info: tuple[type | None, BaseException | None, TracebackType | None],
) -> NoReturn:
    """Raise again what `sys.exc_info` returned, with its traceback.

    Raises `TypeError` if the tuple holds no exception.
    """
    try:
        if exc_info[1] is None:
            raise TypeError("raise_exc_info called with no exception")
        raise exc_info[1].with_traceback(exc_info[2])
    finally:
        # The traceback refers to this frame: without this the two would keep each other alive.
        exc_info = (None, None, None)


def errno_from_exception(e: BaseException) -> int | None:
    """Return the error number of an exception, or None if it has none.

    Exceptions without an ``errno`` attribute give their first argument.
    """
    number: int | None = getattr(e, "errno", e.args[0] if e.args else None)
    return number


_ESCAPED_CHARACTER = re.compile(r"\\(.)", re.DOTALL)


def _unescape_character(match: re.Match[str]) -> str:
    character = match[1]
    if character.isascii() and character.isalnum():
        raise ValueError(f"cannot unescape {match[0]!r}")
    return character


def re_unescape(s: str) -> str:
    r"""Undo `re.escape`.

    Raises `ValueError` for an expression that `re.escape` cannot have made, such as ``\d``.
    """
    return _ESCAPED_CHARACTER.sub(_unescape_character, s)


class Configurable:
    """A base class whose constructor makes an instance of the configured implementation.

    A hierarchy has a base class, which `configurable_base` returns, and implementations below it.
    Calling the base class gives an instance of the class set by `configure`, or of the one that
    `configurable_default` returns; calling an implementation gives an instance of just that.  An
    implementation may itself be the base of a further hierarchy.

    Subclasses define `configurable_base` and `configurable_default`, and ``initialize`` in place
    of ``__init__``.
    """

    # Kept on the base class of each hierarchy; looked up there only, never inherited.
    __impl_class: type[Configurable] | None = None
    __impl_kwargs: dict[str, Any] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        base = cls.configurable_base()
        implementation = cls
        if cls is base:
            implementation = cls.configured_class()
            kwargs = {**(base.__dict__.get("_Configurable__impl_kwargs") or {}), **kwargs}
        if implementation.configurable_base() is not base:
            return implementation(*args, **kwargs)
        instance = super().__new__(implementation)
        instance.initialize(*args, **kwargs)
        return instance

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        """Return the base class of this hierarchy: as a rule the class that defines this method."""
        raise NotImplementedError()

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        """Return the implementation to use while none is configured."""
        raise NotImplementedError()

    def _initialize(self) -> None:
        pass

    # Typed loosely: every subclass has a signature of its own.
    initialize: Callable[..., None] = _initialize

    @classmethod
    def configure(cls, impl: str | type[Configurable] | None, **kwargs: Any) -> None:
        """Choose the class that calling the base class instantiates.

        ``impl`` is a class, its dotted name, or None for the default.  The keyword arguments are
        added to those of every call of the base class; the call's own prevail.

        Raises `ValueError` if ``impl`` is no subclass of this class, and `ImportError` if a name
        cannot be imported; the configuration then stays as it was.
        """
        base = cls.configurable_base()
        chosen: type[Configurable] | None = import_object(impl) if isinstance(impl, str) else impl
        if chosen is not None and not issubclass(chosen, cls):
            raise ValueError(f"Invalid subclass of {cls}")
        base.__impl_class = chosen
        base.__impl_kwargs = kwargs

    @classmethod
    def configured_class(cls) -> type[Configurable]:
        """Return the class that calling the base class instantiates.

        Raises `ValueError` if none is configured and there is no default either.
        """
        base = cls.configurable_base()
        configured: type[Configurable] | None = base.__dict__.get("_Configurable__impl_class")
        if configured is None:
            configured = cls.configurable_default()
            base.__impl_class = configured
        if configured is None:
            raise ValueError("configured class not found")
        return configured

    @classmethod
    def _save_configuration(cls) -> tuple[type[Configurable] | None, dict[str, Any] | None]:
        """Return the state that `_restore_configuration` brings back; for tests."""
        own = cls.configurable_base().__dict__
        return (own.get("_Configurable__impl_class"), own.get("_Configurable__impl_kwargs"))

    @classmethod
    def _restore_configuration(
        cls, saved: tuple[type[Configurable] | None, dict[str, Any] | None]
    ) -> None:
        base = cls.configurable_base()
        base.__impl_class, base.__impl_kwargs = saved


class ArgReplacer:
    """Reads and replaces one argument of a call, however it was passed.

    ``func`` is the function that will be called, ``name`` that of its parameter.  A name that is
    no positional parameter is looked for among the keyword arguments only.  For decorators.
    """

    def __init__(self, func: Callable[..., Any], name: str) -> None:
        self.name = name
        positional = getfullargspec(func).args
        self.arg_pos = positional.index(name) if name in positional else None

    def get_old_value(
        self, args: Sequence[Any], kwargs: dict[str, Any], default: Any = None
    ) -> Any:
        """Return the argument's value in this call, or ``default`` if it was not given."""
        if self.arg_pos is not None and len(args) > self.arg_pos:
            return args[self.arg_pos]
        return kwargs.get(self.name, default)

    def replace(
        self, new_value: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[Any, Sequence[Any], dict[str, Any]]:
        """Return ``(old_value, args, kwargs)`` with the argument set to ``new_value``.

        If it was not given, ``old_value`` is None and the argument is added to ``kwargs``, which
        may be changed in place; a changed ``args`` is a new list.
        """
        if self.arg_pos is not None and len(args) > self.arg_pos:
            changed = list(args)
            old_value, changed[self.arg_pos] = changed[self.arg_pos], new_value
            return old_value, changed, kwargs
        old_value = kwargs.get(self.name)
        kwargs[self.name] = new_value
        return old_value, args, kwargs


def timedelta_to_seconds(td: datetime.timedelta) -> float:
    """Return ``td.total_seconds()``."""
    return td.total_seconds()


def doctests() -> unittest.TestSuite:
    """Return the examples in this module's docstrings as a test suite."""
    return doctest.DocTestSuite(sys.modules[__name__])
