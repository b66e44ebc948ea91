"""Read by each child process of a program that runs on Tornadic, as its Python starts.

That may be a process that never imports tornado, or quite another Python than ours, however
old: hence plain statements that any version can read, and nothing loaded but, in our own
Python, one small finder that waits for the first import of tornado.  Then this folder leaves
``sys.path``, and the ``sitecustomize`` follows that would have been read without us.
"""

import os
import sys

_folder = os.path.dirname(os.path.abspath(__file__))
_python = "%d.%d %s" % (sys.version_info[0], sys.version_info[1], sys.prefix)  # noqa: UP031

if os.environ.get("TORNADIC_AS_TORNADO") == _python:
    # By name: it is found in this folder, in which no other tool would look.
    __import__("tornadic_on_demand").wait_for_import()

sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _folder]

# Where there is no other, this fails as it would have without us, and site expects that.
sys.modules.pop(__name__, None)
__import__("sitecustomize")
