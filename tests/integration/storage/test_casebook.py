"""Reports become cases on a real database, whatever is repeated, and every change is undone exactly."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from kamiyo.core.cases import Answer, CaseEventKind
from kamiyo.core.errors import CaseConflict, StorageRefused, UnknownCase
from kamiyo.core.exploits import ExploitStatus, exploit_id
from kamiyo.core.ids import ExploitId
from kamiyo.core.ports import Written
from kamiyo.core.reports import Facts, Report, ReportDeleted, ReportId, ReportKind
from kamiyo.storage.case_changes import answer_review, merge_cases, set_status, split_case
from kamiyo.storage.case_moves import Judge
from kamiyo.storage.case_undo import undo_event
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Connection, Pool
from kamiyo.storage.read_exploits import read_exploit
from tests.builders import (
    HASH,
    MAKER,
    NOW,
    OTHER_HASH,
    VICTIM,
    a_batch,
    a_ledger_movement,
    a_record,
    a_report,
    an_exploit,
)
from tests.casebooks import history_of, kinds_of, led_to, live_cases, open_reviews, shown
from tests.fake_casebook import SameTransaction
from tests.stored import stored_in

ADA = Judge("ada", "looked at the chain")
LATER = NOW + timedelta(hours=1)
CASE, OTHER = ExploitId(HASH), ExploitId(OTHER_HASH)


@pytest.fixture
def journal(pool: Pool) -> PostgresJournal:
    """Give a journal that joins what shares a transaction, and asks about what shares an address."""
    return PostgresJournal(pool, matching=SameTransaction())


@pytest.fixture
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """Give a connection to look with and to change with."""
    async with pool.acquire() as acquired:
        yield acquired


def said(number: int, **changes: Any) -> Report:
    own = {"report_id": ReportId(f"r:{number}"), "origin": f"o{number}", "text": f"Report {number}."}
    return a_report(**own | {"transactions": (HASH,)} | changes)


async def file(journal: PostgresJournal, *events: Report | ReportDeleted) -> Written:
    return await journal.write(a_batch(events=events))


async def exploit(connection: Connection, tx_hash: str = CASE) -> Any:
    record = await read_exploit(connection, tx_hash)
    assert record is not None
    return record.exploit


# --- reports come in ----------------------------------------------------------------------------------------


async def test_reports_of_one_case_are_one_exploit(journal, connection) -> None:
    """The first opens it, the second joins it, and both are told with growing versions."""
    assert await file(journal, said(1)) == Written(new_rows=1)
    assert await file(journal, said(2, amount_usd=Decimal(2_000_000), published_at=LATER)) == Written(
        new_rows=1
    )
    assert await live_cases(connection) == {HASH: ["r:1", "r:2"]}
    found = await exploit(connection)
    assert (found.amount_usd_low, found.amount_usd_high, found.status) == ("1000000", "2000000", "confirmed")
    assert await kinds_of(connection, CASE) == [
        CaseEventKind.OPENED, CaseEventKind.JOINED, CaseEventKind.STATUS_SET,
    ]  # fmt: skip


async def test_the_same_report_again_is_nothing(journal, pool) -> None:
    """Received again, in another batch or the same: no event, no version, no message."""
    await file(journal, said(1), said(1))
    before = await stored_in(pool)
    again = msgspec.structs.replace(said(1), received_at=LATER)
    assert await file(journal, again) == Written()
    assert await stored_in(pool) == before
    assert before.exploits[HASH][1] == 1


async def test_a_batch_is_told_once_for_each_case(journal, pool) -> None:
    """Many reports of one batch make one version."""
    await file(journal, *(said(number) for number in range(5)), said(9, transactions=(OTHER_HASH,)))
    stored = await stored_in(pool)
    assert {case: version for case, (_message, version) in stored.exploits.items()} == {
        HASH: 1,
        OTHER_HASH: 1,
    }
    assert [channel for channel, _message in stored.published] == ["exploits"] * 2


async def test_an_edited_report_changes_its_case(journal, connection) -> None:
    """The case says what the report says now, the old words are kept, and its keys are the new ones."""
    await file(journal, said(1))
    edited = said(1, text="Corrected.", edited_at=LATER, amount_usd=Decimal(7), transactions=(OTHER_HASH,))
    assert await file(journal, edited) == Written(new_rows=1)
    found = await exploit(connection)
    assert (found.amount_usd, found.version, found.description) == ("7", 2, "Corrected.")
    assert await kinds_of(connection, CASE) == [CaseEventKind.OPENED, CaseEventKind.CHANGED]
    versions = await connection.fetch("SELECT version, content FROM report_versions")
    assert [(row["version"], "Report 1." in row["content"]) for row in versions] == [(1, True)]

    await file(journal, said(2, transactions=(OTHER_HASH,)), said(3))
    assert await live_cases(connection) == {HASH: ["r:1", "r:2"], exploit_id("r:3 0"): ["r:3"]}


@pytest.mark.parametrize("edited_at", [None, NOW, LATER - timedelta(seconds=1)])
async def test_what_was_said_before_an_edit_comes_too_late(journal, connection, edited_at) -> None:
    """A backfill that finds the older words changes nothing."""
    await file(journal, said(1, edited_at=LATER))
    assert await file(journal, said(1, text="older", edited_at=edited_at)) == Written()
    assert (await exploit(connection)).description == "Report 1."


async def test_a_deleted_report_loses_its_words(journal, connection) -> None:
    """Nowhere is anything kept of them; that it was said is, and it is never said again."""
    secret = "a secret nobody may keep"
    await file(journal, said(1, text=secret), said(2, amount_usd=Decimal(5)))
    await file(journal, said(1, text=f"{secret}, edited", edited_at=NOW, title=secret))
    gone = ReportDeleted(report_id=ReportId("r:1"), source=said(1).source, deleted_at=LATER)
    assert await file(journal, gone) == Written(new_rows=1)
    assert await file(journal, gone, said(1, edited_at=LATER), gone) == Written()

    found = await exploit(connection)
    assert (found.amount_usd, found.amount_usd_high, len(found.reports)) == ("5", "5", 2)
    tables = ("reports", "report_versions", "report_keys", "exploits", "case_events", "reviews")
    kept = [str(await connection.fetch(f"SELECT * FROM {table}")) for table in tables]
    assert not [text for text in kept if secret in text]
    assert (await kinds_of(connection, CASE))[-2:] == [CaseEventKind.CHANGED, CaseEventKind.STATUS_SET]


async def test_a_deletion_of_what_nobody_stored_is_nothing(journal, connection) -> None:
    """A post of before our time was taken back."""
    gone = ReportDeleted(report_id=ReportId("r:1"), source=said(1).source, deleted_at=LATER)
    assert await file(journal, gone) == Written()
    assert await live_cases(connection) == {}


async def test_two_cases_never_share_an_id(journal, connection) -> None:
    """A report that matches nothing opens a case of its own even where its birth id is taken."""
    journal = PostgresJournal(journal._pool)
    await file(journal, said(1), said(2), said(3))
    assert await live_cases(connection) == {
        HASH: ["r:1"], exploit_id("r:2 0"): ["r:2"], exploit_id("r:3 0"): ["r:3"],
    }  # fmt: skip


async def test_a_refused_batch_leaves_no_trace(journal, pool) -> None:
    """Reports are stored with everything else of their batch, or not at all."""
    before = await stored_in(pool)
    with pytest.raises(StorageRefused):
        await journal.write(a_batch(events=(said(1), a_ledger_movement(delta=b"\xff"))))
    assert await stored_in(pool) == before


async def test_writers_at_the_same_time_make_one_case(pool, connection) -> None:
    """Ten sources tell of one case at once: one opens it, nine join, and versions are told in order."""
    journals = [PostgresJournal(pool, matching=SameTransaction()) for _ in range(4)]
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(file(journals[number % 4], said(number % 10)))
    assert await live_cases(connection) == {HASH: sorted(f"r:{number}" for number in range(10))}
    told = [
        msgspec.json.decode(message)["version"] for _channel, message in (await stored_in(pool)).published
    ]
    assert told == sorted(told)
    assert len(told) == len(set(told)) == 10


async def test_many_reports_of_a_key_cost_no_more(journal, connection) -> None:
    """Only the newest of a key and the cases that share most are looked at."""
    posts = [
        said(number, transactions=(), addresses=(VICTIM,), published_at=NOW + timedelta(seconds=number))
        for number in range(150)
    ]
    looked_at: list[int] = []

    class Counting(SameTransaction):
        def decide(self, report, candidates):
            looked_at.append(sum(len(each.reports) for each in candidates))
            return super().decide(report, candidates)

    journal = PostgresJournal(journal._pool, matching=Counting())
    await file(journal, *posts)
    assert max(looked_at) <= 16 * 32
    assert len(looked_at) == 149


async def test_the_first_sight_of_a_case_is_that_of_its_oldest_report(journal, connection) -> None:
    """Whatever comes later, and however often it is edited."""
    await file(journal, said(1, received_at=LATER))
    await file(journal, said(2, received_at=NOW), said(1, received_at=LATER + timedelta(1), text="x"))
    record = await read_exploit(connection, CASE)
    assert record is not None
    assert record.first_seen_at == "2025-10-10T21:16:00.250Z"


# --- people ask, merge, split, and take back ----------------------------------------------------------------


@pytest.fixture
async def two_cases(journal, connection) -> None:
    """Store two cases, of three reports and of two."""
    await file(journal, said(1), said(2), said(3, kind=ReportKind.DENIAL))
    await file(
        journal, said(4, transactions=(OTHER_HASH,)), said(5, transactions=(OTHER_HASH,), received_at=LATER)
    )


async def test_a_merge_is_one_exploit_and_its_undoing_two(two_cases, connection) -> None:
    """The id that goes away answers with the other; undone, both stand byte for byte as before."""
    before = await shown(connection)
    event = await merge_cases(connection, CASE, OTHER, ADA, NOW)
    assert await live_cases(connection) == {HASH: [f"r:{number}" for number in range(1, 6)]}
    assert await led_to(connection, OTHER) == CASE
    assert OTHER in (await exploit(connection)).aliases
    [told] = [each for each in await history_of(connection, CASE) if each.event_id == event]
    assert (told.kind, told.author, told.reason, told.other) == ("merged", "ada", ADA.reason, OTHER)
    with pytest.raises(CaseConflict, match="same case already"):
        await merge_cases(connection, CASE, OTHER, ADA, NOW)

    undoing = await undo_event(connection, CASE, event, Judge("bob", "they are two"), LATER)
    assert await shown(connection) == before
    assert await led_to(connection, OTHER) == OTHER
    assert {each.event_id: each.undone_by for each in await history_of(connection, CASE)}[event] == undoing
    with pytest.raises(CaseConflict, match="undone already"):
        await undo_event(connection, CASE, event, ADA, LATER)


async def test_versions_never_go_back(two_cases, connection) -> None:
    """A case that went away and came back is newer than it was, for whoever compares."""
    versions = [(await exploit(connection, OTHER)).version]
    for _ in range(2):
        event = await merge_cases(connection, CASE, OTHER, ADA, NOW)
        await undo_event(connection, OTHER, event, ADA, NOW)
        versions.append((await exploit(connection, OTHER)).version)
    assert versions == [1, 2, 3]


async def test_a_merged_case_that_is_split_again_gets_its_id_back(two_cases, connection) -> None:
    """With it go the names of what had been merged into it."""
    before = await shown(connection)
    await merge_cases(connection, CASE, OTHER, ADA, NOW)
    merged = await shown(connection)
    split = await split_case(connection, CASE, ["r:4", "r:5"], ADA, NOW)
    assert await shown(connection) == before
    await undo_event(connection, CASE, split, ADA, NOW)
    assert await shown(connection) == merged
    assert await led_to(connection, OTHER) == CASE


async def test_a_split_makes_a_case_and_its_undoing_none(two_cases, connection) -> None:
    """The new id leads back to the case afterwards, and is not shown among its names."""
    before = await shown(connection)
    event = await split_case(connection, CASE, ["r:3", "r:2"], ADA, NOW)
    new = (await history_of(connection, CASE))[-1].other
    assert new == exploit_id("r:2 0")
    assert (await live_cases(connection))[new] == ["r:2", "r:3"]
    await undo_event(connection, exploit_id("r:2 0"), event, ADA, NOW)
    assert await shown(connection) == before
    assert await led_to(connection, new) == CASE
    await split_case(connection, CASE, ["r:3", "r:2"], ADA, NOW)
    assert await led_to(connection, exploit_id("r:2 1")) is None
    assert (await exploit(connection, new)).version == 2


async def test_a_joined_report_is_taken_out_again(two_cases, connection) -> None:
    """What the rules joined a person can undo, with a reason."""
    [joined] = [
        each
        for each in await history_of(connection, CASE)
        if each.kind == "joined" and each.report_ids == ["r:2"]
    ]
    await undo_event(connection, CASE, joined.event_id, ADA, NOW)
    assert (await live_cases(connection))[exploit_id("r:2 0")] == ["r:2"]
    assert (await history_of(connection, CASE))[-1].other == exploit_id("r:2 0")


async def test_a_split_takes_some_reports_of_the_case(two_cases, journal, connection) -> None:
    """Not all, not others', and not the curated one that gave the case its id."""
    for wrong, error in (
        ([], UnknownCase), (["r:4"], UnknownCase), (["r:1", "r:2", "r:3"], CaseConflict),
    ):  # fmt: skip
        with pytest.raises(error):
            await split_case(connection, CASE, wrong, ADA, NOW)
    record = a_record(an_exploit(tx_hash=ExploitId("kamiyo:curated")))
    await file(journal, record)
    await merge_cases(connection, ExploitId("kamiyo:curated"), CASE, ADA, NOW)
    with pytest.raises(CaseConflict, match="curated"):
        await split_case(connection, CASE, [record.report_id], ADA, NOW)


async def test_what_was_done_since_is_undone_first(two_cases, journal, connection) -> None:
    """Out of order nothing is guessed: the answer says what stands in the way."""
    first = await merge_cases(connection, CASE, OTHER, ADA, NOW)
    second = await split_case(connection, CASE, ["r:4"], ADA, NOW)
    with pytest.raises(CaseConflict, match="moved since"):
        await undo_event(connection, CASE, first, ADA, NOW)
    new = ExploitId((await history_of(connection, CASE))[-1].other or "")
    await file(journal, said(6, transactions=("0x" + "ee" * 32,)))
    third = await merge_cases(connection, new, ExploitId("0x" + "ee" * 32), ADA, NOW)
    with pytest.raises(CaseConflict, match="joined"):
        await undo_event(connection, CASE, second, ADA, NOW)
    for event in (third, second, first):
        await undo_event(connection, CASE if event != third else new, event, ADA, NOW)
    assert (await live_cases(connection))[OTHER] == ["r:4", "r:5"]


async def test_the_same_move_made_twice_is_undone_last_first(two_cases, connection) -> None:
    """An event whose effect was made again since is not the one to undo."""
    first = await merge_cases(connection, CASE, OTHER, ADA, NOW)
    await split_case(connection, CASE, ["r:4", "r:5"], ADA, NOW)
    second = await merge_cases(connection, CASE, OTHER, ADA, NOW)
    with pytest.raises(CaseConflict):
        await undo_event(connection, CASE, first, ADA, NOW)
    await undo_event(connection, CASE, second, ADA, NOW)


async def test_reports_that_came_since_a_merge_stay(two_cases, journal, connection) -> None:
    """Undoing moves back what the merge moved, and nothing else."""
    event = await merge_cases(connection, CASE, OTHER, ADA, NOW)
    await file(journal, said(7))
    await undo_event(connection, CASE, event, ADA, NOW)
    assert await live_cases(connection) == {HASH: ["r:1", "r:2", "r:3", "r:7"], OTHER_HASH: ["r:4", "r:5"]}


async def test_a_chain_of_merges_leads_to_the_last(two_cases, journal, connection) -> None:
    """Whoever asks for the first id ends at the last case, and undoing gives all back in turn."""
    await file(journal, said(8, transactions=("0x" + "ee" * 32,)))
    third = ExploitId("0x" + "ee" * 32)
    states = [await shown(connection)]
    events = [await merge_cases(connection, OTHER, CASE, ADA, NOW)]
    states.append(await shown(connection))
    events.append(await merge_cases(connection, third, CASE, ADA, NOW))
    assert await led_to(connection, CASE) == await led_to(connection, OTHER) == third
    for event, state in zip(reversed(events), reversed(states), strict=True):
        await undo_event(connection, CASE, event, ADA, NOW)
        assert await shown(connection) == state


async def test_a_person_s_status_holds_until_it_is_undone(two_cases, journal, connection) -> None:
    """It is audited, outlives new reports, and then the rules decide again."""
    before = await shown(connection)
    first = await set_status(connection, CASE, ExploitStatus.REFUTED, ADA, NOW)
    second = await set_status(connection, CASE, ExploitStatus.CONFIRMED, Judge("bob", "it was"), NOW)
    assert (await exploit(connection)).status == "confirmed"
    await undo_event(connection, CASE, second, ADA, NOW)
    assert (await exploit(connection)).status == "refuted"
    await undo_event(connection, CASE, first, ADA, NOW)
    assert await shown(connection) == before
    kinds = await kinds_of(connection, CASE)
    assert kinds.count(CaseEventKind.UNDONE) == 2
    by_rules = (await history_of(connection, CASE))[-2]
    assert (by_rules.kind, by_rules.author) in {("status_set", "rules"), ("undone", "ada")}
    await set_status(connection, CASE, ExploitStatus.REFUTED, ADA, NOW)
    await file(journal, said(6))
    assert (await exploit(connection)).status == "refuted"


async def test_what_rules_did_to_a_status_is_not_undone(journal, connection) -> None:
    """Its cause can be; an opening, a change and a question cannot be either."""
    await file(journal, said(1))
    await file(journal, said(2))
    for event in await history_of(connection, CASE):
        if event.kind != "joined":
            with pytest.raises(CaseConflict, match="cannot be undone"):
                await undo_event(connection, CASE, event.event_id, ADA, NOW)


@pytest.fixture
async def asked(journal, connection) -> int:
    """Store two cases and the question whether they are one; give its id."""
    await file(journal, said(1, addresses=(VICTIM,)))
    await file(journal, said(2, transactions=(OTHER_HASH,), addresses=(VICTIM, MAKER)))
    [review] = await open_reviews(connection)
    assert (review.report_id, review.tx_hash, review.other, review.probability) == ("r:2", OTHER, CASE, 0.5)
    return review.review_id


async def test_what_rules_cannot_decide_a_person_is_asked(asked, connection) -> None:
    """Until then the report is a case of its own; the question stands in its history."""
    assert await live_cases(connection) == {HASH: ["r:1"], OTHER_HASH: ["r:2"]}
    assert await kinds_of(connection, OTHER) == [CaseEventKind.OPENED, CaseEventKind.ASKED]


async def test_an_answer_of_same_merges(asked, connection) -> None:
    """Undoing the merge asks again; an answer is given once."""
    before = await shown(connection)
    event = await answer_review(connection, asked, Answer.SAME, ADA, NOW)
    assert await live_cases(connection) == {HASH: ["r:1", "r:2"]}
    assert await open_reviews(connection) == []
    with pytest.raises(CaseConflict, match="answered already"):
        await answer_review(connection, asked, Answer.DIFFERENT, ADA, NOW)
    [answered] = [each for each in await history_of(connection, CASE) if each.kind == "answered"]
    with pytest.raises(CaseConflict, match="merged for it"):
        await undo_event(connection, CASE, answered.event_id, ADA, NOW)
    await undo_event(connection, CASE, event, ADA, NOW)
    assert await shown(connection) == before


async def test_an_answer_of_different_leaves_both(asked, connection) -> None:
    """It can be taken back, and then the question stands again."""
    before = await shown(connection)
    event = await answer_review(connection, asked, Answer.DIFFERENT, ADA, NOW)
    assert await open_reviews(connection) == []
    assert await live_cases(connection) == {HASH: ["r:1"], OTHER_HASH: ["r:2"]}
    await undo_event(connection, OTHER, event, ADA, NOW)
    assert await shown(connection) == before


async def test_a_merge_answers_what_it_settles(asked, connection) -> None:
    """Nobody is asked about what somebody decided already; undone, the question stands again."""
    before = await shown(connection)
    event = await merge_cases(connection, OTHER, CASE, ADA, NOW)
    assert await open_reviews(connection) == []
    await undo_event(connection, OTHER, event, ADA, NOW)
    assert await shown(connection) == before


async def test_an_answer_follows_the_case_it_meant(asked, journal, connection) -> None:
    """The case asked about became part of another meanwhile."""
    third = ExploitId("0x" + "ee" * 32)
    await file(journal, said(3, transactions=(third,)))
    await merge_cases(connection, third, CASE, ADA, NOW)
    [review] = await open_reviews(connection)
    assert review.other == third
    await answer_review(connection, asked, Answer.SAME, ADA, NOW)
    assert await live_cases(connection) == {third: ["r:1", "r:2", "r:3"]}


async def test_what_nobody_knows_is_said_to_be_unknown(two_cases, connection) -> None:
    """A case, a review, an event, or an event of another case."""
    nothing = ExploitId("kamiyo:nothing")
    event = await set_status(connection, CASE, ExploitStatus.REFUTED, ADA, NOW)
    for attempt in (
        merge_cases(connection, CASE, nothing, ADA, NOW),
        split_case(connection, nothing, ["r:1"], ADA, NOW),
        set_status(connection, nothing, ExploitStatus.REFUTED, ADA, NOW),
        answer_review(connection, 12345, Answer.SAME, ADA, NOW),
        undo_event(connection, CASE, 12345, ADA, NOW),
        undo_event(connection, OTHER, event, ADA, NOW),
    ):
        with pytest.raises(UnknownCase):
            await attempt


async def test_changes_are_told_on_the_stream(two_cases, connection, pool) -> None:
    """Both cases of a split, and the one of a merge, each with its version."""
    told = len((await stored_in(pool)).published)
    await split_case(connection, CASE, ["r:2"], ADA, NOW)
    await merge_cases(connection, CASE, OTHER, ADA, NOW)
    messages = [
        msgspec.json.decode(message) for _channel, message in (await stored_in(pool)).published[told:]
    ]
    assert [(each["tx_hash"], each["version"]) for each in messages] == [
        (exploit_id("r:2 0"), 1), (HASH, 2), (HASH, 3),
    ]  # fmt: skip


async def test_a_report_without_facts_is_a_case(journal, connection) -> None:
    """Nothing is known of it, and nothing is made up."""
    await file(journal, msgspec.structs.replace(said(1), facts=Facts(), title="", text=""))
    [case] = await live_cases(connection)
    assert (await exploit(connection, case)).name == "unknown"
