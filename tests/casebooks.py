"""The casebook of a database as its readers see it, for comparing what stood with what stands."""

import msgspec

from kamiyo.core.cases import CaseEventKind
from kamiyo.core.ids import ExploitId
from kamiyo.storage.pool import Connection
from kamiyo.storage.read_cases import EventRow, ReviewRow, read_history, read_reports_of, read_reviews
from kamiyo.storage.read_exploits import CaseFilter, read_alias, read_exploit, read_exploits


async def shown(connection: Connection) -> dict[str, object]:
    """Every answer about every case, but for version, time of change and history."""
    page = await read_exploits(connection, CaseFilter(), past=None, limit=1_000, descending=False)
    cases: dict[str, object] = {}
    for _place, row in page:
        record = await read_exploit(connection, row.tx_hash)
        assert record is not None
        exploit = msgspec.structs.asdict(record.exploit) | {"version": None}
        evidence = await read_reports_of(connection, row.tx_hash, 1_000)
        cases[row.tx_hash] = msgspec.json.encode([exploit, record.provenance, record.first_seen_at, evidence])
    reviews = await open_reviews(connection)
    cases["reviews"] = [(each.review_id, each.tx_hash, each.other) for each in reviews]
    return cases


async def live_cases(connection: Connection) -> dict[str, list[str]]:
    """The reports of each case, by their ids."""
    rows = await connection.fetch("SELECT tx_hash, report_id FROM reports ORDER BY report_id")
    cases: dict[str, list[str]] = {
        row["tx_hash"]: [] for row in await connection.fetch("SELECT tx_hash FROM exploits ORDER BY tx_hash")
    }
    for row in rows:
        cases.setdefault(row["tx_hash"], []).append(row["report_id"])
    return cases


async def led_to(connection: Connection, name: str) -> str | None:
    """Where a reader who asks for a name ends."""
    record = await read_exploit(connection, name)
    return name if record is not None else await read_alias(connection, name)


async def history_of(connection: Connection, tx_hash: str) -> list[EventRow]:
    """Everything done to a case, in its order."""
    rows = await read_history(connection, ExploitId(tx_hash), past=None, limit=10_000, descending=False)
    return [row for _rank, row in rows]


async def kinds_of(connection: Connection, tx_hash: str) -> list[CaseEventKind]:
    """The same, as the kinds of what was done."""
    return [CaseEventKind(each.kind) for each in await history_of(connection, tx_hash)]


async def open_reviews(connection: Connection) -> list[ReviewRow]:
    """What waits for an answer."""
    rows = await read_reviews(connection, answered=False, past=None, limit=1_000, descending=False)
    return [row for _rank, row in rows]
