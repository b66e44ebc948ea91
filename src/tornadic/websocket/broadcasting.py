"""`broadcast`: one message to many connections.

The frame is made once for all that can take the same bytes, and given to each stream's kernel.
A compressed message that looks back at nothing is right for every receiver with the same window,
whatever it has received before.  So with compression, too, it is made once for each set of
parameters; what each connection's own compressor remembers is dropped, for its peer now has seen
something else.
"""

from __future__ import annotations

from collections.abc import Iterable

from tornadic.frames.codes import BINARY, TEXT
from tornadic.frames.writer import encode_frame
from tornadic.websocket.client import WebSocketClientConnection
from tornadic.websocket.handler import WebSocketHandler
from tornadic.websocket.protocol import WebSocketProtocol
from tornadic.websocket.sending import Message, payload_of
from tornadic.websocket.states import OPEN

__all__ = ["broadcast"]

Receiver = WebSocketHandler | WebSocketClientConnection | WebSocketProtocol


def broadcast(connections: Iterable[Receiver], message: Message, binary: bool = False) -> None:
    """Send ``message`` to all ``connections``: handlers, or what `websocket_connect` gave.

    ``message`` and ``binary`` as in `.WebSocketHandler.write_message`.  Connections that are
    closed or being closed are passed over.  Nobody is waited for: one that has more than its
    ``max_write_buffer_size`` waiting to be sent is closed with 1013, and its ``on_close`` called.

    Raises TypeError and UnicodeDecodeError as `.WebSocketHandler.write_message` does, before
    anything is sent.
    """
    opcode = BINARY if binary else TEXT
    payload = payload_of(message, binary)
    plain = encode_frame(opcode, payload)
    compressed: dict[object, bytes] = {}
    # Whoever is told of a close may change what is iterated over.
    for receiver in list(connections):
        if isinstance(receiver, WebSocketHandler):
            connection = receiver.ws_connection
        elif isinstance(receiver, WebSocketClientConnection):
            connection = receiver.protocol
        else:
            connection = receiver
        if connection is None or connection._state is not OPEN:
            continue
        compressor = connection._compressor
        if compressor is None and not connection.mask_outgoing:
            connection.put(plain)
            continue
        data = payload
        if compressor is not None:
            compressor.forget()
            if compressor.kind not in compressed:
                compressed[compressor.kind] = compressor.compress(payload)
                compressor.forget()
            data = compressed[compressor.kind]
        rsv1 = compressor is not None
        connection.put(encode_frame(opcode, data, mask=connection.mask_outgoing, rsv1=rsv1))
