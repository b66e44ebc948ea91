"""`Template`: parsed when it is made, compiled at once or, as a part of another, when needed."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cached_property
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from tornadic.escape import native_str, xhtml_escape
from tornadic.template.compiler import Compiled, compile_file
from tornadic.template.nodes import File, Include
from tornadic.template.parser import parse
from tornadic.template.runtime import DEFAULT_NAMESPACE, escaped, escaped_by, join, raw
from tornadic.template.sources import UNNAMED, Source
from tornadic.template.whitespace import default_mode, filter_whitespace

if TYPE_CHECKING:
    from tornadic.template.loaders import BaseLoader

__all__ = ["Template"]


class _Unset:
    """What an argument is that was not given, where None means something."""


_UNSET = _Unset()
_DEFAULT_AUTOESCAPE = "xhtml_escape"

# By these code gets at names that do not stand in it.
_REFLECTION = frozenset(
    {"__builtins__", "__import__", "builtins", "eval", "exec", "globals", "inspect", "sys"}
)

# Whether a template is being loaded for another one, which will compile it as a part of itself.
_is_part: ContextVar[bool] = ContextVar("is_part", default=False)


class Template:
    """A compiled template.

    ``template_string`` is its text, bytes of it UTF-8.  ``name`` is that of the file, for error
    messages, for paths in ``include`` and ``extends``, and for the default of ``whitespace``.
    ``loader`` is asked for the templates that this one includes and extends, and has defaults for
    what is not given here; None if there are none.

    ``autoescape`` is the name of the function of the template's namespace with which values are
    escaped, or any expression for one; None for no escaping.  The function gets bytes.  By
    default it is what the loader says, and without one ``"xhtml_escape"``.

    ``whitespace`` is a mode of `filter_whitespace`.  None: as the loader says, and if that says
    nothing, ``"single"`` for names that end with ``.html`` or ``.js``, else ``"all"``.
    ``compress_whitespace`` is the old way to say ``"single"`` (true) or ``"all"`` (false).

    Raises `ParseError` if the template is malformed, `SyntaxError` for bad Python in it, both
    with the line; `ValueError` for an unknown whitespace mode, or if both arguments for it are
    given; `UnicodeError` for text that is not Unicode; and whatever the loader raises for another
    template.  The template may contain ``await``, and is then for `generate_async` only.
    """

    def __init__(
        self,
        template_string: str | bytes,
        name: str = UNNAMED,
        loader: BaseLoader | None = None,
        compress_whitespace: bool | _Unset = _UNSET,
        autoescape: str | _Unset | None = _UNSET,
        whitespace: str | None = None,
    ) -> None:
        self.name = native_str(name)
        self.loader = loader
        self.namespace: dict[str, Any] = loader.namespace if loader else {}
        if not isinstance(compress_whitespace, _Unset):
            if whitespace is not None:
                raise ValueError("cannot set both whitespace and compress_whitespace")
            whitespace = "single" if compress_whitespace else "all"
        if whitespace is None:
            whitespace = (loader and loader.whitespace) or default_mode(self.name)
        # Also if there is no white space to be treated.
        filter_whitespace(whitespace, "")
        if isinstance(autoescape, _Unset):
            autoescape = loader.autoescape if loader else _DEFAULT_AUTOESCAPE
        self.autoescape = autoescape
        source = Source(self.name, native_str(template_string), _path_of(loader, self.name))
        self._file = parse(source, autoescape, whitespace)
        self._own_namespace = {
            **DEFAULT_NAMESPACE,
            "__name__": self.name.replace(".", "_"),
            "__loader__": source,
        }
        self._compiled: Compiled | None = None
        # For pages that wait.
        self._awaiting: Compiled | None = None
        if not _is_part.get():
            self._compiled = self._compile()

    def generate(self, **kwargs: Any) -> bytes:
        """Return the page for these variables, encoded as UTF-8.

        They prevail over the loader's namespace, and that over what all templates know.

        Raises what the template's own code raises, `UnicodeDecodeError` for a value in bytes to be
        escaped that is not UTF-8, `UnicodeEncodeError` for text with lone surrogates, and
        `RuntimeError` if the template contains ``await``.
        """
        compiled = self._compiled or self._compile()
        if compiled.awaits:
            raise RuntimeError(f"{self.name} contains await: use generate_async()")
        try:
            return join(self._execute(compiled, kwargs))
        except Exception as error:
            _add_place(error, compiled)
            raise

    async def generate_async(self, **kwargs: Any) -> bytes:
        """Return the page as `generate` does; the template may contain ``await``.

        What its ``module`` tags give is awaited too, if it can be.  All is awaited one after
        another, as it comes.  Beyond Tornado.
        """
        compiled = self._awaiting or self._compile_awaiting()
        try:
            pieces = self._execute(compiled, kwargs)
            return join(await pieces if compiled.awaits else pieces)
        except Exception as error:
            _add_place(error, compiled)
            raise

    @cached_property
    def global_names(self) -> frozenset[str] | None:
        """The names that the template may look up in its namespace; None if that can be any.

        Some of them may be names of attributes only.  Whoever fills the namespace can leave out
        all others.  Beyond Tornado.
        """
        names = frozenset(_names((self._compiled or self._compile()).code))
        return None if names & _REFLECTION else names

    def _execute(self, compiled: Compiled, variables: dict[str, Any]) -> Any:
        """Call the function: gives the pieces, or a coroutine for them."""
        namespace = {**self._own_namespace, **self.namespace, **variables}
        escape: Callable[[object], str] = escaped
        if namespace["xhtml_escape"] is not xhtml_escape:
            escape = escaped_by(namespace["xhtml_escape"])
        return FunctionType(compiled.code, namespace)(escape, raw)

    def _compile(self) -> Compiled:
        self._compiled = compile_file(self._file, self._load)
        return self._compiled

    def _compile_awaiting(self) -> Compiled:
        compiled = self._compiled or self._compile()
        if compiled.has_modules:
            compiled = compile_file(self._file, self._load, waits=True)
        self._awaiting = compiled
        return compiled

    def _load(self, file: File, include: Include) -> File:
        place = f"{file.source.name}:{include.place.line}"
        if self.loader is None:
            message = f"{include.place.text!r} needs a loader"
            raise file.source.error(message, include.place.line)
        token = _is_part.set(True)
        try:
            return self.loader.load(include.path, file.source.name)._file
        except Exception as error:
            error.add_note(f"Loaded by {place}")
            raise
        finally:
            _is_part.reset(token)


def _add_place(error: Exception, compiled: Compiled) -> None:
    """Note where in the templates an error comes from, in the words that Tornado has for it."""
    names = {source.filename: source.name for source in compiled.sources}
    places: list[str] = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = names.get(frame.f_code.co_filename)
        if name is not None:
            places.insert(0, f"{name}:{line}")
        elif places:
            break
    if places:
        via = f" (via {', '.join(places[1:])})" if places[1:] else ""
        note = f"# {places[0]}{via}"
        # An error object may be raised again and again.
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _names(one)


def _path_of(loader: BaseLoader | None, name: str) -> str | None:
    """Where the file with this template is, None if it comes from nowhere that is a file."""
    path = loader._path_of(name) if loader else None
    return path if path and os.path.isfile(path) else None
