"""How long things are kept: what a policy lets go, and when."""

from datetime import UTC, datetime

import pytest

from kamiyo.core.errors import InvalidSettings
from kamiyo.core.retention import (
    DEFAULTS,
    Dataset,
    Policy,
    RetentionRule,
    month_after,
    month_start,
    policies_of,
)


def a_policy(
    dataset: Dataset = Dataset.LIQUIDATIONS, keep: str = "3 months", to: str | None = None
) -> Policy:
    rules = {dataset.value: RetentionRule(keep=keep, export_to=to)}
    return next(each for each in policies_of(rules) if each.dataset is dataset)


def a_day(year: int, month: int, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def test_facts_are_kept_for_ever_unless_somebody_says_otherwise() -> None:
    """What is let go by itself can be had again, or says nothing once it is old."""
    kept = {each.dataset: each.keep for each in policies_of({})}
    assert kept == dict(DEFAULTS)
    assert {each for each, keep in kept.items() if keep != "ever"} == {
        Dataset.MARKET_MINUTES,
        Dataset.ROLLING_TOTALS,
        Dataset.REJECTS,
    }
    assert all(each.export_to is None for each in policies_of({}))


@pytest.mark.parametrize(
    ("keep", "now", "limit"),
    [
        ("3 months", a_day(2026, 3, 20), a_day(2025, 12)),
        ("3 months", a_day(2026, 3, 1), a_day(2025, 12)),
        ("6 months", a_day(2024, 8, 31), a_day(2024, 2)),
        ("12 months", a_day(2024, 2, 29), a_day(2023, 2)),
        ("62 days", a_day(2026, 3, 20), a_day(2026, 1)),
        ("90 days", a_day(2026, 3, 1), a_day(2025, 12)),
    ],
)
def test_months_go_as_a_whole(keep: str, now: datetime, limit: datetime) -> None:
    """Once all of a month is past its time, and not before."""
    assert a_policy(keep=keep).limit(now) == limit


def test_what_is_kept_for_ever_has_no_limit() -> None:
    """And so nothing of it is ever due."""
    policy = a_policy(keep="ever")
    assert (policy.limit(a_day(2026, 3)), policy.due(a_day(2020, 1))) == (None, None)


def test_rows_go_at_their_moment() -> None:
    """Without waiting for the month to end; of a day a month does not have, its last."""
    now = datetime(2026, 3, 31, 12, 30, tzinfo=UTC)
    assert a_policy(Dataset.REJECTS, "1 day").limit(now) == datetime(2026, 3, 30, 12, 30, tzinfo=UTC)
    limit = a_policy(Dataset.REJECTS, "1 month").limit(now)
    assert limit is not None
    assert a_day(2026, 2, 28) < limit < a_day(2026, 3)


@pytest.mark.parametrize("keep", ["2 months", "3 months", "12 months", "62 days", "90 days", "365 days"])
@pytest.mark.parametrize("month", [a_day(2023, 12), a_day(2024, 1), a_day(2024, 2), a_day(2024, 11)])
def test_a_month_is_due_when_the_limit_reaches_its_end(keep: str, month: datetime) -> None:
    """Not a moment before."""
    policy = a_policy(keep=keep)
    due = policy.due(month)
    assert due is not None
    reached, before = (
        policy.limit(due),
        policy.limit(due.replace(microsecond=0) - (due - due.replace(day=1)) / 28),
    )
    assert reached == month_after(month)
    assert before is not None
    assert before <= reached


@pytest.mark.parametrize(
    "keep", ["", "for ever", "0 days", "3", "3 weeks", "-1 months", "3 months ", "99999 days"]
)
def test_a_length_nobody_understands_is_refused(keep: str) -> None:
    """Rather than anything being dropped by mistake; it names the setting."""
    with pytest.raises(InvalidSettings, match=r"retention\.rejects\.keep"):
        policies_of({"rejects": RetentionRule(keep=keep)})


@pytest.mark.parametrize("keep", ["1 month", "61 days"])
def test_months_facts_still_arrive_for_are_never_let_go(keep: str) -> None:
    """The last month and this one are kept whatever is set; rows may go sooner."""
    with pytest.raises(InvalidSettings, match="less than 2 months"):
        policies_of({"liquidations": RetentionRule(keep=keep)})
    assert a_policy(Dataset.CLAIMS, keep).keep == keep


def test_what_cannot_be_is_refused() -> None:
    """A dataset nobody knows, and a file of what goes row by row."""
    with pytest.raises(InvalidSettings, match="no dataset 'trades'"):
        policies_of({"trades": RetentionRule(keep="ever")})
    with pytest.raises(InvalidSettings, match=r"rejects\.export_to"):
        policies_of({"rejects": RetentionRule(export_to="/a")})
    assert a_policy(to="/a").export_to == "/a"
    assert a_policy(to="").export_to is None


def test_months_begin_and_end_in_utc() -> None:
    """Over the turn of a year, too."""
    assert month_start(datetime.fromisoformat("2026-01-01T00:30:00+01:00")) == a_day(2025, 12)
    assert month_after(a_day(2025, 12)) == a_day(2026, 1)
    assert month_after(a_day(2026, 1)) == a_day(2026, 2)
