"""Whose URL it is: what a browser makes of one, before it goes there."""

from __future__ import annotations

import re

__all__ = ["site_of"]

_BLANKS = "".join(map(chr, range(33)))
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_AUTHORITY = re.compile(r"//+([^/?#]*)")
# Of these a browser finds the host behind any number of slashes, or none.
_AUTHORITY_ANYHOW = re.compile(r"/*([^/?#]*)")
_SPECIAL = ("http:", "https:", "ftp:", "ws:", "wss:")


def site_of(url: str) -> tuple[str, str]:
    """The scheme and the authority of ``url``, as a browser would read it; empty if it has none.

    ``("https:", "//example.com")`` for instance.  A browser drops tabs and line ends, and takes a
    backslash for a slash (https://url.spec.whatwg.org/#concept-basic-url-parser).
    """
    read = re.sub(r"[\t\r\n]", "", url).lstrip(_BLANKS).replace("\\", "/")
    found = _SCHEME.match(read)
    scheme = found[0].lower() if found else ""
    pattern = _AUTHORITY_ANYHOW if scheme in _SPECIAL else _AUTHORITY
    authority = pattern.match(read, len(scheme))
    return scheme, f"//{authority[1].lower()}" if authority else ""
