"""Take back what was done to a case: all stands as before, but for what came since."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kamiyo.core.cases import RULES, Answer, CaseEventKind
from kamiyo.core.errors import CaseConflict, UnknownCase
from kamiyo.core.ids import ExploitId
from kamiyo.storage.case_moves import Judge, check_split, find_case, live_case, names_of, reports_of, take_out
from kamiyo.storage.case_work import CaseWork, Details, NewEvent, open_work, parse_details
from kamiyo.storage.pool import Connection

_EVENT = (
    "SELECT tx_hash, kind, author, report_ids, other, undone_by, details FROM case_events WHERE event_id = $1"
)
_UNDONE_BY = "UPDATE case_events SET undone_by = $2 WHERE event_id = $1"
_CASES_OF = "SELECT DISTINCT tx_hash FROM reports WHERE report_id = ANY($1::text[])"
_LAST_MOVE = """
SELECT max(event_id) FROM case_events
WHERE kind IN ('merged', 'split') AND undone_by IS NULL AND report_ids && $1::text[]
"""
_REOPEN = """
UPDATE reviews SET answer = NULL, answered_at = NULL, author = NULL, reason = NULL
WHERE review_id = ANY($1::bigint[])
"""


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
        if tx_hash not in concerned and await find_case(work, tx_hash) not in concerned:
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
            work.touch(await live_case(work, event.tx_hash))
        case CaseEventKind.ANSWERED if event.details.review is not None:
            await _undo_answer(work, event.details.review)
        case _:
            raise CaseConflict(f"what was {event.kind.value.replace('_', ' ')} by rules cannot be undone")
    return event.other


async def _undo_merge(work: CaseWork, event: _Event, other: ExploitId) -> None:
    await _check_unmoved(work, event, event.tx_hash)
    if await find_case(work, other) != event.tx_hash:
        raise _moved_since(event)
    if not {each.report_id for each in await reports_of(work, event.tx_hash)} - set(event.report_ids):
        raise _moved_since(event)  # the case's own reports, without which nothing of it would remain
    await work.revive(other)
    await work.move(event.report_ids, other)
    await work.move_aliases(event.details.aliases, other)
    await work.connection.execute(_REOPEN, list(event.details.reviews))
    work.touch(event.tx_hash)


async def _undo_split(work: CaseWork, event: _Event, other: ExploitId) -> None:
    await _check_unmoved(work, event, other)
    left = {each.report_id for each in await reports_of(work, other)} - set(event.report_ids)
    if left or await find_case(work, event.tx_hash) != event.tx_hash:
        raise CaseConflict(f"reports joined {other} since, or the case went away: undo that first")
    await work.move(event.report_ids, event.tx_hash)
    await work.move_aliases(await names_of(work, other), event.tx_hash)
    await work.retire(other, event.tx_hash, shown=event.details.revived)


async def _undo_join(work: CaseWork, event: _Event) -> ExploitId:
    await _check_unmoved(work, event, event.tx_hash)
    taken = await check_split(work, event.tx_hash, event.report_ids)
    new, _aliases, _revived = await take_out(work, event.tx_hash, taken)
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
