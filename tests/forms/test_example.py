"""The form of the examples, filled in by a browser and by an API client."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.browser import Page
from tests.tools import module

PROGRAM = Path(__file__).parents[2] / "examples" / "forms" / "app.py"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    module("wtforms")
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-X", "dev", str(PROGRAM), "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors


def test_errors_in_a_browser(address: str, page: Page) -> None:
    page.open(f"{address}?novalidate=1")
    page.fill("#name", "admin")
    page.fill("#age", "17")
    page.submit("button")
    page.take_complaint("status of 422")
    assert page.text("age-errors") == "Number must be between 18 and 150."
    assert page.run("document.querySelector('[role=alert]').textContent") == (
        "Please correct the fields that are marked."
    )
    invalid = "[...document.querySelectorAll('[aria-invalid=true]')].map(e => e.id).join()"
    assert page.run(invalid) == "name,age,plan,agrees"
    # What describes a field is there.
    described = """[...document.querySelectorAll('[aria-describedby]')].every(e =>
        e.getAttribute('aria-describedby').split(' ').every(id => document.getElementById(id)))"""
    assert page.run(described) is True
    assert page.run("document.querySelector('#name').value") == "admin"
    assert page.text("name-errors") == "This name is taken."
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(Path(folder) / "forms.png")
    page.fill("#name", "ann")
    page.fill("#age", "18")
    page.click("#plan-0")
    page.click("#agrees")
    page.submit("button")
    assert json.loads(page.body()) == {"welcome": "ann", "age": 18, "photo_bytes": 0}


def test_a_browser_checks_by_itself(address: str, page: Page) -> None:
    page.open(address)
    assert page.run("document.forms[0].checkValidity()") is False
    for value, fault in (("", "valueMissing"), ("A b", "patternMismatch"), ("ann", "valid")):
        page.fill("#name", value)
        assert page.run(f"document.querySelector('#name').validity.{fault}") is True
    page.fill("#age", "17")
    assert page.run("document.querySelector('#age').validity.rangeUnderflow") is True
    assert page.run("document.querySelector('#name').maxLength") == 20


def test_another_site_cannot_send_it(address: str, page: Page) -> None:
    page.open(address)
    page.run("document.querySelector('[name=_xsrf]').remove()")
    page.run("document.forms[0].noValidate = true")
    page.submit("button")
    page.take_complaint("status of 403")


def test_an_api_client(address: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.request("GET", "/")
    response = connection.getresponse()
    response.read()
    cookie = re.match(r"_xsrf=([^;]+)", response.headers["Set-Cookie"].replace('"', ""))
    assert cookie
    headers = {
        "Cookie": cookie[0],
        "X-Xsrftoken": cookie[1],
        "Content-Type": "application/json",
    }

    def post(**values: object) -> tuple[int, object]:
        connection.request("POST", "/", json.dumps(values), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    errors = {"name": ["This name is taken."], "age": ["Not a valid value."]}
    assert post(name="root", age="5", plan="free", agrees=True) == (422, {"errors": errors})
    status, answer = post(name="ann", plan="paid", agrees=True)
    assert (status, answer) == (200, {"welcome": "ann", "age": None, "photo_bytes": 0})
    connection.close()
