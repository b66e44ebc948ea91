"""Cross-origin resource sharing: which pages of other sites may read what we answer.

Nothing is said to a page whose origin is not known, which is all it takes: its browser then keeps
the answer from it (https://fetch.spec.whatwg.org/#http-cors-protocol).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tornadic.middleware.arguments import header_name, names
from tornadic.web import RequestHandler

__all__ = ["CORS"]

# As browsers write it: in small letters, without a path.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")

# Headers that need no permission (the standard's "CORS-safelisted request-header").
_SAFE_HEADERS = frozenset({"accept", "accept-language", "content-language", "range"})

_MOST_ASKED = 4096
"""Characters of a list of headers that is looked into; browsers ask for a few names."""


class CORS:
    """Lets pages of other origins read responses, and send what needs a permission.

    ``origins`` are such as ``https://app.example.com``, exactly; or ``"*"`` for any page, which
    cannot go with ``credentials`` (whether the user's cookies are sent along).  ``"null"``, the
    origin of any page in a sandbox, is refused.  ``methods`` are those that may be used;
    ``headers`` those that may be sent beyond what every form may send, ``expose_headers`` those
    of a response that may be read beyond the usual; ``max_age`` is for how many seconds a browser
    may remember it.

    A preflight from a known origin, for a method and headers in these lists, gets a 204 in the
    place of the handler's answer, any other a 403.  Who may *send* a simple request is not
    decided here: see the settings ``xsrf_cookies`` and ``cross_origin_protection``.

    Raises ValueError for anything that is not as described, and TypeError for a text in place of
    a list.
    """

    def __init__(
        self,
        origins: Iterable[str],
        *,
        methods: Iterable[str] = ("GET", "HEAD", "POST"),
        headers: Iterable[str] = (),
        expose_headers: Iterable[str] = (),
        credentials: bool = False,
        max_age: int = 600,
    ) -> None:
        self._is_open = isinstance(origins, str) and origins == "*"
        self._origins = frozenset(() if self._is_open else names("origins", origins))
        if self._is_open and credentials:
            raise ValueError("credentials cannot go with any origin: name the origins")
        for origin in self._origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin such as 'https://example.com'")
        if isinstance(max_age, bool) or not isinstance(max_age, int) or max_age < 0:
            raise ValueError(f"max_age is a number of seconds, not {max_age!r}")
        allowed = [header_name(name) for name in names("methods", methods)]
        self._methods = frozenset(allowed)
        listed = [header_name(name) for name in names("headers", headers)]
        self._headers = _SAFE_HEADERS | {name.lower() for name in listed}
        exposed = [header_name(name) for name in names("expose_headers", expose_headers)]
        self._exposed = ", ".join(exposed)
        self._credentials = credentials
        self._preflight = {"Access-Control-Allow-Methods": ", ".join(allowed)}
        if listed:
            self._preflight["Access-Control-Allow-Headers"] = ", ".join(listed)
        self._preflight["Access-Control-Max-Age"] = str(max_age)

    def process_request(self, handler: RequestHandler) -> None:
        """Answer a preflight; everything else goes on."""
        request = handler.request
        if request.method != "OPTIONS":
            return
        origin = request.headers.get("Origin")
        method = request.headers.get("Access-Control-Request-Method")
        if origin is None or method is None:
            return
        asked = request.headers.get("Access-Control-Request-Headers", "")
        if self._knows(origin) and method in self._methods and self._allows(asked):
            for name, value in self._preflight.items():
                handler.set_header(name, value)
            handler.set_status(204)
        else:
            handler.set_status(403)
        _vary(handler, "Access-Control-Request-Method")
        _vary(handler, "Access-Control-Request-Headers")
        handler.finish()

    def process_response(self, handler: RequestHandler) -> None:
        """Say whether the page may read the response, and that this depends on the page."""
        if self._is_open:
            handler.set_header("Access-Control-Allow-Origin", "*")
        else:
            # Also where nobody asked: what is stored must not be given to those who do.
            _vary(handler, "Origin")
            origin = handler.request.headers.get("Origin")
            if origin is None or not self._knows(origin):
                return
            handler.set_header("Access-Control-Allow-Origin", origin)
            if self._credentials:
                handler.set_header("Access-Control-Allow-Credentials", "true")
        if self._exposed:
            handler.set_header("Access-Control-Expose-Headers", self._exposed)

    def _knows(self, origin: str) -> bool:
        return self._is_open or origin in self._origins

    def _allows(self, asked: str) -> bool:
        if len(asked) > _MOST_ASKED:
            return False
        wanted = {name.strip().lower() for name in asked.split(",")} - {""}
        return wanted <= self._headers


def _vary(handler: RequestHandler, name: str) -> None:
    """Say that the response depends on a header of the request."""
    vary = handler._headers.get("Vary")
    if vary is None:
        handler.set_header("Vary", name)
    elif vary != "*" and name.lower() not in (one.strip().lower() for one in vary.split(",")):
        handler.set_header("Vary", f"{vary}, {name}")
