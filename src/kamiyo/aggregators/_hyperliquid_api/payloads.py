"""What each payload of the source says, as pure functions: bytes in, facts out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Chain
from kamiyo.core.ports import Counted, Event, Normalized, Raw, Reject
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.accounts import account_state, vault_state
from kamiyo.hyperliquid.channels import (
    WireTrade,
    decode_all_dexs_contexts,
    decode_bbo,
    decode_fast_contexts,
    decode_frame,
    decode_rows,
    decode_trade,
    decode_trades_frame,
    decode_user_fills_frame,
    frames_in,
)
from kamiyo.hyperliquid.confirmation import completed_fill, decode_confirmed
from kamiyo.hyperliquid.info import ClearinghouseState, UserFillsByTime, parse_question
from kamiyo.hyperliquid.market import decode_exchange_status, market_states
from kamiyo.hyperliquid.reading import reader
from kamiyo.hyperliquid.rows import NO_FILLS, FillRows, refusal

TRADES = "ws/trades"
USER_FILLS = "ws/userFills"
ALL_CONTEXTS = "ws/allDexsAssetCtxs"
FAST_CONTEXTS = "ws/fastAssetCtxs"
QUOTES = "ws/bbo"
OTHER_FRAME = "ws/other"  # of a channel nobody asked for, or no frame at all
CONFIRMED = "confirmed"
INFO = "info/"

_MEMO_SIZE = 4_096

_Q = TypeVar("_Q", ClearinghouseState, UserFillsByTime)


class Exchanged(msgspec.Struct, frozen=True):
    """A question, and the venue's answer to it, both as they went over the wire."""

    question: msgspec.Raw
    answer: msgspec.Raw


class ContextsFrame(msgspec.Struct, frozen=True):
    """Contexts by position, and the universes that number them, by dex."""

    universes: dict[str, list[str]]
    frame: msgspec.Raw


_exchanged = reader(Exchanged)
_contexts_frame = reader(ContextsFrame)


def exchange(question: bytes, answer: bytes) -> bytes:
    """The payload of an answer."""
    return b'{"question":%b,"answer":%b}' % (question, answer)


def contexts_payload(universes: bytes, frame: bytes) -> bytes:
    """The payload of a frame of contexts."""
    return b'{"universes":%b,"frame":%b}' % (universes, frame)


def joined(frames: Sequence[bytes]) -> bytes:
    """The payload of frames of trades: each on a line, as judging many at once costs less than each alone."""
    return frames[0] if len(frames) == 1 else b"\n".join(frames)


class DecodedTrades:
    """What frames of trades were decoded to while they were heard, so that nobody decodes them again.

    It is only a memory: what is not in it is decoded. A payload is known by being the same object.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[bytes, list[WireTrade]]] = {}

    def remember(self, payload: bytes, trades: list[WireTrade]) -> None:
        """Keep what a payload was decoded to until it is taken."""
        if len(self._kept) >= _MEMO_SIZE:
            self._kept.clear()
        self._kept[id(payload)] = (payload, trades)

    def take(self, payload: bytes) -> list[WireTrade]:
        """What the payload says; MalformedPayload as from the decoder."""
        known = self._kept.pop(id(payload), None)
        return decode_all(frames_in(payload)) if known is None else known[1]


def decode_all(frames: Iterable[bytes]) -> list[WireTrade]:
    """The trades of several frames, in their order."""
    return [trade for frame in frames for trade in decode_trades_frame(frame)]


def read_soundly(frames: Iterable[bytes]) -> tuple[list[WireTrade], bool]:
    """The trades of the frames that can be read, and whether of each at least its rows could be told apart.

    A bad row is refused where its frame is normalized; a frame without rows came in the place of another.
    """
    trades, sound = list[WireTrade](), True
    for frame in frames:
        try:
            trades += decode_trades_frame(frame)
        except MalformedPayload:
            sound = sound and _has_rows(frame)
    return trades, sound


def _has_rows(frame: bytes) -> bool:
    try:
        decode_rows(decode_frame(frame).data)
    except MalformedPayload:
        return False
    return True


def normalize(raw: Raw, chain: Chain, decoded: DecodedTrades) -> Normalized:
    """What a payload says; MalformedPayload where nothing of it can be understood."""
    if raw.stream == TRADES:
        return _trades(raw, decoded)
    read = _STREAMS.get(raw.stream)
    if read is None:
        raise MalformedPayload(f"no stream of the API: {raw.stream[:64]!r}", rule="unknown_stream")
    return read(raw, chain)


# --- the socket -------------------------------------------------------------------------------------------


def _trades(raw: Raw, decoded: DecodedTrades) -> Normalized:
    try:
        trades = decoded.take(raw.payload)
    except MalformedPayload:
        return _trades_one_by_one(raw)
    return Normalized(
        trades=trades,
        counts={Counted.PAYLOADS: 1, Counted.TRADES: len(trades)},
        last_event_at=_newest(trades),
    )


def _trades_one_by_one(raw: Raw) -> Normalized:
    trades, rejects = list[WireTrade](), list[Reject]()
    refused = 0
    for frame in frames_in(raw.payload):
        try:
            rows = decode_rows(decode_frame(frame).data)
        except MalformedPayload as error:
            rejects.append(refusal(raw, error.rule, error, frame))
            continue
        for row in rows:
            try:
                trades.append(decode_trade(row))
            except MalformedPayload as error:
                refused += 1
                rejects.append(refusal(raw, error.rule, error, row))
    return Normalized(
        trades=trades,
        rejects=rejects,
        counts={
            Counted.PAYLOADS: 1,
            Counted.TRADES: len(trades) + refused,
            Counted.REFUSED_TRADES: refused,
            Counted.REJECTS: len(rejects),
        },
        last_event_at=_newest(trades),
    )


def _newest(trades: Sequence[WireTrade]) -> datetime | None:
    return from_millis(max([trade.time for trade in trades])) if trades else None


def _user_fills(raw: Raw, chain: Chain) -> Normalized:
    told = decode_user_fills_frame(decode_frame(raw.payload).data)
    rows = FillRows(raw, chain)
    rows.take_fills_of(told.user, told.fills)
    return rows.normalized_by_fills()


def _fast_contexts(raw: Raw, _chain: Chain) -> Normalized:
    return _prices(len(decode_fast_contexts(decode_frame(raw.payload).data)))


def _quote(raw: Raw, _chain: Chain) -> Normalized:
    decode_bbo(decode_frame(raw.payload).data)
    return _prices(1)


def _prices(number: int) -> Normalized:
    return Normalized(counts={Counted.PAYLOADS: 1, Counted.PRICES: number})


def _all_contexts(raw: Raw, chain: Chain) -> Normalized:
    told = _contexts_frame(raw.payload)
    states = market_states(
        told.universes,
        decode_all_dexs_contexts(decode_frame(bytes(told.frame)).data),
        at=raw.received_at,
        source=raw.source,
        chain=chain,
    )
    return _states(Counted.MARKET_STATES, states)


def _other_frame(raw: Raw, _chain: Chain) -> Normalized:
    channel = decode_frame(raw.payload).channel
    raise MalformedPayload(f"a frame of {channel[:64]!r}", rule="unknown_channel")


# --- answers ----------------------------------------------------------------------------------------------


def _account(raw: Raw, chain: Chain) -> Normalized:
    question, answer = _question(raw, ClearinghouseState)
    state = account_state(
        question.user,
        question.dex,
        answer,
        source=raw.source,
        chain=chain,
        asked_at=raw.received_at,
    )
    return _states(Counted.ACCOUNT_STATES, [state])


def _vault(raw: Raw, chain: Chain) -> Normalized:
    told = _exchanged(raw.payload)
    state = vault_state(told.answer, at=raw.received_at, source=raw.source, chain=chain)
    return _states(Counted.VAULT_STATES, [state])


def _fills_by_time(raw: Raw, chain: Chain) -> Normalized:
    question, answer = _question(raw, UserFillsByTime)
    rows = FillRows(raw, chain)
    rows.take_fills_of(question.user, decode_rows(answer))
    return rows.normalized_by_fills()


def _status(raw: Raw, _chain: Chain) -> Normalized:
    decode_exchange_status(_exchanged(raw.payload).answer)
    return Normalized(counts={Counted.PAYLOADS: 1})


def _counted(_raw: Raw, _chain: Chain) -> Normalized:
    """Names and numbers of markets: needed to read the rest, and no facts themselves."""
    return Normalized(counts={Counted.PAYLOADS: 1})


def _question(raw: Raw, kind: type[_Q]) -> tuple[_Q, msgspec.Raw]:
    told = _exchanged(raw.payload)
    question = parse_question(bytes(told.question))
    if not isinstance(question, kind):
        raise MalformedPayload("the answer is to another question", rule="another_question")
    return question, told.answer


def _states(counted: Counted, states: Sequence[Event]) -> Normalized:
    return Normalized(events=states, counts={Counted.PAYLOADS: 1, counted: len(states)})


def _confirmed(raw: Raw, chain: Chain) -> Normalized:
    fill = completed_fill(decode_confirmed(raw.payload), source=raw.source, chain=chain)
    counts = NO_FILLS | {Counted.FILLS: 1, Counted.LIQUIDATED_FILLS: 1}
    return Normalized(events=[fill], counts=counts, last_event_at=fill.timestamp)


_STREAMS: dict[str, Callable[[Raw, Chain], Normalized]] = {
    USER_FILLS: _user_fills,
    ALL_CONTEXTS: _all_contexts,
    FAST_CONTEXTS: _fast_contexts,
    QUOTES: _quote,
    OTHER_FRAME: _other_frame,
    CONFIRMED: _confirmed,
    "info/clearinghouseState": _account,
    "info/vaultDetails": _vault,
    "info/userFillsByTime": _fills_by_time,
    "info/exchangeStatus": _status,
    "info/perpDexs": _counted,
    "info/allPerpMetas": _counted,
}
