"""An export is written in parts, each kept before the next is read, by whoever is there."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kamiyo.core.exports import (
    About,
    Export,
    ExportDataset,
    ExportFile,
    ExportFormat,
    ExportPart,
    ExportPolicy,
    ExportState,
)
from kamiyo.core.modes import LIVE
from kamiyo.core.ports import Lease
from kamiyo.core.time import rfc3339
from kamiyo.processing import exporting
from kamiyo.processing.exporting import ExportGoneError, ExportWriter, NotWrittenError
from kamiyo.storage.export_sets import PageOfSet, ReadPage
from kamiyo.storage.read_claims import ClaimText
from kamiyo.storage.read_states import VaultText
from tests.builders import NOW
from tests.fakes import ManualClock

LEASE = Lease("export/1", 1)


class MemoryExports:
    """What is kept of one export."""

    def __init__(self, folder: Path, room: int = 1_000_000) -> None:
        self.policy = ExportPolicy(folder, timedelta(days=1), room, 1)
        self.kept: list[ExportPart] = []
        self.told: list[About] = []
        self.file: ExportFile | None = None
        self.gone_at = -1

    async def parts(self, export_id: int) -> list[ExportPart]:
        assert export_id == 1
        return list(self.kept)

    async def start_again(self, export_id: int, about: About, lease: Lease) -> None:
        assert (export_id, lease) == (1, LEASE)
        self.kept, self.told = [], [about]

    async def about(self, export_id: int) -> About:
        assert export_id == 1
        return self.told[0]

    async def room(self, export_id: int) -> int:
        assert export_id == 1
        return self.policy.most_bytes

    async def keep_part(self, export_id: int, part: ExportPart, lease: Lease) -> bool:
        assert (export_id, lease) == (1, LEASE)
        self.kept.append(part)
        return part.number != self.gone_at

    async def finish(self, export_id: int, file: ExportFile, lease: Lease) -> bool:
        assert (export_id, lease) == (1, LEASE)
        self.file = file
        return self.gone_at != len(self.kept)


class MemoryLists:
    """A list of numbered rows, and what was asked of it."""

    def __init__(self, rows: list[msgspec.Struct], clock: ManualClock) -> None:
        self.rows = rows
        self.clock = clock
        self.asked: list[tuple[int, int]] = []
        self.moments = 0
        self.stops_at = -1

    @asynccontextmanager
    async def reading(self, _dataset: ExportDataset) -> AsyncGenerator[ReadPage]:
        self.moments += 1
        self.clock.moment += timedelta(seconds=1)

        async def page(_filters: bytes, past: bytes | None, limit: int) -> PageOfSet:
            first = 0 if past is None else int(past) + 1
            if len(self.asked) == self.stops_at:
                raise ConnectionError("gone")
            self.asked.append((first, limit))
            found = self.rows[first : first + limit]
            return PageOfSet(found, b"%d" % (first + len(found) - 1) if found else None)

        yield page

    async def describe(self, _dataset: ExportDataset, filters: bytes, now: datetime) -> About:
        assert filters == b"{}"
        coverage: dict[str, object] = {"label": "complete", "measured_pct": None}
        return About(as_of=now, stale=False, coverage=coverage, warnings=[], gaps=[])


def claims(count: int) -> list[msgspec.Struct]:
    return [
        ClaimText(str(number), "s", "e", "P", "A", None, None, None, rfc3339(NOW), number)
        for number in range(count)
    ]


def an_export(dataset: ExportDataset = ExportDataset.CLAIMS) -> Export:
    return Export(
        export_id=1,
        requested_at=NOW,
        dataset=dataset,
        format=ExportFormat.NDJSON,
        filters=b"{}",
        folder="own",
        state=ExportState.RUNNING,
        attempts=1,
        failures=0,
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def kept(tmp_path: Path) -> MemoryExports:
    return MemoryExports(tmp_path / "exports")


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch) -> None:
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 2)


async def write(kept: MemoryExports, lists: MemoryLists, **changes: Any) -> ExportFile:
    writer = ExportWriter(kept, lists, lists.clock, version="1.2.3", showing=LIVE, rows_in_a_part=3)
    return await writer.write(an_export(**changes), LEASE)


def numbers(kept: MemoryExports) -> list[int]:
    path = kept.policy.folder / "own" / "claims.ndjson"
    return [msgspec.json.decode(line, type=ClaimText).ordinal for line in path.read_bytes().splitlines()]


async def test_rows_are_read_in_parts(kept, clock) -> None:
    """No part has more than it may, no page more than is read at once, and the last is not full."""
    lists = MemoryLists(claims(7), clock)
    file = await write(kept, lists)
    assert lists.asked == [(0, 2), (2, 1), (3, 2), (5, 1), (6, 2)]
    assert [(part.number, part.rows, part.final) for part in kept.kept] == [
        (0, 3, False),
        (1, 3, False),
        (2, 1, True),
    ]
    assert (numbers(kept), file.rows, kept.file) == (list(range(7)), 7, file)
    assert [part.last for part in kept.kept] == [b"2", b"5", b"6"]


async def test_what_is_said_of_the_rows_names_their_time(kept, clock) -> None:
    """From the first part to the last, under the words of the moment the writing began."""
    file = await write(kept, MemoryLists(claims(7), clock))
    told = msgspec.json.decode(file.metadata)
    assert (told["read_from"], told["read_until"], told["as_of"]) == (
        rfc3339(NOW + timedelta(seconds=1)),
        rfc3339(NOW + timedelta(seconds=3)),
        rfc3339(NOW),
    )
    assert (told["rows"], told["version"], told["mode"], told["recording"]) == (7, "1.2.3", "LIVE", None)
    assert (told["dataset"], told["format"], told["filters"]) == ("claims", "ndjson", {})


async def test_a_full_last_part_is_followed_by_an_empty_one(kept, clock) -> None:
    """Only a page that is not full says that there is no more."""
    file = await write(kept, MemoryLists(claims(3), clock))
    assert [(part.rows, part.final, part.last) for part in kept.kept] == [(3, False, b"2"), (0, True, b"2")]
    assert (file.rows, numbers(kept)) == (3, [0, 1, 2])


async def test_nothing_is_a_file_without_rows(kept, clock) -> None:
    """One part without a place."""
    assert (await write(kept, MemoryLists([], clock))).rows == 0
    assert [(part.rows, part.last) for part in kept.kept] == [(0, None)]


async def test_rows_that_move_are_read_at_one_moment(kept, clock) -> None:
    """However many there are: one part, so that none is met twice or missed."""
    rows: list[msgspec.Struct] = [
        VaultText("c", str(number), "n", None, [], None, None, "s", "t") for number in range(9)
    ]
    lists = MemoryLists(rows, clock)
    assert (await write(kept, lists, dataset=ExportDataset.VAULTS)).rows == 9
    assert (lists.moments, len(kept.kept)) == (1, 1)


async def test_another_goes_on_after_the_last_part(kept, clock) -> None:
    """What was kept is not read again, and not described anew."""
    lists = MemoryLists(claims(7), clock)
    lists.stops_at = 3
    with pytest.raises(ConnectionError):
        await write(kept, lists)
    assert len(kept.kept) == 1
    began = kept.told[0]
    lists.stops_at = -1
    del lists.asked[:]
    file = await write(kept, lists)
    assert lists.asked[0] == (3, 2)
    assert (numbers(kept), file.rows, kept.told) == (list(range(7)), 7, [began])


async def test_what_is_whole_already_is_only_finished(kept, clock) -> None:
    """Whoever died between the last part and the end left nothing to read."""
    lists = MemoryLists(claims(2), clock)
    await write(kept, lists)
    moments = lists.moments
    assert (await write(kept, lists)).rows == 2
    assert lists.moments == moments


async def test_a_file_that_is_gone_is_begun_anew(kept, clock) -> None:
    """On another machine nothing of it is there."""
    lists = MemoryLists(claims(4), clock)
    await write(kept, lists)
    (kept.policy.folder / "own" / "claims.ndjson").unlink()
    assert (await write(kept, lists)).rows == 4
    assert numbers(kept) == list(range(4))


@pytest.mark.parametrize("gone_at", [1, 3])
async def test_what_was_deleted_is_not_written_on(kept, clock, gone_at) -> None:
    """Neither its next part nor its end."""
    kept.gone_at = gone_at
    with pytest.raises(ExportGoneError):
        await write(kept, MemoryLists(claims(7), clock))
    assert len(kept.kept) == min(gone_at + 1, 3)


async def test_more_than_there_is_room_for_is_not_written(tmp_path, clock) -> None:
    """It ends at the page that goes beyond it."""
    kept = MemoryExports(tmp_path, room=300)
    lists = MemoryLists(claims(7), clock)
    with pytest.raises(NotWrittenError, match="more than the 300 bytes"):
        await write(kept, lists)
    assert len(lists.asked) < 5


async def test_a_disk_that_fails_is_no_fault_of_the_database(tmp_path, clock) -> None:
    """It is told as what it is."""
    (tmp_path / "exports").write_text("no folder")
    with pytest.raises(NotWrittenError, match="FileExistsError"):
        await write(MemoryExports(tmp_path / "exports"), MemoryLists(claims(1), clock))


async def test_nothing_but_the_file_stays(kept, clock) -> None:
    """Whatever its writing left beside it, in folders nobody else may enter."""
    folder = kept.policy.folder / "own"
    folder.mkdir(parents=True)
    (folder / "part-00000.parquet").write_bytes(b"left")
    await write(kept, MemoryLists(claims(1), clock))
    assert [each.name for each in folder.iterdir()] == ["claims.ndjson"]
