"""A local file server that serves well and badly, one kind of behaviour per request."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

from .local_server import LocalServer


class FileServer(LocalServer):
    """Serves `files` (path to content) at `url`; `plan` says how, request by request, and then "well" for ever.

    The behaviours: "well" (whole files, and ranges where asked for), "no-range" (always whole files), "cut" (the
    connection ends after half of what is due), "corrupted" (one byte differs), "slow" (one second passes before the
    body), "wrong-range" (ignores where the asked range begins), and a number (that HTTP status).
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
        content = self.owner.files.get(self.path)
        if isinstance(behaviour, int) or content is None:
            self.send_error(behaviour if isinstance(behaviour, int) else 404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and behaviour != "no-range" else 0
        if start >= len(content) > 0:
            self.send_error(416)
            return
        body = content[start:]
        if behaviour == "corrupted":
            body = bytes([body[0] ^ 1]) + body[1:]
        self.send_response(206 if start else 200)
        if start:
            shown = 0 if behaviour == "wrong-range" else start
            self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if behaviour == "slow":
            time.sleep(1)
        self.wfile.write(body[: len(body) // 2] if behaviour == "cut" else body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test reads `requests`."""
