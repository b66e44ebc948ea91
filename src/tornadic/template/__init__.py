"""Templates that are compiled to Python.

    template = Template("<p>Hello, {{ name }}!</p>")
    template.generate(name="Ada")

A `Loader` finds templates in a directory and keeps them compiled:

    loader = Loader("/srv/site/templates")
    loader.load("index.html").generate(name="Ada")

A handler does both by `.RequestHandler.render`.

``{{ expression }}`` stands for the value of a Python expression, escaped for HTML unless the
template says otherwise.  ``{# ... #}`` is a comment.  ``{{!``, ``{%!`` and ``{#!`` stand for
``{{``, ``{%`` and ``{#``.  All else is done by tags:

``{% apply function %}...{% end %}``
    What stands between goes through the function, as bytes.  It is compiled to a function of its
    own, so ``set`` within it sets a variable of its own, and no ``break`` leads out of it.

``{% autoescape function %}``
    With what the values of this file are escaped; ``{% autoescape None %}`` for not at all.  Files
    that this one includes or extends are not affected.

``{% block name %}...{% end %}``
    A part that templates which extend this one may replace.

``{% break %}``, ``{% continue %}``
    As in Python, within a ``for`` or ``while`` of this file.

``{% comment ... %}``
    Nothing.  It has no ``end``.

``{% extends file %}``
    This template is the named one with some of its blocks replaced.  What stands outside of
    blocks is left out.

``{% for target in expression %}...{% else %}...{% end %}``, ``{% while test %}...{% end %}``
    As in Python; the ``else`` may be left out.

``{% from module import name %}``, ``{% import module %}``
    As in Python.

``{% if test %}...{% elif test %}...{% else %}...{% end %}``
    As in Python.

``{% include file %}``
    The named template as if it stood here: it sees and sets the same variables.

``{% module Name(arguments) %}``
    What the `.UIModule` gives, not escaped.  Within `.RequestHandler.render` only.  In a page by
    `.RequestHandler.render_async` it is awaited, if it can be.

``{% raw expression %}``
    The value of an expression, not escaped.

``{% set name = expression %}``
    Sets a variable.  (It is one of the function that the template becomes, so a value of the same
    name that was handed to `Template.generate` is hidden throughout the template.)

``{% super %}``
    Within a block: the block of the same name that this one replaces.  Beyond Tornado.

``{% try %}...{% except Error as e %}...{% else %}...{% finally %}...{% end %}``
    As in Python.

``{% whitespace mode %}``
    How white space is treated from here to the end of the file, see `filter_whitespace`.

Every template knows the functions ``escape`` and ``xhtml_escape`` (the same), ``url_escape``,
``json_encode``, ``squeeze`` and ``linkify``, and the module ``datetime``.  Names that begin with
``_tt_`` are the compiler's.

Templates run any Python, so whoever writes them must be trusted like a programmer; what is safe
for strangers is to be a value in one.

How it works: the `lexer` cuts the text, the `parser` makes nodes, in which Python is parsed
already, at its place in the file; the `compiler` puts those of a template, its parents and its
includes together as functions, by the `writer`.  Each function stands in one file and keeps its
lines, so that tracebacks and debuggers show the templates themselves.
"""

from tornadic.template.errors import ParseError
from tornadic.template.loaders import BaseLoader, DictLoader, Loader
from tornadic.template.template import Template
from tornadic.template.whitespace import filter_whitespace

__all__ = ["BaseLoader", "DictLoader", "Loader", "ParseError", "Template", "filter_whitespace"]
