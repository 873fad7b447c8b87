"""The socket's frames: which channel, and what each channel's data says.

Numbers are the venue's text, also where a server writes JSON numbers. Rows of one account's feeds stay
undecoded, so that a bad one is one reject. What cannot be read is MalformedPayload, whatever it is.
"""

from __future__ import annotations

import base64
import zlib
from typing import Annotated, Final, Literal

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import Side
from kamiyo.core.trades import Trade
from kamiyo.hyperliquid.contexts import WireContext
from kamiyo.hyperliquid.fills import FIRST_MILLIS, LAST_MILLIS
from kamiyo.hyperliquid.market import WireBook, WireCandle, WireLevel, WireSpotContext
from kamiyo.hyperliquid.reading import UNREADABLE, reader

Data = bytes | msgspec.Raw
Millis = Annotated[int, msgspec.Meta(ge=FIRST_MILLIS, lt=LAST_MILLIS)]
TradeId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

GREETING: Final = b"Websocket connection established."
TRADES_START: Final = b'{"channel":"trades","data":'
MOST_INFLATED: Final = 16 << 20

_RAW_DEFLATE: Final = -zlib.MAX_WBITS

# --- frames -----------------------------------------------------------------------------------------------


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message of the venue: its channel, and the whole of it as it came."""

    channel: str
    payload: bytes

    @property
    def data(self) -> msgspec.Raw:
        """What the channel's own function reads; empty where there is none."""
        return _envelope(self.payload).data


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    channel: str
    data: msgspec.Raw = msgspec.Raw()


_decode_envelope = msgspec.json.Decoder(_Envelope).decode


def decode_frame(frame: bytes) -> Frame:
    """The frame with its channel, of which the plain greeting is one too.

    Nearly every frame is of trades and says so in its first bytes: those are read only once, by
    ``decode_trades_frame``, which also finds out whether the rest is as it should be.
    """
    if frame.startswith(TRADES_START):
        return Frame("trades", frame)
    if frame.strip() == GREETING:
        return Frame("greeting", frame)
    return Frame(_envelope(frame).channel, frame)


def _envelope(frame: bytes) -> _Envelope:
    try:
        return _decode_envelope(frame)
    except UNREADABLE as error:
        raise MalformedPayload(f"no frame: {error!s:.200}") from error


# --- trades and prices ------------------------------------------------------------------------------------


class WireTrade(
    Trade, frozen=True, kw_only=True, gc=False, rename={"asset": "coin", "price": "px", "size": "sz"}
):
    """A public trade. The fields are repeated because a rename reaches only a class's own."""

    asset: str
    side: Side
    price: str
    size: str
    time: Millis
    hash: str
    tid: TradeId
    users: tuple[str, str]


class _TradesFrame(msgspec.Struct, frozen=True, gc=False):
    channel: Literal["trades"]
    data: list[WireTrade]


class WireQuote(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"asset": "coin"}):
    """The best bid and ask; None where that side of the book is empty."""

    asset: str
    time: Millis
    bbo: tuple[WireLevel | None, WireLevel | None]

    @property
    def bid(self) -> WireLevel | None:
        """What the best buyer offers."""
        return self.bbo[0]

    @property
    def ask(self) -> WireLevel | None:
        """What the best seller asks."""
        return self.bbo[1]


class WireMids(msgspec.Struct, frozen=True, kw_only=True):
    """Mid prices by market; ``dex`` is empty for the first dex, spot and outcomes."""

    mids: dict[str, str]
    dex: str = ""


class WireActiveContext(
    msgspec.Struct, frozen=True, kw_only=True, rename={"asset": "coin", "context": "ctx"}
):
    """A perpetual market's context."""

    asset: str
    context: WireContext


class WireActiveSpotContext(
    msgspec.Struct, frozen=True, kw_only=True, rename={"asset": "coin", "context": "ctx"}
):
    """A spot market's context."""

    asset: str
    context: WireSpotContext


class FastContext(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={"mark_price": "markPx", "mid_price": "midPx"},
):
    """What changed of a market: unset is unchanged, a mid price of None is none any more."""

    mark_price: str | msgspec.UnsetType = msgspec.UNSET
    mid_price: str | msgspec.UnsetType | None = msgspec.UNSET


class _AllContexts(msgspec.Struct, frozen=True):
    ctxs: list[tuple[str, list[WireContext]]]


decode_trades = reader(list[WireTrade])
decode_trade = reader(WireTrade)
decode_rows = reader(list[msgspec.Raw])
decode_bbo = reader(WireQuote)
decode_l2_book = reader(WireBook)
decode_all_mids = reader(WireMids)
decode_active_context = reader(WireActiveContext)
decode_active_spot_context = reader(WireActiveSpotContext)

_trades_frame = reader(_TradesFrame)
_all_contexts = reader(_AllContexts)
_packed = msgspec.json.Decoder(str)
_fast_contexts = reader(dict[str, FastContext])
_candle = reader(WireCandle)
_candles = reader(list[WireCandle])


def frames_in(payload: bytes) -> list[bytes]:
    """The frames of trades that stand in a payload a line each; one frame may itself have several lines."""
    lines = payload.split(b"\n")
    return lines if all(line.startswith(TRADES_START) for line in lines) else [payload]


def decode_trades_frame(frame: bytes) -> list[WireTrade]:
    """The trades of a whole frame of that channel, in one reading."""
    return _trades_frame(frame).data


def decode_all_dexs_contexts(data: Data) -> list[tuple[str, list[WireContext]]]:
    """Each dex with its markets' contexts by position; the first dex's name is empty."""
    return _all_contexts(data).ctxs


def decode_fast_contexts(data: Data) -> dict[str, FastContext]:
    """Prices by market: every market's in a connection's first frame, the changed ones' in later frames."""
    return _fast_contexts(_inflated(data))


def decode_candle(data: Data) -> list[WireCandle]:
    """One candle, as the wire has it; or a list of them, as the documentation has it."""
    return _candles(data) if bytes(data).lstrip().startswith(b"[") else [_candle(data)]


def _inflated(data: Data) -> bytes:
    inflating = zlib.decompressobj(_RAW_DEFLATE)
    try:
        stream = base64.b64decode(_packed.decode(data), validate=True)
        content = inflating.decompress(stream, MOST_INFLATED + 1)
    except (*UNREADABLE, zlib.error) as error:
        raise MalformedPayload(f"not packed as documented: {error!s:.200}") from error
    if len(content) > MOST_INFLATED:
        raise MalformedPayload(f"more than {MOST_INFLATED} bytes", rule="inflates_too_large")
    if not inflating.eof or inflating.unused_data:
        raise MalformedPayload("packed data that ends early or late")
    return content


# --- accounts ---------------------------------------------------------------------------------------------


class WireUserFills(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Fills of one account; a snapshot repeats old ones."""

    user: str
    fills: list[msgspec.Raw]
    is_snapshot: bool = False


class WireLedgerUpdates(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Movements of one account's collateral, each with its time, hash and delta; snapshots repeat."""

    user: str
    non_funding_ledger_updates: list[msgspec.Raw]
    is_snapshot: bool = False


class WireFundingPayment(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename={"asset": "coin", "size": "szi", "rate": "fundingRate", "samples": "nSamples"},
):
    """Funding paid (below zero) or received in USDC on a signed size."""

    time: Millis
    asset: str
    usdc: str
    size: str
    rate: str
    samples: int | None = None


class WireUserFundings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Funding of one account; a snapshot repeats."""

    user: str
    fundings: list[WireFundingPayment]
    is_snapshot: bool = False


class WireUserLiquidation(msgspec.Struct, frozen=True, kw_only=True):
    """The liquidation of an account that the socket follows; amounts in USD."""

    lid: int
    liquidator: str
    liquidated_user: str
    liquidated_ntl_pos: str
    liquidated_account_value: str


class WireCancel(msgspec.Struct, frozen=True, rename={"asset": "coin"}):
    """An order the venue took back by itself."""

    asset: str
    oid: int


class WireUserEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What happened to an account the frame does not name: one of these, or a kind we do not know."""

    fills: list[msgspec.Raw] | None = None
    funding: WireFundingPayment | None = None
    liquidation: WireUserLiquidation | None = None
    non_user_cancel: list[WireCancel] | None = None
    twap_slice_fills: list[msgspec.Raw] | None = None


class WireOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "asset": "coin",
        "limit_price": "limitPx",
        "size": "sz",
        "original_size": "origSz",
        "time": "timestamp",
        "client_id": "cloid",
    },
):
    """A resting order: ``size`` is what is left of ``original_size``, in base units."""

    asset: str
    side: Side
    limit_price: str
    size: str
    original_size: str
    oid: int
    time: Millis
    client_id: str | None = None


class WireOrderUpdate(msgspec.Struct, frozen=True, kw_only=True, rename={"time": "statusTimestamp"}):
    """An order's new status, in the venue's word."""

    order: WireOrder
    status: str
    time: Millis


class WireDexAccount(msgspec.Struct, frozen=True, kw_only=True, rename={"state": "clearinghouseState"}):
    """One account on one dex; ``state`` is what ``clearinghouseState`` of ``/info`` answers."""

    user: str
    state: msgspec.Raw
    dex: str = ""


class WireAccount(msgspec.Struct, frozen=True, kw_only=True, rename={"states": "clearinghouseStates"}):
    """One account on every dex it uses, each with its state as ``/info`` answers it."""

    user: str
    states: list[tuple[str, msgspec.Raw]]


class _Notification(msgspec.Struct, frozen=True):
    notification: str


decode_user_fills_frame = reader(WireUserFills)
decode_ledger_updates = reader(WireLedgerUpdates)
decode_user_fundings = reader(WireUserFundings)
decode_user_events = reader(WireUserEvent)
decode_order_updates = reader(list[WireOrderUpdate])
decode_dex_account = reader(WireDexAccount)
decode_account = reader(WireAccount)
_notification = reader(_Notification)


def decode_notification(data: Data) -> str:
    """The text an account was notified with."""
    return _notification(data).notification


# --- answers and outcomes ---------------------------------------------------------------------------------


class WireResponse(msgspec.Struct, frozen=True):
    """What a posted question was answered with: the answer, or a sentence that says why there is none."""

    type: Literal["info", "action", "error"]
    payload: msgspec.Raw


class WirePost(msgspec.Struct, frozen=True):
    """The answer to the post with that id."""

    id: int
    response: WireResponse


class WireOutcome(msgspec.Struct, frozen=True, rename="camel"):
    """A market on an outcome."""

    outcome: int
    name: str
    description: str = ""


class WireOutcomeQuestion(msgspec.Struct, frozen=True, rename="camel"):
    """A question whose named outcomes exclude each other."""

    question: int
    name: str
    description: str = ""
    named_outcomes: list[int] = []
    settled_named_outcomes: list[int] = []
    fallback_outcome: int | None = None


class WireOutcomeUpdate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What happened to outcomes: one of these, or a kind we do not know."""

    outcome_created: WireOutcome | None = None
    outcome_settled: int | None = None
    question_updated: WireOutcomeQuestion | None = None
    question_settled: int | None = None


decode_post = reader(WirePost)
decode_outcome_updates = reader(list[WireOutcomeUpdate])
