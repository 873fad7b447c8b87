"""The page of weights: what the source of the public API spends of its address's minute, task by task."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from kamiyo.aggregators._hyperliquid_api.weights import RESERVE, WEIGHTS, weight_per_minute
from kamiyo.hyperliquid.limits import REST_WEIGHT_PER_MINUTE
from tools.reference.markdown import code, page, section, table

INTRODUCTION: Final = """\
For whoever shares an address with KAMIYO, or wants to know how often it asks the venue what. Every question
of the source `hyperliquid_api` belongs to one of these tasks. A task asks no more often than its row says,
and its answers weigh no more; an answer with many rows costs more than one with few, and the row has the
most it can cost. What the sockets send costs nothing."""


def weights_page() -> str:
    rows = [
        (
            code(row.task),
            code(row.question),
            _seconds(row.every),
            str(row.weight),
            str(row.weight_per_minute),
            row.purpose,
        )
        for row in WEIGHTS
    ]
    header = ("Task", "Question", "At most once in", "Weight of one", "Weight a minute", "To learn")
    return page("Weights", INTRODUCTION, section("Tasks", table(header, rows)), section("Together", _sum()))


def _sum() -> str:
    return (
        f"All tasks together spend at most {weight_per_minute()} of the {REST_WEIGHT_PER_MINUTE} that the "
        f"venue allows an address in a minute. At least {RESERVE} are left to others who share the address; "
        "whoever asks through KAMIYO's own budget there, such as a second worker, waits until there is room."
    )


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"
