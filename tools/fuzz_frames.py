"""Hands mutated frames to a session: each must end as typed values that say what it said, or be refused."""

import base64
import json
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.money import install_context
from kamiyo.hyperliquid import channels
from kamiyo.hyperliquid.channels import decode_trades, decode_trades_frame
from kamiyo.hyperliquid.session import Session
from kamiyo.hyperliquid.subscriptions import Subscription
from tools.frame_mutations import ASSETS, frames
from tools.fuzzing import Summary, stalled
from tools.mutations import USERS, Json

NOW: Final = datetime(2026, 9, 24, 12, tzinfo=UTC)
STEP: Final = timedelta(milliseconds=50)
RENEW_EVERY: Final = 100
WANTED: Final = (
    *(Subscription("trades", asset) for asset in ASSETS),
    *(Subscription("l2Book", asset) for asset in ASSETS),
    *(Subscription("userFills", user=user) for user in USERS),
    Subscription("allMids"),
)

_RAW_DEFLATE: Final = -15
SWALLOWED: Final = "swallowed"
UNKNOWN: Final = "unknown channel"
# The field that a function takes its values out of.
UNPACKED: Final = {"allDexsAssetCtxs": "ctxs", "notification": "notification"}
READERS: Final[Mapping[str, Callable[[msgspec.Raw], object]]] = {
    "trades": decode_trades,
    "bbo": channels.decode_bbo,
    "l2Book": channels.decode_l2_book,
    "allMids": channels.decode_all_mids,
    "activeAssetCtx": channels.decode_active_context,
    "activeSpotAssetCtx": channels.decode_active_spot_context,
    "allDexsAssetCtxs": channels.decode_all_dexs_contexts,
    "fastAssetCtxs": channels.decode_fast_contexts,
    "candle": channels.decode_candle,
    "userFills": channels.decode_user_fills_frame,
    "user": channels.decode_user_events,
    "userNonFundingLedgerUpdates": channels.decode_ledger_updates,
    "userFundings": channels.decode_user_fundings,
    "orderUpdates": channels.decode_order_updates,
    "clearinghouseState": channels.decode_dex_account,
    "allDexsClearinghouseState": channels.decode_account,
    "notification": channels.decode_notification,
    "post": channels.decode_post,
    "outcomeMetaUpdates": channels.decode_outcome_updates,
}


class Token(str):
    """A number as the frame wrote it."""

    __slots__ = ()


class Listener:
    """Who follows everything, over one connection after the other."""

    def __init__(self) -> None:
        self._now = NOW
        self._heard = 0
        self._session = self._opened()

    def _opened(self) -> Session:
        session = Session(now=self._now)
        session.want(WANTED, self._now)
        return session

    def take(self, frame: bytes) -> tuple[str, object]:
        """The channel of a frame and what it said; MalformedPayload where it was refused."""
        self._now += STEP
        self._heard += 1
        if self._heard % RENEW_EVERY == 0:
            self._session.ended(self._now, "renewed")
            self._session = self._opened()
        try:
            heard = self._session.received(frame, self._now)
        finally:
            self._check()
        if heard is None:
            return SWALLOWED, None
        if heard.channel not in READERS:
            return UNKNOWN, None
        return heard.channel, READERS[heard.channel](heard.data)

    def _check(self) -> None:
        session = self._session
        session.tick(self._now)
        if not {*session.acknowledged, *session.refused} <= {*WANTED} or session.heard_at != self._now:
            raise ValueError("the session lost its mind")


def judge(frame: bytes, channel: str, values: object) -> str | None:
    """What is wrong with what was read, compared with what a stranger reads in the same frame."""
    if channel in {SWALLOWED, UNKNOWN}:
        return None
    if channel == "trades" and decode_trades_frame(frame) != values:
        return "two ways to read trades differ"
    return differing(plain(msgspec.json.encode(values)), _said(frame, channel))


def _said(frame: bytes, channel: str) -> Json:
    said = plain(frame)["data"]
    if channel == "fastAssetCtxs":
        return plain(zlib.decompress(base64.b64decode(said), _RAW_DEFLATE))
    if channel in UNPACKED:
        return said[UNPACKED[channel]]
    # Documented as a list, and on the wire a candle alone: we always tell of a list.
    return [said] if channel == "candle" and "t" in said else said


def plain(payload: bytes) -> Json:
    """What another reader reads, numbers as they are written."""
    text = payload.decode("utf-8", "replace")
    return json.loads(text, strict=False, parse_float=Token, parse_int=Token, parse_constant=Token)


def differing(ours: Json, theirs: Json) -> str | None:
    """Where our value says what the frame did not say, if anywhere; what we leave out is not compared."""
    pairs: list[tuple[Json, Json]]
    if _are(dict, ours, theirs):
        pairs = [(value, theirs.get(key)) for key, value in ours.items()]
    elif _are(list, ours, theirs) and len(ours) == len(theirs):
        pairs = [*zip(ours, theirs, strict=True)]
    else:
        return None if _same(ours, theirs) else f"{ours!r:.100} is not {theirs!r:.100}"
    return next((found for pair in pairs if (found := differing(*pair)) is not None), None)


def _are(kind: type[object], *values: object) -> bool:
    return all(type(value) is kind for value in values)


def _same(ours: Json, theirs: Json) -> bool:
    if theirs is None:
        return not ours  # a default: empty, false or none
    if ours == theirs or (type(ours) is str and type(theirs) is str):
        return bool(ours == theirs)
    if type(ours) is bool and str(theirs).lower() == str(ours).lower():
        return True
    try:
        return Decimal(ours) == Decimal(theirs)
    except (InvalidOperation, TypeError, ValueError):
        return False


def frames_chunk(task: tuple[int, int]) -> Summary:
    """Send one chunk of frames, as its own seed makes them."""
    install_context()
    seed, count = task
    summary, listener = Summary(), Listener()
    for frame in frames(seed, count):
        send(summary, listener, frame)
    return summary


def send(summary: Summary, listener: Listener, frame: bytes) -> None:
    """Hand one frame to the listener, and judge what came of it."""
    fault, outcome, values = None, "malformed", None
    started = time.perf_counter()
    try:
        outcome, values = listener.take(frame)
        taken = timedelta(seconds=time.perf_counter() - started)
        fault = judge(frame, outcome, values)
    except MalformedPayload as error:
        taken = timedelta(seconds=time.perf_counter() - started)
        summary.rules[error.rule] += 1
    except Exception as error:  # noqa: BLE001  (any exception at all is what is looked for)
        taken, fault = timedelta(), f"{type(error).__name__}: {error!s:.300}"
    if fault is None and stalled(frame, taken, lambda: _again(frame)):
        fault = f"took {taken} for {len(frame)} bytes"
    summary.outcomes[outcome] += 1
    summary.note("frame", frame, taken, fault)


def _again(frame: bytes) -> None:
    with suppress(MalformedPayload):
        Listener().take(frame)
