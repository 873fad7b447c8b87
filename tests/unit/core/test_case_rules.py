"""The exploit that reports make together: each field, its rule, and the order that does not matter."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.core.case_rules import LONGEST_DESCRIPTION, build_exploit, report_lines
from kamiyo.core.case_voices import Rule
from kamiyo.core.cases import StatusSet, birth_id
from kamiyo.core.exploits import CaseKind, Confidence, Exploit, ExploitStatus, Provenance
from kamiyo.core.ids import ExploitId
from kamiyo.core.money import Usd
from kamiyo.core.reports import (
    AssetAmount,
    Citation,
    Grade,
    Medium,
    Precision,
    Report,
    ReportId,
    ReportKind,
)
from tests.builders import HASH, NOW, OTHER_HASH, VICTIM, a_record, a_report, a_report_line, an_exploit

CASE = ExploitId("kamiyo:case")
LATER = NOW + timedelta(hours=1)
SOCIAL = {"medium": Medium.SOCIAL, "grade": Grade.CLAIM}


def usd(number: int) -> Usd:
    return Usd(Decimal(number))


def said(number: int, **changes) -> Report:
    return a_report(
        **{"report_id": ReportId(f"r:{number}"), "origin": f"o{number}", "text": f"#{number}"} | changes
    )


def made(*reports: Report, **more) -> Exploit:
    return build_exploit(CASE, reports, **more)


def amounts_of(exploit: Exploit) -> tuple[object, ...]:
    return (exploit.amount_usd_low, exploit.amount_usd, exploit.amount_usd_high)


def rule(exploit: Exploit, field: str) -> str:
    return exploit.provenance[field].rule


# --- one report ---------------------------------------------------------------------------------------------


def test_a_curated_report_alone_is_the_case_it_records() -> None:
    """Every field stands as the curator wrote it."""
    exploit = an_exploit(
        reports=(), aliases=("a-name", "0xbb"), ended_at=LATER, conflicts=("They differ.",), amount_usd=None
    )
    built = build_exploit(exploit.tx_hash, [a_record(exploit)])
    assert msgspec.structs.replace(built, reports=(), provenance={}) == exploit


def test_every_field_names_its_report_and_rule() -> None:
    """All but the list of reports and the names themselves; what nobody says is said to be nobody's."""
    exploit = made(said(1))
    told = set(Exploit.__struct_fields__) - {"reports", "provenance"}
    assert set(exploit.provenance) == told
    assert exploit.provenance["amount_usd"] == Provenance(report_id="r:1", rule="only")
    assert exploit.provenance["ended_at"] == Provenance(report_id=None, rule="nobody")


def test_what_a_report_does_not_say_is_unknown() -> None:
    """No field is filled with a guess; the moment is that of publication, and says so."""
    exploit = made(
        said(
            1,
            name=None,
            protocol=None,
            chains=(),
            assets=(),
            amount_usd=None,
            occurred_at=None,
            category=None,
        )
    )
    assert (exploit.name, exploit.protocol, exploit.chain, exploit.category) == (
        "A vault was drained", "unknown", "unknown", "unknown",
    )  # fmt: skip
    assert (exploit.amount_usd, exploit.amount_usd_low, exploit.amount_usd_high) == (None, None, None)
    assert (exploit.timestamp, exploit.timestamp_precision) == (NOW, "day")
    assert rule(exploit, "timestamp") == Rule.PUBLISHED
    assert (exploit.recovery_status, exploit.amount_note, exploit.assets) == ("unknown", "", ())
    assert (exploit.kind, exploit.status, exploit.confidence) == (
        CaseKind.INCIDENT, ExploitStatus.SUSPECTED, Confidence.MEDIUM,
    )  # fmt: skip


def test_a_report_without_a_title_has_no_name() -> None:
    """The name is unknown rather than empty."""
    assert made(said(1, name=None, title="")).name == "unknown"


def test_a_long_text_is_cut_at_a_word() -> None:
    """The description is readable; the report keeps its text whole."""
    exploit = made(said(1, text="word " * 1_000))
    assert len(exploit.description) <= LONGEST_DESCRIPTION + 2
    assert exploit.description.endswith("word …")


def test_a_report_lists_itself_or_what_it_rests_on() -> None:
    """Citations have ids of their own that do not depend on their titles."""
    plain = said(1)
    assert report_lines(plain) == (
        a_report_line(report_id="r:1", source="feeds", title=plain.title, grade="press"),
    )
    cited = tuple(
        Citation(title=title, source_url=url, grade=Grade.PRIMARY)
        for title, url in (("One", "https://example.org/1"), ("Other", "https://example.org/1"), ("None", ""))
    )
    one, other, none = report_lines(msgspec.structs.replace(plain, citations=cited))
    assert one.report_id == other.report_id != none.report_id
    assert (one.title, one.source_url, one.grade) == ("One", "https://example.org/1", "primary")


# --- who is right -------------------------------------------------------------------------------------------


def test_conflicting_amounts_give_low_high_and_best() -> None:
    """The weightiest figure is the best one; what the press says bounds it, what posts say does not."""
    exploit = made(
        said(1, amount_usd=usd(4_900_000)),
        said(2, amount_usd=usd(5_200_000), grade=Grade.PRIMARY),
        said(3, amount_usd=usd(4_000_000)),
        said(4, amount_usd=usd(400_000_000), **SOCIAL),
    )
    assert amounts_of(exploit) == (
        4_000_000,
        5_200_000,
        5_200_000,
    )
    assert rule(exploit, "amount_usd") == Rule.STANDING
    assert exploit.conflicts == (
        "o1 says 4900000 USD", "o3 says 4000000 USD", "o4 says 400000000 USD",
    )  # fmt: skip
    assert rule(exploit, "conflicts") == Rule.UNION


def test_posts_bound_what_only_posts_tell() -> None:
    """Where there is nothing better, claims are shown as what they are."""
    exploit = made(said(1, amount_usd=usd(3), **SOCIAL), said(2, amount_usd=usd(9), **SOCIAL))
    assert amounts_of(exploit) == (3, 9, 9)
    assert exploit.status is ExploitStatus.SUSPECTED


def test_an_amount_no_believed_report_names_is_bounded_by_those_who_do() -> None:
    """The press without a figure leaves the posts' figures standing."""
    exploit = made(said(1, amount_usd=None), said(2, amount_usd=usd(9), **SOCIAL))
    assert amounts_of(exploit) == (9, 9, 9)


def test_a_curator_s_bounds_need_no_repetition() -> None:
    """A figure within them is no news; one outside is a conflict, and changes no figure."""
    record = a_record(an_exploit(tx_hash=CASE, conflicts=("They differ.",)))
    exploit = made(record, said(1, amount_usd=usd(900_001)), said(2, amount_usd=usd(7)))
    assert amounts_of(exploit) == (
        900_000,
        1_000_000,
        1_100_000,
    )
    assert exploit.conflicts == ("They differ.", "o2 says 7 USD")
    unbounded = a_record(an_exploit(tx_hash=CASE, amount_usd=None, amount_usd_low=None, amount_usd_high=None))
    assert made(unbounded, said(1, amount_usd=usd(7))).amount_usd == 7


def test_assets_lost_are_noted_without_a_price() -> None:
    """752 ETH is said as that; nobody multiplies."""
    exploit = made(said(1, amount_usd=None, amounts=(AssetAmount("752", "ETH"), AssetAmount("1", "BTC"))))
    assert (exploit.amount_note, exploit.amount_usd) == ("752 ETH, 1 BTC", None)


def test_what_came_back_is_not_what_was_lost() -> None:
    """The figure of a recovery counts as returned only."""
    found = made(
        said(1, amount_usd=usd(10)),
        said(2, kind=ReportKind.RECOVERY, amount_usd=usd(4), returned_usd=usd(4), grade=Grade.PRIMARY),
    )
    assert found.amount_usd == usd(10)
    assert found.recovery_status == "4 USD returned"
    vague = made(said(1), said(2, kind=ReportKind.RECOVERY))
    assert vague.recovery_status == "returned in part or whole, amount unknown"


def test_a_finer_word_on_the_same_moment_is_taken() -> None:
    """A day from the weightiest report is refined by a minute within it, not by one of another day."""
    day = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    official = said(1, grade=Grade.PRIMARY, occurred_at=day, precision=Precision.DAY)
    within = said(2, occurred_at=NOW, precision=Precision.MINUTE)
    rough = said(3, occurred_at=NOW, precision=Precision.HOUR)
    another = said(4, occurred_at=day + timedelta(days=1), precision=Precision.SECOND)
    exploit = made(official, within, rough, another)
    assert (exploit.timestamp, exploit.timestamp_precision) == (NOW, "minute")
    assert exploit.provenance["timestamp"] == Provenance(report_id="r:2", rule="finest")
    assert made(official, another).timestamp == day


def test_a_moment_of_unknown_precision_is_a_day() -> None:
    """Nobody said that it was the second."""
    assert made(said(1, precision=None)).timestamp_precision == "day"


def test_an_end_before_the_start_is_not_one() -> None:
    """An end belongs to the moment that was decided on."""
    assert made(said(1, ended_at=NOW - timedelta(1))).ended_at is None
    assert made(said(1, ended_at=LATER)).ended_at == LATER


def test_names_of_all_believed_reports_are_united() -> None:
    """What the press names is listed, the weightiest first; what a post names beside it is not."""
    exploit = made(
        said(1, assets=("BTC", "ETH"), addresses=(VICTIM,)),
        said(2, assets=("SOL", "ETH"), grade=Grade.PRIMARY),
        said(3, assets=("DOGE",), **SOCIAL),
    )
    assert exploit.assets == ("SOL", "ETH", "BTC")
    assert exploit.provenance["assets"] == Provenance(report_id="r:2", rule="union")
    assert exploit.addresses == (VICTIM,)


def test_further_transactions_and_former_ids_are_aliases() -> None:
    """A case is found by every transaction of it, by its curator's id and by what it took over."""
    record = a_record(an_exploit(tx_hash=ExploitId("kamiyo:curated"), aliases=("jelly",)))
    exploit = made(
        record,
        said(1, transactions=(HASH, OTHER_HASH)),
        former_ids=[ExploitId("kamiyo:b"), ExploitId("kamiyo:a")],
    )
    assert exploit.aliases == ("jelly", "kamiyo:curated", HASH, OTHER_HASH, "kamiyo:a", "kamiyo:b")
    assert build_exploit(ExploitId(HASH), [said(1, transactions=(HASH,))]).aliases == ()


def test_the_birth_of_an_id_is_known() -> None:
    """The id comes from the report that opened the case, if that is still part of it."""
    record = a_record()
    assert build_exploit(birth_id(record), [record]).provenance["tx_hash"].report_id == record.report_id
    assert made(record).provenance["tx_hash"] == Provenance(report_id=None, rule="birth")


# --- denials, deletions, judgements -------------------------------------------------------------------------


def test_a_denial_is_a_conflict_and_never_a_fact() -> None:
    """Whatever figures and names it holds, and however near its author is."""
    denial = said(
        2,
        kind=ReportKind.DENIAL,
        grade=Grade.PRIMARY,
        amount_usd=usd(0),
        title="Nothing happened",
        assets=("X",),
    )
    with_it, without = made(said(1), denial), made(said(1))
    assert with_it.conflicts == ("o2 denies it: Nothing happened",)
    assert len(with_it.reports) == 2
    same: dict[str, Any] = {"conflicts": (), "reports": (), "provenance": {}}
    assert msgspec.structs.replace(with_it, **same) == msgspec.structs.replace(without, **same)


def test_a_denial_alone_is_a_case_of_which_nothing_is_known() -> None:
    """It has the title as its name, and no facts."""
    exploit = made(said(1, kind=ReportKind.DENIAL, title="We were not hacked"))
    assert (exploit.name, exploit.amount_usd, exploit.protocol) == ("We were not hacked", None, "unknown")
    assert (exploit.status, exploit.confidence) == (ExploitStatus.SUSPECTED, Confidence.LOW)


def test_a_deleted_report_says_nothing_any_more() -> None:
    """It stays in the list, and no field comes from it."""
    deleted = said(2, deleted_at=LATER, amount_usd=usd(5), grade=Grade.PRIMARY, title="", text="")
    exploit = made(said(1), deleted)
    assert exploit.amount_usd == 1_000_000
    assert {each.report_id for each in exploit.reports} == {"r:1", "r:2"}
    gone = made(deleted)
    assert (gone.name, gone.amount_usd, gone.description) == ("unknown", None, "")


@pytest.mark.parametrize(
    ("reports", "status"),
    [
        ([said(1), said(2)], ExploitStatus.CONFIRMED),
        ([said(1)], ExploitStatus.SUSPECTED),
        ([said(n, medium=Medium.SOCIAL, grade=Grade.PRIMARY) for n in range(20)], ExploitStatus.SUSPECTED),
        ([said(n, **SOCIAL) for n in range(20)], ExploitStatus.SUSPECTED),
        (
            [
                said(1, kind=ReportKind.DENIAL, grade=Grade.PRIMARY),
                said(2, kind=ReportKind.DENIAL),
                said(3, **SOCIAL),
            ],
            ExploitStatus.REFUTED,
        ),
    ],
)
def test_status_moves_by_rule(reports, status) -> None:
    """Two good voices confirm, social media alone never do, two good denials against claims refute."""
    exploit = made(*reports)
    assert exploit.status is status
    assert rule(exploit, "status") == Rule.VOICES


def test_a_person_s_word_on_the_status_holds() -> None:
    """Whatever the rules and the curator say."""
    decided = StatusSet(status=ExploitStatus.REFUTED, author="ada", reason="checked on chain")
    for reports in ([said(1), said(2)], [a_record()]):
        exploit = made(*reports, status_set=decided)
        assert (exploit.status, rule(exploit, "status")) == (ExploitStatus.REFUTED, Rule.PERSON)


def test_a_curator_s_suspicion_is_confirmed_by_others() -> None:
    """Two good voices besides move it; fewer leave it, and a curator's certainty stays."""
    suspected = a_record(an_exploit(tx_hash=CASE, status=ExploitStatus.SUSPECTED, confidence=Confidence.LOW))
    moved = made(suspected, said(1), said(2))
    assert (moved.status, moved.confidence) == (ExploitStatus.CONFIRMED, Confidence.HIGH)
    stays = made(suspected)
    assert (stays.status, stays.confidence, rule(stays, "status")) == (
        ExploitStatus.SUSPECTED, Confidence.LOW, Rule.CURATED,
    )  # fmt: skip
    refuted = a_record(an_exploit(tx_hash=CASE, status=ExploitStatus.REFUTED))
    assert made(refuted, said(1), said(2)).status is ExploitStatus.REFUTED


# --- the order does not matter ------------------------------------------------------------------------------


@st.composite
def reports(draw: st.DrawFn) -> list[Report]:
    """Draw reports of every kind that agree, differ, repeat each other and tie."""
    found = []
    for number in range(draw(st.integers(1, 7))):
        moment = st.sampled_from([NOW, LATER, NOW - timedelta(days=40)])
        found.append(
            said(
                number,
                origin=draw(st.sampled_from(["a", "b", "c", "d"])),
                medium=draw(st.sampled_from(Medium)),
                grade=draw(st.sampled_from(Grade)),
                kind=draw(st.sampled_from(ReportKind)),
                text=draw(
                    st.sampled_from(["", "x", "The same long sentence of which there are copies around."])
                ),
                published_at=draw(moment),
                edited_at=draw(st.none() | moment),
                deleted_at=draw(st.sampled_from([None, None, None, NOW])),
                repost_of=draw(st.sampled_from([None, None, "a"])),
                name=draw(st.sampled_from([None, "One", "Other"])),
                amount_usd=draw(st.sampled_from([None, usd(1), usd(2), usd(100)])),
                amount_usd_low=draw(st.sampled_from([None, usd(1)])),
                returned_usd=draw(st.sampled_from([None, usd(1)])),
                assets=draw(st.sampled_from([(), ("ETH",), ("BTC", "ETH")])),
                transactions=draw(st.sampled_from([(), (HASH,), (OTHER_HASH, HASH)])),
                occurred_at=draw(st.none() | moment),
                precision=draw(st.sampled_from([None, *Precision])),
                ended_at=draw(st.none() | moment),
                confidence=draw(st.sampled_from([{}, {"amount_usd": 0.4, "name": 0.5}])),
            )
        )
    if draw(st.booleans()):
        found.append(a_record(an_exploit(tx_hash=CASE, status=draw(st.sampled_from(ExploitStatus)))))
    return found


@pytest.mark.slow
@given(found=reports(), seed=st.integers())
def test_the_order_of_reports_does_not_matter(found, seed) -> None:
    """Any permutation gives the same exploit, and never a figure outside its own bounds."""
    shuffled = random.Random(seed).sample(found, len(found))
    exploit = made(*found)
    assert made(*shuffled) == exploit
    known = [exploit.amount_usd_low, exploit.amount_usd, exploit.amount_usd_high]
    told = [each for each in known if each is not None]
    assert told == sorted(told)


@pytest.mark.slow
@given(found=reports())
def test_social_reports_alone_never_confirm(found) -> None:
    """Whatever they say and however often."""
    social = [msgspec.structs.replace(each, medium=Medium.SOCIAL, curated=None) for each in found]
    assert made(*social).status is ExploitStatus.SUSPECTED
