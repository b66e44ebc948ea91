"""The HTTP client in pure Python: requests over `.HTTP1Connection`, connections kept between them.

A request takes a connection that was kept, and only if there is none a new one is made
(``connecting``).  `Fetch` is a request with its redirects, up to the response; ``outgoing`` says
what is sent, ``pool`` keeps connections, ``deadlines`` is the one timer for all time-outs.
"""

from tornadic.httpclient import HTTPError
from tornadic.simple_httpclient.client import SimpleAsyncHTTPClient
from tornadic.simple_httpclient.errors import HTTPStreamClosedError, HTTPTimeoutError

__all__ = ["HTTPError", "HTTPStreamClosedError", "HTTPTimeoutError", "SimpleAsyncHTTPClient"]
