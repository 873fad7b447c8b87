"""Whose fills are followed, what they confirm, and what of them is missing."""

from datetime import timedelta

import msgspec
import pytest
from structlog.testing import capture_logs

from kamiyo.core.events import FillRole, LiquidatedFill
from kamiyo.core.ids import Address
from kamiyo.core.time import to_millis
from kamiyo.hyperliquid.addresses import Network, known_children
from tests.builders import (
    MAKER,
    NOW,
    OTHER_HASH,
    OTHER_VICTIM,
    VAULT,
    VICTIM,
    a_maker_row,
    a_trade,
    a_wire_fill,
    fill_json,
)
from tests.fake_venue import Live, SteppedClock, a_venue, living, user_fills_frame

LIQUIDATORS = [each.address for each in known_children(Network.MAINNET) if each.liquidator]
SEEDS = 2


def an_address(number: int) -> Address:
    return Address(f"0x{number:040x}")


def followed(live: Live) -> list[str]:
    requests = [msgspec.json.decode(text) for text in live.venue.users.sent]
    wanted: dict[str, None] = {}
    for each in requests:
        user = each.get("subscription", {}).get("user")
        if user and each["method"] == "subscribe":
            wanted[user] = None
        elif user:
            del wanted[user]
    return list(wanted)


def as_told(fill) -> object:
    return msgspec.json.decode(msgspec.json.encode(a_wire_fill(fill)))


def ordinary(at, tid: int = 1) -> dict:
    return fill_json(liquidation=None, time=to_millis(at), tid=tid)


def liquidated(live: Live) -> list[LiquidatedFill]:
    raws = [*live.raws("ws/userFills"), *live.raws("confirmed")]
    return [
        fact for raw in raws for fact in live.source.normalize(raw).events if isinstance(fact, LiquidatedFill)
    ]


# --- what is followed ---


async def test_the_liquidators_and_the_configured_makers_are_followed() -> None:
    """On a socket of their own, which also follows a market that is never quiet."""
    async with living(a_venue(), makers=f"{MAKER}, {VAULT}", majors="ETH BTC") as live:
        assert followed(live)[:6] == [*LIQUIDATORS, MAKER, VAULT]
        assert len(followed(live)) == 6 + SEEDS
        assert live.venue.users is not live.venue.public
        assert '{"method":"subscribe","subscription":{"type":"bbo","coin":"ETH"}}' in live.venue.users.sent
        live.venue.users.say(
            msgspec.json.encode(
                {"channel": "bbo", "data": {"coin": "ETH", "time": 1_760_130_960_250, "bbo": [None, None]}}
            )
        )
        await live.clock.advance(1)
        assert live.raws("ws/bbo") == live.raws("ws/other") == []


async def test_children_the_venue_names_take_the_place_of_those_we_knew() -> None:
    """One that is a liquidator by its name, and one whose name nobody has said yet."""
    venue = a_venue()
    children = [an_address(1), an_address(2)]
    names = {an_address(1): "HLP Liquidator 9", an_address(2): "HLP Strategy Q"}

    def vault(question) -> bytes:
        name = names.get(question.vault_address, "HLP")
        data = {"childAddresses": children if name == "HLP" else []}
        answer = {"name": name, "vaultAddress": question.vault_address}
        return msgspec.json.encode(answer | {"relationship": {"type": "parent", "data": data}})

    venue.answers["vaultDetails"] = vault
    async with living(venue) as live:
        assert followed(live)[-2:] == children
        await live.clock.advance(60)
        assert children[0] in followed(live)
        assert children[1] not in followed(live)
        assert not set(LIQUIDATORS) & set(followed(live))


async def test_a_restart_follows_whom_was_followed_before() -> None:
    """What was learned is in the cursor."""
    venue = a_venue()
    learned = an_address(77)
    async with living(venue, makers=learned) as live:
        live.venue.trade(a_trade())
        await live.clock.advance(2)
        live.venue.trade(a_trade(tid=2))
        await live.clock.advance(2)
        cursor = live.cursor
    async with living(a_venue(), cursor=cursor) as again:
        assert learned in followed(again)


async def test_nobody_else_is_followed_on_the_testnet() -> None:
    """The accounts we know are of the mainnet; of the testnet's child nobody knows what it does."""
    async with living(a_venue(), network="testnet") as live:
        assert followed(live) == [each.address for each in known_children(Network.TESTNET)]


# --- what they confirm ---


async def test_a_makers_fill_confirms_a_liquidation_and_public_trades_complete_it() -> None:
    """At no further weight, whichever comes first; each trade once."""
    async with living(a_venue(), makers=MAKER) as live:
        live.venue.trade(a_trade(tid=100, users=(VAULT, VICTIM)), a_trade(tid=101))
        await live.clock.advance(1)
        live.venue.users.say(user_fills_frame(MAKER, as_told(a_maker_row())))
        await live.clock.advance(1)
        live.venue.trade(
            a_trade(tid=102, users=(VAULT, VICTIM)), a_trade(tid=101), a_trade(tid=5, hash=OTHER_HASH)
        )
        await live.clock.advance(1)
        assert [(fact.tid, fact.role) for fact in liquidated(live)] == [
            (101, FillRole.COUNTERPARTY),
            (100, FillRole.PUBLIC),
            (102, FillRole.PUBLIC),
        ]
        assert {(fact.user, fact.asset, fact.hash) for fact in liquidated(live)} == {
            (VICTIM, "ETH", a_trade().hash)
        }


@pytest.mark.slow
async def test_who_took_confirmed_liquidations_is_followed_after_an_hour() -> None:
    """Makers seen in completed trades are learned: their fills may tell of what nobody else showed."""
    async with living(a_venue(), makers=MAKER) as live:
        live.venue.users.say(user_fills_frame(MAKER, as_told(a_maker_row())))
        live.venue.trade(a_trade(tid=100, users=(VAULT, VICTIM)))
        await live.clock.advance(5)
        assert VAULT not in followed(live)
        for _ in range(1_210):
            await live.clock.advance(3)
            live.venue.public.say(b'{"channel":"pong"}')
            live.venue.users.say(b'{"channel":"pong"}')
        assert VAULT in followed(live)


# --- what is missing ---


async def test_a_snapshot_closes_what_it_reaches_back_to() -> None:
    """An empty one says that there never was a fill."""
    async with living(a_venue(), makers=f"{MAKER} {VAULT}") as live:
        await live.clock.advance(5)
        live.venue.unreachable = "lab: refused"
        for socket in (live.venue.users, live.venue.public):
            socket.end()
        await live.clock.advance(60)
        before = ordinary(NOW - timedelta(seconds=2), tid=2)
        live.venue.snapshots[MAKER] = [ordinary(live.clock.now()), before]
        live.venue.unreachable = None
        await live.clock.advance(40)
        assert len(live.raws("ws/userFills")) == 2 * len(followed(live))
        assert not [gap for gap in live.gaps if gap.scope.startswith("userFills")]


async def test_a_snapshot_with_a_fill_we_know_goes_on_from_there() -> None:
    """However young its oldest fill is: a known one was heard before, all later ones are in it."""
    async with living(a_venue(), makers=MAKER) as live:
        await live.clock.advance(2)
        known = ordinary(live.clock.now() + timedelta(seconds=5), tid=7)
        live.venue.users.say(user_fills_frame(MAKER, known))
        await live.clock.advance(1)
        live.venue.users.end()
        live.venue.snapshots[MAKER] = [ordinary(live.clock.now() + timedelta(seconds=9)), known]
        await live.clock.advance(30)
        assert live.gaps == []


async def test_who_is_followed_no_more_is_not_promised_by_a_late_frame() -> None:
    """It is still put where everything is put."""
    async with living(a_venue(), makers=MAKER) as live:
        live.venue.users.say(user_fills_frame(OTHER_VICTIM, ordinary(NOW)))
        live.venue.trade(a_trade())
        await live.clock.advance(2)
        live.venue.trade(a_trade(tid=2))
        await live.clock.advance(2)
        assert any(OTHER_VICTIM.encode() in raw.payload for raw in live.raws("ws/userFills"))
        assert MAKER in live.cursor
        assert OTHER_VICTIM not in live.cursor


async def test_what_a_snapshot_does_not_reach_is_a_gap() -> None:
    """From the last word of that socket to the snapshot's oldest fill; of nobody else."""
    async with living(a_venue(), makers=MAKER) as live:
        for _ in range(5):
            await live.clock.advance(1)
            live.venue.users.say(b'{"channel":"pong"}')
        last_word = live.clock.now()
        await live.clock.advance(0)
        live.venue.unreachable = "lab: refused"
        live.venue.users.end()
        await live.clock.advance(60)
        oldest = live.clock.now() - timedelta(seconds=5)
        bad = ordinary(NOW) | {"time": 5}
        live.venue.snapshots[MAKER] = [
            ordinary(live.clock.now()),
            {"coin": "ETH"},
            bad,
            ordinary(oldest, tid=2),
        ]
        live.venue.unreachable = None
        await live.clock.advance(40)
        [gap] = live.gaps
        assert gap.scope == f"userFills/{MAKER}"
        assert gap.first == to_millis(last_word) - 1_000
        assert gap.after_last == to_millis(oldest)


async def test_a_restart_after_the_snapshot_reaches_is_a_gap_too() -> None:
    """The cursor knows each account's last moment."""
    async with living(a_venue(), makers=MAKER) as live:
        live.venue.trade(a_trade())
        await live.clock.advance(2)
        live.venue.trade(a_trade(tid=2))
        await live.clock.advance(2)
        cursor, stopped = live.cursor, live.clock.now()
    venue = a_venue()
    venue.snapshots[MAKER] = [ordinary(stopped + timedelta(seconds=100))]
    clock = SteppedClock(stopped + timedelta(seconds=200))
    async with living(venue, clock=clock, cursor=cursor, makers=MAKER) as again:
        [gap] = [gap for gap in again.gaps if gap.scope.startswith("userFills")]
        assert gap.after_last == to_millis(stopped + timedelta(seconds=100))


@pytest.mark.parametrize(
    ("frame", "stream"),
    [(b'{"channel":"userFills","data":7}', "ws/userFills"), (b'{"channel":"trades","data":7}', "ws/other")],
)
async def test_fills_that_cannot_be_read_end_the_connection(frame, stream) -> None:
    """They are kept to be refused, and the next snapshot brings them back."""
    async with living(a_venue(), makers=MAKER) as live:
        first = live.venue.users
        first.say(frame)
        await live.clock.advance(3)
        assert not first.open
        assert frame in [raw.payload for raw in live.raws(stream)]
        assert live.gaps == []


async def test_junk_that_does_not_end_is_a_gap_of_everybodys_fills() -> None:
    """It may have been anybody's."""
    async with living(a_venue(), makers=MAKER) as live:
        for _ in range(6):
            for _ in range(20):
                await live.clock.advance(0.5)
                live.venue.users.say(b'{"channel":"pong"}')
            live.venue.users.say(b"[]")
        await live.clock.advance(1)
        assert len({gap.scope for gap in live.gaps}) == len(followed(live))
        assert all("unreadable" in gap.reason for gap in live.gaps)


async def test_trades_on_the_accounts_socket_are_refused() -> None:
    """Nobody asked for them there."""
    async with living(a_venue(), makers=MAKER) as live:
        live.venue.users.say(b'{"channel":"trades","data":[]}', b'{"channel":"l2Book","data":{}}')
        await live.clock.advance(1)
        assert [raw.payload for raw in live.raws("ws/other")] == [
            b'{"channel":"l2Book","data":{}}',
            b'{"channel":"trades","data":[]}',
        ]


async def test_who_cannot_be_followed_is_told_once() -> None:
    """The others are followed all the same; a socket that cannot be opened is told in the log alone."""
    venue = a_venue()
    venue.refused = {"userFills"}
    with capture_logs() as logs:
        async with living(venue, makers=MAKER) as live:
            await live.clock.advance(5)
            venue.unreachable = "lab: refused"
            venue.users.end()
            await live.clock.advance(10)
            assert live.waits == []
    refused = [log["user"] for log in logs if log["event"] == "user_refused"]
    assert len(refused) == len(set(refused)) == len(LIQUIDATORS) + 1 + SEEDS
    assert len([log for log in logs if log["event"] == "socket_failing"]) == 1
