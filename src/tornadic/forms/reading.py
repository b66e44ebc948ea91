"""From a request to the texts that a form is filled in with.

WTForms reads a form as texts by name, as browsers send them, so JSON is brought into that shape: by
the fields of the form, which say what kind of value each of them takes.  What is of another kind is
noted, and becomes an error of its field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import wtforms

from tornadic.httputil import HTTPFile
from tornadic.web import HTTPError, RequestHandler
from tornadic.web.arguments import _without_controls

__all__ = ["FormData", "UploadedFile", "is_json", "read_body", "read_query"]

MAX_DEPTH = 20
"""Of JSON: forms within forms are two or three deep."""
MAX_VALUES = 1000
"""Of one JSON document: as many as fields of a form may be sent."""

_FORMS = ("", "application/x-www-form-urlencoded", "multipart/form-data")
_JSON = "application/json"

_MOST_SHOWN = 100


class UploadedFile(str):
    """A file as the value of a form's field: as text the name that the client gave it.

    Never use that as a path.  ``body`` are its bytes, ``content_type`` is what the client says
    that they are.
    """

    body: bytes
    content_type: str

    @property
    def filename(self) -> str:
        return str(self)

    @classmethod
    def of(cls, file: HTTPFile) -> UploadedFile:
        """The same of a file of the request."""
        made = cls(file.filename)
        made.body = file.body
        made.content_type = file.content_type
        return made


class FormData:
    """Texts and files by name, as WTForms asks for them.

    ``wrong`` has the names of fields that were sent a value of another kind, and what of.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        self.wrong: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def getlist(self, name: str) -> list[str]:
        """All values of ``name``."""
        return self._values.get(name, [])

    def add(self, name: str, *values: str) -> None:
        """Add values to those of ``name``."""
        self._values.setdefault(name, []).extend(values)


def read_query(handler: RequestHandler) -> FormData:
    """What the query says."""
    data = FormData()
    for name in handler.request.query_arguments:
        data.add(name, *handler.get_query_arguments(name, strip=False))
    return data


def is_json(handler: RequestHandler) -> bool:
    """Whether the request's body is JSON."""
    return _content_type(handler) == _JSON


def read_body(handler: RequestHandler, form: wtforms.Form) -> FormData:
    """What the body says, a form or JSON; ``form`` has the fields.

    Raises `.HTTPError` 415 for a body of another kind, and 400 for JSON that is malformed, no
    object, or beyond the bounds.
    """
    kind = _content_type(handler)
    data = FormData()
    if kind == _JSON:
        _JSONReader(data).take_object(form, _parse(handler.request.body))
        return data
    if kind not in _FORMS or (not kind and handler.request.body):
        raise HTTPError(415, "A form or JSON was expected")
    for name in handler.request.body_arguments:
        data.add(name, *handler.get_body_arguments(name, strip=False))
    for name, files in handler.request.files.items():
        # Without a name none was chosen.
        data.add(name, *[UploadedFile.of(file) for file in files if file.filename])
    return data


def _content_type(handler: RequestHandler) -> str:
    value: str = handler.request.headers.get("Content-Type", "")
    return value.partition(";")[0].strip().lower()


class _Decimals(str):
    """A number with a point or an exponent, as it was written."""


def _parse(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_Decimals,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError):
        raise HTTPError(400, "Malformed JSON") from None
    if not isinstance(value, dict):
        raise HTTPError(400, "The JSON is not an object")
    if not _is_bounded(value):
        raise HTTPError(400, "The JSON is too deep, or has too many values")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name comes twice")
    return made


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _is_bounded(value: Any) -> bool:
    waiting = [(value, 1)]
    seen = 0
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, dict | list):
            if depth > MAX_DEPTH:
                return False
            inner = one.values() if isinstance(one, dict) else one
            seen += len(inner)
            if seen > MAX_VALUES:
                return False
            waiting += [(item, depth + 1) for item in inner]
    return True


class _JSONReader:
    """Brings values into the shape of a form; null is as good as nothing sent."""

    def __init__(self, data: FormData) -> None:
        self._data = data

    def take_object(self, form: Any, value: dict[str, Any]) -> None:
        """Take what there are fields for; other names are passed over, as in forms."""
        for field in form:
            if value.get(field.short_name) is not None:
                self._take(field, value[field.short_name])

    def _take(self, field: Any, value: Any) -> None:
        if isinstance(field, wtforms.FormField):
            # That it was sent at all has to be told, also if nothing is in it.
            self._data.add(f"{field.name}-")
            if isinstance(value, dict):
                self.take_object(field.form, value)
            else:
                self._data.wrong[field.name] = field.gettext("Not a valid value.")
        elif isinstance(field, wtforms.FieldList):
            self._take_list(field, value)
        else:
            texts = _texts(field, value)
            if texts is None:
                self._data.wrong[field.name] = field.gettext("Not a valid value.")
                # It is not empty, or it would pass for one that need not be there.
                texts = [f"({json.dumps(value)[:_MOST_SHOWN]})"]
            self._data.add(field.name, *texts)

    def _take_list(self, field: Any, value: Any) -> None:
        most = MAX_VALUES if field.max_entries is None else field.max_entries
        if not isinstance(value, list) or len(value) > most:
            self._data.wrong[field.name] = field.gettext("Not a valid value.")
            return
        # These are for their names and kinds; the form is filled in anew.
        while field.entries:
            field.pop_entry()
        for item in value:
            self._take(field.append_entry(), item)


def _texts(field: Any, value: Any) -> list[str] | None:
    """A value as a form has it, or None if the field takes no such value."""
    if isinstance(field, wtforms.FileField | wtforms.MultipleFileField):
        return None
    if isinstance(field, wtforms.SelectMultipleField):
        texts = [_choice(item) for item in value] if isinstance(value, list) else [None]
        return None if None in texts else texts  # type: ignore[return-value]
    text: str | None
    if isinstance(field, wtforms.BooleanField):
        text = ("false", "true")[value] if isinstance(value, bool) else None
    elif isinstance(field, wtforms.IntegerField):
        text = str(value) if type(value) is int else None
    elif isinstance(field, wtforms.FloatField):
        text = str(value) if type(value) in (int, _Decimals) else None
    elif isinstance(field, wtforms.DecimalField):
        text = str(value) if type(value) in (int, _Decimals) else _text(value)
    elif isinstance(field, wtforms.SelectField):
        text = _choice(value)
    else:
        text = _text(value)
    return None if text is None else [text]


def _choice(value: Any) -> str | None:
    return str(value) if type(value) is int else _text(value)


def _text(value: Any) -> str | None:
    if type(value) is not str:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair
        return None
    return _without_controls(value)
