"""What the service's answers and frames say, row by row: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final, TypeAlias

import msgspec

from kamiyo.aggregators._coinglass.plans import INTERVALS, Endpoint
from kamiyo.aggregators._coinglass.values import (
    Row,
    moment_of,
    needed_moment,
    needed_text,
    number_of,
    read_row,
    text_of,
)
from kamiyo.core.claims import Claim, ClaimedAction, ClaimedPosition, ClaimedTotal, Claims
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import MarginMode
from kamiyo.core.ids import parse_address
from kamiyo.core.margin import Direction
from kamiyo.core.money import Price, Size, Usd
from kamiyo.core.ports import Counted, Normalized, Raw, Reject, reject

SOCKET: Final = "liquidationOrders"
_EVERYWHERE: Final = "all"
_WINDOWS: Final = ("24h", "12h", "4h", "1h")
_SIDES: Final = ("long_", "short_", "")
# Of the order that closed the position: who had to sell had been long.
_LOST: Final = {"1": Direction.SHORT, "2": Direction.LONG}
_ACTIONS: Final = {"1": ClaimedAction.OPENED, "2": ClaimedAction.CLOSED}


class Asked(msgspec.Struct, frozen=True):
    """The question that an answer belongs to."""

    endpoint: Endpoint
    parameters: Mapping[str, str]


class _Answer(msgspec.Struct, frozen=True):
    data: tuple[msgspec.Raw, ...] | None = None


class _Exchange(msgspec.Struct, frozen=True):
    asked: Asked
    answered: _Answer


class _Frame(msgspec.Struct, frozen=True):
    channel: str
    data: tuple[msgspec.Raw, ...] = ()


_exchange = msgspec.json.Decoder(_Exchange)
_frame = msgspec.json.Decoder(_Frame)
_encode = msgspec.json.Encoder().encode

_Read: TypeAlias = Callable[[Row], Iterable[Claims]]


def exchange(asked: Asked, body: bytes) -> bytes:
    """A question and its answer as one payload, the answer as it came."""
    return b'{"asked":' + _encode(asked) + b',"answered":' + body + b"}"


def moments_of(rows: Iterable[bytes], name: str) -> list[datetime]:
    """The times that can be read of these rows, in order."""
    found = list[datetime]()
    for row in rows:
        with suppress(MalformedPayload):  # the row is refused where it is read
            found.append(needed_moment(read_row(row), name))
    return sorted(found)


def normalize(raw: Raw, least_usd: Decimal) -> Normalized:
    """What a payload says; MalformedPayload if nothing of it can be understood."""
    try:
        if raw.stream == SOCKET:
            frame = _frame.decode(raw.payload)
            return _normalized(raw, frame.data, partial(_socket_order, raw), least_usd)
        found = _exchange.decode(raw.payload)
    except msgspec.DecodeError as error:
        raise MalformedPayload(str(error)) from error
    read = partial(_READERS[found.asked.endpoint], raw, found.asked.parameters)
    try:
        return _normalized(raw, found.answered.data or (), read, least_usd)
    except (KeyError, ValueError) as error:
        raise MalformedPayload(f"the question is not one of ours: {error!r}"[:200]) from error


def _normalized(raw: Raw, rows: Sequence[msgspec.Raw], read: _Read, least_usd: Decimal) -> Normalized:
    events, rejects = list[Claims](), list[Reject]()
    for row in rows:
        try:
            events += read(read_row(bytes(row)))
        except MalformedPayload as error:
            rejects.append(reject(raw, rule=error.rule, detail=str(error), payload=bytes(row)))
    kept = [each for each in _numbered(events) if not _is_small(each, least_usd)]
    counts = {
        Counted.PAYLOADS: 1,
        Counted.CLAIMS: sum(isinstance(each, Claim) for each in kept),
        Counted.CLAIMED_TOTALS: sum(isinstance(each, ClaimedTotal) for each in kept),
        Counted.CLAIMED_POSITIONS: sum(isinstance(each, ClaimedPosition) for each in kept),
        Counted.SMALL_CLAIMS: len(events) - len(kept),
        Counted.REJECTS: len(rejects),
    }
    told_of = [each.timestamp for each in kept if not isinstance(each, ClaimedTotal)]
    return Normalized(
        events=kept,
        rejects=rejects,
        counts={name: number for name, number in counts.items() if number},
        last_event_at=max(told_of, default=None),
    )


def _numbered(claims: Iterable[Claims]) -> list[Claims]:
    """Orders that agree in everything are told apart by how many came before."""
    seen: Counter[Claim] = Counter()
    numbered = list[Claims]()
    for each in claims:
        if isinstance(each, Claim):
            number = seen[each]
            seen[each] += 1
            numbered.append(msgspec.structs.replace(each, ordinal=number) if number else each)
        else:
            numbered.append(each)
    return numbered


def _is_small(claim: Claims, least_usd: Decimal) -> bool:
    return isinstance(claim, Claim) and claim.amount_usd is not None and claim.amount_usd < least_usd


def _socket_order(raw: Raw, row: Row) -> list[Claims]:
    return [_claim(raw, row, exchange="exName", asset="baseAsset", amount="volUsd")]


def _order(raw: Raw, _asked: Mapping[str, str], row: Row) -> list[Claims]:
    return [_claim(raw, row, exchange="exchange_name", asset="base_asset", amount="usd_value")]


def _claim(raw: Raw, row: Row, *, exchange: str, asset: str, amount: str) -> Claim:
    return Claim(
        source=raw.source,
        exchange=needed_text(row, exchange).casefold(),
        pair=needed_text(row, "symbol"),
        asset=needed_text(row, asset),
        side=_lost_side(row),
        price=_price(row, "price"),
        amount_usd=_usd(row, amount),
        timestamp=needed_moment(row, "time"),
    )


def _lost_side(row: Row) -> Direction | None:
    told = text_of(row, "side")
    if told is None:
        return None
    if told not in _LOST:
        raise MalformedPayload(f"side is neither 1 nor 2: {told[:64]!r}", rule="unknown_order_side")
    return _LOST[told]


class _Window(msgspec.Struct, frozen=True):
    """Of what a total is."""

    exchange: str | None
    asset: str | None
    start: datetime
    length: timedelta
    rolling: bool


def _exchange_total(raw: Raw, asked: Mapping[str, str], row: Row) -> list[Claims]:
    name = needed_text(row, "exchange").casefold()
    length = _hours(asked["range"])
    window = _Window(
        None if name == _EVERYWHERE else name,
        asked.get("symbol") or None,
        raw.received_at - length,
        length,
        rolling=True,
    )
    return _total(raw, window, [number_of(row, f"{side}liquidation_usd") for side in _SIDES])


def _asset_totals(raw: Raw, asked: Mapping[str, str], row: Row) -> list[Claims]:
    asset, exchange = needed_text(row, "symbol"), asked["exchange"].casefold()
    found = list[Claims]()
    for name in _WINDOWS:
        length = _hours(name)
        window = _Window(exchange, asset, raw.received_at - length, length, rolling=True)
        amounts = [number_of(row, f"{side}liquidation_usd_{name}") for side in _SIDES]
        found += _total(raw, window, amounts)
    return found


def _history(raw: Raw, asked: Mapping[str, str], row: Row) -> list[Claims]:
    exchange, asset = asked["exchange_list"].casefold(), asked["symbol"]
    length = INTERVALS[asked["interval"]]
    window = _Window(exchange, asset, needed_moment(row, "time"), length, rolling=False)
    lost = [number_of(row, f"aggregated_{side}liquidation_usd") for side in _SIDES[:2]]
    known = [amount for amount in lost if amount is not None]
    return _total(raw, window, [*lost, sum(known, Decimal(0)) if len(known) == len(lost) else None])


def _total(raw: Raw, window: _Window, amounts: Sequence[Decimal | None]) -> list[Claims]:
    if all(amount is None for amount in amounts):
        return []
    lost_long, lost_short, total = (None if amount is None else Usd(amount) for amount in amounts)
    return [
        ClaimedTotal(
            source=raw.source,
            exchange=window.exchange,
            asset=window.asset,
            start=window.start,
            window_seconds=int(window.length.total_seconds()),
            rolling=window.rolling,
            observed_at=raw.received_at,
            long_usd=lost_long,
            short_usd=lost_short,
            total_usd=total,
        )
    ]


def _hours(text: str) -> timedelta:
    return timedelta(hours=int(text.removesuffix("h")))


def _alert(raw: Raw, _asked: Mapping[str, str], row: Row) -> list[Claims]:
    told = needed_text(row, "position_action")
    if told not in _ACTIONS:
        raise MalformedPayload(f"action is neither 1 nor 2: {told[:64]!r}", rule="unknown_position_action")
    return [_position(raw, row, _ACTIONS[told], needed_moment(row, "create_time"), None)]


def _observed(raw: Raw, _asked: Mapping[str, str], row: Row) -> list[Claims]:
    opened_at = moment_of(row, "create_time")
    return [_position(raw, row, ClaimedAction.OBSERVED, needed_moment(row, "update_time"), opened_at)]


def _position(
    raw: Raw, row: Row, action: ClaimedAction, at: datetime, opened_at: datetime | None
) -> ClaimedPosition:
    mode = text_of(row, "margin_mode")
    liquidation_price = number_of(row, "liq_price")
    return ClaimedPosition(
        source=raw.source,
        user=parse_address(needed_text(row, "user")),
        asset=needed_text(row, "symbol"),
        action=action,
        timestamp=at,
        size=_size(row, "position_size"),
        entry_price=_price(row, "entry_price"),
        mark_price=_price(row, "mark_price"),
        # Told as 0 or less where no price would liquidate the position.
        liquidation_price=Price(liquidation_price) if liquidation_price and liquidation_price > 0 else None,
        value_usd=_usd(row, "position_value_usd"),
        leverage=number_of(row, "leverage"),
        margin_mode=MarginMode(mode) if mode in set(MarginMode) else None,
        margin_usd=_usd(row, "margin_balance"),
        unrealized_pnl_usd=_usd(row, "unrealized_pnl"),
        funding_usd=_usd(row, "funding_fee"),
        opened_at=opened_at,
    )


def _price(row: Row, name: str) -> Price | None:
    number = number_of(row, name)
    return None if number is None else Price(number)


def _size(row: Row, name: str) -> Size | None:
    number = number_of(row, name)
    return None if number is None else Size(number)


def _usd(row: Row, name: str) -> Usd | None:
    number = number_of(row, name)
    return None if number is None else Usd(number)


_READERS: Final[Mapping[Endpoint, Callable[[Raw, Mapping[str, str], Row], list[Claims]]]] = {
    Endpoint.ORDERS: _order,
    Endpoint.COIN_LIST: _asset_totals,
    Endpoint.EXCHANGE_LIST: _exchange_total,
    Endpoint.HISTORY: _history,
    Endpoint.WHALE_ALERT: _alert,
    Endpoint.WHALE_POSITION: _observed,
}
