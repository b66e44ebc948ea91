"""Work in a thread, whose result comes to the main thread's loop by IOLoop.instance()."""

import threading

import tornado.ioloop


def work(number):
    tornado.ioloop.IOLoop.instance().add_callback(lambda: on_result(number * number))


def on_result(result):
    print("result %d" % result)
    tornado.ioloop.IOLoop.instance().stop()


main_loop = tornado.ioloop.IOLoop.instance()
main_loop.set_blocking_log_threshold(0.5)
print("initialized %s" % tornado.ioloop.IOLoop.initialized())
threading.Thread(target=work, args=(12,)).start()
main_loop.start()
