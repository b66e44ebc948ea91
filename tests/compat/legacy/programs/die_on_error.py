"""What stack contexts were made for: an error in any callback ends the program."""

import contextlib
import logging
import os
import sys

from tornado.ioloop import IOLoop
from tornado.stack_context import ExceptionStackContext, NullContext, StackContext, wrap

loop = IOLoop.instance()


@contextlib.contextmanager
def die_on_error():
    try:
        yield
    except Exception as error:
        print("dying of %s" % error)
        sys.exit(3)


def report(kind, value, traceback):
    print("reported %s" % kind.__name__)
    return True


def fails():
    raise ValueError("a callback that failed")


def second_step():
    loop.call_later(0.01, fails)


with ExceptionStackContext(report):
    loop.add_callback(lambda: os.environ["MISSING"])
    wrap(fails)()
    with NullContext():
        loop.add_callback(lambda: 1 / 0)

logging.basicConfig(format="%(message)s", stream=sys.stdout)
with StackContext(die_on_error):
    loop.add_callback(second_step)
loop.start()
