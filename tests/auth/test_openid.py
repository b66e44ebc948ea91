"""OpenID 2.0: what is asked, what is believed, and what is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.auth.support import Answer, Asked, World, play, sent_to, site_of
from tests.web.support import LogBook

from tornadic.auth import OpenIdMixin
from tornadic.web import RequestHandler

pytestmark = pytest.mark.filterwarnings("ignore:OpenIdMixin is deprecated:DeprecationWarning")

AX = "http://openid.net/srv/ax/1.0"
TYPES = {
    "firstname": "http://axschema.org/namePerson/first",
    "fullname": "http://axschema.org/namePerson",
    "lastname": "http://axschema.org/namePerson/last",
    "language": "http://axschema.org/pref/language",
    "email": "http://axschema.org/contact/email",
    "username": "http://axschema.org/namePerson/friendly",
}

Fields = dict[str, str]


def site(provider: str, **redirect: Any) -> type[RequestHandler]:
    async def call(self: Any) -> Any:
        if self.get_argument("openid.mode", None) or self.get_argument("back", None):
            return await self.get_authenticated_user()
        return self.authenticate_redirect(**redirect)

    return site_of(OpenIdMixin, call, _OPENID_ENDPOINT=f"{provider}/openid?lang=de")


class Endpoint:
    """A provider that signs, and knows again what it has signed, once (section 11.4.2)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.nonces: set[str] = set()
        world.provider.answers["/openid"] = self.check

    def signature(self, fields: Fields) -> str:
        names = fields["openid.signed"].split(",")
        text = "".join([f"{name}:{fields[f'openid.{name}']}\n" for name in names])
        return base64.b64encode(hmac.digest(b"secret", text.encode(), hashlib.sha256)).decode()

    def check(self, asked: Asked) -> Answer:
        assert asked.method == "POST"
        fields = dict(asked.form)
        assert fields["openid.mode"] == "check_authentication"
        fields["openid.mode"] = "id_res"
        try:
            genuine = hmac.compare_digest(self.signature(fields), fields["openid.sig"])
        except KeyError:
            genuine = False
        genuine = genuine and fields["openid.response_nonce"] in self.nonces
        self.nonces.discard(fields.get("openid.response_nonce", ""))
        return f"ns:http://specs.openid.net/auth/2.0\nis_valid:{str(genuine).lower()}\n"

    def assertion(self, return_to: str = "", unsigned: str = "", **attributes: str) -> Fields:
        """A genuine assertion about the user; all but ``unsigned`` fields are signed."""
        nonce = f"2026-01-01T00:00:00Z{len(self.nonces)}"
        self.nonces.add(nonce)
        fields = {
            "ns": "http://specs.openid.net/auth/2.0",
            "mode": "id_res",
            "op_endpoint": f"{self.world.provider.url}/openid",
            "claimed_id": "http://anne.example/",
            "identity": "http://anne.example/",
            "return_to": return_to or f"{self.world.site_url}/login?next=1",
            "response_nonce": nonce,
            "assoc_handle": "1",
        }
        if attributes:
            fields["ns.ext"] = AX
            fields["ext.mode"] = "fetch_response"
            for name, value in attributes.items():
                fields[f"ext.type.{name}"] = TYPES[name]
                fields[f"ext.value.{name}"] = value
        fields["signed"] = ",".join([name for name in fields if name != unsigned])
        fields = {f"openid.{name}": value for name, value in fields.items()}
        fields["openid.sig"] = self.signature(fields)
        return fields


def back(fields: Fields, path: str = "/login?next=1") -> str:
    return f"{path}&{urlencode(fields)}"


def test_the_deprecation() -> None:
    with pytest.warns(DeprecationWarning, match="OpenIdMixin is deprecated"):
        OpenIdMixin()


# What is asked


def asked_for(**redirect: Any) -> tuple[str, Fields, str]:
    """Where the user is sent, with what, and from what site."""
    found = []

    async def scene(world: World) -> None:
        url, fields = sent_to(await world.visit("/login?next=1"))
        assert url == f"{world.provider.url}/openid"
        assert fields.pop("lang") == "de"
        found.append((url, fields, world.site_url))

    play(lambda provider: site(provider, **redirect), scene)
    return found[0]


def test_the_redirect() -> None:
    _, fields, here = asked_for()
    select = "http://specs.openid.net/auth/2.0/identifier_select"
    names = "firstname,fullname,lastname,language,email,username"
    assert fields == {
        "openid.ns": "http://specs.openid.net/auth/2.0",
        "openid.claimed_id": select,
        "openid.identity": select,
        "openid.return_to": f"{here}/login?next=1",
        "openid.realm": f"{here}/",
        "openid.mode": "checkid_setup",
        "openid.ns.ax": AX,
        "openid.ax.mode": "fetch_request",
        **{f"openid.ax.type.{name}": uri for name, uri in TYPES.items()},
        "openid.ax.required": names,
    }


@pytest.mark.parametrize(
    "callback,return_to,realm",
    [
        ("/back?a=b", "{here}/back?a=b", "{here}/"),
        ("back", "{here}/back", "{here}/"),
        ("https://example.com/x", "https://example.com/x", "https://example.com/"),
    ],
)
def test_callbacks(callback: str, return_to: str, realm: str) -> None:
    _, fields, here = asked_for(callback_uri=callback)
    assert fields["openid.return_to"] == return_to.format(here=here)
    assert fields["openid.realm"] == realm.format(here=here)


@pytest.mark.parametrize(
    "wanted,required",
    [
        (["email"], "email"),
        (["username", "email", "email"], "email,username"),
        (["name"], "firstname,fullname,lastname"),
        (["language"], "language"),
        (["fullname"], "fullname"),
    ],
)
def test_attributes(wanted: list[str], required: str) -> None:
    _, fields, _ = asked_for(ax_attrs=wanted)
    assert fields["openid.ax.required"] == required
    types = [name for name in fields if name.startswith("openid.ax.type.")]
    assert types == [f"openid.ax.type.{name}" for name in required.split(",")]


def test_no_attributes() -> None:
    _, fields, _ = asked_for(ax_attrs=[])
    assert not [name for name in fields if ".ax" in name]


def test_unknown_attributes(log: LogBook) -> None:
    async def scene(world: World) -> None:
        assert (await world.visit()).status == 500
        log.take("ValueError: Unknown attributes: shoe_size")

    play(lambda provider: site(provider, ax_attrs=["email", "shoe_size"]), scene)


def test_a_token_of_oauth() -> None:
    def make(provider: str) -> type[RequestHandler]:
        return site_of(OpenIdMixin, lambda self: self._openid_args("/back", oauth_scope="a b"))

    async def scene(world: World) -> None:
        fields = await world.result()
        assert fields["openid.ns.oauth"] == "http://specs.openid.net/extensions/oauth/1.0"
        assert fields["openid.oauth.consumer"] == "example.com"
        assert fields["openid.oauth.scope"] == "a b"

    play(make, scene)


# What is believed


ALL = {
    "firstname": "Anne",
    "lastname": "Other",
    "fullname": "Anne B. Other",
    "email": "anne@example.com",
    "language": "EN-gb",
    "username": "anne",
}


@pytest.mark.parametrize(
    "said,user",
    [
        (
            ALL,
            {
                "first_name": "Anne",
                "last_name": "Other",
                "name": "Anne B. Other",
                "email": "anne@example.com",
                "locale": "en-gb",
                "username": "anne",
            },
        ),
        (
            {"firstname": "Anne", "lastname": "Other"},
            {"first_name": "Anne", "last_name": "Other", "name": "Anne Other"},
        ),
        ({"lastname": "\xd6ther"}, {"last_name": "\xd6ther", "name": "\xd6ther"}),
        ({"email": "anne@example.com"}, {"email": "anne@example.com", "name": "anne"}),
        ({"email": ""}, {}),
        ({}, {}),
    ],
)
def test_the_user(said: Fields, user: Fields) -> None:
    async def scene(world: World) -> None:
        fields = Endpoint(world).assertion(**said)
        result = await world.result(back(fields))
        assert result == {**user, "claimed_id": "http://anne.example/"}
        [asked] = world.provider.asked
        sent = {**fields, "next": "1", "openid.mode": "check_authentication"}
        assert dict(asked.form) == sent

    play(site, scene)


def test_a_page_with_other_arguments() -> None:
    async def scene(world: World) -> None:
        endpoint = Endpoint(world)
        fields = endpoint.assertion(f"{world.site_url}/a%20b")
        await world.result(back(fields, "/a%20b?x=1"))
        # Where TLS ends at a proxy, the page is another for the user than for us.
        fields = endpoint.assertion(f"https://example.com:{world.site.port}/login?next=1")
        await world.result(back(fields))

    play(site, scene)


def test_a_provider_that_does_not_say_what_is_signed() -> None:
    # Then it has to know without.
    async def scene(world: World) -> None:
        world.provider.answers["/openid"] = "is_valid:true"
        fields = {
            "openid.mode": "id_res",
            "openid.ns.ax": AX,
            "openid.ax.type.email": TYPES["email"],
            "openid.ax.value.email": "anne@example.com",
        }
        user = await world.result(back(fields))
        assert user == {"email": "anne@example.com", "name": "anne"}

    play(site, scene)


def test_a_client_for_one_question() -> None:
    class Client:
        async def fetch(self, url: str, **kwargs: Any) -> Any:
            return type("Response", (), {"body": b"is_valid:true"})

    def make(provider: str) -> type[RequestHandler]:
        return site_of(
            OpenIdMixin,
            lambda self: self.get_authenticated_user(http_client=Client()),
            _OPENID_ENDPOINT=provider,
        )

    async def scene(world: World) -> None:
        assert await world.result("/?openid.mode=id_res") == {}

    play(make, scene)


# What is not


def test_a_login_is_good_for_once() -> None:
    async def scene(world: World) -> None:
        fields = Endpoint(world).assertion()
        await world.result(back(fields))
        assert "Invalid OpenID response" in await world.refusal(back(fields))

    play(site, scene)


@pytest.mark.parametrize(
    "name,value",
    [
        ("openid.claimed_id", "http://root.example/"),
        ("openid.ext.value.email", "root@example.com"),
        ("openid.response_nonce", "2026-01-01T00:00:00Z99"),
        ("openid.sig", "AAAA"),
        ("openid.sig", ""),
    ],
)
def test_what_was_changed_on_the_way(name: str, value: str) -> None:
    async def scene(world: World) -> None:
        fields = Endpoint(world).assertion(email="anne@example.com")
        assert "Invalid OpenID response" in await world.refusal(back({**fields, name: value}))

    play(site, scene)


def test_the_last_of_two_values_is_asked_about() -> None:
    async def scene(world: World) -> None:
        fields = Endpoint(world).assertion(email="anne@example.com")
        target = back(fields) + "&openid.claimed_id=http://root.example/"
        assert "Invalid OpenID response" in await world.refusal(target)

    play(site, scene)


@pytest.mark.parametrize("mode", ["cancel", "error", "setup_needed", ""])
def test_a_provider_that_refuses(mode: str) -> None:
    async def scene(world: World) -> None:
        Endpoint(world)
        refusal = await world.refusal(f"/login?back=1&openid.mode={mode}")
        assert "has not identified the user" in refusal
        assert world.provider.asked == []

    play(site, scene)


@pytest.mark.parametrize(
    "name",
    ["op_endpoint", "return_to", "response_nonce", "assoc_handle", "claimed_id", "identity"],
)
def test_what_must_be_signed(name: str) -> None:
    async def scene(world: World) -> None:
        fields = Endpoint(world).assertion(unsigned=name)
        assert f"has a {name} that is not signed" in await world.refusal(back(fields))
        assert world.provider.asked == []

    play(site, scene)


def test_attributes_that_are_not_signed_do_not_count() -> None:
    # http://openid.net/2011/05/05/attribute-exchange-security-alert/
    async def scene(world: World) -> None:
        endpoint = Endpoint(world)
        added = {
            "openid.ns.ext": AX,
            "openid.ext.type.email": TYPES["email"],
            "openid.ext.value.email": "root@example.com",
        }
        user = await world.result(back({**endpoint.assertion(), **added}))
        assert user == {"claimed_id": "http://anne.example/"}
        # Not even under a name of their own, beside those that are.
        fields = endpoint.assertion(firstname="Anne")
        user = await world.result(back({**added, **fields}))
        assert "email" not in user and user["first_name"] == "Anne"
        user = await world.result(
            back(
                {
                    "openid.ns.evil": AX,
                    "openid.evil.type.email": TYPES["email"],
                    "openid.evil.value.email": "root@example.com",
                    **endpoint.assertion(firstname="Anne"),
                }
            )
        )
        assert "email" not in user and user["first_name"] == "Anne"

    play(site, scene)


@pytest.mark.parametrize(
    "return_to",
    [
        "http://evil.example/login?next=1",
        "http://example.com/login?next=1",
        "{here}/other?next=1",
        "{here}/login?next=2",
        "{here}/login?next=1&more=1",
        "{here}.evil.example/login?next=1",
        "nonsense",
    ],
)
def test_what_another_page_was_told(return_to: str) -> None:
    async def scene(world: World) -> None:
        fields = Endpoint(world).assertion(return_to.format(here=world.site_url))
        assert "is for another page" in await world.refusal(back(fields))
        assert world.provider.asked == []

    play(site, scene)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "is_valid:false\n",
        "is_valid:truely\n",
        "xis_valid:true\n",
        "x:is_valid:true\n",
        "is_valid: true\n",
        "IS_VALID:TRUE\n",
        "<html>is_valid:true</html>",
        b"\xff" * 100_000,
    ],
)
def test_answers_that_do_not_say_yes(answer: Answer) -> None:
    async def scene(world: World) -> None:
        fields = Endpoint(world).assertion()
        world.provider.answers["/openid"] = answer
        refusal = await world.refusal(back(fields))
        assert "Invalid OpenID response" in refusal and len(refusal) < 500

    play(site, scene)


@pytest.mark.parametrize("status", [302, 307, 404, 500])
def test_a_provider_that_cannot_be_asked(status: int) -> None:
    async def scene(world: World) -> None:
        fields = Endpoint(world).assertion()
        world.elsewhere.answers["/"] = "is_valid:true\n"
        is_redirect = status < 400
        answer = f"redirect {world.elsewhere.url}/" if is_redirect else "is_valid:true\n"
        world.provider.answers["/openid"] = status, answer
        assert f"HTTP {status}" in await world.refusal(back(fields))
        assert world.elsewhere.asked == []

    play(site, scene)
