"""The arguments of a request, decoded: from the query, from a form in the body, or from both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar, overload

from tornadic.web.errors import HTTPError, MissingArgumentError

if TYPE_CHECKING:
    from tornadic.httputil import HTTPServerRequest

__all__ = ["ArgumentsMixin"]

_T = TypeVar("_T")

# Tab and the kinds of line end, form feed among them, may stand in a text field; as in Tornado,
# nothing else below the blank does.
_CONTROL = re.compile(r"[\x00-\x08\x0E-\x1F]")
_CONTROLS = bytes([*range(0x09), *range(0x0E, 0x20)])


class _Required:
    """The default of an argument that has none."""


_REQUIRED = _Required()

Arguments = dict[str, list[bytes]]


class ArgumentsMixin:
    """The part of a handler that reads arguments.

    A value is decoded by `decode_argument`, its control characters become spaces, and it is
    stripped of white space unless ``strip`` is false.  If a name comes several times the single
    value is the last one.
    """

    request: HTTPServerRequest

    @overload
    def get_argument(self, name: str, default: str, strip: bool = True) -> str: ...
    @overload
    def get_argument(
        self, name: str, default: _Required = _REQUIRED, strip: bool = True
    ) -> str: ...
    @overload
    def get_argument(self, name: str, default: _T, strip: bool = True) -> str | _T: ...
    def get_argument(self, name: str, default: Any = _REQUIRED, strip: bool = True) -> Any:
        """The last value of ``name`` in body and query; ``default`` if there is none.

        Raises `.MissingArgumentError` if there is no default either.
        """
        request = self.request
        source: Arguments | None = request.__dict__.get("arguments")
        if source is None:
            # What the body says comes after the query; to put them together takes longer.
            source = request.body_arguments
            if name not in source:
                source = request.query_arguments
        return self._get_argument(name, default, source, strip)

    def get_arguments(self, name: str, strip: bool = True) -> list[str]:
        """All values of ``name`` in query and body; an empty list if there are none."""
        return self._get_arguments(name, self.request.arguments, strip)

    @overload
    def get_query_argument(self, name: str, default: str, strip: bool = True) -> str: ...
    @overload
    def get_query_argument(
        self, name: str, default: _Required = _REQUIRED, strip: bool = True
    ) -> str: ...
    @overload
    def get_query_argument(self, name: str, default: _T, strip: bool = True) -> str | _T: ...
    def get_query_argument(self, name: str, default: Any = _REQUIRED, strip: bool = True) -> Any:
        """Like `get_argument`, from the query alone."""
        return self._get_argument(name, default, self.request.query_arguments, strip)

    def get_query_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Like `get_arguments`, from the query alone."""
        return self._get_arguments(name, self.request.query_arguments, strip)

    @overload
    def get_body_argument(self, name: str, default: str, strip: bool = True) -> str: ...
    @overload
    def get_body_argument(
        self, name: str, default: _Required = _REQUIRED, strip: bool = True
    ) -> str: ...
    @overload
    def get_body_argument(self, name: str, default: _T, strip: bool = True) -> str | _T: ...
    def get_body_argument(self, name: str, default: Any = _REQUIRED, strip: bool = True) -> Any:
        """Like `get_argument`, from the body alone."""
        return self._get_argument(name, default, self.request.body_arguments, strip)

    def get_body_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Like `get_arguments`, from the body alone."""
        return self._get_arguments(name, self.request.body_arguments, strip)

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Decode an argument, or a group of the path.

        A subclass may take another encoding, or leave some in bytes.  ``name`` is None for groups
        without a name.  Raises `.HTTPError` 400 for bad UTF-8.
        """
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise HTTPError(400, "Invalid unicode in %s: %r", name or "url", value[:40]) from None

    def _get_argument(self, name: str, default: Any, source: Arguments, strip: bool = True) -> Any:
        values = source.get(name)
        if not values:
            if default is _REQUIRED:
                raise MissingArgumentError(name)
            return default
        value = values[-1]
        # What `_clean` and the usual `decode_argument` do; their calls would be half of the time.
        try:
            usual = type(self).decode_argument is _decode_argument
            text = value.decode() if usual else self.decode_argument(value, name=name)
        except UnicodeDecodeError:
            text = self.decode_argument(value, name=name)  # which says whose fault that is
        if text.__class__ is not str or not text.isprintable():
            text = _without_controls(text)
        return text.strip() if strip else text

    def _get_arguments(self, name: str, source: Arguments, strip: bool = True) -> list[str]:
        # A default given in the wrong method would pass for `strip`.
        if not isinstance(strip, bool):
            raise AssertionError(f"strip is a bool, not {strip!r}")
        return [self._clean(value, name, strip) for value in source.get(name, ())]

    def _clean(self, value: bytes, name: str, strip: bool) -> str:
        text = self.decode_argument(value, name=name)
        if text.__class__ is not str or not text.isprintable():
            text = _without_controls(text)
        return text.strip() if strip else text


_decode_argument = ArgumentsMixin.decode_argument


def _without_controls(text: str) -> str:
    if not isinstance(text, str):
        return text  # a subclass may leave it in bytes
    # Mostly there is nothing but the line ends of a text field, and to see that takes bytes a
    # sixth of the time that it takes text.
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw.translate(None, _CONTROLS)) == len(raw):
        return text
    return _CONTROL.sub(" ", text)
