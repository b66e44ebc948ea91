"""Fields as HTML that everybody can use, and the UI modules that put them into pages.

A field tells a screen reader that it is wrong, and where its errors and its help are; a browser is
told what it can check by itself.  All texts are escaped here or by WTForms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import wtforms

from tornadic.escape import xhtml_escape
from tornadic.forms.patterns import html_pattern
from tornadic.web import UIModule

__all__ = ["FieldModule", "FormModule", "attributes", "ui_modules"]


def attributes(field: Any) -> dict[str, Any]:
    """What WTForms does not say by itself of a field that is rendered."""
    found: dict[str, Any] = {}
    if field.errors:
        found["aria-invalid"] = "true"
    described = [
        f"{field.id}-{part}"
        for part, is_there in (("help", field.description), ("errors", field.errors))
        if is_there
    ]
    if described:
        found["aria-describedby"] = " ".join(described)
    if isinstance(field, wtforms.StringField) and not isinstance(field, wtforms.TextAreaField):
        for validator in field.validators:
            if isinstance(validator, wtforms.validators.Regexp):
                pattern = html_pattern(validator.regex)
                if pattern is not None:
                    found["pattern"] = pattern
    return found


class FieldModule(UIModule):
    """``{% module Field(form.name) %}``: a field with its label, help and errors.

    ``attributes`` are more of those of the element, as WTForms takes them.
    """

    def render(self, field: Any, **attributes: Any) -> str:
        if isinstance(field, wtforms.HiddenField):
            return str(field(**attributes))
        if isinstance(field, wtforms.FormField):
            return self._group(field, "".join(self.render(inner) for inner in field.form))
        if isinstance(field, wtforms.FieldList):
            return self._group(field, "".join(self.render(entry) for entry in field.entries))
        control = str(field(**attributes))
        if isinstance(field, wtforms.RadioField):
            return self._group(field, control)
        if isinstance(field, wtforms.SubmitField):
            return self._frame(field, control)
        label = str(field.label)
        if isinstance(field, wtforms.BooleanField):
            return self._frame(field, f"{control} {label}")
        return self._frame(field, f"{label} {control}")

    def _frame(self, field: Any, inner: str) -> str:
        kind = "field field-invalid" if _errors(field) else "field"
        return f'<div class="{kind}">{inner}{self._notes(field)}</div>'

    def _group(self, field: Any, inner: str) -> str:
        kind = "field field-invalid" if _errors(field) else "field"
        legend = xhtml_escape(str(field.label.text))
        return (
            f'<fieldset class="{kind}"><legend>{legend}</legend>'
            f"{inner}{self._notes(field)}</fieldset>"
        )

    def _notes(self, field: Any) -> str:
        notes = ""
        identifier = xhtml_escape(field.id)
        if field.description:
            text = xhtml_escape(str(field.description))
            notes += f'<p class="field-help" id="{identifier}-help">{text}</p>'
        errors = _errors(field)
        if errors:
            notes += f'<ul class="field-errors" id="{identifier}-errors">{_items(errors)}</ul>'
        return notes


class FormModule(UIModule):
    """``{% module Form(form) %}``: all of a form, with its XSRF token and a button.

    ``action`` is where it is sent (empty: where the page is from), ``submit`` is on the button,
    if the form has none of its own.  With ``novalidate`` browsers do not check it before.  A
    form that has errors says so at its top, with those that no field shows.
    """

    def render(
        self,
        form: wtforms.Form,
        action: str = "",
        submit: str = "Send",
        novalidate: bool = False,
    ) -> str:
        parts = [f'<form method="post" action="{xhtml_escape(action)}"']
        fields = list(form)
        if any(isinstance(field, wtforms.FileField) for field in _all(fields)):
            parts.append(' enctype="multipart/form-data"')
        parts.append(" novalidate>" if novalidate else ">")
        parts.append(self.handler.xsrf_form_html())
        parts.append(self._summary(form))
        render = FieldModule(self.handler).render
        parts += [render(field) for field in fields]
        if not any(isinstance(field, wtforms.SubmitField) for field in fields):
            label = xhtml_escape(self.locale.translate(submit))
            parts.append(f'<button type="submit">{label}</button>')
        return "".join([*parts, "</form>"])

    def _summary(self, form: wtforms.Form) -> str:
        if not form.errors:
            return ""
        errors = [str(error) for error in form.form_errors]
        errors += [
            f"{field.label.text}: {error}"
            for field in form
            if isinstance(field, wtforms.HiddenField)
            for error in field.errors
        ]
        text = self.locale.translate("Please correct the fields that are marked.")
        listed = f"<ul>{_items(errors)}</ul>" if errors else ""
        return f'<div class="form-errors" role="alert"><p>{xhtml_escape(text)}</p>{listed}</div>'


def _errors(field: Any) -> list[str]:
    if isinstance(field, wtforms.FormField | wtforms.FieldList):
        return []  # the fields within show theirs
    return [str(error) for error in field.errors]


def _items(texts: list[str]) -> str:
    return "".join(f"<li>{xhtml_escape(text)}</li>" for text in texts)


def _all(fields: list[Any]) -> list[Any]:
    """Fields, and those within them."""
    found = []
    for field in fields:
        found.append(field)
        if isinstance(field, wtforms.FormField):
            found += _all(list(field.form))
        elif isinstance(field, wtforms.FieldList):
            found += _all(list(field.entries))
    return found


ui_modules: Mapping[str, type[UIModule]] = {"Field": FieldModule, "Form": FormModule}
"""For the setting ``ui_modules``: ``Application(ui_modules=[tornadic.forms.ui_modules])``."""
