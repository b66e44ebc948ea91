"""The part of a handler that knows whom it serves: the user, and the user's language."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tornadic import locale as locales
from tornadic.web.settings import SettingsMixin

if TYPE_CHECKING:
    from tornadic.httputil import HTTPServerRequest

__all__ = ["IdentityMixin"]

# Nobody reads more; a bound on what is looked up because somebody sent it.
MAX_LANGUAGES = 100

# Characters of a header's value that is kept with what it means: those of a browser are shorter.
MAX_KEPT = 100

_UNKNOWN: Any = object()


class IdentityMixin(SettingsMixin):
    """The user of a request, found out when somebody asks."""

    request: HTTPServerRequest

    _current_user: Any = _UNKNOWN
    _locale: locales.Locale | None = None

    @property
    def current_user(self) -> Any:
        """Who sent the request: whatever `get_current_user` returned, which is called once.

        ``prepare`` may set it instead, if it takes waiting to find out.  None, or what is false:
        nobody that is known.
        """
        if self._current_user is _UNKNOWN:
            self._current_user = self.get_current_user()
        return self._current_user

    @current_user.setter
    def current_user(self, value: Any) -> None:
        self._current_user = value

    def get_current_user(self) -> Any:
        """Find out who sent the request, say by a signed cookie.  For subclasses; no coroutine."""
        return None

    def get_login_url(self) -> str:
        """Where `.authenticated` sends those who are not logged in: the setting ``login_url``.

        Raises RuntimeError if there is no such setting.
        """
        self.require_setting("login_url", "@tornado.web.authenticated")
        url: str = self.settings["login_url"]
        return url

    @property
    def locale(self) -> locales.Locale:
        """The locale to answer in: `get_user_locale`'s, or else `get_browser_locale`'s."""
        if self._locale is None:
            self._locale = self.get_user_locale() or self.get_browser_locale()
        return self._locale

    @locale.setter
    def locale(self, value: locales.Locale) -> None:
        self._locale = value

    def get_user_locale(self) -> locales.Locale | None:
        """The locale that the user has chosen, or None.  For subclasses; no coroutine."""
        return None

    def get_browser_locale(self, default: str = "en_US") -> locales.Locale:
        """The locale that the browser likes best among those there are (RFC 9110 section 12.5.4).

        ``default`` is the code of the one for a browser that names none.
        """
        accepted = self.request.headers.get("Accept-Language", "")
        # Every page asks for it, and browsers of one country mostly send the same.
        read = _languages if len(accepted) <= MAX_KEPT else _languages.__wrapped__
        return locales.get(*read(accepted) or [default])


@lru_cache(maxsize=256)
def _languages(accepted: str) -> list[str]:
    """The codes of the languages in the header's value, the one that is liked best first."""
    wanted = [_language(item) for item in accepted.split(",", MAX_LANGUAGES)[:MAX_LANGUAGES]]
    wanted = [(code, weight) for code, weight in wanted if code and weight > 0]
    wanted.sort(key=lambda pair: pair[1], reverse=True)
    return [code for code, _ in wanted]


def _language(item: str) -> tuple[str, float]:
    """A language and its weight, which is 0 if it cannot be read."""
    code, *parameters = item.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return code.strip(), float(value)
            except ValueError:
                return code.strip(), 0.0
    return code.strip(), 1.0
