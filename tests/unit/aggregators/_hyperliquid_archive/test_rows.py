"""Chunks that are read line by line: the older fills, the ledger, and trades that tell of no liquidation."""

from typing import Any

import msgspec
import pytest

from kamiyo.aggregators._hyperliquid_archive.blocks import Decode
from kamiyo.aggregators._hyperliquid_archive.rows import fill_lines, misc_lines, trade_lines
from kamiyo.core.events import AccountLiquidation, LedgerMovement, LiquidatedFill
from kamiyo.core.ports import Counted, Normalized
from kamiyo.core.time import from_millis
from tests.builders import CHAIN, HASH, MAKER, MILLIS, NOW, VICTIM, a_raw, fill_json

LIQUIDATION = {
    "type": "liquidation",
    "liquidatedNtlPos": "1000.5",
    "accountValue": "-1.5",
    "leverageType": "Cross",
    "liquidatedPositions": [{"coin": "ETH", "szi": "2.0"}],
}
TRADE = {
    "coin": "ETH",
    "side": "A",
    "time": "2025-04-01T10:00:00.100200300",
    "px": "1800.5",
    "sz": "0.5",
    "hash": HASH,
    "trade_dir_override": "Na",
    "side_info": [{"user": VICTIM, "start_pos": "1.0"}, {"user": MAKER, "start_pos": "0.0"}],
}


def chunk(*lines: object) -> bytes:
    return b"".join(
        (line if isinstance(line, bytes) else msgspec.json.encode(line)) + b"\n" for line in lines
    )


def counts(normalized: Normalized) -> dict[Counted, int]:
    return {name: number for name, number in normalized.counts.items() if number}


def fills(decode: Decode) -> Normalized:
    lines = chunk(
        [MAKER, fill_json(liquidation=None, time=MILLIS + 5)],
        [VICTIM, fill_json()],
        b"garbage",
        [MAKER, fill_json(dir="Auto-Deleveraging", liquidation=None)],
    )
    return fill_lines(a_raw(payload=lines), CHAIN, decode)


def test_of_the_older_fills_all_are_counted_where_all_are_decoded() -> None:
    """A row each; a bad one is refused alone."""
    found = fills(Decode.ALL)
    assert [event.tid for event in found.events if isinstance(event, LiquidatedFill)] == [101]
    assert [user for user, _fill in found.fills] == [MAKER]
    assert [(each.rule, each.payload[:7]) for each in found.rejects] == [
        ("malformed", b"garbage"),
        ("adl_without_liquidated_user", b'["0x222'),
    ]
    assert counts(found) == {
        Counted.PAYLOADS: 1,
        Counted.FILLS: 4,
        Counted.ORDINARY_FILLS: 1,
        Counted.LIQUIDATED_FILLS: 1,
        Counted.REFUSED_FILLS: 2,
        Counted.REJECTS: 2,
    }
    assert found.last_event_at == from_millis(MILLIS + 5)


def test_of_the_older_fills_only_liquidations_are_counted_where_only_they_are_decoded() -> None:
    """What is not decoded is neither given nor refused; an ADL row that lacks its user is."""
    found = fills(Decode.LIQUIDATIONS)
    assert [event.tid for event in found.events if isinstance(event, LiquidatedFill)] == [101]
    assert found.fills == []
    assert [each.rule for each in found.rejects] == ["adl_without_liquidated_user"]
    assert counts(found) == {
        Counted.PAYLOADS: 1,
        Counted.FILLS: 2,
        Counted.LIQUIDATED_FILLS: 1,
        Counted.REFUSED_FILLS: 1,
        Counted.REJECTS: 1,
    }
    assert found.block_runs == ()


def event(delta: dict[str, Any] | None = None, **inner: object) -> dict[str, Any]:
    update = {"LedgerUpdate": {"users": [VICTIM], "delta": delta}} if delta else {}
    return {"time": "2025-10-10T21:16:00.250", "hash": HASH, "inner": update | inner}


def block(*events: object) -> dict[str, object]:
    return {
        "local_time": "2025-10-10T21:16:00.7",
        "block_time": "2025-10-10T21:16:00.2",
        "block_number": 7,
        "events": events,
    }


def test_the_ledger_is_read_whole() -> None:
    """By block or by event; its blocks are no proof that the fills of those were read."""
    raw = a_raw(
        payload=chunk(
            block(event(LIQUIDATION), event(Funding={"deltas": []})),
            block(event({"type": "deposit", "usdc": "5.0"}), event(Unheard={})),
            event(LIQUIDATION),
            b"garbage",
        )
    )
    found = misc_lines(raw, CHAIN, Decode.LIQUIDATIONS)
    assert [type(each) for each in found.events] == [AccountLiquidation, LedgerMovement, AccountLiquidation]
    assert [(each.rule, each.stream) for each in found.rejects] == [
        ("unknown_misc_event", raw.stream),
        ("malformed", raw.stream),
    ]
    assert counts(found) == {
        Counted.PAYLOADS: 1,
        Counted.LEDGER_EVENTS: 3,
        Counted.OTHER_EVENTS: 1,
        Counted.REJECTS: 2,
    }
    assert (found.block_runs, found.last_event_at) == ((), None)


@pytest.mark.parametrize("decode", list(Decode))
def test_trades_are_counted(decode: Decode) -> None:
    """They do not say which of them liquidated somebody, so none is said to have."""
    later = TRADE | {"time": "2025-04-01T10:00:01"}
    lines = chunk(later, TRADE, b"garbage", TRADE | {"time": "yesterday"}, {"coin": "ETH"})
    found = trade_lines(a_raw(payload=lines), CHAIN, decode)
    assert [each.rule for each in found.rejects] == ["malformed", "not_a_time", "malformed"]
    assert counts(found) == {
        Counted.PAYLOADS: 1,
        Counted.TRADES: 5,
        Counted.REFUSED_TRADES: 3,
        Counted.REJECTS: 3,
    }
    assert (found.events, found.trades) == ((), ())
    assert found.last_event_at == NOW.replace(month=4, day=1, hour=10, minute=0, second=1, microsecond=0)
    assert trade_lines(a_raw(payload=b""), CHAIN, decode).last_event_at is None
