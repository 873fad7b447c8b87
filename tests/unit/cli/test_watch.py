"""What the one who watches is told, and when."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest

from kamiyo.cli.client import Meta, SourceLine
from kamiyo.cli.query import read_liquidation
from kamiyo.cli.watch import Screen, Sight, judge, line_of
from kamiyo.core.codec import to_json
from kamiyo.core.errors import SourceUnavailable
from tests.builders import a_liquidated_fill, a_liquidation
from tests.fakes import ManualClock
from tests.unit.cli.test_output import a_meta

ROW = msgspec.Raw(to_json(a_liquidation(a_liquidated_fill())))


class Told:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.details: list[str] = []

    def messages(self, rows: Sequence[msgspec.Raw], *, replayed: bool) -> None:
        self.states += [f"messages replayed={replayed}"] * len(rows)

    def notice(self, state: str, detail: str) -> None:
        self.states.append(state)
        self.details.append(detail)


class Server:
    """A server whose one source is in the state a test gives it; None does not answer."""

    def __init__(self, health: str | None) -> None:
        self.health = health

    async def ask(self) -> Meta:
        if self.health is None:
            raise SourceUnavailable("no answer")
        return meta_of(self.health)


def meta_of(*healths: str) -> Meta:
    return a_meta(*(SourceLine(f"s{at}", "complete", health) for at, health in enumerate(healths)))


@pytest.mark.parametrize(
    ("healths", "state"),
    [
        (["live"], "sighted"),
        (["down", "live"], "sighted"),
        (["behind"], "behind"),
        (["behind", "down"], "behind"),
        (["stale"], "blind"),
        (["down"], "blind"),
        (["unknown"], "blind"),
        (["inactive"], "blind"),
        (["loaded"], "blind"),
        ([], "blind"),
    ],
)
def test_only_a_live_source_sees(healths: list[str], state: str) -> None:
    """Everything else is not seeing what happens now, and no source at all is blindness too."""
    assert judge(meta_of(*healths))[0] == state


async def test_a_state_is_told_once_until_it_changes() -> None:
    """Looking again at the same tells nothing new."""
    told, server = Told(), Server("live")
    sight = Sight(server.ask, told, ManualClock())
    for health in ("live", "live", "stale", "stale", None, None, "live"):
        server.health = health
        await sight.look()
    assert told.states == ["sighted", "blind", "unknown", "sighted"]


async def test_quiet_is_told_after_a_while_and_ever_less_often() -> None:
    """After one, two, four and eight minutes of hearing nothing."""
    told, clock = Told(), ManualClock()
    sight = Sight(Server("live").ask, told, clock)
    await sight.look()
    for _ in range(10):
        clock.moment += timedelta(minutes=1)
        await sight.look()
    assert told.states == ["sighted", "quiet", "quiet", "quiet", "quiet"]
    assert [detail.partition(" min")[0][-1] for detail in told.details[1:]] == ["1", "2", "4", "8"]


async def test_a_blind_server_is_never_called_quiet() -> None:
    """However long nothing came."""
    told, clock = Told(), ManualClock()
    sight = Sight(Server("down").ask, told, clock)
    for _ in range(10):
        await sight.look()
        clock.moment += timedelta(minutes=10)
    assert told.states == ["blind"]


async def test_a_liquidation_ends_the_quiet() -> None:
    """The minute begins anew with it."""
    told, clock = Told(), ManualClock()
    sight = Sight(Server("live").ask, told, clock)
    await sight.look()
    clock.moment += timedelta(seconds=50)
    sight.messages([ROW], replayed=False)
    clock.moment += timedelta(seconds=50)
    await sight.look()
    assert told.states == ["sighted", "messages replayed=False"]


async def test_quiet_counts_from_when_the_server_can_see() -> None:
    """The time it was blind was not quiet."""
    told, clock, server = Told(), ManualClock(), Server("down")
    sight = Sight(server.ask, told, clock)
    await sight.look()
    clock.moment += timedelta(minutes=10)
    server.health = "live"
    await sight.look()
    assert told.states == ["blind", "sighted"]


def test_a_machine_gets_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Liquidations with all their fields, and notices among them on the same stream."""
    screen = Screen(json=True)
    screen.notice("lost", "x")
    screen.messages([ROW], replayed=False)
    screen.messages([ROW], replayed=True)
    lines = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    data = msgspec.json.decode(ROW)
    assert lines == [
        {"channel": "watch", "state": "lost", "detail": "x"},
        {"channel": "liquidations", "replayed": False, "again": False, "data": data},
        {"channel": "liquidations", "replayed": True, "again": True, "data": data},
    ]


def test_people_get_liquidations_and_notices_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output holds nothing but liquidations."""
    screen = Screen(json=False)
    screen.notice("blind", "BLIND")
    screen.messages([ROW], replayed=False)
    output, errors = capsys.readouterr()
    assert output == line_of(read_liquidation(ROW), again=False, replayed=False) + "\n"
    assert errors == "-- BLIND\n"


def test_a_line_says_what_is_not_plainly_new() -> None:
    """What was known before or missed before is marked."""
    row = read_liquidation(ROW)
    assert line_of(row, again=True, replayed=True).endswith("  (more is known)  (missed before)")
