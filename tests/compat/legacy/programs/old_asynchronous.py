"""Handlers that fetch something and answer in a callback, as the guide of Tornado 2 had it."""

import time

import tornado.escape
import tornado.httpclient
import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.web
from tornado.options import define, options

define("entries", default=3, help="how many entries the feed has", type=int)


class FeedHandler(tornado.web.RequestHandler):
    def get(self):
        if self.get_argument("broken", None):
            raise tornado.web.HTTPError(503)
        self.write({"entries": list(range(options.entries))})


class MainHandler(tornado.web.RequestHandler):
    @tornado.web.asynchronous
    def get(self):
        http = tornado.httpclient.AsyncHTTPClient()
        url = "http://127.0.0.1:%d/feed?%s" % (self.settings["port"], self.request.query)
        http.fetch(url, callback=self.on_response)

    def on_response(self, response):
        if response.error:
            raise tornado.web.HTTPError(502)
        json = tornado.escape.json_decode(response.body)
        self.write("Fetched " + str(len(json["entries"])) + " entries from the feed")
        self.finish()

    def get_error_html(self, status_code, **kwargs):
        return "<h1>%d</h1>" % status_code


class TimeoutHandler(tornado.web.RequestHandler):
    @tornado.web.asynchronous
    def get(self):
        self.write("begun ")
        self.flush(callback=self.wait)

    def wait(self):
        tornado.ioloop.IOLoop.instance().add_timeout(
            time.time() + 0.01, self.async_callback(self.end)
        )

    def end(self):
        self.finish("ended")


class Application(tornado.web.Application):
    def __init__(self, port):
        handlers = [
            (r"/", MainHandler),
            (r"/feed", FeedHandler),
            (r"/timeout", TimeoutHandler),
        ]
        tornado.web.Application.__init__(self, handlers, port=port)


def main():
    tornado.options.parse_command_line()
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    port = sockets[0].getsockname()[1]
    tornado.httpserver.HTTPServer(Application(port), xheaders=True).add_sockets(sockets)
    print("port %d" % port)
    tornado.ioloop.IOLoop.instance().start()


if __name__ == "__main__":
    main()
