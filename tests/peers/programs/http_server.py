"""Python's `http.server`, HTTP/1.0 with threads, on the socket whose number is given."""

from __future__ import annotations

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/sent")
        else:
            self.send_response(200)
        self.end_headers()
        if self.path == "/pieces":
            for number in range(100):
                self.wfile.write(b"%d " % number)
        self.wfile.write(body)

    do_POST = do_PUT = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=int(sys.argv[1]))
server.serve_forever()
