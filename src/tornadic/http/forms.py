"""Form bodies: which parser a content type calls for, its limits, and where the fields go.

The parsers (`tornadic.http.multipart` and `tornadic.http.urls`) return everything at once or
raise.  Only then are the caller's dictionaries touched, so an error leaves no half a form there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tornadic.http.errors import HTTPInputError
from tornadic.http.multipart import (
    DEFAULT_MAX_PART_HEADER_SIZE,
    DEFAULT_MAX_PARTS,
    MultipartReader,
    find_boundary,
    read_parts,
)
from tornadic.http.urls import MAX_QUERY_FIELDS, parse_urlencoded
from tornadic.util import ObjectDict

if TYPE_CHECKING:
    from tornadic.http.headers import HTTPHeaders

__all__ = [
    "DEFAULT_CONFIG",
    "HTTPFile",
    "ParseBodyConfig",
    "ParseMultipartConfig",
    "ParseUrlEncodedConfig",
    "multipart_reader",
    "parse_body_arguments",
    "parse_multipart_form_data",
    "set_parse_body_config",
]

_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


class HTTPFile(ObjectDict):
    """A file uploaded with a form; each of its attributes is also a key.

    ``filename`` is what the client calls it (never use it as a path), ``body`` its bytes, and
    ``content_type`` what the client says they are, ``application/unknown`` if it does not.
    """

    filename: str
    body: bytes
    content_type: str


@dataclass
class ParseMultipartConfig:
    """Limits for ``multipart/form-data`` bodies."""

    enabled: bool = True
    """False refuses every such body."""
    max_parts: int = DEFAULT_MAX_PARTS
    """The most parts, fields and files together, of one body."""
    max_part_header_size: int = DEFAULT_MAX_PART_HEADER_SIZE
    """The most bytes of the headers of one part."""


@dataclass
class ParseUrlEncodedConfig:
    """Limits for ``application/x-www-form-urlencoded`` bodies."""

    max_arguments: int = MAX_QUERY_FIELDS
    """The most fields of one body."""


@dataclass
class ParseBodyConfig:
    """Limits for the bodies of requests, by their kind."""

    multipart: ParseMultipartConfig = field(default_factory=ParseMultipartConfig)
    urlencoded: ParseUrlEncodedConfig = field(default_factory=ParseUrlEncodedConfig)


DEFAULT_CONFIG: Final = ParseBodyConfig()
"""What counts until `set_parse_body_config` says something else."""

_config = DEFAULT_CONFIG


def set_parse_body_config(config: ParseBodyConfig) -> None:
    """Make ``config`` what counts wherever no configuration is given, in the whole process.

    >>> set_parse_body_config(ParseBodyConfig(multipart=ParseMultipartConfig(max_parts=500)))
    >>> set_parse_body_config(ParseBodyConfig())  # back to the defaults
    """
    global _config
    _config = config


def parse_body_arguments(
    content_type: str,
    body: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
    headers: HTTPHeaders | None = None,
    *,
    config: ParseBodyConfig | None = None,
) -> None:
    """Add the fields of a form body to ``arguments`` and its files to ``files``.

    ``content_type`` says what the body is; one that is no form leaves both dictionaries as they
    are.  ``headers``, if given, are those of the request: a form with a ``Content-Encoding`` is
    refused.  ``config`` None takes the defaults (see `set_parse_body_config`).

    Raises `HTTPInputError`, with both dictionaries untouched, for a body that is malformed,
    encoded, disabled or beyond a limit.

    >>> arguments, files = {}, {}
    >>> parse_body_arguments("application/x-www-form-urlencoded", b"a=1&a=2", arguments, files)
    >>> arguments
    {'a': [b'1', b'2']}
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith(_MULTIPART):
        _refuse_encoded(headers)
        try:
            parse_multipart_form_data(
                find_boundary(content_type),
                body,
                arguments,
                files,
                config=(config or _config).multipart,
            )
        except HTTPInputError as error:
            raise HTTPInputError(f"Invalid multipart/form-data: {error}") from error
    elif media_type == _URLENCODED:
        _refuse_encoded(headers)
        limits = (config or _config).urlencoded
        fields = parse_urlencoded(body, limits.max_arguments)
        if not arguments:
            arguments.update(fields)
            return
        for name, values in fields.items():
            arguments.setdefault(name, []).extend(values)


def _refuse_encoded(headers: Mapping[str, str] | None) -> None:
    # What was to be decompressed has been, by the connection; this would be a coding unknown
    # to it, or decompression is off.
    if headers is not None and "Content-Encoding" in headers:
        raise HTTPInputError(f"Unsupported Content-Encoding: {headers['Content-Encoding']}")


def parse_multipart_form_data(
    boundary: bytes,
    data: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
    *,
    config: ParseMultipartConfig | None = None,
) -> None:
    """Add the fields of a ``multipart/form-data`` body to ``arguments``, its files to ``files``.

    ``boundary`` is what the content type names, with or without quotes, ``data`` the body.  A
    part with a file name is a file.  ``config`` None takes the defaults (see
    `set_parse_body_config`).

    Raises `HTTPInputError`, with both dictionaries untouched, for a body that is malformed,
    disabled or beyond a limit.

    >>> body = b'--x\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\n1\\r\\n--x--'
    >>> arguments, files = {}, {}
    >>> parse_multipart_form_data(b"x", body, arguments, files)
    >>> arguments
    {'a': [b'1']}
    """
    limits = config or _config.multipart
    if not limits.enabled:
        raise HTTPInputError("multipart/form-data parsing is disabled")
    parts = read_parts(
        boundary,
        data,
        max_parts=limits.max_parts,
        max_part_header_size=limits.max_part_header_size,
    )
    for part in parts:
        if part.filename:
            file = HTTPFile(
                filename=part.filename,
                body=part.body,
                content_type=(
                    "application/unknown" if part.content_type is None else part.content_type
                ),
            )
            files.setdefault(part.name, []).append(file)
        else:
            arguments.setdefault(part.name, []).append(part.body)


def multipart_reader(
    headers: HTTPHeaders,
    *,
    config: ParseMultipartConfig | None = None,
    max_size: int | None = None,
) -> MultipartReader:
    """Return what reads the multipart body of a request with ``headers`` as it comes.

    ``config`` None takes the defaults (see `set_parse_body_config`); ``max_size``: of the body,
    in bytes (None: no bound).

    Raises `HTTPInputError` with status 415 if the headers announce anything but a form of this
    kind, and with 400 for a missing or malformed boundary, or if such forms are disabled.
    """
    limits = config or _config.multipart
    if not limits.enabled:
        raise HTTPInputError("multipart/form-data parsing is disabled")
    content_type: str = headers.get("Content-Type", "")
    if content_type.partition(";")[0].strip().lower() != _MULTIPART:
        raise HTTPInputError("The body is not multipart/form-data", 415)
    _refuse_encoded(headers)
    return MultipartReader(
        find_boundary(content_type),
        max_parts=limits.max_parts,
        max_part_header_size=limits.max_part_header_size,
        max_size=max_size,
    )
