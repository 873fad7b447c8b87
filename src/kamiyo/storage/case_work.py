"""What is done to cases within one transaction: their reports, their names, their history, and their fold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache

import asyncpg
import msgspec

from kamiyo.core.case_rules import build_exploit
from kamiyo.core.cases import RULES, CaseEventKind, Reason, StatusSet
from kamiyo.core.codec import to_json
from kamiyo.core.exploits import ExploitStatus
from kamiyo.core.ids import ExploitId
from kamiyo.core.reports import Report
from kamiyo.storage import outbox
from kamiyo.storage.exploits import exploit_message, store_exploit
from kamiyo.storage.pool import Connection

CHANNEL = "exploits"

_LOCK = "SELECT pg_advisory_xact_lock(7264105)"
_REPORTS = "SELECT content, received_at FROM reports WHERE tx_hash = $1 ORDER BY published_at, report_id"
_FORMER = "SELECT alias FROM exploit_aliases WHERE tx_hash = $1 AND shown"
_STATUS_SET = """
SELECT author, reason, details FROM case_events
WHERE tx_hash = $1 AND kind = 'status_set' AND author <> $2 AND undone_by IS NULL
ORDER BY event_id DESC LIMIT 1
"""
_STATUS = "SELECT status FROM exploits WHERE tx_hash = $1"
_ADD_EVENT = """
INSERT INTO case_events (tx_hash, kind, at, author, reason, reasons, report_ids, other, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING event_id
"""
_MOVE_REPORTS = "UPDATE reports SET tx_hash = $2 WHERE report_id = ANY($1::text[])"
_MOVE_ALIASES = "UPDATE exploit_aliases SET tx_hash = $2 WHERE alias = ANY($1::text[])"
_RETIRE = """
INSERT INTO exploit_aliases (alias, tx_hash, version, shown)
SELECT tx_hash, $2, version, $3 FROM exploits WHERE tx_hash = $1
"""
_REVIVE = "DELETE FROM exploit_aliases WHERE alias = $1 RETURNING version, shown"

_report = msgspec.json.Decoder(Report)


class Details(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an event keeps to be undone: the names and reviews that moved, and what stood before."""

    aliases: tuple[str, ...] = ()
    reviews: tuple[int, ...] = ()
    review: int | None = None
    revived: bool = False
    status: ExploitStatus | None = None
    before: ExploitStatus | None = None
    undone: int | None = None


parse_details = msgspec.json.Decoder(Details).decode


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a case's history that is about to be written."""

    tx_hash: ExploitId
    kind: CaseEventKind
    author: str = RULES
    reason: str
    reasons: tuple[Reason, ...] = ()
    report_ids: Sequence[str] = ()
    other: ExploitId | None = None
    details: Details = Details()


class CaseWork:
    """The cases one transaction touches: each is folded once, at the end, and told if that changed it.

    Whoever makes one holds the lock of the casebook.
    """

    def __init__(self, connection: Connection, at: datetime) -> None:
        self.connection = connection
        self.at = at
        self._touched: dict[ExploitId, None] = {}
        self._versions: dict[ExploitId, int] = {}

    def touch(self, *cases: ExploitId) -> None:
        """These are to be folded again."""
        self._touched.update(dict.fromkeys(cases))

    async def add_event(self, event: NewEvent) -> int:
        """Write an entry of a case's history; its id."""
        return int(
            await self.connection.fetchval(
                _ADD_EVENT,
                event.tx_hash,
                event.kind,
                self.at,
                event.author,
                event.reason,
                to_json(event.reasons).decode(),
                list(event.report_ids),
                event.other,
                to_json(event.details).decode(),
            )
        )

    async def move(self, report_ids: Sequence[str], to: ExploitId) -> None:
        """Reports belong to another case from now on."""
        await self.connection.execute(_MOVE_REPORTS, list(report_ids), to)
        self.touch(to)

    async def move_aliases(self, aliases: Iterable[str], to: ExploitId) -> None:
        """Names lead to another case from now on."""
        await self.connection.execute(_MOVE_ALIASES, list(aliases), to)

    async def retire(self, tx_hash: ExploitId, into: ExploitId, *, shown: bool) -> None:
        """A case without reports goes away; its id leads to another."""
        await self.connection.execute(_RETIRE, tx_hash, into, shown)
        await self.connection.execute("DELETE FROM exploits WHERE tx_hash = $1", tx_hash)
        self._touched.pop(tx_hash, None)

    async def revive(self, tx_hash: ExploitId) -> bool:
        """An id that may have gone away is a case again; whether it was shown as another name of one."""
        row = await self.connection.fetchrow(_REVIVE, tx_hash)
        if row is not None:
            self._versions[tx_hash] = row["version"] + 1
        self.touch(tx_hash)
        return row is not None and row["shown"]

    async def fold(self) -> list[bytes]:
        """Fold what was touched; the messages of what changed."""
        messages = [await self._fold(each) for each in self._touched]
        self._touched.clear()
        return [each for each in messages if each is not None]

    async def finish(self) -> None:
        """The same, told in this transaction."""
        await outbox.publish(self.connection, CHANNEL, await self.fold())

    async def _fold(self, tx_hash: ExploitId) -> bytes | None:
        rows = await self.connection.fetch(_REPORTS, tx_hash)
        reports = [parse_report(row["content"]) for row in rows]
        former = [ExploitId(row["alias"]) for row in await self.connection.fetch(_FORMER, tx_hash)]
        status_set = await self._status_set(tx_hash)
        before = await self.connection.fetchval(_STATUS, tx_hash)
        exploit = build_exploit(tx_hash, reports, status_set=status_set, former_ids=former)
        version = await store_exploit(
            self.connection,
            exploit,
            new_version=self._versions.get(tx_hash, 1),
            first_seen_at=min(row["received_at"] for row in rows),
            at=self.at,
        )
        if status_set is None and before not in {None, exploit.status}:
            await self._tell_status(tx_hash, ExploitStatus(before), exploit.status)
        return None if version is None else exploit_message(exploit, version)

    async def _status_set(self, tx_hash: ExploitId) -> StatusSet | None:
        row = await self.connection.fetchrow(_STATUS_SET, tx_hash, RULES)
        if row is None:
            return None
        status = parse_details(row["details"]).status
        if status is None:
            return None
        return StatusSet(status=status, author=row["author"], reason=row["reason"])

    async def _tell_status(self, tx_hash: ExploitId, before: ExploitStatus, status: ExploitStatus) -> None:
        await self.add_event(
            NewEvent(
                tx_hash=tx_hash,
                kind=CaseEventKind.STATUS_SET,
                reason=f"what its reports say now makes it {status}: it was {before}",
                details=Details(status=status, before=before),
            )
        )


async def lock_cases(connection: Connection) -> None:
    """Change cases one transaction after the other: wait for all who do, and keep others out to the end."""
    await connection.execute(_LOCK)


async def open_work(connection: Connection, at: datetime) -> CaseWork:
    """Begin a transaction that changes cases."""
    await lock_cases(connection)
    return CaseWork(connection, at)


@lru_cache(maxsize=8192)  # the same few hundred are compared with again and again while a case is news
def parse_report(content: str) -> Report:
    """A report as it was stored: the same one for the same text, so that what was read off it is found."""
    return _report.decode(content)


def by_case(rows: Iterable[asyncpg.Record]) -> dict[ExploitId, list[Report]]:
    """Stored reports, by their case."""
    found: dict[ExploitId, list[Report]] = {}
    for row in rows:
        found.setdefault(ExploitId(row["tx_hash"]), []).append(parse_report(row["content"]))
    return found
