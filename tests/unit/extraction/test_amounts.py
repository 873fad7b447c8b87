"""Amounts in every spelling; a number without a unit is never taken for dollars."""

from decimal import Decimal

import pytest

from kamiyo.extraction.amounts import Figure, read_amounts


def told(figures: tuple[Figure, ...]) -> list[str]:
    return [
        str(figure.low) if figure.low == figure.high else f"{figure.low}..{figure.high}" for figure in figures
    ]


@pytest.mark.parametrize(
    ("text", "dollars"),
    [
        ("$4.9M", "4900000"),
        ("4.9 million dollars", "4900000"),
        ("~$30M", "30000000"),
        ("$~11M", "11000000"),
        ("US$ 3M", "3000000"),
        ("USD 44 million", "44000000"),
        ("20M USD", "20000000"),
        ("224k$", "224000"),
        ("11 Million $", "11000000"),
        ("5 Mio. $ weg", "5000000"),
        ("$.2 million", "200000"),
        ("$1,6M", "1600000"),
        ("$1,234,567.89", "1234567.89"),
        ("1.234.567,89 USD", "1234567.89"),
        ("1'234'567 USD", "1234567"),
        ("900 000 USD", "900000"),
        ("782.000 d\u00f3lares", "782000"),
        ("490\u4e07\u7f8e\u5143", "4900000"),
        ("1.5 \u043c\u043b\u043d \u0434\u043e\u043b\u043b\u0430\u0440\u043e\u0432", "1500000"),
        ("\uff04\uff14.\uff19\uff2d", "4900000"),
        ("$1.46 billion", "1460000000"),
        ("$1.2-1.5M", "1200000..1500000"),
        ("$700K\u2013$782K", "700000..782000"),
        ("$1.2M to $1.5 million", "1200000..1500000"),
        ("between $3M and $4M", "3000000..4000000"),
        ("$3K - $4000", "3000..4000"),
        ("$1.5-2", "1.5..2"),
        ("$5-1k", "5..1000"),
        ("$500,000+", "500000"),
        ("$1M ETH", "1000000"),
        ("$827 USDC", "827"),
    ],
)
def test_dollars_are_read(text: str, dollars: str) -> None:
    """With a sign, a word, a magnitude in letters and any separators."""
    amounts = read_amounts(text)
    assert told(amounts.usd) == [dollars]
    assert not amounts.assets


@pytest.mark.parametrize(
    ("text", "assets"),
    [
        ("752 ETH", [("752", "ETH")]),
        ("514k ETH", [("514000", "ETH")]),
        ("153,037 ETH (~$30M)", [("153037", "ETH")]),
        ("8540ETH", [("8540", "ETH")]),
        ("12BNB", [("12", "BNB")]),
        ("155 $ETH", [("155", "ETH")]),
        ("~$10 ETH", [("10", "ETH")]),
        ("18 eth", [("18", "ETH")]),
        ("3 Bitcoin", [("3", "BTC")]),
        ("19,074 USDC.e", [("19074", "USDC.e")]),
        ("12 ETH.Then", [("12", "ETH")]),
        ("0,0067 WBTC", [("0.0067", "WBTC")]),
        ("996B (CGT token)", [("996000000000", "CGT")]),
        ("20 million Optimism (OP) tokens", [("20000000", "OP")]),
        ("1.2-1.5M USDC", [("1200000..1500000", "USDC")]),
        ("27.6 ETH & 3450 USDC", [("27.6", "ETH"), ("3450", "USDC")]),
        ("1 ETH - 2 BTC", [("1", "ETH"), ("2", "BTC")]),
    ],
)
def test_units_of_assets_are_read(text: str, assets: list[tuple[str, str]]) -> None:
    """No price is applied to them."""
    found = read_amounts(text).assets
    assert list(zip(told(found), (figure.unit for figure in found), strict=True)) == assets


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("140M", ["140000000"]),
        ("HLP -4M in 10 min", ["4000000"]),
        ("52000", ["52000"]),
        ("in 2025 with 19 wallets", []),
        ("20x, 10% or 5 percent at 12:53 on 2025-03-26", []),
        ("-97285b69e8c7", []),
        ("\u20ac5M", []),
        ("0x1234 v2 #42", []),
        ("5_000", []),
        ("1.2.3 or 1,2,3,4", []),
        ("9" * 41, []),
        ("1" + ",111" * 12, []),
    ],
)
def test_numbers_without_a_unit_stay_unknown(text: str, unknown: list[str]) -> None:
    """They are no dollars; counts, years, dates, shares and other currencies are no amounts at all."""
    amounts = read_amounts(text)
    assert told(amounts.unknown) == unknown
    assert not amounts.usd
    assert not amounts.assets


@pytest.mark.parametrize(
    ("text", "dollars"),
    [
        ("from $3M to $4.2M", ["3000000", "4200000"]),
        ("$3M and $4M", ["3000000", "4000000"]),
        ("$5M - $4M", ["5000000", "4000000"]),
        ("$5M, then $4M", ["5000000", "4000000"]),
    ],
)
def test_two_amounts_are_not_always_a_range(text: str, dollars: list[str]) -> None:
    """A rise, an enumeration and a fall are two amounts."""
    assert told(read_amounts(text).usd) == dollars


def test_how_an_amount_is_told() -> None:
    """About, at least, at most and a minus sign are kept beside it."""
    (about,) = read_amounts("about $4M").usd
    (least,) = read_amounts("more than $4M").usd
    (most,) = read_amounts("up to $4M").usd
    (negative,) = read_amounts("PnL -$4M").usd
    assert (about.about, about.at_least, about.at_most, about.negative) == (True, False, False, False)
    assert least.at_least
    assert most.at_most
    assert negative.negative
    assert negative.high == Decimal(4_000_000)
