"""Protocols by whole words and a table, never by parts of words."""

import pytest

from kamiyo.extraction.names import (
    candidates_in,
    identifier_of,
    is_name,
    names_in,
    protocol_of,
    protocols_in,
    table_of,
)


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("Euler V1", "euler_finance"),
        ("euler.finance", "euler_finance"),
        ("EulerFinance", "euler_finance"),
        ("GMX V1 Perps", "gmx"),
        ("Multichain (Anyswap)", "multichain"),
        ("SafeMoon Hack", "safemoon"),
        ("Silo Finance", "silo_finance"),
        ("Silo", "silo_finance"),
        ("Curve", "curve"),
        ("Gate.io", "gate_io"),
        ("Mango Markets V3", "mango_markets"),
        ("HLP vault", "hyperliquid_hlp"),
        ("Rain Protocol", None),
        ("Nobody Knows It", None),
        ("GM V1", None),
        ("V2", None),
        ("", None),
    ],
)
def test_a_cell_is_looked_up_by_its_name(name: str, identifier: str | None) -> None:
    """Versions, remarks and words of the trade do not matter; an unknown name has no identifier."""
    assert protocol_of(name) == identifier


@pytest.mark.parametrize(
    ("name", "identifier"),
    [("Euler V1", "euler_finance"), ("Brand New Swap V2", "brand_new_swap"), ("!", None)],
)
def test_an_unknown_name_makes_its_own_identifier(name: str, identifier: str | None) -> None:
    """What no table knows is its own words without the version."""
    assert identifier_of(name) == identifier


@pytest.mark.parametrize(
    ("text", "identifiers"),
    [
        ("someone lost something on the option market", ()),
        ("a loss on one protocol", ()),
        ("the level of risk", ()),
        ("Level of risk", ()),
        ("Level Finance", ("level_finance",)),
        ("Level was hacked", ("level_finance",)),
        ("Level is back", ()),
        ("Level", ()),
        ("Level just now", ()),
        ("Level users, ", ()),
        ("Gate Labs", ("gate_io",)),
        ("exploit of Level", ("level_finance",)),
        ("@curve", ("curve",)),
        ("curve pools", ()),
        ("Curve pools were drained", ("curve",)),
        ("Hyperliquid's HLP vault", ("hyperliquid_hlp",)),
        ("Aave, Uniswap and aave", ("aave", "uniswap")),
        ("pump.fun", ("pump_fun",)),
        ("pump. fun", ()),
        ("see https://aave.com/x", ()),
        ("a" * 200 + " b", ()),
    ],
)
def test_a_text_names_protocols_by_whole_words(text: str, identifiers: tuple[str, ...]) -> None:
    """An ordinary word is a name only where something says that it is one."""
    assert protocols_in(text) == identifiers


def test_an_ordinary_word_may_be_meant() -> None:
    """In capitals, as a handle or as a heading it is a candidate, else not even that."""
    assert [(name.identifier, name.sure) for name in candidates_in("felix: Curve and gate")] == [
        ("felix", False),
        ("curve", False),
    ]
    assert names_in("felix: Curve and gate") == []


def test_a_word_can_be_a_name_by_itself() -> None:
    """GMX is an asset too, ETH is no protocol."""
    assert is_name("GMX")
    assert not is_name("ETH")


def test_a_line_of_the_table_names_one_protocol() -> None:
    """The first that has a name keeps it; a listed name without its trade word is an ordinary word."""
    table = table_of("\na_b: Name, Word?\nc: Name", "Foo Finance; Bar")
    assert {key: tuple(entry) for key, entry in table.items()} == {
        "name": ("a_b", False),
        "word": ("a_b", True),
        "ab": ("a_b", False),
        "foofinance": ("foo_finance", False),
        "foo": ("foo_finance", True),
        "fooprotocol": ("foo_finance", False),
        "foofi": ("foo_finance", False),
        "bar": ("bar", False),
    }
