"""HTTP without I/O: nothing in here knows a socket, a loop or a clock.

``tornadic.httputil`` is the public face of this package.
"""
