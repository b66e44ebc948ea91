"""WSGI applications on the HTTP server: `WSGIContainer`."""

from tornadic import _legacy
from tornadic.wsgi.container import WSGIContainer

__all__ = ["WSGIContainer"]

__getattr__ = _legacy.names_of(__name__)
