"""What a report says is read into the form comparing needs."""

import math
from datetime import timedelta
from decimal import Decimal

import pytest

from kamiyo.core.money import Usd
from kamiyo.core.reports import AssetAmount, Precision
from kamiyo.processing._matching.views import view_of
from tests.claims import DAY, a_claim, a_curated_claim, a_row

HASH = "0x" + "ab" * 32
SINCE_1970 = 20_173.0


def test_nothing_said_is_nothing_known() -> None:
    """A report without facts has only the moment it was published."""
    view = view_of(a_claim())
    assert (view.starts, view.ends, view.is_dated) == (SINCE_1970, SINCE_1970, False)
    assert (view.names, view.amounts, view.units, view.page, view.pages) == ((), None, {}, "", frozenset())


@pytest.mark.parametrize(
    ("precision", "days"),
    [(None, 1), (Precision.MINUTE, 0), (Precision.DAY, 1), (Precision.MONTH, 31), (Precision.YEAR, 366)],
)
def test_a_moment_lasts_as_long_as_its_unit(precision: Precision | None, days: int) -> None:
    """What is known to the day may have happened at any time of it."""
    view = view_of(a_claim(occurred_at=DAY, precision=precision))
    assert view.is_dated
    assert view.ends - view.starts == pytest.approx(days, abs=0.01)


def test_a_moment_lasts_until_its_end() -> None:
    """The told end counts where it is later."""
    view = view_of(a_claim(occurred_at=DAY, precision=Precision.SECOND, ended_at=DAY + timedelta(days=2)))
    assert view.ends - view.starts == 2


def test_amounts_span_what_is_told() -> None:
    """All amounts in USD make a span of logarithms; zero is no amount; units are counted by asset."""
    view = view_of(
        a_claim(
            amount_usd=Usd(Decimal(0)),
            amount_usd_low=Usd(Decimal(10)),
            amount_usd_high=Usd(Decimal(1000)),
            amounts=(AssetAmount("752", "eth"), AssetAmount("0", "BNB")),
        )
    )
    assert view.amounts == (math.log(10), math.log(1000))
    assert view.units == {"ETH": math.log(752)}


def test_chains_and_assets_have_one_spelling() -> None:
    """Chains are read as their family, assets without the exchange that lists them."""
    view = view_of(a_claim(chains=("hyperevm", "solana"), assets=("xyz:tsla",)))
    assert view.chains == {"hyperliquid", "solana"}
    assert view.assets == {"TSLA"}


def test_names_are_the_protocol_and_the_name() -> None:
    """A protocol's identifier and the name are both read, and once where they are the same."""
    both = view_of(a_claim(protocol="euler_finance", name="Great robbery"))
    assert [name.stem for name in both.names] == ["euler", "greatrobbery"]
    assert len(view_of(a_claim(protocol="euler", name="euler")).names) == 1
    assert view_of(a_claim(name="unverified")).names == ()


def test_a_row_of_a_list_is_no_prose() -> None:
    """A list's cells are words, but no text that could be reposted."""
    row, post = view_of(a_row(text="Reentrancy of Euler")), view_of(a_claim(text="Reentrancy of Euler"))
    assert (row.text, row.listed_by, post.text, post.listed_by) == ("", "list", "Reentrancy of Euler", "")
    assert row.words == {"reentrancy", "of", "euler"}
    assert row.ways == {"reentrancy"}


def test_addresses_are_documents_pages_and_transactions() -> None:
    """Documents and transactions are read off addresses; what a curator cites counts as put on record."""
    post = view_of(a_claim(source_url="https://x.com/a/status/1234", text=f"https://a.io/tx/{HASH}"))
    assert post.documents == {"x:1234"}
    assert post.transactions == {HASH}
    assert not post.cited
    assert post.page == "x.com/a/status/1234"
    record = view_of(a_curated_claim("case", "https://example.com/one", ""))
    assert record.is_curated
    assert record.cited == {"example.com/one"}
    assert record.pages == {"example.com/one"}
