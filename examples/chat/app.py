"""A chat: rooms, names, the latest messages, in one process or in many.

``python examples/chat/app.py`` serves it on http://127.0.0.1:8888.  With
``--redis=redis://127.0.0.1:6379`` any number of processes, each on a ``--port`` of its own, are one
chat.  Names are what people say they are: a site with accounts would take `current_user` instead.

A page sends ``{"join": name}`` once and then ``{"say": text}``.  It gets messages with a ``kind``:
``welcome`` with the latest messages, ``said``, ``came``, ``left`` and ``error``.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import time
from collections import deque
from pathlib import Path
from typing import Any

from tornadic.channels import Channels, ChannelsError, MemoryChannels, RedisChannels
from tornadic.httpserver import HTTPServer
from tornadic.netutil import bind_sockets
from tornadic.options import define, options
from tornadic.web import Application, RequestHandler
from tornadic.websocket import WebSocketHandler

HERE = Path(__file__).resolve().parent

MAX_NAME = 30
MAX_TEXT = 1000
MAX_FRAME = 8192  # bytes: a text of the longest, and what JSON puts around it
BURST, PER_SECOND = 10, 2.0  # messages that one connection may send
KEPT_SECONDS = 7 * 24 * 3600  # a room where nobody has said anything since is forgotten
MAX_ROOMS = 1000  # whose messages a process keeps, without Redis

ROOM = r"([a-z0-9][a-z0-9-]{0,29})"

# The page needs no inline script or style and nothing from elsewhere, so nothing else may run.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class History:
    """The latest messages of each room, in this process."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._rooms: dict[str, deque[dict[str, Any]]] = {}

    async def add(self, room: str, message: dict[str, Any]) -> None:
        # The room that was last spoken in is the last, and the first is forgotten.
        messages = self._rooms.pop(room, None) or deque(maxlen=self.size)
        messages.append(message)
        self._rooms[room] = messages
        if len(self._rooms) > MAX_ROOMS:
            del self._rooms[next(iter(self._rooms))]

    async def latest(self, room: str) -> list[dict[str, Any]]:
        return list(self._rooms.get(room, ()))

    async def close(self) -> None: ...


class RedisHistory(History):
    """The latest messages of each room, for all processes: a list in Redis."""

    def __init__(self, size: int, url: str, prefix: str) -> None:
        import redis.asyncio

        super().__init__(size)
        self._prefix = prefix
        self._redis: Any = redis.asyncio.Redis.from_url(url, socket_timeout=5)
        self._errors = (redis.RedisError, OSError)

    async def add(self, room: str, message: dict[str, Any]) -> None:
        key = f"{self._prefix}history:{room}"
        try:
            async with self._redis.pipeline() as pipeline:
                pipeline.rpush(key, json.dumps(message))
                pipeline.ltrim(key, -self.size, -1)
                pipeline.expire(key, KEPT_SECONDS)
                await pipeline.execute()
        except self._errors as e:
            raise ChannelsError(str(e)) from e

    async def latest(self, room: str) -> list[dict[str, Any]]:
        try:
            lines = await self._redis.lrange(f"{self._prefix}history:{room}", -self.size, -1)
        except self._errors:
            return []  # whoever comes now sees what is said from now on
        return [json.loads(line) for line in lines]

    async def close(self) -> None:
        await self._redis.aclose()


class BaseHandler(RequestHandler):
    def set_default_headers(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)


class RoomHandler(BaseHandler):
    def get(self, room: str) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.render("index.html", room=room, max_name=MAX_NAME, max_text=MAX_TEXT)


class OtherRoomHandler(BaseHandler):
    """Leads from the form to the room: its name becomes what an address can have."""

    def get(self) -> None:
        wanted = self.get_argument("room", "lobby").lower()
        words = "".join(c if c.isascii() and c.isalnum() else " " for c in wanted).split()
        self.redirect(f"/rooms/{'-'.join(words)[:30].strip('-') or 'lobby'}")


class RoomSocket(WebSocketHandler):
    """Somebody in a room."""

    everyone: set[RoomSocket] = set()

    def initialize(self, channels: Channels, history: History) -> None:
        self.channels = channels
        self.history = history

    def open(self, room: str) -> None:
        self.everyone.add(self)
        self.room = room
        self.name = ""
        self.who = secrets.token_hex(8)
        self.allowed, self.counted = float(BURST), time.monotonic()

    async def on_message(self, message: str | bytes) -> None:
        try:
            asked = json.loads(message)
            [(verb, text)] = asked.items()
            if verb not in ("join", "say") or not isinstance(text, str):
                raise ValueError(verb)
            text.encode()
        except (ValueError, AttributeError, RecursionError):
            self.close(1008, "not understood")
            return
        try:
            if verb == "join":
                await self.join(text)
            else:
                await self.say(text)
        except ChannelsError:
            self.tell("The server cannot reach the others. Try again in a moment.")

    async def join(self, name: str) -> None:
        visible = "".join(c if c.isprintable() else " " for c in name)
        name = " ".join(visible.split())[:MAX_NAME].strip()
        if not name or self.name:
            self.tell("A name has to have a letter." if not name else "You have a name already.")
            return
        self.name = name
        # First listen, then look what was said: a message may come twice, but none is missed.
        await self.channels.add(self.room, self)
        latest = await self.history.latest(self.room)
        if self.ws_connection is not None:
            self.write_message({"kind": "welcome", "who": self.who, "messages": latest})
            await self.channels.publish(self.room, self.note("came"))

    async def say(self, text: str) -> None:
        text = text.strip()
        if not self.name or not text:
            self.tell("Say who you are first." if text else "There is nothing in this message.")
        elif len(text) > MAX_TEXT:
            self.tell(f"A message has {MAX_TEXT} characters at most.")
        elif not self.may_speak():
            self.tell("That was too quick. Wait a moment.")
        else:
            message = {**self.note("said"), "text": text}
            await self.history.add(self.room, message)
            await self.channels.publish(self.room, message)

    def note(self, kind: str) -> dict[str, Any]:
        """What everyone is told: that somebody came, left, or said something."""
        now = int(time.time() * 1000)
        message_id = secrets.token_hex(8)
        return {"kind": kind, "id": message_id, "at": now, "who": self.who, "name": self.name}

    def tell(self, text: str) -> None:
        """Tell this one only."""
        if self.ws_connection is not None:
            self.write_message({"kind": "error", "text": text})

    def may_speak(self) -> bool:
        now = time.monotonic()
        self.allowed = min(BURST, self.allowed + (now - self.counted) * PER_SECOND)
        self.counted = now
        if self.allowed < 1:
            return False
        self.allowed -= 1
        return True

    async def on_close(self) -> None:
        self.channels.discard(self.room, self)
        if self.name:
            try:
                await self.channels.publish(self.room, self.note("left"))
            except ChannelsError:
                pass  # nobody can be told
        self.everyone.discard(self)


def make_app(channels: Channels, history: History) -> Application:
    kept = {"channels": channels, "history": history}
    return Application(
        [
            (r"/", OtherRoomHandler),
            (rf"/rooms/{ROOM}", RoomHandler),
            (rf"/rooms/{ROOM}/socket", RoomSocket, kept),
        ],
        template_path=HERE,
        static_path=HERE / "static",
        websocket_max_message_size=MAX_FRAME,
        websocket_max_write_buffer_size=1024 * 1024,
        # A connection that went without a word is noticed.
        websocket_ping_interval=30,
    )


async def main() -> None:
    define("port", default=8888, help="port to listen on; 0 for any free one")
    define("address", default="127.0.0.1", help="address to listen on")
    define("redis", default="", help="URL of the Redis by which several processes are one chat")
    define("prefix", default="chat:", help="what the names of all keys there begin with")
    define("history", default=100, help="how many messages whoever comes into a room is shown")
    options.logging = "warning"
    options.parse_command_line()

    if options.redis:
        channels: Channels = RedisChannels(options.redis, prefix=options.prefix)
        history: History = RedisHistory(options.history, options.redis, options.prefix)
    else:
        channels, history = MemoryChannels(), History(options.history)
    sockets = bind_sockets(options.port, options.address)
    server = HTTPServer(make_app(channels, history))
    server.add_sockets(sockets)
    print(f"Chat at http://{options.address}:{sockets[0].getsockname()[1]}/", flush=True)

    ended = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, ended.set)
    await ended.wait()
    server.stop()
    for member in list(RoomSocket.everyone):
        member.close(1001, "The server goes away")
    deadline = time.monotonic() + 5
    while RoomSocket.everyone and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    await server.close_all_connections()
    await channels.close()
    await history.close()


if __name__ == "__main__":
    asyncio.run(main())
