"""The client of Tornado 2 to 4: a callback, and the loop is started afterwards."""

import sys

from tornado import httpclient, ioloop


def handle_request(response):
    if response.error:
        print("Error: %s %s" % (response.code, type(response.error).__name__))
    else:
        print(response.body.decode())
    global left
    left -= 1
    if not left:
        ioloop.IOLoop.instance().stop()


left = len(sys.argv) - 1
http_client = httpclient.AsyncHTTPClient()
for url in sys.argv[1:]:
    http_client.fetch(url, handle_request)
ioloop.IOLoop.instance().start()
