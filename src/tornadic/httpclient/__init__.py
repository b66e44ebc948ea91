"""HTTP clients, one that blocks and one that does not.

`AsyncHTTPClient` is the common face of two implementations: `.SimpleAsyncHTTPClient`, the
default, which needs nothing else, and ``CurlAsyncHTTPClient`` of `tornadic.curl_httpclient`,
which needs ``pycurl``.  To choose that one::

    AsyncHTTPClient.configure("tornadic.curl_httpclient.CurlAsyncHTTPClient")

``python -m tornadic.httpclient URL`` fetches from the command line.
"""

from tornadic.httpclient.bodies import encode_form, encode_multipart
from tornadic.httpclient.client import AsyncHTTPClient, HTTPClient
from tornadic.httpclient.command import main
from tornadic.httpclient.cookiejar import Cookie, CookieJar
from tornadic.httpclient.errors import HTTPClientError, HTTPError
from tornadic.httpclient.request import HTTPRequest
from tornadic.httpclient.request import _RequestProxy as _RequestProxy
from tornadic.httpclient.response import HTTPResponse

__all__ = [
    "AsyncHTTPClient",
    "Cookie",
    "CookieJar",
    "HTTPClient",
    "HTTPClientError",
    "HTTPError",
    "HTTPRequest",
    "HTTPResponse",
    "encode_form",
    "encode_multipart",
    "main",
]
