"""OpenID 2.0 with Attribute Exchange, for a site that trusts one provider.

The browser brings the provider's assertion, and the site asks the provider itself whether that is
genuine (direct verification, OpenID 2.0 section 11.4.2).  A signature covers only the fields that
the assertion names as signed, and holds for any site: so a field that is not named does not count,
and an assertion for another page is refused (sections 10.1 and 11.1).
"""

from __future__ import annotations

import urllib.parse
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from tornadic.auth.callbacks import with_callback
from tornadic.auth.errors import AuthError
from tornadic.httpclient import AsyncHTTPClient, HTTPResponse
from tornadic.httputil import split_host_and_port, url_concat

if TYPE_CHECKING:
    from tornadic.web import RequestHandler

__all__ = ["OpenIdMixin"]

_AUTH = "http://specs.openid.net/auth/2.0"
_AX = "http://openid.net/srv/ax/1.0"

# The attributes that can be asked for, and their types (https://axschema.org/types/).
_TYPES = {
    "firstname": "http://axschema.org/namePerson/first",
    "fullname": "http://axschema.org/namePerson",
    "lastname": "http://axschema.org/namePerson/last",
    "language": "http://axschema.org/pref/language",
    "email": "http://axschema.org/contact/email",
    "username": "http://axschema.org/namePerson/friendly",
}
_NAMES = ("firstname", "fullname", "lastname")

# Answers that say no (OpenID 2.0 sections 5.2.3, 10.2).
_REFUSALS = ("cancel", "error", "setup_needed")

# What must be signed where it is there (section 10.1).
_MUST_BE_SIGNED = (
    "op_endpoint",
    "return_to",
    "response_nonce",
    "assoc_handle",
    "claimed_id",
    "identity",
)


class OpenIdMixin:
    """Logging in by OpenID with Attribute Exchange.

    Class attribute: ``_OPENID_ENDPOINT`` is the provider's URL.

    Deprecated, which a DeprecationWarning says for each handler: few providers are left.
    """

    _OPENID_ENDPOINT: str

    def __init__(self) -> None:
        warnings.warn(
            "OpenIdMixin is deprecated and will be removed in Tornado 6.7",
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__()

    @with_callback
    def authenticate_redirect(
        self,
        callback_uri: str | None = None,
        ax_attrs: list[str] = ["name", "email", "language", "username"],  # noqa: B006
    ) -> None:
        """Send the user to the provider, and finish.

        ``callback_uri`` is where they are sent back to, relative to this page or absolute; None
        for this page itself.  They come with an argument ``openid.mode``, among others, and it is
        time for `get_authenticated_user`.  ``ax_attrs`` is what to ask of the user: any of "name",
        "email", "language" and "username".

        Raises ValueError for other attributes.
        """
        handler = cast("RequestHandler", self)
        callback = handler.request.uri if callback_uri is None else callback_uri
        args = self._openid_args(callback, ax_attrs=ax_attrs)
        handler.redirect(url_concat(self._OPENID_ENDPOINT, args))

    @with_callback
    async def get_authenticated_user(
        self, http_client: AsyncHTTPClient | None = None
    ) -> dict[str, Any]:
        """Who the user is that the provider has sent back here.

        The dictionary has what the provider has said of ``name`` (if need be made of the others),
        ``first_name``, ``last_name``, ``email``, ``locale``, ``username`` and ``claimed_id``, the
        user's identifier.  ``http_client`` asks the provider whether it has said so (None:
        `get_auth_http_client`).

        Raises `AuthError` if the user or the provider has refused, the assertion is for another
        page or what identifies the user is not signed, or the provider does not know of it, and
        what the client raises.
        """
        handler = cast("RequestHandler", self)
        arguments = handler.request.arguments
        mode = _argument(arguments, "openid.mode")
        if not mode or mode in _REFUSALS:
            raise AuthError(f"The OpenID provider has not identified the user: {mode[:20]!r}")
        _check_signed(arguments)
        self._check_return_to(_argument(arguments, "openid.return_to"))
        fields = {name: values[-1] for name, values in arguments.items()}
        fields["openid.mode"] = b"check_authentication"
        if http_client is None:
            http_client = self.get_auth_http_client()
        response = await http_client.fetch(
            self._OPENID_ENDPOINT,
            method="POST",
            body=urllib.parse.urlencode(fields),
            # Whoever is redirected to is not the provider.
            follow_redirects=False,
        )
        return self._on_authentication_verified(response)

    def _openid_args(
        self, callback_uri: str, ax_attrs: Iterable[str] = (), oauth_scope: str | None = None
    ) -> dict[str, str]:
        """The arguments for the provider; ``oauth_scope`` also asks for a token, by OAuth."""
        handler = cast("RequestHandler", self)
        url = urllib.parse.urljoin(handler.request.full_url(), callback_uri)
        args = {
            "openid.ns": _AUTH,
            "openid.claimed_id": f"{_AUTH}/identifier_select",
            "openid.identity": f"{_AUTH}/identifier_select",
            "openid.return_to": url,
            "openid.realm": urllib.parse.urljoin(url, "/"),
            "openid.mode": "checkid_setup",
        }
        wanted = set(ax_attrs)
        if wanted:
            if "name" in wanted:
                wanted.remove("name")
                wanted.update(_NAMES)
            unknown = wanted.difference(_TYPES)
            if unknown:
                raise ValueError(f"Unknown attributes: {', '.join(sorted(unknown))}")
            required = [name for name in _TYPES if name in wanted]
            args["openid.ns.ax"] = _AX
            args["openid.ax.mode"] = "fetch_request"
            args.update({f"openid.ax.type.{name}": _TYPES[name] for name in required})
            args["openid.ax.required"] = ",".join(required)
        if oauth_scope:
            args["openid.ns.oauth"] = "http://specs.openid.net/extensions/oauth/1.0"
            args["openid.oauth.consumer"] = split_host_and_port(handler.request.host)[0]
            args["openid.oauth.scope"] = oauth_scope
        return args

    def _check_return_to(self, return_to: str) -> None:
        """Refuse an assertion that another site has got for its own page.

        The scheme is not compared, for a proxy may have changed it.  A provider that is older than
        version 2.0 may leave ``return_to`` out.
        """
        if not return_to:
            return
        request = cast("RequestHandler", self).request
        here = urllib.parse.urlsplit(request.full_url())
        there = urllib.parse.urlsplit(return_to)
        expected = urllib.parse.parse_qsl(there.query, keep_blank_values=True)
        found = urllib.parse.parse_qsl(here.query, keep_blank_values=True)
        if (
            there.netloc.lower() != here.netloc.lower()
            or urllib.parse.unquote(there.path or "/") != urllib.parse.unquote(here.path)
            or not set(expected) <= set(found)
        ):
            raise AuthError("The OpenID response is for another page")

    def _on_authentication_verified(self, response: HTTPResponse) -> dict[str, Any]:
        """The user, if the provider's answer says that the assertion is genuine."""
        if b"is_valid:true" not in response.body.split(b"\n"):
            raise AuthError(f"Invalid OpenID response: {response.body[:100]!r}")
        arguments = cast("RequestHandler", self).request.arguments
        found = _attributes(arguments)
        user = {
            "first_name": found["firstname"],
            "last_name": found["lastname"],
            "name": (
                found["fullname"]
                or " ".join(filter(None, [found["firstname"], found["lastname"]]))
                or found["email"].partition("@")[0]
            ),
            "email": found["email"],
            "locale": found["language"].lower(),
            "username": found["username"],
            "claimed_id": _argument(arguments, "openid.claimed_id"),
        }
        return {name: value for name, value in user.items() if value}

    def get_auth_http_client(self) -> AsyncHTTPClient:
        """The client for requests to the provider; a subclass may have its own."""
        return AsyncHTTPClient()


def _argument(arguments: dict[str, list[bytes]], name: str) -> str:
    """The last value of an argument, "" if there is none, as the provider is asked about it."""
    return arguments.get(name, [b""])[-1].decode("utf-8", "replace")


def _signed(arguments: dict[str, list[bytes]]) -> set[str] | None:
    """The names of what is signed, without "openid."; None if the response does not say."""
    if "openid.signed" not in arguments:
        return None
    return set(_argument(arguments, "openid.signed").split(","))


def _check_signed(arguments: dict[str, list[bytes]]) -> None:
    """Refuse a response in which anyone may have put what identifies the user."""
    signed = _signed(arguments)
    if signed is None:
        return
    for name in _MUST_BE_SIGNED:
        if f"openid.{name}" in arguments and name not in signed:
            raise AuthError(f"The OpenID response has a {name} that is not signed")


def _attributes(arguments: dict[str, list[bytes]]) -> dict[str, str]:
    """The attributes that are signed, by our names for them, "" where there is none."""
    signed = _signed(arguments)
    counting = {
        name.removeprefix("openid."): _argument(arguments, name)
        for name in arguments
        if name.startswith("openid.") and (signed is None or name[len("openid.") :] in signed)
    }
    aliases = [name[3:] for name, value in counting.items() if name[:3] == "ns." and value == _AX]
    found = dict.fromkeys(_TYPES, "")
    names = {uri: name for name, uri in _TYPES.items()}
    for alias in aliases[:1]:
        start = f"{alias}.type."
        for name, uri in counting.items():
            if name.startswith(start) and uri in names:
                value = counting.get(f"{alias}.value.{name[len(start) :]}", "")
                found[names[uri]] = found[names[uri]] or value
    return found
