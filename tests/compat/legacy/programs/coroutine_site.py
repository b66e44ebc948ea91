"""A site of Tornado 3: coroutines that wait for functions with callbacks."""

from concurrent.futures import ThreadPoolExecutor

import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.web
from tornado import gen
from tornado.concurrent import return_future, run_on_executor


def divide(a, b, callback):
    tornado.ioloop.IOLoop.instance().add_callback(lambda: callback(a / b))


@return_future
def greet(name, callback=None):
    callback("Hello, %s" % name)


class Worker(object):
    def __init__(self):
        self.executor = ThreadPoolExecutor(2)

    @run_on_executor
    def square(self, number):
        return number * number


worker = Worker()


class TaskHandler(tornado.web.RequestHandler):
    @gen.coroutine
    def get(self):
        result = yield gen.Task(divide, 6, int(self.get_argument("by", "2")))
        self.write("%d" % result)


class KeysHandler(tornado.web.RequestHandler):
    @gen.coroutine
    def get(self):
        divide(8, 2, callback=(yield gen.Callback("first")))
        divide(9, 3, callback=(yield gen.Callback("second")))
        first = yield gen.Wait("first")
        second = yield gen.Wait("second")
        self.write("%d %d" % (first, second))


class AllHandler(tornado.web.RequestHandler):
    @gen.coroutine
    def get(self):
        for number in (1, 2, 3):
            divide(number, 1, callback=(yield gen.Callback(number)))
        found = yield gen.WaitAll([1, 2, 3])
        self.write(" ".join("%d" % one for one in found))


class GreetHandler(tornado.web.RequestHandler):
    @gen.coroutine
    def get(self):
        greeting = yield greet("you")
        again = yield gen.Task(greet, "me")
        self.write("%s; %s" % (greeting, again))


class ThreadHandler(tornado.web.RequestHandler):
    @gen.coroutine
    def get(self):
        callback = yield gen.Callback("square")
        worker.square(7, callback=callback)
        self.write("%d" % (yield gen.Wait("square")))


class NeverHandler(tornado.web.RequestHandler):
    @gen.coroutine
    def get(self):
        deadline = tornado.ioloop.IOLoop.instance().time() + 0.05
        try:
            yield gen.with_timeout(deadline, gen.Task(lambda callback: None))
        except gen.TimeoutError:
            self.write("too late")


class LeakHandler(tornado.web.RequestHandler):
    @gen.coroutine
    def get(self):
        yield gen.Callback("forgotten")


application = tornado.web.Application(
    [
        (r"/task", TaskHandler),
        (r"/keys", KeysHandler),
        (r"/all", AllHandler),
        (r"/greet", GreetHandler),
        (r"/thread", ThreadHandler),
        (r"/never", NeverHandler),
        (r"/leak", LeakHandler),
    ]
)

if __name__ == "__main__":
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server = tornado.httpserver.HTTPServer(application)
    server.add_sockets(sockets)
    print("port %d" % sockets[0].getsockname()[1])
    tornado.ioloop.IOLoop.instance().start()
