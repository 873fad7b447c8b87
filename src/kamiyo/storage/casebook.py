"""Reports become exploits: each opens a case, joins one, or waits for a person, however often it comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count

import msgspec

from kamiyo.core.cases import (
    Candidate,
    CaseEventKind,
    Decision,
    Matching,
    Outcome,
    birth_id,
)
from kamiyo.core.codec import to_json
from kamiyo.core.exploits import exploit_id
from kamiyo.core.ids import ExploitId
from kamiyo.core.ports import Event
from kamiyo.core.reports import Facts, Report, ReportDeleted, ReportId
from kamiyo.storage.case_work import CaseWork, NewEvent, by_case, lock_cases, parse_report
from kamiyo.storage.pool import Connection

# A key that many share tells little: only its newest reports are looked at, and of these the cases that
# share most keys. So a report costs the same however many are stored.
_NEWEST_OF_A_KEY = 64
_MOST_CANDIDATES = 16
_MOST_REPORTS = 32

_KNOWN = "SELECT report_id, tx_hash, content FROM reports WHERE report_id = ANY($1::text[])"
_ADD = """
INSERT INTO reports (report_id, tx_hash, source, origin, kind, published_at, received_at, content)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING position
"""
_ADD_KEYS = """
INSERT INTO report_keys (key, position, report_id)
SELECT key, $2, $3 FROM unnest($1::text[]) AS key ON CONFLICT DO NOTHING
"""
_FORGET_KEYS = "DELETE FROM report_keys WHERE report_id = $1"
_KEEP_VERSION = """
INSERT INTO report_versions (report_id, version, content, replaced_at)
SELECT report_id, version, content, $2 FROM reports WHERE report_id = $1
"""
_FORGET_VERSIONS = "DELETE FROM report_versions WHERE report_id = $1"
_CHANGE = """
UPDATE reports SET source = $2, origin = $3, kind = $4, published_at = $5, content = $6, version = version + 1
WHERE report_id = $1 RETURNING position
"""
_CASES_OF_KEYS = """
SELECT tx_hash FROM unnest($1::text[]) AS wanted
CROSS JOIN LATERAL (
    SELECT report_id FROM report_keys WHERE key = wanted ORDER BY position DESC LIMIT $2) AS found
JOIN reports USING (report_id)
GROUP BY tx_hash ORDER BY count(DISTINCT wanted) DESC, max(position) DESC LIMIT $3
"""
_REPORTS_OF_CASES = """
SELECT tx_hash, content FROM unnest($1::text[]) AS wanted
CROSS JOIN LATERAL (
    SELECT tx_hash, content, position FROM reports WHERE tx_hash = wanted ORDER BY position LIMIT $2) AS found
ORDER BY array_position($1::text[], tx_hash), position
"""
_IS_TAKEN = """
SELECT EXISTS (SELECT FROM reports WHERE tx_hash = $1)
    OR EXISTS (SELECT FROM exploit_aliases WHERE alias = $1)
"""
_ASK = """
INSERT INTO reviews (report_id, tx_hash, other, probability, reasons, asked_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""


class Filed(msgspec.Struct, frozen=True):
    """What filing reports changed: how many were new or other than before, and what is to be told."""

    changed_reports: int = 0
    messages: Sequence[bytes] = ()


class _Known(msgspec.Struct, frozen=True):
    """A report as it is stored, and the case it belongs to."""

    tx_hash: ExploitId
    report: Report


async def lock_casebook(connection: Connection, events: Sequence[Event]) -> None:
    """Wait until nobody else changes cases, if these events will, up to the end of the transaction.

    Before the transaction gets its id, so that the stream tells versions in the order they were made.
    """
    if any(isinstance(each, Report | ReportDeleted) for each in events):
        await lock_cases(connection)


async def store_reports(
    connection: Connection, events: Sequence[Event], matching: Matching, at: datetime
) -> Filed:
    """File the reports and deletions among events, in a transaction that holds the lock of the casebook.

    Filing them again changes nothing.
    """
    reports = [each for each in events if type(each) is Report]
    deletions = [each for each in events if type(each) is ReportDeleted]
    if not reports and not deletions:
        return Filed()
    filing = _Filing(CaseWork(connection, at), matching)
    named = [*(each.report_id for each in reports), *(each.report_id for each in deletions)]
    await filing.look_up(named)
    changed = [await filing.file(each) for each in reports]
    changed += [await filing.delete(each) for each in deletions]
    return Filed(sum(changed), await filing.work.fold())


class _Filing:
    """One batch of reports on its way into the casebook."""

    def __init__(self, work: CaseWork, matching: Matching) -> None:
        self.work = work
        self._connection = work.connection
        self._matching = matching
        self._known: dict[ReportId, _Known] = {}

    async def look_up(self, report_ids: Sequence[ReportId]) -> None:
        """Which of these are stored already, and how."""
        for row in await self._connection.fetch(_KNOWN, report_ids):
            known = _Known(ExploitId(row["tx_hash"]), parse_report(row["content"]))
            self._known[known.report.report_id] = known

    async def file(self, report: Report) -> bool:
        """File one report; whether it was new, or other than it was."""
        known = self._known.get(report.report_id)
        if known is None:
            await self._add(report)
            return True
        if not is_news(known.report, report):
            return False
        await self._connection.execute(_KEEP_VERSION, report.report_id, self.work.at)
        await self._change(known, report, "its author changed it")
        return True

    async def delete(self, deletion: ReportDeleted) -> bool:
        """Take a report's words away, wherever they were kept; whether there was anything to take."""
        known = self._known.get(deletion.report_id)
        if known is None or known.report.deleted_at is not None:
            return False
        await self._connection.execute(_FORGET_VERSIONS, deletion.report_id)
        await self._change(known, without_words(known.report, deletion), "its author took it back")
        return True

    async def _change(self, known: _Known, report: Report, reason: str) -> None:
        stored = (report.report_id, report.source, report.origin, report.kind, report.published_at)
        position = await self._connection.fetchval(_CHANGE, *stored, to_json(report).decode())
        await self._connection.execute(_FORGET_KEYS, report.report_id)
        if report.deleted_at is None:
            await self._add_keys(report, self._matching.keys(report), position)
        self._known[report.report_id] = _Known(known.tx_hash, report)
        await self._tell(known.tx_hash, CaseEventKind.CHANGED, reason, report)

    async def _add(self, report: Report) -> None:
        keys = self._matching.keys(report)
        decision = await self._decide(report, keys)
        joins = decision.outcome is Outcome.SAME and decision.tx_hash is not None
        case = decision.tx_hash if joins and decision.tx_hash else await self._free_id(report)
        stored = (report.report_id, case, report.source, report.origin, report.kind, report.published_at)
        position = await self._connection.fetchval(
            _ADD, *stored, report.received_at, to_json(report).decode()
        )
        await self._add_keys(report, keys, position)
        self._known[report.report_id] = _Known(case, report)
        if joins:
            reason = f"the same case with a probability of {decision.probability:.3f}"
            await self._tell(case, CaseEventKind.JOINED, reason, report, decision)
        else:
            await self._tell(
                case, CaseEventKind.OPENED, "it tells of no case that is known", report, decision
            )
            await self._ask(case, report, decision)

    async def _tell(
        self,
        case: ExploitId,
        kind: CaseEventKind,
        reason: str,
        report: Report,
        decision: Decision | None = None,
    ) -> None:
        reasons = () if decision is None else decision.reasons
        event = NewEvent(
            tx_hash=case, kind=kind, reason=reason, reasons=reasons, report_ids=(report.report_id,)
        )
        await self.work.add_event(event)
        self.work.touch(case)

    async def _ask(self, case: ExploitId, report: Report, decision: Decision) -> None:
        if decision.outcome is not Outcome.ASK or decision.tx_hash is None:
            return
        reasons = to_json(decision.reasons).decode()
        asked = (report.report_id, case, decision.tx_hash, decision.probability, reasons, self.work.at)
        await self._connection.execute(_ASK, *asked)
        await self.work.add_event(
            NewEvent(
                tx_hash=case,
                kind=CaseEventKind.ASKED,
                reason=f"perhaps the same case, with a probability of {decision.probability:.3f}",
                reasons=decision.reasons,
                report_ids=(report.report_id,),
                other=decision.tx_hash,
            )
        )

    async def _decide(self, report: Report, keys: Sequence[str]) -> Decision:
        found = await self._connection.fetch(_CASES_OF_KEYS, keys, _NEWEST_OF_A_KEY, _MOST_CANDIDATES)
        if not found:
            return Decision(outcome=Outcome.DIFFERENT, probability=0.0)
        cases = [row["tx_hash"] for row in found]
        reports = by_case(await self._connection.fetch(_REPORTS_OF_CASES, cases, _MOST_REPORTS))
        candidates = [Candidate(case, tuple(own)) for case, own in reports.items()]
        return self._matching.decide(report, candidates)

    async def _free_id(self, report: Report) -> ExploitId:
        """The id it is born with, or one made of its own if another case has that already."""
        own = (exploit_id(f"{report.report_id} {number}") for number in count())
        identity = birth_id(report)
        while await self._connection.fetchval(_IS_TAKEN, identity):
            identity = next(own)
        return identity

    async def _add_keys(self, report: Report, keys: Sequence[str], position: int) -> None:
        await self._connection.execute(_ADD_KEYS, keys, position, report.report_id)


def is_news(stored: Report, report: Report) -> bool:
    """Whether a known report says anything else now: it was not taken back since, nor edited later."""
    if stored.deleted_at is not None:
        return False
    if stored.edited_at is not None and (report.edited_at is None or report.edited_at < stored.edited_at):
        return False
    return msgspec.structs.replace(report, received_at=stored.received_at) != stored


def without_words(report: Report, deletion: ReportDeleted) -> Report:
    """What stays of a report that was taken back: who said something, when and where."""
    return msgspec.structs.replace(
        report,
        deleted_at=deletion.deleted_at,
        title="",
        text="",
        facts=Facts(),
        curated=None,
        citations=(),
    )
