"""A local file server that serves well and badly, one kind of behaviour per request."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

from .local_server import LocalServer

WEB_PAGE = b"<!DOCTYPE html><title>Sign in to this network</title>"


class FileServer(LocalServer):
    """Serves `files` (path to content) at `url`; `plan` says how, request by request, and then "well" for ever.

    The behaviours, beside "well" (whole files, and ranges where asked for) and a number (that HTTP status):

    - "no-range": always whole files
    - "no-length": does not say how long it will be
    - "cut", "cut-no-length": the connection ends after half of what is due, which is said before or not
    - "corrupted": one byte differs
    - "slow": three seconds pass before the body
    - "trickle": the body comes in 20 pieces over one second
    - "wrong-range": a range that begins elsewhere than asked, and says so
    - "lying-range": a range that begins elsewhere than asked, and does not say so
    - "half-range": half of the file, as a range, whatever is asked
    - "web-page": a page of HTML in place of the file, status 200
    - "redirect": to the same file at another path; "redirect-loop": to itself

    `requests` lists what was asked for: path and `Range` header.
    """

    def __init__(self, files: dict[str, bytes], plan: tuple[str | int, ...] = ()) -> None:
        self.files = files
        self.plan = list(plan)
        self.requests: list[tuple[str, str | None]] = []
        super().__init__(type("Handler", (_Handler,), {"owner": self}))


class _Handler(BaseHTTPRequestHandler):
    owner: ClassVar[FileServer]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.owner.requests.append((self.path, asked))
        behaviour = self.owner.plan.pop(0) if self.owner.plan else "well"
        content = self.owner.files.get(self.path.removeprefix("/elsewhere"))
        if isinstance(behaviour, int) or content is None:
            self.send_error(behaviour if isinstance(behaviour, int) else 404)
        elif behaviour.startswith("redirect"):
            self.send_response(302)
            self.send_header("Location", self.path if behaviour == "redirect-loop" else "/elsewhere" + self.path)
            self.end_headers()
        elif behaviour == "web-page":
            self._send(200, WEB_PAGE, behaviour)
        elif behaviour == "half-range":
            self._send(206, content[: len(content) // 2], behaviour, f"bytes 0-{len(content) // 2 - 1}/{len(content)}")
        else:
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and behaviour != "no-range" else 0
            self._send_from(start, content, behaviour)

    def _send_from(self, start: int, content: bytes, behaviour: str) -> None:
        if start >= len(content) > 0:
            self.send_error(416)
        elif start:
            shown = 0 if behaviour == "wrong-range" else start
            body = content[: len(content) - start] if behaviour == "lying-range" else content[start:]
            self._send(206, body, behaviour, f"bytes {shown}-{len(content) - 1}/{len(content)}")
        else:
            self._send(200, content, behaviour)

    def _send(self, status: int, body: bytes, behaviour: str, content_range: str | None = None) -> None:
        self.send_response(status)
        if content_range:
            self.send_header("Content-Range", content_range)
        if not behaviour.endswith("no-length"):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if behaviour == "corrupted":
            body = bytes([body[0] ^ 1]) + body[1:]
        if behaviour.startswith("cut"):
            body = body[: len(body) // 2]
        if behaviour == "slow":
            time.sleep(3)
        pieces = 20 if behaviour == "trickle" else 1
        size = -(-len(body) // pieces)
        for begin in range(0, len(body), size):
            if pieces > 1:
                time.sleep(1 / pieces)
            self.wfile.write(body[begin : begin + size])

    def log_message(self, *_: object) -> None:
        """Nothing: the test reads `requests`."""
