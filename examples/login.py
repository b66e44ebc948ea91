"""Logging in, with sessions: run it, and open http://127.0.0.1:8888.

    python examples/login.py --port=8888

The only user is ada, whose password is "lovelace".  Sessions are kept in sessions.db.
"""

import asyncio
import hashlib
import hmac
from urllib.parse import urlsplit

from tornadic.options import define, options, parse_command_line
from tornadic.sessions import SQLiteStore
from tornadic.template import DictLoader
from tornadic.web import Application, RequestHandler, authenticated

define("port", default=8888, help="the port to listen on")
define("database", default="sessions.db", help="the file of the sessions")

TEMPLATES = DictLoader(
    {
        "page.html": """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Login</title><link rel="icon" href="data:,"></head>
<body>
{% for category, message in handler.session.get_flashed() %}
<p id="flash" class="{{ category }}">{{ message }}</p>
{% end %}
{% block body %}{% end %}
</body>
</html>
""",
        "home.html": """\
{% extends "page.html" %}
{% block body %}
<h1 id="greeting">Hello, {{ user }}</h1>
<p id="visits">{{ visits }}</p>
<form action="/logout" method="post">{% raw xsrf %}<button id="logout">Log out</button></form>
{% end %}
""",
        "login.html": """\
{% extends "page.html" %}
{% block body %}
<form action="/login" method="post">
{% raw xsrf %}
<input type="hidden" name="next" value="{{ next }}">
<label>Name <input id="name" name="name" autocomplete="username"></label>
<label>Password
<input id="password" name="password" type="password" autocomplete="current-password"></label>
<button id="login">Log in</button>
</form>
{% end %}
""",
    }
)

SALT = b"of this example"


def digest(password: str) -> bytes:
    """What is kept of a password."""
    return hashlib.scrypt(password.encode(), salt=SALT, n=2**12, r=8, p=1)


USERS = {"ada": digest("lovelace")}


def safe_target(target: str) -> str:
    """Where to go after the login: a path of this site, whatever the link said."""
    parts = urlsplit(target.replace("\\", "/"))
    is_ours = not parts.scheme and not parts.netloc and target.startswith("/")
    return target if is_ours and not target.startswith("//") else "/"


class Page(RequestHandler):
    def get_current_user(self):
        return self.session.get("user")

    def show(self, name, **values):
        # The token first: it sets its cookie.
        xsrf = self.xsrf_form_html()
        self.finish(TEMPLATES.load(name).generate(handler=self, xsrf=xsrf, **values))


class Home(Page):
    @authenticated
    def get(self):
        self.session["visits"] = self.session.get("visits", 0) + 1
        self.show("home.html", user=self.current_user, visits=self.session["visits"])


class Login(Page):
    def get(self):
        self.show("login.html", next=self.get_argument("next", "/"))

    async def post(self):
        name = self.get_body_argument("name", "")
        password = self.get_body_argument("password", "", strip=False)
        # It takes its time, on purpose: not on the loop.
        given = await asyncio.to_thread(digest, password)
        target = self.get_body_argument("next", "/")
        if not hmac.compare_digest(given, USERS.get(name, b"")):
            self.session.flash("Wrong name or password", "error")
            self.set_status(422)
            self.show("login.html", next=target)
            return
        # Whoever knew the old identifier does not know this one.
        self.session.regenerate()
        self.session["user"] = name
        self.session.flash(f"Welcome, {name}")
        self.redirect(safe_target(target))


class Logout(Page):
    def post(self):
        self.session.clear()
        self.session.flash("Good bye")
        self.redirect("/login")


def make_app(database):
    store = SQLiteStore(database)
    rules = [("/", Home), ("/login", Login), ("/logout", Logout)]
    return Application(rules, session_store=store, login_url="/login", xsrf_cookies=True), store


async def main():
    parse_command_line()
    application, store = make_app(options.database)
    application.listen(options.port, "127.0.0.1")
    print(f"http://127.0.0.1:{options.port}", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        store.close()


if __name__ == "__main__":
    asyncio.run(main())
