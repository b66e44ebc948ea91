"""Support for tests of asynchronous programs, in the style of `unittest`.

- `AsyncTestCase` gives every test an event loop of its own, `gen_test` makes a coroutine a test.
- `AsyncHTTPTestCase` and `AsyncHTTPSTestCase` also run a server, and have a client for it.
- `ExpectLog` takes expected lines out of the log.
- `main`, or ``python -m tornadic.testing``, runs tests; so does every other runner of `unittest`
  tests, pytest among them.
"""

from tornadic import _legacy
from tornadic.testing.cases import AsyncTestCase, gen_test, get_async_test_timeout
from tornadic.testing.fixtures import bind_unused_port, setup_with_context_manager
from tornadic.testing.http_cases import AsyncHTTPSTestCase, AsyncHTTPTestCase
from tornadic.testing.logs import ExpectLog
from tornadic.testing.runner import main

__all__ = [
    "AsyncHTTPSTestCase",
    "AsyncHTTPTestCase",
    "AsyncTestCase",
    "ExpectLog",
    "bind_unused_port",
    "gen_test",
    "get_async_test_timeout",
    "main",
    "setup_with_context_manager",
]

__getattr__ = _legacy.names_of(__name__)
