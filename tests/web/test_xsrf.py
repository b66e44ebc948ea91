"""Forms of other sites are turned away: the token of the cookie must come with the form."""

from __future__ import annotations

import hmac
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.support import LogBook, Response, application, fetch

from tornadic.web import Application, RedirectHandler, RequestHandler, stream_request_body, xsrf

TOKEN = bytes.fromhex("468f2a0553b9b47550c25e6e687db732")
V1 = "468f2a0553b9b47550c25e6e687db732"
V2 = "2|8503eb86|c38cc183d6ba5ff3d5c1b5e8ed7e5cb4|1300000000"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

MISSING = "'_xsrf' argument missing from POST"
MALFORMED = "'_xsrf' argument has invalid format"
MISMATCH = "XSRF cookie does not match POST argument"


class Form(RequestHandler):
    """Shows its token, and takes what is posted."""

    def get(self) -> None:
        first = self.xsrf_token
        assert first is self.xsrf_token
        self.write(first)

    def post(self) -> None:
        self.write("taken")

    head = options = put = delete = patch = post


class User(Form):
    def get_current_user(self) -> str:
        return "ada"


def get(
    cookie: str | None = None, handler: type[RequestHandler] = Form, **settings: Any
) -> Response:
    headers = {} if cookie is None else {"Cookie": cookie}
    return fetch(application(handler, xsrf_cookies=True, **settings), headers=headers)


def post(
    cookie: str | None = f"_xsrf={V2}",
    token: str | bytes | None = None,
    *,
    method: str = "POST",
    handler: type[RequestHandler] = Form,
    target: str = "/",
    headers: dict[str, str] | None = None,
    **settings: Any,
) -> Response:
    settings.setdefault("xsrf_cookies", True)
    sent = {**FORM, **(headers or {})}
    if cookie is not None:
        sent["Cookie"] = cookie
    body = b"" if token is None else urlencode({"_xsrf": token}).encode()
    return fetch(application(handler, **settings), target, method, sent, body)


def cookie_of(response: Response) -> str:
    return response["Set-Cookie"].partition(";")[0]


class TestTokens:
    """The formats are those of Tornado."""

    def test_both_versions(self) -> None:
        assert xsrf.decode_token(V2) == (2, TOKEN, 1300000000)
        assert xsrf.decode_token(V1) == (1, TOKEN, None)
        assert xsrf.encode_token(TOKEN, 1300000000.9, 1) == V1.encode()
        again = xsrf.encode_token(TOKEN, 1300000000.9, 2)
        assert re.fullmatch(rb"2\|[0-9a-f]{8}\|[0-9a-f]{32}\|1300000000", again)

    @given(st.binary(min_size=1, max_size=60), st.integers(0, 10**14), st.sampled_from([1, 2]))
    def test_what_is_encoded_is_read_back(self, token: bytes, seconds: int, version: int) -> None:
        text = xsrf.encode_token(token, seconds, version).decode()
        decoded = xsrf.decode_token(text)
        assert decoded == (version, token, seconds if version == 2 else None)

    def test_masks_differ_and_hide_the_token(self) -> None:
        texts = {xsrf.encode_token(TOKEN, 0, 2) for _ in range(100)}
        assert len(texts) == 100
        assert not any(V1.encode() in text for text in texts)

    def test_new_tokens_are_beyond_guessing(self) -> None:
        tokens = {xsrf.new_token() for _ in range(100)}
        assert len(tokens) == 100
        assert {len(token) for token in tokens} == {16}

    @pytest.mark.parametrize("version", [0, 3, -1, "2", None])
    def test_unknown_versions_are_not_made(self, version: Any) -> None:
        with pytest.raises(ValueError, match="unknown xsrf cookie version"):
            xsrf.encode_token(TOKEN, 0, version)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "2|",
            "2|||",
            "2|8503eb86||1300000000",
            "2||c38cc183|1300000000",
            "2|85|c38cc183|1300000000",
            "2|8503eb8600|c38cc183|1300000000",
            "2|8503eb8g|c38cc183|1300000000",
            "2|8503eb86|c38cc18|1300000000",
            "2|8503eb86|c38cc18g|1300000000",
            "2|8503eb86|c3 8cc183|1300000000",
            "2|8503eb86|c38cc183|",
            "2|8503eb86|c38cc183|abc",
            "2|8503eb86|c38cc183|-1",
            "2|8503eb86|c38cc183|1_0",
            "2|8503eb86|c38cc183|\u0661",
            "2|8503eb86|c38cc183|1234567890123456",
            "2|8503eb86|c38cc183|1300000000|",
            "2|8503eb86|c38cc183",
            "3|8503eb86|c38cc183|1300000000",
            "12|8503eb86|c38cc183|1300000000",
            "1|468f2a05",
        ],
    )
    def test_malformed(self, text: str) -> None:
        assert xsrf.decode_token(text) == (None, None, None)

    def test_size_at_the_limit_and_beyond(self) -> None:
        size = xsrf.MAX_TOKEN_SIZE
        assert xsrf.decode_token("ab" * (size // 2)) == (1, b"\xab" * (size // 2), None)
        assert xsrf.decode_token("a" * (size + 1)) == (None, None, None)
        masked = "0" * (size - len("2|00000000||1"))
        assert xsrf.decode_token(f"2|00000000|{masked}|1")[0] == (
            2 if len(masked) % 2 == 0 else None
        )
        assert xsrf.decode_token(f"2|00000000|{masked}0|1") == (None, None, None)

    @given(st.text(max_size=80), st.sampled_from(["", "2|", "2|00000000|", "1|", "99|"]))
    def test_noise(self, noise: str, start: str) -> None:
        version, token, seconds = xsrf.decode_token(start + noise)
        assert (version is None) == (token is None)
        assert seconds is None or version == 2


class TestCookie:
    def test_is_set_when_the_token_is_asked_for(self) -> None:
        response = get()
        assert response["Set-Cookie"] == f"_xsrf={response.text}; Path=/"
        assert xsrf.decode_token(response.text)[0] == 2

    def test_is_not_set_otherwise(self) -> None:
        assert "Set-Cookie" not in post(None, method="HEAD")

    def test_stays_what_it_is_under_another_mask(self) -> None:
        response = get(f"_xsrf={V2}")
        assert "Set-Cookie" not in response
        assert response.text != V2
        assert xsrf.decode_token(response.text) == (2, TOKEN, 1300000000)

    def test_of_version_1_gives_tokens_of_version_2(self) -> None:
        response = get(f"_xsrf={V1}")
        assert "Set-Cookie" not in response
        version, token, _ = xsrf.decode_token(response.text)
        assert (version, token) == (2, TOKEN)

    def test_version_1_if_asked_for(self) -> None:
        assert get(f"_xsrf={V2}", xsrf_cookie_version=1).text == V1
        fresh = get(xsrf_cookie_version=1)
        assert re.fullmatch("[0-9a-f]{32}", fresh.text)
        assert fresh["Set-Cookie"] == f"_xsrf={fresh.text}; Path=/"

    def test_unknown_version(self, log: LogBook) -> None:
        assert get(xsrf_cookie_version=3).status == 500
        log.take("unknown xsrf cookie version 3")

    @pytest.mark.parametrize(
        "cookie", ["", "2|x|y|z", V2.replace("2|", "3|", 1), "2|8503eb86||1300000000"]
    )
    def test_malformed_ones_are_replaced(self, cookie: str) -> None:
        response = get(f"_xsrf={cookie}")
        assert cookie_of(response) == f"_xsrf={response.text}"
        assert len(xsrf.decode_token(response.text)[1] or b"") == 16

    def test_lasts_for_a_user(self) -> None:
        assert "expires=" in get(handler=User)["Set-Cookie"].lower()
        assert "expires=" not in get()["Set-Cookie"].lower()

    def test_kwargs(self) -> None:
        options = {"httponly": True, "secure": True, "samesite": "Strict", "expires_days": None}
        line = get(handler=User, xsrf_cookie_kwargs=options)["Set-Cookie"]
        assert set(line.split("; ")[1:]) == {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"}

    def test_name(self) -> None:
        response = get(xsrf_cookie_name="__Host-x", xsrf_cookie_kwargs={"secure": True})
        assert cookie_of(response) == f"__Host-x={response.text}"
        assert post(f"__Host-x={V2}", V1, xsrf_cookie_name="__Host-x").status == 200

    def test_name_does_not_concern_the_argument(self, log: LogBook) -> None:
        assert post(f"_xsrf={V2}", V1, xsrf_cookie_name="__Host-x").status == 403
        log.take(MISMATCH)

    def test_survives_an_error_page(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.send_error(400)

            def write_error(self, status_code: int, **kwargs: Any) -> None:
                self.finish(self.xsrf_token)

        response = get(handler=Handler)
        assert cookie_of(response) == f"_xsrf={response.text}"

    def test_form_html(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.write(self.xsrf_form_html())

        response = get(handler=Handler)
        token = cookie_of(response).partition("=")[2]
        assert response.text == f'<input type="hidden" name="_xsrf" value="{token}"/>'


class TestCheck:
    def test_the_way_it_is_meant(self) -> None:
        page = get()
        assert post(cookie_of(page), page.text).text == "taken"

    @pytest.mark.parametrize("cookie", [V1, V2])
    @pytest.mark.parametrize("token", [V1, V2, V1.upper(), f"2|00000000|{V1}|1", f" {V2} "])
    def test_versions_and_masks_may_differ(self, cookie: str, token: str) -> None:
        assert post(f"_xsrf={cookie}", token).text == "taken"

    @pytest.mark.parametrize(
        ("token", "message"),
        [
            (None, MISSING),
            ("", MISSING),
            ("  ", MISSING),
            ("garbage", MISMATCH),
            (V1[:-1], MISMATCH),
            (V1[:-2], MISMATCH),
            (V1 + "00", MISMATCH),
            (V2.replace("5cb4", "5cb5"), MISMATCH),
            (V2.replace("8503eb86", "8503eb87"), MISMATCH),
            ("€", MISMATCH),
            ("2|8503eb86||1300000000", MALFORMED),
            (V2.replace("2|", "3|", 1), MALFORMED),
            ("a" * (xsrf.MAX_TOKEN_SIZE + 1), MALFORMED),
        ],
    )
    def test_wrong_tokens(self, token: str | None, message: str, log: LogBook) -> None:
        assert post(token=token).status == 403
        log.take(message)

    def test_tokens_are_compared_in_constant_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        other = xsrf.encode_token(b"x" * 16, 1, 2).decode()
        monkeypatch.setattr(hmac, "compare_digest", lambda a, b: a != b)
        assert post(token=other).status == 200

    @pytest.mark.parametrize("cookie", [None, "", "_xsrf=", "_xsrf=2|00||1", "other=" + V2])
    def test_without_the_cookie(self, cookie: str | None, log: LogBook) -> None:
        assert post(cookie, V2).status == 403
        log.take(MISMATCH)

    @pytest.mark.parametrize("nothing", ["", "2|00000000||1", "2|00||1"])
    def test_nothing_is_not_equal_to_nothing(self, nothing: str, log: LogBook) -> None:
        assert post(f"_xsrf={nothing}", nothing).status == 403
        log.take("'_xsrf' argument")

    def test_what_a_client_made_up_itself(self) -> None:
        # Other sites can set no cookie, so what counts is that both are the same.
        assert post("_xsrf=chosen", "chosen").status == 200

    @pytest.mark.parametrize("name", ["X-Xsrftoken", "X-XSRFToken", "X-Csrftoken", "X-CSRFToken"])
    def test_headers(self, name: str) -> None:
        assert post(headers={name: V2}).status == 200
        assert post(token="", headers={name: V2}).status == 200

    def test_the_argument_comes_first(self, log: LogBook) -> None:
        assert post(token=V2, headers={"X-Xsrftoken": "bad"}).status == 200
        assert post(token="bad", headers={"X-Xsrftoken": V2}).status == 403
        assert post(headers={"X-Xsrftoken": "bad", "X-Csrftoken": V2}).status == 403
        assert len(log.take_all(MISMATCH)) == 2

    def test_in_the_query(self) -> None:
        assert post(target="/?" + urlencode({"_xsrf": V2})).status == 200

    def test_the_body_counts_before_the_query(self, log: LogBook) -> None:
        assert post(target="/?_xsrf=bad", token=V2).status == 200
        assert post(target="/?" + urlencode({"_xsrf": V2}), token="bad").status == 403
        log.take(MISMATCH)

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-Requested-With": "XMLHttpRequest"},
            {"Content-Type": "application/json"},
            {"Content-Type": "text/plain"},
            {"Authorization": "Bearer x"},
            {"X-HTTP-Method-Override": "GET"},
        ],
    )
    def test_no_header_makes_an_exemption(self, headers: dict[str, str], log: LogBook) -> None:
        assert post(headers=headers).status == 403
        log.take(MISSING)

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
    def test_methods_that_change_something(self, method: str, log: LogBook) -> None:
        assert post(method=method).status == 403
        log.take(MISSING)

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
    def test_methods_that_do_not(self, method: str) -> None:
        assert post(None, method=method).status == 200

    def test_methods_of_ones_own(self, log: LogBook) -> None:
        class Handler(Form):
            SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "PROPFIND")

            def propfind(self) -> None:
                self.write("taken")

        assert post(method="PROPFIND", handler=Handler).status == 403
        log.take(MISSING)

    def test_only_with_the_setting(self) -> None:
        assert post(None, xsrf_cookies=False).status == 200

    def test_comes_before_prepare(self, log: LogBook) -> None:
        called: list[str] = []

        class Handler(Form):
            def prepare(self) -> None:
                called.append("prepare")

        assert post(handler=Handler).status == 403
        assert called == []
        log.take(MISSING)

    def test_a_handler_of_its_own_mind(self) -> None:
        class Handler(Form):
            def check_xsrf_cookie(self) -> None:
                pass

        assert post(None, handler=Handler).status == 200

    def test_arguments_of_another_make(self, log: LogBook) -> None:
        # Such as those of a JSON body.
        class Handler(Form):
            def get_argument(self, name: str, *args: Any, **kwargs: Any) -> Any:
                return V2 if name == "_xsrf" else None

        assert post(handler=Handler).status == 200

    def test_redirects_are_checked_and_errors_are_not(self, log: LogBook) -> None:
        rules = [("/r", RedirectHandler, {"url": "/"})]
        app = Application(rules, xsrf_cookies=True, log_function=lambda handler: None)
        assert fetch(app, "/r", "POST").status == 403
        log.take(MISSING)
        assert fetch(app, "/nowhere", "POST").status == 404

    def test_streaming_handlers_take_it_from_a_header(self, log: LogBook) -> None:
        @stream_request_body
        class Handler(RequestHandler):
            def data_received(self, chunk: bytes) -> None:
                assert chunk

            def post(self) -> None:
                self.write("taken")

        assert post(token=V2, handler=Handler).status == 403
        log.take(MISSING)
        assert post(token="x", headers={"X-Xsrftoken": V2}, handler=Handler).text == "taken"

    def test_a_page_is_another_every_time(self) -> None:
        # BREACH: what is compressed together with what an attacker chose must not repeat itself.
        assert len({get(f"_xsrf={V2}").text for _ in range(5)}) == 5
