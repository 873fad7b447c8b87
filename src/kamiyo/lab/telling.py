"""The frames of the modelled venue: what each topic's subscribers are told, as text."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Sequence

import msgspec

from kamiyo.core.money import plain
from kamiyo.lab.markets import Context
from kamiyo.lab.model import Model
from kamiyo.lab.ports import Topic
from kamiyo.lab.universe import is_spot

_FAST_LEVELS = 5
_RAW_DEFLATE = -15
encode = msgspec.json.Encoder().encode


def frame(channel: str, data: bytes) -> bytes:
    """One frame of a channel."""
    return b'{"channel":"%s","data":%s}' % (channel.encode(), data)


def listed(rows: Sequence[bytes]) -> bytes:
    """Rows that are JSON already, as one list."""
    return b"[%s]" % b",".join(rows)


def trades_frame(trades: Sequence[bytes]) -> bytes:
    """Trades of one market that came in one block."""
    return frame("trades", listed(trades))


def user_fills_frame(user: str, fills: Sequence[bytes], *, snapshot: bool = False) -> bytes:
    """Fills of one account, byte for byte as they were recorded."""
    mark = b'"isSnapshot":true,' if snapshot else b""
    return frame("userFills", b'{%s"user":"%s","fills":%s}' % (mark, user.encode(), listed(fills)))


def user_events_frame(fills: Sequence[bytes]) -> bytes:
    """The same fills where the frame does not say whose they are."""
    return frame("user", b'{"fills":%s}' % listed(fills))


def fast_contexts_frame(contexts: object) -> bytes:
    """Marks and mids by asset, packed as the venue packs them."""
    packer = zlib.compressobj(wbits=_RAW_DEFLATE)
    packed = packer.compress(encode(contexts)) + packer.flush()
    return frame("fastAssetCtxs", b'"%s"' % base64.b64encode(packed))


class Frames:
    """What stands now, as the frame of a topic."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._makers: dict[str, Callable[[Topic, int], object]] = {
            "l2Book": self._book,
            "bbo": self._quote,
            "activeAssetCtx": self._active,
            "candle": self._candle,
            "allMids": self._mids,
            "allDexsAssetCtxs": self._all_dexs,
            "assetCtxs": self._contexts,
            "spotAssetCtxs": lambda _topic, _now: model.markets.spot_contexts(),
            "userFundings": _empty("fundings"),
            "userNonFundingLedgerUpdates": _empty("nonFundingLedgerUpdates"),
            "userTwapHistory": _empty("history"),
            "userHistoricalOrders": _empty("orderHistory"),
            "openOrders": _nothing_of_dex("orders"),
            "twapStates": _nothing_of_dex("states"),
            "clearinghouseState": self._account,
            "allDexsClearinghouseState": self._account_on_all,
            "spotState": lambda topic, _now: {"user": topic[1], "spotState": {"balances": []}},
            "activeAssetData": self._asset_data,
            "webData3": self._web_data,
        }

    def now(self, topic: Topic, now: int) -> bytes | None:
        """The topic's frame at ``now`` in milliseconds; None where it has nothing to show."""
        kind = str(topic[0])
        if kind not in self._makers or (data := self._makers[kind](topic, now)) is None:
            return None
        spot = kind == "activeAssetCtx" and is_spot(str(topic[1]))
        return frame("activeSpotAssetCtx" if spot else kind, encode(data))

    def first(self, topic: Topic, now: int) -> list[bytes]:
        """What a new subscriber is told at once."""
        match topic:
            case ("trades", asset):
                history = self._model.history(str(asset), now)
                return [trades_frame(history)] if history else []
            case ("userFills", user, _):
                return [
                    user_fills_frame(str(user), self._model.accounts.newest_fills(str(user)), snapshot=True)
                ]
            case ("userTwapSliceFills", user):
                slices = self._model.accounts.newest_slices(str(user))
                rows = b'{"isSnapshot":true,"user":"%s","twapSliceFills":%s}'
                return [frame("userTwapSliceFills", rows % (str(user).encode(), slice_rows(slices)))]
            case ("fastAssetCtxs",):
                return [fast_contexts_frame(self._model.markets.fast_contexts())]
            case _:
                shown = self.now(topic, now)
                return [] if shown is None else [shown]

    def _book(self, topic: Topic, now: int) -> object:
        _kind, asset, figures, mantissa, fast = topic
        return book_of(
            self._model,
            str(asset),
            now,
            figures if isinstance(figures, int) else None,
            mantissa if isinstance(mantissa, int) else None,
            fast=bool(fast),
        )

    def _quote(self, topic: Topic, now: int) -> object:
        asset = str(topic[1])
        return {"coin": asset, "time": now, "bbo": self._model.markets[asset].quote()}

    def _active(self, topic: Topic, _now: int) -> object:
        asset = str(topic[1])
        return {"coin": asset, "ctx": self._model.markets[asset].context()}

    def _candle(self, topic: Topic, now: int) -> object:
        return self._model.candles.running(str(topic[1]), str(topic[2]), now)

    def _mids(self, topic: Topic, _now: int) -> object:
        dex = str(topic[1])
        return ({"dex": dex} if dex else {}) | {"mids": self._model.markets.mids(dex)}

    def _all_dexs(self, _topic: Topic, _now: int) -> object:
        markets = self._model.markets
        contexts: list[tuple[str, list[Context]]] = [
            (dex, markets.contexts(dex)) for dex in markets.universe.dexes
        ]
        return {"ctxs": contexts}

    def _contexts(self, topic: Topic, _now: int) -> object:
        dex = str(topic[1])
        return {"dex": dex, "ctxs": self._model.markets.contexts(dex)}

    def _account(self, topic: Topic, now: int) -> object:
        user, dex = str(topic[1]), str(topic[2])
        return {"dex": dex, "user": user, "clearinghouseState": self._model.accounts.state(user, dex, now)}

    def _account_on_all(self, topic: Topic, now: int) -> object:
        user = str(topic[1])
        states = [
            (dex, self._model.accounts.state(user, dex, now)) for dex in self._model.markets.universe.dexes
        ]
        return {"user": user, "clearinghouseStates": states}

    def _asset_data(self, topic: Topic, _now: int) -> object:
        return {
            "user": topic[1],
            "coin": topic[2],
            "leverage": {"type": "cross", "value": 1},
            "maxTradeSzs": ["0.0", "0.0"],
            "availableToTrade": ["0.0", "0.0"],
            "markPx": self._model.markets[str(topic[2])].mark,
        }

    def _web_data(self, topic: Topic, now: int) -> object:
        dexes = [{"totalVaultEquity": "0.0"} for _dex in self._model.markets.universe.dexes]
        user = {"user": topic[1], "serverTime": now, "cumLedger": "0.0", "isVault": False}
        return {"userState": user, "perpDexStates": dexes}


def book_of(
    model: Model,
    asset: str,
    now: int,
    figures: int | None = None,
    mantissa: int | None = None,
    *,
    fast: bool = False,
) -> dict[str, object]:
    """A market's book as REST and the socket show it."""
    market = model.markets[asset]
    shown: dict[str, object] = {
        "coin": asset,
        "time": now,
        "levels": market.book(depth=_FAST_LEVELS, figures=figures, mantissa=mantissa)
        if fast
        else market.book(figures=figures, mantissa=mantissa),
    }
    if fast:
        shown["fast"] = True
    bids, asks = market.sides
    if figures is not None and bids and asks:
        shown["spread"] = plain(asks[0][0] - bids[0][0])
    return shown


def slice_rows(slices: Sequence[bytes]) -> bytes:
    """Fills of TWAP orders, each with the order's number beside it."""
    return listed([b'{"fill":%s,"twapId":%d}' % (fill, _twap.decode(fill).twapId) for fill in slices])


class _Slice(msgspec.Struct, frozen=True):
    twapId: int  # noqa: N815  # the venue's word


_twap = msgspec.json.Decoder(_Slice)


def _empty(rows: str) -> Callable[[Topic, int], object]:
    return lambda topic, _now: {"isSnapshot": True, "user": topic[1], rows: []}


def _nothing_of_dex(rows: str) -> Callable[[Topic, int], object]:
    return lambda topic, _now: {"dex": topic[2], "user": topic[1], rows: []}
