"""Three processes that share a port, by ``bind`` and ``start``."""

import os
import time

import tornado.httpserver
import tornado.ioloop
import tornado.options
import tornado.process
import tornado.web
from tornado.options import define, options

define("port", default=8888, help="run on the given port", type=int)
define("folder", help="where processes leave word of what they do")
tornado.options.parse_command_line()


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        # It holds up its process, so that the next request goes to another.
        open(os.path.join(options.folder, "in-%d" % os.getpid()), "w").close()
        while not os.path.exists(os.path.join(options.folder, "go")):
            time.sleep(0.01)
        self.write("%d %d" % (tornado.process.task_id(), os.getpid()))


application = tornado.web.Application([(r"/", MainHandler)])

if __name__ == "__main__":
    server = tornado.httpserver.HTTPServer(application)
    server.bind(options.port, "127.0.0.1")
    print("port %d" % options.port)
    server.start(3)
    tornado.ioloop.IOLoop.instance().start()
