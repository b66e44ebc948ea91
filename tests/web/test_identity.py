"""Who is served, and in which language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.web.support import LogBook, application, fetch

from tornadic import locale
from tornadic.locale import Locale
from tornadic.web import RequestHandler, identity


def do(action: Callable[[Any], Any], headers: Any = (), **settings: Any) -> Any:
    """What ``action`` returned in a handler."""
    results: list[Any] = []

    class Handler(RequestHandler):
        def get(self) -> None:
            results.append(action(self))

    fetch(application(Handler, **settings), headers=headers)
    return results[0]


class TestCurrentUser:
    def test_nobody(self) -> None:
        assert do(lambda handler: handler.current_user) is None

    def test_is_found_out_once_and_only_if_asked(self) -> None:
        calls: list[str] = []

        class Handler(RequestHandler):
            def get_current_user(self) -> None:
                calls.append(self.request.path)

            def get(self) -> None:
                if self.request.path == "/asks":
                    assert self.current_user is self.current_user is None

        fetch(Handler, "/asks not".replace(" ", "-"))
        assert calls == []
        fetch(Handler, "/asks")
        assert calls == ["/asks"]

    def test_may_be_set(self) -> None:
        class Handler(RequestHandler):
            async def prepare(self) -> None:
                self.current_user = "ada"

            def get_current_user(self) -> str:
                raise AssertionError

            def get(self) -> None:
                self.write(self.current_user)
                self.current_user = None
                self.write(str(self.current_user))

        assert fetch(Handler).text == "adaNone"

    def test_is_not_kept_for_the_next_request(self) -> None:
        class Handler(RequestHandler):
            def get_current_user(self) -> str:
                return self.get_argument("user")

            def get(self) -> None:
                self.write(self.current_user)

        app = application(Handler)
        assert [fetch(app, f"/?user={name}").text for name in "ab"] == ["a", "b"]


class TestSettings:
    def test_require_setting(self) -> None:
        def require(handler: RequestHandler) -> None:
            handler.require_setting("here")
            for name in ("missing", "none", "empty"):
                with pytest.raises(RuntimeError, match=f"'{name}' setting .* use this feature"):
                    handler.require_setting(name)
            with pytest.raises(RuntimeError, match=r"to use a thing$"):
                handler.require_setting("missing", "a thing")

        do(require, here=1, none=None, empty="")

    def test_template_path(self) -> None:
        assert do(lambda handler: handler.get_template_path()) is None
        assert do(lambda handler: handler.get_template_path(), template_path="x") == "x"

    def test_login_url(self, log: LogBook) -> None:
        assert do(lambda handler: handler.get_login_url(), login_url="/login") == "/login"

        def ask(handler: RequestHandler) -> None:
            with pytest.raises(RuntimeError, match="'login_url' setting"):
                handler.get_login_url()

        do(ask)
        do(ask, login_url="")


@pytest.fixture
def _languages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    codes = ["en_US", "fr", "de", "pt_BR", "zh_CN"]
    monkeypatch.setattr(locale, "_translations", {code: {} for code in codes})
    monkeypatch.setattr(locale, "_supported_locales", frozenset(codes))
    monkeypatch.setattr(locale, "_locales", {})
    yield


def accepted(header: str | None, default: str = "en_US") -> str:
    headers = {} if header is None else {"Accept-Language": header}
    found: Locale = do(lambda handler: handler.get_browser_locale(default), headers)
    return found.code


@pytest.mark.usefixtures("_languages")
class TestLocale:
    @pytest.mark.parametrize(
        ("header", "code"),
        [
            (None, "de"),
            ("", "de"),
            (",;, ;q=1", "de"),
            ("fr", "fr"),
            ("fr-FR", "fr"),
            ("pt-br", "pt_BR"),
            ("zh_cn", "zh_CN"),
            ("de;q=0.5, fr;q=0.9", "fr"),
            ("de ; q=0.9 , fr; q = 0.3", "de"),
            ("de;Q=0.9,fr;q=1", "fr"),
            ("fr;level=1;q=0.1,de;q=0.2", "de"),
            ("pt-BR,fr", "pt_BR"),
            ("xx, fr;q=0.1", "fr"),
            ("fr;q=0, zh-CN;q=0.1", "zh_CN"),
            ("fr;q=0", "de"),
            ("fr;q=-1", "de"),
            ("fr;q=x, zh-CN;q=0.1", "zh_CN"),
            ("fr;q=nan, zh-CN;q=0.1", "zh_CN"),
            ("fr;q=, zh-CN;q=0.1", "zh_CN"),
            ("xx", "en_US"),
            ("*", "en_US"),
        ],
    )
    def test_browser(self, header: str | None, code: str) -> None:
        assert accepted(header, "de") == code

    def test_number_of_languages_at_the_limit_and_beyond(self) -> None:
        assert accepted("xx," * (identity.MAX_LANGUAGES - 1) + "fr") == "fr"
        assert accepted("xx," * identity.MAX_LANGUAGES + "fr") == "en_US"

    def test_the_users_choice_comes_first(self) -> None:
        calls: list[str] = []

        class Handler(RequestHandler):
            def get_user_locale(self) -> Locale | None:
                calls.append("asked")
                return locale.get("de") if self.get_argument("user", None) else None

            def get(self) -> None:
                assert self.locale is self.locale
                self.write(self.locale.code)

        headers = {"Accept-Language": "fr"}
        assert fetch(Handler, headers=headers).text == "fr"
        assert fetch(Handler, "/?user=1", headers=headers).text == "de"
        assert calls == ["asked", "asked"]

    def test_may_be_set(self) -> None:
        def assign(handler: RequestHandler) -> str:
            handler.locale = locale.get("pt_BR")
            return handler.locale.code

        assert do(assign) == "pt_BR"
