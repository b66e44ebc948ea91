"""The application's settings: all that the framework knows, and how a handler reads them.

A program may have settings of its own, so an unknown name is no error.  One that is nearly a
known one is most likely that one misspelt, and `warn_of_misspelt` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tornadic.log import app_log

if TYPE_CHECKING:
    from tornadic.web.application import Application

__all__ = ["KNOWN_SETTINGS", "SettingsMixin", "nearest_known", "warn_of_misspelt"]

KNOWN_SETTINGS: Mapping[str, str] = {
    # What happens in general
    "debug": "turns on autoreload and serve_traceback, turns off the caches of templates and files",
    "autoreload": "starts the program anew when one of its files changes",
    "serve_traceback": "errors show the debug page, or a traceback; never on a public server",
    "compress_response": "compresses responses for clients that accept it",
    "gzip": "the old name of compress_response",
    "default_handler_class": "the handler of requests that no rule matches; else they get a 404",
    "default_handler_args": "arguments for the initialize of default_handler_class, a dict",
    "log_function": "a function of the handler, called when a request is done instead of the log",
    "middleware": "what every request passes on its way in and out, a list of objects",
    # Templates
    "template_path": "the folder of the templates; else that of the file that renders",
    "template_loader": "a template.BaseLoader to use instead of one for template_path",
    "template_whitespace": "how templates treat white space: all, single or oneline",
    "autoescape": "the function that escapes what templates show; None for no escaping",
    "compiled_template_cache": "False compiles templates anew for every request",
    "ui_modules": "UI modules for templates: a dict of UIModule classes, a module, or a list",
    "ui_methods": "functions for templates: a dict, a module, or a list; each gets the handler",
    # Static files
    "static_path": "the folder whose files are served",
    "static_url_prefix": "what the URLs of static files begin with: /static/ if not set",
    "static_handler_class": "a StaticFileHandler of one's own",
    "static_handler_args": "more arguments for its initialize, a dict",
    "static_hash_cache": "False computes the versions of files anew for every request",
    "static_precompressed": "serves the .zst, .br or .gz beside a file to those who accept it",
    # Cookies, users, other sites
    "cookie_secret": "the key that signs cookies, or a dict of keys by version",
    "key_version": "which key of cookie_secret signs, if that is a dict",
    "login_url": "where authenticated sends those who are not logged in",
    "xsrf_cookies": "forms must repeat a token that other sites cannot know",
    "xsrf_cookie_name": "the name of the cookie with that token: _xsrf if not set",
    "xsrf_cookie_version": "the format of the token: 2 if not set",
    "xsrf_cookie_kwargs": "more arguments for set_cookie when that cookie is set, a dict",
    "cross_origin_protection": "refuses what a browser says comes from another site",
    "trusted_origins": "other sites from which cross_origin_protection lets requests pass",
    # Sessions, see the module sessions
    "session_store": "where sessions are kept; with it every handler has a self.session",
    "session_cookie_name": "the name of the session's cookie: session if not set",
    "session_cookie_domain": "for which hosts it is; this host only if not set",
    "session_cookie_samesite": "Strict, Lax or None: Lax if not set",
    "session_cookie_secure": "whether it is sent over TLS only; as the request came if not set",
    "session_cookie_persistent": "False lets it end with the browser",
    "session_on_store_error": "error answers 503 if the store is down, fresh goes on without it",
    # WebSockets
    "websocket_ping_interval": "seconds between pings to the clients; no pings if not set",
    "websocket_ping_timeout": "seconds to wait for the answer to a ping",
    "websocket_max_message_size": "the most bytes of a message: 10 MiB if not set",
    "websocket_max_write_buffer_size": "the most bytes that wait for a peer: 16 MiB if not set",
    # Server-sent events
    "eventsource_keep_alive_interval": "seconds of silence after which a comment is sent: 15",
    "eventsource_max_write_buffer_size": "the most bytes that wait for a client: 1 MiB if not set",
    # Providers of identities, see the module auth
    "google_oauth": "a dict with the key and the secret of the program at Google",
    "facebook_api_key": "the program's key at Facebook",
    "facebook_secret": "the program's secret at Facebook",
    "twitter_consumer_key": "the program's key at Twitter",
    "twitter_consumer_secret": "the program's secret at Twitter",
}
"""Every setting that the framework reads, with what it does."""

# From how many letters on two mistakes still leave no doubt what was meant.
_LONG = 8


def warn_of_misspelt(settings: Iterable[str]) -> None:
    """Log one warning if among the names ``settings`` there are known ones misspelt.

    Names that resemble no known setting are the program's own.  So are those that resemble one
    which is given, too.
    """
    given = set(settings)
    found = []
    for name in sorted(given - KNOWN_SETTINGS.keys()):
        known = nearest_known(name)
        if known is not None and known not in given:
            found.append(f"{name!r} is not known: did you mean {known!r}?")
    if found:
        app_log.warning("Settings of the application: %s", " ".join(found))


@lru_cache(1024)
def nearest_known(name: str) -> str | None:
    """The known setting that ``name`` can only be meant for; None if it resembles none.

    The case of letters, hyphens and underscores do not count; beside these one letter may be
    missing, too many, another, or have changed places with the next, in long names two.
    """
    letters = _letters_of(name)
    best, fewest = None, 3
    for known in KNOWN_SETTINGS:
        plain = _letters_of(known)
        most = min(2 if len(plain) >= _LONG else 1, fewest - 1)
        # Most names are told apart without being compared.
        if abs(len(plain) - len(letters)) > most or len(set(plain) ^ set(letters)) > 2 * most:
            continue
        distance = _distance(letters, plain)
        if distance <= most:
            best, fewest = known, distance
    return best


def _letters_of(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


def _distance(a: str, b: str) -> int:
    """How many letters have to be changed, added, left out or swapped with the next."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            steps = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                steps = min(steps, before[j - 2] + 1)
            row.append(steps)
        before, last = last, row
    return last[-1]


class SettingsMixin:
    """What an application was made with, for its handlers."""

    application: Application

    @property
    def settings(self) -> dict[str, Any]:
        """The application's settings."""
        return self.application.settings

    def require_setting(self, name: str, feature: str = "this feature") -> None:
        """Raise RuntimeError if the setting ``name`` is missing or empty.

        ``feature`` is what cannot be used then, for the message.
        """
        if not self.settings.get(name):
            raise RuntimeError(
                f"You must define the '{name}' setting in your application to use {feature}"
            )
