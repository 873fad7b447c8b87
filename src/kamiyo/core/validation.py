"""Rules a fact must satisfy before anyone may believe it: pure, named, listed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

import msgspec

from kamiyo.core.claim_rules import broken_claim_rule, moment_of
from kamiyo.core.claims import Claims
from kamiyo.core.events import AccountLiquidation, Fill, FillRow, LedgerMovement, LiquidatedFill
from kamiyo.core.margin import Direction
from kamiyo.core.money import is_plain_decimal
from kamiyo.core.ports import Event
from kamiyo.core.report_rules import broken_report_rule
from kamiyo.core.reports import Report
from kamiyo.core.state_rules import broken_state_rule
from kamiyo.core.states import AccountState, MarketState, VaultState
from kamiyo.core.time import to_millis

VENUE_OPENED = datetime(2023, 1, 1, tzinfo=UTC)
MAX_CLOCK_SKEW = timedelta(seconds=10)
# Ten times the venue's whole open interest at its highest: no single fill comes near.
MAX_FILL_USD = Decimal(100_000_000_000)

VENUE_OPENED_MILLIS = to_millis(VENUE_OPENED)
SKEW_MILLIS = MAX_CLOCK_SKEW // timedelta(milliseconds=1)
ADDRESS_LENGTH = 42
MAX_ASSET_LENGTH = 65
# Some of what is_plain_decimal() takes: above zero and, as the venue writes them, without zeros in front. A
# space after each; nothing is looked at twice but the zeros after a point.
POSITIVE_NUMBERS = re.compile(
    r"(?:(?:[1-9][0-9]{0,23}+(?:\.[0-9]{1,24}+)?+|0\.(?=0*+[1-9])[0-9]{1,24}+) )*+", re.ASCII
)
_SURELY_PLAUSIBLE_DIGITS = 11
_LONG = Direction.LONG

FillRule = Callable[[LiquidatedFill], bool]
RowRule = Callable[[str, Fill], bool]


def not_from_the_future(moment: datetime, now: datetime) -> bool:
    """No later than now, but for the clocks' disagreement."""
    return moment <= now + MAX_CLOCK_SKEW


def not_before_the_venue(moment: datetime) -> bool:
    """Not from before there was a venue to trade on."""
    return moment >= VENUE_OPENED


def positive_numbers(fill: LiquidatedFill) -> bool:
    """Price, size and mark price above zero."""
    return _is_positive(fill.price) and _is_positive(fill.size) and _is_positive(fill.mark_price)


def _is_positive(number: str) -> bool:
    return number != "0" and number[0] != "-"


def plausible_amount(fill: LiquidatedFill) -> bool:
    """Not more than the venue could ever have held."""
    price, size = fill.price, fill.size
    # So many digits before the point cannot make more: nearly always, and no Decimal need be made to tell.
    if len(price.partition(".")[0]) + len(size.partition(".")[0]) <= _SURELY_PLAUSIBLE_DIGITS:
        return True
    return abs(Decimal(price) * Decimal(size)) <= MAX_FILL_USD


def position_matches_side(fill: LiquidatedFill) -> bool:
    """Who lost a long held a positive position before, and the reverse."""
    before = fill.position_size_before
    return before is None or before == "0" or (before[0] != "-") is (fill.side is _LONG)


def storable_text(fill: LiquidatedFill) -> bool:
    """The venue's phrase is printable: a database cannot keep every string JSON can hold."""
    return fill.direction_text.isprintable()


LIQUIDATED_FILL_RULES: tuple[FillRule, ...] = (
    positive_numbers,
    plausible_amount,
    position_matches_side,
    storable_text,
)


def row_has_a_user(user: str, _fill: Fill) -> bool:
    """The row's account looks like an address."""
    return len(user) == ADDRESS_LENGTH and user.startswith("0x")


def row_has_an_asset(_user: str, fill: Fill) -> bool:
    """The row's asset has a name of a sane length."""
    return 0 < len(fill.asset) <= MAX_ASSET_LENGTH


def row_has_plain_numbers(_user: str, fill: Fill) -> bool:
    """Price and size are finite numbers in plain digits."""
    return is_plain_decimal(fill.price) and is_plain_decimal(fill.size)


def row_has_positive_numbers(_user: str, fill: Fill) -> bool:
    """Price and size are above zero. Read off the text: no minus sign, and a digit that is not zero."""
    price, size = fill.price, fill.size
    return price[0] != "-" and size[0] != "-" and price.strip("0.") != "" and size.strip("0.") != ""


ROW_RULES: tuple[RowRule, ...] = (
    row_has_a_user,
    row_has_an_asset,
    row_has_plain_numbers,
    row_has_positive_numbers,
)


def broken_rows(rows: Sequence[FillRow], now_millis: int) -> list[tuple[FillRow, str]]:
    """The ordinary fills that break a rule, each with the name of the first one it breaks."""
    if not rows or _all_sound(rows, now_millis + SKEW_MILLIS):
        return []
    return [(row, rule) for row in rows if (rule := broken_row_rule(row, now_millis)) is not None]


def broken_row_rule(row: FillRow, now_millis: int) -> str | None:
    """The name of the first rule an ordinary fill breaks, if any."""
    user, fill = row
    if fill.time < VENUE_OPENED_MILLIS:
        return not_before_the_venue.__name__
    if fill.time > now_millis + SKEW_MILLIS:
        return not_from_the_future.__name__
    return next((rule.__name__ for rule in ROW_RULES if not rule(user, fill)), None)


def _all_sound(rows: Sequence[FillRow], latest: int) -> bool:
    """Whether all rows keep all rules, told of a whole block at once: nearly always they do.

    The count of spaces tells that each text is one number, and not several in disguise.
    """
    numbers = [
        f"{fill.price} {fill.size} "
        for user, fill in rows
        if VENUE_OPENED_MILLIS <= fill.time <= latest
        and len(user) == ADDRESS_LENGTH
        and user[:2] == "0x"
        and 0 < len(fill.asset) <= MAX_ASSET_LENGTH
    ]
    together = "".join(numbers)
    return (
        len(numbers) == len(rows)
        and together.count(" ") == 2 * len(rows)
        and POSITIVE_NUMBERS.fullmatch(together) is not None
    )


def broken_events(events: Sequence[Event], now: datetime) -> list[tuple[Event, str]]:
    """The facts that break a rule, each with the name of the first one it breaks."""
    return [(event, rule) for event in events if (rule := broken_rule(event, now)) is not None]


def broken_rule(event: Event, now: datetime) -> str | None:
    """The name of the first rule a fact breaks, if any."""
    if type(event) is LiquidatedFill:  # nearly all; a pattern would look at its whole ancestry
        return _time_rule(event.timestamp, now) or _fill_rule(event)
    match event:
        case AccountLiquidation():
            return _time_rule(event.timestamp, now) or _account_rule(event)
        case LedgerMovement():
            return _time_rule(event.timestamp, now) or _movement_rule(event)
        case MarketState() | VaultState() | AccountState():
            return _time_rule(event.timestamp, now) or broken_state_rule(event)
        case _:
            return _word_rule(event, now)


@lru_cache(maxsize=1024)  # a block's facts share their moment
def _time_rule(moment: datetime, now: datetime) -> str | None:
    if not not_before_the_venue(moment):
        return not_before_the_venue.__name__
    return None if not_from_the_future(moment, now) else not_from_the_future.__name__


def _word_rule(event: Event, now: datetime) -> str | None:
    """The same for what others say."""
    if isinstance(event, Report):
        return broken_report_rule(event, now)
    return _claim_rule(event, now) if isinstance(event, Claims) else None


def _claim_rule(claim: Claims, now: datetime) -> str | None:
    # Of exchanges that were there before the venue was: only what is still to come is refused as such.
    broken = broken_claim_rule(claim)
    return broken or (None if not_from_the_future(moment_of(claim), now) else not_from_the_future.__name__)


def _fill_rule(fill: LiquidatedFill) -> str | None:
    for rule in LIQUIDATED_FILL_RULES:  # a loop, as next() of a generator costs more than the rules
        if not rule(fill):
            return rule.__name__
    return None


def _account_rule(event: AccountLiquidation) -> str | None:
    return None if event.amount_usd >= 0 else "negative_amount"


def _movement_rule(event: LedgerMovement) -> str | None:
    # Kept whole and undecoded so far: what stands in it may be no text, or no number anybody can hold.
    try:
        msgspec.json.decode(event.delta)
    except (ValueError, RecursionError):
        return "unreadable_delta"
    return None
