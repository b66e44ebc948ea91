"""Settings: the list of those that are known, and what is said of one that is misspelt."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.support import LogBook

import tornadic
from tornadic.web import Application
from tornadic.web.settings import KNOWN_SETTINGS, nearest_known

SOURCES = Path(tornadic.__file__).parent
DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"

# Keys of dictionaries that are called settings too: Google's, and an example's.
OTHERS = {"base_url", "key", "secret"}

# What notebook servers, hubs, dashboards and plotting servers keep in their settings.
OF_PROGRAMS = re.findall(
    r"\w+",
    """
    allow_credentials allow_origin allow_origin_pat allow_password_change allow_remote_access
    allow_unauthenticated_access app authenticate_prometheus authenticator authorizer base_url
    broker bokeh_app cache config config_dir config_manager contents_manager cookie_max_age_days
    cookie_options database db default_url disable_check_xsrf domain event_logger
    extra_static_paths extra_template_paths file_to_run get_secure_cookie_kwargs headers hub
    identity_provider jinja2_env jinja_template_vars kernel_manager kernel_spec_manager
    local_hostnames log logger login_handler_class logo_file logout_handler_class logout_url
    mathjax_url nbextensions_path oauth_provider password pool preferred_dir proxy redis
    redirect_to_server server_root_dir serverapp session session_manager sessions shutdown_on_close
    site_name started statsd static_custom_path static_immutable_cache static_root subdomain_host
    terminal_manager terminals_available title token url_prefix users version_hash websocket_url
    ws_ping_interval
    """,
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("cookie_secert", "cookie_secret"),
        ("cookie_secrt", "cookie_secret"),
        ("cokie_secrets", "cookie_secret"),
        ("COOKIE_SECRET", "cookie_secret"),
        ("cookie-secret", "cookie_secret"),
        ("cookiesecret", "cookie_secret"),
        ("debgu", "debug"),
        ("xsrf_cookie", "xsrf_cookies"),
        ("static_pth", "static_path"),
        ("serve_trackebacks", "serve_traceback"),
        ("twitter_consumer_secert", "twitter_consumer_secret"),
    ],
)
def test_misspelt_setting(name: str, meant: str, log: LogBook) -> None:
    settings: dict[str, Any] = {name: "x"}
    Application([], **settings)
    record = log.take("did you mean", logging.WARNING)
    assert record.name == "tornado.application"
    assert f"{name!r} is not known: did you mean {meant!r}?" in record.getMessage()


def test_several_are_one_warning(log: LogBook) -> None:
    Application([], cookie_secert="x", login_ulr="/login")
    said = log.take("did you mean").getMessage()
    assert "'cookie_secret'" in said and "'login_url'" in said
    assert "'x'" not in said  # the value may be secret


def test_settings_of_programs_are_their_own() -> None:
    # The log is looked at after every test.
    Application([], **dict.fromkeys(OF_PROGRAMS))


def test_known_settings_are_known() -> None:
    Application([], **dict.fromkeys(KNOWN_SETTINGS))


def test_one_that_is_given_beside_the_known_one_is_meant_as_it_is() -> None:
    Application([], login_url="/login", login_urls=["/login", "/sso"])


def test_two_mistakes_are_too_many_for_a_short_name() -> None:
    assert nearest_known("debugs") == "debug"
    assert nearest_known("debuggs") is None
    assert nearest_known("login_uurrl") == "login_url"
    assert nearest_known("login_uurrll") is None


@given(st.text(max_size=40))
def test_any_name_has_an_answer(name: str) -> None:
    assert nearest_known(name) is None or nearest_known(name) in KNOWN_SETTINGS


@given(st.sampled_from(sorted(KNOWN_SETTINGS)), st.data())
def test_one_wrong_letter_is_found(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    found = nearest_known(name[:at] + "z" + name[at + 1 :])
    assert found is not None
    # Where a name is a letter away from two, it may be either.
    assert found == name or len(found) == len(name)


def test_every_setting_that_is_read_is_known() -> None:
    pattern = re.compile(
        r"""settings(?:\.get|\.setdefault|\.pop)?[\[(]\s*"(\w+)"|require_setting\(\s*"(\w+)\""""
    )
    read = {
        first or second
        for path in SOURCES.rglob("*.py")
        for first, second in pattern.findall(path.read_text("utf-8"))
    }
    assert len(read) > 20
    assert read - OTHERS - KNOWN_SETTINGS.keys() == set()


def test_the_document_lists_them_all() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert [name for name, _ in rows] == list(KNOWN_SETTINGS)
    assert {name: text.replace("`", "") for name, text in rows} == dict(KNOWN_SETTINGS)
