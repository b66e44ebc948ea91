"""A small site as people build them: users, forms, static files; its address is its first line.

``python app.py STATIC_FOLDER``; ends when its standard input does.
"""

import asyncio
import logging
import sys
from urllib.parse import urlsplit

from tornadic import web
from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_sockets
from tornadic.template import DictLoader

PAGES = {
    "base.html": """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{% block title %}Notes{% end %}</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="{{ static_url('style.css') }}">
  <script src="{{ static_url('script.js') }}" defer></script>
</head>
<body>{% block body %}{% end %}</body>
</html>""",
    "notes.html": """{% extends "base.html" %}
{% block body %}
<p id="user">{{ current_user or "nobody" }}</p>
<p id="visits">{{ visits }}</p>
<ul id="notes">{% for note in notes %}<li>{{ note }}</li>{% end %}</ul>
<form id="note" method="post">
  {% module xsrf_form_html() %}
  <input name="text"><input name="text" value=" and more ">
  <button>Save</button>
</form>
{% end %}""",
    "login.html": """{% extends "base.html" %}
{% block title %}Who are you?{% end %}
{% block body %}
<form id="login" method="post">
  {% module xsrf_form_html() %}
  <input name="name"><button>Log in</button>
</form>
{% end %}""",
    "private.html": """{% extends "base.html" %}
{% block title %}Private{% end %}
{% block body %}<p id="greeting">Only for {{ current_user }}: {{ page }}</p>
<form id="logout" method="post" action="/logout">{% module xsrf_form_html() %}
<button>Log out</button></form>{% end %}""",
}


class Page(web.RequestHandler):
    def get_current_user(self) -> str | None:
        user = self.get_signed_cookie("user")
        return user.decode() if user else None


class Notes(Page):
    notes: list[str] = []

    def get(self) -> None:
        visits = int(self.get_cookie("visits") or 0) + 1
        self.set_cookie("visits", str(visits), httponly=True, samesite="Lax")
        self.render("notes.html", visits=visits, notes=self.notes)

    def post(self) -> None:
        self.notes.append("".join(self.get_arguments("text", strip=False)))
        if self.request.headers.get("X-Requested-With"):
            self.write({"count": len(self.notes)})
        else:
            self.redirect("/")


class Login(Page):
    def get(self) -> None:
        self.render("login.html")

    def post(self) -> None:
        self.set_signed_cookie("user", self.get_argument("name"), httponly=True)
        target = self.get_argument("next", "/")
        if urlsplit(target).netloc or not target.startswith("/") or target[1:2] in ("/", "\\"):
            target = "/"
        self.redirect(target)


class Logout(Page):
    def post(self) -> None:
        self.clear_cookie("user")
        self.redirect("/")


class Private(Page):
    @web.authenticated
    def get(self, page: str) -> None:
        self.render("private.html", page=f"{page} {self.get_argument('q', '')}")


class Requests(web.RequestHandler):
    """What was asked for since the last time."""

    seen: list[str] = []

    def get(self) -> None:
        self.write({"seen": self.seen})
        self.seen.clear()


def note_request(handler: web.RequestHandler) -> None:
    if not isinstance(handler, Requests):
        request = handler.request
        Requests.seen.append(f"{handler.get_status()} {request.method} {request.uri}")


async def main() -> None:
    logging.basicConfig(level=logging.ERROR)
    application = web.Application(
        [
            ("/", Notes),
            ("/login", Login),
            ("/logout", Logout),
            (r"/private/(\w+)", Private),
            ("/requests", Requests),
        ],
        cookie_secret="a secret of tests",
        login_url="/login",
        xsrf_cookies=True,
        static_path=sys.argv[1],
        static_hash_cache=False,
        template_loader=DictLoader(PAGES),
        log_function=note_request,
    )
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(application).add_sockets(sockets)
    print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
