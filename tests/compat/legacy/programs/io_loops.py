"""Tornado 3 and 4 told everything its loop."""

import tornado.httpclient
import tornado.httpserver
import tornado.ioloop
import tornado.iostream
import tornado.netutil
import tornado.web
import tornado.websocket

io_loop = tornado.ioloop.IOLoop.instance()


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        self.write("served")


class EchoHandler(tornado.websocket.WebSocketHandler):
    def on_message(self, message):
        self.write_message("echo of " + message)


application = tornado.web.Application([(r"/", MainHandler), (r"/echo", EchoHandler)])
sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
server = tornado.httpserver.HTTPServer(application, io_loop=io_loop)
server.add_sockets(sockets)
port = sockets[0].getsockname()[1]


def on_response(response):
    print(response.body.decode())
    url = "ws://127.0.0.1:%d/echo" % port
    tornado.websocket.websocket_connect(url, io_loop=io_loop, callback=on_connected)


def on_connected(future):
    connection = future.result()
    connection.write_message("words")
    connection.read_message(lambda future: on_message(connection, future))


def on_message(connection, future):
    print(future.result())
    connection.close()
    tornado.ioloop.PeriodicCallback(on_tick, 5, io_loop).start()


def on_tick():
    print("tick")
    io_loop.stop()


client = tornado.httpclient.AsyncHTTPClient(io_loop)
client.fetch("http://127.0.0.1:%d/" % port, callback=on_response)
io_loop.start()
