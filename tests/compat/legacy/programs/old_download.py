"""A body taken in pieces as they come, with the streaming callbacks of Tornado 2 to 5."""

import socket
import sys

from tornado.httpserver import HTTPRequest
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

port, path = int(sys.argv[1]), sys.argv[2]
pieces = []


def on_connect():
    request = HTTPRequest(method="GET", uri=path, version="HTTP/1.0")
    stream.write(("%s %s %s\r\n\r\n" % (request.method, request.uri, request.version)).encode())
    stream.read_until(b"\r\n\r\n", callback=on_head)


def on_head(head):
    stream.read_bytes(2, callback=on_beginning, streaming_callback=pieces.append)


def on_beginning(rest):
    print("began with %r, left %r" % (b"".join(pieces), rest))
    del pieces[:]
    stream.read_until_close(callback=on_end, streaming_callback=pieces.append)


def on_end(rest):
    print("ended with %r, left %r" % (b"".join(pieces), rest))
    IOLoop.instance().stop()


stream = IOStream(socket.socket())
stream.connect(("127.0.0.1", port), callback=on_connect)
IOLoop.instance().start()
