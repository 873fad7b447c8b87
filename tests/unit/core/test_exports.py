"""What is asked for is named, what failed is repeated a few times, and nobody claims more than was true."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kamiyo.core.exports import (
    About,
    Export,
    ExportDataset,
    ExportFormat,
    ExportState,
    is_deadly,
    joined,
    lease_name,
    wait_before_attempt,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
EXPORT = Export(
    export_id=7,
    requested_at=AT,
    dataset=ExportDataset.HONEST_CASES,
    format=ExportFormat.NDJSON,
    filters=b"{}",
    folder="f",
    state=ExportState.QUEUED,
    attempts=0,
    failures=0,
)


def about(label: str = "complete", **changes: Any) -> About:
    known = About(as_of=AT, stale=False, coverage={"label": label}, warnings=["a"], gaps=[{"first": 1}])
    return msgspec.structs.replace(known, **changes)


def test_an_export_has_a_file_and_a_right_of_its_own() -> None:
    """By its list, its format and its number."""
    assert (EXPORT.file_name, lease_name(EXPORT.export_id)) == ("honest_cases.ndjson", "export/7")


@pytest.mark.parametrize(("attempts", "failures", "deadly"), [(2, 0, False), (3, 0, True), (5, 3, False)])
def test_what_ends_its_writers_is_not_written_for_ever(attempts, failures, deadly) -> None:
    """Three who did not say why are enough; those who said are not counted."""
    assert is_deadly(msgspec.structs.replace(EXPORT, attempts=attempts, failures=failures)) is deadly


def test_what_may_pass_is_waited_for_longer_each_time() -> None:
    """And not for ever."""
    waits = [wait_before_attempt(failures) for failures in (1, 2, 3)]
    assert waits == [timedelta(seconds=2), timedelta(seconds=15), timedelta(minutes=1)]
    assert wait_before_attempt(4) is None


def test_two_descriptions_claim_no_more_than_both() -> None:
    """Stale if either is, every warning and gap of both once, and the time of the first."""
    last = about(
        as_of=AT + timedelta(hours=1), stale=True, warnings=["a", "b"], gaps=[{"first": 2}, {"first": 1}]
    )
    both = joined(about(), last)
    assert (both.as_of, both.stale, both.warnings) == (AT, True, ["a", "b"])
    assert both.gaps == [{"first": 1}, {"first": 2}]


def test_a_label_that_changed_meanwhile_is_told() -> None:
    """The first stands, and what the last said beside it."""
    both = joined(about(), about("not measured", as_of=AT + timedelta(hours=1)))
    assert both.coverage == {"label": "complete"}
    assert both.warnings[1:] == [
        "when the reading ended, 2026-01-01T01:00:00.000Z, coverage was not measured"
    ]
