"""`Form`: a form of WTForms that knows the handler that it belongs to.

Forms within forms are made by WTForms, which tells them nothing of the handler; so its locale is in
a context variable while a form is filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from inspect import iscoroutinefunction
from typing import Any, Self

import wtforms
from wtforms.form import BaseForm
from wtforms.meta import DefaultMeta

from tornadic.forms.reading import FormData, UploadedFile, is_json, read_body, read_query
from tornadic.forms.rendering import attributes
from tornadic.forms.translations import Translations
from tornadic.locale import Locale
from tornadic.web import RequestHandler
from tornadic.web.protection import SAFE_METHODS

__all__ = ["Form"]

UNPROCESSABLE = 422
"""The request is well formed, but what it says cannot be (RFC 9110 section 15.5.21)."""

MAX_ACCEPTED = 100
"""Kinds in an ``Accept`` that are looked at."""

_locale: ContextVar[Locale | None] = ContextVar("tornadic_form_locale", default=None)

Validator = Callable[[Any, Any], Any]


class Form(wtforms.Form):  # type: ignore[misc]
    """A form: a subclass has WTForms' fields as attributes; a handler gets one by `from_handler`.

    A validator, in a field's list or as the method ``validate_NAME(form, field)``, may be a
    coroutine function; then the form is validated by `validate_async`.
    """

    class Meta(DefaultMeta):  # type: ignore[misc]
        def get_translations(self, form: Any) -> Any:
            locale = _locale.get()
            return super().get_translations(form) if locale is None else Translations(locale)

        def render_field(self, field: Any, render_kw: dict[str, Any]) -> Any:
            return super().render_field(field, {**attributes(field), **render_kw})

    handler: RequestHandler | None = None
    is_submitted = False

    _locale: Locale | None = None
    _wrong: dict[str, str] = {}
    _validates_later = False

    @classmethod
    def from_handler(
        cls,
        handler: RequestHandler,
        obj: Any = None,
        data: dict[str, Any] | None = None,
        *,
        query: bool = False,
        check_xsrf: bool = True,
        **kwargs: Any,
    ) -> Self:
        """The form of a request: empty for a GET, filled in for what was posted.

        ``obj`` and ``data`` are what the fields have before, as WTForms takes them.  A body is a
        form, with files as `UploadedFile`, or JSON (``application/json``).  With ``query`` a GET
        fills it in by its query.  ``is_submitted`` tells whether it is filled in.

        What is not safe is checked for its XSRF token, unless the setting ``xsrf_cookies`` has
        seen to that; without ``check_xsrf`` it is not, which is for clients that are not known by
        a cookie.  Labels and errors are in the handler's locale.

        Raises `.HTTPError`: 403 without the token, 415 for another kind of body, 400 for
        malformed JSON.
        """
        token = _locale.set(handler.locale)
        try:
            form = cls(obj=obj, data=data, **kwargs)
            form.handler = handler
            sent = None
            if handler.request.method not in SAFE_METHODS:
                if check_xsrf and not handler.settings.get("xsrf_cookies"):
                    handler.check_xsrf_cookie()
                sent = read_body(handler, form)
            elif query:
                sent = read_query(handler)
            if sent is not None:
                form.process(sent, obj=obj, data=data, **kwargs)
                form._note(sent)
            return form
        finally:
            _locale.reset(token)

    def process(self, formdata: Any = None, *args: Any, **kwargs: Any) -> None:
        """Fill in the fields; by WTForms, also when a form is made."""
        super().process(formdata, *args, **kwargs)
        self._locale = _locale.get()
        self._wrong_leaves: dict[str, str] = {}
        self.is_submitted = formdata is not None
        for field in _leaves(self):
            if self._locale is not None:
                field.label.text = self._locale.translate(str(field.label.text))
                if field.description:
                    field.description = self._locale.translate(str(field.description))
            if isinstance(field, wtforms.FileField):
                _keep_files(field)
        for field in self:
            if isinstance(field, wtforms.FormField | wtforms.FieldList) and self._locale:
                field.label.text = self._locale.translate(str(field.label.text))

    def _note(self, sent: FormData) -> None:
        """Remember what was of the wrong kind; what has fields within cannot remember it itself."""
        wrong = dict(sent.wrong)
        for form in self._forms():
            for field in _leaves(form):
                if field.name in wrong:
                    form._wrong_leaves[field.name] = wrong.pop(field.name)
            # What is left are names of forms and lists.
            form._wrong = wrong

    # Validation

    def validate(self, extra_validators: dict[str, list[Validator]] | None = None) -> bool:
        """Whether all is as it should be; else the fields have errors.

        Raises RuntimeError if there are coroutines to be asked, which takes `validate_async`.
        """
        if not self._validates_later and any(True for _ in self._late_validators()):
            raise RuntimeError(
                f"{type(self).__name__} has validators that are coroutines: "
                "await form.validate_async()"
            )
        extra = {name: list(them) for name, them in (extra_validators or {}).items()}
        for name in self._fields:
            own = getattr(type(self), f"validate_{name}", None)
            if own is not None and not _waits(own):
                extra.setdefault(name, []).append(own)
        late = self._take_out_late()
        try:
            is_valid: bool = BaseForm.validate(self, extra)
        finally:
            for field, validators in late:
                field.validators = validators
        for field in _leaves(self):
            if field.name in self._wrong_leaves:
                # What validators say of a value of another kind is of no use.
                field.errors = [self._wrong_leaves[field.name]]
            self._translate(field)
        return is_valid and not self._wrong and not self._wrong_leaves

    async def validate_async(
        self, extra_validators: dict[str, list[Validator]] | None = None
    ) -> bool:
        """Do what `validate` does, and then ask the coroutines, one after another.

        A field that has errors already, or is empty and may be, is not asked about.
        """
        forms = list(self._forms())
        for form in forms:
            form._validates_later = True
        is_valid = self.validate(extra_validators)
        for form in forms:
            for field, validator in form._late_validators():
                is_empty = not (field.raw_data and str(field.raw_data[0]).strip())
                if field.errors or (is_empty and field.flags.optional):
                    continue
                try:
                    await validator(form, field)
                except wtforms.validators.StopValidation as error:
                    field.errors = [*error.args[:1]]
                except ValueError as error:
                    field.errors = [*error.args[:1]]
                if field.errors:
                    is_valid = False
                    form._translate(field)
        return is_valid

    def _forms(self) -> Iterator[Form]:
        """This form, and those within it that are of its kind."""
        yield self
        for field in self:
            entries = field.entries if isinstance(field, wtforms.FieldList) else [field]
            for entry in entries:
                if isinstance(entry, wtforms.FormField) and isinstance(entry.form, Form):
                    yield from entry.form._forms()

    def _late_validators(self) -> Iterator[tuple[Any, Validator]]:
        for field in _leaves(self):
            for validator in field.validators:
                if _waits(validator):
                    yield field, validator
        for name, field in self._fields.items():
            own = getattr(type(self), f"validate_{name}", None)
            if own is not None and _waits(own):
                yield field, own

    def _take_out_late(self) -> list[tuple[Any, Any]]:
        """Leave out the validators that are coroutines; fields, and what they had."""
        taken = []
        for field in _leaves(self):
            if any(map(_waits, field.validators)):
                taken.append((field, field.validators))
                field.validators = [one for one in field.validators if not _waits(one)]
        return taken

    def _translate(self, field: Any) -> None:
        if self._locale is not None and field.errors:
            field.errors = [self._locale.translate(str(error)) for error in field.errors]

    # Errors

    @property
    def errors(self) -> dict[str | None, Any]:
        """Errors by name of the field, where there are any; of the form itself under None.

        Those of a form within are a dictionary, those of a list of fields a list.
        """
        found: dict[str | None, Any] = {}
        for name, field in self._fields.items():
            errors = _errors_of(field)
            if field.name in self._wrong:
                errors = [self._wrong[field.name]]
            if errors:
                found[name] = errors
        if self.form_errors:
            found[None] = self.form_errors
        return found

    @property
    def error_dict(self) -> dict[str, Any]:
        """The same, as JSON takes them: of the form itself under ``""``."""
        return {name or "": errors for name, errors in self.errors.items()}

    def send_errors(self, template: str, **values: Any) -> None:
        """Answer 422: with ``template`` and ``form``, or for an API client with JSON.

        That is one that accepts JSON rather than HTML, or sent JSON and does not ask for HTML. It
        gets ``{"errors": {name: [error, ...]}}``, in which the errors of a form within are an
        object of the same kind.  Raises RuntimeError if the form is not of `from_handler`.
        """
        handler = self.handler
        if handler is None:
            raise RuntimeError("send_errors() is for a form that from_handler() has made")
        handler.set_status(UNPROCESSABLE)
        handler.add_header("Vary", "Accept")
        if _wants_json(handler):
            handler.finish({"errors": self.error_dict})
        else:
            handler.render(template, form=self, **values)


def _leaves(form: Any) -> Iterator[Any]:
    """The fields of a form that have a value of their own, not those of a form within."""
    for field in form:
        entries = field.entries if isinstance(field, wtforms.FieldList) else [field]
        for entry in entries:
            if not isinstance(entry, wtforms.FormField | wtforms.FieldList):
                yield entry


def _errors_of(field: Any) -> Any:
    if isinstance(field, wtforms.FieldList):
        # A validator of the list itself speaks of none of its entries.
        own = [str(error) for error in field.errors if isinstance(error, str)]
        entries = [_errors_of(entry) for entry in field.entries]
        return own or (entries if any(entries) else [])
    if isinstance(field, wtforms.FormField):
        return field.form.errors
    return [str(error) for error in field.errors]


def _keep_files(field: Any) -> None:
    """A text in place of a file is none."""
    if isinstance(field.data, list | tuple):
        field.data = [one for one in field.data if isinstance(one, UploadedFile)]
    elif not isinstance(field.data, UploadedFile):
        field.data = None if isinstance(field.data, str) else field.data
    if field.raw_data:
        field.raw_data = [one for one in field.raw_data if isinstance(one, UploadedFile)]


def _waits(validator: Any) -> bool:
    return iscoroutinefunction(validator) or iscoroutinefunction(
        getattr(type(validator), "__call__", None)  # noqa: B004
    )


def _wants_json(handler: RequestHandler) -> bool:
    html = json = -1.0
    for item in handler.request.headers.get("Accept", "").split(",", MAX_ACCEPTED)[:MAX_ACCEPTED]:
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        if kind == "text/html":
            html = weight
        elif kind == "application/json":
            json = weight
    return json > html or (is_json(handler) and html < 0)
