from datetime import datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest

from kamiyo.core.codec import jsonable, parse_metadata, to_json
from kamiyo.core.events import LiquidationMethod, MarginMode
from tests.builders import HASH, NOW, VICTIM, a_counterparty_fill, a_gap, a_liquidated_fill, a_liquidation


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, None),
        (True, True),
        (7, 7),
        ("text", "text"),
        (Decimal("1.500"), "1.5"),
        (Decimal("1E+3"), "1000"),
        (NOW, "2025-10-10T21:16:00.250Z"),
        (datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=1))), "2024-12-31T23:00:00.000Z"),
        ((Decimal("2.0"), [Decimal(3)]), ["2", ["3"]]),
        (frozenset({Decimal("0.10")}), ["0.1"]),
        ({"amount": Decimal("2.50"), "at": (NOW,)}, {"amount": "2.5", "at": ["2025-10-10T21:16:00.250Z"]}),
    ],
)
def test_numbers_and_moments_become_text_and_all_else_stays(value, data) -> None:
    """Money is never a float on its way out, and a moment always is in UTC, however deep they lie."""
    assert jsonable(value) == data


def test_a_fact_becomes_plain_data_under_its_own_names() -> None:
    """Every field is there once, the unknown ones as null and not as zero."""
    data = jsonable(a_gap())
    assert data == {
        "source": "hyperliquid_node",
        "scale": "block",
        "scope": "",
        "first": 100,
        "after_last": 110,
        "reason": "block_missing",
        "detected_at": "2025-10-10T21:16:00.250Z",
        "started_at": None,
        "ended_at": None,
    }


def test_a_liquidation_is_written_with_every_number_as_text() -> None:
    """The JSON of a liquidation holds no number but its counts."""
    data = msgspec.json.decode(to_json(a_liquidation()))
    assert (data["size"], data["liquidation_price"], data["amount_usd"]) == ("2", "3000", "6000")
    assert (data["method"], data["timestamp"]) == (LiquidationMethod.MARKET, "2025-10-10T21:16:00.250Z")
    assert {name for name, value in data.items() if isinstance(value, int | float)} == {
        "fill_count",
        "version",
    }
    assert data["metadata"]["hash"] == HASH


@pytest.mark.parametrize("fill", [a_liquidated_fill(), a_counterparty_fill(hash=None)])
def test_metadata_is_read_back_as_it_was_written(fill) -> None:
    """What was stored is what is read, known and unknown alike."""
    metadata = a_liquidation(fill).metadata
    assert parse_metadata(to_json(metadata)) == metadata
    assert parse_metadata(to_json(metadata).decode()) == metadata
    assert metadata.liquidated_user == VICTIM


def test_metadata_that_is_none_is_refused() -> None:
    """A stored text of another shape is an error and not an empty answer."""
    with pytest.raises(msgspec.ValidationError):
        parse_metadata(b'{"hash":null}')


@pytest.mark.parametrize(
    "changes",
    [{}, {"leverage": "2.5"}, {"observed_by": ("a", "b")}, {"margin_mode": MarginMode.CROSS}],
)
def test_the_short_cut_for_liquidations_leaves_nothing_out(changes) -> None:
    """A liquidation is written field by field as any other fact is, in the same order."""
    liquidation = msgspec.structs.replace(a_liquidation(), **changes)
    generic = {name: jsonable(getattr(liquidation, name)) for name in liquidation.__struct_fields__}
    details = liquidation.metadata
    generic["metadata"] = {name: jsonable(getattr(details, name)) for name in details.__struct_fields__}
    assert to_json(liquidation) == msgspec.json.encode(generic)
    assert to_json(details) == msgspec.json.encode(generic["metadata"])
