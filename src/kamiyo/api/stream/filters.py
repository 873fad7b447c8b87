"""Whether a message is what a caller asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from operator import attrgetter

import msgspec

from kamiyo.api.stream.grammar import (
    ANY,
    Backfills,
    Claims,
    Coverage,
    Exploits,
    Liquidations,
    Sources,
    Wanted,
    subscription_text,
)


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What filters may look at. None where the message does not say: that matches no filter."""

    asset: str | None = None
    protocol: str | None = None
    side: str | None = None
    method: str | None = None
    user: str | None = None
    amount_usd: Decimal | None = None
    category: str | None = None
    status: str | None = None
    exchange: str | None = None
    name: str | None = None
    source: str | None = None


Test = Callable[[Facts], bool]


class Selection(msgspec.Struct, frozen=True):
    """What a subscription takes of the stream: all of its channel, or what passes the test."""

    text: str
    channel: str
    test: Test | None

    def takes(self, channel: str, facts: Facts) -> bool:
        """Whether a message belongs to it."""
        return channel == self.channel and (self.test is None or self.test(facts))


_NO_FACTS = Facts()
_facts = msgspec.json.Decoder(Facts)


def read_facts(message: bytes) -> Facts:
    """The filterable part of a message; of one that cannot be read nothing is known."""
    try:
        return _facts.decode(message)
    except msgspec.DecodeError:
        return _NO_FACTS


def build_selection(wanted: Wanted) -> Selection:
    """A subscription as something to ask for each message."""
    channel = str(type(wanted).__struct_config__.tag)
    return Selection(text=subscription_text(wanted), channel=channel, test=_build_test(wanted))


def _build_test(wanted: Wanted) -> Test | None:
    expected = {name: str(value) for name, value in _filters(wanted).items() if value not in {None, ANY}}
    amount = None if isinstance(wanted, Sources | Backfills | Coverage) else wanted.min_usd
    least = None if amount is None else Decimal(amount)
    equal = _build_equal(expected) if expected else None
    if least is None:
        return equal

    def passes(facts: Facts) -> bool:
        large = facts.amount_usd is not None and facts.amount_usd >= least
        return large and (equal is None or equal(facts))

    return passes


def _build_equal(expected: Mapping[str, str]) -> Test:
    read = attrgetter(*expected, "name")  # one more than asked for, so that it always reads a tuple
    values = tuple(expected.values())
    return lambda facts: bool(read(facts)[:-1] == values)


def _filters(wanted: Wanted) -> dict[str, str | None]:
    match wanted:
        case Liquidations():
            return {
                "user": wanted.user,
                "asset": wanted.asset,
                "protocol": wanted.protocol,
                "side": wanted.side,
                "method": wanted.method,
            }
        case Exploits():
            return {"protocol": wanted.protocol, "category": wanted.category, "status": wanted.status}
        case Claims():
            return {"asset": wanted.asset, "exchange": wanted.exchange, "side": wanted.side}
        case Sources():
            return {"name": wanted.source}
        case Backfills() | Coverage():
            return {"source": wanted.source}
