"""Server-sent events (HTML standard, section 9.2): a response that goes on, event by event.

`EventSourceHandler` is to a browser's ``EventSource`` what a `.WebSocketHandler` is to its
``WebSocket``.  ``events`` makes an event's bytes, ``handler`` sends them.
"""

from tornadic.eventsource.events import encode_event
from tornadic.eventsource.handler import EventSourceHandler, broadcast

__all__ = ["EventSourceHandler", "broadcast", "encode_event"]
