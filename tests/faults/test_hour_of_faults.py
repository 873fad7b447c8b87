"""An hour at sixty times the speed with every fault of the lab venue, at moments drawn from a seed.

The seed is in every failure. ``KAMIYO_FAULT_SEEDS="1 2 3"`` runs other hours: a minute each.
"""

import asyncio
import gc
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import asyncpg
import msgspec
import pytest

from kamiyo.aggregators._hyperliquid_api.quiet import SHORTEST
from kamiyo.core.time import from_millis, to_millis
from kamiyo.hyperliquid import limits
from kamiyo.lab.faults import FaultKind
from kamiyo.lab.outgoing import Delivery, Loss
from tests.faults.hour import ENDS_AT, STARTS_AT, Hour, Key, Leg, live_through, peak
from tests.integration.conftest import TEMPLATE
from tests.standstill import WATCH

SEEDS = [int(seed) for seed in os.environ.get("KAMIYO_FAULT_SEEDS", "3").split()]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("hour")]

REPEATED = timedelta(seconds=15)  # of the twenty seconds the venue repeats, what the client relies on
CADENCE = timedelta(milliseconds=13_600)  # of contexts
CONTEXTS_RELIED_ON = timedelta(seconds=20)
# Until a new connection counts: its feeds answered, first frames waited for, and looked at once a second.
WHOLE_AFTER = timedelta(seconds=5)
LOOKS = timedelta(seconds=3)  # see `late`
KEPT_FOR = timedelta(
    minutes=9
)  # trades, until somebody tells that they were of a liquidation; and some to spare
MOST_GROWTH = 4 << 20
MOST_AGAIN = 2
STANDSTILL = 0.2  # seconds of the machine, twelve of the venue


@pytest.fixture(scope="module", params=SEEDS, ids="seed {}".format)
def hour(request: pytest.FixtureRequest, postgres_url: str) -> Hour:
    """Give the hour of one seed, lived through once for all tests.

    Once more where the machine stood still for so long that it was no fault of the seed's.
    """
    for _ in range(MOST_AGAIN):
        WATCH.begin()
        lived = _hour(request.param, postgres_url)
        if WATCH.longest < STANDSTILL:
            return lived
    return _hour(request.param, postgres_url)


def _hour(seed: int, postgres_url: str) -> Hour:
    name = f"kamiyo_hour_{seed}"
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    lived = asyncio.run(live_through(seed, f"{postgres_url.rpartition('/')[0]}/{name}"))
    with warnings.catch_warnings():
        # The HTTP library may leave an idle connection to the collector when requests are cancelled.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    asyncio.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))
    return lived


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


# --- when the venue was heard, by its own account ---


@dataclass(frozen=True)
class Spell:
    """For how long a socket was heard without anything missing, and whether it began with a repetition."""

    start: datetime
    end: datetime
    repeats: bool


def spells_of(hour: Hour, channel: str) -> list[Spell]:
    """The spells of one of the two sockets that can be relied on to have been noticed as whole."""
    found: list[Spell] = []
    for account in hour.deliveries:
        if account.sent[channel]:
            found += [
                spell
                for spell in _spells(hour, account)
                if spell.end - spell.start >= WHOLE_AFTER + late(hour, spell.start)
            ]
    return sorted(found, key=lambda spell: spell.start)


def _spells(hour: Hour, account: Delivery) -> Iterator[Spell]:
    end = account.closed_at or ENDS_AT
    holes = [
        (lost.publication.at, lost.publication.at) for lost in account.lost if lost.why is not Loss.SILENCE
    ]
    holes += [
        (fault.at, min(fault.ends_at, end))
        for fault in hour.schedule
        if fault.kind is FaultKind.SILENCE and account.opened_at <= fault.at < end
    ]
    start, repeats = account.opened_at, True
    for first, last in sorted(holes):
        yield Spell(start, max(first, start), repeats)
        start, repeats = max(last, start), False
    yield Spell(start, end, repeats)


def late(hour: Hour, *moments: datetime) -> timedelta:
    """How inexact the client's idea of these moments is.

    It may have been as much behind the venue as was measured around them, and have stood still then; it
    allows a second for what the venue has not sent yet, looks at where it stands once a second, and is sent
    something once a second.
    """
    minutes = [to_millis(moment) // 60_000 + near for moment in moments for near in (-1, 0, 1)]
    ears = hour.ears
    millis = sum(max(most[minute] for minute in minutes) for most in (ears.quotes_late, ears.stood_still))
    return timedelta(milliseconds=millis) + LOOKS


def is_explained(
    hour: Hour, gap: Mapping[str, Any], channel: str, before: timedelta, bridged: timedelta
) -> bool:
    """Whether a gap lies between two spells: not before the first ended, nor over what the next repeated."""
    first, after_last = from_millis(gap["first"]), from_millis(gap["after_last"])
    return any(
        first >= one.end - before - late(hour, one.end)
        and after_last <= other.start - (bridged if other.repeats else timedelta(0)) + late(hour, other.start)
        for one, other in pairwise(spells_of(hour, channel))
    )


def holes(hour: Hour, scope: str) -> list[tuple[int, int]]:
    """The stored gaps of a scope, in milliseconds, the end not included."""
    return [(gap["first"], gap["after_last"]) for gap in hour.gaps if gap["scope"] == scope]


def unnoticeable(hour: Hour) -> list[tuple[int, int]]:
    """Silences that ended before anybody can have noticed them, who stood still himself in that time."""
    return [
        (to_millis(fault.at), to_millis(fault.ends_at))
        for fault in hour.schedule
        if fault.kind is FaultKind.SILENCE and fault.lasts <= SHORTEST + late(hour, fault.at, fault.ends_at)
    ]


def surely(hour: Hour, found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Gaps may begin a second late where the process stood still: for less than two it does not know it."""
    still = LOOKS + timedelta(seconds=1)
    return [
        (first - 1_000 * (late(hour, from_millis(first)) > still), after_last) for first, after_last in found
    ]


def in_holes(millis: int, found: list[tuple[int, int]]) -> bool:
    return any(first <= millis < after_last for first, after_last in found)


# --- the tests ---


def test_the_hour_was_as_bad_as_it_should_be(hour: Hour) -> None:
    """Every kind of fault came, cost something, and met liquidations of all kinds."""
    assert {fault.kind for fault in hour.schedule} == set(FaultKind)
    lost = Counter(each.why for account in hour.deliveries for each in account.lost)
    assert lost[Loss.SILENCE] > 20
    assert lost[Loss.MALFORMED] > 2
    assert {account.end for account in hour.deliveries} == {"1006", "1000 Expired", "client"}
    assert len(hour.truth.places) > 10_000
    assert {leg.method for leg in hour.truth.legs.values()} == {"market", "backstop", "adl"}
    assert len(hour.liquidations) > 50
    assert holes(hour, "trades")


def test_every_trade_is_counted_once_or_lies_in_a_gap(hour: Hour) -> None:
    """A trade of the tape was heard, or its time is in a stored gap; what is stored is what was heard."""
    gaps = [*surely(hour, holes(hour, "trades")), *unnoticeable(hour)]
    missed = [key for key, place in hour.truth.places.items() if not hour.ears.trades[place]]
    unexplained = [key for key in missed if not in_holes(key[2], [*gaps, *holes(hour, f"trades/{key[0]}")])]
    assert not unexplained, "\n".join([described(unexplained), *shown_gaps(hour), *shown_spells(hour)])
    assert hour.ears.foreign == []
    # A cursor goes with the payload after the look that made it.
    assert hour.heard_until["trades"] >= to_millis(ENDS_AT - late(hour, ENDS_AT) - timedelta(seconds=5))
    fresh = sum(1 for heard in hour.ears.trades if heard)
    assert hour.spans["refused_trades"] == 0
    assert hour.spans["trades"] - hour.spans["duplicate_trades"] == fresh


def test_every_gap_is_an_outage_less_what_was_repeated(hour: Hour) -> None:
    """None begins before the venue fell silent, nor reaches into what it repeated; no asset is accused."""
    reach = {
        "trades": ("fastAssetCtxs", timedelta(0), REPEATED),
        "contexts": ("fastAssetCtxs", CADENCE, CONTEXTS_RELIED_ON - CADENCE),
    }
    wrong = [
        f"{gap['scope']} {shown(gap['first'])} to {shown(gap['after_last'])}: {gap['reason']}"
        for gap in hour.gaps
        if gap["detected_at"] < ENDS_AT  # then the venue has nothing more to say, and the silence is one
        and not (
            is_explained(hour, gap, *reach[gap["scope"]])
            if gap["scope"] in reach
            else is_explained_for_user(hour, gap)
        )
    ]
    assert not wrong, "\n".join([*wrong, *shown_spells(hour)])


def is_explained_for_user(hour: Hour, gap: Mapping[str, Any]) -> bool:
    """Snapshots hold all fills there ever were: only too much junk in one minute is a gap of an account."""
    kind, _, user = gap["scope"].partition("/")
    first_fill = min((key[2] for name, key in hour.ears.told if name == user), default=0)
    if gap["reason"] == "not connected":
        return kind == "userFills" and gap["after_last"] <= first_fill
    return kind == "userFills" and is_explained(hour, gap, "userFills", timedelta(0), timedelta(0))


def test_every_liquidation_anybody_told_of_is_stored_once(hour: Hour) -> None:
    """Rows of the accounts followed, answers about suspects, and the public trades of the same sweep."""
    legs, told = hour.truth.legs, hour.ears.told
    assert told.keys() <= legs.keys()
    missed = [
        leg.key
        for leg in legs.values()
        if (scope := f"userFills/{leg.user}") in hour.heard_until
        and (leg.user, leg.key) not in told
        and not in_holes(leg.key[2], holes(hour, scope))
    ]
    assert not missed, described(missed)
    surely_known, known = known_fills(hour)
    stored = Counter(fill_of(row) for row in hour.fills)
    assert set(stored.values()) == {1}
    assert not surely_known - stored.keys(), described(surely_known - stored.keys())
    assert not stored.keys() - known.keys(), described(stored.keys() - known.keys())
    for row in hour.fills:
        leg = known[fill_of(row)]
        named = (leg.loser, leg.method, Decimal(leg.price), Decimal(leg.size))
        assert (row["user"], row["method"], row["price"], row["size"]) == named


def known_fills(hour: Hour) -> tuple[set[Key], dict[Key, Leg]]:
    """What must be known of the tape's liquidations from what was heard, and all that can be.

    Not what was told in the last minute, of which the rest may be on its way, nor the public trades of a
    liquidation that was told of long after.
    """
    legs, told = hour.truth.legs, hour.ears.told
    recent = ENDS_AT - timedelta(minutes=1)
    known = {legs[each].key: legs[each] for each in told if legs[each].tells}
    surely_known = {legs[each].key for each, at in told.items() if legs[each].tells and at < recent}
    takers = {leg.key: leg for leg in legs.values() if leg.crossed}
    for each, at in told.items():
        if legs[each].method != "market":
            continue
        for key in hour.truth.sweeps[legs[each].sweep]:
            if hour.ears.trades[hour.truth.places[key]]:
                known.setdefault(key, takers[key])
                if at < min(recent, from_millis(key[2]) + KEPT_FOR):
                    surely_known.add(key)
    return surely_known, known


def test_what_is_shown_is_the_fold_of_the_tape(hour: Hour) -> None:
    """Size, amount and number of fills of each liquidation, added up from the tape's own rows."""
    sums: defaultdict[tuple[str, str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    _surely_known, known = known_fills(hour)
    for key in map(fill_of, hour.fills):
        leg = known[key]
        identity = (leg.loser, key[0], leg.method, leg.hash)
        size = Decimal(leg.size)
        sums[identity] = [
            one + more
            for one, more in zip(sums[identity], (size, Decimal(leg.price) * size, Decimal(1)), strict=True)
        ]
    shown_ones = {
        (row["user"], row["asset"], row["method"], row["metadata"]["hash"] or ""): [
            Decimal(row["size"]),
            Decimal(row["amount_usd"]),
            Decimal(row["fill_count"]),
        ]
        for row in map(with_metadata, hour.liquidations)
    }
    assert shown_ones == sums
    assert len(shown_ones) == len(hour.liquidations)


def test_no_limit_was_exceeded(hour: Hour) -> None:
    """By the venue's own meter, though somebody else asked as much as the common account had room for."""
    meter = hour.meter
    assert meter.breaches == []
    assert 600 < meter.highest.amount <= limits.REST_WEIGHT_PER_MINUTE
    assert meter.most("connections") <= limits.CONNECTIONS
    assert meter.most("subscriptions") <= limits.SUBSCRIPTIONS
    assert meter.most("users") <= limits.TRACKED_USERS
    assert meter.peak("messages").amount <= limits.MESSAGES_PER_MINUTE
    assert peak(hour.attempts, limits.MINUTE) <= limits.NEW_CONNECTIONS_PER_MINUTE


def test_what_cannot_be_read_is_kept_with_its_reason(hour: Hour) -> None:
    """As many refusals as spoilt frames, each with its rule and what was refused."""
    spoilt = [each for account in hour.deliveries for each in account.lost if each.why is Loss.MALFORMED]
    # One in four may have been on its way to a socket we had just closed for another reason.
    assert 3 * len(spoilt) <= 4 * hour.socket_rejects <= 4 * len(spoilt)
    junk = {b'{"channel":', b'{"channel":"trades","data":7}', b"[]", b""}
    frames = {each.publication.frame for each in spoilt}
    for row in hour.rejects:
        assert row["rule"]
        assert row["detail"]
        cut = any(frame.startswith(row["payload"]) for frame in frames)
        # A venue whose clock is fast dates its answers in the future.
        assert cut or row["payload"] in junk or row["rule"] == "not_from_the_future"


def test_what_came_twice_was_counted_as_that(hour: Hour) -> None:
    """Frames sent twice and what connections repeated are duplicates, each as often as it was heard again."""
    again = sum(heard - 1 for heard in hour.ears.trades if heard)
    assert hour.spans["duplicate_trades"] == again > 100


def test_memory_stays_flat(hour: Hour) -> None:
    """What the product holds grows by no more than the memory of trades that were heard."""
    assert hour.grown < MOST_GROWTH


# --- for whoever must find out why ---


def fill_of(row: Mapping[str, Any]) -> Key:
    return row["asset"], row["tid"], to_millis(row["timestamp"])


def with_metadata(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**row, "metadata": msgspec.json.decode(row["metadata"])}


def described(keys: Any) -> str:
    return ", ".join(
        f"{asset} {tid} at {shown(millis)}"
        for asset, tid, millis in sorted(keys, key=lambda key: key[2])[:20]
    )


def shown(millis: int) -> str:
    """A moment as seconds of the hour."""
    return f"{(millis - to_millis(STARTS_AT)) / 1000:.1f}"


def shown_gaps(hour: Hour) -> list[str]:
    return [f"{gap['scope']} {shown(gap['first'])} to {shown(gap['after_last'])}" for gap in hour.gaps]


def shown_spells(hour: Hour) -> list[str]:
    found = [
        f"connection {each.number} from {shown(to_millis(each.opened_at))} "
        f"to {shown(to_millis(each.closed_at or ENDS_AT))}: {each.end}, {dict(each.sent)}"
        for each in hour.deliveries
    ]
    return found + [
        f"heard {shown(to_millis(spell.start))} to {shown(to_millis(spell.end))}"
        for spell in spells_of(hour, "fastAssetCtxs")
    ]
