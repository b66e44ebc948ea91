"""Files over HTTP: `StaticFileHandler`.

Every step of an answer is a method that a subclass may replace; the methods here share what one
look at the file has told (`_files`), so that together they cost one ``stat``.  Small files are
read at once and leave with the head in one piece.  Large ones are sent by the stream itself, and
only for them does a task wait.  Content that a subclass makes goes out piece by piece, each when
the one before has gone.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import os
from collections.abc import Awaitable, Generator, Iterable
from contextlib import suppress
from typing import IO, Any, ClassVar

from tornadic.http import codings
from tornadic.http.dates import parse_http_date
from tornadic.http.ranges import _get_content_range, _parse_request_range
from tornadic.http1connection import HTTP1Connection
from tornadic.http1connection.files import send_file
from tornadic.ioloop import IOLoop
from tornadic.iostream import StreamClosedError
from tornadic.log import gen_log
from tornadic.web import _files
from tornadic.web._files import ChangedError, KnownFile, NotAFileError, OutsideError, Signature
from tornadic.web.errors import HTTPError
from tornadic.web.handler import RequestHandler
from tornadic.web.transforms import OutputTransform

__all__ = ["StaticFileHandler"]

# Larger files are sent by the stream; reading one of this size costs less than that takes to
# set up.
SENT_AT_ONCE = 65536

# The hash of a larger file takes longer than a loop should stand still.
HASHED_AT_ONCE = 262144

# A file that is replaced between two looks at it is looked at anew, within reason.
_ATTEMPTS = 3

_EVERYWHERE = (os.path.abspath(os.sep),)


class StaticFileHandler(RequestHandler):
    """Serves the files of a directory, for rules whose pattern has one group, the path.

    ``path`` is the directory, or one file that the rule stands for.  ``default_filename`` is
    served for a directory, at its URL with a trailing slash; None: directories are refused.
    Symbolic links may lead anywhere within ``path`` and ``allowed_symlink_directory`` (a
    directory, or a list of some; None for no further one), else the answer is 403.

    The settings ``static_path``, ``static_url_prefix``, ``static_handler_class`` and
    ``static_handler_args`` of `.Application` set up such a rule.  With ``static_precompressed``
    a file ``x.js.zst``, ``x.js.br`` or ``x.js.gz`` that is not older than ``x.js`` is sent
    encoded in its place, to a client that accepts that.

    Ranges (one at a time), conditional requests and versioned URLs (``?v=``, see
    `make_static_url`) are supported.  A subclass may override the methods below except ``get``
    and ``head``; those that are class methods must stay class methods.  Where it replaces the
    file system altogether, these are `get_content`, `get_content_size`, `get_modified_time`,
    `get_absolute_path` and `validate_absolute_path`.  Instance methods may use ``self.path``,
    ``self.absolute_path`` and ``self.modified``.
    """

    CACHE_MAX_AGE = 86400 * 365 * 10
    """Seconds for which a versioned URL is fresh: ten years."""

    MAX_CACHED_VERSIONS = 10000
    """Versions that are remembered."""

    MAX_VERSION_CONTENT_SIZE = 64 * 1024 * 1024
    """Bytes of the largest content that is hashed for a version."""

    # Of all subclasses together; the name is that of Tornado's table.
    _static_hashes: ClassVar[_files.Versions] = _files.Versions()

    allowed_symlink_directory: str | list[str] | None = None
    default_filename: str | None = None
    path: str
    absolute_path: str | None = None
    modified: datetime.datetime | None = None

    # What is sent, by the last look at it; its coding, if it is an encoded form of what was asked
    # for; and whether others might get another form.
    _sent: KnownFile | None = None
    _coding: str | None = None
    _varies: bool = False
    # A version that was made in a thread, and of what.
    _hashed: tuple[Signature, str | None] | None = None

    def initialize(
        self,
        path: str,
        default_filename: str | None = None,
        allowed_symlink_directory: str | list[str] | None = None,
    ) -> None:
        self.root = path
        self.default_filename = default_filename
        if allowed_symlink_directory is not None:
            self.allowed_symlink_directory = allowed_symlink_directory

    @classmethod
    def reset(cls) -> None:
        """Forget all versions."""
        cls._static_hashes.clear()

    # The answer

    def head(self, path: str) -> Awaitable[None]:
        return self.get(path, include_body=False)

    def get(self, path: str, include_body: bool = True) -> Awaitable[None]:
        """Send the file at ``path``, as the URL has it, or with ``include_body`` False its head."""
        for _ in range(_ATTEMPTS):
            try:
                waiting = self._answer(path, include_body)
            except ChangedError:
                self._forget()
            else:
                return self._done() if waiting is None else waiting
        raise HTTPError(503, "%r changes all the time", path)

    def _answer(self, path: str, include_body: bool) -> Awaitable[None] | None:
        """Prepare all of the answer, or return what is still to be waited for."""
        self.path = self.parse_url_path(path or "")
        if self.path[:1] == "/" and self.request.path[:2] == "//":
            # It would be refused all the same, but whoever reads the log is to know what it was.
            raise HTTPError(403, "%r: cannot redirect path with two initial slashes", self.path)
        absolute_path = self.get_absolute_path(self.root, self.path)
        valid_path = self.validate_absolute_path(self.root, absolute_path)
        if valid_path is None:
            return None
        self.absolute_path = valid_path
        if self._uses("get_content"):
            if self.settings.get("static_precompressed"):
                self._choose_form()
            if self._is_to_be_hashed():
                return self._hash_and_get(path, include_body)
        self.modified = self.get_modified_time()
        self.set_headers()
        if self.should_return_304():
            self.set_status(304)
            return None
        size = self.get_content_size()
        part = self._requested_part(size)
        if part is None:
            self.set_status(416)
            self.set_header("Content-Range", f"bytes */{size}")
            return None
        start, end = part
        count = (size if end is None else end) - (start or 0)
        self._headers._fields["Content-Length"] = str(count)
        if not include_body:
            return None
        return self._send(start, end, count)

    def _requested_part(self, size: int) -> tuple[int | None, int | None] | None:
        """What of the content is asked for, as a slice without negative numbers; None: nothing.

        Sets the status of an answer that is a part (RFC 9110 section 14.2).
        """
        header = self.request.headers.peek("Range")
        wanted = _parse_request_range(header) if header is not None else None
        if wanted is None or not self._may_be_part():
            return None, None
        start, end = wanted
        if start is not None and start < 0:
            start = max(size + start, 0)
        if start is not None and (start >= size or (end is not None and end <= start)):
            return None
        if end == 0:
            return None
        if end is not None and end > size:
            end = size
        if size != (end or size) - (start or 0):
            self.set_status(206)
            self.set_header("Content-Range", _get_content_range(start, end, size))
            return start, end
        return None, None

    def _may_be_part(self) -> bool:
        """Whether ``If-Range`` lets a part be sent (RFC 9110 section 13.1.5)."""
        condition = self.request.headers.peek("If-Range")
        if condition is None:
            return True
        if condition.startswith(('"', "W/")):
            return condition == self._headers.get("Etag") and condition.startswith('"')
        modified = parse_http_date(condition)
        return (
            modified is not None and self.modified is not None and modified == _aware(self.modified)
        )

    def _send(self, start: int | None, end: int | None, count: int) -> Awaitable[None] | None:
        assert self.absolute_path is not None
        connection = self.request.connection
        if not self._uses("get_content"):
            return self._send_content(self.get_content(self.absolute_path, start, end))
        file = self._file()
        try:
            if count > SENT_AT_ONCE and type(connection) is not HTTP1Connection:
                return self._send_content(self.get_content(file.path, start, end))
            fd, _ = _files.open_file(file.path, file.signature)
            if count > SENT_AT_ONCE:
                return self._send_large(open(fd, "rb", buffering=0), start or 0, count)
            try:
                self._write_buffer.append(_files.read_whole(fd, start or 0, count))
            finally:
                os.close(fd)
        except (OSError, NotAFileError) as e:
            raise _http_error(self.path, e) from e
        return None

    async def _send_large(self, file: IO[bytes], start: int, count: int) -> None:
        connection: Any = self.request.connection
        with file:
            try:
                await self.flush()
                if not self._must_transform():
                    await send_file(connection, file.fileno(), start, count)
                    return
                while count:
                    piece = _files.read_whole(file.fileno(), start, min(count, _files.READ_SIZE))
                    self.write(piece)
                    await self.flush()
                    start += len(piece)
                    count -= len(piece)
            except StreamClosedError:
                return  # whoever is left has been told
            except ChangedError as e:
                raise HTTPError(500, "%r has become shorter", self.path) from e

    def _must_transform(self) -> bool:
        """Whether the rest of the body has to pass through Python; after the first piece of it."""
        return not all(
            isinstance(transform, OutputTransform) and transform._passes()
            for transform in self._transforms or ()
        )

    async def _send_content(self, content: bytes | Iterable[bytes]) -> None:
        if isinstance(content, bytes):
            content = (content,)
        try:
            for chunk in content:
                self.write(chunk)
                await self.flush()
        except StreamClosedError:
            return
        finally:
            if isinstance(content, Generator):
                content.close()

    def _done(self) -> Awaitable[None]:
        """What to return where nothing is left to be waited for."""
        connection = self.request.connection
        if type(connection) is HTTP1Connection:
            return connection.stream.nothing_waits
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    def _forget(self) -> None:
        """Begin anew, for the file is another."""
        self._sent = self._coding = None
        self._varies = False
        self.set_status(200)
        for name in ("Content-Range", "Content-Encoding", "Vary"):
            self.clear_header(name)

    # What is known of the file

    @classmethod
    def _uses(cls, name: str) -> bool:
        """Whether the class method ``name`` is the one below, and reads the file itself."""
        own = getattr(getattr(cls, name), "__func__", None)
        return own is StaticFileHandler.__dict__[name].__func__

    def _file(self) -> KnownFile:
        """The file that is sent, by a look of our own if a subclass has found it otherwise."""
        if self._sent is None:
            assert self.absolute_path is not None
            self._sent = self._find(self.absolute_path, _EVERYWHERE)
        return self._sent

    def _find(self, path: str, directories: tuple[str, ...]) -> KnownFile:
        try:
            return _files.find(path, directories)
        except (OSError, ValueError, OutsideError, NotAFileError) as e:
            raise _http_error(self.path, e) from e

    def _choose_form(self) -> None:
        """Send an encoded form of the file, if there is one and the client accepts it."""
        file = self._file()
        directories = self._directories(self.root)
        forms: dict[str, KnownFile] = {}
        for coding, suffix in codings.SUFFIXES.items():
            try:
                form = _files.find(file.path + suffix, directories)
            except (OSError, OutsideError, NotAFileError):
                continue
            if form.signature[3] >= file.signature[3]:
                forms[coding] = form
        if forms:
            self._varies = True
            accepted = self.request.headers.get("Accept-Encoding", "")
            self._coding = codings.choose(accepted, tuple(forms))
            if self._coding is not None:
                self._sent = forms[self._coding]

    def _directories(self, root: str) -> tuple[str, ...]:
        """Where files, and what links lead to, may lie."""
        allowed = self.allowed_symlink_directory
        if allowed is None:
            return (_files.absolute(root),)
        more = (allowed,) if isinstance(allowed, (str, os.PathLike)) else allowed
        return (_files.absolute(root), *map(_files.absolute, more))

    # Methods that a subclass may override

    def parse_url_path(self, url_path: str) -> str:
        """The path of a file, relative to the root, for a path of a URL behind the prefix.

        The inverse of `make_static_url`.
        """
        return url_path if os.sep == "/" else url_path.replace("/", os.sep)

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        """Where ``path`` lies, relative to ``root``, both as they were written.

        May be any text that the other methods of a subclass understand.  Raises `HTTPError`, a
        403, for a path that leaves ``root`` on its way, even if it comes back.
        """
        absolute_path = _files.resolve(_files.absolute(root), path)
        if absolute_path is None:
            raise HTTPError(403, "%r is not in root static directory", path)
        return absolute_path

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """The path to serve, links resolved, or None if an answer (a redirect) was sent instead.

        ``absolute_path`` is what `get_absolute_path` gave.  Raises `HTTPError`: 403 for what is
        not within ``root``, no regular file or not to be read, 404 for what is not there.
        """
        directories = self._directories(root)
        try:
            file = _files.find(absolute_path, directories)
        except NotAFileError as e:
            if not e.is_directory or self.default_filename is None:
                raise HTTPError(403, "%r is not a file", self.path) from e
            if not self._has_slash():
                return None
            path = os.path.join(absolute_path, self.default_filename)
            file = self._find(path, directories)
        except (OSError, ValueError, OutsideError) as e:
            raise _http_error(self.path, e) from e
        self._sent = file
        return file.path

    def _has_slash(self) -> bool:
        """Whether the URL ends in a slash; else it is redirected to where it does."""
        path = self.request.path
        if path.endswith("/"):
            return True
        if path[1:2] in ("/", "\\"):
            # A browser would take what follows for another site.
            raise HTTPError(403, "%r: cannot redirect path with two initial slashes", path)
        self.redirect(path + "/", permanent=True)
        return False

    @classmethod
    def get_content(
        cls, abspath: str, start: int | None = None, end: int | None = None
    ) -> Generator[bytes, None, None]:
        """The content at ``abspath`` from ``start`` up to ``end`` (None: the ends of it).

        Bytes, or an iterator of bytes.  This one raises `HTTPError`, a 403, if there is something
        other than a regular file, and OSError.
        """
        try:
            yield from _files.read_pieces(abspath, start, end)
        except NotAFileError as e:
            raise HTTPError(403, "%r is not a file", abspath) from e

    @classmethod
    def get_content_version(cls, abspath: str) -> str:
        """A version of the content at ``abspath``: by default its SHA-512, in hexadecimal digits.

        Raises ValueError for more than `MAX_VERSION_CONTENT_SIZE` bytes.
        """
        hasher = hashlib.sha512()
        left = cls.MAX_VERSION_CONTENT_SIZE
        content: Any = cls.get_content(abspath)
        if isinstance(content, bytes):
            content = (content,)
        for chunk in content:
            left -= len(chunk)
            if left < 0:
                raise ValueError(f"The content is larger than {cls.MAX_VERSION_CONTENT_SIZE} bytes")
            hasher.update(chunk)
        return hasher.hexdigest()

    def get_content_size(self) -> int:
        """Bytes of the whole content."""
        return self._file().size

    def get_modified_time(self) -> datetime.datetime | None:
        """When the content last changed, in whole seconds; None if that is not known.

        A naive time is taken as UTC.
        """
        return self._file().modified

    def get_content_type(self) -> str:
        """The ``Content-Type``, by default from the file's name."""
        sent = self._sent
        assert self.absolute_path is not None
        if sent is not None and sent.path == self.absolute_path:
            return sent.content_type
        return _files.content_type_of(self.absolute_path)

    def set_extra_headers(self, path: str) -> None:
        """Set further headers; called after all others are set."""

    def get_cache_time(self, path: str, modified: datetime.datetime | None, mime_type: str) -> int:
        """Seconds for which the answer may be cached; 0 leaves that to the browser.

        By default `CACHE_MAX_AGE` for URLs with an argument ``v``.
        """
        request = self.request
        return self.CACHE_MAX_AGE if request.query and "v" in request.arguments else 0

    def set_headers(self) -> None:
        """Set the headers that describe the content and say how long it may be cached."""
        fields = self._headers._fields
        fields["Accept-Ranges"] = "bytes"
        self.set_etag_header()
        modified = self.modified
        if modified is not None:
            sent = self._sent
            if sent is not None and sent.modified is modified and sent.last_modified is not None:
                fields["Last-Modified"] = sent.last_modified
            else:
                self.set_header("Last-Modified", modified)
        content_type = self.get_content_type()
        if content_type:
            self.set_header("Content-Type", content_type)
        if self._coding is not None:
            fields["Content-Encoding"] = self._coding
        if self._varies:
            self.add_header("Vary", "Accept-Encoding")
        cache_time = self.get_cache_time(self.path, modified, content_type)
        if cache_time > 0:
            now = datetime.datetime.now(datetime.UTC)
            self.set_header("Expires", now + datetime.timedelta(seconds=cache_time))
            caching = f"max-age={cache_time}"
            self.set_header("Cache-Control", caching + (", immutable" if self._is_named() else ""))
        self.set_extra_headers(self.path)

    def should_return_304(self) -> bool:
        """Whether the client has the content already (RFC 9110 section 13.2.2)."""
        headers = self.request.headers
        if headers.peek("If-None-Match") is not None:
            return self.check_etag_header()
        since = headers.peek("If-Modified-Since")
        if since is None or self.modified is None:
            return False
        if since == self._headers._fields.get("Last-Modified"):
            return True
        date = parse_http_date(since)
        return date is not None and date >= _aware(self.modified)

    # Versions

    def compute_etag(self) -> str | None:
        """The entity tag: the version of the content, or by time and size of a file too large.

        That one is weak as long as the file may change unseen.  None without a version.
        """
        assert self.absolute_path is not None
        if not (self._uses("get_content") and self._uses("get_content_version")):
            version = self._cached_version(self.absolute_path, self.settings)
            return None if version is None else f'"{version}"'
        file = self._file()
        if file.size > self.MAX_VERSION_CONTENT_SIZE:
            return file.tag
        hashed = self._hashed
        if hashed is None:
            version = self._cached_version(file.path, None, file.signature)
        elif hashed[0] == file.signature:
            version = hashed[1]
        else:
            return file.tag  # it changes faster than it is hashed
        return None if version is None else f'"{version}"'

    def _is_named(self) -> bool:
        """Whether the URL names this very version of the content, so that it never changes."""
        version = self.get_query_argument("v", "")
        if self._coding is None:
            return bool(self._headers.get("Etag") == f'"{version}"')
        assert self.absolute_path is not None
        signature = _files.signature_of(self.absolute_path)
        kept = self._static_hashes.get(type(self), self.absolute_path, signature)
        return kept is not None and kept[0] == version

    def _is_to_be_hashed(self) -> bool:
        """Whether the version is still to be made, of so much that it takes a thread."""
        file = self._file()
        return (
            HASHED_AT_ONCE < file.size <= self.MAX_VERSION_CONTENT_SIZE
            and self._hashed is None
            and self._uses("get_content_version")
            and self._static_hashes.get(type(self), file.path, file.signature) is None
        )

    async def _hash_and_get(self, path: str, include_body: bool) -> None:
        file = self._file()
        hashing = IOLoop.current().shared(_Hashing)
        version = None
        with suppress(ChangedError):
            version = await hashing.version(type(self), file)
        self._hashed = file.signature, version
        self._forget()
        await self.get(path, include_body)

    @classmethod
    def _cached_version(
        cls, path: str, settings: dict[str, Any] | None, signature: Signature | None = None
    ) -> str | None:
        """The version of what is at ``path``, or None, logged, if it has none.

        ``settings`` may tell not to use what was kept.  A file that is being served has a
        ``signature``; if it cannot be read, that is an error like any other of the answer's.
        """
        is_served = signature is not None
        if signature is None:
            signature = _files.signature_of(path)
        if settings is None or settings.get("static_hash_cache", True):
            kept = cls._static_hashes.get(cls, path, signature)
            if kept is not None:
                return kept[0]
        expires = _files.settles_at(signature)
        version: str | None = None
        try:
            version = cls.get_content_version(path)
        except Exception as e:
            if is_served and isinstance(e, OSError):
                if e.errno in _files.ABSENT:
                    raise ChangedError from e
                raise _http_error(path, e) from e
            if is_served and isinstance(e, HTTPError):
                raise
            gen_log.error("Could not open static file %r: %s", path, e)
        cls._static_hashes.keep(cls, path, signature, version, expires, cls.MAX_CACHED_VERSIONS)
        return version

    @classmethod
    def get_version(cls, settings: dict[str, Any], path: str) -> str | None:
        """The version for URLs of the file ``path``, relative to ``settings["static_path"]``.

        None if it has none, such as one that is not there, which is logged.  It is remembered
        until the file changes or `reset` is called, unless the setting ``static_hash_cache`` is
        False.  ``path`` is to be one that the program knows, not one that a client sent.  Raises
        `HTTPError`, a 403, for a path outside of the root.
        """
        absolute_path = cls.get_absolute_path(settings["static_path"], path)
        version = cls._cached_version(absolute_path, settings)
        cls._static_hashes.touch(cls, absolute_path)
        return version

    @classmethod
    def make_static_url(
        cls, settings: dict[str, Any], path: str, include_version: bool = True
    ) -> str:
        """The URL of the file ``path``, relative to the host, with its version as ``?v=``.

        ``settings`` are the application's.  Without ``include_version``, or if there is none, it
        has no version.  Errors as `get_version`.
        """
        url: str = settings.get("static_url_prefix", "/static/") + path
        version = cls.get_version(settings, path) if include_version else None
        return f"{url}?v={version}" if version else url


class _Hashing:
    """Versions that are being made in threads, for a loop: each only once at a time."""

    def __init__(self, io_loop: IOLoop) -> None:
        self._loop = io_loop.asyncio_loop
        self._running: dict[tuple[type, str, Signature], asyncio.Future[str | None]] = {}

    async def version(self, maker: type[StaticFileHandler], file: KnownFile) -> str | None:
        key = (maker, file.path, file.signature)
        running = self._running.get(key)
        if running is None:
            running = self._loop.run_in_executor(
                None, maker._cached_version, file.path, None, file.signature
            )
            self._running[key] = running
            running.add_done_callback(lambda _: self._running.pop(key, None))
        # Others may wait for it too.
        return await asyncio.shield(running)


def _aware(moment: datetime.datetime) -> datetime.datetime:
    """``moment`` in whole seconds, with UTC if it has no zone."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.replace(microsecond=0)


def _http_error(path: str, error: Exception) -> HTTPError:
    """What to answer where a file cannot be had; ``error`` itself, if that is not foreseen."""
    if isinstance(error, OutsideError):
        return HTTPError(403, "%r is not in root static directory", path)
    if isinstance(error, NotAFileError):
        return HTTPError(403, "%r is not a file", path)
    if isinstance(error, PermissionError):
        return HTTPError(403, "%r may not be read", path)
    if isinstance(error, ValueError) or (
        isinstance(error, OSError) and error.errno in _files.ABSENT
    ):
        return HTTPError(404)
    return HTTPError(500, "%r cannot be read: %s", path, error)
