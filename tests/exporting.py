"""Lists to export: rows with texts and numbers that are easily lost, and what writes them without a queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from kamiyo.core.exports import (
    About,
    Export,
    ExportDataset,
    ExportFile,
    ExportFormat,
    ExportPolicy,
    ExportRequest,
    lease_name,
)
from kamiyo.core.ids import Asset, SourceName
from kamiyo.core.modes import LIVE
from kamiyo.core.sources import CoverageLabel, Subject
from kamiyo.core.time import Clock
from kamiyo.processing.exporting import ExportWriter
from kamiyo.storage.export_sets import PostgresLists
from kamiyo.storage.exports import PostgresExports
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Connection, Pool
from tests.builders import (
    API,
    MAKER,
    NODE,
    OTHER_VICTIM,
    VICTIM,
    a_batch,
    a_liquidated_fill,
    a_market_state,
    a_position,
    a_record,
    a_source_description,
    a_vault_state,
    an_account_state,
    an_exploit,
    an_honest_case,
)
from tests.fake_claims import COINGLASS, a_claim, a_claimed_position, a_claimed_total

AT = datetime(2025, 10, 10, 21, 16, tzinfo=UTC)
FORMULA = '=HYPERLINK("http://evil.example","a, b")\nsecond line'
PRICE = Decimal("0.000000000000000001")
KEEP = timedelta(hours=72)


@dataclass(frozen=True)
class Written:
    """An export that was written, and the file it became."""

    export: Export
    file: ExportFile
    path: Path

    @property
    def metadata(self) -> dict[str, Any]:
        return dict(msgspec.json.decode(self.file.metadata))


def policy(folder: Path, **changes: Any) -> ExportPolicy:
    return msgspec.structs.replace(ExportPolicy(folder, KEEP, 1_000_000_000, 8), **changes)


async def store_everything(pool: Pool, *, fills: int = 7) -> None:
    """Store some rows of every list."""
    journal = PostgresJournal(pool)
    await journal.register(a_source_description())
    await journal.register(a_source_description(name=API, label=CoverageLabel.SAMPLE))
    await journal.register(
        a_source_description(name=COINGLASS, label=CoverageLabel.NOT_MEASURED, subject=Subject.CLAIMS)
    )
    await store_fills(pool, fills)
    case = an_exploit(name=FORMULA, description='He said "no",\r\nand -1+1', amount_usd=None)
    await journal.write(a_batch(source=SourceName("catalogue"), events=(a_record(case), an_honest_case())))
    states = (
        a_market_state(asset=Asset("ETH"), mark_price=PRICE, oracle_price=PRICE),
        a_market_state(asset=Asset("BTC"), mid_price=None),
        a_vault_state(name="+vault"),
        an_account_state(a_position(), user=VICTIM),
        an_account_state(a_position(asset=Asset("BTC"), liquidation_price=None), user=OTHER_VICTIM),
    )
    await journal.write(a_batch(source=API, events=states))
    claims = (
        a_claim(),
        a_claim(pair="@PAIR", price=Decimal("1234567890123456789012.5"), ordinal=1, asset="-X"),
        a_claim(pair="OTHER", price=None, amount_usd=None, side=None, ordinal=2),
        a_claimed_total(),
        a_claimed_position(),
    )
    await journal.write(a_batch(source=COINGLASS, events=claims))


async def store_fills(pool: Pool, count: int, *, first: int = 0) -> None:
    """Store so many liquidations, two of a moment, of two assets and a builder's dex."""
    fills = [
        a_liquidated_fill(
            timestamp=AT + timedelta(seconds=number // 2),
            tid=number,
            hash=f"0x{number:064x}",
            asset=Asset(("ETH", "BTC", "xyz:TSLA")[number % 3]),
            price=Decimal("3000.123456789") + number,
            size=Decimal("0.00001") * (number + 1),
            user=VICTIM if number % 2 else MAKER,
            liquidated_user=VICTIM if number % 2 else MAKER,
        )
        for number in range(first, first + count)
    ]
    await PostgresJournal(pool).write(a_batch(source=NODE, events=tuple(fills)))


async def describe(_connection: Connection, _dataset: ExportDataset, _filters: bytes, now: datetime) -> About:
    """Say that nothing is known."""
    unknown = dict.fromkeys(("measured_pct", "measured_at"))
    coverage: dict[str, object] = {"label": "not measured", **unknown, "sources": []}
    return About(as_of=now, stale=True, coverage=coverage, warnings=["nobody was asked"], gaps=[])


async def ask(exports: PostgresExports, dataset: str, kind: str, **filters: Any) -> int:
    wanted = ExportRequest(
        dataset=ExportDataset(dataset), format=ExportFormat(kind), filters=msgspec.json.encode(filters)
    )
    return await exports.request(wanted)


def a_writer(pool: Pool, exports: PostgresExports, clock: Clock, **changes: Any) -> ExportWriter:
    lists = changes.pop("lists", None) or PostgresLists(pool, changes.pop("describe", describe))
    options: dict[str, Any] = {"version": "1.2.3", "showing": LIVE} | changes
    return ExportWriter(exports, lists, clock, **options)


async def write(pool: Pool, exports: PostgresExports, clock: Clock, number: int, **changes: Any) -> Written:
    """Write an export under its lease."""
    writer = a_writer(pool, exports, clock, **changes)
    async with PostgresLeases(pool, clock).hold(lease_name(number)) as lease:
        assert lease is not None
        await exports.begin(number, lease)
        export = await exports.look(number)
        assert export is not None
        file = await writer.write(export, lease)
    return Written(export, file, writer.folder_of(export.folder) / export.file_name)


def lines(path: Path) -> Sequence[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
