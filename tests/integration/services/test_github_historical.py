"""The venue's files of 2023 against a local host of files: every row once, and every trouble by its name."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from kamiyo.aggregators._github_historical.rows import LEDGER, LIQUIDATIONS, TRADES
from kamiyo.aggregators.base import Alive, BaseAggregator, Waiting
from kamiyo.aggregators.github_historical import GitHubHistoricalAggregator
from kamiyo.core.errors import InvalidSettings, SourceUnavailable
from kamiyo.core.events import AccountLiquidation, Side
from kamiyo.core.exploits import ExploitStatus
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Counted
from kamiyo.core.sources import SourceState
from kamiyo.processing.normalizer import normalize
from kamiyo.storage.pool import Pool
from kamiyo.storage.read_stats import read_ingest_sums
from tests.services.built import built, events_of, rejects_of, reports_of
from tests.services.files import FileHost, open_files
from tests.services.github_historical import (
    LIQUIDATION,
    MOVEMENT,
    OTHER,
    TRADE,
    USER,
    made_up,
    real_files,
    rows_of,
    table,
)
from tests.services.hearing import Heard, drained
from tests.services.polling import poll, row_counts
from tests.services.server import Reply
from tests.stored import stored_in

FILES = (LIQUIDATIONS, LEDGER, TRADES)
TABLES = (
    "account_liquidations",
    "ledger_movements",
    "liquidations",
    "exploits",
    "reports",
    "rejects",
    "gaps",
)


@asynccontextmanager
async def serving(
    files: Mapping[str, bytes], host: Mapping[str, object] | None = None, **settings: object
) -> AsyncIterator[tuple[FileHost, GitHubHistoricalAggregator]]:
    """A host of these files, and the source that reads them."""
    async with (
        open_files(files, **(host or {})) as served,
        built("github_historical", {"url": served.url} | settings) as source,
    ):
        assert isinstance(source, GitHubHistoricalAggregator)
        yield served, source


def counts_of(source: BaseAggregator, heard: Heard) -> dict[str, Counter[Counted]]:
    """What the accounting says of each file."""
    counts: dict[str, Counter[Counted]] = {name: Counter() for name in FILES}
    for raw in heard.raws:
        counts[raw.stream].update(normalize(source.normalize, raw).counts)
    return counts


def alike(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


async def test_every_real_row_is_stored_as_its_file_has_it(shared_data: Path, pool: Pool):
    """62 liquidations and 560 movements are as many rows with the same content, and no case comes of them."""
    files = real_files(shared_data)
    liquidations, movements = (rows_of(files[name]) for name in (LIQUIDATIONS, LEDGER))
    assert (len(liquidations), len(movements)) == (62, 560)
    async with serving(files) as (_host, source):
        status = await poll(source, pool)
    assert (status.state, status.detail) == (SourceState.LIVE, "")
    found = await row_counts(pool, *TABLES)
    assert found == dict.fromkeys(TABLES, 0) | {"account_liquidations": 62, "ledger_movements": 560}
    stored = await pool.fetch("SELECT * FROM account_liquidations")
    assert {str(each["positions"]) for each in stored} == {"[]"}
    assert sorted(
        (each["timestamp"], each["user"], each["amount_usd"], each["account_value"], each["margin_mode"])
        for each in stored
    ) == sorted(
        (
            alike(row["time"]),
            row["user"],
            Decimal(row["liquidated_ntl_pos"]),
            Decimal(row["liquidated_account_value"]),
            row["leverage_type"].lower(),
        )
        for row in liquidations
    )
    moved = await pool.fetch("SELECT timestamp, users, delta ->> 'delta_usd' AS usd FROM ledger_movements")
    assert sorted((each["timestamp"], each["users"], each["usd"]) for each in moved) == sorted(
        (alike(row["time"]), [row["user"]], row["delta_usd"]) for row in movements
    )


async def test_every_real_trade_is_given_as_its_file_has_it(shared_data: Path):
    """35,691 trades, in the order of the file, each with every one of its cells."""
    files = real_files(shared_data)
    rows = rows_of(files[TRADES])
    assert len(rows) == 35_691
    async with serving(files) as (_host, source):
        trades = await source.get_trades()
    assert [
        (each.timestamp, each.user, each.asset, each.side, each.price, each.size, each.crossed)
        for each in trades
    ] == [
        (
            alike(row["time"]),
            row["user"],
            row["coin"],
            {"Ask": Side.SELL, "Bid": Side.BUY}[row["side"]],
            Decimal(row["px"]),
            Decimal(row["sz"]),
            row["crossed"] == "true",
        )
        for row in rows
    ]


async def test_the_accounting_of_the_real_files_adds_up(shared_data: Path, pool: Pool):
    """The books have a row for each file, with every byte of it read, and the sums that statistics show."""
    files = real_files(shared_data)
    async with serving(files) as (_host, source):
        await poll(source, pool)
    spans = {scope.partition("@")[0]: each for (_name, scope), each in (await stored_in(pool)).spans.items()}
    assert {name: ranges for name, (ranges, _counts) in spans.items()} == {
        name: ((0, len(body)),) for name, body in files.items()
    }
    counted = {
        name: {key: value for key, value in each.items() if value} for name, (_, each) in spans.items()
    }
    pieces = counted[TRADES].pop(Counted.PAYLOADS)
    assert pieces == -(-len(files[TRADES]) // (256 << 10)) == 13
    assert counted == {
        LIQUIDATIONS: {Counted.PAYLOADS: 1, Counted.LEDGER_EVENTS: 62},
        LEDGER: {Counted.PAYLOADS: 1, Counted.LEDGER_EVENTS: 560},
        TRADES: {Counted.TRADES: 35_691},
    }
    async with pool.acquire() as connection:
        (sums,) = await read_ingest_sums(connection)
    assert (sums.counts["ledger_events"], sums.counts["trades"], sums.counts["rejects"]) == (622, 35_691, 0)


async def test_a_second_poll_asks_once_for_each_file_and_stores_nothing(shared_data: Path, pool: Pool):
    """The same files again are three conditional requests, three times "not modified", and no new row."""
    async with serving(real_files(shared_data)) as (host, source):
        await poll(source, pool)
        before, asked = await stored_in(pool), len(host.server.requests)
        status = await poll(source, pool)
        again = host.server.requests[asked:]
    assert status.state is SourceState.LIVE
    assert host.asked()[asked:] == [*FILES]
    assert all(request.headers.get("if-none-match") for request in again)
    assert host.not_modified == [*FILES]
    after = await stored_in(pool)
    assert (after.accounts, after.movements, after.spans, after.rejects) == (
        before.accounts,
        before.movements,
        before.spans,
        before.rejects,
    )


async def test_a_file_read_from_its_beginning_again_changes_nothing(shared_data: Path, pool: Pool):
    """A worker that died before its cursor was kept leaves the next one all rows to read, and none to add."""
    async with serving(real_files(shared_data)) as (_host, source):
        await poll(source, pool)
        before = await stored_in(pool)
        await pool.execute("UPDATE sources SET cursor = NULL")
        await poll(source, pool)
    after = await stored_in(pool)
    assert (after.accounts, after.movements, after.spans) == (before.accounts, before.movements, before.spans)


async def test_a_cursor_of_another_reader_is_a_beginning():
    """A cursor that cannot be read, or was made when the files were read otherwise, reads them again."""
    async with serving(made_up()) as (host, source):
        first = await drained(source)
        assert first.cursor is not None
        for cursor in ("", "{}", first.cursor.replace('"reading":"1 ', '"reading":"0 ')):
            assert len((await drained(source, Cursor(cursor))).raws) == 3
        assert host.not_modified == []


async def test_a_server_without_etags_gives_no_row_twice():
    """Where nothing can be asked under a condition the same content is known by itself."""
    async with serving(made_up(), {"known": False}) as (_host, source):
        first = await drained(source)
        assert len(first.raws) == 3
        assert [type(each) for each in (await drained(source, first.cursor)).items] == [Alive]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Reply(404), "127.0.0.1 answered 404"),
        (Reply(410), "127.0.0.1 answered 410"),
        (
            Reply(301, headers={"location": "https://elsewhere.example/x"}),
            "127.0.0.1 answered 301: moved to elsewhere.example",
        ),
        (Reply(503), "127.0.0.1 answered 503"),
        (Reply(200, b"x" * 100, cut_after=5), "127.0.0.1: RemoteProtocolError"),
        (Reply(200, b"<!DOCTYPE html><p>gone", {"content-type": "text/html"}), "it is served as 'text/html'"),
        (Reply(200, b"\n <html>", {"content-type": "text/plain"}), "it is a page of HTML or XML"),
        (Reply(200, b""), "it is empty"),
        (
            Reply(200, b"time,user,margin\n1,2,3\n"),
            (
                "it lacks the column liquidated_ntl_pos, liquidated_account_value, leverage_type; "
                "it has time, user, margin"
            ),
        ),
        (
            Reply(200, b"time,user,user,liquidated_ntl_pos,liquidated_account_value,leverage_type\n"),
            "it has a column twice",
        ),
    ],
)
async def test_trouble_with_one_file_is_told_by_its_name(fault: Reply, told: str, pool: Pool):
    """A file that is missing, moved, cut or none stands in the source's state, and the others are read."""
    async with serving(made_up()) as (host, source):
        host.faults[LIQUIDATIONS] = fault
        status = await poll(source, pool)
        assert (status.state, status.detail) == (SourceState.LIVE, f"{LIQUIDATIONS}: {told}")
        assert await row_counts(pool, "account_liquidations", "ledger_movements") == {
            "account_liquidations": 0,
            "ledger_movements": 1,
        }
        host.faults.clear()
        status = await poll(source, pool)
        assert (status.state, status.detail) == (SourceState.LIVE, "")
        assert (await row_counts(pool, "account_liquidations"))["account_liquidations"] == 1


async def test_a_refused_file_stays_refused_until_it_changes():
    """What is wrong with a file is said again when its server says that it did not change."""
    async with serving(made_up() | {LEDGER: b"when,who\n"}) as (host, source):
        first = await drained(source)
        second = await drained(source, first.cursor)
        assert host.not_modified == [*FILES]
    assert (
        first.details
        == second.details
        == [f"{LEDGER}: it lacks the column time, user, delta_usd; it has when, who"]
    )


async def test_a_file_too_large_is_refused(monkeypatch: pytest.MonkeyPatch):
    """A file beyond its limit is refused by its size, and nothing of it is read."""
    monkeypatch.setattr(GitHubHistoricalAggregator, "largest", 1 << 20)
    files = made_up() | {TRADES: table(TRADES, [TRADE]) + b"\n" * (1 << 20)}
    async with serving(files) as (_host, source):
        heard = await drained(source)
        with pytest.raises(SourceUnavailable, match=f"{TRADES}: it is larger than 1 MiB"):
            await source.get_trades()
    assert heard.details == [f"{TRADES}: it is larger than 1 MiB"]
    assert [raw.stream for raw in heard.raws] == [LIQUIDATIONS, LEDGER]


async def test_a_file_whose_rows_are_looked_at_together_has_a_smaller_limit():
    """Liquidations that fill more than eight megabytes are refused rather than looked at in parts."""
    files = made_up() | {LIQUIDATIONS: table(LIQUIDATIONS, [LIQUIDATION]) + b"\n" * (8 << 20)}
    async with serving(files) as (_host, source):
        assert (await drained(source)).details == [f"{LIQUIDATIONS}: it is larger than 8 MiB"]


async def test_where_nothing_can_be_read_the_source_is_not_called_live(pool: Pool):
    """A repository that is gone is a source that cannot be reached, with each of its files by name."""
    async with serving({}) as (_host, source):
        status = await poll(source, pool)
    assert (status.state, status.failed_polls) == (SourceState.UNREACHABLE, 1)
    assert status.detail == "; ".join(f"{name}: 127.0.0.1 answered 404" for name in FILES)


async def test_files_that_are_all_refused_leave_the_source_unreachable():
    """That a server answers is not enough where no file of it can be used."""
    async with serving(dict.fromkeys(FILES, b"a,b\n1,2\n")) as (_host, source):
        heard = await drained(source)
    assert [type(each) for each in heard.items] == [Alive, Waiting]
    assert heard.cursor is not None


async def test_a_longer_file_adds_what_is_new(pool: Pool):
    """A file that grew is read again as a whole, and only what is new in it becomes a row."""
    async with serving(made_up()) as (host, source):
        await poll(source, pool)
        later = MOVEMENT.replace("-1.1", "25")
        host.files[LEDGER] = table(LEDGER, [MOVEMENT, later])
        await poll(source, pool)
        await poll(source, pool)
        assert host.asked() == [*FILES] * 3
    assert await row_counts(pool, "account_liquidations", "ledger_movements") == {
        "account_liquidations": 1,
        "ledger_movements": 2,
    }


BAD_TRADES = [
    TRADE.replace("0.0452", "-0.0452"),
    TRADE.replace("Ask", "Ack"),
    TRADE.replace("true", "perhaps"),
    TRADE.replace("2023-03-01", "2022-03-01"),
    TRADE.replace("2023-03-01", "9023-03-01"),
    TRADE.replace("T10:00:00Z", " 10:00"),
    f"{TRADE},more",
    f'"{TRADE}',
]
BAD_LIQUIDATIONS = [
    LIQUIDATION,  # once more
    LIQUIDATION.replace("Cross", "Both"),
    LIQUIDATION.replace("1000.5", "-1"),
    LIQUIDATION.replace("1000.5", "NaN"),
]
BAD_MOVEMENTS = [MOVEMENT.replace(USER, "0xabc"), "x"]
RULES = {
    (LIQUIDATIONS, "repeated_row"): 1,
    (LIQUIDATIONS, "unknown_leverage_type"): 1,
    (LIQUIDATIONS, "negative_amount"): 1,
    (LIQUIDATIONS, "not_a_number"): 1,
    (LEDGER, "not_an_address"): 1,
    (LEDGER, "cells_do_not_fit"): 1,
    (TRADES, "trade_has_positive_numbers"): 1,
    (TRADES, "unknown_order_side"): 1,
    (TRADES, "not_a_flag"): 1,
    (TRADES, "not_before_the_venue"): 1,
    (TRADES, "not_from_the_future"): 1,
    (TRADES, "not_a_time"): 1,
    (TRADES, "cells_do_not_fit"): 2,
}


async def test_a_row_that_cannot_be_read_is_refused_alone(pool: Pool):
    """Each bad row is kept with the rule it broke, and stands in the accounting; the good ones are stored."""
    files = {
        LIQUIDATIONS: table(LIQUIDATIONS, [LIQUIDATION, *BAD_LIQUIDATIONS]),
        LEDGER: table(LEDGER, [MOVEMENT, MOVEMENT, *BAD_MOVEMENTS]),
        TRADES: table(TRADES, [TRADE, *BAD_TRADES, TRADE]),
    }
    async with serving(files) as (_host, source):
        await poll(source, pool)
    rejects = await pool.fetch("SELECT stream, rule, payload FROM rejects")
    assert Counter((each["stream"], each["rule"]) for each in rejects) == RULES
    refused = {bytes(each["payload"]).decode() for each in rejects if each["stream"] == TRADES}
    assert refused == set(BAD_TRADES)
    assert await row_counts(pool, "account_liquidations", "ledger_movements") == {
        "account_liquidations": 1,
        "ledger_movements": 2,
    }
    spans = {scope.partition("@")[0]: each for (_, scope), (_, each) in (await stored_in(pool)).spans.items()}
    assert (spans[LIQUIDATIONS][Counted.LEDGER_EVENTS], spans[LIQUIDATIONS][Counted.REJECTS]) == (1, 4)
    assert (spans[LEDGER][Counted.LEDGER_EVENTS], spans[LEDGER][Counted.REJECTS]) == (2, 2)
    trades = spans[TRADES]
    assert (trades[Counted.TRADES], trades[Counted.REFUSED_TRADES], trades[Counted.REJECTS]) == (10, 8, 8)


async def test_another_year_s_form_is_read_by_the_names_of_its_columns():
    """Columns in another order, further ones, quotes, a byte order mark and CRLF change nothing."""
    columns = ["user", "leverage_type", "note", "liquidated_account_value", "liquidated_ntl_pos", "time"]
    first = f'{USER},"Isolated","a ""note"",\r\nof two lines",1.5,"20.25",2024-01-02T03:04:05.678Z'
    second = f"{OTHER},Cross,,0,1,2024-01-02T04:04:05+01:00"
    body = b"\xef\xbb\xbf" + "\r\n".join([",".join(columns), first, "", second, ""]).encode()
    async with serving(made_up() | {LIQUIDATIONS: body}) as (_host, source):
        heard = await drained(source)
        liquidations = [each for each in events_of(source, heard) if isinstance(each, AccountLiquidation)]
        assert rejects_of(source, heard) == []
        assert counts_of(source, heard)[LIQUIDATIONS][Counted.LEDGER_EVENTS] == 2
    told = [(each.user, each.timestamp, each.amount_usd, each.margin_mode) for each in liquidations]
    assert told == [
        (USER, alike("2024-01-02T03:04:05.678+00:00"), Decimal("20.25"), "isolated"),
        (OTHER, alike("2024-01-02T03:04:05+00:00"), Decimal(1), "cross"),
    ]


def liquidations(*rows: tuple[str, str, int]) -> bytes:
    return table(LIQUIDATIONS, [f"{time},{user},{usd},1,Cross" for time, user, usd in rows])


async def test_a_suspicious_pattern_becomes_a_case_that_is_only_suspected(pool: Pool):
    """What exceeds the threshold within the window is one suspected case, told again without effect."""
    rows = [(f"2023-04-01T10:{minute:02}:00Z", USER, 300_000) for minute in range(0, 40, 10)]
    rows += [("2023-04-01T10:59:59Z", OTHER, 1), ("2023-04-02T10:00:00Z", OTHER, 1_000_000)]
    files = made_up() | {LIQUIDATIONS: liquidations(*rows)}
    async with serving(files) as (_host, source):
        await poll(source, pool)
        before = await stored_in(pool)
        await pool.execute("UPDATE sources SET cursor = NULL")
        await poll(source, pool)
        (report,) = reports_of(source, await drained(source))
        (exploit,) = await source.fetch_exploits()
    assert (await stored_in(pool)).exploits == before.exploits
    (case,) = await pool.fetch("SELECT * FROM exploits")
    assert (case["status"], case["confidence"], case["amount_usd"]) == ("suspected", "low", None)
    assert exploit.status is ExploitStatus.SUSPECTED
    assert (case["timestamp"], case["ended_at"]) == (
        alike("2023-04-01T10:00:00Z"),
        alike("2023-04-01T10:59:59Z"),
    )
    assert report.text.startswith("5 liquidations of 2 accounts between 2023-04-01 10:00:00 and")
    assert "more than 1000000 USD fell within 60 minutes" in report.text


async def test_another_threshold_reads_the_files_again():
    """What is suspicious is looked for again once the settings say otherwise."""
    files = made_up()
    async with open_files(files) as host:
        async with built("github_historical", {"url": host.url}) as source:
            first = await drained(source)
            assert reports_of(source, first) == []
        async with built("github_historical", {"url": host.url, "suspicious_usd": 1_000}) as source:
            second = await drained(source, first.cursor)
            assert len(reports_of(source, second)) == 1
        assert host.not_modified == []


async def test_trades_that_are_not_there_are_an_error():
    """Who asks for trades hears why there are none."""
    async with serving({TRADES: b"time\n"}) as (host, source):
        with pytest.raises(SourceUnavailable, match=f"{TRADES}: it lacks the column user"):
            await source.get_trades()
        host.files[TRADES] = table(TRADES, [TRADE, "no row", TRADE.replace(USER, OTHER)])
        assert [each.user for each in await source.get_trades()] == [USER, OTHER]
        host.files.clear()
        with pytest.raises(SourceUnavailable, match="answered 404"):
            await source.get_trades()


async def test_an_address_with_a_password_is_refused():
    """An address is shown to everybody, so that it may hold no secret."""
    with pytest.raises(InvalidSettings, match=r"sources.github_historical.url holds a user or a password"):
        async with built("github_historical", {"url": "https://me:secret@files.example"}):
            pass
