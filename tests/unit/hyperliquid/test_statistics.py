"""The statistics files: what is needed of them, however bad their rows are."""

import tracemalloc
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import astuple

from kamiyo.core.errors import MalformedPayload
from kamiyo.hyperliquid import statistics
from kamiyo.hyperliquid.statistics import (
    Extent,
    daily_liquidations,
    largest_accounts,
    largest_liquidated,
)
from tests.answers import CHILD, USER, daily_liquidated, leaderboard
from tests.answers import largest_liquidated as liquidated_table

FIRST_DAY, SECOND_DAY = date(2023, 6, 13), date(2023, 6, 14)

encode = msgspec.json.encode


def told(rows):
    return [astuple(row) for row in rows]


def leaders(*rows, limit: int = 10):
    return largest_accounts(encode({"leaderboardRows": rows}), limit)


def leader(value, user=USER):
    return {"ethAddress": user, "accountValue": value, "windowPerformances": []}


def test_the_largest_accounts_come_first() -> None:
    """As many as are asked for, values exact, of a document that says much more."""
    found, extent = leaders(leader("1.5"), leader("62426218.3606450111", "0x" + CHILD[2:].upper()), limit=1)
    assert told(found) == [(CHILD, Decimal("62426218.3606450111"))]
    assert extent == Extent(rows=2, unreadable=0)
    assert [one.amount_usd for one in largest_accounts(encode(leaderboard()), 10)[0]] == [
        Decimal("62426218.3606450111"),
        Decimal("7.5"),
    ]


def test_numbers_keep_every_digit() -> None:
    """Here they are JSON numbers, and no float lies between."""
    content = b'{"table_data":[{"name":"' + USER.encode() + b'","value":331975245.910530000000000000001}]}'
    assert told(largest_liquidated(content, 5)[0]) == [(USER, Decimal("331975245.910530000000000000001"))]
    assert [one.user for one in largest_liquidated(encode(liquidated_table()), 5)[0]] == [USER, CHILD]


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {},
        {"ethAddress": USER},
        leader(None),
        leader("much"),
        leader("NaN"),
        leader("-Infinity"),
        leader("1e400"),
        leader("5", "0x12"),
        leader("5", 7),
    ],
)
def test_a_bad_row_is_counted_and_left_out(bad) -> None:
    """The others are ranked as ever."""
    found, extent = leaders(leader("1"), bad, leader("2"))
    assert [one.amount_usd for one in found] == [2, 1]
    assert extent == Extent(rows=3, unreadable=1)


def test_days_are_read_from_one_on() -> None:
    """The whole history is in one file, and old days are known."""
    content = encode(daily_liquidated())
    first = (FIRST_DAY, "RNDR", Decimal("6772.535123000001"))
    second = (SECOND_DAY, "ARB", Decimal("6772.535123000001"))
    found, extent = daily_liquidations(content, FIRST_DAY)
    assert (told(found), extent) == ([first, second], Extent(rows=2, unreadable=0))
    assert told(daily_liquidations(content, SECOND_DAY)[0]) == [second]


@pytest.mark.parametrize(
    "changes", [{"coin": "\0"}, {"time": "yesterday"}, {"daily_notional_liquidated": 1e300}]
)
def test_a_day_that_cannot_be_read_is_counted(changes) -> None:
    """A name that is none, a day that is none, an amount that is none."""
    first, second = daily_liquidated()["chart_data"]
    found, extent = daily_liquidations(encode({"chart_data": [first, second | changes]}), FIRST_DAY)
    assert [one.asset for one in found] == ["RNDR"]
    assert extent == Extent(rows=2, unreadable=1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"rows":[]}',
        b'{"leaderboardRows":{}}',
        b'{"leaderboardRows":[{"ethAddress":"',
        b'{"leaderboardRows":' + b"[" * 100_000,
        b'{"leaderboardRows":[{"ethAddress":"\\ud800"}]}',
        b'{"leaderboardRows":[7,{"ethAddress":',
    ],
)
def test_another_document_is_malformed(content: bytes) -> None:
    """Such as an error page, or one that ends in the middle."""
    with pytest.raises(MalformedPayload):
        largest_accounts(content, 5)


def test_other_lists_of_a_document_are_passed_over() -> None:
    """Even ones of another shape."""
    content = encode({"leaderboardRows": [leader("1")], "more": 7})
    assert largest_accounts(content, 5)[1] == Extent(rows=1, unreadable=0)


def test_a_row_that_breaks_the_reader_itself_is_counted() -> None:
    """Text in no encoding is found only when it is read, and only in that row."""
    content = b'{"leaderboardRows":[{"ethAddress":"\xff","accountValue":"1"}]}'
    assert largest_accounts(content, 5) == ([], Extent(rows=1, unreadable=1))


def test_a_document_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memory would be a multiple of it."""
    content = encode(leaderboard())
    monkeypatch.setattr(statistics, "LARGEST_DOCUMENT", len(content) - 1)
    with pytest.raises(MalformedPayload) as caught:
        largest_accounts(content, 5)
    assert caught.value.rule == "document_too_large"


def test_a_bad_row_does_not_cost_the_memory_of_the_whole() -> None:
    """What is not needed of a row is never built, nor of the others."""
    extra = [["day", {"pnl": "1.5", "roi": "0.1", "vlm": "10.0"}]] * 4
    rows = [{**leader("1.5"), "windowPerformances": extra}] * 20_000
    content = encode({"leaderboardRows": [*rows, {}]})
    tracemalloc.start()
    try:
        largest_accounts(content, 5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(content) > 4_000_000
    assert peak < 2.5 * len(content)
