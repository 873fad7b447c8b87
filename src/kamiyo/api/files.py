"""A file as an answer: whole or a range of it, for whoever goes on after a broken download."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kamiyo.api.problems import problem_response

_AT_ONCE = 1 << 18
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
_OK, _PARTIAL, _NOT_MODIFIED = 200, 206, 304


class Download(NamedTuple):
    """A file that never changes, and under which name and as what it is given."""

    path: Path
    size: int
    sha256: str
    name: str
    media_type: str

    @property
    def tag(self) -> str:
        """Its ETag."""
        return f'"{self.sha256}"'


def file_answer(request: Request, download: Download) -> Response:
    """The file, or what of it is asked for; one range at most, whoever asks for more is given all."""
    headers = _headers(download)
    if download.tag in _tags(request.headers.get("if-none-match", "")):
        return Response(None, _NOT_MODIFIED, headers)
    start, end = 0, download.size
    status = _OK
    wanted = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if (
        wanted is not None
        and _is_range(wanted[1], wanted[2])
        and request.headers.get("if-range", download.tag) == download.tag
    ):
        found = _bounds(wanted[1], wanted[2], download.size)
        if found is None:
            detail = f"the file has {download.size} bytes"
            told = {"Content-Range": f"bytes */{download.size}"}
            return problem_response(request.scope, 416, "range_not_satisfiable", detail, headers=told)
        status, (start, end) = _PARTIAL, found
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{download.size}"
    headers["Content-Length"] = str(end - start)
    if getattr(request.state, "head_only", False):
        return Response(None, status, headers, download.media_type)
    return StreamingResponse(_read(download.path, start, end), status, headers, download.media_type)


def _headers(download: Download) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(download.sha256)).decode()
    return {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
        "Content-Disposition": f'attachment; filename="{download.name}"',
        "ETag": download.tag,
        "Repr-Digest": f"sha-256=:{digest}:",
    }


def _tags(text: str) -> set[str]:
    return {each.strip().removeprefix("W/") for each in text.split(",")}


def _is_range(first: str, last: str) -> bool:
    """What is none is passed by, as HTTP has it."""
    return int(first) <= int(last) if first and last else bool(first or last)


def _bounds(first: str, last: str, size: int) -> tuple[int, int] | None:
    """From which byte to before which; None where there are none."""
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
    else:
        start, end = max(size - int(last), 0), size
    return (start, end) if start < end else None


async def _read(path: Path, start: int, end: int) -> AsyncGenerator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        await asyncio.to_thread(file.seek, start)
        while start < end and (content := await asyncio.to_thread(file.read, min(_AT_ONCE, end - start))):
            start += len(content)
            yield content
    finally:
        file.close()
