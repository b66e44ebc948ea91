"""Redirects lead where the program says, and never where only the client says."""

from __future__ import annotations

from typing import Any

import pytest
from tests.web.support import LogBook, fetch

from tornadic.web import Application, RedirectHandler, RequestHandler


class TestRedirect:
    @pytest.mark.parametrize(
        ("arguments", "status"),
        [
            ({}, 302),
            ({"permanent": True}, 301),
            ({"permanent": False}, 302),
            ({"status": 303}, 303),
            ({"status": 308, "permanent": True}, 308),
            ({"status": 300}, 300),
            ({"status": 399}, 399),
        ],
    )
    def test_status(self, arguments: dict[str, Any], status: int) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.redirect("/to?a=1#b", **arguments)

        response = fetch(Handler)
        assert (response.status, response["Location"], response.body) == (status, "/to?a=1#b", b"")

    @pytest.mark.parametrize("status", [299, 400, 200, "303", 302.0])
    def test_other_statuses_are_refused(self, status: Any, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.redirect("/to", status=status)

        assert fetch(Handler).status == 500
        log.take("Uncaught exception")

    def test_unicode_is_sent_as_utf8(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.redirect("/é")

        assert fetch(Handler)["Location"].encode("latin-1") == "/é".encode()

    def test_to_another_site_if_the_program_says_so(self) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.redirect("https://example.org/x")

        assert fetch(Handler)["Location"] == "https://example.org/x"

    def test_nothing_is_called_afterwards(self, log: LogBook) -> None:
        class Handler(RequestHandler):
            def get(self) -> None:
                self.redirect("/a")
                self.redirect("/b")

        assert fetch(Handler)["Location"] == "/a"
        log.take("Cannot redirect after headers have been written")


class TestRedirectHandler:
    def location(self, pattern: str, url: str, target: str, **kwargs: Any) -> tuple[int, str]:
        rule = (pattern, RedirectHandler, {"url": url, **kwargs})
        response = fetch(Application([rule]), target)
        return response.status, "".join(response.all("Location"))

    def test_plain(self) -> None:
        assert self.location("/old", "/new", "/old") == (301, "/new")
        assert self.location("/old", "/new", "/old", permanent=False) == (302, "/new")

    def test_groups(self) -> None:
        url = "/{1}/{0}/{2}"
        assert self.location("/(.*?)/(.*?)/(.*)", url, "/a/b/c/d") == (301, "/b/a/c/d")
        assert self.location("/(?P<x>.*)", "/to/{x}", "/é".encode().decode("latin-1"))[0] == 301
        assert self.location("/(?P<x>.*)", "/to/{x}", "/a") == (301, "/to/a")

    def test_query_is_passed_on(self) -> None:
        assert self.location("/old", "/new?a=1", "/old?b=2&b=%C3%A9") == (
            301,
            "/new?a=1&b=2&b=%C3%A9",
        )

    def test_other_methods_are_405(self) -> None:
        app = Application([("/old", RedirectHandler, {"url": "/new"})])
        assert fetch(app, "/old", "POST").status == 405

    @pytest.mark.parametrize(
        ("url", "group"),
        [
            ("/{0}", "/evil.example"),
            ("/{0}", "%2Fevil.example"),
            ("/{0}", "%2F%2Fevil.example"),
            ("/{0}", "%5Cevil.example"),
            ("/{0}", "%5C%5Cevil.example"),
            ("/{0}", "%09/evil.example"),
            ("/{0}", "%09%5Cevil.example"),
            ("{0}", "//evil.example"),
            ("{0}", "%09//evil.example"),
            ("{0}", "%20//evil.example"),
            ("{0}", "https://evil.example/"),
            ("https://good.example{0}", ".evil.example"),
            ("https://good.example{0}", "@evil.example"),
            ("https://good.example{0}", ":80@evil.example"),
            ("https://good.example{0}", "x"),
            ("https://{0}.good.example/", "x"),
            ("https://{0}.good.example/", "evil.example/"),
            ("{0}://good.example/", "x"),
            ("https:{0}", "evil.example"),
            ("https:/{0}", "evil.example"),
            ("https:{0}", "////evil.example"),
            ("//{0}", "evil.example"),
        ],
    )
    def test_groups_never_lead_off_the_site(self, url: str, group: str, log: LogBook) -> None:
        rule = ("/go(.*)", RedirectHandler, {"url": url})
        response = fetch(Application([rule]), f"/go{group}")
        assert response.status == 400
        assert "Location" not in response
        assert len(log.unread) <= 1
        log.unread.clear()

    def test_another_site_of_the_programs_choice(self) -> None:
        url = "https://good.example/{0}"
        assert self.location("/go/(.*)", url, "/go//x") == (301, "https://good.example//x")
        assert self.location("/go", "//good.example/", "/go") == (301, "//good.example/")

    @pytest.mark.parametrize("group", ["%0d%0aX-Evil:%201", "%0aX", "%00"])
    def test_groups_bring_no_line_ends(self, group: str, log: LogBook) -> None:
        rule = ("/go/(.*)", RedirectHandler, {"url": "/to/{0}"})
        response = fetch(Application([rule]), f"/go/{group}")
        assert response.status == 400
        assert "Location" not in response and "X-Evil" not in response
        log.take("Redirect URL contains invalid characters")
