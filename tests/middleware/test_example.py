"""The program of the examples, in a process of its own."""

from __future__ import annotations

import http.client
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

PROGRAM = Path(__file__).parents[2] / "examples" / "middleware" / "app.py"


def test_the_example() -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-X", "dev", str(PROGRAM), "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    place = urlsplit(process.stdout.readline().strip()).netloc
    connection = http.client.HTTPConnection(place, timeout=20)

    def get(path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response, response.read()

    try:
        response, body = get("/you", Origin="https://app.example.com")
        assert (response.status, body) == (200, b'{"hello": "you"}')
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Server-Timing"].startswith("total;dur=")
        identifier = response.headers["X-Request-ID"]
        response, body = get("/nobody")
        assert (response.status, body) == (404, b'{"error": "Not Found"}')
        assert get("/", Host="evil.example")[0].status == 400
        statuses = [get("/")[0].status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
    finally:
        connection.close()
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert f"{identifier} greeting you" in errors
