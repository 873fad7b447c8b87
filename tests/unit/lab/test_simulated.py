"""The made-up cascade: consistent with itself, with the venue's rules and with its seed."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

import pytest

from kamiyo.core.events import LiquidationMethod, Side
from kamiyo.core.ids import Chain, SourceName, parse_address, parse_asset
from kamiyo.hyperliquid.fills import FillClass, classify, liquidated_fill
from kamiyo.hyperliquid.wire import WireFill, decode_fill_block
from kamiyo.kit.recordings import read_lines
from kamiyo.lab.recording import find_recording
from kamiyo.lab.simulated import LIQUIDATOR, WATCHED, Cascade, cascade_lines, complete, packed_cascade
from kamiyo.lab.simulated_rows import ZERO_HASH

STARTS_AT = datetime(2024, 1, 1, 12, tzinfo=UTC)
SEED = 20240101
_VICTIMS = {FillClass.MARKET_VICTIM, FillClass.BACKSTOP_VICTIM, FillClass.ADL_DELEVERAGED}


@cache
def blocks() -> list[list[tuple[str, WireFill]]]:
    """Every block as we read a node's, from its bytes."""
    return [list(decode_fill_block(line).events) for line in cascade_lines(SEED, STARTS_AT)]


def rows() -> Iterator[tuple[str, WireFill]]:
    for block in blocks():
        yield from block


def trades() -> Iterator[tuple[tuple[str, WireFill], tuple[str, WireFill]]]:
    both = iter(list(rows()))
    return zip(both, both, strict=True)


@pytest.mark.slow
def test_one_seed_makes_one_story() -> None:
    """The packed lines are the same each time, and others from another seed."""
    first = packed_cascade(SEED, STARTS_AT)
    packed_cascade.cache_clear()
    assert packed_cascade(SEED, STARTS_AT) == first != packed_cascade(SEED + 1, STARTS_AT)
    assert len(first) < 2_000_000
    assert sum(1 for _line in cascade_lines(SEED, STARTS_AT)) == 6_000


def test_a_story_can_be_another_and_slower() -> None:
    """So many blocks as it has, so far apart: for whoever needs an hour."""
    short = list(Cascade(SEED, STARTS_AT, every=timedelta(seconds=2), story=((0, 0), (30, 10_000))).blocks())
    assert len(short) == 30
    assert [block.block_time for block in short[:2]] == [
        "2024-01-01T12:00:00.000000000", "2024-01-01T12:00:02.000000000",
    ]  # fmt: skip


def test_the_pace_is_a_busy_venues() -> None:
    """About sixty fills a second over ten minutes, several hundred in the worst one."""
    seconds = Counter(fill.time // 1000 for _user, fill in rows())
    assert 50 <= sum(seconds.values()) / 600 <= 70
    assert 150 <= max(seconds.values()) <= 1_000
    assert min(fill.time for _user, fill in rows()) >= 1_704_110_400_000


def test_every_trade_has_both_rows() -> None:
    """Taker first, then maker: the same trade on opposite sides between two accounts."""
    for (taker, crossed), (maker, rested) in trades():
        assert (crossed.crossed, rested.crossed) == (True, False)
        assert taker != maker
        assert {crossed.side, rested.side} == {Side.BUY, Side.SELL}
        for field in ("asset", "price", "size", "time", "hash", "tid", "liquidation"):
            assert getattr(crossed, field) == getattr(rested, field)


def test_no_trade_is_there_twice() -> None:
    """Asset, number and time tell every trade from every other."""
    identities = Counter((fill.asset, fill.tid, fill.time) for _user, fill in rows())
    assert set(identities.values()) == {2}


def test_positions_follow_from_the_fills() -> None:
    """Each row begins where the account's last one in that market ended."""
    held: dict[tuple[str, str], Decimal] = {}
    for user, fill in rows():
        start, size = Decimal(fill.start_position), Decimal(fill.size)
        assert held.setdefault((user, fill.asset), start) == start
        held[user, fill.asset] = start + (size if fill.side is Side.BUY else -size)
        if not fill.asset.startswith("@") and fill.liquidation is None:
            assert word_of(start, held[user, fill.asset]) == fill.direction_text


def word_of(before: Decimal, after: Decimal) -> str:
    sides = {True: "Long", False: "Short"}
    if before * after < 0:
        return f"{sides[before > 0]} > {sides[after > 0]}"
    if abs(after) > abs(before):
        return f"Open {sides[after > 0]}"
    return f"Close {sides[before > 0]}"


def liquidated() -> dict[LiquidationMethod, list[tuple[str, WireFill]]]:
    found: dict[LiquidationMethod, list[tuple[str, WireFill]]] = defaultdict(list)
    for user, fill in rows():
        kind = classify(user, fill)
        if kind in _VICTIMS:
            source, chain = SourceName("test"), Chain("hyperliquid")
            found[liquidated_fill(user, fill, kind, source=source, chain=chain).method].append((user, fill))
    return found


def test_all_three_methods_happen_and_are_read_as_such() -> None:
    """By the product's own rules, each on both rows, in several markets and on both sides."""
    found = liquidated()
    assert {method: len(found[method]) > 20 for method in LiquidationMethod} == dict.fromkeys(
        LiquidationMethod, True
    )
    classes = Counter(classify(user, fill) for user, fill in rows())
    assert classes[FillClass.MARKET_VICTIM] == classes[FillClass.MARKET_MAKER]
    assert classes[FillClass.BACKSTOP_VICTIM] == classes[FillClass.BACKSTOP_LIQUIDATOR]
    assert classes[FillClass.ADL_DELEVERAGED] == classes[FillClass.ADL_UNDERWATER]
    market = found[LiquidationMethod.MARKET]
    assert {fill.asset for _user, fill in market} >= {"BTC", "XPL", "xyz:TSLA"}
    assert {fill.direction_text for _user, fill in market} == {"Close Long", "Close Short"}


def test_one_hash_can_have_several_victims() -> None:
    """As on the venue: a hash is not a victim."""
    victims: dict[str, set[str]] = defaultdict(set)
    for _user, fill in rows():
        if fill.liquidation is not None:
            victims[fill.hash].add(fill.liquidation.liquidated_user)
    assert ZERO_HASH not in victims
    assert max(map(len, victims.values())) >= 3


@pytest.mark.slow
def test_many_ordinary_trades_have_no_hash() -> None:
    """Slices of a TWAP, over a quarter of all; and a spot market never liquidates."""
    ordinary = [fill for _user, fill in rows() if fill.liquidation is None]
    share = sum(fill.hash == ZERO_HASH for fill in ordinary) / len(ordinary)
    assert 0.25 < share < 0.31
    assert "@107" in {fill.asset for fill in ordinary}
    assert all(fill.liquidation is None for _user, fill in rows() if fill.asset == "@107")


@pytest.mark.slow
def test_ten_accounts_see_a_share_of_every_method() -> None:
    """What a public source can learn from its ten slots is some of the market's, and all the liquidator's."""
    assert len(set(WATCHED)) == 10
    seen = Counter(classify(user, fill) for user, fill in rows() if user in WATCHED)
    total = Counter(classify(user, fill) for user, fill in rows())
    for kind in (FillClass.MARKET_MAKER, FillClass.ADL_DELEVERAGED):
        assert 0 < seen[kind] < total[kind]
    taken = [user for user, fill in rows() if classify(user, fill) is FillClass.BACKSTOP_LIQUIDATOR]
    assert set(taken) == {LIQUIDATOR}


def test_nobody_is_liquidated_before_the_price_says_so() -> None:
    """A position is lost only in a market that moved against it."""
    first: dict[str, Decimal] = {}
    for _user, fill in rows():
        first.setdefault(fill.asset, Decimal(fill.price))
    for user, fill in liquidated()[LiquidationMethod.MARKET]:
        lost_long = fill.direction_text == "Close Long"
        assert (Decimal(fill.price) < first[fill.asset]) is lost_long, user


@pytest.mark.parametrize("field", ["user", "hash"])
def test_everything_says_that_it_is_made_up(field: str) -> None:
    """No address and no hash of it can be mistaken for a real one; all are well-formed."""
    for user, fill in rows():
        parse_address(user)
        parse_asset(fill.asset)
        text = user if field == "user" else fill.hash
        assert text.startswith("0xfeed") or text == ZERO_HASH


def test_the_shipped_one_is_made_when_asked_for_and_dropped() -> None:
    """Its files are there inside the block only; it names the accounts to watch; others stay as they are."""
    shipped = find_recording("simulated-cascade")
    assert shipped.origin.watch == WATCHED
    with complete(shipped) as recording:
        [(path, _file)] = recording.files
        assert sum(1 for _line in read_lines(path)) == 6_000
    assert not path.parent.exists()
    with complete(find_recording("popcat-2025-11-12")) as popcat:
        assert popcat == find_recording("popcat-2025-11-12")
