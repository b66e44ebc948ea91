"""What may not be shown: values whose name says that they are secret, wherever they turn up.

A name is secret by the words in it.  What such a name holds is learnt, and `Masks.hide` covers
every copy of it in any other text: in messages, values, URLs and lines of source.  Beside that
it covers what stands behind a secret name in a text (``password=...``).
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import quote, quote_plus

__all__ = ["MASK", "Masks", "is_secret", "is_secret_cookie"]

MASK = "••••••••"
"""What is shown instead of a secret; its length says nothing of the secret's."""

_WORDS = (
    "passw(?:or)?d|passphrase|secret|token(?!i[sz])|api[_-]?key|credential|authori[sz]ation|"
    "bearer|jwt|csrf|xsrf|session[_-]?id|sessid|card[_-]?number|cvv|"
    "(?:private|access|signing|encryption|auth|license)[_-]?key"
)
# One of these is in every text that `_WORDS` finds something in, and is found much faster.
_STEMS = (
    *("passw", "passphrase", "secret", "token", "credential", "authori", "bearer", "jwt", "csrf"),
    *("xsrf", "session", "sessid", "number", "cvv", "key"),
)
_SECRET = re.compile(rf"{_WORDS}|(?<![a-z])(?:pwd|passwd|otp|sid|cookies?)(?![a-z])", re.IGNORECASE)
_SESSION = re.compile("sess|auth|login|user|remember|sid|id$|key|sign", re.IGNORECASE)

# Longer than any name of a variable or header that somebody reads.
_MOST_NAME = 200

# A cookie's value of so many characters is more likely a key than something to be read.
_LONG_COOKIE = 16

# Shorter ones would blot out parts of ordinary words.  A variable called token may hold any word.
_LEAST = 4
LEAST_OF_VARIABLE = 8

# So much of a value is looked for, and what follows without a break goes with it.  It bounds the
# work, and a value that was cut off is found all the same.
_PREFIX = 32
_MOST_VALUES = 300
_MOST_DEPTH = 4

_ASSIGNED = re.compile(
    rf"((?:{_WORDS})[\w-]{{0,40}}[\"']?[ ]{{0,3}}(?:=>|[:=])[ ]{{0,3}})"
    r"(?:b?([\"'])(?:(?!\2).){1,4000}\2?|[^\s,;&)}\]'\"]{1,4000})",
    re.IGNORECASE,
)
_LITERAL = re.compile(
    rf"((?:{_WORDS})[\w-]{{0,40}}[\"']?\]?[ ]{{0,3}}[:=][ ]{{0,3}}[rbfu]{{0,2}})"
    r"([\"'])(?:(?!\2).){1,4000}\2?",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(://[^\s/:@'\"]{0,200}:)[^\s/@'\"]{1,200}@")


def is_secret(name: str) -> bool:
    """Whether what is called ``name`` (a variable, key, header, argument) is to be masked."""
    return _SECRET.search(name[:_MOST_NAME]) is not None


def is_secret_cookie(name: str, value: str) -> bool:
    """Whether a cookie says who somebody is, by its name, or looks as if it did."""
    if is_secret(name) or _SESSION.search(name[:_MOST_NAME]):
        return True
    return len(value) >= _LONG_COOKIE


class Masks:
    """Secrets that are known, and how to hide them."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def learn(self, value: object, least: int = _LEAST, depth: int = 0) -> None:
        """Hide ``value`` from now on: a text, or all that is in a dict or a list.

        Texts shorter than ``least`` characters are left alone.
        """
        if depth > _MOST_DEPTH or len(self._values) >= _MOST_VALUES:
            return
        if type(value) is dict:
            for item in list(value.values())[:_MOST_VALUES]:
                self.learn(item, least, depth + 1)
        elif type(value) in (list, tuple):
            for item in value[:_MOST_VALUES]:  # type: ignore[index]
                self.learn(item, least, depth + 1)
        elif isinstance(value, bytes):
            self._learn_text(value[: 2 * _PREFIX].decode("utf-8", "backslashreplace"), least)
        elif isinstance(value, str):
            self._learn_text(str.__getitem__(value, slice(2 * _PREFIX)), least)

    def learn_credentials(self, value: str) -> None:
        """Hide what stands behind the scheme in an ``Authorization``."""
        self.learn(value)
        scheme, _, rest = value.partition(" ")
        self.learn(rest.strip())
        if scheme.lower() == "basic":
            try:
                self.learn(base64.b64decode(rest.strip()[:4096]).partition(b":")[2])
            except (binascii.Error, ValueError):
                pass  # not what it says it is

    def learn_named(self, settings: dict[str, object], depth: int = 0) -> None:
        """Hide what secret names in a dict hold, also in dicts within it."""
        for name, value in list(settings.items())[:_MOST_VALUES]:
            if isinstance(name, str) and is_secret(name):
                self.learn(value)
            elif type(value) is dict and depth < _MOST_DEPTH:
                self.learn_named(value, depth + 1)

    def _learn_text(self, text: str, least: int) -> None:
        text = text.strip()
        if len(text) < least or text == MASK:
            return
        plain = text.encode("utf-8", "backslashreplace").decode()
        forms = {text, repr(text)[1:-1], quote(plain), quote_plus(plain)}
        self._values |= forms

    def hide(self, text: str) -> str:
        """``text`` without what is secret in it."""
        text = self._hide_values(text)
        return _ASSIGNED.sub(rf"\1{MASK}", text) if _may_have_names(text) else text

    def hide_source(self, text: str) -> str:
        """A line of source without what is secret in it: only literals can be."""
        text = self._hide_values(text)
        return _LITERAL.sub(rf"\1\2{MASK}\2", text) if _may_have_names(text) else text

    def _hide_values(self, text: str) -> str:
        # Most texts hold none, which `in` finds much faster than one large expression would.
        found = [value for value in self._values if value[:_PREFIX] in text]
        for value in sorted(found, key=len, reverse=True):
            rest = r"[^\s'\"<>]*" if len(value) > _PREFIX else ""
            text = re.sub(re.escape(value[:_PREFIX]) + rest, MASK, text)
        return _USER_INFO.sub(rf"\1{MASK}@", text)


def _may_have_names(text: str) -> bool:
    text = text.lower()
    return any(stem in text for stem in _STEMS)
