"""Handlers under the WSGI server that comes with Python."""

import sys
import wsgiref.simple_server

import tornado.web
import tornado.wsgi


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        self.write("Hello, " + self.get_argument("name", "world"))


if __name__ == "__main__":
    if "adapter" in sys.argv:
        application = tornado.wsgi.WSGIAdapter(tornado.web.Application([(r"/", MainHandler)]))
    else:
        application = tornado.wsgi.WSGIApplication([(r"/", MainHandler)])
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, application)
    print("port %d" % server.server_port)
    server.serve_forever()
