"""What test suites that were written for Tornado look for beside the public names."""

from __future__ import annotations

import re
import unittest

from tornadic.http.headers import TOKEN
from tornadic.http.startlines import TARGET

__all__ = ["_ABNF", "doctests"]


class _ABNF:
    """Patterns of RFC 9110 and RFC 9112 by the names that they have there; for ``fullmatch``.

    Characters stand for bytes.
    """

    token = field_name = method = TOKEN
    field_value = re.compile(
        r"(?:[\x21-\x7E\x80-\xFF](?:[\t\x20-\x7E\x80-\xFF]*[\x21-\x7E\x80-\xFF])?)?"
    )
    reason_phrase = re.compile(r"[\t\x20-\x7E\x80-\xFF]+")
    request_target = TARGET
    status_code = re.compile(r"[0-9]{3}")
    HTTP_version = re.compile(r"HTTP/[0-9]\.[0-9]")


def doctests() -> unittest.TestSuite:
    """The examples in the docstrings of what `tornadic.httputil` offers."""
    import doctest  # only where somebody runs tests

    from tornadic.http import dates, forms, headers, parameters, ranges, startlines, urls

    rooms = (dates, forms, headers, parameters, ranges, startlines, urls)
    return unittest.TestSuite([doctest.DocTestSuite(room) for room in rooms])
