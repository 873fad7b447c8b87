"""The public socket: trades of every live asset, contexts of every dex, quotes of the majors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from kamiyo.aggregators._hyperliquid_api.completion import Completion
from kamiyo.aggregators._hyperliquid_api.contexts import Contexts
from kamiyo.aggregators._hyperliquid_api.coverage import CONTEXTS, TRADES, trades_of
from kamiyo.aggregators._hyperliquid_api.history import RELIED_ON, History
from kamiyo.aggregators._hyperliquid_api.markets import Markets
from kamiyo.aggregators._hyperliquid_api.outlet import Numbered
from kamiyo.aggregators._hyperliquid_api.payloads import (
    ALL_CONTEXTS,
    FAST_CONTEXTS,
    OTHER_FRAME,
    QUOTES,
    DecodedTrades,
    decode_all,
    joined,
    read_soundly,
)
from kamiyo.aggregators._hyperliquid_api.payloads import TRADES as TRADES_STREAM
from kamiyo.aggregators._hyperliquid_api.scan import Scan
from kamiyo.aggregators._hyperliquid_api.shared import SENT_WITHIN, Shared
from kamiyo.aggregators.base import Waiting
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import Gap
from kamiyo.core.time import from_millis, to_millis
from kamiyo.hyperliquid.channels import Frame, WireTrade
from kamiyo.hyperliquid.limits import SUBSCRIPTIONS, TRACKED_USERS
from kamiyo.hyperliquid.session import Ended, Session
from kamiyo.hyperliquid.subscriptions import Subscription

FRAMES_IN_A_PAYLOAD: Final = 256
KEPT_FOR_USERS: Final = TRACKED_USERS + 1  # their socket also follows a market that is never quiet
QUARANTINE: Final = timedelta(hours=1)
ANSWERED_WITHIN: Final = timedelta(minutes=2)  # as long as sending 360 messages can take at worst
_MOST_AHEAD: Final = 600_000  # ms; what is later is wrong itself, and would have everything heard until then

STOOD_STILL: Final = timedelta(seconds=2)  # without a look, which comes every second
CAUGHT_UP: Final = timedelta(seconds=5)  # after that what is read is new again

_CONTEXT_FEEDS: Final = (Subscription("fastAssetCtxs"), Subscription("allDexsAssetCtxs"))
_STREAMS: Final = {"fastAssetCtxs": FAST_CONTEXTS, "bbo": QUOTES, "allDexsAssetCtxs": ALL_CONTEXTS}


class PublicListener:
    """What is wanted of the public socket, what becomes of what it sends, and what it did not send."""

    def __init__(
        self,
        shared: Shared,
        markets: Markets,
        *,
        majors: Sequence[str],
        decoded: DecodedTrades,
        completion: Completion,
        scan: Scan,
    ) -> None:
        self._shared = shared
        self._majors = tuple(majors)
        self._decoded = decoded
        self._completion = completion
        self._scan = scan
        self._contexts = Contexts(shared, markets)
        self._history = History()
        self._place = Numbered("ws/none/public")
        self._quarantined: dict[str, datetime] = {}
        self._told: set[str] = set()
        self._told_waiting = False
        self._lag: int | None = None
        self._newest: int | None = None
        self._opened_at = self._looked_at = shared.clock.now()
        self._stood_still_at: datetime | None = None
        self._markets = markets
        self._feeds: tuple[Subscription, ...] = ()
        self._assets: tuple[str, ...] = ()
        for asset in shared.coverage.scopes(trades_of("")):
            if asset not in markets.live:
                shared.coverage.forget(trades_of(asset))
        self._choose()

    # --- what is wanted -----------------------------------------------------------------------------------

    def take_markets(self, markets: Markets) -> None:
        """Follow these markets from now on. A new one should have been heard since the last were read."""
        coverage, before = self._shared.coverage, self._markets
        for asset in sorted(set(markets.live) - set(before.live)):
            coverage.begin(trades_of(asset), before.at)
        for asset in sorted(set(before.live) - set(markets.live)):
            coverage.forget(trades_of(asset))
        self._markets = markets
        self._contexts.take_markets(markets)
        self._choose()

    def wanted(self, now: datetime) -> tuple[Subscription, ...]:
        """Every subscription that should be there; what was quarantined is tried again after an hour."""
        free = [asset for asset, until in self._quarantined.items() if until <= now]
        for asset in free:
            del self._quarantined[asset]
        if free:
            self._choose()
        return self._feeds

    def _choose(self) -> None:
        room = SUBSCRIPTIONS - KEPT_FOR_USERS - len(_CONTEXT_FEEDS)
        live = [asset for asset in self._markets.live if asset not in self._quarantined]
        trades = [Subscription("trades", coin=asset) for asset in live][:room]
        quotes = [Subscription("bbo", coin=asset) for asset in self._majors if asset in live]
        feeds = (*_CONTEXT_FEEDS, *trades, *quotes[: room - len(trades)])
        self._assets = tuple(live[:room])
        if feeds != self._feeds:
            self._feeds = feeds
        for asset in live[room:]:
            self._leave_out(asset, "more assets than subscriptions", self._shared.clock.now())

    # --- what is heard ------------------------------------------------------------------------------------

    def opened(self, number: str, now: datetime) -> None:
        """Every asset's first frame on this connection may repeat what was missed."""
        self._opened_at = self._looked_at = now
        self._place = Numbered(f"ws/{number}/public")
        self._history.begin()
        self._contexts.place = self._place

    def heard(self, frame: Frame | None, payload: bytes, now: datetime) -> bool:
        """Put the frame where everything is put."""
        if frame is None or frame.channel not in _STREAMS:
            self._put(OTHER_FRAME, payload, now)
        elif frame.channel == "allDexsAssetCtxs":
            self._contexts.hear(frame, now)
        else:
            self._put(_STREAMS[frame.channel], payload, now)
            if frame.channel == "fastAssetCtxs":
                self._scan.take_prices(frame)
        return True

    def heard_trades(self, frames: Sequence[bytes], now: datetime) -> bool:
        """Put the frames where everything is put, and look at their trades."""
        readable, self._lag = True, None  # of what came before, lateness says nothing any more
        for start in range(0, len(frames), FRAMES_IN_A_PAYLOAD):
            some = frames[start : start + FRAMES_IN_A_PAYLOAD]
            payload = joined(some)
            self._shared.outlet.put_payload(TRADES_STREAM, payload, now, self._place, number=len(some))
            try:
                trades = decode_all(some)
            except MalformedPayload:
                trades, sound = read_soundly(some)
                readable = readable and sound
            else:
                self._decoded.remember(payload, trades)
            if trades:
                self._look_at(trades, payload, now)
        return readable

    def _look_at(self, trades: Sequence[WireTrade], payload: bytes, now: datetime) -> None:
        times = [trade.time for trade in trades]
        now_millis, newest = to_millis(now), max(times)
        lag = now_millis - newest
        if lag >= -_MOST_AHEAD and (self._lag is None or lag < self._lag):
            self._lag = lag
        if lag >= -_MOST_AHEAD:
            self._newest = max(newest, self._newest or newest)
        if self._history.proving:
            self._history.hear(trades)
        self._completion.take_trades(trades, payload, (min(times), newest), now)
        self._scan.take_trades(trades, now)

    def _put(self, stream: str, payload: bytes, now: datetime) -> None:
        self._shared.outlet.put_payload(stream, payload, now, self._place)

    async def room(self) -> None:
        """Wait until what was heard has been taken."""
        await self._shared.outlet.room()

    # --- what was missed ----------------------------------------------------------------------------------

    def look(self, session: Session, now: datetime) -> None:
        """Note until when everything was heard, or from when on it is heard again."""
        shared = self._shared
        self._note_lag()
        if now - self._looked_at >= STOOD_STILL:
            self._stood_still_at = now
        self._looked_at = now
        for feed, why in session.refused.items():
            self._refused(feed, why, now)
        if not shared.coverage.is_whole(TRADES):
            self._resume(session, now)
        if shared.coverage.is_whole(TRADES):
            shared.coverage.heard(TRADES, self._until(session.heard_at, now))
            self._resume_parts(session, now)
            shared.outlet.mark(shared.coverage.cursor())

    def _note_lag(self) -> None:
        if self._lag is not None:
            self._shared.lag.millis, self._lag = self._lag, None

    def _until(self, heard_at: datetime, now: datetime) -> datetime:
        """Until when all was heard: by the clock, but who stood still reads what was said long before."""
        until = heard_at - self._shared.lag.behind
        recently = self._stood_still_at is not None and now - self._stood_still_at < CAUGHT_UP
        if self._newest is None or not (recently or now - self._looked_at >= STOOD_STILL):
            return until
        return min(until, from_millis(self._newest) - SENT_WITHIN)

    def _resume(self, session: Session, now: datetime) -> None:
        coverage = self._shared.coverage
        apart = set(coverage.scopes(trades_of("")))
        feeds = [Subscription("trades", coin=asset) for asset in self._assets if asset not in apart]
        acknowledged = {each: session.acknowledged[each] for each in feeds if each in session.acknowledged}
        if len(acknowledged) < len(feeds) and now - self._opened_at >= ANSWERED_WITHIN:
            for feed in feeds:
                if feed not in acknowledged:
                    self._refused(feed, "never answered", now)
        elif len(acknowledged) == len(feeds) > 0:
            self._resume_from(acknowledged, now)

    def _resume_from(self, acknowledged: Mapping[Subscription, datetime], now: datetime) -> None:
        coverage, ahead = self._shared.coverage, self._shared.lag.ahead
        missing = coverage.missing(TRADES, max(acknowledged.values()))
        resumed = self._history.resumed(acknowledged, missing, now)
        if resumed is not None:
            self._put_gap(coverage.resume(TRADES, resumed + ahead, now=now, reason="not connected"))
            self._told_waiting = False
            self._shared.up.set()

    def _resume_parts(self, session: Session, now: datetime) -> None:
        coverage = self._shared.coverage
        for asset in coverage.scopes(trades_of("")):
            at = session.acknowledged.get(Subscription("trades", coin=asset))
            if at is not None:
                scope, resumed = trades_of(asset), at - RELIED_ON + self._shared.lag.ahead
                self._put_gap(coverage.resume(scope, resumed, now=now, reason="the asset was not followed"))
                coverage.forget(scope)
                self._told.discard(asset)

    def _refused(self, feed: Subscription, why: str, now: datetime) -> None:
        if feed.type == "trades" and feed.coin is not None:
            self._leave_out(feed.coin, why, now)
        elif str(feed) not in self._told:
            self._told.add(str(feed))
            self._shared.log.warning("feed_refused", feed=feed.type, asset=feed.coin, detail=why)

    def _leave_out(self, asset: str, why: str, now: datetime) -> None:
        """One asset is not followed: told once, and what it does is unknown from here on."""
        if asset not in self._told:
            self._told.add(asset)
            self._shared.log.warning("asset_left_out", asset=asset, detail=why)
        self._put_gap(self._shared.coverage.split(trades_of(asset), TRADES, now=now, reason=why[:200]))

    def _put_gap(self, gap: Gap | None) -> None:
        if gap is not None:
            self._shared.outlet.put(gap)

    def lost(self, reason: str, since: datetime, now: datetime) -> None:
        """Whatever it was, it may have been trades."""
        self._note_lag()
        coverage = self._shared.coverage
        if coverage.is_whole(TRADES):
            coverage.heard(TRADES, self._until(since, now))
            self._put_gap(coverage.resume(TRADES, now + self._shared.lag.ahead, now=now, reason=reason[:200]))

    # --- what ended ---------------------------------------------------------------------------------------

    def ended(self, ended: Ended, now: datetime) -> None:
        """What was heard whole is not any more; an asset that closed the socket is left alone for an hour."""
        shared = self._shared
        self._note_lag()
        was_whole = shared.coverage.is_whole(TRADES)
        shared.coverage.heard(TRADES, self._until(ended.last_heard_at, now))
        for scope in (TRADES, CONTEXTS):
            shared.coverage.interrupt(scope)
        shared.up.clear()
        culprit = ended.culprit
        if culprit is not None and culprit.coin is not None:
            self._quarantined[culprit.coin] = now + QUARANTINE
            self._leave_out(culprit.coin, "its subscription closes the socket", now)
            self._choose()
        shared.log.info("socket_ended", socket="public", detail=ended.reason)
        if not was_whole:
            self.failed(ended.reason)

    def failed(self, reason: str) -> None:
        """Nothing is heard, and it is not over at once: say so, once."""
        if not self._told_waiting:
            self._told_waiting = True
            self._shared.outlet.put(Waiting(f"the venue's socket: {reason}"))
