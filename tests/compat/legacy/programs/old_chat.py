"""The chat of Tornado 2: who waits is kept on the class, and called back."""

import logging
import uuid

import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.web


class MessageMixin(object):
    waiters = set()
    cache = []
    cache_size = 200

    def wait_for_messages(self, callback, cursor=None):
        cls = MessageMixin
        if cursor:
            index = 0
            for i in range(len(cls.cache)):
                index = len(cls.cache) - i - 1
                if cls.cache[index]["id"] == cursor:
                    break
            recent = cls.cache[index + 1 :]
            if recent:
                callback(recent)
                return
        cls.waiters.add(callback)

    def cancel_wait(self, callback):
        MessageMixin.waiters.remove(callback)

    def new_messages(self, messages):
        cls = MessageMixin
        for callback in cls.waiters:
            try:
                callback(messages)
            except Exception:
                logging.error("Error in waiter callback", exc_info=True)
        cls.waiters = set()
        cls.cache.extend(messages)
        if len(cls.cache) > self.cache_size:
            cls.cache = cls.cache[-self.cache_size :]


class MainHandler(tornado.web.RequestHandler):
    def get(self):
        self.write("%d wait" % len(MessageMixin.waiters))


class MessageNewHandler(tornado.web.RequestHandler, MessageMixin):
    def post(self):
        message = {"id": str(uuid.uuid4()), "body": self.get_argument("body")}
        if self.get_argument("next", None):
            self.redirect(self.get_argument("next"))
        else:
            self.write(message)
        self.new_messages([message])


class MessageUpdatesHandler(tornado.web.RequestHandler, MessageMixin):
    @tornado.web.asynchronous
    def post(self):
        cursor = self.get_argument("cursor", None)
        self.wait_for_messages(self.on_new_messages, cursor=cursor)

    def on_new_messages(self, messages):
        # The client may have gone.
        if self.request.connection.stream.closed():
            return
        self.finish(dict(messages=messages))

    def on_connection_close(self):
        self.cancel_wait(self.on_new_messages)


application = tornado.web.Application(
    [
        (r"/", MainHandler),
        (r"/a/message/new", MessageNewHandler),
        (r"/a/message/updates", MessageUpdatesHandler),
    ]
)

if __name__ == "__main__":
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(application).add_sockets(sockets)
    print("port %d" % sockets[0].getsockname()[1])
    tornado.ioloop.IOLoop.instance().start()
