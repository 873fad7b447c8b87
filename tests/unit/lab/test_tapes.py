"""Recordings opened as tapes: fills, minutes and both, what they hold and what they tell when."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from kamiyo.core.errors import InvalidQuery
from kamiyo.core.modes import Mode
from kamiyo.hyperliquid.info import AllMids, L2Book, MetaAndAssetCtxs
from kamiyo.lab.ports import Publication, Tape, Topic
from kamiyo.lab.tape import open_tape
from kamiyo.lab.tape_model import ModelTape
from kamiyo.lab.tape_prepared import PreparedTape
from tests.venues import START, a_block, a_tape, a_trade, millis

SECOND = timedelta(seconds=1)
TRADES: Topic = ("trades", "BTC")


def write_recording(folder: Path, mode: str = "replay") -> Path:
    """A folder with a block of fills and a minute series of the same market."""
    folder.mkdir()
    (folder / "fills.jsonl").write_bytes(a_block(61, a_trade(coin="BTC", px="99", tid=1)) + b"\n")
    minutes = f"{millis(START)},100,101,5000,400\n{millis(START) + 60_000},102,103,5100,400\n"
    header = "t_ms,mark_price,oracle_price,open_interest_usd,depth_usd\n"
    (folder / "minutes.csv").write_text(header + minutes)
    (folder / "sums.csv").write_text(f"t_ms,liquidated_usd,backstop_usd\n{millis(START)},1500,20\n")
    (folder / "recording.toml").write_text(f"""
name = "both"
title = "Both"
mode = "{mode}"
chain = "hyperliquid"
source = "a test"
[[files]]
path = "fills.jsonl"
kind = "node_fills_by_block"
[[files]]
path = "minutes.csv"
kind = "minutes"
asset = "BTC"
[[files]]
path = "sums.csv"
kind = "liquidation_minutes"
asset = "BTC"
""")
    return folder


def heard(tape: Tape, topics: list[Topic], seconds: float) -> list[Publication]:
    """What the subscribers of these topics hear until so many seconds after the start."""
    wanted = {str(topic[0]): [each for each in topics if each[0] == topic[0]] for topic in topics}
    playing = tape.play(START)
    return list(playing.advance(START + timedelta(seconds=seconds), wanted))


def test_a_folder_of_fills_and_minutes_is_one_tape(tmp_path: Path) -> None:
    """Where a market has a minute series its prices come from there, and its trades from the fills."""
    tape = open_tape(write_recording(tmp_path / "both"))
    playing = tape.play(START)
    assert msgspec.json.decode(playing.answer(AllMids(), START)) == {}
    trades = list(playing.advance(START + 61 * SECOND, {"trades": [TRADES]}))
    [_meta, [context]] = msgspec.json.decode(playing.answer(MetaAndAssetCtxs(), START))
    assert len(trades) == 1
    assert (context["markPx"], context["oraclePx"], context["openInterest"]) == ("100", "101", "50")
    assert (tape.showing.mode, tape.showing.recording) == (Mode.REPLAY, "both")
    assert tape.holds == (
        "1 blocks with 2 fills, 1 trades (0 by liquidation) of 1 assets; 2 minutes of BTC; "
        "1,500 USD liquidated in 1 minutes, nobody says of whom"
    )


def test_a_row_of_minutes_is_never_told_before_it_was_known() -> None:
    """The shipped minutes are silent for the first minute and then a minute behind."""
    tape = open_tape("popcat-2025-11-12")
    playing = tape.play(tape.starts_at)
    known: list[str] = []
    for seconds in (59, 60, 119, 120):
        moment = tape.starts_at + seconds * SECOND
        assert not list(playing.advance(moment, {}))
        known.append(msgspec.json.decode(playing.answer(AllMids(), moment)).get("POPCAT"))
    assert known == [None, "0.16833", "0.16833", "0.16981"]
    book = msgspec.json.decode(playing.answer(L2Book(asset="POPCAT"), tape.starts_at))
    assert len(book["levels"][0]) == len(book["levels"][1]) == 20


def test_made_up_and_recorded_together_are_made_up(tmp_path: Path) -> None:
    """A tape with anything made up on it is not a replay."""
    real, made_up = write_recording(tmp_path / "one"), write_recording(tmp_path / "two", "simulated")
    assert open_tape(real, made_up).showing.mode is Mode.SIMULATED


def test_the_made_up_cascade_needs_no_files() -> None:
    """The shipped cascade is made from its seed when it is opened, and says that it is made up."""
    tape = open_tape("simulated-cascade")
    assert tape.showing.mode is Mode.SIMULATED
    assert isinstance(tape, ModelTape)
    assert tape.beginning.methods.keys() == {"market", "backstop"}


def test_what_holds_nothing_is_no_tape(tmp_path: Path) -> None:
    """A tape without a moment cannot be played, and neither can no tape."""
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(a_block(0).replace(b'"block_time":"2', b'"block_time":"x') + b"\n")
    with pytest.raises(InvalidQuery, match="nothing that can be played"):
        open_tape(empty)
    with pytest.raises(InvalidQuery, match="name a recording"):
        open_tape()


def test_time_order_holds_across_channels() -> None:
    """Whatever is heard, no frame is before one that was heard earlier."""
    tape = a_tape(*(a_block(second / 3, a_trade(tid=second)) for second in range(90)))
    topics: list[Topic] = [
        TRADES,
        ("fastAssetCtxs",),
        ("l2Book", "BTC", None, None, True),
        ("l2Book", "BTC", None, None, False),
        ("allMids", ""),
        ("bbo", "BTC"),
    ]
    moments = [each.at for each in heard(tape, topics, 30)]
    assert len(moments) > 200
    assert moments == sorted(moments)


def test_only_what_is_wanted_is_made() -> None:
    """Without subscribers the tape moves on and tells nobody."""
    tape = a_tape(a_block(0, a_trade(tid=1)), a_block(5, a_trade(tid=2)))
    assert heard(tape, [], 20) == []
    assert len(heard(tape, [TRADES], 20)) == 2
    assert len(heard(tape, [TRADES], 4)) == 1


def test_the_next_moment_is_the_next_block_or_beat() -> None:
    """A venue may sleep until something is due for somebody."""
    tape = a_tape(a_block(0.3, a_trade()))
    playing = tape.play(START)
    assert playing.next_at({"trades": [TRADES]}) == START + 0.3 * SECOND
    list(playing.advance(START + SECOND, {}))
    assert playing.next_at({"trades": [TRADES]}) is None
    assert playing.next_at({"fastAssetCtxs": [("fastAssetCtxs",)]}) == START + 2 * SECOND


def test_a_tape_can_be_played_again() -> None:
    """Each play begins anew, and one does not disturb another."""
    tape = a_tape(a_block(0, a_trade(tid=1)), a_block(5, a_trade(tid=2)))
    assert heard(tape, [TRADES], 20) == heard(tape, [TRADES], 20)


def test_prepared_frames_are_those_of_the_tape_over_and_over() -> None:
    """What was made beforehand is what would have been made, once for each lap, later by a lap."""
    tape = a_tape(a_block(0, a_trade(tid=1)), a_block(5, a_trade(tid=2)))
    once = heard(tape, [TRADES], 5)
    prepared = PreparedTape(tape, [TRADES], times=3)
    playing = prepared.play(START)
    assert playing.next_at({}) == START
    played = list(playing.advance(prepared.ends_at, {}))
    assert [each.frame for each in played] == [each.frame for each in once] * 3
    assert [each.at for each in played[2:4]] == [each.at + 5 * SECOND for each in once]
    assert playing.exists(TRADES)
    assert not playing.exists(("trades", "NOPE"))
    assert playing.next_at({}) is None
