"""The language of a form: the handler's, and where that lacks a text, WTForms' own."""

from __future__ import annotations

import gettext
from functools import lru_cache
from typing import Any

from wtforms.i18n import get_translations

from tornadic.locale import Locale

__all__ = ["Translations"]


class Translations:
    """Translates what WTForms says."""

    def __init__(self, locale: Locale) -> None:
        self._locale = locale
        self._own = _own_translations(locale.code)

    def gettext(self, text: str) -> str:
        """A text in the language."""
        translated = self._locale.translate(text)
        if translated != text:
            return translated
        own: str = self._own.gettext(text)
        return own

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        """The form of a text for ``n``."""
        translated = self._locale.translate(singular, plural, n)
        if translated not in (singular, plural):
            return translated
        own: str = self._own.ngettext(singular, plural, n)
        return own


@lru_cache(maxsize=256)
def _own_translations(code: str) -> Any:
    try:
        return get_translations([code])
    except OSError:  # there are none
        return gettext.NullTranslations()
