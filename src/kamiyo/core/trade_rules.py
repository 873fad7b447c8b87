"""What a public trade must satisfy before anyone may believe it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kamiyo.core.money import is_plain_decimal
from kamiyo.core.trades import Trade
from kamiyo.core.validation import (
    ADDRESS_LENGTH,
    MAX_ASSET_LENGTH,
    POSITIVE_NUMBERS,
    SKEW_MILLIS,
    VENUE_OPENED_MILLIS,
    not_before_the_venue,
    not_from_the_future,
)

TradeRule = Callable[[Trade], bool]


def trade_has_two_users(trade: Trade) -> bool:
    """Buyer and seller look like addresses."""
    return all(len(user) == ADDRESS_LENGTH and user.startswith("0x") for user in trade.users)


def trade_has_an_asset(trade: Trade) -> bool:
    """The asset has a name of a sane length."""
    return 0 < len(trade.asset) <= MAX_ASSET_LENGTH


def trade_has_plain_numbers(trade: Trade) -> bool:
    """Price and size are finite numbers in plain digits."""
    return is_plain_decimal(trade.price) and is_plain_decimal(trade.size)


def trade_has_positive_numbers(trade: Trade) -> bool:
    """Price and size are above zero."""
    return all(text[0] != "-" and text.strip("0.") != "" for text in (trade.price, trade.size))


TRADE_RULES: tuple[TradeRule, ...] = (
    trade_has_two_users,
    trade_has_an_asset,
    trade_has_plain_numbers,
    trade_has_positive_numbers,
)


def broken_trades(trades: Sequence[Trade], now_millis: int) -> list[tuple[Trade, str]]:
    """The trades that break a rule, each with the name of the first one it breaks."""
    if not trades or _all_sound(trades, now_millis + SKEW_MILLIS):
        return []
    return [(trade, rule) for trade in trades if (rule := broken_trade_rule(trade, now_millis)) is not None]


def broken_trade_rule(trade: Trade, now_millis: int) -> str | None:
    """The name of the first rule a trade breaks, if any."""
    if trade.time < VENUE_OPENED_MILLIS:
        return not_before_the_venue.__name__
    if trade.time > now_millis + SKEW_MILLIS:
        return not_from_the_future.__name__
    return next((rule.__name__ for rule in TRADE_RULES if not rule(trade)), None)


def _all_sound(trades: Sequence[Trade], latest: int) -> bool:
    """Whether all keep all rules, told of many at once as of a block of fills: nearly always they do."""
    numbers = "".join([f"{trade.price} {trade.size} " for trade in trades])
    if POSITIVE_NUMBERS.fullmatch(numbers) is None or numbers.count(" ") != 2 * len(trades):
        return False
    times = [trade.time for trade in trades]
    assets = {trade.asset for trade in trades}
    users = [user for trade in trades for user in trade.users]
    return (
        min(times) >= VENUE_OPENED_MILLIS
        and max(times) <= latest
        and all(0 < len(asset) <= MAX_ASSET_LENGTH for asset in assets)
        and set(map(len, users)) == {ADDRESS_LENGTH}
        and _all_begin_with_0x("".join(users))
    )


def _all_begin_with_0x(users: str) -> bool:
    """Whether addresses of the right length, one after the other, all do: every 42nd letter is looked at."""
    return not users[::ADDRESS_LENGTH].strip("0") and not users[1::ADDRESS_LENGTH].strip("x")
