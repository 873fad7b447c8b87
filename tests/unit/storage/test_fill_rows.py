"""Fills and liquidations as rows: each once, in order, with what COPY and subscribers get."""

import re
from decimal import Decimal

import msgspec
import pytest

from kamiyo.core.codec import to_json
from kamiyo.core.events import FillRole
from kamiyo.core.liquidations import fill_key, liquidation_id
from kamiyo.core.time import rfc3339
from kamiyo.storage import copy_text
from kamiyo.storage.fill_rows import (
    FILL_COLUMNS,
    LIQUIDATION_COLUMNS,
    fill_from_row,
    fill_line,
    fill_rows,
    liquidation_row,
)
from tests.builders import API, HASH, NOW, VAULT, a_counterparty_fill, a_liquidated_fill, a_liquidation


def test_rows_are_made_once_for_each_fill_in_the_order_of_their_keys() -> None:
    """Whoever saw a fill, it is one row; later ones come behind, whatever the order they were heard in."""
    fills = [a_liquidated_fill(tid=3), a_liquidated_fill(tid=1), a_liquidated_fill(tid=3, source=API)]
    rows = fill_rows(fills)
    assert list(rows.lines) == [fill_key(liquidation_id(fill), fill) for fill in (fills[1], fills[0])]
    assert [len(rows.observed[key].observations) for key in rows.lines] == [1, 2]
    assert [fields(line)["tid"] for line in rows.lines.values()] == ["1", "3"]
    assert rows.shared == {(fills[0].chain, fills[0].asset, NOW)}


def test_no_fills_are_no_rows() -> None:
    """A batch of other facts has nothing to store here."""
    assert not fill_rows([]).observed


def test_a_fills_row_holds_its_columns_in_order() -> None:
    """Numbers are plain digits, what only a victim's row knows is NULL elsewhere."""
    [line] = fill_rows([a_liquidated_fill(fee=Decimal("0.10"), asset="xyz:A\tB")]).lines.values()
    row = fields(line)
    assert (row["protocol"], row["asset"], row["timestamp"]) == ("xyz", "xyz:A\\tB", rfc3339(NOW))
    assert (row["fee"], row["hash"], row["role"]) == ("0.1", HASH, "victim")
    assert row["observations"].startswith('{"hyperliquid_node/victim/')
    [line] = fill_rows([a_counterparty_fill(hash=None)]).lines.values()
    row = fields(line)
    assert {row[name] for name in ("hash", "closed_pnl", "fee", "position_size_before")} == {copy_text.NULL}


@pytest.mark.parametrize(
    "fills",
    [  # the last: two sources that disagree
        [a_liquidated_fill()],
        [a_counterparty_fill()],
        [a_counterparty_fill(role=FillRole.PUBLIC, direction_text="")],
        [a_liquidated_fill(), a_counterparty_fill()],
        [a_counterparty_fill(counterparty=VAULT), a_counterparty_fill(source=API)],
    ],
)
def test_a_row_read_back_is_the_fill_it_was(fills) -> None:
    """Written again it is the same row, with who took the other side where any row said so."""
    rows = fill_rows(fills)
    [(key, line)] = rows.lines.items()
    read: dict[str, object] = {
        name: None if text == copy_text.NULL else text for name, text in fields(line).items()
    }
    read["observations"] = re.findall(r'[^"{},]+', str(read["observations"]))
    again = fill_from_row(read)
    assert fill_line(key, again) == line
    assert (again.fill.role, again.counterparty) == (
        rows.observed[key].fill.role,
        rows.observed[key].counterparty,
    )
    assert (again.fill.counterparty is None) is (again.fill.role is FillRole.VICTIM)


def test_a_liquidations_row_and_message_say_the_same() -> None:
    """What is stored beside the columns is what subscribers are told."""
    liquidation = a_liquidation(a_liquidated_fill(price=Decimal("2990.50")))
    line, message = liquidation_row(liquidation)
    row = dict(zip(LIQUIDATION_COLUMNS, line.split("\t"), strict=True))
    assert message == to_json(liquidation)
    told = msgspec.json.decode(message)
    assert msgspec.json.decode(row["metadata"]) == told["metadata"]
    assert row["liquidation_price"] == told["liquidation_price"] == "2990.5"
    assert (row["user"], row["leverage"], row["fill_count"]) == (told["user"], copy_text.NULL, "1")


def fields(line: str) -> dict[str, str]:
    return dict(zip(FILL_COLUMNS, line.split("\t"), strict=True))
