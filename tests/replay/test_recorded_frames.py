"""Recorded frames of the venue's socket, as other projects keep them, are read without a loss."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.hyperliquid.channels import decode_frame
from kamiyo.hyperliquid.session import Session
from kamiyo.hyperliquid.subscriptions import decode_request
from tools.fuzz_frames import READERS, judge

NOW = datetime(2026, 9, 24, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def responses(shared_data: Path) -> Path:
    return shared_data / "hl-api-responses"


def read(payload: bytes) -> str:
    """The channel, once its data was read and another reader agreed with every value."""
    frame = decode_frame(payload)
    if frame.channel in READERS:
        assert judge(payload, frame.channel, READERS[frame.channel](frame.data)) is None
    return frame.channel


def test_messages_that_a_trading_system_tests_with_are_read(responses: Path) -> None:
    """All that have a channel; the rest are answers to orders and questions."""
    lines = (responses / "roq_messages.jsonl").read_bytes().splitlines()
    messages = [msgspec.json.decode(line)["message"] for line in lines]
    frames = [each for each in messages if isinstance(each, dict) and "channel" in each]
    assert Counter(read(msgspec.json.encode(each)) for each in frames) == {
        "post": 7,
        "orderUpdates": 5,
        "user": 2,
        "activeAssetCtx": 1,
        "bbo": 1,
        "l2Book": 1,
        "notification": 1,
        "trades": 1,
        "userFills": 1,
        "userFundings": 1,
        "error": 1,
        "pong": 1,
        "subscriptionResponse": 1,
    }


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("ws_all_dexs_asset_ctxs.json", "allDexsAssetCtxs"),
        ("ws_allmids.json", "allMids"),
        ("ws_user_fill_liquidation.json", "user"),
    ],
)
def test_frames_of_another_collection_are_read(responses: Path, name: str, channel: str) -> None:
    """The largest frame of the venue among them: every market of every dex."""
    assert read((responses / "nautilus_test_data" / name).read_bytes()) == channel


@pytest.mark.parametrize(
    "name", ["BookTicker", "Klines", "Order", "OrderBook", "Prices", "Trades", "UserEventTrade"]
)
def test_recorded_conversations_are_followed(responses: Path, name: str) -> None:
    """Asked for as recorded, answered as recorded, then the data."""
    text = (responses / "jkorf_fixtures" / "Subscriptions" / f"{name}.txt").read_text("utf-8-sig")
    asked, rest = text.removeprefix("> ").split("\n< ", 1)
    answered, data = rest.split("\n=", 1)
    wanted = decode_request(asked.encode()).subscription
    session = Session(now=NOW)
    session.want([wanted], NOW)
    assert session.received(answered.encode(), NOW) is None
    assert list(session.acknowledged) == [wanted]
    frame = session.received(data.strip().encode(), NOW)
    assert frame is not None
    assert read(frame.payload) == frame.channel


def test_a_recording_with_half_a_candle_is_refused(responses: Path) -> None:
    """One fixture holds candles without prices, which the venue never sent."""
    text = (responses / "jkorf_fixtures" / "Subscriptions" / "Concurrent.txt").read_text("utf-8-sig")
    halves = [line.split(" ", 1)[1] for line in text.splitlines() if line.startswith("=")]
    assert len(halves) == 2
    for half in halves:
        with pytest.raises(MalformedPayload, match="missing required field"):
            read(half.encode())
