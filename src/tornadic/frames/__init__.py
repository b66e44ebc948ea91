"""WebSocket without I/O: frames, compression and handshake, RFC 6455 and RFC 7692.

Nothing in here knows a socket, a loop or a clock: readers are fed bytes and give events, writers
give bytes.  ``tornadic.websocket`` puts them on connections.
"""
