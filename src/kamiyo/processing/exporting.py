"""Write an export: read its list in parts, each as it was at one moment, each kept before the next begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

import msgspec

from kamiyo.core.errors import InvalidQuery
from kamiyo.core.exports import (
    About,
    Export,
    ExportDataset,
    ExportFile,
    ExportPart,
    ExportPolicy,
    Metadata,
    joined,
)
from kamiyo.core.modes import Showing
from kamiyo.core.ports import Lease
from kamiyo.core.time import Clock, rfc3339
from kamiyo.processing.export_files import PartFile, open_file
from kamiyo.storage.export_sets import SETS, ReadPage

ROWS_IN_A_PART = 250_000
ROWS_AT_ONCE = 5_000

_OWN_FOLDER = 0o700

P = ParamSpec("P")
R = TypeVar("R")


class Lists(Protocol):
    """The lists that can be written."""

    def reading(self, dataset: ExportDataset, /) -> AbstractAsyncContextManager[ReadPage]:
        """What reads pages of a list as it is at one moment."""
        ...

    async def describe(self, dataset: ExportDataset, filters: bytes, now: datetime, /) -> About:
        """What is to be believed of the rows of a list."""
        ...


class KeptExports(Protocol):
    """What is kept of exports, so that another can go on."""

    @property
    def policy(self) -> ExportPolicy:
        """Where files are, and how much room they may take."""
        ...

    async def parts(self, export_id: int) -> list[ExportPart]:
        """The finished parts, in order."""
        ...

    async def start_again(self, export_id: int, about: About, lease: Lease) -> None:
        """Forget every part: the writing begins now, with what is to be believed of the rows."""
        ...

    async def about(self, export_id: int) -> About:
        """What was to be believed when the writing began."""
        ...

    async def room(self, export_id: int) -> int:
        """How many bytes the files of an export may take in all."""
        ...

    async def keep_part(self, export_id: int, part: ExportPart, lease: Lease) -> bool:
        """Say that a part is on disk for good; False where the export was deleted meanwhile."""
        ...

    async def finish(self, export_id: int, file: ExportFile, lease: Lease) -> bool:
        """Say that the file is whole; False where the export was deleted meanwhile."""
        ...


class ExportGoneError(InvalidQuery):
    """It was deleted while it was written."""


class NotWrittenError(InvalidQuery):
    """It cannot be written, or not where exports are, or takes more room than they may."""


class _Disk:
    """One thread for all of a file: what it needs of memory it keeps, and no other needs it as well."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "export")

    async def do(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do it there; NotWrittenError where it goes wrong, which is no fault of the database."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, partial(work, *args, **kwargs))
        except (OSError, ValueError) as error:
            raise NotWrittenError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Begin nothing more; what was begun is not waited for."""
        self._thread.shutdown(wait=False)


class ExportWriter:
    """Writes exports, each rows of a list in one file."""

    def __init__(
        self,
        exports: KeptExports,
        lists: Lists,
        clock: Clock,
        *,
        version: str,
        showing: Showing,
        rows_in_a_part: int = ROWS_IN_A_PART,
    ) -> None:
        self._exports = exports
        self._lists = lists
        self._clock = clock
        self._version = version
        self._showing = showing
        self._rows_in_a_part = rows_in_a_part

    async def write(self, export: Export, lease: Lease) -> ExportFile:
        """Write it, from where the last one to write it came to, to its end.

        ExportGoneError where it was deleted meanwhile, NotWrittenError where it cannot be written.
        """
        with closing(_Disk()) as disk:
            return await self._write(export, lease, disk)

    def folder_of(self, name: str) -> Path:
        """The folder of an export."""
        return self._exports.policy.folder / name

    async def _write(self, export: Export, lease: Lease, disk: _Disk) -> ExportFile:
        folder = self.folder_of(export.folder)
        await disk.do(_make, folder)
        with closing(await disk.do(open_file, export, folder)) as file:
            parts = await self._begin(export, file, lease, disk)
            while not (parts and parts[-1].final):
                parts.append(await self._write_part(export, file, parts, disk))
                if not await self._exports.keep_part(export.export_id, parts[-1], lease):
                    raise _gone(export)
            metadata = await self._metadata(export, parts)
            whole = await disk.do(file.finish, metadata)
        written = ExportFile(
            rows=metadata.rows,
            size=whole.size,
            sha256=whole.sha256,
            metadata=msgspec.json.encode(whole.metadata),
        )
        if not await self._exports.finish(export.export_id, written, lease):
            raise _gone(export)
        await disk.do(_leave_only, folder, export.file_name)
        return written

    async def _begin(self, export: Export, file: PartFile, lease: Lease, disk: _Disk) -> list[ExportPart]:
        parts = await self._exports.parts(export.export_id)
        if await disk.do(file.restore, parts) and parts:
            return parts
        about = await self._about(export)
        await self._exports.start_again(export.export_id, about, lease)
        return []

    async def _write_part(
        self, export: Export, file: PartFile, before: list[ExportPart], disk: _Disk
    ) -> ExportPart:
        stay = SETS[export.dataset].rows_stay
        room = await self._exports.room(export.export_id)
        rows, last, full = 0, before[-1].last if before else None, True
        async with self._lists.reading(export.dataset) as read:
            read_at = self._clock.now()
            while full and (limit := self._limit(rows, stay=stay)):
                page = await read(export.filters, last, limit)
                await disk.do(file.add, page.rows)
                rows, last, full = rows + len(page.rows), page.last or last, len(page.rows) == limit
                if file.size > room:
                    raise NotWrittenError(f"more than the {room:,} bytes that are left for exports")
        piece = await disk.do(file.keep)
        return ExportPart(
            number=len(before),
            rows=rows,
            size=piece.size,
            sha256=piece.sha256,
            last=last,
            final=not full,
            read_at=read_at,
        )

    def _limit(self, rows: int, *, stay: bool) -> int:
        """How many rows to read at once; none where the part has as many as it may."""
        return min(ROWS_AT_ONCE, self._rows_in_a_part - rows) if stay else ROWS_AT_ONCE

    async def _about(self, export: Export) -> About:
        return await self._lists.describe(export.dataset, export.filters, self._clock.now())

    async def _metadata(self, export: Export, parts: list[ExportPart]) -> Metadata:
        about = joined(await self._exports.about(export.export_id), await self._about(export))
        return Metadata(
            dataset=export.dataset,
            format=export.format,
            filters=msgspec.Raw(export.filters),
            rows=sum(part.rows for part in parts),
            version=self._version,
            mode=self._showing.mode,
            recording=self._showing.recording,
            read_from=rfc3339(parts[0].read_at),
            read_until=rfc3339(parts[-1].read_at),
            as_of=rfc3339(about.as_of),
            stale=about.stale,
            coverage=about.coverage,
            warnings=about.warnings,
            gaps=about.gaps,
            numbers_as_text=(),
        )


def _gone(export: Export) -> ExportGoneError:
    return ExportGoneError(f"export {export.export_id} was deleted")


def _make(folder: Path) -> None:
    for each in (folder.parent, folder):
        each.mkdir(_OWN_FOLDER, parents=True, exist_ok=True)


def _leave_only(folder: Path, name: str) -> None:
    for path in folder.iterdir():
        if path.name != name:
            path.unlink()
