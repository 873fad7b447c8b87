"""Hours as tests of coverage need them: sources, their blocks, and fills they saw."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from kamiyo.core.archives import BlockRun
from kamiyo.core.coverage import BlockHour, SourceHour
from kamiyo.core.events import LiquidatedFill, LiquidationMethod
from kamiyo.core.ids import SourceName
from kamiyo.core.sources import CoverageLabel, SourceType, Subject
from tests.builders import API, CHAIN, NODE, NOW, a_batch, a_liquidated_fill, a_source_description

ARCHIVE = SourceName("hyperliquid_archive")
HOUR = NOW.replace(minute=0, second=0, microsecond=0)
MINUTE = timedelta(minutes=1)
NEXT = HOUR + 60 * MINUTE
SECOND = timedelta(seconds=1)
LABELS = {
    NODE: (SourceType.STREAM, CoverageLabel.COMPLETE),
    ARCHIVE: (SourceType.POLLED, CoverageLabel.DELAYED_COMPLETE),
    API: (SourceType.STREAM, CoverageLabel.SAMPLE),
}


def a_block_hour(
    *ranges: tuple[int, int], first_at: datetime = HOUR, last_at: datetime = NEXT - SECOND
) -> BlockHour:
    return BlockHour(ranges, first_at, last_at)


def a_source_hour(source: SourceName, **changes: Any) -> SourceHour:
    kind, label = LABELS[source]
    known: dict[str, Any] = {"source": source, "type": kind, "label": label, "heard_minutes": 60}
    return SourceHour(**known | changes)


def described(source: SourceName) -> Any:
    kind, label = LABELS[source]
    return a_source_description(name=source, type=kind, label=label, subject=Subject.VENUE)


def a_run(first: int, last: int, *, hour: datetime = HOUR, start: float = 0, end: float = 59.99) -> BlockRun:
    """Blocks from one minute of the hour to another."""
    return BlockRun(first=first, last=last, first_at=hour + start * MINUTE, last_at=hour + end * MINUTE)


def a_sight(source: SourceName, tid: int, usd: str, **changes: Any) -> LiquidatedFill:
    """A fill of so many USD that one source saw, of a liquidation of its own unless there is a ``hash``."""
    hash_of_its_own = f"0x{tid:064x}"
    told = {
        "source": source,
        "tid": tid,
        "price": Decimal(usd),
        "size": Decimal(1),
        "hash": hash_of_its_own,
        "method": LiquidationMethod.MARKET,
        "timestamp": HOUR + 30 * MINUTE,
    }
    return a_liquidated_fill(**told | changes)


def heard(source: SourceName, *, hour: datetime = HOUR, minutes: Iterable[int] = (30,)) -> list[Any]:
    return [
        a_batch(source=source, chain=CHAIN, events=(), heard_at=hour + minute * MINUTE) for minute in minutes
    ]
