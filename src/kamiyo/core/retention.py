"""How long each dataset is kept: for ever, or for a number of months or days."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from kamiyo.core.errors import InvalidSettings
from kamiyo.core.time import Utc

FEWEST_DAYS_OF_MONTHS = 62  # so that no month facts still arrive for is ever among those that go

_KEEP = re.compile(r"ever|([1-9][0-9]{0,3}) (month|day)s?", re.ASCII)
_DAYS_OF_A_MONTH = 31


class Dataset(enum.StrEnum):
    """What is kept for one length of time. A liquidation and its fills never go without each other."""

    LIQUIDATIONS = "liquidations"
    ACCOUNT_LIQUIDATIONS = "account_liquidations"
    LEDGER_MOVEMENTS = "ledger_movements"
    MARKET_MINUTES = "market_minutes"
    VAULT_MINUTES = "vault_minutes"
    CLAIMS = "claims"
    ROLLING_TOTALS = "rolling_totals"
    REJECTS = "rejects"
    CLOSED_GAPS = "closed_gaps"
    BACKFILLS = "backfills"


BY_MONTH = (
    Dataset.LIQUIDATIONS,
    Dataset.ACCOUNT_LIQUIDATIONS,
    Dataset.LEDGER_MOVEMENTS,
    Dataset.MARKET_MINUTES,
    Dataset.VAULT_MINUTES,
)
# Whatever can never be had again is kept unless somebody says otherwise; so are the facts of liquidations.
DEFAULTS: Mapping[Dataset, str] = dict.fromkeys(Dataset, "ever") | {
    Dataset.MARKET_MINUTES: "3 months",
    Dataset.ROLLING_TOTALS: "12 months",
    Dataset.REJECTS: "12 months",
}


class RetentionRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[retention.DATASET]``: how long it is kept, and where it is written to before it goes."""

    keep: str | None = None
    export_to: str | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with one dataset. Neither months nor days: it is kept for ever."""

    dataset: Dataset
    months: int = 0
    days: int = 0
    export_to: str | None = None

    @property
    def keep(self) -> str:
        """The length as it is set."""
        number, unit = (self.months, "month") if self.months else (self.days, "day")
        return f"{number} {unit}{'s' if number > 1 else ''}" if number else "ever"

    def limit(self, now: datetime) -> datetime | None:
        """Before which moment the dataset is let go, the beginning of a month where it goes by months."""
        if not (self.months or self.days):
            return None
        at = _months_before(now.astimezone(UTC), self.months) - timedelta(days=self.days)
        return month_start(at) if self.dataset in BY_MONTH else at

    def due(self, month: datetime) -> datetime | None:
        """When the month that begins then is let go; None where it is kept for ever."""
        if not (self.months or self.days):
            return None
        after = month_after(month)
        return _months_before(after, -self.months) + timedelta(days=self.days)


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says of a dataset that is not kept for ever, or was not.

    Nothing before ``stored_from`` is stored any more. Everything before ``dropped_before`` was dropped once:
    whatever stands there now was read again since, and may be a part.
    """

    dataset: Dataset
    stored_from: Utc | None
    dropped_before: Utc | None
    changed_at: Utc


def policies_of(rules: Mapping[str, RetentionRule]) -> tuple[Policy, ...]:
    """What is done with each dataset; InvalidSettings names the rule that cannot be followed."""
    unknown = sorted(rules.keys() - set(Dataset))
    if unknown:
        raise InvalidSettings(f"retention: there is no dataset {unknown[0]!r}, but {', '.join(Dataset)}")
    return tuple(_policy(each, rules.get(each) or RetentionRule()) for each in Dataset)


def month_start(moment: datetime) -> datetime:
    """The first moment of the month in UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_after(month: datetime) -> datetime:
    """The first moment of the month after the one that begins then."""
    return month_start(month + timedelta(days=_DAYS_OF_A_MONTH + 1))


def _policy(dataset: Dataset, rule: RetentionRule) -> Policy:
    said = DEFAULTS[dataset] if rule.keep is None else rule.keep
    found = _KEEP.fullmatch(said)
    if found is None:
        raise InvalidSettings(f"retention.{dataset}.keep: {said!r} is neither 'ever' nor like '6 months'")
    number = int(found[1] or 0)
    months, days = (number, 0) if found[2] == "month" else (0, number)
    by_month = dataset in BY_MONTH
    if by_month and 0 < months * _DAYS_OF_A_MONTH + days < FEWEST_DAYS_OF_MONTHS:
        raise InvalidSettings(f"retention.{dataset}.keep: {said!r} is less than 2 months")
    if rule.export_to and not by_month:
        raise InvalidSettings(f"retention.{dataset}.export_to: only what is kept by months is exported")
    return Policy(dataset=dataset, months=months, days=days, export_to=rule.export_to or None)


def _months_before(moment: datetime, months: int) -> datetime:
    """The same day of an earlier month, or the last one that month has."""
    count = moment.year * 12 + moment.month - 1 - months
    first = moment.replace(year=count // 12, month=count % 12 + 1, day=1)
    return min(
        first + timedelta(days=moment.day - 1), month_after(month_start(first)) - timedelta(microseconds=1)
    )
