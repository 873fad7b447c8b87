"""What a plan includes: how much may be asked, how finely, and which questions at all."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple

INTERVALS: Final[Mapping[str, timedelta]] = {
    "1m": timedelta(minutes=1),
    "3m": timedelta(minutes=3),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "6h": timedelta(hours=6),
    "8h": timedelta(hours=8),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
    "1w": timedelta(weeks=1),
}


class Plan(enum.StrEnum):
    """What is paid for, from the least to the most."""

    HOBBYIST = "hobbyist"
    STARTUP = "startup"
    STANDARD = "standard"
    PROFESSIONAL = "professional"

    def includes(self, other: Plan) -> bool:
        """Whether it has all that the other has."""
        plans = list(Plan)
        return plans.index(self) >= plans.index(other)


class Terms(NamedTuple):
    """How much a plan allows in a minute, and the shortest interval of its history."""

    requests_per_minute: int
    shortest_interval: str


TERMS: Final[Mapping[Plan, Terms]] = {
    Plan.HOBBYIST: Terms(30, "4h"),
    Plan.STARTUP: Terms(80, "30m"),
    Plan.STANDARD: Terms(300, "1m"),
    Plan.PROFESSIONAL: Terms(1_200, "1m"),
}


class Endpoint(enum.StrEnum):
    """What can be asked, by the path it is asked at."""

    ORDERS = "/api/futures/liquidation/order"
    COIN_LIST = "/api/futures/liquidation/coin-list"
    EXCHANGE_LIST = "/api/futures/liquidation/exchange-list"
    HISTORY = "/api/futures/liquidation/aggregated-history"
    WHALE_ALERT = "/api/hyperliquid/whale-alert"
    WHALE_POSITION = "/api/hyperliquid/whale-position"


LEAST_PLAN: Final[Mapping[Endpoint, Plan]] = {
    Endpoint.ORDERS: Plan.STANDARD,
    Endpoint.COIN_LIST: Plan.STARTUP,
    Endpoint.EXCHANGE_LIST: Plan.HOBBYIST,
    Endpoint.HISTORY: Plan.HOBBYIST,
    Endpoint.WHALE_ALERT: Plan.STARTUP,
    Endpoint.WHALE_POSITION: Plan.STARTUP,
}
EVERY: Final[Mapping[Endpoint, timedelta]] = {
    Endpoint.ORDERS: timedelta(minutes=1),
    Endpoint.COIN_LIST: timedelta(minutes=15),
    Endpoint.EXCHANGE_LIST: timedelta(minutes=1),
    Endpoint.HISTORY: timedelta(minutes=1),  # and not before another interval has passed
    Endpoint.WHALE_ALERT: timedelta(minutes=1),
    Endpoint.WHALE_POSITION: timedelta(minutes=5),
}
