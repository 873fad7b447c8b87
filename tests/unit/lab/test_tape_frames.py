"""What was recorded of a live source, played back."""

import base64
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kamiyo.core.errors import InvalidQuery
from kamiyo.hyperliquid.info import (
    AllMids,
    AllPerpMetas,
    ClearinghouseState,
    Meta,
    MetaAndAssetCtxs,
    PerpDexs,
    UserFills,
    UserFillsByTime,
    body_of,
)
from kamiyo.lab.ports import Playing, Topic, Unanswerable
from kamiyo.lab.recorded_payload import GAP, encode_payload
from kamiyo.lab.tape import open_tape
from tests.venues import ALICE, START, a_block, a_recorded_fill, a_trade, millis

META = '{"universe":[{"szDecimals":5,"name":"BTC","maxLeverage":40}],"marginTables":[]}'
SECOND = timedelta(seconds=1)


def line(seconds: float, stream: str, payload: object) -> bytes:
    """A payload that came so many seconds after the start."""
    content = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    at = millis(START + seconds * SECOND)
    return encode_payload(received_at=at, stream=stream, payload=content)


def frame(seconds: float, channel: str, data: object) -> bytes:
    return line(seconds, f"ws/{channel}", {"channel": channel, "data": data})


def answer(seconds: float, question: Any, content: str) -> bytes:
    kind = msgspec.json.decode(body_of(question))["type"]
    return line(
        seconds, f"info/{kind}", b'{"question":%s,"answer":%s}' % (body_of(question), content.encode())
    )


def trade(tid: int) -> dict[str, object]:
    return {
        "coin": "BTC",
        "side": "B",
        "px": "1",
        "sz": "1",
        "time": tid,
        "hash": "0x",
        "tid": tid,
        "users": [],
    }


def packed(contexts: object) -> str:
    squeeze = zlib.compressobj(wbits=-15)
    return base64.b64encode(squeeze.compress(msgspec.json.encode(contexts)) + squeeze.flush()).decode()


def fill(tid: int, seconds: float) -> dict[str, object]:
    return a_recorded_fill(tid=tid, time=millis(START + seconds * SECOND))


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


_CONTEXTS = {"channel": "allDexsAssetCtxs", "data": {"ctxs": []}}
LINES = [
    answer(0, Meta(), META),
    answer(1, AllMids(), '{"BTC":"100"}'),
    frame(2, "trades", [trade(1)]),
    line(2, GAP, {"from": 1}),
    line(2, "ws/error", b"no JSON"),
    frame(3, "userFills", {"isSnapshot": True, "user": ALICE, "fills": [fill(2, 2), fill(1, 1)]}),
    frame(4, "fastAssetCtxs", packed({"BTC": {"markPx": "100"}, "ETH": {"markPx": "5"}})),
    frame(5, "fastAssetCtxs", packed({"BTC": {"markPx": "101"}})),
    frame(6, "l2Book", {"coin": "BTC", "time": 1, "levels": [[], []], "fast": True}),
    line(7, "ws/allDexsAssetCtxs", {"universes": {"": ["BTC"]}, "frame": _CONTEXTS}),
    answer(8, AllMids(), '{"BTC":"101"}'),
    answer(9, UserFillsByTime(user=ALICE, start_time=0), _text([fill(1, 1), fill(3, 9)])),
    frame(30, "trades", [trade(2), trade(3)]),
    frame(31, "candle", {"t": 0, "s": "BTC", "i": "1m"}),
    frame(32, "activeSpotAssetCtx", {"coin": "@107", "ctx": {}}),
    frame(33, "user", {"fills": []}),
]  # fmt: skip


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A file as the recorder writes it."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"\n".join(LINES) + b"\n")
    return path


def at(path: Path, seconds: float) -> Playing:
    """The recording so many seconds after the start."""
    return open_tape(path).play(START + seconds * SECOND)


def tids(content: bytes) -> list[int]:
    return [each["tid"] for each in msgspec.json.decode(content)]


def test_frames_come_when_and_as_they_came(recorded: Path) -> None:
    """Each frame goes to the subscribers of its topic at the moment it was recorded, byte for byte."""
    topics: list[Topic] = [
        ("trades", "BTC"),
        ("candle", "BTC", "1m"),
        ("activeAssetCtx", "@107"),
        ("l2Book", "BTC", None, None, True),
        ("l2Book", "BTC", None, None, False),
        ("allDexsAssetCtxs",),
    ]
    tape = open_tape(recorded)
    wanted = {str(topic[0]): [each for each in topics if each[0] == topic[0]] for topic in topics}
    told = list(tape.play(START).advance(tape.ends_at, wanted))
    assert [(each.topic[0], (each.at - START) // SECOND) for each in told] == [
        ("trades", 2), ("l2Book", 6), ("allDexsAssetCtxs", 7),
        ("trades", 30), ("candle", 31), ("activeAssetCtx", 32),
    ]  # fmt: skip
    assert told[0].frame == msgspec.json.encode({"channel": "trades", "data": [trade(1)]})
    assert told[2].frame == b'{"channel":"allDexsAssetCtxs","data":{"ctxs":[]}}'
    assert tape.holds == "9 frames and 4 answers of 2 assets"


def test_a_question_gets_its_last_answer(recorded: Path) -> None:
    """An answer holds until the next one to the same question; before the first, the first."""
    mids = [bytes(at(recorded, second).answer(AllMids(), START)) for second in (0, 5, 8.5)]
    assert mids == [b'{"BTC":"100"}', b'{"BTC":"100"}', b'{"BTC":"101"}']
    assert at(recorded, 5).answer(Meta(dex=""), START) == META.encode()


def test_what_was_never_asked_has_no_answer(recorded: Path) -> None:
    """The venue answers what nobody recorded with 500 and null."""
    with pytest.raises(Unanswerable) as refused:
        at(recorded, 5).answer(ClearinghouseState(user=ALICE), START)
    assert (refused.value.status, refused.value.body) == (500, b"null")


def test_fills_are_answered_as_far_as_they_are_known(recorded: Path) -> None:
    """Fills from frames and answers are one history, each once, in either order and any bounds."""
    first = millis(START + SECOND)
    assert tids(at(recorded, 2.5).answer(UserFills(user=ALICE), START)) == []
    assert tids(at(recorded, 4).answer(UserFills(user=ALICE), START)) == [2, 1]
    assert tids(at(recorded, 10).answer(UserFills(user=ALICE), START)) == [3, 2, 1]
    bounded = UserFillsByTime(user=ALICE, start_time=first, end_time=first + 1_000)
    assert tids(at(recorded, 10).answer(bounded, START)) == [1, 2]


def test_new_subscribers_get_what_was_last_said(recorded: Path) -> None:
    """Trades of the last 20 s, all fast contexts, a snapshot of fills, and of the rest the last frame."""
    playing = at(recorded, 31.5)
    now = START + 31.5 * SECOND
    [trades] = playing.first_frames(("trades", "BTC"), now)
    [fast] = playing.first_frames(("fastAssetCtxs",), now)
    [fills] = playing.first_frames(("userFills", ALICE, False), now)
    [candle] = playing.first_frames(("candle", "BTC", "1m"), now)
    contexts = zlib.decompress(base64.b64decode(msgspec.json.decode(fast)["data"]), wbits=-15)
    assert tids(msgspec.json.encode(msgspec.json.decode(trades)["data"])) == [2, 3]
    assert msgspec.json.decode(contexts) == {"BTC": {"markPx": "101"}, "ETH": {"markPx": "5"}}
    assert [each["tid"] for each in msgspec.json.decode(fills)["data"]["fills"]] == [3, 2, 1]
    assert msgspec.json.decode(candle)["data"]["s"] == "BTC"
    assert playing.first_frames(("bbo", "BTC"), now) == []


def test_only_what_was_recorded_exists(recorded: Path) -> None:
    """Assets of frames and recorded universes exist, others would close the socket."""
    playing = at(recorded, 0)
    assert playing.exists(("trades", "BTC"))
    assert playing.exists(("activeAssetCtx", "@107"))
    assert playing.exists(("userFills", ALICE, False))
    assert not playing.exists(("trades", "ETH"))
    assert not playing.exists(("allMids", "xyz"))


def test_recorded_universes_say_what_exists(tmp_path: Path) -> None:
    """Markets and dexes of any recorded answer exist; delisted ones do not, nor what cannot be read."""
    universe = '{"universe":[{"szDecimals":1,"name":"%s","maxLeverage":3%s}],"marginTables":[]}'
    listed, delisted = universe % ("ETH", ""), universe % ("MATIC", ',"isDelisted":true')
    path = tmp_path / "frames.jsonl"
    lines = [
        answer(0, AllPerpMetas(), f"[{listed},{delisted}]"),
        answer(0, PerpDexs(), '[null,{"name":"xyz"}]'),
        answer(0, MetaAndAssetCtxs(dex="xyz"), "[" + universe % ("xyz:TSLA", "") + ",[{}]]"),
        answer(0, Meta(dex="flx"), "7"),
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    playing = at(path, 0)
    known = [("trades", "ETH"), ("trades", "xyz:TSLA"), ("allMids", "xyz"), ("allMids", "flx")]
    assert all(playing.exists(topic) for topic in known)
    assert not playing.exists(("trades", "MATIC"))
    assert playing.statistics("Mainnet/leaderboard") is None


def test_a_recording_of_nothing_known_is_no_tape(tmp_path: Path) -> None:
    """A file with nothing but what the venue does not say cannot be played."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(line(0, GAP, {"from": 1}) + b"\n" + frame(1, "trades", [{"px": "1"}]) + b"\n")
    with pytest.raises(InvalidQuery, match="nothing that can be played"):
        open_tape(path)


def test_frames_and_blocks_are_no_one_tape(recorded: Path, tmp_path: Path) -> None:
    """Recorded frames are played alone."""
    blocks = tmp_path / "blocks.jsonl"
    blocks.write_bytes(a_block(0, a_trade()) + b"\n")
    with pytest.raises(InvalidQuery, match="played alone"):
        open_tape(recorded, blocks)
