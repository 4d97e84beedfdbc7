"""A little Hugging Face hub on this machine: repositories in memory, and the routes that an adapter takes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from ..local_server import LocalServer

Files = dict[str, bytes]


class HubServer(LocalServer):
    """`revisions` holds the files of each (repository, branch or commit); `visibility` what was asked for it.

    Requests whose token is not `token` are refused. `requests` lists method and path of what was asked for.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.visibility: dict[str, str | None] = {}
        self.revisions: dict[tuple[str, str], Files] = {}
        self.commits: dict[tuple[str, str], str] = {}
        self.messages: list[str] = []
        self.requests: list[str] = []
        super().__init__(type("Handler", (_Handler,), {"hub": self}))

    def commit(self, repo: str, branch: str, files: Files, message: str) -> str:
        self.messages.append(message)
        files = self.revisions.get((repo, branch), {}) | files
        sha = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.revisions[repo, branch] = self.revisions[repo, sha] = files
        self.commits[repo, branch] = self.commits[repo, sha] = sha
        return sha


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[HubServer]

    def _answer(self, content: Any, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refused(self) -> bool:
        self.hub.requests.append(f"{self.command} {self.path}")
        if self.headers.get("Authorization") == f"Bearer {self.hub.token}":
            return False
        self._answer({"error": "wrong token"}, 401)
        return True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._refused():
            return
        path = unquote(urlsplit(self.path).path)
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.hub.visibility[name] = asked.get("visibility")
            self._answer({"url": f"{self.hub.url}/{name}"})
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif found := re.fullmatch("/api/models/(.+)/branch/(.+)", path):
            self.hub.revisions[found[1], found[2]] = {}
            self._answer({})
        elif re.fullmatch("/api/models/.+/preupload/.+", path):
            names = [file["path"] for file in json.loads(body)["files"]]
            self._answer({"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]})
        elif found := re.fullmatch("/api/models/(.+)/commit/(.+)", path):
            lines = [json.loads(line) for line in body.splitlines()]
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            sha = self.hub.commit(found[1], found[2], files, lines[0]["value"]["summary"])
            self._answer({"commitUrl": f"{self.hub.url}/{found[1]}/commit/{sha}", "commitOid": sha})
        else:
            self._answer({}, 404)

    def do_GET(self) -> None:
        if self._refused():
            return
        path = unquote(urlsplit(self.path).path)
        found = re.fullmatch("/api/models/(.+)/(revision|tree)/([^/]+)", path) or re.fullmatch(
            "/(.+)/(resolve)/([^/]+)/(.+)", path
        )
        files = self.hub.revisions.get((found[1], found[3])) if found else None
        if found is None or files is None:
            self._answer({"error": "not there"}, 404, X_Error_Code="RevisionNotFound" if found else "RepoNotFound")
            return
        sha = self.hub.commits[found[1], found[3]]
        if found[2] == "revision":
            self._answer({"id": found[1], "sha": sha, "siblings": [{"rfilename": name} for name in files]})
        elif found[2] == "tree":
            oids = {name: hashlib.sha1(content).hexdigest() for name, content in files.items()}
            self._answer(
                [{"type": "file", "path": n, "size": len(content), "oid": oids[n]} for n, content in files.items()]
            )
        else:
            content = files[found[4]]
            self._answer(content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=sha)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing: the test reads `requests`."""
