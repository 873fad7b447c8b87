"""The model played: which frame goes to the subscribers of which topic, and when."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from kamiyo.core.time import EPOCH, to_millis
from kamiyo.hyperliquid.info import Question
from kamiyo.lab.answers import STATISTICS, Answers
from kamiyo.lab.changes import Change
from kamiyo.lab.model import Model, Touched
from kamiyo.lab.ports import Publication, Topic, Wanted
from kamiyo.lab.subscribing import INTERVALS, field_of
from kamiyo.lab.telling import (
    Frames,
    fast_contexts_frame,
    trades_frame,
    user_events_frame,
    user_fills_frame,
)

# How often a channel speaks that does not wait for something to happen; of books, the slow and the fast.
CADENCES: Mapping[tuple[str, bool], timedelta] = {
    ("fastAssetCtxs", False): timedelta(seconds=1),
    ("activeAssetCtx", False): timedelta(seconds=1),
    ("l2Book", True): timedelta(milliseconds=540),
    ("l2Book", False): timedelta(milliseconds=5_400),
    ("allMids", False): timedelta(seconds=5),
    ("allDexsAssetCtxs", False): timedelta(milliseconds=13_600),
    ("assetCtxs", False): timedelta(seconds=5),
    ("spotAssetCtxs", False): timedelta(seconds=5),
    ("clearinghouseState", False): timedelta(seconds=5),
    ("allDexsClearinghouseState", False): timedelta(seconds=5),
}


class PlayedModel:
    """A tape of changes at a moment that only moves forward."""

    def __init__(self, model: Model, changes: Iterator[Change], since: datetime) -> None:
        self._model = model
        self._frames = Frames(model)
        self._answers = Answers(model)
        self._changes = changes
        self._next = next(changes, None)
        self._beats = {cadence: _beat_after(since, every) for cadence, every in CADENCES.items()}
        while self._next is not None and self._next.at < since:
            self._step()
        model.markets.take_changes()

    def next_at(self, wanted: Wanted) -> datetime | None:
        """When there will be something for those who want these topics; None if never again."""
        beats = [at for cadence, at in self._beats.items() if _spoken(cadence, wanted)]
        moments = beats if self._next is None else [*beats, self._next.at]
        return min(moments, default=None)

    def advance(self, until: datetime, wanted: Wanted) -> Iterator[Publication]:
        """All that is due up to and with ``until``, in time order, of the topics somebody wants."""
        while True:
            beat_at, cadence = min((at, cadence) for cadence, at in self._beats.items())
            if self._next is not None and self._next.at <= min(beat_at, until):
                at = self._next.at
                yield from self._news(at, self._step(), wanted)
            elif beat_at <= until:
                self._beats[cadence] = _beat_after(beat_at, CADENCES[cadence])
                yield from self._spoken(beat_at, cadence, wanted)
            else:
                return

    def first_frames(self, topic: Topic, now: datetime) -> Sequence[bytes]:
        """What a new subscriber gets at once."""
        return self._frames.first(topic, to_millis(now))

    def exists(self, topic: Topic) -> bool:
        """Whether the venue has the topic's asset and dex."""
        asset, dex = field_of(topic, "coin"), field_of(topic, "dex")
        return (asset is None or asset in self._model.markets) and (
            dex is None or dex in self._model.universe.dexes
        )

    def answer(self, question: Question, now: datetime) -> bytes:
        """The answer's JSON."""
        return self._answers.answer(question, to_millis(now))

    def statistics(self, name: str) -> bytes | None:
        """The statistics file of that name, or None."""
        return STATISTICS[name](self._model) if name in STATISTICS else None

    def _step(self) -> Touched:
        change = self._next
        assert change is not None  # noqa: S101  # asked by its callers
        self._next = next(self._changes, None)
        return self._model.apply(change)

    def _news(self, at: datetime, touched: Touched, wanted: Wanted) -> Iterator[Publication]:
        for topic, told in _told(touched, wanted):
            yield Publication(at, topic, told)
        for asset in touched.books:
            for topic in _watching(asset, wanted):
                shown = self._frames.now(topic, to_millis(at))
                if shown is not None:
                    yield Publication(at, topic, shown)

    def _spoken(self, at: datetime, cadence: tuple[str, bool], wanted: Wanted) -> Iterator[Publication]:
        kind, fast = cadence
        if not (topics := wanted.get(kind)):
            return
        if kind == "fastAssetCtxs":
            if changes := self._model.markets.take_changes():
                yield Publication(at, (kind,), fast_contexts_frame(changes))
            return
        for topic in list(topics):
            if kind == "l2Book" and topic[-1] is not fast:
                continue
            shown = self._frames.now(topic, to_millis(at))
            if shown is not None:
                yield Publication(at, topic, shown)


def _told(touched: Touched, wanted: Wanted) -> Iterator[tuple[Topic, bytes]]:
    trades = wanted.get("trades", ())
    for asset, rows in touched.trades.items():
        if ("trades", asset) in trades:
            yield ("trades", asset), trades_frame(rows)
    for user, fills in touched.fills.items() if "userFills" in wanted or "userEvents" in wanted else ():
        for merged in (False, True):
            topic: Topic = ("userFills", user, merged)
            if topic in wanted.get("userFills", ()):
                yield topic, user_fills_frame(user, fills)
        if ("userEvents", user) in wanted.get("userEvents", ()):
            yield ("userEvents", user), user_events_frame(fills)


def _watching(asset: str, wanted: Wanted) -> list[Topic]:
    """Who is told at once when a market's book or candle is another."""
    topics: list[Topic] = []
    if ("bbo", asset) in wanted.get("bbo", ()):
        topics.append(("bbo", asset))
    if candles := wanted.get("candle"):
        topics += [topic for interval in INTERVALS if (topic := ("candle", asset, interval)) in candles]
    return topics


def _spoken(cadence: tuple[str, bool], wanted: Wanted) -> Collection[Topic]:
    return wanted.get(cadence[0], ())


def _beat_after(moment: datetime, every: timedelta) -> datetime:
    return EPOCH + ((moment - EPOCH) // every + 1) * every
