"""A day of ``asset_ctxs``: one row a market and minute, read by the names in its first line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from kamiyo.aggregators._hyperliquid_archive.blocks import Decode, lines_of
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Chain
from kamiyo.core.ports import Counted, Normalized, Raw, Reject
from kamiyo.core.states import MarketState
from kamiyo.hyperliquid.contexts import WireContext
from kamiyo.hyperliquid.fills import parse_node_time
from kamiyo.hyperliquid.market import market_state
from kamiyo.hyperliquid.reading import plain_text
from kamiyo.hyperliquid.rows import refusal

TIME: Final = "time"
ASSET: Final = "coin"
_NEEDED: Final = (TIME, ASSET, "markpx", "oraclepx")
_NOTHING: Final = frozenset({"", "nan", "null", "none"})


class Columns:
    """Where the columns we read stand; MalformedPayload naming those that lack, or stand there twice.

    Whether a name is written ``mark_px`` or ``markPx`` is the same to us: nobody documents it.
    """

    def __init__(self, header: bytes) -> None:
        names = [_plain_name(name) for name in _cells(header)]
        missing = [name for name in _NEEDED if names.count(name) != 1]
        if missing:
            lacking, present = ", ".join(missing), ", ".join(names)
            raise MalformedPayload(
                f"its first line lacks the columns {lacking}, or has them twice; it has {present[:200]}",
                rule="columns_missing",
            )
        self._width = len(names)
        self._places = {name: place for place, name in enumerate(names)}

    def row(self, line: bytes) -> Mapping[str, str]:
        """The cells by their columns' names; MalformedPayload for a row that does not fit."""
        cells = _cells(line)
        if len(cells) != self._width:
            raise MalformedPayload(f"{len(cells)} cells in {self._width} columns", rule="cells_do_not_fit")
        return {name: cells[place] for name, place in self._places.items()}


def market_rows(raw: Raw, chain: Chain, _decode: Decode) -> Normalized:
    """What a chunk of rows says, the header before them; a row that cannot be read is refused alone."""
    header, _newline, rest = raw.payload.partition(b"\n")
    columns = Columns(header)
    states: list[MarketState] = []
    rejects: list[Reject] = []
    for line in lines_of(rest):
        try:
            states += _states(columns.row(line), raw, chain)
        except MalformedPayload as error:
            rejects.append(refusal(raw, error.rule, error, line))
    return Normalized(
        events=states,
        rejects=rejects,
        counts={
            Counted.PAYLOADS: 1,
            Counted.MARKET_STATES: len(states),
            Counted.REJECTS: len(rejects),
        },
        last_event_at=max((state.timestamp for state in states), default=None),
    )


def _states(row: Mapping[str, str], raw: Raw, chain: Chain) -> Iterator[MarketState]:
    def number(name: str) -> str | None:
        return _number(row[name]) if name in row else None

    context = WireContext(
        mark_price=number("markpx"),
        oracle_price=number("oraclepx"),
        mid_price=number("midpx"),
        open_interest=number("openinterest"),
        funding_rate=number("funding"),
        premium=number("premium"),
        day_volume_usd=number("dayntlvlm"),
    )
    state = market_state(row[ASSET], context, at=_time(row[TIME]), source=raw.source, chain=chain)
    if state is not None:
        yield state


def _plain_name(name: str) -> str:
    return name.strip().lower().replace("_", "")


def _cells(line: bytes) -> Sequence[str]:
    try:
        rows = list(csv.reader([line.removesuffix(b"\r").decode()]))
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedPayload(f"not a row of cells: {error!s:.100}") from error
    return rows[0] if rows else ()


def _time(text: str) -> datetime:
    return parse_node_time(text.strip().removesuffix("+00:00").replace(" ", "T"))


def _number(text: str) -> str | None:
    """Plain digits, also of what was written with an exponent; None for an empty cell."""
    text = text.strip()
    if text.lower() in _NOTHING:
        return None
    if "e" not in text and "E" not in text:
        return text
    try:
        return plain_text(Decimal(text))
    except InvalidOperation as error:
        raise MalformedPayload(f"not a number: {text:.64}", rule="not_a_number") from error
