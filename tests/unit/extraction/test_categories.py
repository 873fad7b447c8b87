"""Sorts of attack."""

import pytest

from kamiyo.extraction.categories import category_of


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("the deployer's private key leaked", "key_theft"),
        ("looks like a rug pull", "rug_pull"),
        ("oracle was manipulated", "oracle_manipulation"),
        ("self-liquidated into HLP", "liquidation_attack"),
        ("shorts were squeezed", "market_manipulation"),
        ("ADL triggered", "adl_cascade"),
        ("bad print", "oracle_failure"),
        ("the API is down", "outage"),
        ("emergency lock", "bridge"),
        ("reentrancy", "smart_contract_exploit"),
        ("nothing", None),
    ],
)
def test_the_first_category_with_its_words_is_taken(text: str, category: str | None) -> None:
    """The narrow ones come before the wide ones."""
    assert category_of(text) == category
