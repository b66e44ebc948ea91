"""Forms: what a browser or an API client sends, validated, and shown again with its errors.

They are WTForms' (extra ``forms``), and whatever WTForms has works with them: fields, validators,
widgets.  What is here is the way from a handler to a form and back::

    class SignUp(tornadic.forms.Form):
        name = wtforms.StringField("Name", [wtforms.validators.InputRequired()])

    class SignUpHandler(RequestHandler):
        def get(self):
            self.render("sign_up.html", form=SignUp.from_handler(self))

        async def post(self):
            form = SignUp.from_handler(self)
            if not await form.validate_async():
                return form.send_errors("sign_up.html")
            ...
"""

from __future__ import annotations

from tornadic.forms.form import Form
from tornadic.forms.reading import UploadedFile
from tornadic.forms.rendering import FieldModule, FormModule, ui_modules

__all__ = ["FieldModule", "Form", "FormModule", "UploadedFile", "ui_modules"]
