"""JELLY, POPCAT and the ETH whale as floods of mixed reports: one exploit each, with the right figures."""

import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from kamiyo.aggregators.catalogue import load_cases, parse_case
from kamiyo.core.cases import Answer
from kamiyo.core.ids import ExploitId
from kamiyo.core.reports import Report
from kamiyo.processing.matching import Matcher
from kamiyo.storage.case_changes import answer_review, merge_cases, split_case
from kamiyo.storage.case_moves import Judge
from kamiyo.storage.case_undo import undo_event
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Connection, Pool
from kamiyo.storage.read_exploits import read_exploit
from tests.builders import NOW, a_batch
from tests.casebooks import history_of, led_to, live_cases, open_reviews, shown
from tests.integration.storage.floods import COLLISIONS, FLOODS

ADA = Judge("ada", "read both")
RIGHT = {"jelly": "12000000", "popcat": "4900000", "whale": "4000000"}
CATALOGUE = [
    each for each in (parse_case(payload, NOW) for payload in load_cases()) if isinstance(each, Report)
]
RECORDS = {
    "jelly": "hl-2025-03-26-jelly",
    "popcat": "hl-2025-11-12-popcat",
    "whale": "hl-2025-03-12-eth-selfliq",
}
EVERYTHING = [report for reports in FLOODS.values() for report in reports] + COLLISIONS


@pytest.fixture
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """Give a connection to look with and to change with."""
    async with pool.acquire() as acquired:
        yield acquired


async def pour(pool: Pool, reports: Sequence[Report], size: int = 7) -> None:
    """File reports in small batches, each batch twice, as a source does that was cut off in between."""
    journal = PostgresJournal(pool, matching=Matcher())
    for at in range(0, len(reports), size):
        for _ in range(2):
            await journal.write(a_batch(events=tuple(reports[at : at + size])))


async def settle(connection: Connection) -> None:
    """Answer what is asked as somebody would who knows which attack a report is of."""
    while reviews := await open_reviews(connection):
        cases = await live_cases(connection)
        attacks = [
            {_attack_of(name) for name in cases[case]} for case in (reviews[0].tx_hash, reviews[0].other)
        ]
        answer = Answer.SAME if attacks[0] & attacks[1] else Answer.DIFFERENT
        await answer_review(connection, reviews[0].review_id, answer, ADA, NOW)


def _attack_of(report_id: str) -> str:
    """The attack a report is of, by how its id was made."""
    known = {f"catalogue:{record}": attack for attack, record in RECORDS.items()}
    return known.get(report_id) or report_id.split(":")[1]


async def case_of(connection: Connection, report_id: str) -> str:
    return str(await connection.fetchval("SELECT tx_hash FROM reports WHERE report_id = $1", report_id))


async def exploit_of(connection: Connection, attack: str) -> Any:
    case = await case_of(connection, FLOODS[attack][0].report_id)
    record = await read_exploit(connection, case)
    assert record is not None
    return record.exploit


async def check_cases(connection: Connection, catalogue: Sequence[Report]) -> None:
    """Each attack is one case with all its reports and nothing else; so is each collision and each record."""
    cases = await live_cases(connection)
    reports = {each.report_id for each in (*EVERYTHING, *catalogue)}
    attacks: dict[str, set[str]] = {}
    for report_id in reports:
        attacks.setdefault(_attack_of(report_id), set()).add(report_id)
    assert sorted(map(sorted, cases.values())) == sorted(map(sorted, attacks.values()))


@pytest.mark.parametrize("seed", range(3))
async def test_a_flood_without_a_record_ends_with_the_right_figures(pool, connection, seed) -> None:
    """The corrected figure is the best one; the wild one and the denial are conflicts and bound nothing."""
    await pour(pool, random.Random(seed).sample(EVERYTHING, len(EVERYTHING)))
    await settle(connection)
    await check_cases(connection, [])
    for attack, right in RIGHT.items():
        exploit = await exploit_of(connection, attack)
        assert (exploit.amount_usd, exploit.status, exploit.confidence) == (right, "confirmed", "high")
        assert exploit.amount_usd_low == exploit.amount_usd_high == right
        assert [each.partition(" ")[0] for each in exploit.conflicts] == [
            "x:hyperliquid", f"x:{attack}1", f"x:{attack}4",
        ]  # fmt: skip
        assert "denies it" in exploit.conflicts[0]


@pytest.mark.parametrize("records_first", [True, False])
async def test_a_flood_joins_the_curated_record(pool, connection, records_first) -> None:
    """The shipped ones stay apart, and a record of one's own that comes later joins what it records."""
    named = {f"catalogue:{name}" for name in RECORDS.values()}
    records = CATALOGUE if records_first else [each for each in CATALOGUE if each.report_id in named]
    await pour(pool, [*records, *EVERYTHING] if records_first else [*EVERYTHING, *records])
    await settle(connection)
    await check_cases(connection, records)
    for attack, name in RECORDS.items():
        exploit = await exploit_of(connection, attack)
        record = next(each for each in CATALOGUE if each.report_id == f"catalogue:{name}")
        assert record.curated is not None
        assert exploit.amount_usd == str(record.facts.amount_usd)
        assert (exploit.name, exploit.status) == (record.facts.name, record.curated.status)
        assert set(record.curated.conflicts) < set(exploit.conflicts)
        assert await led_to(connection, name) == exploit.tx_hash
        assert await led_to(connection, record.curated.tx_hash) == exploit.tx_hash


async def test_its_history_tells_why(pool, connection) -> None:
    """Each report's arrival is an entry with its reasons, and each correction another."""
    await pour(pool, FLOODS["popcat"])
    await settle(connection)
    history = await history_of(connection, await case_of(connection, FLOODS["popcat"][0].report_id))
    arrivals = [each for each in history if each.kind in {"opened", "joined"}]
    assert sorted(name for each in arrivals for name in each.report_ids) == sorted(
        {each.report_id for each in FLOODS["popcat"]}
    )
    for each in arrivals[1:]:
        reasons = msgspec.json.decode(each.reasons)
        assert reasons, each
        assert all(reason["feature"] and reason["detail"] for reason in reasons)
    assert [each.report_ids for each in history if each.kind == "changed"] == [["feeds:popcat:2"]]
    [confirmed] = [each for each in history if each.kind == "status_set"]
    assert (confirmed.author, "confirmed" in confirmed.reason) == ("rules", True)


async def test_a_split_and_a_merge_of_a_flood_are_undone_exactly(pool, connection) -> None:
    """Taken apart and joined with another attack, each case is byte for byte what it was."""
    await pour(pool, [*CATALOGUE, *EVERYTHING])
    await settle(connection)
    before = await shown(connection)
    jelly = ExploitId(await case_of(connection, FLOODS["jelly"][0].report_id))
    whale = ExploitId(await case_of(connection, FLOODS["whale"][0].report_id))
    taken = [each.report_id for each in FLOODS["jelly"][:9]]
    split = await split_case(connection, jelly, taken, ADA, NOW)
    merge = await merge_cases(connection, jelly, whale, ADA, NOW)
    assert await shown(connection) != before
    await undo_event(connection, jelly, merge, ADA, NOW)
    await undo_event(connection, jelly, split, ADA, NOW)
    assert await shown(connection) == before
