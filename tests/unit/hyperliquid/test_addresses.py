"""The venue's own accounts."""

import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import parse_address
from kamiyo.hyperliquid.addresses import (
    PORTFOLIO_MARGIN_LIQUIDATOR,
    Network,
    dex_backstop,
    known_children,
    known_liquidators,
    liquidity_provider,
)


def test_the_liquidity_provider_is_known_on_both_networks() -> None:
    """It is where the children are asked for."""
    assert liquidity_provider(Network.MAINNET).address == "0xdfc24b077bc1425ad1dea75bcb6f8158e10df303"
    assert liquidity_provider(Network.TESTNET).address == "0xa15099a30bbf2e68942d6f4c43d70d04faeab0a0"
    assert not liquidity_provider(Network.MAINNET).liquidator  # the parent itself has no positions


def test_mainnets_children_are_three_strategies_and_four_liquidators() -> None:
    """A copy of the last one's address with a wrong digit circulates."""
    children = known_children(Network.MAINNET)
    assert [child.name for child in children if not child.liquidator] == [
        "HLP Strategy A",
        "HLP Strategy B",
        "HLP Strategy X",
    ]
    assert [child.address[:10] for child in children if child.liquidator] == [
        "0x2e3d94f0",
        "0xb0a55f13",
        "0x5e177e5e",
        "0x2ed5c448",
    ]
    assert "0x2ed5c4484ea3ff8b57d5f2fb152a40d9f2b68308" in {child.address for child in children}


def test_liquidators_are_children_and_the_venues_other_ones() -> None:
    """Of the testnet's child it is not known, so only the system's own is."""
    names = [account.name for account in known_liquidators(Network.MAINNET)]
    assert names == [
        "HLP Liquidator",
        "HLP Liquidator 2",
        "HLP Liquidator 3",
        "HLP Liquidator 4",
        "Liquidator",
        "Portfolio margin liquidator",
    ]
    assert known_liquidators(Network.TESTNET) == (PORTFOLIO_MARGIN_LIQUIDATOR,)
    assert len(known_children(Network.TESTNET)) == 1


def test_every_address_is_one() -> None:
    """In lower case, and no two the same."""
    accounts = [
        account
        for network in Network
        for account in (liquidity_provider(network), *known_children(network), *known_liquidators(network))
    ]
    addresses = {account.address for account in accounts}
    assert all(parse_address(address) == address for address in addresses)
    assert len(addresses) == len({account.name + account.address for account in accounts})


@pytest.mark.parametrize(("index", "ending"), [(1, "01"), (10, "0a"), (255, "ff")])
def test_a_builders_dex_has_a_backstop_of_its_own(index: int, ending: str) -> None:
    """Numbered by its place among the dexes."""
    assert dex_backstop(index) == parse_address("0x4" + "0" * 37 + ending)


@pytest.mark.parametrize("index", [-1, 0, 1 << 16])
def test_the_first_dex_has_none(index: int) -> None:
    """Its positions go to the liquidity provider's children."""
    with pytest.raises(MalformedPayload) as caught:
        dex_backstop(index)
    assert caught.value.rule == "unknown_dex"
