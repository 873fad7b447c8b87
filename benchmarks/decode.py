"""Fills to typed values: against json with dataclasses of Decimal, and bare msgspec with text fields."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from benchmarks.data import fill_blocks
from benchmarks.measure import Report, claim, medians, take_turns
from kamiyo.hyperliquid.wire import decode_fill_block

_FILLS = 40_000


@dataclass(frozen=True, slots=True)
class _NaiveFill:
    coin: str
    px: Decimal
    sz: Decimal
    side: str
    time: int
    dir: str
    hash: str
    crossed: bool
    tid: int
    start_position: Decimal
    closed_pnl: Decimal
    fee: Decimal


class _TextFill(msgspec.Struct):
    coin: str
    px: str
    sz: str
    side: str
    time: int
    startPosition: str  # noqa: N815  (the venue's name)
    dir: str
    closedPnl: str  # noqa: N815  (the venue's name)
    hash: str
    crossed: bool
    fee: str
    tid: int


class _TextBlock(msgspec.Struct):
    block_time: str
    block_number: int
    events: list[tuple[str, _TextFill]]


_decode_text_block = msgspec.json.Decoder(_TextBlock).decode


def run() -> Report:
    """Every line of the same file by each."""
    lines = fill_blocks(_FILLS, liquidated_share=0.01)
    rates = take_turns(
        {
            "KAMIYO": lambda: sum(len(decode_fill_block(line).events) for line in lines),
            "msgspec with text fields": lambda: sum(len(_decode_text_block(line).events) for line in lines),
            "json and dataclass of Decimal": lambda: sum(len(_naive(line)) for line in lines),
        }
    )
    return Report(
        [
            claim(
                "decode, by json and dataclass of Decimal",
                rates,
                "KAMIYO",
                "json and dataclass of Decimal",
                5,
            ),
            claim("decode, by msgspec with text fields", rates, "KAMIYO", "msgspec with text fields", 0.9),
        ],
        medians(rates) | {"unit": "fills", "bytes a fill": sum(map(len, lines)) // _FILLS},
    )


def _naive(line: bytes) -> list[tuple[str, _NaiveFill]]:
    return [
        (
            user,
            _NaiveFill(
                coin=fill["coin"],
                px=Decimal(fill["px"]),
                sz=Decimal(fill["sz"]),
                side=fill["side"],
                time=fill["time"],
                dir=fill["dir"],
                hash=fill["hash"],
                crossed=fill["crossed"],
                tid=fill["tid"],
                start_position=Decimal(fill["startPosition"]),
                closed_pnl=Decimal(fill["closedPnl"]),
                fee=Decimal(fill["fee"]),
            ),
        )
        for user, fill in json.loads(line)["events"]
    ]
