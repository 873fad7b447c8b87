"""The venue's own accounts: its vaults, who takes over positions, and who borrows for others.

A fallback: the children of the liquidity provider are read from ``vaultDetails`` while the venue answers.
"""

from __future__ import annotations

import enum

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Address


class Network(enum.StrEnum):
    """The venue itself, and where it lets others try things."""

    MAINNET = "mainnet"
    TESTNET = "testnet"


class VenueAccount(msgspec.Struct, frozen=True):
    """An account of the venue; ``liquidator`` where it takes over positions."""

    name: str
    address: Address
    liquidator: bool = False


_LIQUIDITY_PROVIDERS = {
    Network.MAINNET: VenueAccount("HLP", Address("0xdfc24b077bc1425ad1dea75bcb6f8158e10df303")),
    Network.TESTNET: VenueAccount("HLP", Address("0xa15099a30bbf2e68942d6f4c43d70d04faeab0a0")),
}
_CHILDREN = {
    Network.MAINNET: (
        VenueAccount("HLP Strategy A", Address("0x010461c14e146ac35fe42271bdc1134ee31c703a")),
        VenueAccount("HLP Strategy B", Address("0x31ca8395cf837de08b24da3f660e77761dfb974b")),
        VenueAccount("HLP Strategy X", Address("0x469f690213c467c39a23efacfd2816896009d7d8")),
        VenueAccount(
            "HLP Liquidator", Address("0x2e3d94f0562703b25c83308a05046ddaf9a8dd14"), liquidator=True
        ),
        VenueAccount(
            "HLP Liquidator 2", Address("0xb0a55f13d22f66e6d495ac98113841b2326e9540"), liquidator=True
        ),
        VenueAccount(
            "HLP Liquidator 3", Address("0x5e177e5e39c0f4e421f5865a6d8beed8d921cb70"), liquidator=True
        ),
        VenueAccount(
            "HLP Liquidator 4", Address("0x2ed5c4484ea3ff8b57d5f2fb152a40d9f2b68308"), liquidator=True
        ),
    ),
    # Of the one child that is known it is not known whether it takes over positions.
    Network.TESTNET: (VenueAccount("HLP child", Address("0x768484f7e2ebb675c57838366c02ae99ba2a9b08")),),
}
_OTHERS = {
    Network.MAINNET: (
        VenueAccount("Liquidator", Address("0x63c621a33714ec48660e32f2374895c8026a3a00"), liquidator=True),
    ),
    Network.TESTNET: (),
}
PORTFOLIO_MARGIN_LIQUIDATOR = VenueAccount(
    "Portfolio margin liquidator", Address("0x" + "b" * 40), liquidator=True
)
_BACKSTOP_BASE = 0x4 << 156
_MOST_DEXES = 1 << 16


def liquidity_provider(network: Network) -> VenueAccount:
    """The vault whose children provide liquidity and take over positions."""
    return _LIQUIDITY_PROVIDERS[network]


def known_children(network: Network) -> tuple[VenueAccount, ...]:
    """The vault's children as last known, for as long as the venue itself has not named them."""
    return _CHILDREN[network]


def known_liquidators(network: Network) -> tuple[VenueAccount, ...]:
    """Every account known to take over positions, those of builders' dexes apart."""
    ours = (*_CHILDREN[network], *_OTHERS[network], PORTFOLIO_MARGIN_LIQUIDATOR)
    return tuple(account for account in ours if account.liquidator)


def dex_backstop(index: int) -> Address:
    """Who takes over positions on the builder's dex at this place among the perp dexes."""
    if not 0 < index < _MOST_DEXES:
        raise MalformedPayload(f"no builder's dex: {index}", rule="unknown_dex")
    return Address(f"0x{_BACKSTOP_BASE + index:040x}")
