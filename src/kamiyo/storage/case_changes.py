"""What people do to cases: merge and split them, set a status, answer what the rules asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from kamiyo.core.cases import Answer, CaseEventKind
from kamiyo.core.errors import CaseConflict, UnknownCase
from kamiyo.core.exploits import ExploitStatus
from kamiyo.core.ids import ExploitId
from kamiyo.storage.case_moves import Judge, check_split, live_case, names_of, reports_of, take_out
from kamiyo.storage.case_work import CaseWork, Details, NewEvent, open_work
from kamiyo.storage.partitions import ensure_outbox_days
from kamiyo.storage.pool import Connection, Pool, translated

_PATIENCE_SECONDS = 20
_TODAY = "SELECT (now() AT TIME ZONE 'UTC')::date"
_STATUS = "SELECT status FROM exploits WHERE tx_hash = $1"
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
_REVIEW = """
SELECT report_id, reports.tx_hash, other, answer FROM reviews JOIN reports USING (report_id)
WHERE review_id = $1
"""


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
        event_id = await _merge(work, await live_case(work, tx_hash), await live_case(work, other), judge)
        await work.finish()
        return event_id


async def split_case(
    connection: Connection, tx_hash: ExploitId, report_ids: Sequence[str], judge: Judge, at: datetime
) -> int:
    """Reports become a case of their own, under its old id if it was one before; the event's id."""
    async with connection.transaction():
        work = await open_work(connection, at)
        case = await live_case(work, tx_hash)
        taken = await check_split(work, case, report_ids)
        new, aliases, revived = await take_out(work, case, taken)
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
        case = await live_case(work, tx_hash)
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
        own, meant = ExploitId(row["tx_hash"]), await live_case(work, ExploitId(row["other"]))
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


async def _merge(
    work: CaseWork, case: ExploitId, other: ExploitId, judge: Judge, *, review: int | None = None
) -> int:
    if case == other:
        raise CaseConflict("both are the same case already")
    moved = [each.report_id for each in await reports_of(work, other)]
    aliases = await names_of(work, other)
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
