"""A server of whole files, as those of a repository or a CDN: ETags, conditions, and faults."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.services.server import Reply, Request, Server, open_server


@dataclass
class FileHost:
    """Files under ``/files/``; what stands in ``faults`` for a file is answered instead of it."""

    files: dict[str, bytes]
    kind: str = "text/plain; charset=utf-8"
    known: bool = True  # whether it names an ETag at all
    faults: dict[str, Reply] = field(default_factory=dict)
    server: Server = field(default_factory=lambda: Server(""))
    not_modified: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.server.url}/files"

    def asked(self) -> list[str]:
        """Which files were asked for, in order."""
        return [path.removeprefix("/files/") for path in self.server.paths()]

    def answer(self, request: Request) -> Reply:
        name = request.path.removeprefix("/files/")
        if name in self.faults:
            return self.faults[name]
        if name not in self.files:
            return Reply(404, b"404: Not Found", {"content-type": "text/plain; charset=utf-8"})
        etag = f'W/"{hashlib.sha256(self.files[name]).hexdigest()}"'
        if self.known and request.headers.get("if-none-match") == etag:
            self.not_modified.append(name)
            return Reply(304, headers={"etag": etag})
        headers = {"content-type": self.kind, "cache-control": "max-age=300"}
        return Reply(200, self.files[name], headers | ({"etag": etag} if self.known else {}))


@asynccontextmanager
async def open_files(files: Mapping[str, bytes], **more: object) -> AsyncIterator[FileHost]:
    """The server with these files."""
    host = FileHost(dict(files), **more)  # type: ignore[arg-type]
    async with open_server(host.answer) as host.server:
        yield host
