"""What a rule asks of a request."""

from __future__ import annotations

import re
from typing import Any

from tornadic.escape import url_escape, url_unescape, utf8
from tornadic.httputil import HTTPServerRequest
from tornadic.routing.patterns import read_pattern

__all__ = ["AnyMatches", "DefaultHostMatches", "HostMatches", "Matcher", "PathMatches"]


class Matcher:
    """Looks at a request."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """None if the request does not match, else arguments for the target, maybe none.

        What a handler takes are ``path_args`` and ``path_kwargs``.
        """
        raise NotImplementedError

    def reverse(self, *args: Any) -> str | None:
        """The URL that matches with ``args``, or None if that cannot be told."""
        return None


class AnyMatches(Matcher):
    """Matches every request."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return {}


class HostMatches(Matcher):
    """Matches requests whose host, without the port, matches ``host_pattern``.

    The pattern is a regular expression for the whole name.
    """

    def __init__(self, host_pattern: str | re.Pattern[str]) -> None:
        self.host_pattern = _compile(host_pattern)

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return {} if self.host_pattern.match(request.host_name) else None


class DefaultHostMatches(Matcher):
    """Matches requests that came without a proxy, if ``application.default_host`` matches."""

    def __init__(self, application: Any, host_pattern: re.Pattern[str]) -> None:
        self.application = application
        self.host_pattern = host_pattern

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        # A proxy passes on the host that was asked for.
        if "X-Real-Ip" not in request.headers and self.host_pattern.match(
            self.application.default_host
        ):
            return {}
        return None


class PathMatches(Matcher):
    """Matches requests whose path matches ``path_pattern``, a regular expression, as a whole.

    Its groups become the handler's arguments: by name if they have names, else by position.
    """

    def __init__(self, path_pattern: str | re.Pattern[str]) -> None:
        self.regex = _compile(path_pattern)
        if len(self.regex.groupindex) not in (0, self.regex.groups):
            raise ValueError(
                f"groups in url regexes must either be all named or all positional: "
                f"{self.regex.pattern!r}"
            )
        self.search = self.regex.match
        self.is_named = bool(self.regex.groupindex)
        self._pieces = read_pattern(self.regex.pattern).pieces

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        match = self.search(request.path)
        if match is None:
            return None
        if not self.regex.groups:
            return {}
        args, kwargs = self.groups(match)
        return {
            "path_args": [_unquote(value) for value in args],
            "path_kwargs": {name: _unquote(value) for name, value in kwargs.items()},
        }

    def groups(self, match: re.Match[str]) -> tuple[tuple[str | None, ...], dict[str, str | None]]:
        """The groups by position, or by name, as they stand in the path: still escaped."""
        return ((), match.groupdict()) if self.is_named else (match.groups(), {})

    def reverse(self, *args: Any) -> str | None:
        """The path with ``args`` in place of the groups, escaped.

        Raises ValueError if the pattern is more than texts and groups, and AssertionError for
        another number of arguments than of groups.
        """
        pieces = self._pieces
        if pieces is None:
            raise ValueError(f"Cannot reverse url regex {self.regex.pattern}")
        if len(args) != len(pieces) - 1:
            raise AssertionError("required number of arguments not found")
        parts = [pieces[0]]
        for arg, piece in zip(args, pieces[1:], strict=True):
            text = arg if isinstance(arg, (str, bytes)) else str(arg)
            parts += (url_escape(utf8(text), plus=False), piece)
        return "".join(parts)


def _compile(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    """The pattern, made to match to the end."""
    if isinstance(pattern, re.Pattern):
        return pattern
    return re.compile(pattern if pattern.endswith("$") else pattern + "$")


def _unquote(value: str | None) -> bytes | None:
    """A group's text as the bytes that it stands for; a group that took no part has none."""
    return None if value is None else url_unescape(value, encoding=None, plus=False)
