"""One object from its first byte to its last, however often the connection is lost in between."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Final, TypeVar

import msgspec

from kamiyo.aggregators._hyperliquid_archive.chunks import ASSET_CONTEXTS
from kamiyo.aggregators._hyperliquid_archive.contexts import Columns
from kamiyo.aggregators._hyperliquid_archive.frames import Frames
from kamiyo.aggregators._hyperliquid_archive.lines import Chunk, Lines
from kamiyo.core.archives import ArchiveObject
from kamiyo.core.errors import CorruptObject, MalformedPayload, SourceUnavailable
from kamiyo.core.time import Clock
from kamiyo.kit.object_store import (
    AccessRefused,
    ObjectChanged,
    ObjectMissing,
    ObjectStore,
    StoredObject,
)

_TRIES: Final = 6  # in a row that gave nothing
_FIRST_WAIT: Final = timedelta(seconds=1)
_LONGEST_WAIT: Final = timedelta(seconds=20)

T = TypeVar("T")


class Patience:
    """How often a question is asked again, and after which wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0

    def heard(self) -> None:
        """Something came: the next failure is a first one."""
        self._failures = 0

    async def wait(self, error: SourceUnavailable) -> None:
        """Wait before the next try; the error itself where waiting does not help, or did not."""
        self._failures += 1
        if isinstance(error, AccessRefused) or self._failures >= _TRIES:
            raise error
        await self._clock.sleep(min(_FIRST_WAIT * 2 ** (self._failures - 1), _LONGEST_WAIT))


async def patiently(ask: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """The answer to a question, asked again a few times."""
    patience = Patience(clock)
    while True:
        try:
            return await ask()
        except SourceUnavailable as error:
            await patience.wait(error)


async def read_payloads(
    store: ObjectStore, found: ArchiveObject, clock: Clock, size: int
) -> AsyncGenerator[Chunk]:
    """The object's chunks of that size, each to be understood alone: rows of cells have their header."""
    header = b""
    async with aclosing(read_chunks(store, found, clock, size)) as chunks:
        async for chunk in chunks:
            if found.stream != ASSET_CONTEXTS:
                yield chunk
            elif chunk.start:
                yield msgspec.structs.replace(chunk, content=header + chunk.content)
            else:
                header = _header(chunk.content, found)
                yield chunk


def _header(content: bytes, found: ArchiveObject) -> bytes:
    header, newline, _rows = content.partition(b"\n")
    try:
        Columns(header)
    except MalformedPayload as error:
        raise CorruptObject(f"{found.name}: {error}") from error
    return header + newline


async def read_chunks(
    store: ObjectStore, found: ArchiveObject, clock: Clock, size: int
) -> AsyncGenerator[Chunk]:
    """The object's lines in chunks; what is good before damage is given before CorruptObject names it."""
    frames, lines = Frames(), Lines(size)
    stored = StoredObject(key=found.key, size=found.size, etag=found.etag)
    try:
        async with aclosing(_packed(store, stored, clock)) as pieces:
            async for packed in pieces:
                for content in frames.unpack(packed):
                    for chunk in lines.take(content):
                        yield chunk
        frames.end()
    except (ObjectChanged, ObjectMissing) as error:
        raise CorruptObject(f"{error}: list it again") from error
    except CorruptObject as error:
        for chunk in lines.whole():
            yield chunk
        raise CorruptObject(f"{found.name}: {error}") from error
    for chunk in lines.rest():
        yield chunk


async def _packed(store: ObjectStore, stored: StoredObject, clock: Clock) -> AsyncGenerator[bytes]:
    """All bytes of it, each once: after a cut it goes on where it stopped."""
    position, patience = 0, Patience(clock)
    while position < stored.size:
        try:
            async with aclosing(store.read(stored, start=position)) as pieces:
                async for piece in pieces:
                    position += len(piece)
                    patience.heard()
                    yield piece
            _demand_end(stored, position)
        except SourceUnavailable as error:
            await patience.wait(error)


def _demand_end(stored: StoredObject, position: int) -> None:
    if position < stored.size:
        raise SourceUnavailable(f"{stored.key} ended after {position} of {stored.size} bytes")
