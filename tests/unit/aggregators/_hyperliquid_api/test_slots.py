"""Who holds the few slots of the venue, why, and what becomes of a measured choice."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from structlog.testing import capture_logs

from kamiyo.aggregators._hyperliquid_api.slots import ASK_AGAIN, CHOOSE_AGAIN, Slots
from kamiyo.core.errors import StorageUnavailable
from kamiyo.core.ids import Address, Chain, SourceName
from kamiyo.core.money import Usd, parse_decimal
from kamiyo.core.slots import HeldSlot, SlotReason
from kamiyo.hyperliquid.addresses import Network, known_children
from kamiyo.hyperliquid.limits import TRACKED_USERS
from kamiyo.hyperliquid.ranking import Ranking
from tests.builders import API, CHAIN, MAKER, NOW, VAULT, VICTIM, a_trade
from tests.fake_venue import Live, a_venue, living

LIQUIDATORS = [each.address for each in known_children(Network.MAINNET) if each.liquidator]


def an_address(number: int) -> Address:
    return Address(f"0x{number:040x}")


def reasons(slots: Slots) -> list[tuple[Address, SlotReason]]:
    return [(each.user, each.reason) for each in slots.held]


class Choice:
    """A choice that is changed by the test, and what was told of it."""

    def __init__(self, *makers: Address) -> None:
        self.makers: Sequence[Address] = makers
        self.told: list[tuple[SourceName, Chain, Sequence[HeldSlot]]] = []
        self.broken = False

    async def chosen(self, chain: Chain) -> Sequence[Address]:
        if self.broken:
            raise StorageUnavailable("the database is gone")
        assert chain == CHAIN
        return self.makers

    async def tell(self, source: SourceName, chain: Chain, held: Sequence[HeldSlot]) -> None:
        self.told.append((source, chain, held))


def followed(live: Live) -> list[str]:
    """Whom the venue was asked to follow and not to leave, and at no time more than it allows."""
    wanted: dict[str, None] = {}
    for text in live.venue.users.sent:
        each = msgspec.json.decode(text)
        user = each.get("subscription", {}).get("user")
        if user and each["method"] == "subscribe":
            wanted[user] = None
            assert len(wanted) <= TRACKED_USERS
        elif user:
            del wanted[user]
    return list(wanted)


# --- who holds them ---


def test_liquidators_come_first_then_who_is_configured_then_who_was_learned() -> None:
    """Ten at most, each once."""
    slots = Slots(makers=[MAKER, an_address(1)], earlier=[VAULT, MAKER, *map(an_address, range(50, 60))])
    slots.liquidators_are([VICTIM, an_address(1)])
    chosen = slots.choose(Ranking(), NOW)
    assert chosen[:4] == (VICTIM, an_address(1), MAKER, VAULT)
    assert len(chosen) == len(set(chosen)) == 10


def test_makers_are_chosen_anew_once_an_hour_at_most() -> None:
    """The best by what they took; liquidators and the configured are never pushed out."""
    slots = Slots(makers=[MAKER], earlier=[an_address(1)])
    slots.liquidators_are([VICTIM])
    ranking = Ranking()
    for user, amount in ((an_address(2), "5"), (VICTIM, "9"), (MAKER, "9"), (an_address(3), "7")):
        ranking.credit(user, Usd(parse_decimal(amount)))
    before = (VICTIM, MAKER, an_address(1))
    assert slots.choose(ranking, NOW) == before
    assert slots.choose(ranking, NOW + CHOOSE_AGAIN - timedelta(seconds=1)) == before
    assert slots.choose(ranking, NOW + CHOOSE_AGAIN) == (
        VICTIM,
        MAKER,
        an_address(3),
        an_address(2),
        an_address(1),
    )
    for _ in range(10):
        ranking.fade()
    for number in range(20, 40):
        ranking.credit(an_address(number), Usd(parse_decimal("100")))
    chosen = slots.choose(ranking, NOW + 2 * CHOOSE_AGAIN)
    assert chosen == (VICTIM, MAKER, *map(an_address, range(20, 28)))


def test_whom_a_measurement_chose_comes_before_who_was_learned_and_behind_all_others() -> None:
    """In the order of the choice, and each under the strongest of the reasons there are."""
    slots = Slots(makers=[MAKER], earlier=[an_address(1), an_address(3)], shipped=[an_address(1)])
    slots.liquidators_are([VICTIM])
    slots.measured_are([an_address(2), VICTIM, MAKER, an_address(3)])
    assert slots.choose(Ranking(), NOW) == (VICTIM, MAKER, an_address(2), an_address(3), an_address(1))
    assert reasons(slots) == [
        (VICTIM, SlotReason.LIQUIDATOR),
        (MAKER, SlotReason.PINNED),
        (an_address(2), SlotReason.MEASURED),
        (an_address(3), SlotReason.MEASURED),
        (an_address(1), SlotReason.SHIPPED),
    ]
    slots.measured_are(list(map(an_address, range(20, 40))))
    assert slots.choose(Ranking(), NOW) == (VICTIM, MAKER, *map(an_address, range(20, 28)))
    slots.measured_are([])
    assert slots.choose(Ranking(), NOW) == (VICTIM, MAKER, an_address(1), an_address(3))


def test_the_shipped_are_followed_until_anybody_is_learned_and_may_be_learned_themselves() -> None:
    """They are guesses, and are called so until they took something before our eyes."""
    slots = Slots(shipped=[MAKER, VAULT])
    slots.choose(Ranking(), NOW)
    assert reasons(slots) == [(MAKER, SlotReason.SHIPPED), (VAULT, SlotReason.SHIPPED)]
    ranking = Ranking()
    ranking.credit(VAULT, Usd(parse_decimal("9")))
    slots.choose(ranking, NOW + CHOOSE_AGAIN)
    assert reasons(slots) == [(VAULT, SlotReason.LEARNED), (MAKER, SlotReason.SHIPPED)]
    assert not Slots(earlier=[VICTIM], shipped=[MAKER]).choose(Ranking(), NOW)[1:]


def test_a_slot_is_held_since_its_user_got_it_whatever_the_reason_is_by_now() -> None:
    """Being chosen by a measurement costs a user who was learned nothing of the past."""
    slots = Slots(earlier=[MAKER])
    slots.choose(Ranking(), NOW)
    first = slots.held
    later = NOW + timedelta(minutes=5)
    slots.choose(Ranking(), later)
    assert slots.held is first
    slots.measured_are([VAULT, MAKER])
    slots.choose(Ranking(), later)
    assert slots.held == (
        HeldSlot(VAULT, SlotReason.MEASURED, later),
        HeldSlot(MAKER, SlotReason.MEASURED, NOW),
    )


# --- whom the source follows ---


async def test_a_choice_that_is_there_is_followed_from_the_start_and_told() -> None:
    """Nobody is followed for a minute only to be left again; who holds the slots is told with the reasons."""
    choice = Choice(an_address(1), an_address(2))
    async with living(a_venue(), user_slots=choice, makers=MAKER, majors="ETH") as live:
        assert followed(live)[: len(LIQUIDATORS) + 3] == [*LIQUIDATORS, MAKER, an_address(1), an_address(2)]
        live.venue.trade(a_trade())
        await live.clock.advance(2 * ASK_AGAIN.total_seconds())
        [(source, chain, held)] = choice.told
        assert (source, chain) == (API, CHAIN)
        assert [each.user for each in held] == followed(live)
        assert {each.reason for each in held} == {
            SlotReason.LIQUIDATOR,
            SlotReason.PINNED,
            SlotReason.MEASURED,
            SlotReason.SHIPPED,
        }


async def test_a_new_choice_is_taken_over_without_a_restart() -> None:
    """Who left the choice is followed no more, who joined it is, on the same socket and within its limit."""
    choice = Choice(*map(an_address, range(20)))
    with capture_logs() as logs:
        async with living(a_venue(), user_slots=choice, majors="ETH") as live:
            socket, room = live.venue.users, TRACKED_USERS - len(LIQUIDATORS)
            assert followed(live) == [*LIQUIDATORS, *map(an_address, range(room))]
            choice.makers = [an_address(0), *map(an_address, range(30, 50))]
            live.venue.trade(a_trade())
            await live.clock.advance(2 * ASK_AGAIN.total_seconds())
            assert set(followed(live)) == {
                *LIQUIDATORS,
                an_address(0),
                *map(an_address, range(30, 29 + room)),
            }
            assert live.venue.users is socket
            assert [each.user for each in choice.told[-1][2]][-1] == an_address(28 + room)
    [before, after] = [each["users"] for each in logs if each["event"] == "following_fills_of"]
    assert before[an_address(1)] == after[an_address(30)] == "measured"
    assert an_address(1) not in after


async def test_a_choice_nobody_can_tell_leaves_everything_as_it_is() -> None:
    """The source follows whom it would follow without one, says so, and takes the choice over later."""
    choice = Choice(an_address(1))
    choice.broken = True
    with capture_logs() as logs:
        async with living(a_venue(), user_slots=choice, makers=MAKER, majors="ETH") as live:
            assert followed(live)[: len(LIQUIDATORS) + 1] == [*LIQUIDATORS, MAKER]
            assert an_address(1) not in followed(live)
            assert not choice.told
            choice.broken = False
            live.venue.trade(a_trade())
            await live.clock.advance(2 * ASK_AGAIN.total_seconds())
            assert an_address(1) in followed(live)
    assert [each["detail"] for each in logs if each["event"] == "choice_of_makers_unknown"] == [
        "the database is gone"
    ]
