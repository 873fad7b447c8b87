"""Which messages a subscription lets through."""

from typing import Any

import msgspec
import pytest

from kamiyo.api.stream.filters import build_selection, read_facts
from kamiyo.api.stream.grammar import Backfills, Claims, Coverage, Exploits, Liquidations, Sources
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.exploits import ExploitStatus
from kamiyo.core.margin import Direction
from kamiyo.storage.claims import claim_json
from tests.fake_claims import a_claim

LIQUIDATION = {
    "liquidation_id": "1",
    "asset": "ETH",
    "protocol": "hyperliquid",
    "side": "short",
    "method": "market",
    "user": "0xa",
    "amount_usd": "10000",
    "metadata": {"asset": "BTC"},
}
EXPLOIT = {"protocol": "venus", "category": "oracle", "status": "confirmed", "amount_usd": None}


def _takes(wanted: Any, channel: str, message: object) -> bool:
    return build_selection(wanted).takes(channel, read_facts(msgspec.json.encode(message)))


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Liquidations(), True),
        (Liquidations(asset="ETH"), True),
        (Liquidations(asset="BTC"), False),
        (Liquidations(asset="eth"), False),
        (Liquidations(protocol="hyperliquid", side=Direction.SHORT), True),
        (Liquidations(protocol="hyperliquid", side=Direction.LONG), False),
        (Liquidations(method=LiquidationMethod.MARKET), True),
        (Liquidations(method=LiquidationMethod.ADL), False),
        (Liquidations(user="0xa"), True),
        (Liquidations(user="0xb"), False),
        (Liquidations(min_usd="10000"), True),
        (Liquidations(min_usd="10000.000001"), False),
        (Liquidations(min_usd="9999", asset="BTC"), False),
    ],
)
def test_a_liquidation_passes_only_all_filters_together(wanted: Liquidations, taken: bool) -> None:
    """Every set filter must hold, and amounts are compared as numbers."""
    assert _takes(wanted, "liquidations", LIQUIDATION) is taken


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Exploits(), True),
        (Exploits(category="oracle", status=ExploitStatus.CONFIRMED, protocol="venus"), True),
        (Exploits(category="bridge"), False),
        (Exploits(status=ExploitStatus.SUSPECTED), False),
        (Exploits(min_usd="0"), False),
    ],
)
def test_an_exploit_of_unknown_amount_passes_no_amount_filter(wanted: Exploits, taken: bool) -> None:
    """Unknown is not zero: it is not even at least zero."""
    assert _takes(wanted, "exploits", EXPLOIT) is taken


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Claims(), True),
        (Claims(asset="ETH", exchange="binance", side=Direction.LONG, min_usd="205534.29"), True),
        (Claims(asset="BTC"), False),
        (Claims(exchange="okx"), False),
        (Claims(side=Direction.SHORT), False),
        (Claims(min_usd="205534.2933"), False),
    ],
)
def test_a_claim_passes_only_all_filters_together(wanted: Claims, taken: bool) -> None:
    """What the journal tells of one is what is looked at."""
    message = msgspec.Raw(claim_json(a_claim()))
    assert _takes(wanted, "claims", message) is taken
    assert not _takes(wanted, "liquidations", message)
    assert not _takes(Liquidations(), "claims", message)


def test_channels_do_not_mix() -> None:
    """A subscription gets messages of its own channel only."""
    assert not _takes(Liquidations(), "exploits", LIQUIDATION)
    assert _takes(Sources(source="a"), "sources", {"name": "a", "state": "live"})
    assert not _takes(Sources(source="a"), "sources", {"name": "b"})
    assert _takes(Coverage(source="a"), "coverage", {"source": "a", "share_pct": "7"})
    assert not _takes(Coverage(source="a"), "coverage", {"source": "b"})
    assert not _takes(Coverage(), "sources", {"source": "a"})
    assert _takes(Backfills(source="a"), "backfills", {"source": "a", "state": "done"})
    assert not _takes(Backfills(source="a"), "backfills", {"source": "b"})


def test_what_cannot_be_read_goes_to_whoever_asked_for_everything() -> None:
    """A message of a shape nobody foresaw is told, but matches no filter."""
    for text in (b"[1]", b'{"amount_usd":"many"}', b"{"):
        facts = read_facts(text)
        assert build_selection(Liquidations()).takes("liquidations", facts)
        assert not build_selection(Liquidations(min_usd="0")).takes("liquidations", facts)
        assert not build_selection(Liquidations(asset="BTC")).takes("liquidations", facts)


def test_equal_subscriptions_share_a_text() -> None:
    """The text is the key under which work is shared."""
    assert build_selection(Liquidations(asset="ETH")).text == build_selection(Liquidations(asset="ETH")).text
    assert build_selection(Liquidations(asset="ETH")).text != build_selection(Liquidations()).text
