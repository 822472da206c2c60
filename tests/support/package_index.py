"""A package index with times of upload, and a vulnerability database beside it, as far as uv asks them. Over HTTP."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import threading
import zipfile
from typing import Any, Self

JSON = "application/vnd.pypi.simple.v1+json"


def wheel(name: str, version: str, *requires: str) -> bytes:
    """A wheel with nothing in it but what it needs."""
    file, info = io.BytesIO(), f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return file.getvalue()


class PackageIndex:
    """Serves wheels at `/simple/`, and at `/v1/` what is known of them. Use it as a context manager."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.uploaded: dict[str, str] = {}
        self.statuses: dict[str, str] = {}
        self.vulnerabilities: dict[str, dict[str, Any]] = {}
        self.requested: list[str] = []
        self.down = False
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(*index.get(self.path))

            def do_HEAD(self) -> None:
                self._send(*index.get(self.path))

            def do_POST(self) -> None:
                self._send(*index.post(json.loads(self.rfile.read(int(self.headers["content-length"])))))

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, name: str, version: str, uploaded: str = "", *requires: str) -> None:
        """Add a version; without a time the index gives none for it."""
        file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        self.files[file], self.uploaded[file] = wheel(name.replace("-", "_"), version, *requires), uploaded

    def know(self, vulnerability: str, name: str, version: str, fixed: str, *aliases: str) -> None:
        """Make the database know a vulnerability of one version."""
        package = {"ecosystem": "PyPI", "name": name}
        events = [{"introduced": "0"}, {"fixed": fixed}]
        self.vulnerabilities[vulnerability] = {
            "schema_version": "1.6.0",
            "id": vulnerability,
            "modified": "2026-01-01T00:00:00Z",
            "aliases": list(aliases),
            "summary": "It leaks",
            "affected": [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
            "version": version,
        }

    def get(self, path: str) -> tuple[int, str, bytes]:
        """Answer what uv reads: a package's page, a file, a vulnerability."""
        self.requested.append(path)
        head, _, name = path.strip("/").rpartition("/")
        if self.down:
            return 503, "text/plain", b""
        if head == "files":
            return 200, "application/zip", self.files[name]
        if head == "v1/vulns":
            known = {key: value for key, value in self.vulnerabilities[name].items() if key != "version"}
            return 200, "application/json", json.dumps(known).encode()
        files = [self._entry(file) for file in self.files if file.partition("-")[0].replace("_", "-") == name]
        if not files:
            return 404, "text/plain", b""
        status = {"project-status": {"status": self.statuses[name]}} if name in self.statuses else {}
        page = {"meta": {"api-version": "1.4"}, "name": name, "files": files, "versions": [], **status}
        return 200, JSON, json.dumps(page).encode()

    def post(self, document: dict[str, Any]) -> tuple[int, str, bytes]:
        """Answer which vulnerabilities some packages have."""
        self.requested += [f"{each['package']['name']}=={each['version']}" for each in document["queries"]]
        if self.down:
            return 503, "text/plain", b""
        results = [
            {"vulns": [{"id": key, "modified": "2026-01-01T00:00:00Z"} for key in keys]} if keys else {}
            for each in document["queries"]
            for keys in [
                [
                    key
                    for key, value in self.vulnerabilities.items()
                    if (value["affected"][0]["package"]["name"], value["version"])
                    == (each["package"]["name"], each["version"])
                ]
            ]
        ]
        return 200, "application/json", json.dumps({"results": results}).encode()

    def _entry(self, file: str) -> dict[str, Any]:
        entry = {
            "filename": file,
            "url": f"{self.url}/files/{file}",
            "hashes": {"sha256": hashlib.sha256(self.files[file]).hexdigest()},
        }
        return {**entry, "upload-time": self.uploaded[file]} if self.uploaded[file] else entry
