"""What HTTP messages are made of, for servers and clients alike.

The public face of `tornadic.http`, where all of this is defined, and of `HTTPServerRequest`.
"""

from tornadic.http.cookies import parse_cookie
from tornadic.http.dates import format_timestamp
from tornadic.http.errors import HTTPInputError, HTTPOutputError
from tornadic.http.forms import (
    DEFAULT_CONFIG as _DEFAULT_PARSE_BODY_CONFIG,  # noqa: F401
)
from tornadic.http.forms import (
    HTTPFile,
    ParseBodyConfig,
    ParseMultipartConfig,
    ParseUrlEncodedConfig,
    parse_body_arguments,
    parse_multipart_form_data,
    set_parse_body_config,
)
from tornadic.http.headers import HTTPHeaders
from tornadic.http.interfaces import (
    HTTPConnection,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
)
from tornadic.http.parameters import _encode_header, _parse_header  # noqa: F401
from tornadic.http.startlines import (
    RequestStartLine,
    ResponseStartLine,
    parse_request_start_line,
    parse_response_start_line,
)
from tornadic.http.statuses import responses
from tornadic.http.urls import (
    encode_username_password,
    qs_to_qsl,
    split_host_and_port,
    url_concat,
)
from tornadic.httputil._testing import _ABNF, doctests  # noqa: F401
from tornadic.httputil.request import HTTPServerRequest

__all__ = [
    "HTTPConnection",
    "HTTPFile",
    "HTTPHeaders",
    "HTTPInputError",
    "HTTPMessageDelegate",
    "HTTPOutputError",
    "HTTPServerConnectionDelegate",
    "HTTPServerRequest",
    "ParseBodyConfig",
    "ParseMultipartConfig",
    "ParseUrlEncodedConfig",
    "RequestStartLine",
    "ResponseStartLine",
    "encode_username_password",
    "format_timestamp",
    "parse_body_arguments",
    "parse_cookie",
    "parse_multipart_form_data",
    "parse_request_start_line",
    "parse_response_start_line",
    "qs_to_qsl",
    "responses",
    "set_parse_body_config",
    "split_host_and_port",
    "url_concat",
]
