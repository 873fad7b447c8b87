"""The table of user slots, as a person reads it."""

import msgspec
import pytest

from kamiyo.cli.client import Meta, Statement
from kamiyo.cli.slots import print_slots
from tests.builders import MAKER, VAULT

MEASURED = {
    "day": "2025-10-09",
    "hours": 20,
    "amount_usd": "1234.5",
    "total_usd": "4938",
    "percent": "25",
    "fills": 3,
    "assets": 2,
    "chosen_at": "2025-10-10T00:20:00.000Z",
}
KNOWN = {"source": "hyperliquid_api", "chain": "hyperliquid", "held_since": "2025-10-10T00:30:00.000Z"}
ANSWER = {
    "slots": [
        KNOWN | {"user": VAULT, "position": 1, "reason": "liquidator", "measured": None},
        KNOWN | {"user": MAKER, "position": 2, "reason": "measured", "measured": MEASURED},
    ],
    "chosen": [
        {"chain": "hyperliquid", "user": MAKER, "position": 1, "followed": True, "measured": MEASURED},
        {
            "chain": "hyperliquid",
            "user": VAULT,
            "position": 2,
            "followed": False,
            "measured": MEASURED | {"percent": None},
        },
    ],
}


META: dict[str, object] = {
    "mode": "LIVE",
    "recording": None,
    "as_of": "2025-10-10T21:16:05.000Z",
    "stale": True,
    "coverage": {"label": "sample", "sources": [], "measured_pct": None},
    "warnings": ["no source of liquidations is live"],
}


def printed(
    capsys: pytest.CaptureFixture[str], answer: object, *, json: bool = False, **changes: object
) -> str:
    meta = META | changes
    known = msgspec.convert(meta, Meta)
    print_slots(Statement(msgspec.Raw(msgspec.json.encode(answer)), known, meta), json=json)
    return capsys.readouterr().out


def test_who_holds_a_slot_is_shown_with_why_and_since_when(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measured one with its share and the day, and below all that were chosen."""
    monkeypatch.setenv("COLUMNS", "200")
    lines = [" ".join(line.split()) for line in printed(capsys, ANSWER).splitlines()]
    assert f"1 hyperliquid_api {VAULT} liquidator 2025-10-10T00:30:00.000Z" in lines
    assert (
        f"2 hyperliquid_api {MAKER} measured: 25 % of what was liquidated on 2025-10-09 "
        "2025-10-10T00:30:00.000Z"
    ) in lines
    assert (
        "chosen from 20 measured hours of 2025-10-09, in which 4,938.00 USD were liquidated into the book"
        in lines
    )
    assert f"1 {MAKER} 1,234.50 25 % 3 2 yes 2025-10-10T00:20:00.000Z" in lines
    assert f"2 {VAULT} 1,234.50 unknown 3 2 no 2025-10-10T00:20:00.000Z" in lines


def test_what_nobody_told_and_nobody_measured_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty table says nothing."""
    shown = printed(capsys, {"slots": [], "chosen": []})
    assert "no source has told whose fills it follows" in shown
    assert "no day was measured: nobody is chosen by what was measured" in shown


def test_for_machines_it_is_the_servers_own_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, whole."""
    assert msgspec.json.decode(printed(capsys, ANSWER, json=True)) == {"data": ANSWER, "meta": META}


def test_how_far_it_may_be_believed_is_said_below_and_what_does_not_happen_now_above(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A source that is not live follows nobody, whatever it said last."""
    shown = printed(capsys, ANSWER)
    assert shown.splitlines()[0].startswith("slot")
    assert shown.splitlines()[-1] == "warning: no source of liquidations is live"
    replayed = printed(capsys, ANSWER, mode="REPLAY", recording="a day")
    assert replayed.splitlines()[0].startswith("REPLAY")
