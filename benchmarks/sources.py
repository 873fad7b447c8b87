"""The product's own sources, for their pure parts: nobody may use the network."""

from __future__ import annotations

from kamiyo.aggregators.base import Toolbox
from kamiyo.aggregators.hyperliquid_api import HyperliquidAPIAggregator, HyperliquidAPISettings
from kamiyo.aggregators.hyperliquid_node import HyperliquidNodeAggregator, HyperliquidNodeSettings
from kamiyo.kit.clock import SystemClock


def api_aggregator() -> HyperliquidAPIAggregator:
    """The one that reads the public API."""
    return HyperliquidAPIAggregator(HyperliquidAPISettings(), _tools())


def node_aggregator() -> HyperliquidNodeAggregator:
    """The one that follows a node's files."""
    return HyperliquidNodeAggregator(HyperliquidNodeSettings(path="unused"), _tools())


def _tools() -> Toolbox:
    return Toolbox(clock=SystemClock())
