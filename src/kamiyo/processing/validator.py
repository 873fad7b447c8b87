"""Believe only what satisfies the rules: the first broken one turns a fact or a row into a reject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import msgspec

from kamiyo.core.claims import Claim, ClaimedPosition, ClaimedTotal
from kamiyo.core.codec import to_json
from kamiyo.core.events import FillRow, LiquidatedFill
from kamiyo.core.ports import Counted, Event, Normalized, Raw, Reject, reject
from kamiyo.core.reports import Report
from kamiyo.core.states import AccountState, MarketState, VaultState
from kamiyo.core.time import to_millis
from kamiyo.core.trade_rules import broken_trades
from kamiyo.core.trades import Trade
from kamiyo.core.validation import broken_events, broken_rows

_encode = msgspec.json.Encoder().encode


def validate(normalized: Normalized, raw: Raw, now: datetime) -> Normalized:
    """The payload with everything that breaks a rule moved to its rejects, and counted there."""
    bad_trades = broken_trades(normalized.trades, to_millis(now)) if normalized.trades else []
    bad_fills = broken_rows(normalized.fills, to_millis(now)) if normalized.fills else []
    bad_events = broken_events(normalized.events, now) if normalized.events else []
    if not bad_fills and not bad_events and not bad_trades:
        return normalized
    rejects = [_reject_row(raw, row, rule) for row, rule in bad_fills]
    rejects += [_reject_event(raw, event, rule) for event, rule in bad_events]
    rejects += [_reject_trade(raw, trade, rule) for trade, rule in bad_trades]
    kinds = Counter(_counted(event) for event, _rule in bad_events)
    legs = kinds[Counted.LIQUIDATED_FILLS]
    counts = dict(normalized.counts)
    for name, change in (
        (Counted.ORDINARY_FILLS, -len(bad_fills)),
        (Counted.REFUSED_FILLS, len(bad_fills) + legs),
        (Counted.REFUSED_TRADES, len(bad_trades)),
        (Counted.REJECTS, len(rejects)),
        *((kind, -number) for kind, number in kinds.items()),
    ):
        if change:
            counts[name] = counts.get(name, 0) + change
    refused_rows, refused_events, refused_trades = (
        {id(each) for each, _rule in bad} for bad in (bad_fills, bad_events, bad_trades)
    )
    return Normalized(
        events=[event for event in normalized.events if id(event) not in refused_events],
        fills=[row for row in normalized.fills if id(row) not in refused_rows],
        trades=[trade for trade in normalized.trades if id(trade) not in refused_trades],
        rejects=[*normalized.rejects, *rejects],
        counts=counts,
        block=normalized.block,
        block_runs=normalized.block_runs,
        last_event_at=normalized.last_event_at,
    )


def _reject_row(raw: Raw, row: FillRow, rule: str) -> Reject:
    # The row as read, in the venue's own names: the other rows of its block were accepted.
    return reject(raw, rule=rule, detail=f"fill {row[1].tid} of {row[1].asset}", payload=_encode(row))


def _reject_trade(raw: Raw, trade: Trade, rule: str) -> Reject:
    return reject(raw, rule=rule, detail=f"trade {trade.tid} of {trade.asset}", payload=_encode(trade))


_COUNTED: Mapping[type, Counted] = {
    LiquidatedFill: Counted.LIQUIDATED_FILLS,
    MarketState: Counted.MARKET_STATES,
    VaultState: Counted.VAULT_STATES,
    AccountState: Counted.ACCOUNT_STATES,
    Report: Counted.REPORTS,
    Claim: Counted.CLAIMS,
    ClaimedTotal: Counted.CLAIMED_TOTALS,
    ClaimedPosition: Counted.CLAIMED_POSITIONS,
}


def _counted(event: Event) -> Counted:
    """What an event was counted as; all that is none of these comes from the ledger."""
    return _COUNTED.get(type(event), Counted.LEDGER_EVENTS)


def _reject_event(raw: Raw, event: Event, rule: str) -> Reject:
    return reject(raw, rule=rule, detail=type(event).__name__, payload=to_json(event))
