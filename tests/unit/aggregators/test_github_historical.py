"""The files of 2023, payload by payload: what a row says, and that nothing of it becomes a liquidation."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from kamiyo.aggregators._github_historical.rows import LEDGER, LIQUIDATIONS, TRADES
from kamiyo.aggregators.github_historical import AGGREGATOR, GitHubHistoricalSettings
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import AccountLiquidation, LedgerMovement, MarginMode
from kamiyo.core.exploits import Confidence, ExploitStatus
from kamiyo.core.ids import MAINNET
from kamiyo.core.ports import Counted, Normalized, Raw
from kamiyo.core.reports import Grade, Medium, Report
from kamiyo.core.sources import CoverageLabel, Subject
from tests.builders import NOW
from tests.fakes import tools
from tests.services.github_historical import LIQUIDATION, MOVEMENT, OTHER, TRADE, USER, table

SOURCE = AGGREGATOR.build(GitHubHistoricalSettings(suspicious_usd=5_000), tools())
BEFORE_ALL = "0001-01-01T00:00:00+01:00"
FIRST = datetime(2023, 3, 1, 10, tzinfo=UTC)


def read(name: str, *rows: str) -> Normalized:
    return SOURCE.normalize(raw(name, table(name, rows)))


def raw(stream: str, payload: bytes) -> Raw:
    return Raw(source=SOURCE.name, stream=stream, payload=payload, received_at=NOW)


def test_a_liquidation_is_a_note_on_an_account():
    """It has notional and equity in exact decimals, and no position, as the file tells of none."""
    (event,) = read(LIQUIDATIONS, LIQUIDATION).events
    assert event == AccountLiquidation(
        source=SOURCE.name,
        chain=MAINNET,
        user=event.user,  # type: ignore[union-attr]
        timestamp=FIRST,
        hash=None,
        amount_usd=Decimal("1000.5"),  # type: ignore[arg-type]
        account_value=Decimal("10.25"),  # type: ignore[arg-type]
        margin_mode=MarginMode.CROSS,
        positions=(),
    )


def test_a_movement_keeps_the_number_as_it_is_written():
    """The file says by how much collateral moved, and not of what kind: the type is ours."""
    (event,) = read(LEDGER, MOVEMENT).events
    assert isinstance(event, LedgerMovement)
    assert (event.users, event.timestamp, event.type) == ((USER,), FIRST, "ledgerUpdate")
    assert event.delta == b'{"type":"ledgerUpdate","delta_usd":"-1.1"}'


def test_rows_that_are_equal_in_everything_are_as_many_movements():
    """Two equal deposits of one second are two: the second one says that it is."""
    events = read(LEDGER, MOVEMENT, MOVEMENT, MOVEMENT).events
    assert len({each.digest for each in events if isinstance(each, LedgerMovement)}) == 3
    again = read(LEDGER, MOVEMENT, MOVEMENT).events
    assert list(again) == list(events)[:2]


def test_trades_are_counted_and_not_stored():
    """Trades give numbers for the books, the newest moment, and no fact; equal rows count each."""
    found = read(TRADES, TRADE, TRADE, TRADE.replace(USER, OTHER), TRADE.replace("1655.5", "0"))
    assert (found.events, found.fills, found.trades) == ((), (), ())
    assert found.counts == {
        Counted.PAYLOADS: 1,
        Counted.TRADES: 4,
        Counted.REFUSED_TRADES: 1,
        Counted.REJECTS: 1,
    }
    assert found.last_event_at == FIRST


@pytest.mark.parametrize(
    ("name", "row", "rule"),
    [
        (LIQUIDATIONS, LIQUIDATION.replace("10.25", "1e3"), "not_a_number"),
        (LIQUIDATIONS, LIQUIDATION.replace("10:00:00Z", "10:00:00"), "not_a_time"),
        (LIQUIDATIONS, LIQUIDATION.replace("03-01", "02-30"), "not_a_time"),
        (LIQUIDATIONS, LIQUIDATION.replace("2023-03-01T10:00:00Z", BEFORE_ALL), "not_a_time"),
        (LEDGER, MOVEMENT.replace("-1.1", ""), "not_a_number"),
        (TRADES, TRADE.replace("ETH", ""), "not_an_asset"),
        (TRADES, TRADE.replace("ETH", "\udcff"), "not_an_asset"),
    ],
)  # fmt: skip
def test_a_cell_that_is_not_what_its_column_says_costs_its_row(name: str, row: str, rule: str):
    """The row is kept as it stood, under the rule it broke."""
    payload = table(name, []) + b"\n" + row.encode("utf-8", "surrogateescape")
    (reject,) = SOURCE.normalize(raw(name, payload)).rejects
    assert (reject.rule, reject.stream) == (rule, name)
    assert reject.payload == row.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("stream", "payload", "rule"),
    [
        ("else.csv", table(TRADES, [TRADE]), "unknown_stream"),
        (TRADES, table(LEDGER, [MOVEMENT]), "columns_missing"),
        (LEDGER, b"", "columns_missing"),
        (LEDGER, b'"', "cells_do_not_fit"),
    ],
)
def test_a_payload_that_is_no_such_table_is_refused_as_a_whole(stream: str, payload: bytes, rule: str):
    """Nothing is read of a payload whose columns are not those of its file."""
    with pytest.raises(MalformedPayload) as refusal:
        SOURCE.normalize(raw(stream, payload))
    assert refusal.value.rule == rule


def test_a_suspicion_states_no_loss_and_confirms_nothing():
    """The report is of the lowest grade, by observation, and its case stays suspected however it is built."""
    rows = [LIQUIDATION.replace(":00Z", f":{second:02}Z") for second in range(6)]
    found = read(LIQUIDATIONS, *rows)
    assert found.counts == {Counted.PAYLOADS: 1, Counted.LEDGER_EVENTS: 6, Counted.REPORTS: 1}
    report = found.events[-1]
    assert isinstance(report, Report)
    assert (report.grade, report.medium) == (Grade.CLAIM, Medium.OBSERVATION)
    assert report.report_id == "github_historical:liquidations/2023-03-01T10:00:00.000Z"
    assert report.facts.amount_usd is None
    (case,) = SOURCE.normalize_exploit(raw(LIQUIDATIONS, table(LIQUIDATIONS, rows)))
    assert (case.status, case.confidence) == (ExploitStatus.SUSPECTED, Confidence.LOW)


def test_it_is_described_as_what_it_is():
    """Nobody knows what share of the venue it shows, and being polled it never stands for the venue now."""
    told = SOURCE.description
    assert (told.label, told.subject) == (CoverageLabel.NOT_MEASURED, Subject.VENUE)
    assert told.url.startswith("https://raw.githubusercontent.com/hyperliquid-dex/historical_data/")


@pytest.mark.parametrize("columns", [{"when": "time"}, {"who": "user"}])
def test_a_column_of_another_name_is_not_guessed(columns: Mapping[str, str]):
    """What a column holds is told by its name alone."""
    ((new, old),) = columns.items()
    payload = table(LEDGER, [MOVEMENT]).replace(old.encode(), new.encode(), 1)
    with pytest.raises(MalformedPayload, match=f"it lacks the column {old}"):
        SOURCE.normalize(raw(LEDGER, payload))
