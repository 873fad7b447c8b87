"""The schedule of what goes wrong."""

from datetime import timedelta

from kamiyo.lab.faults import ONCE, Fault, FaultKind, Faults, drawn_faults
from tests.builders import NOW

HOUR = timedelta(hours=1)
EVERYTHING = dict.fromkeys(FaultKind, 12)


def test_the_same_seed_draws_the_same_faults() -> None:
    """A schedule can be had again by its seed, and another seed draws another."""
    drawn = [drawn_faults(EVERYTHING, since=NOW, until=NOW + HOUR, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_faults_come_about_as_often_as_asked_for() -> None:
    """Over a hundred hours each kind comes about as often as asked for, within the bounds, in order."""
    until = NOW + 100 * HOUR
    drawn = drawn_faults(EVERYTHING, since=NOW, until=until, seed=7)
    counts = {kind: sum(fault.kind is kind for fault in drawn) for kind in FaultKind}
    assert all(1_000 < count < 1_400 for count in counts.values())
    assert all(NOW < fault.at < until for fault in drawn)
    assert drawn == sorted(drawn, key=lambda fault: fault.at)


def test_what_lasts_has_a_length_and_what_hits_once_has_none() -> None:
    """Silence, refusals, slowness and skew last a while; the others are over at once."""
    for fault in drawn_faults(EVERYTHING, since=NOW, until=NOW + 10 * HOUR, seed=3):
        assert (fault.lasts > timedelta(0)) is (fault.kind not in ONCE)
        assert fault.amount or fault.kind is not FaultKind.SLOW


def test_nothing_asked_for_is_nothing_drawn() -> None:
    """A kind that is wanted no times an hour does not come."""
    assert drawn_faults({FaultKind.BUSY: 0}, since=NOW, until=NOW + HOUR, seed=1) == []


def test_each_fault_is_handed_out_once_when_it_is_due() -> None:
    """A fault is due at its moment, not before, and never again."""
    first, second = Fault(FaultKind.DISCONNECT, NOW), Fault(FaultKind.EXPIRED, NOW + HOUR)
    faults = Faults([second, first])
    assert faults.take_due(NOW - HOUR) == []
    assert faults.take_due(NOW) == [first]
    assert faults.take_due(NOW + HOUR) == [second]
    assert faults.take_due(NOW + HOUR) == []


def test_a_fault_is_active_from_its_moment_until_before_its_end() -> None:
    """A fault that lasts is active at its beginning and no more at its end."""
    busy = Fault(FaultKind.BUSY, NOW, HOUR)
    faults = Faults([busy])
    assert faults.active(FaultKind.BUSY, NOW) == busy
    assert faults.active(FaultKind.BUSY, NOW + HOUR) is None
    assert faults.active(FaultKind.SLOW, NOW) is None
