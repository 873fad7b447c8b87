"""Whatever is done to cases in whatever order: nothing is lost, and everything can be taken back exactly."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kamiyo.core.cases import Answer
from kamiyo.core.errors import CaseConflict
from kamiyo.core.exploits import ExploitStatus
from kamiyo.core.ids import ExploitId
from kamiyo.core.reports import Grade, Medium, Report, ReportDeleted, ReportId, ReportKind
from kamiyo.storage.case_changes import answer_review, merge_cases, set_status, split_case
from kamiyo.storage.case_moves import Judge
from kamiyo.storage.case_undo import undo_event
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Connection, Pool
from tests.builders import NOW, VICTIM, a_batch, a_report
from tests.casebooks import led_to, live_cases, open_reviews, shown
from tests.fake_casebook import SameTransaction

ADA = Judge("ada", "a test of many steps")
HASHES = [f"0x{number:064x}" for number in range(1, 6)]


class Book:
    """A casebook under change, with everything that could be taken back."""

    def __init__(self, journal: PostgresJournal, connection: Connection, seed: int) -> None:
        self.journal = journal
        self.connection = connection
        self.dice = random.Random(seed)
        self.reports: dict[str, Report] = {}
        self.names: set[str] = set()
        self.done: list[tuple[str, int, dict[str, object]]] = []

    def report(self, number: int, **changes: Any) -> Report:
        dice = self.dice
        drawn: dict[str, Any] = {
            "report_id": ReportId(f"r:{number:03d}"),
            "origin": f"o{dice.randrange(6)}",
            "medium": dice.choice(list(Medium)),
            "grade": dice.choice(list(Grade)),
            "kind": dice.choice([ReportKind.NEW, ReportKind.NEW, *ReportKind]),
            "text": f"Report {number}.",
            "amount_usd": dice.choice([None, Decimal(dice.randrange(1, 9))]),
            "transactions": tuple(dice.sample(HASHES, dice.choice([0, 1, 1, 2]))),
            "addresses": dice.choice([(), (), (VICTIM,)]),
            "published_at": NOW + timedelta(minutes=dice.randrange(100)),
        }
        return a_report(**drawn | changes)

    async def tell(self) -> None:
        """New reports, edited ones, deletions and repetitions come in one batch."""
        events: list[Report | ReportDeleted] = []
        for _ in range(self.dice.randrange(1, 4)):
            number = self.dice.randrange(len(self.reports) + 2)
            known = self.reports.get(f"r:{number:03d}")
            edited = {} if known is None else {"edited_at": NOW + timedelta(hours=self.dice.randrange(9))}
            report = self.dice.choice([known or self.report(number), self.report(number, **edited)])
            self.reports[report.report_id] = report
            events.append(report)
            if self.dice.random() < 0.1:
                events.append(ReportDeleted(report_id=report.report_id, source=report.source, deleted_at=NOW))
        await self.journal.write(a_batch(events=tuple(events)))

    async def change(self) -> None:
        """One change by a person, kept with what stood before."""
        cases = await live_cases(self.connection)
        before = await shown(self.connection)
        case = ExploitId(self.dice.choice(sorted(cases)))
        event = None
        match self.dice.choice(["merge", "merge", "split", "split", "status", "answer"]):
            case "merge" if len(cases) > 1:
                other = ExploitId(self.dice.choice(sorted(set(cases) - {case})))
                event = await merge_cases(self.connection, case, other, ADA, NOW)
            case "split" if len(cases[case]) > 1:
                taken = self.dice.sample(cases[case], self.dice.randrange(1, len(cases[case])))
                event = await split_case(self.connection, case, taken, ADA, NOW)
            case "status":
                event = await set_status(
                    self.connection, case, self.dice.choice(list(ExploitStatus)), ADA, NOW
                )
            case "answer" if reviews := await open_reviews(self.connection):
                review = self.dice.choice(reviews)
                case = ExploitId(review.tx_hash)
                same = review.tx_hash == review.other
                answer = Answer.DIFFERENT if same else self.dice.choice(list(Answer))
                event = await answer_review(self.connection, review.review_id, answer, ADA, NOW)
            case _:
                return
        self.done.append((case, event, before))

    async def check(self) -> None:
        """Every report is in one case, every case has one, and every name that was ever seen leads to one."""
        cases = await live_cases(self.connection)
        stored = [report_id for own in cases.values() for report_id in own]
        assert sorted(stored) == sorted(self.reports)
        assert all(cases.values())
        events = await self.connection.fetch("SELECT tx_hash, other FROM case_events")
        self.names |= {name for row in events for name in row if name} | set(cases)
        assert {await led_to(self.connection, name) for name in self.names} <= set(cases)
        folded = await self.connection.fetchval("SELECT count(*) FROM exploits")
        assert folded == len(cases)


@pytest.fixture
async def books(pool: Pool):
    """Give what makes a casebook under change, of a seed."""
    async with pool.acquire() as connection:
        yield lambda seed: Book(PostgresJournal(pool, matching=SameTransaction()), connection, seed)


@pytest.mark.parametrize("seed", range(12))
async def test_changes_are_taken_back_one_after_the_other(books, seed) -> None:
    """After each undoing all answers are byte for byte what they were before the change."""
    book = books(seed)
    for _ in range(6):
        await book.tell()
    for _ in range(12):
        await book.change()
        await book.check()
    assert book.done
    while book.done:
        case, event, before = book.done.pop()
        await undo_event(book.connection, ExploitId(case), event, ADA, NOW)
        await book.check()
        assert await shown(book.connection) == before


@pytest.mark.parametrize("seed", range(100, 112))
async def test_anything_in_any_order_loses_nothing(books, seed) -> None:
    """Reports, changes and undoings mixed: what cannot be undone now is refused, and leaves no trace."""
    book = books(seed)
    await book.tell()
    for _ in range(40):
        match book.dice.choice(["tell", "change", "undo"]):
            case "tell":
                await book.tell()
            case "undo" if book.done:
                case, event, _before = book.dice.choice(book.done)
                before = await shown(book.connection)
                try:
                    await undo_event(book.connection, ExploitId(case), event, ADA, NOW)
                except CaseConflict:
                    assert await shown(book.connection) == before
            case _:
                await book.change()
        await book.check()
