"""What clients send through the socket, read as the venue reads it, and what the venue says to it."""

from __future__ import annotations

import re
from typing import TypeAlias

import msgspec

from kamiyo.lab.ports import Topic

GREETING = b"Websocket connection established."
PONG = b'{"channel":"pong"}'
INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M")

Value: TypeAlias = str | int | bool | None
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_ENCODE = msgspec.json.Encoder().encode


class Field(msgspec.Struct, frozen=True):
    """A field of a subscription: what it may be, and what it is where it was left out."""

    name: str
    kinds: tuple[type, ...]
    standard: Value = None
    required: bool = False


_COIN = Field("coin", (str,), required=True)
_DEX = Field("dex", (str,), "")
_USER = Field("user", (str,), required=True)
_BY_TIME = Field("aggregateByTime", (bool,), standard=False)
_FIGURES = Field("nSigFigs", (int, type(None)), None)
_MANTISSA = Field("mantissa", (int, type(None)), None)
_FAST = Field("fast", (bool,), standard=False)
_INTERVAL = Field("interval", (str,), required=True)

# Every type of subscription, with its fields in the order the venue echoes them.
FIELDS: dict[str, tuple[Field, ...]] = {
    "trades": (_COIN,),
    "l2Book": (_COIN, _FIGURES, _MANTISSA, _FAST),
    "bbo": (_COIN,),
    "activeAssetCtx": (_COIN,),
    "candle": (_COIN, _INTERVAL),
    "allMids": (_DEX,),
    "allDexsAssetCtxs": (),
    "fastAssetCtxs": (),
    "assetCtxs": (_DEX,),
    "spotAssetCtxs": (),
    "outcomeMetaUpdates": (),
    "notification": (_USER,),
    "userFills": (_USER, _BY_TIME),
    "userEvents": (_USER,),
    "userFundings": (_USER,),
    "userNonFundingLedgerUpdates": (_USER,),
    "orderUpdates": (_USER,),
    "clearinghouseState": (_USER, _DEX),
    "allDexsClearinghouseState": (_USER,),
    "spotState": (_USER,),
    "openOrders": (_USER, _DEX),
    "twapStates": (_USER, _DEX),
    "userTwapSliceFills": (_USER,),
    "userTwapHistory": (_USER,),
    "userHistoricalOrders": (_USER,),
    "activeAssetData": (_USER, _COIN),
    "webData3": (_USER,),
}


class Subscribe(msgspec.Struct, frozen=True):
    """Begin to tell of this topic."""

    topic: Topic


class Unsubscribe(msgspec.Struct, frozen=True):
    """No longer tell of this topic."""

    topic: Topic


class Ping(msgspec.Struct, frozen=True):
    """Say something, so that the connection lives."""


class Post(msgspec.Struct, frozen=True):
    """A request through the socket; ``payload`` is an info question, or None for anything else."""

    id: int
    payload: bytes | None


class Refused(msgspec.Struct, frozen=True):
    """Nothing the venue would do; ``said`` is its error."""

    said: str


Message: TypeAlias = Subscribe | Unsubscribe | Ping | Post | Refused


class _PostRequest(msgspec.Struct, frozen=True):
    type: str
    payload: msgspec.Raw


class _Request(msgspec.Struct, frozen=True):
    method: str
    subscription: dict[str, object] | None = None
    id: int | None = None
    request: _PostRequest | None = None


class _InvalidSubscriptionError(Exception):
    """A known type with an argument the venue does not take."""


_request = msgspec.json.Decoder(_Request)


def parse_message(text: bytes) -> Message:
    """What a text frame asks for."""
    try:
        return _understood(_request.decode(text))
    except _InvalidSubscriptionError as error:
        return Refused(f"Invalid subscription {error}")
    except (msgspec.DecodeError, ValueError, RecursionError):
        shown = text.decode("utf-8", "replace")
        return Refused(f"Error parsing JSON into valid websocket request: {shown}")


def _understood(request: _Request) -> Message:
    match request:
        case _Request(method="ping"):
            return Ping()
        case _Request(method="subscribe", subscription=dict() as wanted):
            return Subscribe(_topic(wanted))
        case _Request(method="unsubscribe", subscription=dict() as wanted):
            return Unsubscribe(_topic(wanted))
        case _Request(method="post", id=int() as number, request=_PostRequest() as asked):
            return Post(number, bytes(asked.payload) if asked.type == "info" else None)
        case _:
            raise ValueError(request.method)


def _topic(wanted: dict[str, object]) -> Topic:
    """The subscription with its defaults filled in; ValueError where the venue could not read it."""
    kind = wanted.get("type")
    fields = FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise ValueError(kind)
    values = [_value(field, wanted) for field in fields]
    topic = (str(kind), *values)
    if not _valid(topic):
        raise _InvalidSubscriptionError(_ENCODE(wanted).decode())
    return topic


def _value(field: Field, wanted: dict[str, object]) -> Value:
    value = wanted.get(field.name, None if field.required else field.standard)
    if type(value) not in field.kinds:
        raise ValueError(field.name)
    if field is _USER:
        return str(value).lower()
    return value if isinstance(value, str | int) else None


def _valid(topic: Topic) -> bool:
    user = user_of(topic)
    if user is not None and _ADDRESS.fullmatch(user) is None:
        return False
    match topic:
        case ("candle", _, interval):
            return interval in INTERVALS
        case ("l2Book", _, figures, mantissa, _):
            return valid_rounding(figures, mantissa)
        case _:
            return True


def valid_rounding(figures: object, mantissa: object) -> bool:
    """Whether a book may be asked for in this rounding."""
    return figures in {None, 2, 3, 4, 5} and (mantissa is None or (figures == 5 and mantissa in {2, 5}))  # noqa: PLR2004  (the finest rounding)


def user_of(topic: Topic) -> str | None:
    """Whose topic it is, or None if it is everybody's."""
    fields = FIELDS[str(topic[0])]
    return str(topic[1]) if fields[:1] == (_USER,) else None


def field_of(topic: Topic, name: str) -> str | None:
    """The ``coin`` or ``dex`` of a topic, or None if it has none."""
    named = dict(zip((field.name for field in FIELDS[str(topic[0])]), topic[1:], strict=True))
    return str(named[name]) if name in named else None


def as_subscription(topic: Topic) -> bytes:
    """The topic as the venue writes it, with every default."""
    names = ("type", *(field.name for field in FIELDS[str(topic[0])]))
    return _ENCODE(dict(zip(names, topic, strict=True)))


def acknowledgement(method: str, topic: Topic) -> bytes:
    """The venue's yes to a subscription or to its end."""
    return b'{"channel":"subscriptionResponse","data":{"method":"%s","subscription":%s}}' % (
        method.encode(),
        as_subscription(topic),
    )


def error(said: str) -> bytes:
    """The venue's no, which does not say to what."""
    return b'{"channel":"error","data":%s}' % _ENCODE(said)


def post_answer(number: int, kind: str, content: bytes) -> bytes:
    """The answer to a question asked through the socket."""
    return (
        b'{"channel":"post","data":{"id":%d,"response":{"type":"info","payload":{"type":%s,"data":%s}}}}'
        % (
            number,
            _ENCODE(kind),
            content,
        )
    )


def post_error(number: int, said: str) -> bytes:
    """The refusal of a request through the socket."""
    return b'{"channel":"post","data":{"id":%d,"response":{"type":"error","payload":%s}}}' % (
        number,
        _ENCODE(said),
    )
