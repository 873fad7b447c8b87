"""What people do to cases: merge and split them, set a status, answer a review, and take any of it back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count

import asyncpg
import msgspec

from kamiyo.core.cases import RULES, Answer, CaseEventKind, birth_id
from kamiyo.core.errors import CaseConflict, UnknownCase
from kamiyo.core.exploits import ExploitStatus, exploit_id
from kamiyo.core.ids import ExploitId
from kamiyo.core.reports import Report
from kamiyo.storage.case_work import CaseWork, Details, NewEvent, open_work, parse_details, parse_report
from kamiyo.storage.partitions import ensure_outbox_days
from kamiyo.storage.pool import Connection, Pool, translated

_PATIENCE_SECONDS = 20
_TODAY = "SELECT (now() AT TIME ZONE 'UTC')::date"
_LIVE = "SELECT EXISTS (SELECT FROM exploits WHERE tx_hash = $1)"
_STATUS = "SELECT status FROM exploits WHERE tx_hash = $1"
_REPORTS = "SELECT content FROM reports WHERE tx_hash = $1 ORDER BY position"
_CASES_OF = "SELECT DISTINCT tx_hash FROM reports WHERE report_id = ANY($1::text[])"
_ALIASES = "SELECT alias FROM exploit_aliases WHERE tx_hash = $1 ORDER BY alias"
_LEADS_TO = "SELECT tx_hash FROM exploit_aliases WHERE alias = $1"
_MERGES = """
SELECT other, report_ids FROM case_events
WHERE kind = 'merged' AND undone_by IS NULL AND other = ANY($1::text[]) ORDER BY event_id DESC
"""
_IS_TAKEN = """
SELECT EXISTS (SELECT FROM exploits WHERE tx_hash = $1)
    OR EXISTS (SELECT FROM exploit_aliases WHERE alias = $1 AND (shown OR tx_hash <> $2))
"""
_LAST_MOVE = """
SELECT max(event_id) FROM case_events
WHERE kind IN ('merged', 'split') AND undone_by IS NULL AND report_ids && $1::text[]
"""
_EVENT = (
    "SELECT tx_hash, kind, author, report_ids, other, undone_by, details FROM case_events WHERE event_id = $1"
)
_UNDONE_BY = "UPDATE case_events SET undone_by = $2 WHERE event_id = $1"
_OPEN_BETWEEN = """
SELECT review_id FROM reviews JOIN reports USING (report_id)
WHERE answer IS NULL AND reports.tx_hash = $1
    AND (reviews.other = $1 OR EXISTS (
        SELECT FROM exploit_aliases WHERE alias = reviews.other AND exploit_aliases.tx_hash = $1))
ORDER BY review_id
"""
_ANSWER = """
UPDATE reviews SET answer = $2, answered_at = $3, author = $4, reason = $5 WHERE review_id = ANY($1::bigint[])
"""
_REOPEN = """
UPDATE reviews SET answer = NULL, answered_at = NULL, author = NULL, reason = NULL
WHERE review_id = ANY($1::bigint[])
"""
_REVIEW = """
SELECT report_id, reports.tx_hash, other, answer FROM reviews JOIN reports USING (report_id)
WHERE review_id = $1
"""


class Judge(msgspec.Struct, frozen=True):
    """Who changes something, and why."""

    author: str
    reason: str


class _Event(msgspec.Struct, frozen=True):
    """An entry of a case's history, as far as it takes to undo it."""

    event_id: int
    tx_hash: ExploitId
    kind: CaseEventKind
    author: str
    report_ids: tuple[str, ...]
    other: ExploitId | None
    undone_by: int | None
    details: Details


@asynccontextmanager
async def changing(pool: Pool) -> AsyncGenerator[Connection]:
    """A connection to change cases with; StorageUnavailable if the database does not give it soon."""
    async with translated(), asyncio.timeout(_PATIENCE_SECONDS), pool.acquire() as connection:
        await ensure_outbox_days(connection, await connection.fetchval(_TODAY))
        yield connection


async def merge_cases(
    connection: Connection, tx_hash: ExploitId, other: ExploitId, judge: Judge, at: datetime
) -> int:
    """The other case becomes part of this one, and its id an alias; the event's id."""
    async with connection.transaction():
        work = await open_work(connection, at)
        event_id = await _merge(work, await _live(work, tx_hash), await _live(work, other), judge)
        await work.finish()
        return event_id


async def split_case(
    connection: Connection, tx_hash: ExploitId, report_ids: Sequence[str], judge: Judge, at: datetime
) -> int:
    """Reports become a case of their own, under its old id if it was one before; the event's id."""
    async with connection.transaction():
        work = await open_work(connection, at)
        case = await _live(work, tx_hash)
        taken = await _check_split(work, case, report_ids)
        new, aliases, revived = await _take_out(work, case, taken)
        event_id = await work.add_event(
            NewEvent(
                tx_hash=case,
                kind=CaseEventKind.SPLIT,
                author=judge.author,
                reason=judge.reason,
                report_ids=[each.report_id for each in taken],
                other=new,
                details=Details(aliases=aliases, revived=revived),
            )
        )
        await work.finish()
        return event_id


async def set_status(
    connection: Connection, tx_hash: ExploitId, status: ExploitStatus, judge: Judge, at: datetime
) -> int:
    """A person decides what is held of a case, whatever the rules say; the event's id."""
    async with connection.transaction():
        work = await open_work(connection, at)
        case = await _live(work, tx_hash)
        before = ExploitStatus(await connection.fetchval(_STATUS, case))
        event_id = await work.add_event(
            NewEvent(
                tx_hash=case,
                kind=CaseEventKind.STATUS_SET,
                author=judge.author,
                reason=judge.reason,
                details=Details(status=status, before=before),
            )
        )
        work.touch(case)
        await work.finish()
        return event_id


async def answer_review(
    connection: Connection, review_id: int, answer: Answer, judge: Judge, at: datetime
) -> int:
    """A person says whether a report belongs to the case it was asked about; the event's id."""
    async with connection.transaction():
        work = await open_work(connection, at)
        row = await connection.fetchrow(_REVIEW, review_id)
        if row is None:
            raise UnknownCase(f"there is no review {review_id}")
        if row["answer"] is not None:
            raise CaseConflict(f"review {review_id} was answered already: {row['answer']}")
        own, meant = ExploitId(row["tx_hash"]), await _live(work, ExploitId(row["other"]))
        await connection.execute(_ANSWER, [review_id], answer, at, judge.author, judge.reason)
        event_id = await work.add_event(
            NewEvent(
                tx_hash=own,
                kind=CaseEventKind.ANSWERED,
                author=judge.author,
                reason=f"{answer}: {judge.reason}",
                report_ids=(row["report_id"],),
                other=meant,
                details=Details(review=review_id),
            )
        )
        if answer is Answer.SAME and own != meant:
            event_id = await _merge(work, meant, own, judge, review=review_id)
        await work.finish()
        return event_id


async def undo_event(
    connection: Connection, tx_hash: ExploitId, event_id: int, judge: Judge, at: datetime
) -> int:
    """Take back what was done to a case: all stands as before, but for what came since; the event's id.

    CaseConflict where something was done since that must be taken back first.
    """
    async with connection.transaction():
        work = await open_work(connection, at)
        event = await _event(work, event_id)
        concerned = {event.tx_hash, *([event.other] if event.other else [])}
        if tx_hash not in concerned and await _find(work, tx_hash) not in concerned:
            raise UnknownCase(f"event {event_id} is none of this case")
        if event.undone_by is not None:
            raise CaseConflict(f"event {event_id} was undone already, by event {event.undone_by}")
        other = await _undo(work, event)
        undoing = await work.add_event(
            NewEvent(
                tx_hash=event.tx_hash,
                kind=CaseEventKind.UNDONE,
                author=judge.author,
                reason=judge.reason,
                report_ids=event.report_ids,
                other=other,
                details=Details(undone=event_id),
            )
        )
        await connection.execute(_UNDONE_BY, event_id, undoing)
        await work.finish()
        return undoing


async def _merge(
    work: CaseWork, case: ExploitId, other: ExploitId, judge: Judge, *, review: int | None = None
) -> int:
    if case == other:
        raise CaseConflict("both are the same case already")
    moved = [each.report_id for each in await _reports(work, other)]
    aliases = await _aliases(work, other)
    await work.move(moved, case)
    await work.move_aliases(aliases, case)
    await work.retire(other, case, shown=True)
    settled = [row["review_id"] for row in await work.connection.fetch(_OPEN_BETWEEN, case)]
    reason = f"merged: {judge.reason}"
    await work.connection.execute(_ANSWER, settled, Answer.SAME, work.at, judge.author, reason)
    reviews = (*settled, *([] if review is None else [review]))
    return await work.add_event(
        NewEvent(
            tx_hash=case,
            kind=CaseEventKind.MERGED,
            author=judge.author,
            reason=judge.reason,
            report_ids=moved,
            other=other,
            details=Details(aliases=aliases, reviews=reviews),
        )
    )


async def _check_split(work: CaseWork, case: ExploitId, report_ids: Sequence[str]) -> list[Report]:
    reports = await _reports(work, case)
    wanted = set(report_ids)
    taken = [each for each in reports if each.report_id in wanted]
    if not wanted or len(taken) != len(wanted):
        missing = sorted(wanted - {each.report_id for each in taken})
        raise UnknownCase(f"not reports of this case: {', '.join(missing) or 'none is named'}")
    if len(taken) == len(reports):
        raise CaseConflict("a case keeps at least one report: these are all it has")
    if any(each.curated is not None and birth_id(each) == case for each in taken):
        raise CaseConflict("the curated report gave the case its id: take the others out instead")
    return taken


async def _take_out(
    work: CaseWork, case: ExploitId, taken: Sequence[Report]
) -> tuple[ExploitId, tuple[str, ...], bool]:
    """Move reports into a case of their own; its id, the names that went along, and whether it had it before.

    It gets its old id back if it was merged into this case, and takes along what had been merged into it.
    """
    ids = {each.report_id for each in taken}
    merges = await work.connection.fetch(_MERGES, await _aliases(work, case))
    returning = [
        str(row["other"]) for row in merges if row["report_ids"] and ids.issuperset(row["report_ids"])
    ]
    aliases = tuple(dict.fromkeys(returning))
    new = ExploitId(aliases[0]) if aliases else await _free_id(work, case, taken[0])
    revived = await work.revive(new)
    await work.move(sorted(ids), new)
    await work.move_aliases(aliases[1:], new)
    work.touch(case)
    return new, aliases[1:], revived


async def _free_id(work: CaseWork, case: ExploitId, report: Report) -> ExploitId:
    """An id of its own, or the one it had until a split of this case was undone."""
    made = (exploit_id(f"{report.report_id} {number}") for number in count())
    identity = birth_id(report)
    while await work.connection.fetchval(_IS_TAKEN, identity, case):
        identity = next(made)
    return identity


async def _undo(work: CaseWork, event: _Event) -> ExploitId | None:
    """Take an event back; the other case it concerned."""
    match event.kind:
        case CaseEventKind.MERGED if event.other is not None:
            await _undo_merge(work, event, event.other)
        case CaseEventKind.SPLIT if event.other is not None:
            await _undo_split(work, event, event.other)
        case CaseEventKind.JOINED:
            return await _undo_join(work, event)
        case CaseEventKind.STATUS_SET if event.details.before is not None and not _by_rules(event):
            work.touch(await _live(work, event.tx_hash))
        case CaseEventKind.ANSWERED if event.details.review is not None:
            await _undo_answer(work, event.details.review)
        case _:
            raise CaseConflict(f"what was {event.kind.value.replace('_', ' ')} by rules cannot be undone")
    return event.other


async def _undo_merge(work: CaseWork, event: _Event, other: ExploitId) -> None:
    await _check_unmoved(work, event, event.tx_hash)
    if await work.connection.fetchval(_LEADS_TO, other) != event.tx_hash:
        raise _moved_since(event)
    if not {each.report_id for each in await _reports(work, event.tx_hash)} - set(event.report_ids):
        raise _moved_since(event)  # the case's own reports, without which nothing of it would remain
    await work.revive(other)
    await work.move(event.report_ids, other)
    await work.move_aliases(event.details.aliases, other)
    await work.connection.execute(_REOPEN, list(event.details.reviews))
    work.touch(event.tx_hash)


async def _undo_split(work: CaseWork, event: _Event, other: ExploitId) -> None:
    await _check_unmoved(work, event, other)
    left = {each.report_id for each in await _reports(work, other)} - set(event.report_ids)
    if left or not await work.connection.fetchval(_LIVE, event.tx_hash):
        raise CaseConflict(f"reports joined {other} since, or the case went away: undo that first")
    await work.move(event.report_ids, event.tx_hash)
    await work.move_aliases(await _aliases(work, other), event.tx_hash)
    await work.retire(other, event.tx_hash, shown=event.details.revived)


async def _undo_join(work: CaseWork, event: _Event) -> ExploitId:
    await _check_unmoved(work, event, event.tx_hash)
    taken = await _check_split(work, event.tx_hash, event.report_ids)
    new, _aliases, _revived = await _take_out(work, event.tx_hash, taken)
    return new


async def _undo_answer(work: CaseWork, review: int) -> None:
    answer = await work.connection.fetchval("SELECT answer FROM reviews WHERE review_id = $1", review)
    if answer != Answer.DIFFERENT:
        raise CaseConflict("the two cases were merged for it: undo that event instead")
    await work.connection.execute(_REOPEN, [review])


async def _check_unmoved(work: CaseWork, event: _Event, case: ExploitId) -> None:
    """CaseConflict unless all reports of an event are where it left them."""
    rows = await work.connection.fetch(_CASES_OF, event.report_ids)
    last = await work.connection.fetchval(_LAST_MOVE, event.report_ids) or event.event_id
    if [row["tx_hash"] for row in rows] != [case] or last > event.event_id:
        raise _moved_since(event)


def _moved_since(event: _Event) -> CaseConflict:
    return CaseConflict(f"reports of event {event.event_id} or of its case were moved since: undo that first")


def _by_rules(event: _Event) -> bool:
    return event.author == RULES


async def _event(work: CaseWork, event_id: int) -> _Event:
    row = await work.connection.fetchrow(_EVENT, event_id)
    if row is None:
        raise UnknownCase(f"there is no event {event_id}")
    return _Event(
        event_id,
        ExploitId(row["tx_hash"]),
        CaseEventKind(row["kind"]),
        row["author"],
        tuple(row["report_ids"]),
        row["other"],
        row["undone_by"],
        parse_details(row["details"]),
    )


async def _live(work: CaseWork, tx_hash: ExploitId) -> ExploitId:
    """The case of this id, or the one that answers to it; UnknownCase if none does."""
    found = await _find(work, tx_hash)
    if found is None:
        raise UnknownCase(f"no exploit is known by {tx_hash}")
    return found


async def _find(work: CaseWork, tx_hash: ExploitId) -> ExploitId | None:
    if await work.connection.fetchval(_LIVE, tx_hash):
        return tx_hash
    leads_to = await work.connection.fetchval(_LEADS_TO, tx_hash)
    return None if leads_to is None else ExploitId(leads_to)


async def _reports(work: CaseWork, tx_hash: ExploitId) -> list[Report]:
    rows: list[asyncpg.Record] = await work.connection.fetch(_REPORTS, tx_hash)
    return [parse_report(row["content"]) for row in rows]


async def _aliases(work: CaseWork, tx_hash: ExploitId) -> tuple[str, ...]:
    return tuple(row["alias"] for row in await work.connection.fetch(_ALIASES, tx_hash))
