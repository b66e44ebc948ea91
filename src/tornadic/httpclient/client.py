"""`AsyncHTTPClient`, which the implementations share, and `HTTPClient`, which blocks."""

from __future__ import annotations

import functools
from asyncio import Future
from collections.abc import Callable
from typing import Any, Final

from tornadic import _legacy
from tornadic.concurrent import (
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
)
from tornadic.http.headers import HTTPHeaders
from tornadic.httpclient.request import HTTPRequest, _RequestProxy
from tornadic.httpclient.response import HTTPResponse
from tornadic.ioloop import IOLoop
from tornadic.util import Configurable

__all__ = ["AsyncHTTPClient", "Delivery", "FetchFuture", "HTTPClient"]

# An implementation may be named as Tornado's programs name it, without the alias too.
_OTHER_NAME: Final = "tornado."
_OUR_NAME: Final = "tornadic."

Callback = Callable[[HTTPResponse], None]


class FetchFuture(Future[HTTPResponse]):
    """The future of a response; tells at once when it is cancelled.

    ``on_cancel`` is called then, if an implementation has set it.  A done callback would be one
    callback more for every fetch, and a turn of the loop too late.
    """

    on_cancel: Callable[[], None] | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        cancelled = super().cancel(msg)
        if cancelled and self.on_cancel is not None:
            self.on_cancel()
        return cancelled


class Delivery:
    """The callback of `AsyncHTTPClient.fetch`: puts a response into ``future``."""

    __slots__ = ("_raise_error", "future")

    def __init__(self, future: FetchFuture, raise_error: bool) -> None:
        self.future = future
        self._raise_error = raise_error

    def __call__(self, response: HTTPResponse) -> None:
        error = response.error
        if error and (self._raise_error or not response._error_is_response_code):
            future_set_exception_unless_cancelled(self.future, error)
        else:
            future_set_result_unless_cancelled(self.future, response)


def _clients_of_loop(io_loop: IOLoop) -> dict[type[AsyncHTTPClient], AsyncHTTPClient]:
    return {}


class AsyncHTTPClient(Configurable):
    """An HTTP client that does not block.

    ::

        response = await AsyncHTTPClient().fetch("http://example.com/")
        print(response.body)

    ``AsyncHTTPClient()`` gives an instance of the implementation that `configure` has chosen, the
    same one each time within a loop.  ``force_instance=True`` gives one of your own, which takes
    the arguments of the implementation, and which you `close`.

    All implementations take ``defaults``, a dictionary of attributes of `HTTPRequest` that count
    where a request says nothing.
    """

    _instance_cache: dict[type[AsyncHTTPClient], AsyncHTTPClient] | None

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return AsyncHTTPClient

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        from tornadic.simple_httpclient import SimpleAsyncHTTPClient

        return SimpleAsyncHTTPClient

    def __new__(
        cls, force_instance: bool = False, io_loop: IOLoop | None = None, **kwargs: Any
    ) -> AsyncHTTPClient:
        if io_loop is not None or isinstance(force_instance, IOLoop):
            return cls.__in_loop(force_instance, io_loop, kwargs)
        # Kept by the loop, with which they end.
        cache = None if force_instance else IOLoop.current().shared(_clients_of_loop)
        if cache is not None and cls in cache:
            return cache[cls]
        instance: AsyncHTTPClient = super().__new__(cls, **kwargs)
        instance._instance_cache = cache
        if cache is not None:
            cache[cls] = instance
        return instance

    @classmethod
    def __in_loop(cls, force_instance: Any, io_loop: Any, kwargs: Any) -> AsyncHTTPClient:
        """Make an instance in a loop that is given; once that was the first argument."""
        if isinstance(force_instance, IOLoop):
            force_instance, io_loop = bool(io_loop), force_instance
        loops = _legacy.room("loops")
        with loops.as_current(loops.given("AsyncHTTPClient", io_loop)):
            return cls.__new__(cls, force_instance, **kwargs)

    def _initialize_client(self, defaults: dict[str, Any] | None = None) -> None:
        self.io_loop = IOLoop.current()
        self.defaults = dict(HTTPRequest._DEFAULTS)
        if defaults is not None:
            self.defaults.update(defaults)
        self._closed = False

    initialize: Callable[..., None] = _initialize_client

    def close(self) -> None:
        """Free what the client holds, such as connections that are idle.

        Needed only for an instance of your own.  Nothing may be called after it; what is being
        fetched goes on.
        """
        if self._closed:
            return
        self._closed = True
        cache = self._instance_cache
        if cache is not None:
            for name in [name for name, client in cache.items() if client is self]:
                del cache[name]

    def fetch(
        self,
        request: str | HTTPRequest,
        raise_error: bool = True,
        callback: Callback | None = None,
        **kwargs: Any,
    ) -> Future[HTTPResponse]:
        """Fetch ``request``, an `HTTPRequest` or a URL; ``kwargs`` then are those of `HTTPRequest`.

        The future gives the `HTTPResponse`.  It raises `HTTPClientError` for a status outside 200
        to 299, unless ``raise_error`` is False, and other errors if there is no response.
        Cancelling it gives the fetch up.  ``callback`` is of old programs.

        Raises RuntimeError after `close`, and ValueError for ``kwargs`` beside an `HTTPRequest`.
        """
        if self._closed:
            raise RuntimeError("fetch() called on closed AsyncHTTPClient")
        if callback is not None or (raise_error is not True and callable(raise_error)):
            called_back: Future[HTTPResponse] = _legacy.room("fetching").fetch(
                self, request, raise_error, callback, kwargs
            )
            return called_back
        if not isinstance(request, HTTPRequest):
            request = HTTPRequest(url=request, **kwargs)
            is_ours = "headers" not in kwargs
        else:
            is_ours = False
            if kwargs:
                raise ValueError("kwargs can't be used if request is an HTTPRequest object")
        future = FetchFuture()
        if not is_ours:
            try:
                # The caller's may be no HTTPHeaders, and an implementation may change them.
                request.headers = HTTPHeaders(request.headers)
            except (TypeError, ValueError) as e:
                future.set_exception(e)
                return future
        self.fetch_impl(_RequestProxy(request, self.defaults), Delivery(future, raise_error))
        return future

    def fetch_impl(self, request: HTTPRequest | _RequestProxy, callback: Callback) -> None:
        """Fetch ``request`` and call ``callback`` with an `HTTPResponse`, for implementations.

        ``request`` has the attributes of an `HTTPRequest`, with the ``defaults`` where it says
        nothing.  What went wrong is told by the ``error`` of the response.
        """
        raise NotImplementedError()

    @classmethod
    def configure(cls, impl: None | str | type[Configurable], **kwargs: Any) -> None:  # noqa: RUF036
        """Choose the implementation: a class, its dotted name, or None for the default.

        ``kwargs`` are given to the constructor of each instance.  Raises ImportError or
        ValueError if it is none.
        """
        if isinstance(impl, str) and impl.startswith(_OTHER_NAME):
            impl = _OUR_NAME + impl.removeprefix(_OTHER_NAME)
        super().configure(impl, **kwargs)


class HTTPClient:
    """An HTTP client that blocks, for programs without a loop.

    ``async_client_class`` is what it uses (None: `AsyncHTTPClient`), ``kwargs`` are the
    arguments of that.  Raises RuntimeError where a loop runs.

    ::

        http_client = HTTPClient()
        try:
            print(http_client.fetch("http://example.com/").body)
        finally:
            http_client.close()
    """

    def __init__(
        self,
        async_client_class: type[AsyncHTTPClient] | None = None,
        **kwargs: Any,
    ) -> None:
        self._closed = True
        self._io_loop = IOLoop(make_current=False)
        chosen = AsyncHTTPClient if async_client_class is None else async_client_class

        async def make_client() -> AsyncHTTPClient:
            return chosen(**kwargs)

        try:
            self._async_client: AsyncHTTPClient = self._io_loop.run_sync(make_client)
        except BaseException:
            self._io_loop.close()
            raise
        self._closed = False

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Free what the client holds; it cannot be used any more."""
        if not self._closed:
            self._closed = True
            self._async_client.close()
            self._io_loop.close()

    def fetch(self, request: HTTPRequest | str, **kwargs: Any) -> HTTPResponse:
        """Fetch ``request``, with what `AsyncHTTPClient.fetch` takes and raises."""
        response: HTTPResponse = self._io_loop.run_sync(
            functools.partial(self._async_client.fetch, request, **kwargs)
        )
        return response
