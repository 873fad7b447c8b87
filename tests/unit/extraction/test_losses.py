"""Which amount was lost, which came back, which is something else."""

from decimal import Decimal

import pytest

from kamiyo.extraction.losses import read_losses


@pytest.mark.parametrize(
    ("text", "dollars"),
    [
        ("drained of $4.9M", "4900000"),
        ("$4.9M drained using a $280M flash loan", "4900000"),
        ("TVL was $40M, $3M stolen", "3000000"),
        ("losses revised from $7M to $7.49M", "7490000"),
        ("$21M stolen instead of $17.75M", "21000000"),
        ("attacker netted $80M, protocol lost $182M", "182000000"),
        ("attacker netted $80M", "80000000"),
        ("Bad news. It took about $5M", "5000000"),
        ("about $5M", "5000000"),
        ("bounty of $4.2M if the rest of the $42M comes", "42000000"),
        ("vault PnL -$5M", "5000000"),
        ("lost 5M", None),
        ("a $40M long", None),
        ("", None),
    ],
)
def test_the_dollars_that_were_lost(text: str, dollars: str | None) -> None:
    """The nearest telling word decides, a loss before a gain, a new figure before the old one."""
    assert read_losses(text).usd == (None if dollars is None else Decimal(dollars))


def test_bounds_and_ranges_are_kept() -> None:
    """A range has no best value, a bound is told as one."""
    span = read_losses("lost $1.2-1.5M")
    assert (span.usd, span.low, span.high) == (None, Decimal(1_200_000), Decimal(1_500_000))
    least = read_losses("lost over $3M")
    assert (least.usd, least.low, least.high) == (Decimal(3_000_000), Decimal(3_000_000), None)
    most = read_losses("lost up to $3M")
    assert (most.usd, most.low, most.high) == (Decimal(3_000_000), None, Decimal(3_000_000))


@pytest.mark.parametrize(
    ("text", "returned", "dollars"),
    [
        ("rescued $3.2M of the $10M stolen", "3200000", "10000000"),
        ("negotiated with its attacker and got back $4.0M out of $4.9M", "4000000", "4900000"),
        ("hacker sent back $37.5M, keeping $4.5M", "37500000", None),
        ("will be returned: $4M stolen", None, "4000000"),
    ],
)
def test_what_came_back_is_no_loss(text: str, returned: str | None, dollars: str | None) -> None:
    """A return that is only hoped for is none."""
    losses = read_losses(text)
    assert losses.returned == (None if returned is None else Decimal(returned))
    assert losses.usd == (None if dollars is None else Decimal(dollars))


def test_units_of_assets_are_kept_as_told() -> None:
    """What was minted out of nothing was not lost."""
    losses = read_losses("lost 752 ETH and 1,000.50 DAI after minted 5B vUSD")
    assert [(each.amount, each.asset) for each in losses.amounts] == [("752", "ETH"), ("1000.5", "DAI")]
    assert losses.losing


def test_it_is_told_whether_anything_may_be_lost() -> None:
    """A large number without a unit may be, a count may not."""
    assert read_losses("lost 58M").losing
    assert not read_losses("lost 3000 times").losing
    assert read_losses("lost $3M").percent > read_losses("$3M").percent > 0
