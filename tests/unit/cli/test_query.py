"""Rows of the tables of exploits and liquidations."""

from decimal import Decimal

import msgspec
import pytest

from kamiyo.cli.query import ExploitRow, moment, read_liquidation
from kamiyo.core.codec import to_json
from tests.builders import a_liquidated_fill, a_liquidation, an_exploit


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("2025-10-10", "2025-10-10T00:00:00Z"),
        ("2025-10-10T21:16:04Z", "2025-10-10T21:16:04Z"),
        ("1760130964831", "1760130964831"),
        (None, None),
    ],
)
def test_a_day_is_its_first_instant(given: str | None, sent: str | None) -> None:
    """Everything else goes to the server as it was given."""
    assert moment(given) == sent


def test_a_liquidation_is_shown_with_its_own_digits() -> None:
    """Size and price are the server's text, only the amount is grouped, only the account is cut short."""
    liquidation = a_liquidation(a_liquidated_fill())
    cells = read_liquidation(msgspec.Raw(to_json(liquidation))).cells()
    assert cells[1:4] == [liquidation.asset, liquidation.side, liquidation.method]
    assert cells[4:6] == [liquidation.size, liquidation.liquidation_price]
    assert cells[6] == f"{Decimal(liquidation.amount_usd):,.2f}"
    assert cells[7] == liquidation.user[:10] + "…"


@pytest.mark.parametrize(("precision", "shown"), [("year", 4), ("month", 7), ("day", 10), ("second", 10)])
def test_a_date_is_shown_no_more_precisely_than_it_is_known(precision: str, shown: int) -> None:
    """A case known to its month has no day."""
    exploit = to_json(an_exploit(timestamp_precision=precision, amount_usd=None))
    cells = msgspec.json.decode(exploit, type=ExploitRow).cells()
    assert cells[0] == msgspec.json.decode(exploit)["timestamp"][:shown]


def test_an_exploit_nobody_put_a_number_to_is_unknown() -> None:
    """No amount and no bounds are not nothing lost."""
    exploit = an_exploit(amount_usd=None, amount_usd_low=None, amount_usd_high=None)
    assert msgspec.json.decode(to_json(exploit), type=ExploitRow).cells()[1] == "unknown"
