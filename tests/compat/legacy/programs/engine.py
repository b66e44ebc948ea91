"""Tornado 2.1: a script whose coroutines are engines."""

import os
import sys

import tornado.ioloop
from tornado import gen
from tornado.httpclient import AsyncHTTPClient

loop = tornado.ioloop.IOLoop.instance()


def fails_later(callback):
    loop.add_callback(lambda: os.environ["MISSING"])


@gen.engine
def fetch_both(urls, callback):
    client = AsyncHTTPClient()
    responses = yield [gen.Task(client.fetch, url) for url in urls]
    callback([response.body.decode() for response in responses])


@gen.engine
def main():
    bodies = yield gen.Task(fetch_both, sys.argv[1:])
    print("; ".join(bodies))
    AsyncHTTPClient().fetch(sys.argv[1], callback=(yield gen.Callback("page")))
    yield gen.Task(loop.add_timeout, loop.time() + 0.01)
    response = yield gen.Wait("page")
    print(response.code)
    try:
        yield gen.Task(fails_later)
    except KeyError as error:
        print("caught %s" % error)
    loop.stop()


loop.add_callback(main)
loop.start()
