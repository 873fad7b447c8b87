"""What a report must satisfy before it is filed: that it can be kept, not that it is true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from kamiyo.core.reports import LONGEST_TEXT, LONGEST_TITLE, Report

# Feeds date what they will publish tomorrow, and clocks of posts disagree by hours.
MAX_REPORT_LEAD = timedelta(days=1)
# A thousand times everything there is: what lies beyond was misread.
MAX_REPORTED_USD = Decimal(10) ** 18
_LONGEST_NAME = 300
_LONGEST_ADDRESS = 2_000
_MOST_NAMES = 500


def report_has_names(report: Report) -> bool:
    """Its id begins with its source, and id and origin have a sane length."""
    named = (report.report_id, report.origin, report.repost_of or "-")
    return report.report_id.startswith(report.source) and all(
        0 < len(name) <= _LONGEST_NAME for name in named
    )


def report_is_bounded(report: Report) -> bool:
    """Title, text and address are not too long, and it names no more than anybody reads."""
    facts = report.facts
    named = (facts.chains, facts.assets, facts.amounts, facts.addresses, facts.transactions, report.citations)
    return (
        len(report.title) <= LONGEST_TITLE
        and len(report.text) <= LONGEST_TEXT
        and len(report.source_url) <= _LONGEST_ADDRESS
        and all(len(each) <= _MOST_NAMES for each in named)
    )


def report_is_storable(report: Report) -> bool:
    """Every word of it is text that a database can hold."""
    try:
        return "\0" not in "".join(_words(report)).encode().decode()
    except UnicodeEncodeError:
        return False


def report_is_not_from_the_future(report: Report, now: datetime) -> bool:
    """It was not published or edited more than a day from now."""
    return max(report.published_at, report.edited_at or report.published_at) <= now + MAX_REPORT_LEAD


def reported_amounts_are_sane(report: Report) -> bool:
    """No amount is beyond all there is."""
    facts = report.facts
    amounts = (facts.amount_usd, facts.amount_usd_low, facts.amount_usd_high, facts.returned_usd)
    return all(amount is None or abs(amount) <= MAX_REPORTED_USD for amount in amounts)


REPORT_RULES: tuple[Callable[[Report], bool], ...] = (
    report_has_names,
    report_is_bounded,
    report_is_storable,
    reported_amounts_are_sane,
)


def broken_report_rule(report: Report, now: datetime) -> str | None:
    """The name of the first rule a report breaks, if any."""
    if not report_is_not_from_the_future(report, now):
        return report_is_not_from_the_future.__name__
    return next((rule.__name__ for rule in REPORT_RULES if not rule(report)), None)


def _words(report: Report) -> Iterator[str]:
    facts = report.facts
    yield from (report.report_id, report.origin, report.source_url, report.title, report.text)
    yield from (report.repost_of or "", facts.name or "", facts.protocol or "", facts.category or "")
    yield from (*facts.chains, *facts.assets, *facts.addresses, *facts.transactions)
    yield from (f"{each.amount}{each.asset}" for each in facts.amounts)
    yield from (f"{each.title}{each.source_url}" for each in report.citations)
