"""The web framework: an application of handlers, one class for each kind of page.

::

    import asyncio
    import tornadic.web

    class MainHandler(tornadic.web.RequestHandler):
        def get(self):
            self.write("Hello, world")

    async def main():
        application = tornadic.web.Application([(r"/", MainHandler)])
        application.listen(8888)
        await asyncio.Event().wait()

    asyncio.run(main())
"""

from tornadic.httputil import HTTPServerRequest
from tornadic.routing import URLSpec
from tornadic.web.application import Application
from tornadic.web.basic_handlers import ErrorHandler, RedirectHandler
from tornadic.web.errors import Finish, HTTPError, MissingArgumentError
from tornadic.web.handler import RequestHandler
from tornadic.web.streaming import stream_request_body
from tornadic.web.transforms import OutputTransform

url = URLSpec

__all__ = [
    "Application",
    "ErrorHandler",
    "Finish",
    "HTTPError",
    "HTTPServerRequest",
    "MissingArgumentError",
    "OutputTransform",
    "RedirectHandler",
    "RequestHandler",
    "URLSpec",
    "stream_request_body",
    "url",
]
