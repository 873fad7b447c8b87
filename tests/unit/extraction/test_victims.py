"""Whom it happened to."""

import pytest

from kamiyo.extraction.victims import Victim, victim_in


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("Euler was hacked through Balancer", "euler_finance"),
        ("flash loan from Balancer used to drain Euler", "euler_finance"),
        ("exploit on Curve", "curve"),
        ("Aster: XPL printed 4", "aster"),
        ("Kinto's K token collapsed, drained from Uniswap", "kinto"),
        ("we see an exploit at @IonicMoney_ on Mode", "ionic"),
        ("in @IonicMoney an attacker exploited it", "ionic"),
        ("Hyperliquid was attacked, HLP paid", "hyperliquid_hlp"),
        ("Hyperliquid suffered an API outage", "hyperliquid_api"),
        ("Hyperliquid was attacked", "hyperliquid"),
        ("money is gone on Hyperliquid", "hyperliquid"),
        ("a bug in Euler", "euler_finance"),
        ("FooSwap was drained", "fooswap"),
        ("The FooSwap Exploit was big, FooSwap hacker", "fooswap"),
        ("BREAKING FooSwap hacker of", "fooswap"),
        ("attack involving #GoonSwap", "goonswap"),
        ("752 ETH gone from NemoVault", "nemovault"),
        ("NOT been exploited", None),
        ("FooSwap USERS hacked", "fooswap"),
        ("Foo's Swap was drained", "foo"),
        ("JELLY attack", None),
        ("Arbitrum exploited", None),
        ("swapped via Uniswap", None),
        ("nothing", None),
    ],
)
def test_the_victim_is_found(text: str, identifier: str | None) -> None:
    """A name that was struck comes first, means and assets are no victims."""
    victim = victim_in(text)
    assert (victim and victim.identifier) == identifier


def test_a_guess_is_less_sure_than_a_known_name() -> None:
    """How sure the reading is goes with it, and how the text writes the name."""
    assert victim_in("Euler Finance was hacked") == Victim("euler_finance", "Euler Finance", 90)
    assert victim_in("FooSwap was hacked") == Victim("fooswap", "FooSwap", 50)
