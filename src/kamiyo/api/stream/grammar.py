"""The stream's grammar: what a caller may send, and the text of every answer."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TypeAlias

import msgspec

from kamiyo.core.errors import CursorExpired, InvalidQuery, MalformedPayload, StorageUnavailable
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.exploits import ExploitStatus
from kamiyo.core.ids import parse_address, parse_asset
from kamiyo.core.margin import Direction
from kamiyo.core.modes import Showing
from kamiyo.core.money import parse_decimal, plain
from kamiyo.core.time import rfc3339

ANY = "*"
_LIQUIDATIONS = "liquidations"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.:\-]{0,63}", re.ASCII)


class Refused(InvalidQuery):
    """What the caller asked for is outside the grammar or beyond its limits."""

    def __init__(self, detail: str, *, code: str = "invalid_frame") -> None:
        super().__init__(detail)
        self.code = code


class _Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="type"):
    """What a caller wants to be told. A filter that is not set, or is ``*``, lets everything through."""


class Liquidations(_Wanted, frozen=True, tag="liquidations"):
    """Liquidations, each once and again whenever more is known of it; ``min_usd`` is a decimal string."""

    asset: str = ANY
    protocol: str = ANY
    side: Direction | None = None
    method: LiquidationMethod | None = None
    user: str = ANY
    min_usd: str | None = None


class Exploits(_Wanted, frozen=True, tag="exploits"):
    """Exploits; one whose amount nobody knows does not pass ``min_usd``."""

    protocol: str = ANY
    category: str = ANY
    status: ExploitStatus | None = None
    min_usd: str | None = None


class Claims(_Wanted, frozen=True, tag="claims"):
    """Liquidation orders others tell of, each once: claims, which are no liquidations."""

    asset: str = ANY
    exchange: str = ANY
    side: Direction | None = None
    min_usd: str | None = None


class Sources(_Wanted, frozen=True, tag="sources"):
    """Changes of a source's state."""

    source: str = ANY


class Backfills(_Wanted, frozen=True, tag="backfills"):
    """Objects of history that came to their end, each once: the facts they hold are told of by the lists."""

    source: str = ANY


class Coverage(_Wanted, frozen=True, tag="coverage"):
    """What share of an hour's liquidations a source saw, told once it was measured and when that changes."""

    source: str = ANY


Wanted: TypeAlias = Liquidations | Exploits | Claims | Sources | Backfills | Coverage


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cursor of the last frame the caller has."""

    cursor: str


class Subscribe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="subscribe"):
    """Begin to be told, from now or from a cursor on."""

    subscription: Wanted
    resume: Resume | None = None


class Unsubscribe(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="unsubscribe"
):
    """Be told no more."""

    subscription: Wanted


class Ping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="ping"):
    """Are you there?"""


Request: TypeAlias = Subscribe | Unsubscribe | Ping

_requests = msgspec.json.Decoder(Request)
_encoder = msgspec.json.Encoder()

PONG = '{"channel":"pong"}'


def parse_request(text: str) -> Request:
    """What the caller asks for, in canonical form; Refused for anything outside the grammar."""
    try:
        request: Request = _requests.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(str(error)[:200]) from error
    if isinstance(request, Ping):
        return request
    return msgspec.structs.replace(request, subscription=_canonical(request.subscription))


def hello_text(showing: Showing, coverage: str | None) -> str:
    """What every caller hears first: whether what it will be told happens now, and how much of it is known.

    ``coverage`` is the label of liquidations; None while nobody knows it.
    """
    known = {"mode": showing.mode, "recording": showing.recording, "coverage": coverage}
    return _text({"channel": "hello", **known})


def subscription_text(wanted: Wanted) -> str:
    """A subscription as JSON: one text for one meaning, so that it names what it means."""
    return _encoder.encode(wanted).decode()


def error_text(error: Refused | CursorExpired | StorageUnavailable) -> str:
    """The answer to what cannot be done; the connection stays."""
    return _text({"channel": "error", "data": {"code": _code(error), "detail": str(error)}})


def response_text(method: str, subscription: str, cursor: str) -> str:
    """The answer to ``subscribe`` and ``unsubscribe``: what holds from this cursor on."""
    data = {"method": method, "subscription": msgspec.Raw(subscription.encode()), "cursor": cursor}
    return _text({"channel": "subscriptionResponse", "data": data})


def heartbeat_text(cursor: str, as_of: datetime | None) -> str:
    """Everything committed before ``as_of`` has been told up to this cursor; None while nobody knows."""
    return _text({"channel": "heartbeat", "cursor": cursor, "as_of": as_of and rfc3339(as_of)})


def data_text(
    *,
    channel: str,
    subscription: str,
    seq: int,
    cursor: str,
    replayed: bool,
    as_of: datetime | None,
    coverage: str | None,
    body: str,
) -> str:
    """One frame of messages; ``body`` is their joined JSON, made once for all with this subscription.

    ``coverage`` is the label of what liquidations are told; of other messages it says nothing.
    """
    known = "null" if as_of is None else f'"{rfc3339(as_of)}"'
    label = f'"coverage":{_text(coverage)},' if channel == _LIQUIDATIONS else ""
    return (
        f'{{"channel":"{channel}","seq":{seq},"cursor":"{cursor}","is_snapshot":false,'
        f'"replayed":{"true" if replayed else "false"},"as_of":{known},{label}'
        f'"subscription":{subscription},"data":[{body}]}}'
    )


def _code(error: Refused | CursorExpired | StorageUnavailable) -> str:
    match error:
        case Refused():
            return error.code
        case CursorExpired():
            return "cursor_expired"
        case StorageUnavailable():
            return "storage_unavailable"


def _text(answer: object) -> str:
    return _encoder.encode(answer).decode()


def _canonical(wanted: Wanted) -> Wanted:
    try:
        match wanted:
            case Liquidations():
                return msgspec.structs.replace(
                    wanted,
                    asset=ANY if wanted.asset == ANY else parse_asset(wanted.asset),
                    protocol=_name(wanted.protocol),
                    user=ANY if wanted.user == ANY else parse_address(wanted.user),
                    min_usd=_amount(wanted.min_usd),
                )
            case Exploits():
                return msgspec.structs.replace(
                    wanted,
                    protocol=_name(wanted.protocol),
                    category=_name(wanted.category),
                    min_usd=_amount(wanted.min_usd),
                )
            case Claims():
                return msgspec.structs.replace(
                    wanted,
                    asset=_name(wanted.asset),
                    exchange=_name(wanted.exchange.lower()),
                    min_usd=_amount(wanted.min_usd),
                )
            case Sources() | Backfills() | Coverage():
                return msgspec.structs.replace(wanted, source=_name(wanted.source))
    except MalformedPayload as error:
        raise Refused(str(error)) from error


def _name(text: str) -> str:
    if text == ANY:
        return ANY  # this very object: msgspec leaves out a default by identity
    if _NAME.fullmatch(text) is None:
        raise Refused(f"not a name: {text[:64]!r}")
    return text


def _amount(text: str | None) -> str | None:
    if text is None:
        return None
    amount = parse_decimal(text)
    if amount < 0:
        raise Refused("min_usd is negative")
    return plain(amount)
