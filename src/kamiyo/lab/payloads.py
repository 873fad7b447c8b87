"""Recorded payloads read as the frames and answers they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.channels import frames_in
from kamiyo.hyperliquid.info import Question, parse_question
from kamiyo.lab.ports import Topic
from kamiyo.lab.reading import lines_of
from kamiyo.lab.recorded_payload import decode_payload
from kamiyo.lab.subscribing import FIELDS

_CHANNELS = {"activeSpotAssetCtx": "activeAssetCtx"}  # where the channel is not the type asked for


class Heard(msgspec.Struct, frozen=True, gc=False):
    """A frame of a recording, and the topic it was for."""

    at: datetime
    topic: Topic
    frame: bytes
    data: msgspec.Raw


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A question of a recording, and its answer."""

    at: datetime
    question: Question
    answer: bytes


class _Payload(msgspec.Struct, frozen=True):
    channel: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    question: msgspec.Raw = msgspec.Raw()  # not "or None": that would read nothing but null
    answer: msgspec.Raw = msgspec.Raw()
    frame: msgspec.Raw = msgspec.Raw()  # beside the universes that name what it holds


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    coin: str | None = None
    user: str | None = None
    dex: str | None = None
    s: str | None = None
    i: str | None = None
    fast: bool | None = None


_payload = msgspec.json.Decoder(_Payload)
_named = msgspec.json.Decoder(_Named)
_first_named = msgspec.json.Decoder(list[_Named])


def payloads(paths: Sequence[Path]) -> Iterator[Heard | Asked]:
    """The frames and answers of recorded files, in the order of the files; other payloads are left out."""
    for path in paths:
        for content in lines_of(path):
            try:
                line = decode_payload(content)
                at = from_millis(line.received_at)
            except (MalformedPayload, OverflowError):
                continue
            for frame in frames_in(line.content):
                known = _readable(at, frame)
                if known is not None:
                    yield known


def _readable(at: datetime, content: bytes) -> Heard | Asked | None:
    try:
        return _read(at, content)
    except (msgspec.DecodeError, MalformedPayload):
        return None


def _read(at: datetime, content: bytes) -> Heard | Asked | None:
    payload = _payload.decode(content)
    if bytes(payload.question) and bytes(payload.answer):
        return Asked(at, parse_question(bytes(payload.question)), bytes(payload.answer))
    if bytes(payload.frame):
        return _read(at, bytes(payload.frame))
    topic = _topic(payload)
    return None if topic is None else Heard(at, topic, content, payload.data)


def _topic(payload: _Payload) -> Topic | None:
    kind = _CHANNELS.get(payload.channel or "", payload.channel or "")
    if kind not in FIELDS:
        return None
    named = _names_in(payload.data)
    told = {
        "coin": named.coin or named.s,
        "user": named.user and named.user.lower(),
        "dex": named.dex,
        "interval": named.i,
        "fast": named.fast,
    }
    values: list[str | int | bool | None] = []
    for field in FIELDS[kind]:
        value = told.get(field.name)
        if value is None and field.required:
            return None
        values.append(field.standard if value is None else value)
    return (kind, *values)


def _names_in(data: msgspec.Raw) -> _Named:
    start = bytes(data)[:1]
    if start == b"{":
        return _named.decode(data)
    if start == b"[":
        return next(iter(_first_named.decode(data)), _Named())
    return _Named()
