"""The command line: ``python -m tornadic.httpclient URL...``"""

from __future__ import annotations

from tornadic.httpclient.client import HTTPClient
from tornadic.httpclient.errors import HTTPClientError
from tornadic.options import define, options, parse_command_line

__all__ = ["main"]


def main() -> None:
    """Fetch the URLs of the command line and print their bodies, their headers, or both."""
    define("print_headers", type=bool, default=False)
    define("print_body", type=bool, default=True)
    define("follow_redirects", type=bool, default=True)
    define("validate_cert", type=bool, default=True)
    define("proxy_host", type=str)
    define("proxy_port", type=int)
    urls = parse_command_line()
    client = HTTPClient()
    try:
        for url in urls:
            try:
                response = client.fetch(
                    url,
                    follow_redirects=options.follow_redirects,
                    validate_cert=options.validate_cert,
                    proxy_host=options.proxy_host,
                    proxy_port=options.proxy_port,
                )
            except HTTPClientError as e:
                if e.response is None:
                    raise
                response = e.response
            if options.print_headers:
                print(response.headers)
            if options.print_body:
                print(response.body.decode("utf-8", "replace"))
    finally:
        client.close()
