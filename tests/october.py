"""10 October 2025 as a node would have written it, made from what others counted of it on the chain.

Real are how many rows each second had, how many times each user and each asset was auto-deleveraged, and for
how much. Which user met which asset at which second is not published: there any one is as good as another.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import cycle, repeat
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from kamiyo.core.time import to_millis
from tests.builders import MAKER, fill_json

FOLDER = "hl-adl-2025-10-10"
# Two of the venue's liquidators, whose positions were closed; the first was deleveraged itself, once.
UNDERWATER = (
    "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14",
    "0xb0a55f13d22f66e6d495ac98113841b2326e9540",
)
FIRST_BLOCK = 758_800_000
_TRADES_A_TRANSACTION = 50
_FINEST = Decimal("1e-8")
Row = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Second:
    """What was counted of one second: rows of ``liquidations``, and of ``adls`` a further one each."""

    second: int
    liquidations: int
    adls: int

    @property
    def ordinary(self) -> int:
        """Trades into the book: both rows of each were counted, of the others one."""
        trades, odd = divmod(self.liquidations - self.adls, 2)
        assert not odd
        return trades


@dataclass(frozen=True)
class Timing:
    """The counts by second, from a first moment on."""

    event_start: datetime
    timeline: list[Second]


@dataclass(frozen=True)
class _Trade:
    asset: str
    price: str
    size: str


def timing(shared_data: Path) -> Timing:
    """Which seconds had how many rows."""
    return msgspec.json.decode(
        (shared_data / FOLDER / "cascade_timing_per_burst.json").read_bytes(), type=Timing
    )


def table(shared_data: Path, name: str) -> list[dict[str, str]]:
    """A table of the source, row by row."""
    with (shared_data / FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def totals(shared_data: Path) -> dict[str, Any]:
    """What the source says of the whole of it."""
    found: dict[str, Any] = msgspec.json.decode(
        (shared_data / FOLDER / "total_impact_results.json").read_bytes()
    )
    return found


def lines(shared_data: Path) -> Iterator[bytes]:
    """A block for each second in which anything was counted."""
    counted = timing(shared_data)
    draw = Random(20251010)
    deleveraged = _shuffled(draw, _deleveraged_trades(shared_data))
    users = _shuffled(draw, _times(table(shared_data, "adl_by_user.csv"), "user", "num_adl_events"))
    ordinary = _ordinary_trades(shared_data)
    tids = iter(draw.sample(range(2**50), sum(each.adls + each.ordinary for each in counted.timeline)))
    for number, each in enumerate(counted.timeline, FIRST_BLOCK):
        at = counted.event_start + timedelta(seconds=each.second)
        rows = list[Row]()
        for _ in range(each.adls):
            rows += _deleveraging(next(users), next(deleveraged))
        for victim in range(each.ordinary):
            rows += _liquidation(f"0x{victim:040x}", next(ordinary))
        for trade, start in enumerate(range(0, len(rows), 2)):
            told = {
                "time": to_millis(at),
                "tid": next(tids),
                "hash": _hash(number, trade // _TRADES_A_TRANSACTION),
            }
            for _user, fill in rows[start : start + 2]:
                fill.update(told)
        yield _block(number, at, rows)


def _block(number: int, at: datetime, rows: Sequence[Row]) -> bytes:
    told = at.isoformat(timespec="microseconds").removesuffix("+00:00") + "000"
    return msgspec.json.encode(
        {"local_time": told, "block_time": told, "block_number": number, "events": rows}
    )


def _hash(number: int, transaction: int) -> str:
    """The block's number stands in it, as in a real one."""
    return f"0x{transaction:022x}{number:08x}{0:034x}"


def _shuffled(draw: Random, found: list[Any]) -> Iterator[Any]:
    draw.shuffle(found)
    return iter(found)


def _times(rows: Sequence[dict[str, str]], what: str, how_often: str) -> list[str]:
    return [each for row in rows for each in repeat(row[what], int(row[how_often]))]


def _deleveraged_trades(shared_data: Path) -> list[_Trade]:
    """As many of each asset as there were, which add up to what was closed of it."""
    found = list[_Trade]()
    for row in table(shared_data, "adl_net_volume_by_coin.csv"):
        events = int(row["num_adl_events"])
        size = (Decimal(row["net_volume"]) / events).quantize(_FINEST)
        price = (Decimal(row["net_notional_usd"]) / events / size).quantize(_FINEST)
        found += repeat(_Trade(row["ticker"], f"{price:f}", f"{size:f}"), events)
    return found


def _ordinary_trades(shared_data: Path) -> Iterator[_Trade]:
    """Of the assets in which there were most, all of one size; together what was liquidated into the book."""
    said = totals(shared_data)
    usd = Decimal(str(said["liquidations"]["notional"])) - Decimal(str(said["adl"]["notional"]))
    trades = sum(each.ordinary for each in timing(shared_data).timeline)
    size = (usd / 2 / trades / 100).quantize(_FINEST)
    return cycle(_Trade(asset, "100.0", f"{size:f}") for asset in said["top_combined_tickers"])


def _deleveraging(user: str, trade: _Trade) -> tuple[Row, Row]:
    """The trader's row, and that of the account on the other side: one trade, told twice."""
    underwater = UNDERWATER[user == UNDERWATER[0]]
    named = {"liquidatedUser": underwater, "markPx": trade.price, "method": "backstop"}
    common = _common(trade, named) | {"dir": "Auto-Deleveraging", "fee": "0.0"}
    return (
        (user, common | {"side": "B", "crossed": True, "startPosition": f"-{trade.size}"}),
        (underwater, common | {"side": "A", "crossed": False, "startPosition": trade.size}),
    )


def _liquidation(victim: str, trade: _Trade) -> tuple[Row, Row]:
    named = {"liquidatedUser": victim, "markPx": trade.price, "method": "market"}
    common = _common(trade, named)
    return (
        (victim, common | {"side": "A", "crossed": True, "dir": "Close Long", "startPosition": trade.size}),
        (MAKER, common | {"side": "B", "crossed": False, "dir": "Open Long"}),
    )


def _common(trade: _Trade, named: dict[str, str]) -> dict[str, Any]:
    return fill_json(coin=trade.asset, px=trade.price, sz=trade.size, liquidation=named)
