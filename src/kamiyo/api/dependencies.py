"""What requests bring: parameters, read once at the edge into values of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, cast
from urllib.parse import parse_qsl

from fastapi import Depends, Request, params
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, WithJsonSchema

from kamiyo.api.pages import Order
from kamiyo.api.problems import FieldError, Refused
from kamiyo.api.state import ApiState
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.exploits import CaseKind, Confidence, ExploitStatus
from kamiyo.core.ids import parse_address, parse_asset
from kamiyo.core.margin import Direction
from kamiyo.core.money import parse_decimal
from kamiyo.core.reports import ReportKind
from kamiyo.core.time import from_millis
from kamiyo.storage.read_states import MarketSort

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_MILLIS = re.compile(r"[0-9]{1,15}", re.ASCII)
_MAX_MILLIS = 253_402_300_799_999  # the last millisecond of year 9999
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_MAX_FIELDS = 50


def _parse_moment(text: object) -> datetime:
    found = str(text)
    if _MILLIS.fullmatch(found) and int(found) <= _MAX_MILLIS:
        return from_millis(int(found))
    if _RFC3339.fullmatch(found) is None:
        raise ValueError("neither RFC 3339 (2025-10-10T21:16:04.831Z) nor milliseconds since 1970")
    moment = datetime.fromisoformat(found.upper().replace(" ", "T"))
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # within a day of year 1 or 9999: before or after everything
        return _FIRST if moment.year == 1 else _LAST


def _parse_asset(text: object) -> str:
    try:
        return parse_asset(str(text))
    except MalformedPayload as error:
        raise ValueError(str(error)) from error


def _parse_user(text: object) -> str:
    try:
        return parse_address(str(text))
    except MalformedPayload as error:
        raise ValueError(str(error)) from error


def _parse_usd(text: object) -> Decimal:
    try:
        number = parse_decimal(str(text))
    except MalformedPayload as error:
        raise ValueError(str(error)) from error
    if number < 0:
        raise ValueError("an amount is not negative")
    return number


def _text(pattern: str, description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "description": description})


Moment = Annotated[
    datetime,
    BeforeValidator(_parse_moment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "integer", "minimum": 0, "maximum": _MAX_MILLIS},
            ],
            "description": "RFC 3339, or milliseconds since 1970",
        }
    ),
]
AssetName = Annotated[
    str,
    BeforeValidator(_parse_asset),
    _text(
        r"^[@#]?[A-Za-z0-9][A-Za-z0-9_.+$-]{0,31}([:/][A-Za-z0-9][A-Za-z0-9_.+$-]{0,31})?$",
        "The venue's name of the market, case kept: BTC, kPEPE, xyz:TSLA",
    ),
]
UserAddress = Annotated[
    str, BeforeValidator(_parse_user), _text("^0x[0-9a-fA-F]{40}$", "The account that lost the position")
]
MinUsd = Annotated[
    Decimal, BeforeValidator(_parse_usd), _text(r"^[0-9]{1,24}(\.[0-9]{1,24})?$", "At least this many USD")
]
AccountAddress = Annotated[
    str, BeforeValidator(_parse_user), _text("^0x[0-9a-fA-F]{40}$", "An account or a vault")
]
Distance = Annotated[
    Decimal,
    BeforeValidator(_parse_usd),
    _text(r"^[0-9]{1,24}(\.[0-9]{1,24})?$", "At most this fraction of the mark: 0.05 is five hundredths"),
]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Origin = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f]{1,300}$")]
CaseName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:_.-]{1,128}$")]
CursorText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,400}$")]


class WindowQuery(BaseModel):
    """A window of time; ``start`` is part of it, ``end`` is not."""

    start: Moment | None = None
    end: Moment | None = None


class ListQuery(WindowQuery):
    """What every list understands."""

    order: Order = Field(Order.DESCENDING, description="By time, then by id")
    limit: int = Field(100, ge=1, le=1000)
    cursor: CursorText | None = Field(None, description="meta.next_cursor of the page before, same filters")


class LiquidationQuery(ListQuery):
    """Which liquidations."""

    asset: AssetName | None = None
    protocol: Word | None = Field(None, description="The perp dex: hyperliquid, or a builder's name")
    chain: Word | None = None
    side: Direction | None = Field(None, description="The side of the lost position")
    user: UserAddress | None = None
    method: LiquidationMethod | None = None
    min_usd: MinUsd | None = None
    source: Word | None = Field(None, description="A source that saw it")


class HonestCaseQuery(ListQuery):
    """Which honest cases."""

    category: Word | None = None
    chain: Word | None = None
    protocol: Word | None = None
    asset: AssetName | None = None
    confidence: Confidence | None = None


class ExploitQuery(HonestCaseQuery):
    """Which exploits."""

    status: ExploitStatus | None = None
    kind: CaseKind | None = None
    min_usd: MinUsd | None = Field(
        None, description="Known amounts only: an unknown one is not at least anything"
    )


class ReportQuery(ListQuery):
    """Which reports, by the time they were published."""

    source: Word | None = None
    origin: Origin | None = Field(None, description="Who speaks: x:somebody, rekt.news")
    case: CaseName | None = Field(None, description="The exploit they belong to, by any id of it")
    kind: ReportKind | None = None


class NumberedQuery(BaseModel):
    """What every list in the order of numbers given out understands."""

    order: Order = Field(Order.DESCENDING, description="By the number of the row")
    limit: int = Field(100, ge=1, le=1000)
    cursor: CursorText | None = Field(None, description="meta.next_cursor of the page before, same filters")


class ReviewQuery(NumberedQuery):
    """Which reviews."""

    answered: bool | None = Field(
        default=False, description="Those that wait for an answer, unless asked otherwise"
    )


class RankedQuery(BaseModel):
    """What every list in the order of a number understands."""

    chain: Word | None = None
    limit: int = Field(100, ge=1, le=1000)
    cursor: CursorText | None = Field(None, description="meta.next_cursor of the page before, same filters")


class MarketQuery(RankedQuery):
    """Which markets."""

    protocol: Word | None = Field(None, description="The perp dex: hyperliquid, or a builder's name")
    asset: AssetName | None = None
    sort: MarketSort = Field(
        MarketSort.OPEN_INTEREST, description="By USD held open, by USD traded in a day, or by name"
    )
    order: Order | None = Field(
        None, description="desc unless the sort is by asset; what is unknown comes last either way"
    )


class VaultQuery(RankedQuery):
    """Which vaults."""

    parent: AccountAddress | None = Field(None, description="The vault whose children they are")
    order: Order = Field(Order.DESCENDING, description="By account value; what is unknown comes last")


class PositionQuery(RankedQuery):
    """Which positions; the nearest to its liquidation comes first."""

    protocol: Word | None = Field(None, description="The perp dex: hyperliquid, or a builder's name")
    asset: AssetName | None = None
    user: AccountAddress | None = None
    side: Direction | None = None
    max_distance: Distance | None = None


class MinuteQuery(ListQuery):
    """Which minutes of a market or a vault."""

    chain: Word | None = Field(None, description="The one heard last, unless named")


class StatsQuery(WindowQuery):
    """A window beside the fixed ones, at most 31 days long; ``end`` is now unless given."""


def state_of(request: Request) -> ApiState:
    """The resources this application was built with."""
    return cast("ApiState", request.app.state.api)


State = Annotated[ApiState, Depends(state_of)]


def only(query: type[BaseModel] | None = None) -> params.Depends:
    """Refuse what a route does not know, and what is given twice: a misspelt filter must not be ignored."""
    known = frozenset(query.model_fields) if query else frozenset[str]()

    async def check(request: Request) -> None:
        refuse(_surplus(request.scope["query_string"], known))

    return params.Depends(check)


def refuse(errors: Iterable[FieldError]) -> None:
    """Answer with what is wrong, if anything is."""
    found = tuple(errors)
    if found:
        detail = "; ".join(f"{each.field}: {each.code.replace('_', ' ')}" for each in found)
        raise Refused(422, "invalid_parameters", detail, errors=found)


def _surplus(query: bytes, known: frozenset[str]) -> Iterable[FieldError]:
    try:
        names = [
            name
            for name, _ in parse_qsl(
                query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_FIELDS
            )
        ]
    except ValueError:
        return [FieldError("", "too_many_parameters")]
    unknown = [
        FieldError(name[:64], "unknown_parameter") for name in dict.fromkeys(names) if name not in known
    ]
    repeated = [FieldError(name, "repeated_parameter") for name in sorted(known) if names.count(name) > 1]
    return unknown + repeated
