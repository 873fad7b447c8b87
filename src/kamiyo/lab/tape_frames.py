"""What ``kamiyo record`` wrote: frames at the moment they came, answers as they were last given."""

from __future__ import annotations

import base64
import zlib
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from pathlib import Path

import msgspec

from kamiyo.core.errors import InvalidQuery, MalformedPayload
from kamiyo.core.modes import Showing
from kamiyo.hyperliquid.info import (
    AllPerpMetas,
    Meta,
    MetaAndAssetCtxs,
    PerpDexs,
    Question,
    UserFills,
    UserFillsByTime,
    body_of,
)
from kamiyo.hyperliquid.market import (
    decode_all_perp_metas,
    decode_meta,
    decode_meta_and_contexts,
    decode_perp_dexs,
)
from kamiyo.lab.accounts import ROWS_AT_ONCE
from kamiyo.lab.model import HISTORY
from kamiyo.lab.payloads import Asked, Heard, payloads
from kamiyo.lab.ports import Publication, Topic, Unanswerable, Wanted
from kamiyo.lab.subscribing import field_of
from kamiyo.lab.telling import fast_contexts_frame, listed, trades_frame, user_fills_frame


class FramesTape:
    """Recorded frames and answers as a tape."""

    def __init__(self, showing: Showing, title: str, source: str, files: Sequence[Path]) -> None:
        self.showing = showing
        self.title = title
        self.source = source
        self._files = files
        self.assets: set[str] = set()
        self.dexes: set[str] = {""}
        self.first_answers: dict[bytes, bytes] = {}
        self._counts = [0, 0]
        moments = [self._hear(each) for each in payloads(files)]
        if not moments:
            raise InvalidQuery(f"{title}: the recording holds nothing that can be played")
        self.starts_at, self.ends_at = min(moments), max(moments)

    @property
    def holds(self) -> str:
        """What is on it, in one line."""
        frames, answers = self._counts
        return f"{frames:,} frames and {answers:,} answers of {len(self.assets):,} assets"

    def play(self, since: datetime) -> PlayedFrames:
        """The tape at ``since``."""
        return PlayedFrames(self, payloads(self._files), since)

    def _hear(self, each: Heard | Asked) -> datetime:
        """Which assets and dexes there are must be known before the first moment."""
        self._counts[isinstance(each, Asked)] += 1
        if isinstance(each, Asked):
            self.first_answers.setdefault(body_of(each.question), each.answer)
            self._learn(each)
        elif (asset := field_of(each.topic, "coin")) is not None:
            self.assets.add(asset)
        return each.at

    def _learn(self, asked: Asked) -> None:
        try:
            match asked.question:
                case Meta(dex=dex):
                    self.dexes.add(dex)
                    self.assets |= set(decode_meta(asked.answer).live_names)
                case MetaAndAssetCtxs(dex=dex):
                    self.dexes.add(dex)
                    self.assets |= set(decode_meta_and_contexts(asked.answer)[0].live_names)
                case AllPerpMetas():
                    for meta in decode_all_perp_metas(asked.answer):
                        self.assets |= set(meta.live_names)
                case PerpDexs():
                    self.dexes |= set(decode_perp_dexs(asked.answer))
                case _:
                    pass
        except MalformedPayload:
            return


class PlayedFrames:
    """Recorded frames at a moment that only moves forward."""

    def __init__(self, tape: FramesTape, heard: Iterator[Heard | Asked], since: datetime) -> None:
        self._tape = tape
        self._heard = heard
        self._next = next(heard, None)
        self._answers = dict(tape.first_answers)
        self._newest: dict[Topic, bytes] = {}
        self._trades: defaultdict[str, deque[tuple[datetime, bytes]]] = defaultdict(deque)
        self._fills: defaultdict[str, dict[bytes, int]] = defaultdict(dict)
        self._fast: dict[str, msgspec.Raw] = {}
        while self._next is not None and self._next.at < since:
            self._step()

    def next_at(self, wanted: Wanted) -> datetime | None:  # noqa: ARG002  # whatever is next
        """When the next payload came; None after the last."""
        return None if self._next is None else self._next.at

    def advance(self, until: datetime, wanted: Wanted) -> Iterator[Publication]:
        """The frames up to and with ``until``."""
        while self._next is not None and self._next.at <= until:
            each = self._step()
            if isinstance(each, Heard) and each.topic in wanted.get(str(each.topic[0]), ()):
                yield Publication(each.at, each.topic, each.frame)

    def first_frames(self, topic: Topic, now: datetime) -> Sequence[bytes]:
        """The last frame of the topic; of trades the last seconds, of fills all that are known."""
        match topic:
            case ("trades", asset):
                rows = [rows for at, rows in self._trades[str(asset)] if now - at <= HISTORY]
                return [trades_frame(rows)] if rows else []
            case ("userFills", user, _):
                return [
                    user_fills_frame(str(user), self._fills_of(str(user), newest_first=True), snapshot=True)
                ]
            case ("fastAssetCtxs",):
                return [fast_contexts_frame(self._fast)]
            case _:
                known = self._newest.get(topic)
                return [] if known is None else [known]

    def exists(self, topic: Topic) -> bool:
        """Whether the recording knows the topic's asset and dex."""
        asset, dex = field_of(topic, "coin"), field_of(topic, "dex")
        return (asset is None or asset in self._tape.assets) and (dex is None or dex in self._tape.dexes)

    def answer(self, question: Question, now: datetime) -> bytes:  # noqa: ARG002  # as it was last given
        """The last answer to this very question, or the first there will be; fills as far as known."""
        match question:
            case UserFills(user=user):
                return listed(self._fills_of(user, newest_first=True))
            case UserFillsByTime(user=user, start_time=first, end_time=last):
                fills = self._fills_of(user, newest_first=question.reversed, first=first, last=last)
                return listed(fills)
            case _:
                known = self._answers.get(body_of(question))
        if known is None:
            raise Unanswerable(500)
        return known

    def statistics(self, name: str) -> bytes | None:  # noqa: ARG002  # none is recorded
        """Statistics files are on no recording."""
        return None

    def _step(self) -> Heard | Asked:
        each = self._next
        assert each is not None  # noqa: S101  # asked by its callers
        self._next = next(self._heard, None)
        if isinstance(each, Asked):
            self._answers[body_of(each.question)] = each.answer
            if isinstance(each.question, UserFills | UserFillsByTime):
                self._keep_fills(each.question.user, each.answer)
        else:
            self._hear(each)
        return each

    def _hear(self, each: Heard) -> None:
        match each.topic:
            case ("trades", asset):
                kept = self._trades[str(asset)]
                kept += ((each.at, bytes(row)) for row in _rows.decode(each.data))
                while each.at - kept[0][0] > HISTORY:
                    kept.popleft()
            case ("userFills", user, _):
                self._keep_fills(str(user), _fills.decode(each.data).fills)
            case ("fastAssetCtxs",):
                self._fast |= _contexts.decode(_inflated(each.data))
            case topic:
                self._newest[topic] = each.frame

    def _keep_fills(self, user: str, fills: bytes | msgspec.Raw) -> None:
        known = self._fills[user]
        for row in _rows.decode(fills):
            known.setdefault(bytes(row), _timed.decode(row).time)

    def _fills_of(
        self, user: str, *, newest_first: bool, first: int = 0, last: int | None = None
    ) -> list[bytes]:
        known = self._fills.get(user, {})
        chosen = [
            (time, row) for row, time in known.items() if time >= first and (last is None or time <= last)
        ]
        chosen.sort(key=itemgetter(0), reverse=newest_first)
        return [row for _time, row in chosen[:ROWS_AT_ONCE]]


def _inflated(data: msgspec.Raw) -> bytes:
    return zlib.decompress(base64.b64decode(_text.decode(data)), wbits=-15)


class _Fills(msgspec.Struct, frozen=True):
    fills: msgspec.Raw


class _Timed(msgspec.Struct, frozen=True):
    time: int


_rows = msgspec.json.Decoder(list[msgspec.Raw])
_fills = msgspec.json.Decoder(_Fills)
_timed = msgspec.json.Decoder(_Timed)
_text = msgspec.json.Decoder(str)
_contexts = msgspec.json.Decoder(dict[str, msgspec.Raw])
