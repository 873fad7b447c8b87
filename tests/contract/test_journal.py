"""What every journal promises, asked of the one in memory and of the one in PostgreSQL."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from kamiyo.core.archives import BlockRun
from kamiyo.core.claims import Claim, ClaimedAction, Claims
from kamiyo.core.codec import to_json
from kamiyo.core.errors import StorageRefused
from kamiyo.core.events import MarginMode
from kamiyo.core.ids import Chain, Cursor, SourceName
from kamiyo.core.liquidations import fill_key, fold, liquidation_id, merge, observe
from kamiyo.core.money import Usd
from kamiyo.core.ports import Counted, Journal, Span, Tally, Written
from kamiyo.core.reports import Report, ReportDeleted, ReportId
from kamiyo.core.sources import SourceState
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from tests.builders import (
    API,
    CHAIN,
    HASH,
    NODE,
    NOW,
    OTHER_HASH,
    OTHER_VICTIM,
    VICTIM,
    a_batch,
    a_counterparty_fill,
    a_gap,
    a_ledger_movement,
    a_liquidated_fill,
    a_liquidation,
    a_market_state,
    a_record,
    a_reject,
    a_report,
    a_source_description,
    a_vault_state,
    an_account_liquidation,
    an_account_state,
    an_exploit,
    an_honest_case,
)
from tests.fake_casebook import SameTransaction
from tests.fake_claims import (
    CLAIMED_AT,
    a_claim,
    a_claimed_position,
    a_claimed_total,
    newest_claims,
)
from tests.fake_states import State, newest
from tests.fakes import MemoryJournal, Stored
from tests.stored import stored_in

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Kept:
    """A journal, and a look at what it holds."""

    journal: Journal
    stored: Callable[[], Awaitable[Stored]]

    async def write(self, **batch: Any) -> Written:
        return await self.journal.write(a_batch(**{"events": ()} | batch))


@pytest.fixture(params=["memory", "postgres"])
def database(request: pytest.FixtureRequest) -> "Pool | None":
    """Start a database only for the journal that needs one."""
    return request.getfixturevalue("pool") if request.param == "postgres" else None


@pytest.fixture
async def kept(database: "Pool | None") -> Kept:
    """Give each journal in turn, with one source registered."""
    kept = _in_memory() if database is None else _in_postgres(database)
    await kept.journal.register(a_source_description())
    return kept


def _in_memory() -> Kept:
    journal = MemoryJournal(matching=SameTransaction())

    async def look() -> Stored:
        return journal.stored()

    return Kept(journal, look)


def _in_postgres(pool: Pool) -> Kept:
    return Kept(PostgresJournal(pool, matching=SameTransaction()), lambda: stored_in(pool))


async def test_a_new_source_is_active_and_at_its_beginning(kept: Kept) -> None:
    """Registering is repeatable and moves no cursor."""
    assert await kept.journal.register(a_source_description(name=API)) is True
    assert await kept.journal.cursor(API) is None
    assert await kept.journal.newest_block(API) is None
    await kept.write(source=API, cursor=Cursor("7"))
    assert await kept.journal.register(a_source_description(name=API, url="elsewhere")) is True
    assert await kept.journal.cursor(API) == "7"


async def test_nobody_knows_an_unregistered_source(kept: Kept) -> None:
    """Its cursor and block are unknown, not an error."""
    assert await kept.journal.cursor(SourceName("nobody")) is None
    assert await kept.journal.newest_block(SourceName("nobody")) is None


async def test_a_batch_moves_its_source_forward_only(kept: Kept) -> None:
    """A batch without a cursor keeps it; clocks and blocks never go back."""
    await kept.write(cursor=Cursor("a"), newest_block=9, heard_at=NOW, last_event_at=NOW)
    early = NOW - timedelta(hours=1)
    await kept.write(cursor=None, newest_block=3, heard_at=early, last_event_at=early)
    assert (await kept.stored()).cursors[NODE] == ("a", 9, NOW, NOW)
    await kept.write(cursor=Cursor("0"))
    assert (await kept.stored()).cursors[NODE] == ("0", 9, NOW, NOW)
    assert (await kept.journal.cursor(NODE), await kept.journal.newest_block(NODE)) == ("0", 9)


async def test_states_are_taken(kept: Kept) -> None:
    """Telling a state, twice, is no error and changes no facts."""
    for _ in range(2):
        await kept.journal.report_state(NODE, SourceState.FAILED, "broken")
    assert (await kept.stored()).published == ()


async def test_fills_fold_into_liquidations_that_are_told(kept: Kept) -> None:
    """Fills of one identity are one row; it is published as stored."""
    fills = (a_liquidated_fill(tid=1), a_liquidated_fill(tid=2, price=Decimal("2999.5")))
    other = a_liquidated_fill(tid=1, asset="xyz:TSLA", hash=None)

    written = await kept.write(events=(*fills, other))

    expected = {each.liquidation_id: each for each in (a_liquidation(*fills), a_liquidation(other))}
    stored = await kept.stored()
    assert written == Written(new_fills=3, changed_liquidations=2)
    assert stored.liquidations == expected
    assert sorted(stored.published) == sorted(("liquidations", to_json(each)) for each in expected.values())
    assert stored.fills == {fill_key(liquidation_id(f), f): observe(f) for f in (*fills, other)}


async def test_writing_a_batch_twice_changes_nothing(kept: Kept) -> None:
    """Every kind of content is kept once, and nothing is told twice."""
    batch = a_batch(
        events=(
            a_liquidated_fill(),
            an_account_liquidation(),
            a_ledger_movement(),
            a_record(),
            an_honest_case(),
        ),
        rejects=(a_reject(),),
        gaps=(a_gap(),),
        tallies=(Tally(span=Span("f", 0, 9), counts={Counted.PAYLOADS: 1}),),
        block_runs=(BlockRun(first=3, last=4, first_at=NOW, last_at=NOW),),
        cursor=Cursor("9"),
        newest_block=4,
        heard_at=NOW,
        last_event_at=NOW,
    )
    assert await kept.journal.write(batch) == Written(new_fills=1, changed_liquidations=1, new_rows=4)
    once = await kept.stored()
    assert await kept.journal.write(batch) == Written()
    twice = await kept.stored()
    assert twice == once
    assert (len(once.accounts), len(once.movements), len(once.exploits)) == (1, 1, 1)
    assert (len(once.rejects), len(once.gaps), len(once.published)) == (1, 1, 2)


async def test_a_repetition_within_a_batch_is_kept_once(kept: Kept) -> None:
    """The database decides what is new, not the order or the company in which it comes."""
    account, movement = an_account_liquidation(), a_ledger_movement()
    tally = Tally(span=Span("f", 0, 9), counts={Counted.PAYLOADS: 1})
    fill = a_liquidated_fill()
    written = await kept.write(
        events=(fill, fill, account, account, movement, movement),
        rejects=(a_reject(), a_reject()),
        gaps=(a_gap(), a_gap()),
        tallies=(tally, tally),
    )
    stored = await kept.stored()
    assert written == Written(new_fills=1, changed_liquidations=1, new_rows=2)
    assert (len(stored.rejects), len(stored.gaps)) == (1, 1)
    assert stored.spans == {(NODE, "f"): (((0, 9),), {Counted.PAYLOADS: 1})}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_further_sights_of_a_fill_are_merged(kept: Kept, order: tuple[int, ...]) -> None:
    """Each sight is a new version; whoever spoke last, the victim's row is shown."""
    sights = [a_counterparty_fill(), a_liquidated_fill(), a_liquidated_fill(source=API)]
    for turn, at in enumerate(order, start=1):
        written = await kept.write(events=(sights[at],))
        assert written == Written(new_fills=turn == 1, changed_liquidations=1)

    merged = observe(sights[0])
    for sight in sights[1:]:
        merged = merge(merged, observe(sight))
    stored = await kept.stored()
    assert list(stored.fills.values()) == [merged]
    [liquidation] = stored.liquidations.values()
    assert liquidation == fold(liquidation_id(sights[0]), [merged])
    versions = [msgspec.json.decode(message)["version"] for _channel, message in stored.published]
    assert versions == [1, 2, 3]


async def test_several_movements_and_accounts_of_one_moment_are_told_apart(kept: Kept) -> None:
    """One transaction can move much and liquidate many."""
    written = await kept.write(
        events=(
            a_ledger_movement(),
            a_ledger_movement(delta=b'{"type":"deposit","usdc":"1.0"}'),
            a_ledger_movement(hash=None),
            an_account_liquidation(),
            an_account_liquidation(user=OTHER_VICTIM),
            an_account_liquidation(hash=OTHER_HASH),
            an_account_liquidation(hash=None),
            an_account_liquidation(amount_usd=Usd(Decimal(1))),
        )
    )
    assert written == Written(new_rows=8)


async def test_a_changed_case_is_a_new_version_and_told(kept: Kept) -> None:
    """The latest word on a case counts; an unchanged one is no news."""
    await kept.write(events=(a_record(),))
    renamed = a_record(an_exploit(name="Renamed"))
    assert await kept.write(events=(renamed,)) == Written(new_rows=1)
    stored = await kept.stored()
    [(text, version)] = stored.exploits.values()
    assert (msgspec.json.decode(text)["name"], version) == ("Renamed", 2)
    assert [channel for channel, _message in stored.published] == ["exploits", "exploits"]
    assert await kept.write(events=(an_honest_case(),)) == Written(new_rows=1)
    assert await kept.write(events=(an_honest_case(),)) == Written()
    assert await kept.write(events=(an_honest_case(name="Renamed"),)) == Written(new_rows=1)


async def test_reports_open_and_join_cases(kept: Kept) -> None:
    """Edited, repeated, taken back or in doubt: both journals hold the same exploits, told as often."""
    later = NOW + timedelta(hours=1)

    def said(number: int, **changes: Any) -> Report:
        return a_report(**{"report_id": ReportId(f"r:{number}"), "origin": f"o{number}"} | changes)

    first, second = said(1, transactions=(HASH,)), said(2, transactions=(HASH,), addresses=(VICTIM,))
    doubtful = said(3, addresses=(VICTIM,), transactions=(HASH, OTHER_HASH)[1:])
    assert await kept.write(events=(first, second, first, doubtful)) == Written(new_rows=3)
    edited = said(2, transactions=(OTHER_HASH,), edited_at=later, amount_usd=Usd(Decimal(5)))
    gone = ReportDeleted(report_id=ReportId("r:1"), source=first.source, deleted_at=later)
    assert await kept.write(events=(edited, second, gone)) == Written(new_rows=2)
    assert await kept.write(events=(edited, second, gone, first)) == Written()

    exploits = (await kept.stored()).exploits
    assert {case: version for case, (_told, version) in exploits.items()} == {HASH: 2, OTHER_HASH: 1}
    assert msgspec.json.decode(exploits[HASH][0])["amount_usd"] == "5"
    assert len((await kept.stored()).published) == 3


async def test_the_newest_word_on_everything_counts(kept: Kept) -> None:
    """Markets, vaults and accounts are as the newest word has them, and repeating a word changes nothing."""
    later, sooner = NOW + timedelta(minutes=1), NOW - timedelta(minutes=1)
    words: tuple[State, ...] = (
        *(a_market_state(timestamp=moment, open_interest=None) for moment in (NOW, later, sooner)),
        a_market_state(asset="xyz:TSLA"),
        *(a_vault_state(timestamp=moment, total_pnl=None) for moment in (later, NOW)),
        *(an_account_state(timestamp=moment) for moment in (NOW, sooner)),
        an_account_state(user=OTHER_VICTIM, positions=()),
    )
    assert await kept.write(events=words) == Written(new_rows=8)
    assert (await kept.stored()).states == newest(words)

    assert await kept.write(events=words) == Written()
    closed = an_account_state(positions=(), timestamp=later)
    assert await kept.write(events=(closed, a_market_state(timestamp=later))) == Written(new_rows=2)
    states = (await kept.stored()).states
    assert states == newest((*words, closed, a_market_state(timestamp=later)))
    assert states["account_states", closed.user, closed.protocol, closed.chain][-1] == ()


async def test_claims_are_kept_once_and_the_newest_word_on_totals_and_positions(kept: Kept) -> None:
    """In whatever order and however often words come; only new orders are told of."""
    words: tuple[Claims, ...] = (
        a_claim(),
        a_claim(ordinal=1),
        a_claim(side=None, price=None, amount_usd=None),
        *(a_claimed_total(observed_at=CLAIMED_AT + back * SECOND, long_usd=None) for back in (-1, 1, 0)),
        a_claimed_total(long_usd=Usd(Decimal(7))),
        a_claimed_total(exchange=None, asset=None, rolling=True),
        *(a_claimed_position(timestamp=CLAIMED_AT + back * SECOND) for back in (2, 0)),
        a_claimed_position(timestamp=CLAIMED_AT + 2 * SECOND, opened_at=NOW, margin_mode=MarginMode.CROSS),
        *(a_claimed_position(action=action) for action in ClaimedAction),
    )
    assert await kept.write(events=words) == Written(new_rows=8)
    stored = await kept.stored()
    assert stored.claims == newest_claims(words)
    assert [channel for channel, _message in stored.published] == ["claims"] * 3
    assert stored.liquidations == {}

    assert await kept.write(events=words[::-1]) == Written()
    told = {msgspec.json.decode(message)["claim_id"] for _channel, message in stored.published}
    assert told == {each.claim_id for each in words if isinstance(each, Claim)}
    assert await kept.write(events=(a_claim(ordinal=2), a_claim())) == Written(new_rows=1)


SPANS = [(0, 10), (10, 25), (25, 26), (40, 90), (90, 95)]


@pytest.mark.parametrize("cuts", [(1, 1, 1, 1, 1), (5,), (2, 3), (4, 1)])
async def test_bytes_are_counted_once_whatever_the_batches(kept: Kept, cuts: tuple[int, ...]) -> None:
    """However a file is cut into batches and however often it is read, its sums are the same."""
    tallies = [
        Tally(span=Span("file", start, end), counts={Counted.PAYLOADS: 1, Counted.FILLS: end - start})
        for start, end in SPANS
    ]
    at = 0
    for size in cuts:
        await kept.write(tallies=tuple(tallies[at : at + size]))
        at += size
    for again in (tallies[3:], tallies[::-1], tallies):
        await kept.write(tallies=tuple(again))
    assert (await kept.stored()).spans == {
        (NODE, "file"): (((0, 26), (40, 95)), {Counted.PAYLOADS: 5, Counted.FILLS: 81})
    }


async def test_scopes_and_sources_are_counted_apart(kept: Kept) -> None:
    """The same bytes of another file, or of another source, are other bytes."""
    for source, scope in [(NODE, "a"), (NODE, "b"), (API, "a")]:
        await kept.write(source=source, tallies=(Tally(span=Span(scope, 0, 1), counts={Counted.FILLS: 2}),))
    spans = (await kept.stored()).spans
    assert {key: counts[Counted.FILLS] for key, (_ranges, counts) in spans.items()} == {
        (NODE, "a"): 2,
        (NODE, "b"): 2,
        (API, "a"): 2,
    }


RUNS = [
    (1, 9, 0, 20),
    (10, 12, 20, 21),
    (14, 30, 22, 59),
    (31, 40, 59, 61),
    (41, 50, 62, 119),
    (13, 13, 21, 22),
]


@pytest.mark.parametrize("seed", range(6))
async def test_blocks_are_the_same_whatever_the_batches_and_their_order(kept: Kept, seed: int) -> None:
    """However runs are cut into batches, in whatever order and however often: the hours hold the same."""
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    minute = timedelta(minutes=1)
    runs = [
        BlockRun(first=first, last=last, first_at=hour + begin * minute, last_at=hour + end * minute)
        for first, last, begin, end in RUNS
    ]
    chance = random.Random(seed)
    shuffled = chance.sample(runs, len(runs)) + chance.choices(runs, k=3)
    while shuffled:
        size = chance.randint(1, 3)
        await kept.write(block_runs=tuple(shuffled[:size]))
        shuffled = shuffled[size:]
    assert (await kept.stored()).block_hours == {
        (NODE, CHAIN, hour): (((1, 41),), hour, hour + 61 * minute),
        (NODE, CHAIN, hour + 60 * minute): (((31, 51),), hour + 59 * minute, hour + 119 * minute),
    }


async def test_blocks_of_sources_and_chains_are_kept_apart(kept: Kept) -> None:
    """A number alone says nothing of who read the block, nor of which chain it is."""
    run = BlockRun(first=1, last=2, first_at=NOW, last_at=NOW)
    other = Chain("hyperliquid_testnet")
    for source, chain in [(NODE, CHAIN), (API, CHAIN), (NODE, other)]:
        await kept.write(source=source, chain=chain, block_runs=(run,))
    hours = (await kept.stored()).block_hours
    assert {key[:2] for key in hours} == {(NODE, CHAIN), (API, CHAIN), (NODE, other)}
    assert {blocks[0] for blocks in hours.values()} == {((1, 3),)}


async def test_a_refusal_is_kept_once_and_within_bounds(kept: Kept) -> None:
    """Of a huge payload a mebibyte is kept with its whole length; no detail breaks the database."""
    huge = a_reject(payload=b"x" * (1 << 20) + b"y", detail="NUL \0 " + "z" * 1_000)
    other = a_reject(payload=b"x" * (1 << 20) + b"z")  # cut to the same bytes, and another payload
    for _ in range(2):
        await kept.write(rejects=(huge, other, a_reject(rule="another"), a_reject(payload=b"\0\xff")))
    rejects = (await kept.stored()).rejects
    assert len(rejects) == 4
    [kept_huge] = [each for each in rejects if str(each[3]).startswith("NUL")]
    assert kept_huge[3] == ("NUL \\0 " + "z" * 1_000)[:500]
    assert kept_huge[4:] == (b"x" * (1 << 20), (1 << 20) + 1)


async def test_a_batch_is_stored_whole_or_not_at_all(kept: Kept) -> None:
    """A fact that is refused takes nothing of its batch with it into the journal."""
    poison = a_ledger_movement(delta=b"\xff")
    if isinstance(kept.journal, MemoryJournal):
        kept.journal.refuses = lambda batch: poison in batch.events
    before = await kept.stored()
    with pytest.raises(StorageRefused):
        await kept.write(
            events=(a_liquidated_fill(), a_record(), poison),
            rejects=(a_reject(),),
            gaps=(a_gap(),),
            tallies=(Tally(span=Span("f", 0, 9), counts={}),),
            cursor=Cursor("9"),
        )
    assert await kept.stored() == before
    assert await kept.write(events=(a_liquidated_fill(),)) == Written(new_fills=1, changed_liquidations=1)


async def test_writers_at_the_same_time_lose_nothing(kept: Kept) -> None:
    """Two sources that see the same liquidations end with the same rows, told in growing versions."""
    fills = [a_liquidated_fill(tid=tid, timestamp=_moment(tid % 3)) for tid in range(30)]
    sights = [fills, [msgspec.structs.replace(fill, source=API) for fill in reversed(fills)]]

    async def write(own: list) -> None:
        for at in range(0, len(own), 7):
            await kept.write(source=own[0].source, events=tuple(own[at : at + 7]))

    async with asyncio.TaskGroup() as tasks:
        for own in sights:
            tasks.create_task(write(own))

    stored = await kept.stored()
    assert {len(each.observations) for each in stored.fills.values()} == {2}
    last: dict[str, int] = {}
    for _channel, message in stored.published:
        told = msgspec.json.decode(message)
        assert told["version"] > last.get(told["liquidation_id"], 0)
        last[told["liquidation_id"]] = told["version"]
    assert last == {identity: each.version for identity, each in stored.liquidations.items()}


def _moment(hour: int) -> datetime:
    return NOW + timedelta(hours=hour)


async def test_history_is_stored_and_told_to_nobody(kept: Kept) -> None:
    """It moves neither cursor nor newest block; what comes later is told as ever."""
    past = a_batch(
        events=(a_liquidated_fill(), a_claim()),
        cursor=Cursor("past"),
        newest_block=7,
        heard_at=NOW,
    )
    quiet = kept.journal.quiet()
    assert (await quiet.write(past)).new_fills == 1
    assert (await quiet.write(past)).new_fills == 0
    stored = await kept.stored()
    assert (len(stored.fills), len(stored.liquidations), len(stored.claims)) == (1, 1, 1)
    assert stored.published == ()
    assert (await kept.journal.cursor(NODE), await kept.journal.newest_block(NODE)) == (None, None)
    await kept.journal.write(a_batch(events=(a_counterparty_fill(),), cursor=Cursor("now"), newest_block=8))
    assert [channel for channel, _message in (await kept.stored()).published] == ["liquidations"]
    assert (await kept.journal.cursor(NODE), await kept.journal.newest_block(NODE)) == ("now", 8)
