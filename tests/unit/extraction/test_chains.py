"""Chains named and shown."""

import pytest

from kamiyo.extraction.chains import chain_of, chains_in, explored_chains, table_of


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("Ethereum", "ethereum"),
        ("BSC", "bnb_chain"),
        ("Base", "base"),
        ("zkSync Era", "zksync"),
        ("Hyperliquid L1", "hyperliquid"),
        ("HyperEVM", "hyperevm"),
        ("hyperevm", "hyperevm"),
        ("Nowhere", None),
    ],
)
def test_a_cell_is_looked_up_by_its_name(name: str, identifier: str | None) -> None:
    """In a cell an ordinary word is a chain's name as well."""
    assert chain_of(name) == identifier


@pytest.mark.parametrize(
    ("text", "identifiers"),
    [
        ("drained on Base", ("base",)),
        ("based on options near the core", ()),
        ("Base fees are low", ()),
        ("Base chain is halted", ("base",)),
        ("#Base", ("base",)),
        ("Blast, Base and Ethereum pools", ("blast", "base", "ethereum")),
        ("Ethereum, Base", ("ethereum", "base")),
        ("on Arbitrum", ("arbitrum",)),
        ("Base on Arbitrum", ("arbitrum",)),
        ("bridged 5 ETH to Ethereum", ()),
        ("588,357 SUI gone", ()),
        ("on Sui", ("sui",)),
        ("Polygon zkEVM", ("polygon_zkevm",)),
        ("optimism is high", ()),
        ("BNB Smart  Chain", ("bnb_chain",)),
        ("BNB, chain", ()),
        ("something https://arbiscan.io/tx/0x1", ("arbitrum",)),
    ],
)
def test_a_text_names_chains(text: str, identifiers: tuple[str, ...]) -> None:
    """Ordinary words count where they are used as a chain's name, destinations of a flight do not."""
    assert chains_in(text) == identifiers


@pytest.mark.parametrize(
    ("link", "chains"),
    [
        ("https://www.bscscan.com/tx/0x1", ("bnb_chain",)),
        ("https://app.blocksec.com/explorer/tx/base/0x1", ("base",)),
        ("https://app.blocksec.com/explorer/tx/nowhere/0x1", ()),
        ("https://x.com/base/status/1", ()),
        ("https://x.com", ()),
        ("https://[", ()),
    ],
)
def test_links_to_explorers_show_chains(link: str, chains: tuple[str, ...]) -> None:
    """The host says it, or a segment of an explorer of many chains."""
    assert explored_chains(link) == chains


def test_a_line_of_the_table_names_one_chain() -> None:
    """The first line that has a name keeps it; an identifier is a name too, though an ordinary word."""
    assert table_of("\none: One Chain, Uno?\ntwo: One Chain\n") == {
        "onechain": ("one", False),
        "uno": ("one", True),
        "one": ("one", True),
        "two": ("two", True),
    }
