"""A form with everything: ``python examples/forms/app.py``, then open the address it prints.

An API client sends the same form as JSON, with the token of its cookie in a header:

    curl -c jar http://127.0.0.1:8888/ >/dev/null
    curl -b jar -H "X-Xsrftoken: $(awk '/_xsrf/ {print $7}' jar)" \\
        -H 'Content-Type: application/json' -d '{"name": "x"}' http://127.0.0.1:8888/
"""

import asyncio

import wtforms
from wtforms import validators

from tornadic.forms import Form, ui_modules
from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_sockets
from tornadic.options import define, options, parse_command_line
from tornadic.template import DictLoader
from tornadic.web import Application, RequestHandler

define("port", 8888, help="where it listens")

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><title>Sign up</title>
<link rel="icon" href="data:,">
<style>
body { font: 16px/1.5 sans-serif; max-width: 30em; margin: 2em auto; color: #222 }
label, legend { font-weight: bold }
.field { margin: 0 0 1em; border: 0; padding: 0 }
.field > label { display: block }
.field input + label { display: inline; font-weight: normal }
.field input:not([type=checkbox], [type=radio], [type=file]) {
    width: 100%; padding: .4em; box-sizing: border-box
}
.field-help { margin: 0; color: #555 }
.field-errors { margin: 0; padding: 0; list-style: none; color: #a00 }
.field-invalid input { border: 2px solid #a00 }
.form-errors { border-left: 4px solid #a00; background: #fdecec; padding: .1em 1em;
    margin: 0 0 1em }
fieldset ul { list-style: none; padding: 0 }
</style>
</head>
<body>
<h1>Sign up</h1>
{% module Form(form, submit="Sign up", novalidate=novalidate) %}
</body>
</html>
"""

TAKEN = {"admin", "root"}


class SignUp(Form):
    name = wtforms.StringField(
        "Name",
        [
            validators.InputRequired(),
            validators.Length(min=2, max=20),
            validators.Regexp(r"^[a-z0-9]+$", message="Small letters and digits only."),
        ],
        description="2 to 20 small letters and digits",
    )
    age = wtforms.IntegerField("Age", [validators.Optional(), validators.NumberRange(18, 150)])
    plan = wtforms.RadioField("Plan", [validators.InputRequired()], choices=["free", "paid"])
    photo = wtforms.FileField("Photo")
    agrees = wtforms.BooleanField("I agree", [validators.InputRequired()])

    async def validate_name(self, field):
        await asyncio.sleep(0)  # here a database would be asked
        if field.data in TAKEN:
            raise wtforms.ValidationError("This name is taken.")


class SignUpHandler(RequestHandler):
    def get(self):
        form = SignUp.from_handler(self)
        self.render("page.html", form=form, novalidate=self.wants_no_check())

    async def post(self):
        form = SignUp.from_handler(self)
        if not await form.validate_async():
            form.send_errors("page.html", novalidate=self.wants_no_check())
            return
        photo = form.photo.data
        size = len(photo.body) if photo else 0
        self.write({"welcome": form.name.data, "age": form.age.data, "photo_bytes": size})

    def wants_no_check(self):
        """Whether the browser leaves all checks to the server, to see what that says."""
        return self.get_query_argument("novalidate", "") == "1"


class NoIcon(RequestHandler):
    def get(self):
        self.set_status(204)


def make_app():
    return Application(
        [("/", SignUpHandler), ("/favicon.ico", NoIcon)],
        ui_modules=[ui_modules],
        template_loader=DictLoader({"page.html": PAGE}),
    )


async def main():
    parse_command_line()
    server = HTTPServer(make_app())
    sockets = bind_sockets(options.port, "127.0.0.1")
    server.add_sockets(sockets)
    print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
