"""The file of an export, fetched in pieces: what broke off goes on, and is what the server has in the end."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from kamiyo.cli.client import no_answer, refusal
from kamiyo.core.errors import SourceUnavailable
from kamiyo.core.time import Clock
from kamiyo.kit.transport import Answer

PIECE = 8 << 20

_PARTIAL = 206
_GOOD = 400
_WAITS = tuple(timedelta(seconds=seconds) for seconds in (0.5, 1, 2, 5, 10, 20))


class Session(Protocol):
    """The network, as far as a download needs it."""

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request; SourceUnavailable where no answer came."""
        ...


class Wanted(NamedTuple):
    """A file of a server, and what it must be."""

    path: str
    size: int
    sha256: str


class Patient:
    """Asks a server, and again where no answer comes: it may be restarting."""

    def __init__(self, session: Session, server: str, clock: Clock) -> None:
        self._session = session
        self._server = server
        self._clock = clock

    async def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """An answer that is no refusal; InvalidQuery for one, SourceUnavailable where none comes for long."""
        for wait in _WAITS:
            with suppress(SourceUnavailable):
                return await self._once(method, path, body, headers)
            await self._clock.sleep(wait)
        return await self._once(method, path, body, headers)

    async def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None
    ) -> Answer:
        try:
            answer = await self._session.request(method, f"{self._server}{path}", body=body, headers=headers)
        except SourceUnavailable as error:
            raise no_answer(self._server) from error
        if answer.status >= _GOOD:
            raise refusal(self._server, answer.status, answer.body)
        return answer

    async def sleep(self, length: timedelta) -> None:
        """Wait."""
        await self._clock.sleep(length)


async def fetch(server: Patient, wanted: Wanted, partial: Path, told: Callable[[int], None]) -> None:
    """Bring the rest of a file into this one; SourceUnavailable where it is not what the server has."""
    size = await asyncio.to_thread(_begun, partial, wanted.size)
    while size < wanted.size:
        told(size)
        asked = {
            "Range": f"bytes={size}-{min(size + PIECE, wanted.size) - 1}",
            "If-Range": f'"{wanted.sha256}"',
        }
        answer = await server.ask("GET", wanted.path, headers=asked)
        if answer.status != _PARTIAL or not answer.body:
            raise SourceUnavailable("the server has another file by now: export again")
        size += await asyncio.to_thread(_append, partial, answer.body)
    told(size)
    if not await asyncio.to_thread(_is_whole, partial, wanted.sha256):
        raise SourceUnavailable("what came is not what the server has, and was deleted: export again")


def _begun(path: Path, largest: int) -> int:
    """How much of it is here; more than there is to come is nothing of it."""
    size = path.stat().st_size if path.exists() else 0
    if size <= largest:
        return size
    path.unlink()
    return 0


def _append(path: Path, content: bytes) -> int:
    with path.open("ab") as file:
        return file.write(content)


def _is_whole(path: Path, sha256: str) -> bool:
    """Whether it is on the disk and what it must be; if not, it is deleted."""
    with path.open("ab") as file:
        os.fsync(file.fileno())
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        path.unlink()
    return found == sha256
