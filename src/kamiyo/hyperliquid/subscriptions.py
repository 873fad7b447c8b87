"""What a client asks the socket for: its words, and how to know them again in the venue's echo."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from kamiyo.hyperliquid.reading import reader

Method = Literal["subscribe", "unsubscribe"]


class Subscription(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """One feed, named as the venue names it; two that mean the same feed are equal.

    The venue fills in what was left out (``dex:""``, ``fast:false``, ``mantissa:null``) and writes users in
    lower case. Here what is left out and its default are the same, so an echo equals what was sent.
    """

    type: str
    coin: str | None = None
    user: str | None = None
    dex: str | None = None
    interval: str | None = None
    n_sig_figs: int | None = None
    mantissa: int | None = None
    fast: bool | None = None
    aggregate_by_time: bool | None = None

    def __post_init__(self) -> None:
        for name in _OPTIONAL:
            if not getattr(self, name):
                msgspec.structs.force_setattr(self, name, None)
        if self.user is not None:
            msgspec.structs.force_setattr(self, "user", self.user.lower())


class Request(msgspec.Struct, frozen=True, gc=False):
    """A client's request about one feed, and the form in which the venue acknowledges it."""

    method: Method
    subscription: Subscription


_OPTIONAL: Final = tuple(name for name in Subscription.__struct_fields__ if name != "type")

_encoder = msgspec.json.Encoder()

decode_request = reader(Request)
decode_subscription = reader(Subscription)

PING: Final = '{"method":"ping"}'


def as_message(subscription: Subscription, method: Method = "subscribe") -> str:
    """The text that asks the venue for a feed, or to stop it."""
    return _encoder.encode(Request(method, subscription)).decode()


def matches_ack(sent: Subscription, acknowledged: Subscription) -> bool:
    """Whether the venue's echo is of what was sent: the same in every field that was sent."""
    return all(
        getattr(acknowledged, name) == value
        for name in sent.__struct_fields__
        if (value := getattr(sent, name)) is not None
    )
