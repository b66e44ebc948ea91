"""Locales: what is loaded from CSV and from gettext's catalogs, and how dates and lists read."""

from __future__ import annotations

import codecs
import csv
import datetime
import gettext
import io
import logging
import struct
import types
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornadic import locale
from tornadic.locale import CSVLocale, GettextLocale, Locale

UTC = datetime.UTC
NOW = datetime.datetime(2013, 4, 28, 18, 35, 30, tzinfo=UTC)  # a Sunday


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is loaded, and what a test loads is gone after it."""
    for name in ("_translations", "_supported_locales", "_use_gettext", "_default_locale"):
        monkeypatch.setattr(locale, name, getattr(locale, name))
    locale._locales.clear()
    yield
    locale._locales.clear()


def write_catalog(folder: Path, code: str, messages: Mapping[str, str], plural: str = "") -> Path:
    """Write ``demo.mo``; plurals are joined by NUL, contexts by EOT, as GNU gettext has them."""
    header = "Content-Type: text/plain; charset=UTF-8\n"
    if plural:
        header += f"Plural-Forms: {plural}\n"
    entries = sorted(
        (key.encode(), text.encode()) for key, text in {**messages, "": header}.items()
    )
    position = 28 + 16 * len(entries)
    tables: list[bytes] = []
    texts = b""
    for column in (0, 1):
        for entry in entries:
            tables.append(struct.pack("<II", len(entry[column]), position + len(texts)))
            texts += entry[column] + b"\0"
    count = len(entries)
    head = struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0)
    path = folder / code / "LC_MESSAGES" / "demo.mo"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + b"".join(tables) + texts)
    return path


def english() -> Locale:
    return Locale.get("en_US")


def test_public_names() -> None:
    assert locale.__all__ == [
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


class TestNames:
    def test_shape(self) -> None:
        assert len(locale.LOCALE_NAMES) == 62
        for code, names in locale.LOCALE_NAMES.items():
            assert locale._CODE.fullmatch(code)
            assert set(names) == {"name", "name_en"}
            assert all(name and name == name.strip() for name in names.values())
            assert names["name_en"].replace("(Bokmål)", "").isascii()

    @pytest.mark.parametrize(
        ("code", "name_en", "name"),
        [
            ("en_US", "English (US)", "English (US)"),
            ("fr_CA", "French (Canada)", "Français (Canada)"),
            ("es_LA", "Spanish", "Español"),
            ("uk_UA", "Ukrainian", "Українська"),
            ("vi_VN", "Vietnamese", "Tiếng Việt"),
            ("zh_CN", "Chinese (Simplified)", "中文(简体)"),
        ],
    )
    def test_some(self, code: str, name_en: str, name: str) -> None:
        assert locale.LOCALE_NAMES[code] == {"name_en": name_en, "name": name}
        assert CSVLocale(code, {}).name == name

    def test_unknown(self) -> None:
        assert CSVLocale("tlh_KX", {}).name == "Unknown"

    @pytest.mark.parametrize("code", ["ar", "ar_AR", "fa_IR", "he_IL", "ur_PK", "yi"])
    def test_right_to_left(self, code: str) -> None:
        assert CSVLocale(code, {}).rtl is True

    # Araucanian and Fataluku begin like Arabic and Persian, and are written like English.
    @pytest.mark.parametrize("code", ["en", "en_US", "arn_CL", "fataluku", ""])
    def test_left_to_right(self, code: str) -> None:
        assert CSVLocale(code, {}).rtl is False


class TestChoice:
    @pytest.fixture(autouse=True)
    def loaded(self, tmp_path: Path) -> None:
        for code in ("pt", "pt_BR", "fr_FR", "de"):
            (tmp_path / f"{code}.csv").write_text("a,b\n")
        locale.load_translations(str(tmp_path))

    def test_supported(self) -> None:
        assert set(locale.get_supported_locales()) == {"pt", "pt_BR", "fr_FR", "de", "en_US"}

    @pytest.mark.parametrize(
        ("codes", "found"),
        [
            (("pt_BR",), "pt_BR"),
            (("PT-br",), "pt_BR"),
            (("pt_PT",), "pt"),
            (("pt-pt",), "pt"),
            (("PT",), "pt"),
            (("de_AT", "fr_FR"), "de"),
            (("es_ES", "fr_FR"), "fr_FR"),
            (("fr",), "en_US"),
            (("fr_CA", "es"), "en_US"),
            (("pt_BR_x",), "en_US"),
            (("en",), "en_US"),
            ((), "en_US"),
            (("", "de"), "de"),
            (("_", "-", "__", "de_"), "de"),
        ],
    )
    def test_closest(self, codes: tuple[str, ...], found: str) -> None:
        assert locale.get(*codes).code == found
        assert Locale.get_closest(*codes) is locale.get(*codes)

    def test_none_is_passed_over(self) -> None:
        # As self.get_cookie("locale") has it.
        assert locale.get(None, "de").code == "de"  # type: ignore[arg-type]

    def test_default(self) -> None:
        locale.set_default_locale("eo")
        assert locale.get("xx").code == "eo"
        assert set(locale.get_supported_locales()) == {"pt", "pt_BR", "fr_FR", "de", "eo"}
        with pytest.raises(ValueError, match="'en_US' is not supported"):
            Locale.get("en_US")
        locale.set_default_locale("de")
        assert locale.get("xx").translate("a") == "b"

    def test_exactly_this_one(self) -> None:
        assert Locale.get("de") is Locale.get("de") is locale.get("de_CH")
        for code in ("de_CH", "DE", ""):
            with pytest.raises(ValueError, match="is not supported"):
                Locale.get(code)

    def test_nothing_by_itself(self) -> None:
        with pytest.raises(NotImplementedError):
            Locale("en_US")
        with pytest.raises(NotImplementedError):
            Locale.pgettext(english(), "context", "message")

    @given(st.lists(st.text(max_size=12)))
    def test_whatever_a_browser_sends(self, codes: list[str]) -> None:
        assert locale.get(*codes).code in locale.get_supported_locales()


class TestCSV:
    def write(self, folder: Path, text: str | bytes, name: str = "es_LA.csv") -> None:
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def load(self, folder: Path, text: str | bytes, encoding: str | None = None) -> Locale:
        self.write(folder, text)
        locale.load_translations(str(folder), encoding)
        return Locale.get("es_LA")

    def test_texts(self, tmp_path: Path) -> None:
        spanish = self.load(tmp_path, '"I love you","Te amo"\nYes,Sí,unknown\nNo,¡No!,\n')
        assert isinstance(spanish, CSVLocale)
        assert spanish.translate("I love you") == "Te amo"
        assert spanish.translate("Yes") == "Sí"
        assert spanish.translate("No") == "¡No!"
        assert spanish.translate("Perhaps") == "Perhaps"

    def test_plurals(self, tmp_path: Path) -> None:
        spanish = self.load(
            tmp_path,
            '"%(name)s liked this","A %(name)s les gustó esto","plural"\n'
            '"%(name)s liked this","A %(name)s le gustó esto","singular"\n',
        )
        message = "%(name)s liked this"
        assert spanish.translate(message, message, 1) == "A %(name)s le gustó esto"
        for count in (0, 2, -1, 1000):
            assert spanish.translate(message, message, count) == "A %(name)s les gustó esto"
        # Without a count it is another text.
        assert spanish.translate(message) == message

    def test_plurals_that_are_not_there(self) -> None:
        for of_it in (english(), CSVLocale("xx", {"unknown": {"club": "X", "clubs": "XX"}})):
            assert of_it.translate("club", "clubs", 1) == "club"
            assert of_it.translate("club", "clubs", 2) == "clubs"

    def test_a_plural_needs_a_count(self) -> None:
        with pytest.raises(ValueError, match="needs a count"):
            english().translate("club", "clubs")
        with pytest.raises(ValueError, match="needs a count"):
            english().pgettext("stick", "club", "clubs")
        assert english().translate("club", None, 7) == "club"

    def test_no_contexts(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        spanish = self.load(tmp_path, "right,derecho\nclubs,clubes,plural\n")
        assert spanish.pgettext("law", "right") == "derecho"
        assert spanish.pgettext("stick", "club", "clubs", 2) == "clubes"
        assert caplog.messages == ["pgettext is not supported by CSVLocale"] * 2
        caplog.clear()
        assert english().pgettext("law", "right") == "right"
        assert caplog.messages == []

    @pytest.mark.parametrize(
        "data",
        [
            "school,Schüle\n".encode(),
            codecs.BOM_UTF8 + "school,Schüle\n".encode(),
            codecs.BOM_UTF16_LE + "school,Schüle\n".encode("utf-16-le"),
            codecs.BOM_UTF16_BE + "school,Schüle\n".encode("utf-16-be"),
        ],
        ids=["none", "utf-8", "utf-16-le", "utf-16-be"],
    )
    def test_byte_order_marks(self, tmp_path: Path, data: bytes) -> None:
        assert self.load(tmp_path, data).translate("school") == "Schüle"

    def test_each_file_has_its_own_mark(self, tmp_path: Path) -> None:
        self.write(tmp_path, "a,ä".encode("utf-16"), "de.csv")
        self.write(tmp_path, "a,å", "sv.csv")
        self.write(tmp_path, "a,à".encode("utf-8-sig"), "it.csv")
        locale.load_translations(str(tmp_path))
        assert [Locale.get(code).translate("a") for code in ("de", "sv", "it")] == ["ä", "å", "à"]

    def test_given_encoding(self, tmp_path: Path) -> None:
        assert self.load(tmp_path, "a,ñ".encode("latin-1"), "latin-1").translate("a") == "ñ"

    def test_wrong_encoding(self, tmp_path: Path) -> None:
        before = self.load(tmp_path, "a,before")
        with pytest.raises(UnicodeDecodeError) as caught:
            self.load(tmp_path, "a,ñ".encode("latin-1"))
        assert caught.value.__notes__ == [f"in the translations {tmp_path / 'es_LA.csv'}"]
        with pytest.raises(LookupError):
            locale.load_translations(str(tmp_path), "no-such-encoding")
        assert Locale.get("es_LA") is before

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_line_ends_and_space(self, tmp_path: Path, end: str) -> None:
        spanish = self.load(tmp_path, f"{end} a , x ,{end}{end} {end}b,y , plural {end}")
        assert isinstance(spanish, CSVLocale)
        assert spanish.translations == {"unknown": {"a": "x"}, "plural": {"b": "y"}}

    def test_bad_rows_are_logged(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        text = 'a,x,dual\n"two\nlines",x\nalone\n\n   \nhello, you,hola, tú\nb,y\nc,z,plural,more\n'
        spanish = self.load(tmp_path, text)
        assert caplog.messages == [
            "Unrecognized plural indicator 'dual' in es_LA.csv line 1",
            "No translation in es_LA.csv line 4",
            "Unrecognized plural indicator 'hola' in es_LA.csv line 7",
        ]
        assert all(record.levelno == logging.ERROR for record in caplog.records)
        assert isinstance(spanish, CSVLocale)
        assert spanish.translations == {
            "unknown": {"two\nlines": "x", "b": "y"},
            "plural": {"c": "z"},
        }

    def test_field_limit(self, tmp_path: Path) -> None:
        limit = csv.field_size_limit()
        assert self.load(tmp_path, "a," + "x" * limit).translate("a") == "x" * limit
        with pytest.raises(csv.Error) as caught:
            self.load(tmp_path, "a," + "x" * (limit + 1))
        assert caught.value.__notes__ == [f"in the translations {tmp_path / 'es_LA.csv'}"]

    def test_names_of_files(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        bad = ["EN_gb", "fr-FR", "fr_fr", "zh_Hans_CN", "es_419", ".pl", "a b", "de_DE\n"]
        for code in [*bad, "es_LA", "nl"]:
            self.write(tmp_path, "a,b", f"{code}.csv")
        self.write(tmp_path, "a,b", "README.txt")
        self.write(tmp_path, "a,b", ".csv")
        locale.load_translations(str(tmp_path))
        assert set(locale.get_supported_locales()) == {"es_LA", "nl", "en_US"}
        assert sorted(caplog.messages) == sorted(
            f"Unrecognized locale {code!r} (path: {tmp_path / code}.csv)" for code in bad
        )

    def test_no_folder(self, tmp_path: Path) -> None:
        before = self.load(tmp_path, "a,b")
        with pytest.raises(FileNotFoundError):
            locale.load_translations(str(tmp_path / "nowhere"))
        (tmp_path / "sv.csv").mkdir()
        with pytest.raises(IsADirectoryError):
            locale.load_translations(str(tmp_path))
        assert Locale.get("es_LA") is before

    def test_what_is_loaded_replaces_what_was(self, tmp_path: Path) -> None:
        before = self.load(tmp_path, "a,b")
        assert self.load(tmp_path, "a,c").translate("a") == "c"
        assert before.translate("a") == "b"
        (tmp_path / "es_LA.csv").unlink()
        locale.load_translations(str(tmp_path))
        assert locale.get("es_LA").code == "en_US"

    def test_what_is_supported_is_logged(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("DEBUG", "tornado.general"):
            self.load(tmp_path, "a,b")
        assert caplog.messages == ["Supported locales: ['en_US', 'es_LA']"]

    # What no encoding can say, and what ends a CSV field in a way that only its writer quotes.
    texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(str.strip)

    @given(st.dictionaries(texts.filter(bool), texts, max_size=5))
    def test_what_a_writer_writes_is_read(self, messages: dict[str, str]) -> None:
        written = io.StringIO(newline="")
        csv.writer(written).writerows(messages.items())
        lines = io.StringIO(written.getvalue(), newline="")
        assert locale._read_csv(lines, "es.csv").get("unknown", {}) == messages

    @given(st.text(max_size=200))
    def test_any_text(self, text: str) -> None:
        try:
            translations = locale._read_csv(io.StringIO(text, newline=""), "es.csv")
        except csv.Error:
            return
        assert set(translations) <= {"plural", "singular", "unknown"}


class TestGettext:
    FRENCH = "nplurals=2; plural=n > 1;"

    @pytest.fixture
    def french(self, tmp_path: Path) -> Locale:
        messages = {
            "school": "école",
            "right": "droite",
            "law\x04right": "le droit",
            "good\x04right": "le bien",
            "club\0clubs": "club-un\0club-plus",
            "organization\x04club\0organization\x04clubs": "le club\0les clubs",
            "stick\x04club\0stick\x04clubs": "le bâton\0les bâtons",
        }
        write_catalog(tmp_path, "fr_FR", messages, self.FRENCH)
        locale.load_gettext_translations(str(tmp_path), "demo")
        return Locale.get("fr_FR")

    def test_texts(self, french: Locale) -> None:
        assert isinstance(french, GettextLocale)
        assert french.translate("school") == "école"
        assert french.translate("house") == "house"
        assert french.name == "Français"

    def test_plurals(self, french: Locale) -> None:
        forms = [french.translate("club", "clubs", count) for count in (0, 1, 2)]
        assert forms == ["club-un", "club-un", "club-plus"]
        assert french.translate("house", "houses", 1) == "house"
        assert french.translate("house", "houses", 2) == "houses"

    def test_more_forms_than_two(self, tmp_path: Path) -> None:
        plural = "nplurals=3; plural=n==1 ? 0 : n>=2 && n<=4 ? 1 : 2;"
        write_catalog(tmp_path, "cs", {"year\0years": "rok\0roky\0let"}, plural)
        locale.load_gettext_translations(str(tmp_path), "demo")
        czech = locale.get("cs_CZ")
        forms = [czech.translate("year", "years", count) for count in (0, 1, 2, 5)]
        assert forms == ["let", "rok", "roky", "let"]

    def test_contexts(self, french: Locale) -> None:
        assert french.pgettext("law", "right") == "le droit"
        assert french.pgettext("good", "right") == "le bien"
        assert french.pgettext("side", "right") == "right"

    def test_contexts_with_plurals(self, french: Locale) -> None:
        assert french.pgettext("organization", "club", "clubs", 1) == "le club"
        assert french.pgettext("organization", "club", "clubs", 2) == "les clubs"
        assert french.pgettext("stick", "club", "clubs", 0) == "le bâton"
        assert french.pgettext("stick", "club", "clubs", 3) == "les bâtons"
        # Unknown with this context, and known without one; then not known at all.
        assert french.pgettext("night", "club", "clubs", 3) == "club-plus"
        assert french.pgettext("night", "house", "houses", 3) == "houses"

    def test_a_plural_needs_a_count(self, french: Locale) -> None:
        with pytest.raises(ValueError, match="needs a count"):
            french.translate("club", "clubs")
        with pytest.raises(ValueError, match="needs a count"):
            french.pgettext("stick", "club", "clubs")

    def test_a_country_falls_back_to_its_language(self, tmp_path: Path) -> None:
        write_catalog(tmp_path, "fr", {"a": "fr-a", "b": "fr-b"})
        write_catalog(tmp_path, "fr_CA", {"a": "ca-a"})
        locale.load_gettext_translations(str(tmp_path), "demo")
        assert [Locale.get("fr_CA").translate(text) for text in "abc"] == ["ca-a", "fr-b", "c"]
        assert Locale.get("fr").translate("a") == "fr-a"

    def test_default_without_a_catalog(self, french: Locale) -> None:
        assert type(locale.get("xx")) is CSVLocale
        assert locale.get("xx").translate("school") == "school"

    def test_any_code_that_is_a_folder(self, tmp_path: Path) -> None:
        for code in ("zh_Hans", "sr@latin", "es-419"):
            write_catalog(tmp_path, code, {"a": code})
            locale.load_gettext_translations(str(tmp_path), "demo")
            assert locale.get(code).translate("a") == code

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"no catalog at all",
            struct.pack("<7I", 0x950412DE, 0, 1, 28, 36, 0, 0),
            struct.pack("<7I", 0x950412DE, 9 << 16, 0, 28, 28, 0, 0),
        ],
        ids=["empty", "text", "cut", "version"],
    )
    def test_broken_catalogs(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes
    ) -> None:
        write_catalog(tmp_path, "de_DE", {}).write_bytes(data)
        write_catalog(tmp_path, "fr_FR", {"a": "b"})
        locale.load_gettext_translations(str(tmp_path), "demo")
        assert set(locale.get_supported_locales()) == {"fr_FR", "en_US"}
        assert len(caplog.messages) == 1
        assert caplog.messages[0].startswith("Cannot load translation for 'de_DE': ")

    def test_hostile_plural_rule(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        write_catalog(tmp_path, "de", {}, "nplurals=2; plural=__import__('os').abort();")
        write_catalog(tmp_path, "fr", {}, "nplurals=2; plural=" + "(" * 3000 + "n;")
        locale.load_gettext_translations(str(tmp_path), "demo")
        assert set(locale.get_supported_locales()) == {"en_US"}
        assert len(caplog.messages) == 2

    def test_what_else_is_in_the_tree(self, tmp_path: Path) -> None:
        folder = tmp_path / "trees [1] *"
        write_catalog(folder, "fr", {"a": "b"})
        write_catalog(tmp_path, "trees 1 x/de", {"a": "b"})
        (folder / "it" / "LC_MESSAGES").mkdir(parents=True)
        (folder / "file").touch()
        locale.load_gettext_translations(str(folder), "demo")
        assert set(locale.get_supported_locales()) == {"fr", "en_US"}
        locale.load_gettext_translations(str(folder), "d*")
        assert set(locale.get_supported_locales()) == {"en_US"}
        locale.load_gettext_translations(str(folder / "nowhere"), "demo")
        assert set(locale.get_supported_locales()) == {"en_US"}

    def test_loaded_again(self, tmp_path: Path, french: Locale) -> None:
        write_catalog(tmp_path, "fr_FR", {"school": "lycée"})
        locale.load_gettext_translations(str(tmp_path), "demo")
        assert Locale.get("fr_FR").translate("school") == "lycée"
        (tmp_path / "fr_FR.csv").write_text("school,collège")
        locale.load_translations(str(tmp_path))
        assert Locale.get("fr_FR").translate("school") == "collège"

    def test_other_translations(self) -> None:
        none = GettextLocale("fr_FR", gettext.NullTranslations())
        assert none.translate("a") == none.pgettext("c", "a") == "a"
        assert none.pgettext("c", "a", "as", 2) == "as"


class Frozen(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
        return NOW.astimezone(tz)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = types.SimpleNamespace(**{**vars(datetime), "datetime": Frozen})
    monkeypatch.setattr(locale, "datetime", clock)


def ago(**times: float) -> datetime.datetime:
    return NOW - datetime.timedelta(**times)


@pytest.mark.usefixtures("frozen")
class TestDates:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0, "0 seconds ago"),
            (1, "1 second ago"),
            (2, "2 seconds ago"),
            (49, "49 seconds ago"),
            (50, "1 minute ago"),
            (89, "1 minute ago"),
            (90, "2 minutes ago"),
            (50 * 60 - 1, "50 minutes ago"),
            (50 * 60, "1 hour ago"),
            (90 * 60, "2 hours ago"),
            (24 * 3600 - 1, "24 hours ago"),
            (24 * 3600, "yesterday at 6:35 pm"),
        ],
    )
    def test_how_long_ago(self, seconds: int, text: str) -> None:
        assert english().format_date(ago(seconds=seconds)) == text

    @pytest.mark.parametrize(
        ("days", "text"),
        [
            (1, "yesterday at 6:35 pm"),
            (1.7, "yesterday at 1:47 am"),
            (1.8, "Friday at 11:23 pm"),  # the day before yesterday by the calendar
            (2, "Friday at 6:35 pm"),
            (4.99, "Tuesday at 6:49 pm"),
            (5, "April 23 at 6:35 pm"),
            (333, "May 30 at 6:35 pm"),
            (333.99, "May 29 at 6:49 pm"),
            (334, "May 29, 2012 at 6:35 pm"),
            (4000, "May 16, 2002 at 6:35 pm"),
        ],
    )
    def test_days(self, days: float, text: str) -> None:
        assert english().format_date(ago(days=days)) == text
        assert english().format_date(ago(days=days), shorter=True) == text.partition(" at ")[0]

    def test_not_relative(self) -> None:
        def absolute(date: datetime.datetime, shorter: bool = False) -> str:
            return english().format_date(date, relative=False, shorter=shorter)

        assert absolute(ago(minutes=2)) == "6:33 pm"
        assert absolute(ago(minutes=2), shorter=True) == "6:33 pm"
        assert absolute(ago(days=1)) == "Saturday at 6:35 pm"
        assert absolute(ago(days=1), shorter=True) == "Saturday"
        assert absolute(ago(days=400)) == "March 24, 2012 at 6:35 pm"

    def test_full_format(self) -> None:
        full = english().format_date(ago(minutes=2), full_format=True)
        assert full == "April 28, 2013 at 6:33 pm"
        assert english().format_date(NOW, full_format=True, shorter=True) == "April 28, 2013"

    def test_future(self) -> None:
        assert english().format_date(ago(seconds=-59.9)) == "0 seconds ago"
        assert english().format_date(ago(seconds=-60)) == "April 28, 2013 at 6:36 pm"
        assert english().format_date(ago(seconds=-1), relative=False).startswith("April 28, 2013")
        assert english().format_date(ago(days=-1, seconds=-5), shorter=True) == "April 29, 2013"
        assert english().format_date(ago(days=-500)) == "September 10, 2014 at 6:35 pm"

    def test_offset(self) -> None:
        # In New York it is 14:35; 24 hours and 20 minutes before, it was yesterday.
        assert english().format_date(ago(hours=25), gmt_offset=240) == "yesterday at 1:35 pm"
        full = english().format_date(NOW, gmt_offset=240, full_format=True)
        assert full == "April 28, 2013 at 2:35 pm"
        full = english().format_date(NOW, gmt_offset=-600, full_format=True)
        assert full == "April 29, 2013 at 4:35 am"
        # 30 hours ago was yesterday in Greenwich, the day before for those where it is morning.
        assert english().format_date(ago(hours=30)) == "yesterday at 12:35 pm"
        assert english().format_date(ago(hours=30), gmt_offset=900) == "Friday at 9:35 pm"

    def test_kinds_of_dates(self) -> None:
        date = ago(days=3)
        tokyo = datetime.timezone(datetime.timedelta(hours=9))
        assert english().format_date(date) == "Thursday at 6:35 pm"
        assert english().format_date(date.replace(tzinfo=None)) == "Thursday at 6:35 pm"
        assert english().format_date(date.timestamp()) == "Thursday at 6:35 pm"
        assert english().format_date(int(date.timestamp())) == "Thursday at 6:35 pm"
        # One that knows its time zone is written in that.
        assert english().format_date(date.astimezone(tokyo)) == "Friday at 3:35 am"

    @pytest.mark.parametrize(
        ("hour", "twelve", "chinese"),
        [
            (0, "12:05 am", "上午12:05"),
            (11, "11:05 am", "上午11:05"),
            (12, "12:05 pm", "下午12:05"),
        ],
    )
    def test_clocks(self, hour: int, twelve: str, chinese: str) -> None:
        date = datetime.datetime(2013, 4, 28, hour, 5, tzinfo=UTC)
        for code, text in [
            ("en", twelve),
            ("en_US", twelve),
            ("zh_CN", chinese),
            ("en_GB", f"{hour}:05"),
            ("zh_TW", f"{hour}:05"),
        ]:
            assert CSVLocale(code, {}).format_date(date, relative=False) == text

    def test_translated(self) -> None:
        messages = {
            "April": "avril",
            "Saturday": "samedi",
            "%(month_name)s %(day)s, %(year)s at %(time)s": (
                "le %(day)s %(month_name)s %(year)s à %(time)s"
            ),
            "yesterday at %(time)s": "hier à %(time)s",
            "%(weekday)s, %(month_name)s %(day)s": "%(weekday)s %(day)s %(month_name)s",
            "%(commas)s and %(last)s": "%(commas)s et %(last)s",
        }
        french = CSVLocale(
            "fr_FR",
            {
                "unknown": messages,
                "singular": {"1 hour ago": "il y a une heure"},
                "plural": {"%(hours)d hours ago": "il y a %(hours)d heures"},
            },
        )
        assert french.format_date(NOW, full_format=True) == "le 28 avril 2013 à 18:35"
        assert french.format_date(ago(days=1)) == "hier à 18:35"
        assert french.format_date(ago(hours=1)) == "il y a une heure"
        assert french.format_date(ago(hours=5)) == "il y a 5 heures"
        assert french.format_day(ago(days=1)) == "samedi 27 avril"
        assert french.list(["un", "deux", "trois"]) == "un, deux et trois"

    def test_day(self) -> None:
        assert english().format_day(NOW) == "Sunday, April 28"
        assert english().format_day(NOW, dow=False) == "April 28"
        assert english().format_day(NOW, gmt_offset=20 * 60) == "Saturday, April 27"
        assert english().format_day(NOW, -10 * 60, dow=False) == "April 29"


@given(
    st.datetimes(datetime.datetime(2, 1, 1), datetime.datetime(9998, 1, 1)),
    st.integers(-1440, 1440),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.sampled_from(["en_US", "zh_CN", "fa_IR", "fr"]),
)
def test_any_date(
    date: datetime.datetime, offset: int, flags: tuple[bool, bool, bool], code: str
) -> None:
    text = CSVLocale(code, {}).format_date(date, offset, *flags)
    assert text and "%" not in text


class TestLists:
    @pytest.mark.parametrize(
        ("parts", "text"),
        [
            ([], ""),
            (["A"], "A"),
            (("A", "B"), "A and B"),
            (["A", "B", "C"], "A, B and C"),
            ([1, 2, 3], "1, 2 and 3"),
            (["100%", "%s", "%(last)s"], "100%, %s and %(last)s"),
        ],
    )
    def test_english(self, parts: list[str], text: str) -> None:
        assert english().list(parts) == text

    def test_persian(self) -> None:
        assert CSVLocale("fa_IR", {}).list(["A", "B", "C"]) == "A و B and C"


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
            (-1, "-1"),
            (-123, "-123"),
            (-1234, "-1,234"),
        ],
    )
    def test_english(self, value: int, text: str) -> None:
        assert english().friendly_number(value) == text
        assert CSVLocale("en", {}).friendly_number(value) == text
        # From a form.
        assert english().friendly_number(str(value)) == text  # type: ignore[arg-type]

    def test_others(self) -> None:
        for code in ("en_GB", "fr_FR", "de"):
            assert CSVLocale(code, {}).friendly_number(1234567) == "1234567"

    @given(st.integers())
    def test_any(self, value: int) -> None:
        text = english().friendly_number(value)
        assert int(text.replace(",", "")) == value
        assert all(len(group) == 3 for group in text.lstrip("-").split(",")[1:])
