"""Made-up recordings in the shape of a Hyperliquid node's files: seeded, so that every run reads the same.

Only counts are taken from the world: how many rows each second of 10 October 2025 had.
"""

from __future__ import annotations

import enum
import json
import os
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

SEED = 20251010
CASCADE_START = datetime(2025, 10, 10, 21, 15, 3, 127_000, tzinfo=UTC)
ORDINARY_DAY = datetime(2025, 11, 1, 12, tzinfo=UTC)
# The largest block on record: 11,279 auto-deleveraging trades, both rows of each, one timestamp.
BLOCK_TRADES = 11_279
BLOCK_SECOND = 61
CASCADE_SECONDS = 727
CASCADE_ROWS, CASCADE_ADL_TRADES = 63_637, 34_983

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REPOSITORY = Path(__file__).resolve().parents[1]
_ASSETS = (
    ("BTC", 112_000.0, 0, 5), ("ETH", 3_900.0, 1, 4), ("SOL", 190.0, 3, 2), ("HYPE", 38.0, 3, 2),
    ("XRP", 2.4, 4, 0), ("DOGE", 0.19, 5, 0), ("kPEPE", 0.0071, 6, 0), ("PUMP", 0.0042, 6, 0),
    ("WLFI", 0.15, 5, 0), ("ENA", 0.41, 5, 0), ("AVAX", 21.0, 3, 2), ("SUI", 2.5, 4, 1),
    ("LINK", 18.0, 3, 1), ("ASTER", 1.2, 5, 0), ("FARTCOIN", 0.38, 5, 1), ("BNB", 1_150.0, 1, 3),
)  # fmt: skip
# As in the great block: one account was under water, the venue's liquidator; whom it was closed against lost
# the whole position, at one price for each asset, without a fee.
_UNDERWATER = "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14"
_ADL_MARK = 0.998  # the mark, by the price
_ZERO_HASHES = 0.01  # the share of auto-deleveragings without a transaction
_NAMED_ORDERS = 0.5  # the share of orders with a name of their owner's
_WEIGHTS = [len(_ASSETS) - at for at in range(len(_ASSETS))]


class Kind(enum.Enum):
    """What made a trade."""

    ORDINARY = enum.auto()
    MARKET = enum.auto()  # a liquidation into the book
    ADL = enum.auto()


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the cascade: rows that name a liquidation, and the auto-deleveraging trades in them."""

    second: int
    rows: int
    adl_trades: int


class Recorder:
    """Writes trades as a node would; guards the running numbers that make every trade its own."""

    def __init__(self, seed: int = SEED) -> None:
        self._random = random.Random(seed)
        self._block = 777_000_000
        self._order = 214_000_000_000
        self._users = [f"0x{self._random.getrandbits(160):040x}" for _ in range(20_000)]

    def block(self, at: datetime, kinds: Iterable[Kind]) -> bytes:
        """One line of ``node_fills_by_block``: both rows of each trade."""
        self._block += 1
        millis = (at - _EPOCH) // timedelta(milliseconds=1)
        rows = ",".join(",".join(self.trade(millis, kind)) for kind in kinds)
        stamp = f"{at:%Y-%m-%dT%H:%M:%S.%f}000"
        head = f'{{"local_time":"{stamp}","block_time":"{stamp}","block_number":{self._block},"events":['
        return f"{head}{rows}]}}".encode()

    def trade(self, millis: int, kind: Kind) -> tuple[str, str]:
        """Taker's and maker's ``[user, fill]`` rows."""
        draw = self._random
        asset, around, price_digits, size_digits = draw.choices(_ASSETS, _WEIGHTS)[0]
        size = round(draw.expovariate(1 / 900) / around, size_digits) or 10.0**-size_digits
        taker, maker = draw.sample(self._users, 2)
        price, adl = round(around * draw.uniform(0.8, 1.2), price_digits), kind is Kind.ADL
        mark = price * draw.uniform(0.995, 1.005)
        if adl:
            taker, price, mark = _UNDERWATER, around, around * _ADL_MARK
        shared = f'"coin":"{asset}","px":"{_text(price, price_digits)}","sz":"{_text(size, size_digits)}",'
        transaction = "0x" + "0" * 64 if adl and draw.random() < _ZERO_HASHES else _hash(draw)
        trade_id, named = draw.getrandbits(50), _liquidation(kind, taker, mark, price_digits)
        fee = "0.0" if adl else _text(price * size * 0.00045, 6)
        rows = []
        for user, side, crossed in ((taker, "A", not adl), (maker, "B", adl)):
            self._order += 1
            rows.append(
                f'["{user}",{{{shared}"side":"{side}","time":{millis},'
                f'"startPosition":"{_start(kind, side, size, draw)}","dir":"{_dir(kind, side)}",'
                f'"closedPnl":"{_text(draw.uniform(-500, 500), 6)}","hash":"{transaction}",'
                f'"oid":{self._order},"crossed":{"true" if crossed else "false"},"fee":"{fee}",'
                f'"tid":{trade_id},{_cloid(kind, draw)}"feeToken":"USDC","twapId":null{named}}}]'
            )
        return rows[0], rows[1]


def fill_blocks(fills: int, *, liquidated_share: float = 0.0, start: datetime = ORDINARY_DAY) -> list[bytes]:
    """Blocks of ordinary days' size (about five trades, 12 blocks a second) until ``fills`` rows are reached.

    ``liquidated_share`` of the blocks hold one liquidation among their trades.
    """
    recorder, draw, blocks, left = Recorder(), random.Random(SEED), list[bytes](), fills // 2
    at = start
    while left > 0:
        trades = min(left, draw.randint(1, 7))
        first = Kind.MARKET if draw.random() < liquidated_share else Kind.ORDINARY
        blocks.append(recorder.block(at, [first, *[Kind.ORDINARY] * (trades - 1)]))
        left -= trades
        at += timedelta(milliseconds=80)
    return blocks


def adl_block(trades: int = BLOCK_TRADES) -> bytes:
    """The block of 21:16:04: every trade is an auto-deleveraging, all of one timestamp."""
    return Recorder().block(
        CASCADE_START + timedelta(seconds=BLOCK_SECOND, milliseconds=704), [Kind.ADL] * trades
    )


def liquidation_blocks(
    blocks: int, trades: int = 1_000, *, first: int = 0, seed: int = SEED
) -> Iterator[bytes]:
    """Blocks in which every trade is a liquidation into the book, one a second."""
    recorder = Recorder(seed)
    for number in range(first, first + blocks):
        yield recorder.block(ORDINARY_DAY + timedelta(seconds=number), [Kind.MARKET] * trades)


def cascade() -> list[tuple[int, bytes]]:
    """The cascade of 10 October 2025 as (second, line): a block for each burst the counts name."""
    recorder, lines = Recorder(), list[tuple[int, bytes]]()
    for each in cascade_seconds():
        market_trades = (each.rows - each.adl_trades) // 2
        kinds = [*[Kind.ADL] * each.adl_trades, *[Kind.MARKET] * market_trades]
        at = CASCADE_START + timedelta(seconds=each.second, milliseconds=704)
        lines.append((each.second, recorder.block(at, kinds or [Kind.ORDINARY])))
    return lines


def cascade_seconds() -> list[Second]:
    """The real counts where the series is at hand; else the great block and an even rest of the same sums."""
    series = shared_data().parent / "incidents" / "series" / "oct10_cascade_seconds.json"
    if series.exists():
        timeline = json.loads(series.read_text(encoding="utf-8"))["timeline"]
        return [Second(each["second"], each["liquidations"], each["adls"]) for each in timeline]
    others = [second for second in range(0, CASCADE_SECONDS, 4) if second != BLOCK_SECOND]
    rows, trades = (
        (CASCADE_ROWS - BLOCK_TRADES) // len(others),
        (CASCADE_ADL_TRADES - BLOCK_TRADES) // len(others),
    )
    rest = [Second(second, rows, trades) for second in others]
    return sorted([*rest, Second(BLOCK_SECOND, BLOCK_TRADES, BLOCK_TRADES)], key=lambda each: each.second)


def shared_data() -> Path:
    """Where recordings lie that do not belong to the repository."""
    return Path(os.environ.get("KAMIYO_SHARED_DATA", _REPOSITORY.parent / "shared" / "data"))


def _hash(draw: random.Random) -> str:
    return f"0x{draw.getrandbits(256):064x}"


def _text(value: float, digits: int) -> str:
    """As the venue writes numbers: no last zeros, but one after the point."""
    text = f"{value:.{max(1, digits)}f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def _liquidation(kind: Kind, lost: str, mark: float, digits: int) -> str:
    if kind is Kind.ORDINARY:
        return ""
    method = "backstop" if kind is Kind.ADL else "market"
    return (
        f',"liquidation":{{"liquidatedUser":"{lost}","markPx":"{_text(mark, digits)}","method":"{method}"}}'
    )


def _start(kind: Kind, side: str, size: float, draw: random.Random) -> str:
    held = size if kind is Kind.ADL and side == "B" else size * draw.uniform(1, 4)
    return _text(held if side == "A" else -held, 5)


def _dir(kind: Kind, side: str) -> str:
    if kind is Kind.ADL:
        return "Auto-Deleveraging"
    return "Close Long" if side == "A" else "Close Short" if kind is Kind.MARKET else "Open Long"


def _cloid(kind: Kind, draw: random.Random) -> str:
    if kind is Kind.ADL or draw.random() >= _NAMED_ORDERS:
        return ""
    return f'"cloid":"0x{draw.getrandbits(128):032x}",'


def assets() -> tuple[str, ...]:
    """Every asset that is traded here."""
    return tuple(asset for asset, *_rest in _ASSETS)
