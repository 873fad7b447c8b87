"""Reports are put together by what they share, and every decision says why."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

from kamiyo.core.cases import Candidate, Decision, Outcome, birth_id
from kamiyo.core.ids import ExploitId
from kamiyo.core.money import Usd
from kamiyo.core.reports import Precision, Report, ReportId
from kamiyo.processing import matching
from kamiyo.processing.matching import Matcher, is_repost
from tests.claims import DAY, a_claim, a_curated_claim, a_row

HASH = "0x" + "ab" * 32
CATALOGUE = a_curated_claim(
    "jelly",
    "https://example.com/jelly-post-mortem-text",
    name="JELLY attack on HLP",
    protocol="hyperliquid_hlp",
    chains=("hyperliquid",),
    assets=("JELLY",),
    occurred_at=DAY + timedelta(hours=12, minutes=53),
    ended_at=DAY + timedelta(hours=15),
    precision=Precision.SECOND,
    category="liquidation_attack",
)


def case(*reports: Report, name: str = "case") -> Candidate:
    return Candidate(ExploitId(name), reports)


def row(number: int, name: str, day: int, **changes: Any) -> Report:
    return a_row(
        report_id=ReportId(f"list:{number}"),
        name=name,
        occurred_at=DAY + timedelta(days=day),
        precision=Precision.DAY,
        **changes,
    )


def decide(report: Report, *candidates: Candidate) -> Decision:
    decisions = [Matcher().decide(report, order) for order in permutations(candidates)]
    assert all(decision == decisions[0] for decision in decisions)
    return decisions[0]


def test_without_candidates_a_report_is_a_case_of_its_own() -> None:
    """What shares no key with any case is different from all, for no reason but that."""
    decision = decide(a_claim())
    assert (decision.outcome, decision.tx_hash, decision.reasons) == (Outcome.DIFFERENT, None, ())
    assert decision.probability < 0.001


def test_one_transaction_is_one_case() -> None:
    """Two reports of one transaction are the same, and the reason says so."""
    decision = decide(a_claim(transactions=(HASH,)), case(a_row(transactions=(HASH,))))
    assert (decision.outcome, decision.tx_hash) == (Outcome.SAME, "case")
    assert [reason.feature for reason in decision.reasons[:2]] == ["prior", "transaction"]
    assert HASH in decision.reasons[1].detail
    assert decision.probability > 0.999


def test_reasons_add_up_to_the_probability() -> None:
    """The weights of all reasons are the odds, in bits."""
    decision = decide(row(1, "Euler", 0), case(a_claim(name="Euler", occurred_at=DAY)))
    bits = sum(reason.weight for reason in decision.reasons)
    assert abs(decision.probability - 1 / (1 + 2**-bits)) < 1e-9


def test_a_namesake_of_the_same_day_is_for_a_person() -> None:
    """JellySwap on Base is not the JELLY of that day; one contradiction alone may be a mistake."""
    known = a_claim(name="JELLY", occurred_at=DAY, chains=("hyperliquid",), assets=("JELLY",))
    namesake = row(2, "JellySwap", 0, chains=("base",), assets=("USDC",))
    assert decide(namesake, case(known)).outcome is Outcome.ASK
    misplaced = row(3, "JellySwap", 0, chains=("base",))
    assert decide(misplaced, case(known)).outcome is Outcome.SAME
    shared = row(4, "JellySwap", 0, chains=("base",), assets=("USDC",), transactions=(HASH,))
    of_it = a_claim(name="JELLY", occurred_at=DAY, chains=("hyperliquid",), transactions=(HASH,))
    assert decide(shared, case(of_it)).outcome is Outcome.SAME


def test_another_name_on_the_same_day_is_another_case() -> None:
    """Two protocols robbed on one day are two cases."""
    decision = decide(row(1, "Euler", 0), case(a_claim(name="Cream", occurred_at=DAY)))
    assert (decision.outcome, decision.tx_hash) == (Outcome.DIFFERENT, None)


def test_another_name_with_the_same_day_and_amount_is_for_a_person() -> None:
    """Day, amount and way may agree by chance: two names are put together by a person only."""
    said: dict[str, Any] = {
        "amount_usd": Usd(Decimal(1_700_000)),
        "category": "reentrancy",
        "chains": ("bsc",),
    }
    decision = decide(row(1, "Hundred", 0, **said), case(a_claim(name="Paraluni", occurred_at=DAY, **said)))
    assert (decision.outcome, decision.tx_hash) == (Outcome.ASK, "case")


def test_some_doubt_is_for_a_person() -> None:
    """A week between two reports of one name is neither the same nor another."""
    decision = decide(
        row(1, "Euler", 0), case(a_claim(name="Euler", occurred_at=DAY + timedelta(days=5), amount_usd=None))
    )
    assert decision.outcome is Outcome.SAME
    doubtful = decide(
        row(1, "Euler", 0, amount_usd=Usd(Decimal(10))),
        case(a_claim(name="Euler", occurred_at=DAY + timedelta(days=5), amount_usd=Usd(Decimal(900)))),
    )
    assert doubtful.outcome is Outcome.ASK


def test_a_list_tells_its_rows_apart() -> None:
    """A second row of one list does not join a case that holds the first, however alike a post is."""
    known = case(row(1, "Merlin", 0), a_claim(name="Merlin", occurred_at=DAY))
    decision = decide(row(2, "Merlin", 0), known)
    assert decision.outcome is Outcome.ASK
    assert decision.reasons[-1].feature == "list"


def test_two_curated_cases_are_never_the_same() -> None:
    """What a curator keeps as two cases is not even compared."""
    decision = decide(
        a_curated_claim("other", transactions=(HASH,)), case(a_curated_claim("case", transactions=(HASH,)))
    )
    assert (decision.outcome, decision.reasons) == (Outcome.DIFFERENT, ())


def test_the_nearest_case_is_taken() -> None:
    """Of two attacks on one protocol a report tells of the nearer one."""
    first, second = row(1, "Conic", 0), row(2, "Conic", 10)
    decision = decide(
        a_claim(name="Conic", occurred_at=DAY), case(first, name="one"), case(second, name="two")
    )
    assert (decision.outcome, decision.tx_hash) == (Outcome.SAME, "one")


def test_a_report_between_two_cases_is_for_a_person() -> None:
    """A report that fits two cases which one list tells apart is for a person."""
    first, second = row(1, "Conic", 0), row(2, "Conic", 2)
    between = a_claim(name="Conic", occurred_at=DAY + timedelta(days=1))
    decision = decide(between, case(first, name="one"), case(second, name="two"))
    assert (decision.outcome, decision.tx_hash) == (Outcome.ASK, "two")


def test_two_cases_that_may_be_one_do_not_compete() -> None:
    """A case that waits for a person's answer does not keep further reports from joining the other."""
    first = a_claim(name="Conic", occurred_at=DAY)
    waiting = a_claim(report_id=ReportId("posts:2"), name="Conic", occurred_at=DAY + timedelta(days=1))
    decision = decide(
        a_claim(report_id=ReportId("posts:3"), name="Conic", occurred_at=DAY),
        case(first, name="one"),
        case(waiting, name="two"),
    )
    assert (decision.outcome, decision.tx_hash) == (Outcome.SAME, "one")


def test_two_cases_apart_compete_without_a_list() -> None:
    """Two cases of other names that a report's words name both are for a person."""
    told = a_claim(
        report_id=ReportId("posts:3"), title="Conic and Euler robbed", published_at=DAY + timedelta(days=1)
    )
    known = [
        a_claim(report_id=ReportId(f"posts:{name}"), name=name, occurred_at=DAY, precision=Precision.DAY)
        for name in ("Conic", "Euler")
    ]
    decision = decide(told, *(case(each, name=each.report_id) for each in known))
    assert decision.outcome is Outcome.ASK


def test_a_page_on_record_is_found_by_its_address() -> None:
    """A page that the catalogue cites joins its case although it tells nothing but its title."""
    page = a_claim(
        source_url="https://example.com/jelly-post-mortem-text",
        title="What happened with JELLY",
        published_at=DAY + timedelta(days=400),
    )
    assert set(Matcher().keys(page)) & set(Matcher().keys(CATALOGUE))
    assert decide(page, case(CATALOGUE)).outcome is Outcome.SAME


def test_posts_join_the_case_of_their_asset() -> None:
    """Posts of an attack join it by venue, asset and hour, whatever amount they tell; others do not."""
    after = DAY + timedelta(hours=13)
    for amount in (None, Usd(Decimal(12_000_000)), Usd(Decimal(230_000_000))):
        post = a_claim(protocol="hyperliquid", assets=("JELLY",), amount_usd=amount, published_at=after)
        assert decide(post, case(CATALOGUE)).outcome is Outcome.SAME
        assert set(Matcher().keys(post)) & set(Matcher().keys(CATALOGUE))
    other = a_claim(protocol="hyperliquid", assets=("POPCAT",), published_at=after)
    assert decide(other, case(CATALOGUE)).outcome is Outcome.DIFFERENT


def test_keys_are_told_once() -> None:
    """No key is told twice, and the same report has the same keys whatever was asked before."""
    matcher = Matcher()
    keys = matcher.keys(CATALOGUE)
    assert len(set(keys)) == len(keys) > 0
    assert matcher.keys(a_claim()) == ()
    assert matcher.keys(CATALOGUE) == Matcher().keys(CATALOGUE) == keys


def test_an_edited_report_is_read_again() -> None:
    """A report of the same id with other facts is not taken for the former."""
    matcher = Matcher()
    assert matcher.keys(a_claim(transactions=(HASH,))) == (f"tx:{HASH}",)
    assert matcher.keys(a_claim()) == ()


def test_what_is_remembered_is_bounded(monkeypatch: Any) -> None:
    """Reports beyond the bound are read again and decided alike."""
    monkeypatch.setattr(matching, "_REMEMBERED", 1)
    matcher = Matcher()
    reports = [a_claim(report_id=ReportId(f"posts:{number}"), transactions=(HASH,)) for number in range(3)]
    for report in reports:
        assert matcher.decide(report, [case(*reports)]).outcome is Outcome.SAME


def test_a_repost_is_known_here_too() -> None:
    """Whether one text repeats another is told by the same words."""
    text = "Somebody took about 196500 dollars of somebody else on Friday evening, it is said."
    assert is_repost(text, f"RT @a: {text}")
    assert birth_id(a_claim()) != ""
