"""Claims for tests, and what storage must come to of many of them, found by looking at all."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from kamiyo.core.claims import Claim, ClaimedAction, ClaimedPosition, ClaimedTotal, Claims
from kamiyo.core.ids import Address, SourceName
from kamiyo.core.margin import Direction
from kamiyo.core.money import Price, Size, Usd

Row = tuple[object, ...]
COINGLASS = SourceName("coinglass")
CLAIMED_AT = datetime(2025, 10, 10, 21, 16, 0, 250_000, tzinfo=UTC)
_UNKNOWN = Decimal("-Infinity")
_NEVER = datetime.min.replace(tzinfo=UTC)

_CLAIM = Claim(
    source=COINGLASS,
    exchange="binance",
    pair="ETHUSDT",
    asset="ETH",
    side=Direction.LONG,
    price=Price(Decimal("3000.5")),
    amount_usd=Usd(Decimal("205534.2932")),
    timestamp=CLAIMED_AT,
)
_TOTAL = ClaimedTotal(
    source=COINGLASS,
    exchange="binance",
    asset="ETH",
    start=datetime(2025, 10, 10, 20, tzinfo=UTC),
    window_seconds=3600,
    rolling=False,
    observed_at=CLAIMED_AT,
    long_usd=Usd(Decimal("5916885.14")),
    short_usd=Usd(Decimal(0)),
    total_usd=Usd(Decimal("5916885.14")),
)
_POSITION = ClaimedPosition(
    source=COINGLASS,
    user=Address("0x" + "5" * 40),
    asset="ETH",
    action=ClaimedAction.OBSERVED,
    timestamp=CLAIMED_AT,
    size=Size(Decimal("-44727.1273")),
    entry_price=Price(Decimal("2249.7")),
    value_usd=Usd(Decimal("73589542.5467")),
)


def a_claim(**changes: Any) -> Claim:
    """A long of ETH, lost on another exchange."""
    return msgspec.structs.replace(_CLAIM, **changes)


def a_claimed_total(**changes: Any) -> ClaimedTotal:
    """An hour of one asset on one exchange."""
    return msgspec.structs.replace(_TOTAL, **changes)


def a_claimed_position(**changes: Any) -> ClaimedPosition:
    """A large short, as it was observed."""
    return msgspec.structs.replace(_POSITION, **changes)


def newest_claims(words: Iterable[Claims]) -> dict[Row, Row]:
    """The rows that storage keeps of these words."""
    kept: dict[Row, tuple[Row, Row]] = {}
    for word in words:
        key, rank = _key(word), _rank(word)
        if key not in kept or rank > kept[key][0]:
            kept[key] = (rank, _row(word))
    return {key: row for key, (_rank, row) in kept.items()}


def changes(before: Mapping[Row, Row], after: Mapping[Row, Row]) -> int:
    """How many rows are others than before."""
    return sum(row != before.get(key) for key, row in after.items())


def _key(word: Claims) -> Row:
    match word:
        case Claim():
            return "claims", word.claim_id
        case ClaimedTotal():
            return "claimed_totals", word.total_id
        case ClaimedPosition():
            return "claimed_positions", word.position_id


def _rank(word: Claims) -> Row:
    if isinstance(word, Claim):
        return ()  # an equal id is an equal claim
    fields = msgspec.structs.asdict(word)
    moment = fields.pop("observed_at" if isinstance(word, ClaimedTotal) else "timestamp")
    order = _TOTAL_ORDER if isinstance(word, ClaimedTotal) else _POSITION_ORDER
    return (moment, *(_compared(name, fields[name]) for name in order))


_TOTAL_ORDER = ("start", "long_usd", "short_usd", "total_usd")
_POSITION_ORDER = (
    "size", "entry_price", "mark_price", "liquidation_price", "value_usd", "leverage", "margin_mode",
    "margin_usd", "unrealized_pnl_usd", "funding_usd", "opened_at",
)  # fmt: skip


def _compared(name: str, value: object) -> object:
    if value is not None:
        return value
    return {"margin_mode": "", "opened_at": _NEVER}.get(name, _UNKNOWN)


def _row(word: Claims) -> Row:
    return tuple(msgspec.structs.asdict(word).values())
