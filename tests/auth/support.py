"""A site, a provider and a browser, all on loopback.

The provider is an application that keeps a record of what it was asked, and answers as a test
wants it to.  The browser goes where it is sent, and has cookies for the site.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.web.support import Response, Server, run, serving

from tornadic.auth import AuthError
from tornadic.httpclient import AsyncHTTPClient, HTTPClientError
from tornadic.web import Application, RequestHandler

Fields = dict[str, str]
Answer = bytes | str | dict[str, Any] | list[Any] | tuple[int, Any]
Teller = Callable[["Asked"], Answer]


@dataclass(frozen=True)
class Asked:
    """A request as the provider sees it."""

    method: str
    url: str
    query: list[tuple[str, str]]
    form: list[tuple[str, str]]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def fields(self) -> Fields:
        """All parameters, none of which may come twice."""
        both = [*self.query, *self.form]
        assert len(dict(both)) == len(both)
        return dict(both)


@dataclass
class Provider:
    """Answers by path: with a constant, or with what a function of the request gives."""

    answers: dict[str, Answer | Teller] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def take(self, path: str) -> Asked:
        """The one request for ``path``."""
        [found] = [one for one in self.asked if one.path == path]
        return found

    def application(self) -> Application:
        provider = self

        class Handler(RequestHandler):
            def get(self) -> None:
                request = self.request
                asked = Asked(
                    request.method,
                    request.full_url(),
                    parse_qsl(request.query, keep_blank_values=True, strict_parsing=True)
                    if request.query
                    else [],
                    form_of(self),
                )
                provider.asked.append(asked)
                told = provider.answers.get(asked.path, (404, ""))
                answer: Any = told(asked) if callable(told) else told
                if isinstance(answer, tuple):
                    self.set_status(answer[0])
                    answer = answer[1]
                if isinstance(answer, str) and answer.startswith("redirect "):
                    self.redirect(answer.removeprefix("redirect "), status=self.get_status())
                    return
                self.write(json.dumps(answer) if isinstance(answer, list) else answer)

            post = get

        return Application([(".*", Handler)], log_function=lambda handler: None)


def form_of(handler: RequestHandler) -> list[tuple[str, str]]:
    """The form in the body, if there is one; it must say that it is one."""
    if not handler.request.body:
        return []
    assert handler.request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    return parse_qsl(handler.request.body.decode(), keep_blank_values=True, strict_parsing=True)


class SiteHandler(RequestHandler):
    """What a test calls answers as JSON; what logging in raises is a 403."""

    async def call(self) -> Any:
        """To be defined by a test."""
        raise NotImplementedError

    async def get(self) -> None:
        try:
            result = await self.call()
        except (AuthError, HTTPClientError) as e:
            self.set_status(403)
            self.finish(f"{type(e).__name__}: {e}")
            return
        if not self._finished:
            self.finish({"result": result})


def site_of(mixin: type, call: Callable[[Any], Any], **attributes: Any) -> type[RequestHandler]:
    """A handler class of the site with ``mixin``: ``call`` is called with the handler."""

    async def awaited(self: Any) -> Any:
        result = call(self)
        return await result if asyncio.iscoroutine(result) else result

    return type("Site", (SiteHandler, mixin), {"call": awaited, **attributes})


@dataclass
class World:
    """A site and a provider that run."""

    site: Server
    provider: Provider
    elsewhere: Provider
    cookies: Fields = field(default_factory=dict)

    @property
    def site_url(self) -> str:
        return f"http://example.com:{self.site.port}"

    async def visit(self, target: str = "/login") -> Response:
        """What a browser gets from the site."""
        headers = {"Host": f"example.com:{self.site.port}"}
        if self.cookies:
            headers["Cookie"] = "; ".join([f"{k}={v}" for k, v in self.cookies.items()])
        response = await self.site.fetch(target, headers=headers)
        for line in response.all("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if value in ("", '""'):
                del self.cookies[name]
            else:
                self.cookies[name] = value
        return response

    async def result(self, target: str = "/login") -> Any:
        """What the handler has returned."""
        response = await self.visit(target)
        assert response.status == 200, response.text
        return json.loads(response.body)["result"]

    async def refusal(self, target: str = "/login") -> str:
        """What the handler has raised."""
        response = await self.visit(target)
        assert response.status == 403, response.text
        return response.text


def sent_to(response: Response) -> tuple[str, Fields]:
    """Where a redirect leads to, and its query."""
    assert response.status == 302, response.text
    url, _, query = response["Location"].partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    assert len(dict(pairs)) == len(pairs)
    return url, dict(pairs)


@asynccontextmanager
async def world(
    make: Callable[[str], type[RequestHandler]], **settings: Any
) -> AsyncIterator[World]:
    """A site whose handler ``make`` makes, given the URL of the provider."""
    provider, elsewhere = Provider(), Provider()
    async with serving(provider.application()) as one, serving(elsewhere.application()) as other:
        provider.url = f"http://127.0.0.1:{one.port}"
        elsewhere.url = f"http://127.0.0.1:{other.port}"
        site = Application(
            [(".*", make(provider.url))], log_function=lambda handler: None, **settings
        )
        async with serving(site) as server:
            try:
                yield World(server, provider, elsewhere)
            finally:
                AsyncHTTPClient().close()


def play(
    make: Callable[[str], type[RequestHandler]],
    scene: Callable[[World], Coroutine[Any, Any, None]],
    **settings: Any,
) -> None:
    """Run ``scene`` in a world of its own; ``settings`` are the site's."""

    async def main() -> None:
        async with world(make, **settings) as it:
            await scene(it)

    run(main)
