"""What is asked again and again: endpoints with their parameters, without the times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from kamiyo.aggregators._coinglass.plans import EVERY, INTERVALS, LEAST_PLAN, Endpoint, Plan

_RANGES = ("1h", "24h")


class Question(msgspec.Struct, frozen=True):
    """One endpoint with its parameters; ``name`` is that of its mark, and what is said of it."""

    endpoint: Endpoint
    name: str
    parameters: tuple[tuple[str, str], ...] = ()
    every: timedelta = timedelta(minutes=1)

    def asked(self, **times: int) -> dict[str, str]:
        """The parameters, with those of one request."""
        return dict(self.parameters) | {name: str(value) for name, value in times.items()}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator wants to hear of."""

    plan: Plan
    interval: str
    exchanges: Sequence[str]
    assets: Sequence[str]
    min_usd: str


def questions_of(wanted: Wanted) -> list[Question]:
    """All that the plan includes, the least of them first."""
    asked = [
        *(_ask(Endpoint.EXCHANGE_LIST, {"symbol": "", "range": each}) for each in _RANGES),
        _ask(Endpoint.WHALE_ALERT, {}),
        _ask(Endpoint.WHALE_POSITION, {}),
        *(_ask(Endpoint.COIN_LIST, {"exchange": exchange}) for exchange in wanted.exchanges),
        *(
            _ask(
                Endpoint.ORDERS,
                {"exchange": exchange, "symbol": asset, "min_liquidation_amount": wanted.min_usd},
            )
            for exchange in wanted.exchanges
            for asset in wanted.assets
        ),
        *(
            _ask(
                Endpoint.HISTORY,
                {"exchange_list": exchange, "symbol": asset, "interval": wanted.interval},
                at_least=INTERVALS[wanted.interval],
            )
            for exchange in wanted.exchanges
            for asset in wanted.assets
        ),
    ]
    return [each for each in asked if wanted.plan.includes(LEAST_PLAN[each.endpoint])]


def _ask(
    endpoint: Endpoint, parameters: Mapping[str, str], *, at_least: timedelta = timedelta(0)
) -> Question:
    named = [value for name, value in parameters.items() if value and name != "min_liquidation_amount"]
    return Question(
        endpoint,
        "/".join([endpoint.rpartition("/")[2], *named]),
        tuple(parameters.items()),
        max(EVERY[endpoint], at_least),
    )
