"""Bytes to validated facts, storing aside: against ccxt reading the same fills as trades."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count

import ccxt

from benchmarks.data import ORDINARY_DAY, assets, fill_blocks
from benchmarks.measure import Report, claim, medians, take_turns
from benchmarks.sources import node_aggregator
from kamiyo.aggregators.hyperliquid_node import HyperliquidNodeAggregator
from kamiyo.core.ports import Counted, Raw
from kamiyo.processing.deduplicator import Deduplicator
from kamiyo.processing.normalizer import normalize
from kamiyo.processing.validator import validate

_FILLS = 40_000
_CCXT_FILLS = 4_000
_BLOCKS_A_BATCH = 200


def run() -> Report:
    """Each round begins with an empty memory of what was heard, so that nothing is a duplicate."""
    blocks = fill_blocks(_FILLS, liquidated_share=0.01)
    few = fill_blocks(_CCXT_FILLS, liquidated_share=0.01)
    aggregator, exchange = node_aggregator(), _exchange()
    rates = take_turns(
        {"KAMIYO": lambda: _whole_path(aggregator, blocks), "ccxt": lambda: _ccxt(exchange, few)}
    )
    claims = [claim("bytes to validated, by ccxt's parse_trades", rates, "KAMIYO", "ccxt", 10)]
    return Report(claims, medians(rates) | {"unit": "fills"})


def _whole_path(aggregator: HyperliquidNodeAggregator, blocks: list[bytes]) -> int:
    deduplicator, fills, now = Deduplicator(), 0, datetime.now(UTC)
    for number, block in zip(count(1), blocks, strict=False):
        raw = Raw(
            source=aggregator.name, stream="node_fills_by_block", payload=block, received_at=ORDINARY_DAY
        )
        normalized = validate(deduplicator.fresh(normalize(aggregator.normalize, raw)), raw, now)
        fills += normalized.counts[Counted.FILLS]
        if normalized.rejects or normalized.counts.get(Counted.DUPLICATE_FILLS):
            raise AssertionError(normalized)
        if number % _BLOCKS_A_BATCH == 0:
            deduplicator.remember_batch()
    return fills


def _ccxt(exchange: ccxt.hyperliquid, blocks: list[bytes]) -> int:
    trades = 0
    for block in blocks:
        trades += len(exchange.parse_trades([fill for _user, fill in json.loads(block)["events"]]))
    return trades


def _exchange() -> ccxt.hyperliquid:
    """Ccxt with its markets set by hand, as loading them would need the network."""
    exchange = ccxt.hyperliquid()
    set_markets(exchange)
    return exchange


def set_markets(exchange: ccxt.Exchange) -> None:
    """What loading the markets would have told."""
    exchange.set_markets(
        [
            exchange.safe_market_structure(
                {
                    "id": str(number),
                    "symbol": f"{asset}/USDC:USDC",
                    "base": asset,
                    "baseName": asset,
                    "quote": "USDC",
                    "settle": "USDC",
                    "baseId": asset,
                    "quoteId": "USDC",
                    "type": "swap",
                    "swap": True,
                    "contract": True,
                    "linear": True,
                    "active": True,
                    "precision": {"amount": 0.001, "price": 0.001},
                }
            )
            for number, asset in enumerate(assets())
        ]
    )
