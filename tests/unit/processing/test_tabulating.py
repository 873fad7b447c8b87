"""Rows of lists become rows of tables, and nothing of them is left out."""

from typing import Any, get_args

import msgspec
import pytest

from kamiyo.api import claim_schemas, schemas, state_schemas
from kamiyo.core.codec import to_json
from kamiyo.core.exports import ExportDataset
from kamiyo.core.reports import Facts, Report
from kamiyo.kit.parquet import Kind
from kamiyo.processing.tabulating import table_of
from kamiyo.storage.export_sets import SETS, FactsColumns, ReportColumns
from kamiyo.storage.read_cases import ReportRow
from kamiyo.storage.read_claims import ClaimText
from tests.builders import a_record, a_report, an_exploit

SHAPES: dict[ExportDataset, Any] = {
    ExportDataset.LIQUIDATIONS: schemas.LiquidationShape,
    ExportDataset.EXPLOITS: schemas.ExploitShape,
    ExportDataset.HONEST_CASES: schemas.HonestCaseShape,
    ExportDataset.MARKETS: state_schemas.MarketShape,
    ExportDataset.VAULTS: state_schemas.VaultShape,
    ExportDataset.POSITIONS: state_schemas.PositionShape,
    ExportDataset.CLAIMS: claim_schemas.ClaimShape,
    ExportDataset.CLAIMED_TOTALS: claim_schemas.ClaimedTotalShape,
    ExportDataset.CLAIMED_POSITIONS: claim_schemas.ClaimedPositionShape,
}
OF_THE_MOMENT = {"age_seconds", "stale"}  # of a row in a file it would be wrong a second later


def columns(shape: Any, above: str = "") -> dict[str, Kind | None]:
    """The fields of a documented answer, those below others with the names of both, and what they hold."""
    found: dict[str, Kind | None] = {}
    for name, field in shape.model_fields.items():
        kind = next(
            (each for each in get_args(field.annotation) or () if each is not type(None)), field.annotation
        )
        if isinstance(kind, type) and issubclass(kind, schemas.Shape) and "list" not in str(field.annotation):
            found |= columns(kind, f"{above}{name}_")
        else:
            found[f"{above}{name}"] = _kind(field)
    return {name: kind for name, kind in found.items() if name not in OF_THE_MOMENT}


def _kind(field: Any) -> Kind | None:
    told = f"{field.annotation} {field.metadata}"
    if "list" in told:
        return None
    return (
        Kind.DECIMAL
        if "plain digits" in told or "[0-9]+(" in told
        else Kind.MOMENT
        if "T[0-9]" in told
        else None
    )


@pytest.mark.parametrize("dataset", SHAPES)
def test_every_number_and_moment_of_a_list_is_known_as_one(dataset) -> None:
    """The columns are the fields of the documented answer, numbers decimals and times moments."""
    documented = columns(SHAPES[dataset])
    table = table_of(dataset)
    assert sorted(table.names) == sorted(documented)
    typed = {each.name: each.kind for each in table.columns if each.kind in {Kind.DECIMAL, Kind.MOMENT}}
    assert typed == {name: kind for name, kind in documented.items() if kind is not None}


def test_a_report_is_in_columns_what_it_is() -> None:
    """Every field of a report and of its facts is there."""
    own = set(Report.__struct_fields__) | {"tx_hash", "version"}
    assert set(ReportColumns.__struct_fields__) == own
    assert FactsColumns.__struct_fields__ == Facts.__struct_fields__
    row = ReportRow("0x1", 2, msgspec.Raw(to_json(a_report(chains=("a", "b"), text="x"))))
    table = table_of(ExportDataset.REPORTS)
    told = dict(zip(table.names, table.cells(row), strict=True))
    assert (told["tx_hash"], told["version"], told["text"]) == ("0x1", 2, "x")
    assert (told["facts_chains"], told["curated"], told["citations"]) == (["a", "b"], None, "[]")
    curated = ReportRow("0x1", 1, msgspec.Raw(to_json(a_record(an_exploit()))))
    told = dict(zip(table.names, table.cells(curated), strict=True))
    assert msgspec.json.decode(str(told["curated"]))["tx_hash"] == an_exploit().tx_hash


def test_cells_are_what_the_api_shows() -> None:
    """Numbers and moments as text, what is not known as None."""
    row = ClaimText("c", "coinglass", "binance", "P", "A", None, "1.5", None, "2025-10-10T21:16:00.250Z", 3)
    table = table_of(ExportDataset.CLAIMS)
    assert table.cells(row) == list(msgspec.structs.astuple(row))
    assert table.places(Kind.INTEGER) == [9]
    assert {each.kind for each in table_of(ExportDataset.CLAIMED_TOTALS).columns} >= {
        Kind.TRUTH,
        Kind.INTEGER,
    }


def test_what_is_nested_becomes_columns_or_json() -> None:
    """One below another with the names of both; lists of texts stay lists."""
    liquidations = table_of(ExportDataset.LIQUIDATIONS)
    assert "metadata_closed_pnl" in liquidations.names
    exploits = {each.name: each.kind for each in table_of(ExportDataset.EXPLOITS).columns}
    assert (exploits["assets"], exploits["timeline"]) == (Kind.TEXTS, Kind.TEXT)
    assert set(SETS) == set(ExportDataset)
