"""WSGI applications on the HTTP server: `WSGIContainer`."""

from tornadic.wsgi.container import WSGIContainer

__all__ = ["WSGIContainer"]
