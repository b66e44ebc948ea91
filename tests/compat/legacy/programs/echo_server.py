"""A server for lines, as Tornado 2 had it: TCPServer of netutil, and callbacks all the way."""

import tornado.ioloop
from tornado.netutil import TCPServer, bind_sockets


class EchoConnection(object):
    def __init__(self, stream, address):
        self.stream = stream
        self.stream.set_close_callback(self.on_close)
        self.read_line()

    def read_line(self):
        self.stream.read_until(b"\n", self.on_line)

    def on_line(self, line):
        if line == b"fail\n":
            raise RuntimeError("asked to fail")
        if line.startswith(b"file "):
            self.stream.read_bytes(int(line[5:]), self.on_file, self.on_piece)
        else:
            self.stream.write(line.upper(), self.read_line)

    def on_piece(self, data):
        self.stream.write(b"<" + data + b">")

    def on_file(self, data):
        self.stream.write(b"that was all\n", self.read_line)

    def on_close(self):
        print("a connection has ended")


class EchoServer(TCPServer):
    def handle_stream(self, stream, address):
        EchoConnection(stream, address)


loop = tornado.ioloop.IOLoop.instance()
server = EchoServer(io_loop=loop)
[sock] = bind_sockets(0, "127.0.0.1")
server.add_sockets([sock])
print("port %d" % sock.getsockname()[1])
loop.start()
