"""``kamiyo lab``: the faults that can be asked for."""

import pytest

from kamiyo.cli.lab import per_hour_of
from kamiyo.core.errors import InvalidQuery
from kamiyo.lab.faults import FaultKind


def test_faults_are_asked_for_by_name_and_times_an_hour() -> None:
    """Each name has its own number; the last one of a name counts."""
    assert per_hour_of(["silence=2", "busy=0", "silence=5"]) == {FaultKind.SILENCE: 5, FaultKind.BUSY: 0}


@pytest.mark.parametrize("option", ["nope=1", "silence", "silence=", "silence=-1", "silence=often", "=3"])
def test_an_unknown_fault_or_number_names_the_known_ones(option: str) -> None:
    """What cannot be understood is refused with the names that can."""
    with pytest.raises(InvalidQuery, match="disconnect, expired, malformed"):
        per_hour_of([option])
