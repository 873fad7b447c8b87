"""A post read as a whole."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from kamiyo.core.reports import LONGEST_TEXT, LONGEST_TITLE, AssetAmount, Facts, Precision, ReportKind
from kamiyo.extraction.post import Reading, read_post

PUBLISHED = datetime(2025, 11, 13, 15, tzinfo=UTC)
HASH = "0x" + "ab" * 32
ADDRESS = "0x" + "cd" * 20


def test_a_claim_gives_its_facts() -> None:
    """What the text says is read into the fields, each with how sure its reading is."""
    reading = read_post(
        f"\U0001f6a8 Euler Finance was exploited on Ethereum at 12:53 UTC: 752 ETH (~$1.9M) lost, "
        f"$200K returned.\nhttps://etherscan.io/tx/{HASH} by {ADDRESS}",
        published_at=PUBLISHED,
    )
    facts = reading.facts
    assert reading.kind is ReportKind.RECOVERY
    assert reading.title.startswith("Euler Finance was exploited")
    assert (facts.name, facts.protocol, facts.chains) == ("Euler Finance", "euler_finance", ("ethereum",))
    assert (facts.amount_usd, facts.returned_usd) == (Decimal(1_900_000), Decimal(200_000))
    assert (facts.amounts, facts.assets) == ((AssetAmount("752", "ETH"),), ("ETH",))
    assert (facts.addresses, facts.transactions) == ((ADDRESS,), (HASH,))
    assert (facts.occurred_at, facts.precision) == (
        datetime(2025, 11, 13, 12, 53, tzinfo=UTC),
        Precision.MINUTE,
    )
    assert facts.category == "smart_contract_exploit"
    assert set(facts.confidence) == {
        *("kind", "name", "protocol", "chains", "amount_usd", "returned_usd", "amounts"),
        *("assets", "addresses", "transactions", "occurred_at", "category"),
    }
    assert all(0 < share <= 1 for share in facts.confidence.values())


def test_no_claim_gives_no_facts() -> None:
    """Price talk is nothing of any case, whatever it names."""
    assert read_post("$HYPE to $100 soon", published_at=PUBLISHED) == Reading(
        kind=None, facts=Facts(), title="$HYPE to $100 soon", rule="nothing_asserted"
    )


def test_what_is_not_said_stays_open() -> None:
    """Nothing is made up: no amount, no time, no chain."""
    facts = read_post(f"they were hacked {HASH}", published_at=PUBLISHED).facts
    assert facts == Facts(transactions=(HASH,), confidence=facts.confidence)
    assert set(facts.confidence) == {"kind", "transactions"}


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\U0001f6a8\U0001f6a8 ALERT\n  Euler was hacked\nmore", "Euler was hacked"),
        ("hi there", "hi there"),
        ("", ""),
        ("\U0001f6a8", "\U0001f6a8"),
        ("a b " + "x" * 400, ("a b " + "x" * 400)[:LONGEST_TITLE]),
    ],
)
def test_the_title_is_the_first_line_that_says_something(text: str, title: str) -> None:
    """Sirens and headings of a word are skipped."""
    assert read_post(text, published_at=PUBLISHED).title == title


def test_an_update_that_says_today_does_not_date_the_case() -> None:
    """A relative time in an update is that of the update; a written date is that of the case."""
    today = read_post("Today the Euler exploiter moved 100 ETH", published_at=PUBLISHED)
    dated = read_post("The exploiter of Euler, hacked on November 9, moved 100 ETH", published_at=PUBLISHED)
    assert (today.kind, today.facts.occurred_at) == (ReportKind.UPDATE, None)
    assert dated.facts.occurred_at == datetime(2025, 11, 9, tzinfo=UTC)


def test_a_chain_that_is_the_victim_is_not_where_it_happened() -> None:
    """Loopring users on Ethereum: the first is whom, the second where."""
    facts = read_post("Funds stolen from Loopring users on Ethereum", published_at=PUBLISHED).facts
    assert (facts.protocol, facts.chains) == ("loopring", ("ethereum",))


@pytest.mark.parametrize(
    "piece",
    [
        "1,",
        "1k$.\n",
        "lost 1k ",
        "Aa.Bb-",
        "0xa",
        "a.b/",
        "HLP ",
        "of the A ",
        "12:53 utc ",
        "a\u0301",
        "attacker ",
    ],
)
def test_hostile_text_takes_bounded_time(piece: str) -> None:
    """The longest text there is, made to make patterns try everything, costs no more than its length."""
    text = (piece * LONGEST_TEXT)[:LONGEST_TEXT]
    began = time.process_time()
    read_post(f"Euler was hacked. {text}", published_at=PUBLISHED)
    assert time.process_time() - began < 8
