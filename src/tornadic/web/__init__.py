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

from tornadic import _legacy
from tornadic.httputil import HTTPServerRequest
from tornadic.routing import URLSpec
from tornadic.web.application import Application
from tornadic.web.basic_handlers import ErrorHandler, FallbackHandler, RedirectHandler
from tornadic.web.compression import GZipContentEncoding, NegotiatedContentEncoding
from tornadic.web.decorators import addslash, authenticated, removeslash
from tornadic.web.errors import Finish, HTTPError, MissingArgumentError
from tornadic.web.handler import RequestHandler
from tornadic.web.modules import TemplateModule, UIModule
from tornadic.web.parts import BodyPart
from tornadic.web.signing import (
    DEFAULT_SIGNED_VALUE_MIN_VERSION,
    DEFAULT_SIGNED_VALUE_VERSION,
    MAX_SUPPORTED_SIGNED_VALUE_VERSION,
    MIN_SUPPORTED_SIGNED_VALUE_VERSION,
    _create_signature_v1,  # noqa: F401
    _create_signature_v2,  # noqa: F401
    create_signed_value,
    decode_signed_value,
    get_signature_key_version,
)
from tornadic.web.static import StaticFileHandler
from tornadic.web.streaming import stream_request_body
from tornadic.web.transforms import OutputTransform

url = URLSpec

__all__ = [
    "DEFAULT_SIGNED_VALUE_MIN_VERSION",
    "DEFAULT_SIGNED_VALUE_VERSION",
    "MAX_SUPPORTED_SIGNED_VALUE_VERSION",
    "MIN_SUPPORTED_SIGNED_VALUE_VERSION",
    "Application",
    "BodyPart",
    "ErrorHandler",
    "FallbackHandler",
    "Finish",
    "GZipContentEncoding",
    "HTTPError",
    "HTTPServerRequest",
    "MissingArgumentError",
    "NegotiatedContentEncoding",
    "OutputTransform",
    "RedirectHandler",
    "RequestHandler",
    "StaticFileHandler",
    "TemplateModule",
    "UIModule",
    "URLSpec",
    "addslash",
    "authenticated",
    "create_signed_value",
    "decode_signed_value",
    "get_signature_key_version",
    "removeslash",
    "stream_request_body",
    "url",
]

__getattr__ = _legacy.names_of(__name__)
