"""How reports and names move between cases: what merging, splitting and undoing share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import asyncpg
import msgspec

from kamiyo.core.cases import birth_id
from kamiyo.core.errors import CaseConflict, UnknownCase
from kamiyo.core.exploits import exploit_id
from kamiyo.core.ids import ExploitId
from kamiyo.core.reports import Report
from kamiyo.storage.case_work import CaseWork, parse_report

_LIVE = "SELECT EXISTS (SELECT FROM exploits WHERE tx_hash = $1)"
_REPORTS = "SELECT content FROM reports WHERE tx_hash = $1 ORDER BY position"
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


class Judge(msgspec.Struct, frozen=True):
    """Who changes something, and why."""

    author: str
    reason: str


async def live_case(work: CaseWork, tx_hash: ExploitId) -> ExploitId:
    """The case of this id, or the one that answers to it; UnknownCase if none does."""
    found = await find_case(work, tx_hash)
    if found is None:
        raise UnknownCase(f"no exploit is known by {tx_hash}")
    return found


async def find_case(work: CaseWork, tx_hash: ExploitId) -> ExploitId | None:
    if await work.connection.fetchval(_LIVE, tx_hash):
        return tx_hash
    leads_to = await work.connection.fetchval(_LEADS_TO, tx_hash)
    return None if leads_to is None else ExploitId(leads_to)


async def reports_of(work: CaseWork, tx_hash: ExploitId) -> list[Report]:
    rows: list[asyncpg.Record] = await work.connection.fetch(_REPORTS, tx_hash)
    return [parse_report(row["content"]) for row in rows]


async def names_of(work: CaseWork, tx_hash: ExploitId) -> tuple[str, ...]:
    return tuple(row["alias"] for row in await work.connection.fetch(_ALIASES, tx_hash))


async def check_split(work: CaseWork, case: ExploitId, report_ids: Sequence[str]) -> list[Report]:
    reports = await reports_of(work, case)
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


async def take_out(
    work: CaseWork, case: ExploitId, taken: Sequence[Report]
) -> tuple[ExploitId, tuple[str, ...], bool]:
    """Move reports into a case of their own; its id, the names that went along, and whether it had it before.

    It gets its old id back if it was merged into this case, and takes along what had been merged into it.
    """
    ids = {each.report_id for each in taken}
    merges = await work.connection.fetch(_MERGES, await names_of(work, case))
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
