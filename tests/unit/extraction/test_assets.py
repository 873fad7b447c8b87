"""Assets named."""

import pytest

from kamiyo.extraction.assets import assets_in, listed, unit_of


@pytest.mark.parametrize(
    ("text", "assets"),
    [
        ("$POPCAT and $popcat", ("POPCAT",)),
        ("JELLY short, then eth and ETH", ("JELLY", "ETH")),
        ("xyz:TSLA wick", ("xyz:TSLA",)),
        ("BNB Chain", ()),
        ("GMX hacker", ()),
        ("$GMX", ("GMX",)),
        ("someone not LINK", ()),
        ("$LINK", ("LINK",)),
        ("something or Eth", ()),
        ("$4.9M and $100", ()),
        ("$abcnew", ("ABCNEW",)),
    ],
)
def test_assets_are_tickers_and_listed_symbols(text: str, assets: tuple[str, ...]) -> None:
    """A symbol that is a word or a protocol too needs its dollar sign."""
    assert assets_in(text) == assets


@pytest.mark.parametrize(
    ("symbol", "asset"), [("kPEPE", "kPEPE"), ("LINK", None), ("eth", "ETH"), ("Eth", None), ("XYZZY", None)]
)
def test_the_table_lists_symbols_in_their_spelling(symbol: str, asset: str | None) -> None:
    """Small letters will do for those that are nothing else."""
    assert listed(symbol) == asset


@pytest.mark.parametrize(
    ("word", "asset"),
    [
        ("ETH", "ETH"),
        ("Bitcoin", "BTC"),
        ("$bnb", "BNB"),
        ("$newone", "NEWONE"),
        ("stETH", "stETH"),
        ("vATH", "vATH"),
        ("USDC.e", "USDC.e"),
        ("Cake-LP", "Cake-LP"),
        ("min", None),
        ("UTC", None),
        ("$12", None),
        ("K", None),
        ("Z", None),
        ("wallets", None),
    ],
)
def test_what_a_number_counts(word: str, asset: str | None) -> None:
    """After a number anything shaped like a symbol is an asset, unless it is known to be something else."""
    assert unit_of(word) == asset
