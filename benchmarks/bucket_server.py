"""A bucket of the files in a folder, as far as S3 is needed to list and read them; nobody is asked who he is.

``python -m benchmarks.bucket_server FOLDER`` serves it on a free port, which it prints, until it is ended.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "archive"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_MODIFIED = "2026-01-01T00:00:00.000Z"
_MODIFIED_HTTP = "Thu, 01 Jan 2026 00:00:00 GMT"


@contextmanager
def bucket_server(folder: Path) -> Generator[str]:
    """The address of a server of this folder, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.bucket_server", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None  # noqa: S101  (it is a pipe)
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        """Answer a listing or an object."""
        asked = urlsplit(self.path)
        if unquote(asked.path).strip("/") == BUCKET:
            self._list({name: values[0] for name, values in parse_qs(asked.query).items()})
        else:
            self._object(unquote(asked.path), body=True)

    def do_HEAD(self) -> None:
        """Answer what an object is, without it."""
        self._object(unquote(urlsplit(self.path).path), body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name)
        """Say nothing."""

    def _list(self, query: dict[str, str]) -> None:
        keys = sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*.lz4"))
        prefix, after = query.get("prefix", ""), query.get("start-after", "")
        rows = "".join(self._row(key) for key in keys if key.startswith(prefix) and key > after)
        listing = (
            f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><IsTruncated>false</IsTruncated>{rows}"
        )
        self._answer(HTTPStatus.OK, f"<ListBucketResult>{listing}</ListBucketResult>".encode())

    def _row(self, key: str) -> str:
        path = self.folder / key
        return (
            f"<Contents><Key>{escape(key)}</Key><LastModified>{_MODIFIED}</LastModified>"
            f"<ETag>{escape(_etag(path))}</ETag><Size>{path.stat().st_size}</Size></Contents>"
        )

    def _object(self, name: str, *, body: bool) -> None:
        path = self.folder / name.removeprefix(f"/{BUCKET}/")
        if not path.is_file():
            self._answer(HTTPStatus.NOT_FOUND, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        size, first, status = path.stat().st_size, 0, HTTPStatus.OK
        wanted = _RANGE.fullmatch(self.headers.get("range", ""))
        last = size - 1
        if wanted:
            first, last, status = int(wanted[1]), int(wanted[2] or last), HTTPStatus.PARTIAL_CONTENT
        self.send_response(status)
        self.send_header("ETag", _etag(path))
        self.send_header("Last-Modified", _MODIFIED_HTTP)
        self.send_header("Content-Length", str(last - first + 1))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if body:
            self.wfile.flush()
            with path.open("rb") as file, suppress(OSError):  # who reads may be killed
                self.connection.sendfile(file, first, last - first + 1)

    def _answer(self, status: HTTPStatus, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _etag(path: Path) -> str:
    return f'"{path.stat().st_size:x}"'


def _serve(folder: Path) -> None:
    handler = type("_Here", (_Handler,), {"folder": folder})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
