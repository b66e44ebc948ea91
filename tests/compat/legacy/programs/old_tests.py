"""Tests as Tornado 2 had them: a callback that stops, and a wait for it."""

import unittest

from tornado.httpclient import HTTPError
from tornado.testing import AsyncHTTPTestCase, AsyncTestCase, LogTrapTestCase, get_unused_port
from tornado.web import Application, RequestHandler


class HelloHandler(RequestHandler):
    def get(self):
        self.write("Hello")


class HelloTest(AsyncHTTPTestCase, LogTrapTestCase):
    def get_app(self):
        return Application([(r"/", HelloHandler)])

    def test_homepage(self):
        self.http_client.fetch(self.get_url("/"), self.stop)
        response = self.wait()
        response.rethrow()
        self.assertEqual(response.body, b"Hello")

    def test_nothing_there(self):
        self.http_client.fetch(self.get_url("/nothing"), callback=self.stop)
        response = self.wait(timeout=30)
        self.assertEqual(response.code, 404)
        self.assertRaises(HTTPError, response.rethrow)

    def test_in_a_callback(self):
        self.http_client.fetch(self.get_url("/"), self.handle_fetch)
        self.assertRaises(AssertionError, self.wait)
        self.http_client.fetch(self.get_url("/"), self.stop)
        self.wait()

    def handle_fetch(self, response):
        self.assertEqual(response.body, b"Goodbye")
        self.stop()


class LoopTest(AsyncTestCase):
    def test_stop_with_arguments(self):
        self.io_loop.add_callback(self.stop, 5)
        self.assertEqual(self.wait(), 5)
        self.io_loop.add_callback(lambda: self.stop(a=1))
        self.assertEqual(self.wait(), {"a": 1})

    def test_port(self):
        self.assertTrue(1024 < get_unused_port() < 65536)


if __name__ == "__main__":
    unittest.main()
