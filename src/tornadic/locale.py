"""Translations, and dates, numbers and lists as the languages have them.

::

    tornadic.locale.load_translations("translations")
    user_locale = tornadic.locale.get("es_LA")
    print(user_locale.translate("Sign out"))

`get` returns the closest locale that there is, not always the one asked for.  Plurals take a
count::

    people = ["Ann", "Bob"]
    message = user_locale.translate("%(list)s is online", "%(list)s are online", len(people))
    print(message % {"list": user_locale.list(people)})

Translations come from `load_translations` (a CSV file for each locale) or from
`load_gettext_translations` (``.mo`` files).  Whichever was called last counts, and for all of the
process; it replaces what was loaded before only if all of it could be read.  Without either,
texts stay as they are.
"""

from __future__ import annotations

import codecs
import csv
import datetime
import gettext
import glob
import os
import re
from collections.abc import Iterable
from typing import Any

from tornadic._locale_data import LOCALE_NAMES
from tornadic.log import gen_log

__all__ = [
    "CONTEXT_SEPARATOR",
    "LOCALE_NAMES",
    "CSVLocale",
    "GettextLocale",
    "Locale",
    "get",
    "get_supported_locales",
    "load_gettext_translations",
    "load_translations",
    "set_default_locale",
]

CONTEXT_SEPARATOR = "\x04"
"""Stands between context and message in the catalogs of gettext."""

_CODE = re.compile(r"[a-z]+(_[A-Z]+)?")
_PLURAL_INDICATORS = ("plural", "singular", "unknown")
_ENGLISH = ("en", "en_US")
_RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})

# A CSV file's messages are sorted by plural indicator, then by message.
_default_locale = "en_US"
_translations: dict[str, Any] = {}
_supported_locales = frozenset({_default_locale})
_use_gettext = False
_locales: dict[str, Locale] = {}


def get(*locale_codes: str) -> Locale:
    """Return the first locale among ``locale_codes`` that there is, or else the default one.

    A code such as ``fr_CA``, ``fr-ca`` or ``fr`` stands for that very locale or, if there is
    none, for its language alone (``fr``).  Other codes, and None, are passed over.
    """
    return Locale.get_closest(*locale_codes)


def set_default_locale(code: str) -> None:
    """Set the locale that `get` falls back to; at first it is ``en_US``.

    It is the language that the program's own texts are in, so it needs no translations.
    """
    global _default_locale, _supported_locales
    _default_locale = code
    _supported_locales = frozenset({*_translations, code})


def get_supported_locales() -> Iterable[str]:
    """Return the codes of the locales with translations, and the default one's."""
    return _supported_locales


def load_translations(directory: str, encoding: str | None = None) -> None:
    """Load the translations in the files ``CODE.csv`` of ``directory``, such as ``es_GT.csv``.

    A code is a language in small letters, which a country in capital ones may follow.  Each row
    has a text, its translation and, if it needs one, a plural indicator: ``singular`` and
    ``plural`` are for texts that `Locale.translate` is given with a count, and have a row each;
    an empty one, or ``unknown``, is for all other texts.  Space around the columns is dropped.
    The dialect is "excel" of the `csv` module, with no space after commas::

        "I love you","Te amo"
        "%(name)s liked this","A %(name)s les gustó esto","plural"
        "%(name)s liked this","A %(name)s le gustó esto","singular"

    ``encoding`` is that of all the files; with None, a byte-order mark tells UTF-8 and UTF-16 in
    each file, and one without is UTF-8.

    Rows without a translation or with another indicator are left out and logged, and so are
    files with another name.  Raises `OSError` for what cannot be opened, `UnicodeError` or
    `LookupError` for a wrong encoding, and `csv.Error` for what is no CSV; what was loaded before
    stays then.
    """
    loaded = {}
    for name in sorted(os.listdir(directory)):
        code, extension = os.path.splitext(name)
        if extension != ".csv":
            continue
        path = os.path.join(directory, name)
        if not _CODE.fullmatch(code):
            gen_log.error("Unrecognized locale %r (path: %s)", code, path)
            continue
        try:
            with open(path, encoding=encoding or _encoding_of(path), newline="") as file:
                loaded[code] = _read_csv(file, name)
        except (UnicodeError, csv.Error) as error:
            error.add_note(f"in the translations {path}")
            raise
    _publish(loaded, use_gettext=False)


def _encoding_of(path: str) -> str:
    """The encoding of a file by its byte-order mark."""
    with open(path, "rb") as file:
        start = file.read(len(codecs.BOM_UTF8))
    if start == codecs.BOM_UTF8:
        return "utf-8-sig"
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"


def _read_csv(lines: Iterable[str], name: str) -> dict[str, dict[str, str]]:
    """Read the rows of one file, called ``name`` in the log."""
    translations: dict[str, dict[str, str]] = {}
    rows = csv.reader(lines)
    for row in rows:
        message, *others = [column.strip() for column in row] or [""]
        if not others:
            if message:
                gen_log.error("No translation in %s line %d", name, rows.line_num)
            continue
        indicator = (others[1] if len(others) > 1 else "") or "unknown"
        if indicator not in _PLURAL_INDICATORS:
            gen_log.error(
                "Unrecognized plural indicator %r in %s line %d", indicator, name, rows.line_num
            )
            continue
        translations.setdefault(indicator, {})[message] = others[0]
    return translations


def load_gettext_translations(directory: str, domain: str) -> None:
    """Load the translations of ``domain`` from a tree as `gettext` has it.

    That is ``{directory}/{code}/LC_MESSAGES/{domain}.mo``, made in three steps::

        xgettext --language=Python --keyword=_:1,2 -d mydomain file1.py file2.html etc
        msgmerge old.po mydomain.po > new.po
        msgfmt new.po -o {directory}/pt_BR/LC_MESSAGES/mydomain.mo

    What a country's catalog lacks is taken from that of the language alone, if there is one.
    Catalogs that cannot be read are logged and left out.
    """
    loaded: dict[str, gettext.GNUTranslations] = {}
    catalogs = os.path.join("LC_MESSAGES", f"{glob.escape(domain)}.mo")
    for path in sorted(glob.glob(os.path.join(glob.escape(directory), "*", catalogs))):
        code = os.path.basename(os.path.dirname(os.path.dirname(path)))
        try:
            with open(path, "rb") as file:
                loaded[code] = gettext.GNUTranslations(file)
        except Exception as error:  # gettext raises whatever it stumbles over
            gen_log.error("Cannot load translation for %r: %s", code, error)
    for code, catalog in loaded.items():
        language, country, _ = code.partition("_")
        if country and language in loaded:
            catalog.add_fallback(loaded[language])
    _publish(loaded, use_gettext=True)


def _publish(loaded: dict[str, Any], *, use_gettext: bool) -> None:
    """Put new translations in the place of the old ones."""
    global _translations, _use_gettext, _supported_locales
    _translations = loaded
    _use_gettext = use_gettext
    _supported_locales = frozenset({*loaded, _default_locale})
    _locales.clear()
    gen_log.debug("Supported locales: %s", sorted(_supported_locales))


class Locale:
    """A language, and what is written differently in it.

    `get` returns one.  ``code`` is that of `get_supported_locales`; ``name`` is what the language
    calls itself, or "Unknown"; ``rtl`` tells whether it is written from right to left.

    What the methods put into their results (names of months, "yesterday at %(time)s" and such)
    goes through `translate`, so that translations may have it.
    """

    @classmethod
    def get(cls, code: str) -> Locale:
        """Return the locale for exactly this code, the same object each time.

        Raises `ValueError` if it is none of `get_supported_locales`.
        """
        if code not in _supported_locales:
            raise ValueError(f"locale {code!r} is not supported")
        locale = _locales.get(code)
        if locale is None:
            translations = _translations.get(code)
            if translations is None:
                locale = CSVLocale(code, {})
            elif _use_gettext:
                locale = GettextLocale(code, translations)
            else:
                locale = CSVLocale(code, translations)
            _locales[code] = locale
        return locale

    @classmethod
    def get_closest(cls, *locale_codes: str) -> Locale:
        """Do what the function `get` does."""
        for code in locale_codes:
            if code in _supported_locales:
                return cls.get(code)
            language, *country = (code or "").replace("-", "_").lower().split("_")
            if len(country) == 1:
                exact = f"{language}_{country[0].upper()}"
                if exact in _supported_locales:
                    return cls.get(exact)
            if len(country) <= 1 and language in _supported_locales:
                return cls.get(language)
        return cls.get(_default_locale)

    def __init__(self, code: str) -> None:
        self.code = code
        self.name: str = LOCALE_NAMES.get(code, {}).get("name", "Unknown")
        language = code.partition("_")[0]
        self.rtl = language in _RIGHT_TO_LEFT
        self._comma = " و " if language == "fa" else ", "
        _ = self.translate
        # One by one, as xgettext finds them.
        self._months = [
            _("January"),
            _("February"),
            _("March"),
            _("April"),
            _("May"),
            _("June"),
            _("July"),
            _("August"),
            _("September"),
            _("October"),
            _("November"),
            _("December"),
        ]
        self._weekdays = [
            _("Monday"),
            _("Tuesday"),
            _("Wednesday"),
            _("Thursday"),
            _("Friday"),
            _("Saturday"),
            _("Sunday"),
        ]

    def translate(
        self, message: str, plural_message: str | None = None, count: int | None = None
    ) -> str:
        """Return the translation of ``message``, or itself if there is none.

        With ``plural_message`` the ``count`` decides: 1 takes ``message``, anything else
        ``plural_message``; translations by `gettext` may have more forms than two.

        Raises `ValueError` if there is a ``plural_message`` but no ``count``.
        """
        raise NotImplementedError

    def pgettext(
        self,
        context: str,
        message: str,
        plural_message: str | None = None,
        count: int | None = None,
    ) -> str:
        """Translate like `translate`, where one text means different things::

            pgettext("law", "right")
            pgettext("good", "right")
            pgettext("organization", "club", "clubs", len(clubs))

        ``context`` says which meaning.  xgettext finds these texts with ``--keyword=pgettext:1c,2
        --keyword=pgettext:1c,2,3``.  CSV files know no contexts; there this warns in the log and
        does what `translate` does.
        """
        raise NotImplementedError

    def format_date(
        self,
        date: int | float | datetime.datetime,
        gmt_offset: int = 0,
        relative: bool = True,
        shorter: bool = False,
        full_format: bool = False,
    ) -> str:
        """Write a date of the past for people: "2 minutes ago", "yesterday at 6:35 pm".

        ``date`` is a `datetime.datetime` (a naive one is in UTC) or a timestamp in seconds.
        ``gmt_offset`` is how many minutes the reader's clock is behind UTC, as JavaScript's
        ``getTimezoneOffset`` has it.  What is older than a day is written with its day, weekday,
        month or year as needed, and the time.

        ``relative=False``: the time instead of "2 minutes ago", the weekday instead of
        "yesterday".  ``shorter``: no time behind a day.  ``full_format``: month, day, year and
        time, as for all dates in the future; those less than a minute ahead count as now if
        ``relative``.
        """
        now = datetime.datetime.now(datetime.UTC)
        if isinstance(date, (int, float)):
            date = datetime.datetime.fromtimestamp(date, datetime.UTC)
        elif date.tzinfo is None:
            date = date.replace(tzinfo=datetime.UTC)
        if date > now:
            if relative and date - now < datetime.timedelta(minutes=1):
                date = now  # two clocks that do not quite agree
            else:
                full_format = True
        age = now - date
        if relative and not full_format and age.days == 0:
            return self._format_age(age.seconds)
        offset = datetime.timedelta(minutes=gmt_offset)
        local = date - offset
        pattern = self._date_pattern(
            10_000 if full_format else age.days,
            relative and local.day == (now - offset - datetime.timedelta(days=1)).day,
            shorter,
        )
        return self.translate(pattern) % {
            "month_name": self._months[local.month - 1],
            "weekday": self._weekdays[local.weekday()],
            "day": str(local.day),
            "year": str(local.year),
            "time": self._format_time(local),
        }

    def _format_age(self, seconds: int) -> str:
        """Write how long ago something was, less than a day."""
        _ = self.translate
        if seconds < 50:
            return _("1 second ago", "%(seconds)d seconds ago", seconds) % {"seconds": seconds}
        if seconds < 50 * 60:
            minutes = round(seconds / 60)
            return _("1 minute ago", "%(minutes)d minutes ago", minutes) % {"minutes": minutes}
        hours = round(seconds / 3600)
        return _("1 hour ago", "%(hours)d hours ago", hours) % {"hours": hours}

    def _date_pattern(self, days: int, on_yesterday: bool, shorter: bool) -> str:
        """The message for a date that is so many days ago."""
        if days == 0:
            return "%(time)s"
        if days == 1 and on_yesterday:
            return "yesterday" if shorter else "yesterday at %(time)s"
        if days < 5:
            return "%(weekday)s" if shorter else "%(weekday)s at %(time)s"
        # Within eleven months no day has the name of another year's.
        if days < 334:
            return "%(month_name)s %(day)s" if shorter else "%(month_name)s %(day)s at %(time)s"
        if shorter:
            return "%(month_name)s %(day)s, %(year)s"
        return "%(month_name)s %(day)s, %(year)s at %(time)s"

    def _format_time(self, local: datetime.datetime) -> str:
        hour, minute = local.hour, local.minute
        if self.code in _ENGLISH:
            return f"{hour % 12 or 12}:{minute:02d} {'am' if hour < 12 else 'pm'}"
        if self.code == "zh_CN":
            return f"{'上午' if hour < 12 else '下午'}{hour % 12 or 12}:{minute:02d}"
        return f"{hour}:{minute:02d}"

    def format_day(self, date: datetime.datetime, gmt_offset: int = 0, dow: bool = True) -> str:
        """Write a day: "Monday, January 22", with ``dow=False`` without the weekday.

        The day is that of ``date`` itself, whatever its time zone, ``gmt_offset`` minutes before.
        """
        local = date - datetime.timedelta(minutes=gmt_offset)
        pattern = "%(weekday)s, %(month_name)s %(day)s" if dow else "%(month_name)s %(day)s"
        return self.translate(pattern) % {
            "month_name": self._months[local.month - 1],
            "weekday": self._weekdays[local.weekday()],
            "day": str(local.day),
        }

    def list(self, parts: Any) -> str:
        """Join a sequence to "A, B and C", "A and B" or "A"; an empty one makes an empty text."""
        if not parts:
            return ""
        if len(parts) == 1:
            return str(parts[0])
        return self.translate("%(commas)s and %(last)s") % {
            "commas": self._comma.join(map(str, parts[:-1])),
            "last": parts[-1],
        }

    def friendly_number(self, value: int) -> str:
        """Write an integer, in English with a comma at every thousand."""
        if self.code not in _ENGLISH:
            return str(value)
        # Digits come as text too, from forms and templates.
        return f"{int(value) if isinstance(value, str) else value:,}"


class CSVLocale(Locale):
    """A locale with ``translations`` as a CSV file has them: by plural indicator, by message."""

    def __init__(self, code: str, translations: dict[str, dict[str, str]]) -> None:
        self.translations = translations
        super().__init__(code)

    def translate(
        self, message: str, plural_message: str | None = None, count: int | None = None
    ) -> str:
        if plural_message is None:
            indicator = "unknown"
        elif count is None:
            raise _missing_count()
        elif count == 1:
            indicator = "singular"
        else:
            message, indicator = plural_message, "plural"
        known = self.translations.get(indicator)
        return known.get(message, message) if known else message

    def pgettext(
        self,
        context: str,
        message: str,
        plural_message: str | None = None,
        count: int | None = None,
    ) -> str:
        if self.translations:
            gen_log.warning("pgettext is not supported by CSVLocale")
        return self.translate(message, plural_message, count)


class GettextLocale(Locale):
    """A locale with ``translations`` of the `gettext` module."""

    def __init__(self, code: str, translations: gettext.NullTranslations) -> None:
        self.ngettext = translations.ngettext
        self.gettext = translations.gettext
        # Last, since it translates.
        super().__init__(code)

    def translate(
        self, message: str, plural_message: str | None = None, count: int | None = None
    ) -> str:
        if plural_message is None:
            return self.gettext(message)
        if count is None:
            raise _missing_count()
        return self.ngettext(message, plural_message, count)

    def pgettext(
        self,
        context: str,
        message: str,
        plural_message: str | None = None,
        count: int | None = None,
    ) -> str:
        # Not gettext's own, which knows no texts without a context to fall back to.
        prefix = context + CONTEXT_SEPARATOR
        if plural_message is None:
            found = self.gettext(prefix + message)
            return message if CONTEXT_SEPARATOR in found else found
        if count is None:
            raise _missing_count()
        found = self.ngettext(prefix + message, prefix + plural_message, count)
        if CONTEXT_SEPARATOR in found:
            return self.ngettext(message, plural_message, count)
        return found


def _missing_count() -> ValueError:
    return ValueError("a text with a plural needs a count")
