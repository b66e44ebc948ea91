"""What can be put in front of a handler's methods: log in first, or come by the proper path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from tornadic.httputil import url_concat
from tornadic.web.errors import HTTPError
from tornadic.web.sites import site_of

if TYPE_CHECKING:
    from tornadic.web.handler import RequestHandler

__all__ = ["addslash", "authenticated", "removeslash"]

Method = Callable[..., Awaitable[None] | None]

# Others are not sent again by a browser that follows a redirect.
_REDIRECTED_METHODS = ("GET", "HEAD")


def authenticated(method: Method) -> Method:
    """Let only those pass whose ``current_user`` is somebody.

    Others are sent to `RequestHandler.get_login_url` if the method is GET or HEAD, and get a 403
    otherwise.  The URL that they asked for goes along as the argument ``next``: without the host
    if the login page is on the same one.  A login URL that has a query already is left as it is.
    """

    @wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        if self.current_user:
            return method(self, *args, **kwargs)
        if self.request.method not in _REDIRECTED_METHODS:
            raise HTTPError(403)
        url = self.get_login_url()
        if "?" not in url:
            request = self.request
            # A path that passes for a host would lead away when the login page comes back to it.
            is_elsewhere = any(site_of(url)) or any(site_of(request.uri))
            url = url_concat(url, {"next": request.full_url() if is_elsewhere else request.uri})
        self.redirect(url)
        return None

    return wrapper


def addslash(method: Method) -> Method:
    """Redirect ``/foo`` to ``/foo/``; for a rule such as ``r"/foo/?"``.

    Other methods than GET and HEAD are a 404.  Never redirects to another site: what would is a
    403.
    """

    @wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        path = self.request.path
        if path.endswith("/"):
            return method(self, *args, **kwargs)
        _redirect_to_path(self, path + "/")
        return None

    return wrapper


def removeslash(method: Method) -> Method:
    """Redirect ``/foo/`` to ``/foo``; for a rule such as ``r"/foo/*"``.  Otherwise `addslash`."""

    @wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        path = self.request.path
        without = path.rstrip("/")
        if without == path or not without:  # the root cannot do without
            return method(self, *args, **kwargs)
        _redirect_to_path(self, without)
        return None

    return wrapper


def _redirect_to_path(handler: RequestHandler, path: str) -> None:
    request = handler.request
    if request.method not in _REDIRECTED_METHODS:
        raise HTTPError(404)
    if any(site_of(path)):
        raise HTTPError(403, "cannot redirect path with two initial slashes")
    handler.redirect(f"{path}?{request.query}" if request.query else path, permanent=True)
