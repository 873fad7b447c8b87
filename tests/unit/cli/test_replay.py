"""The account of a replay."""

from collections import Counter
from datetime import timedelta

from kamiyo.cli.replay import account_of, fills_of, totals_of
from kamiyo.core.codec import jsonable
from kamiyo.core.ports import Counted
from kamiyo.processing.replay import ReplayAccount
from kamiyo.runtime.replay import ReplayResult
from kamiyo.storage.read_rows import LiquidationMetadataText, LiquidationText


def a_row(method: str, amount_usd: str) -> LiquidationText:
    metadata = LiquidationMetadataText(None, "0x", [], None, None, None)
    return LiquidationText(
        "id", "c", "p", "u", "BTC", "long", method, "1", "2", "3", amount_usd, None, None, 1, "t",
        "s", ["s"], 1, metadata,
    )  # fmt: skip


ACCOUNT = ReplayAccount(
    payloads=7,
    counts=Counter(
        {
            Counted.FILLS: 6,
            Counted.ORDINARY_FILLS: 3,
            Counted.DUPLICATE_FILLS: 3,
            Counted.TRADES: 2,
            Counted.DUPLICATE_TRADES: 1,
        }
    ),
    events=Counter({"LiquidatedFill": 2}),
    rejects=Counter({"unknown_stream": 1}),
    gaps=4,
)


def test_methods_have_totals_of_their_own() -> None:
    """Three harms, three sums, also of a method there was none of."""
    rows = [a_row("market", "1000.5"), a_row("adl", "3"), a_row("market", "0.5")]
    assert totals_of(rows) == [["market", "2", "1,001.00"], ["backstop", "0", "0.00"], ["adl", "1", "3.00"]]


def test_fills_are_told_apart_by_kind() -> None:
    """The total is what was counted, not the sum of the kinds."""
    assert fills_of(ACCOUNT) == {
        "total": 6,
        "ordinary": 3,
        "liquidated": 0,
        "underwater": 0,
        "refused": 0,
        "duplicate": 3,
    }


def test_the_account_for_machines_has_its_promised_fields() -> None:
    """Scripts rely on these names."""
    row = a_row("adl", "3")
    assert account_of(ReplayResult(ACCOUNT, [row], timedelta(milliseconds=1500))) == {
        "payloads": 7,
        "fills": fills_of(ACCOUNT),
        "trades": {"total": 2, "duplicate": 1, "refused": 0},
        "events": {"LiquidatedFill": 2},
        "duplicates": 3,
        "rejects": {"unknown_stream": 1},
        "liquidations": [jsonable(row)],
        "findings": [],
        "gaps": 4,
        "seconds": 1.5,
    }
