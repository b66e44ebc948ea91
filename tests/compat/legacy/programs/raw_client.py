"""The client for HTTP that the documentation of IOStream shows, with callbacks."""

import socket
import sys

import tornado.ioloop
import tornado.iostream

host, port = "127.0.0.1", int(sys.argv[1])


def send_request():
    request = "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" % (sys.argv[2], host)
    stream.write(request.encode(), on_sent)


def on_sent():
    print("sent")
    stream.read_until(b"\r\n\r\n", on_headers)


def on_headers(data):
    headers = {}
    for line in data.split(b"\r\n"):
        parts = line.split(b":")
        if len(parts) == 2:
            headers[parts[0].strip()] = parts[1].strip()
    stream.read_bytes(int(headers[b"Content-Length"]), on_body)


def on_body(data):
    print(data.decode())
    stream.close()


def on_close():
    print("closed")
    tornado.ioloop.IOLoop.instance().stop()


stream = tornado.iostream.IOStream(socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0))
stream.set_close_callback(on_close)
stream.connect((host, port), send_request)
tornado.ioloop.IOLoop.instance().start()
