"""Recorded files read as what happened on the venue, and what must be known before the first of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from kamiyo.core.errors import InvalidQuery, MalformedPayload
from kamiyo.core.money import parse_decimal
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.fills import parse_node_time
from kamiyo.kit.recordings import read_lines
from kamiyo.lab.changes import Block, MarketMinute, RecordedFill, Row
from kamiyo.lab.universe import is_perp

KNOWN_AFTER = timedelta(seconds=60)
MINUTE_COLUMNS = b"t_ms,mark_price,oracle_price,open_interest_usd,depth_usd"
LIQUIDATION_COLUMNS = b"t_ms,liquidated_usd,backstop_usd"


class _RecordedBlock(msgspec.Struct, frozen=True, gc=False):
    block_time: str
    block_number: int
    events: list[tuple[str, msgspec.Raw]]


_block = msgspec.json.Decoder(_RecordedBlock)
_fill = msgspec.json.Decoder(RecordedFill)


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a recorded file."""
    return (line for _offset, line in read_lines(path))


def blocks(lines: Iterable[bytes]) -> Iterator[Block]:
    """Each block of the lines of a node's ``node_fills_by_block``; what cannot be read is left out."""
    for line in lines:
        try:
            recorded = _block.decode(line)
            at = parse_node_time(recorded.block_time)
        except (msgspec.DecodeError, MalformedPayload):
            continue
        yield Block(at, list(_rows(recorded.events)))


def _rows(events: list[tuple[str, msgspec.Raw]]) -> Iterator[Row]:
    for user, recorded in events:
        try:
            yield Row(user.lower(), _fill.decode(recorded), bytes(recorded))
        except msgspec.DecodeError:
            continue


def market_minutes(path: Path, asset: str) -> Iterator[MarketMinute]:
    """Each row of a market's minute series, known sixty seconds after its minute began."""
    for began, values in _table(path, MINUTE_COLUMNS):
        yield MarketMinute(from_millis(began) + KNOWN_AFTER, asset, *values)


def liquidated_minutes(path: Path) -> Iterator[tuple[datetime, Decimal, Decimal]]:
    """When it is known, what was liquidated in a minute and what of it the liquidator vault took, in USD."""
    for began, (liquidated, backstop) in _table(path, LIQUIDATION_COLUMNS):
        yield from_millis(began) + KNOWN_AFTER, Decimal(liquidated), Decimal(backstop)


def _table(path: Path, columns: bytes) -> Iterator[tuple[int, list[str]]]:
    lines = (line.strip() for line in lines_of(path))
    if (header := next(lines, b"")) != columns:
        raise InvalidQuery(f"{path.name} begins with {header[:100]!r}, not with {columns.decode()}")
    width = columns.count(b",") + 1
    last = -1
    for number, line in enumerate(filter(None, lines), start=2):
        cells = line.decode("utf-8", "replace").split(",")
        began = _row_time(cells, width, last)
        if began is None:
            raise InvalidQuery(f"{path.name}, line {number}: {line[:100]!r} does not continue the series")
        yield began, cells[1:]
        last = began


def _row_time(cells: list[str], width: int, last: int) -> int | None:
    """The row's time if it has the right number of numbers and comes after the one before it."""
    try:
        for cell in cells:
            parse_decimal(cell)
        began = int(cells[0])
    except (MalformedPayload, ValueError, InvalidOperation):
        return None
    return began if len(cells) == width and began > last else None


class Beginning(msgspec.Struct):
    """What stood before a tape's first block, as far as the rest of the tape tells it.

    An account's position before its first fill is that fill's ``startPosition``; a market's price before
    its first trade is that trade's; who is liquidated later has the mark of that moment as his
    liquidation price from the beginning. All three look ahead, so that a client has something to find.
    """

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    blocks: int = 0
    fills: int = 0
    trades: int = 0
    decimals: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    prices: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    positions: dict[tuple[str, str], str] = msgspec.field(default_factory=dict[tuple[str, str], str])
    liquidations: dict[tuple[str, str], str] = msgspec.field(default_factory=dict[tuple[str, str], str])
    methods: Counter[str] = msgspec.field(default_factory=Counter[str])

    def hear(self, block: Block, trades: int) -> None:
        """One more block is on the tape."""
        self.starts_at = min(self.starts_at or block.at, block.at)
        self.ends_at = max(self.ends_at or block.at, block.at)
        self.blocks += 1
        self.fills += len(block.rows)
        self.trades += trades
        for row in block.rows:
            self._hear_row(row)

    def _hear_row(self, row: Row) -> None:
        fill = row.fill
        asset = fill.coin
        self.decimals[asset] = max(self.decimals.get(asset, 0), _decimals(fill.sz))
        self.prices.setdefault(asset, fill.px)
        if is_perp(asset):
            self.positions.setdefault((row.user, asset), fill.start_position)
        if fill.liquidation is not None:
            victim = fill.liquidation.liquidated_user.lower()
            self.liquidations.setdefault((victim, asset), fill.liquidation.mark_price)
            self.methods[fill.liquidation.method] += row.user != victim


def _decimals(number: str) -> int:
    return len(number.partition(".")[2].rstrip("0"))
