"""What can be set of the source X."""

from decimal import Decimal
from typing import Any

import pytest

from kamiyo.aggregators.x import XAggregator, XSettings
from kamiyo.core.errors import InvalidSettings
from kamiyo.core.reports import Grade
from kamiyo.core.sources import SourceType
from kamiyo.kit.secret import Secret
from kamiyo.runtime.settings import Settings
from kamiyo.runtime.wiring import build_aggregators
from tests.fakes import tools


def built(**settings: Any) -> XAggregator:
    (made,) = build_aggregators(Settings(sources={"x": settings}), tools(), only={"x"})
    assert isinstance(made, XAggregator)
    return made


def test_it_is_a_stream_however_it_is_read() -> None:
    """A worker holds it; it is called stale only after a silence that is longer than a day's turn."""
    for mode in ("stream", "search"):
        described = built(mode=mode).description
        assert described.type is SourceType.STREAM
        assert described.silence_limit.total_seconds() >= 120


def test_accounts_are_set_by_text_or_by_table() -> None:
    """With a grade each; the shipped ones are those that security teams post alarms from."""
    text, table = built(authors="a:primary,b"), built(authors={"a": "primary", "b": "claim"})
    for each in (text, table):
        assert [each.grade_of(name) for name in ("A", "b", "c")] == [Grade.PRIMARY, Grade.CLAIM, None]
    assert built().grade_of("peckshieldalert") is Grade.ONCHAIN_DERIVED
    assert built().grade_of("hyperliquidx") is Grade.PRIMARY


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"authors": ""}, "authors"),
        ({"authors": "a OR from:b"}, "authors"),
        ({"authors": "a)b"}, "authors"),
        ({"authors": "a:sure"}, "authors"),
        ({"filter": "x" * 512}, "filter"),
        ({"daily_usd": "0.19"}, "daily_usd"),
        ({"daily_usd": "0.04", "mode": "search"}, "daily_usd"),
        ({"post_usd": "-1"}, "daily_usd"),
        ({"url": "https://user:canary@api.x.com"}, "url"),
        ({"token": "canary token"}, "token"),
        ({"token": "canary\n"}, "token"),
        ({"token": "canaryé"}, "token"),
        ({"poll_seconds": "1"}, "poll_seconds"),
        ({"mode": "guess"}, "mode"),
    ],
)
def test_what_cannot_work_is_refused_and_named(settings: dict[str, Any], named: str) -> None:
    """And no secret is shown."""
    with pytest.raises(InvalidSettings, match=named) as refused:
        built(**settings)
    assert "canary" not in str(refused.value)


def test_the_smallest_budget_pays_for_one_round() -> None:
    """A stream needs its chunk and a page, a search a page."""
    for mode, usd in (("stream", "0.20"), ("search", "0.05")):
        assert built(mode=mode, daily_usd=usd).active


def test_the_token_is_not_shown() -> None:
    """Neither by the settings nor by what is made of them."""
    settings = XSettings(token=Secret("canary"), daily_usd=Decimal(1))
    assert "canary" not in f"{settings!r} {XAggregator(settings, tools()).__dict__!r}"
