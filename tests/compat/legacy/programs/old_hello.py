"""The smallest server of Tornado 2 and 3: a function of a request, which writes its own head."""

import tornado.httpserver
import tornado.ioloop
import tornado.netutil


def handle_request(request):
    message = "You requested %s\n" % request.uri
    request.write("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(message), message))
    request.finish()


http_server = tornado.httpserver.HTTPServer(handle_request)
sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
http_server.add_sockets(sockets)
print("port %d" % sockets[0].getsockname()[1])
tornado.ioloop.IOLoop.instance().start()
