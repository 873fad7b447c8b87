"""What each payload of the source says. Pure: bytes in, facts out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Chain, SourceName
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
        return decode_trades_frame(payload) if known is None else known[1]


@dataclass(frozen=True, slots=True)
class _Context:
    """A payload, and what is needed to read it."""

    raw: Raw
    chain: Chain
    decoded: DecodedTrades

    @property
    def source(self) -> SourceName:
        return self.raw.source


def normalize(raw: Raw, chain: Chain, decoded: DecodedTrades) -> Normalized:
    """What a payload says; MalformedPayload where nothing of it can be understood."""
    read = _STREAMS.get(raw.stream)
    if read is None:
        raise MalformedPayload(f"no stream of the API: {raw.stream[:64]!r}", rule="unknown_stream")
    return read(_Context(raw, chain, decoded))


# --- the socket -------------------------------------------------------------------------------------------


def _trades(context: _Context) -> Normalized:
    try:
        trades = context.decoded.take(context.raw.payload)
    except MalformedPayload:
        return _trades_one_by_one(context)
    number = len(trades)
    newest = max(trades[0].time, trades[-1].time) if trades else None
    return Normalized(
        trades=trades,
        counts=_counts_of_trades(number),
        last_event_at=None if newest is None else from_millis(newest),
    )


@lru_cache(maxsize=1024)  # frames of as many trades share their counts, which nobody changes
def _counts_of_trades(number: int) -> dict[Counted, int]:
    return {Counted.PAYLOADS: 1, Counted.TRADES: number}


def _trades_one_by_one(context: _Context) -> Normalized:
    trades, rejects = list[WireTrade](), list[Reject]()
    for row in decode_rows(decode_frame(context.raw.payload).data):
        try:
            trades.append(decode_trade(row))
        except MalformedPayload as error:
            rejects.append(refusal(context.raw, error.rule, error, row))
    return Normalized(
        trades=trades,
        rejects=rejects,
        counts={
            Counted.PAYLOADS: 1,
            Counted.TRADES: len(trades) + len(rejects),
            Counted.REFUSED_TRADES: len(rejects),
            Counted.REJECTS: len(rejects),
        },
        last_event_at=max((from_millis(trade.time) for trade in trades), default=None),
    )


def _user_fills(context: _Context) -> Normalized:
    told = decode_user_fills_frame(decode_frame(context.raw.payload).data)
    rows = FillRows(context.raw, context.chain)
    rows.take_fills_of(told.user, told.fills)
    return rows.normalized_by_fills()


def _fast_contexts(context: _Context) -> Normalized:
    return _prices(len(decode_fast_contexts(decode_frame(context.raw.payload).data)))


def _quote(context: _Context) -> Normalized:
    decode_bbo(decode_frame(context.raw.payload).data)
    return _prices(1)


def _prices(number: int) -> Normalized:
    return Normalized(counts={Counted.PAYLOADS: 1, Counted.PRICES: number})


def _all_contexts(context: _Context) -> Normalized:
    told = _contexts_frame(context.raw.payload)
    states = market_states(
        told.universes,
        decode_all_dexs_contexts(decode_frame(bytes(told.frame)).data),
        at=context.raw.received_at,
        source=context.source,
        chain=context.chain,
    )
    return _states(Counted.MARKET_STATES, states)


def _other_frame(context: _Context) -> Normalized:
    channel = decode_frame(context.raw.payload).channel
    raise MalformedPayload(f"a frame of {channel[:64]!r}", rule="unknown_channel")


# --- answers ----------------------------------------------------------------------------------------------


def _account(context: _Context) -> Normalized:
    question, answer = _question(context, ClearinghouseState)
    state = account_state(
        question.user,
        question.dex,
        answer,
        source=context.source,
        chain=context.chain,
        asked_at=context.raw.received_at,
    )
    return _states(Counted.ACCOUNT_STATES, [state])


def _vault(context: _Context) -> Normalized:
    told = _exchanged(context.raw.payload)
    state = vault_state(told.answer, at=context.raw.received_at, source=context.source, chain=context.chain)
    return _states(Counted.VAULT_STATES, [state])


def _fills_by_time(context: _Context) -> Normalized:
    question, answer = _question(context, UserFillsByTime)
    rows = FillRows(context.raw, context.chain)
    rows.take_fills_of(question.user, decode_rows(answer))
    return rows.normalized_by_fills()


def _status(context: _Context) -> Normalized:
    decode_exchange_status(_exchanged(context.raw.payload).answer)
    return Normalized(counts={Counted.PAYLOADS: 1})


def _counted(_context: _Context) -> Normalized:
    """Names and numbers of markets: needed to read the rest, and no facts themselves."""
    return Normalized(counts={Counted.PAYLOADS: 1})


def _question(context: _Context, kind: type[_Q]) -> tuple[_Q, msgspec.Raw]:
    told = _exchanged(context.raw.payload)
    question = parse_question(bytes(told.question))
    if not isinstance(question, kind):
        raise MalformedPayload("the answer is to another question", rule="another_question")
    return question, told.answer


def _states(counted: Counted, states: Sequence[Event]) -> Normalized:
    return Normalized(events=states, counts={Counted.PAYLOADS: 1, counted: len(states)})


def _confirmed(context: _Context) -> Normalized:
    fill = completed_fill(decode_confirmed(context.raw.payload), source=context.source, chain=context.chain)
    counts = NO_FILLS | {Counted.FILLS: 1, Counted.LIQUIDATED_FILLS: 1}
    return Normalized(events=[fill], counts=counts, last_event_at=fill.timestamp)


_STREAMS: dict[str, Callable[[_Context], Normalized]] = {
    TRADES: _trades,
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
