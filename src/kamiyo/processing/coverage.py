"""Decide who is compared with whom in an hour, and what the comparison says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kamiyo.core.coverage import (
    EXPLANATIONS,
    Comparison,
    HourCoverage,
    HourFacts,
    NoFigure,
    Pair,
    SourceHour,
    missing_of,
    sees_everything,
    was_running,
)
from kamiyo.core.ids import SourceName
from kamiyo.core.sources import CoverageLabel
from kamiyo.core.time import rfc3339


def pairs_of(facts: HourFacts) -> list[Pair]:
    """Every source that was running, with the reference it is compared with, where there is one."""
    references = _references(facts)
    pairs = [(each, _reference_of(each, references)) for each in facts.sources if was_running(each)]
    return [Pair(each.source, reference.source) for each, reference in pairs if reference is not None]


def measure(facts: HourFacts, compared: Mapping[Pair, Comparison]) -> list[HourCoverage]:
    """What is known of each source in the hour, given what comparing the pairs has shown."""
    references = _references(facts)
    return [_measure(facts, each, _reference_of(each, references), compared) for each in facts.sources]


def reference_of_day(hours: Sequence[HourFacts]) -> tuple[SourceName | None, str]:
    """Who read every block of all these hours, or why nobody did."""
    candidates = {each.source: each for facts in hours for each in facts.sources if sees_everything(each)}
    for name in [each.source for each in sorted(candidates.values(), key=_preference)]:
        if not any(_missing(facts, name) for facts in hours):
            return name, ""
    lacks = [
        f"{rfc3339(facts.hour)}: {missing}"
        for name in sorted(candidates)
        for facts in hours
        if (missing := _missing(facts, name))
    ]
    return None, lacks[0] if lacks else EXPLANATIONS[NoFigure.NO_REFERENCE]


def _missing(facts: HourFacts, name: SourceName) -> str:
    own = [each for each in facts.sources if each.source == name]
    return missing_of(own[0], facts.hour) if own else f"{name} read no block of it"


def _measure(
    facts: HourFacts, each: SourceHour, reference: SourceHour | None, compared: Mapping[Pair, Comparison]
) -> HourCoverage:
    if not was_running(each):
        return HourCoverage(source=each.source, heard_minutes=each.heard_minutes, reason=NoFigure.NOT_HEARD)
    if reference is None:
        reason, detail = _without_reference(facts, each)
        return HourCoverage(
            source=each.source, heard_minutes=each.heard_minutes, reason=reason, detail=detail
        )
    comparison = compared[Pair(each.source, reference.source)]
    return HourCoverage(
        source=each.source,
        heard_minutes=each.heard_minutes,
        reference=reference.source,
        reason=None if comparison.reference_usd else NoFigure.NOTHING_TO_COMPARE,
        compared=comparison,
    )


def _without_reference(facts: HourFacts, each: SourceHour) -> tuple[NoFigure, str]:
    if each in _references(facts):
        return NoFigure.IS_REFERENCE, ""
    incomplete = [other for other in facts.sources if sees_everything(other) and other.blocks is not None]
    if not incomplete:
        return NoFigure.NO_REFERENCE, ""
    return NoFigure.MISSING_BLOCKS, "; ".join(missing_of(other, facts.hour) for other in incomplete)


def _references(facts: HourFacts) -> list[SourceHour]:
    """Who read every block of the hour, the best first."""
    whole = [each for each in facts.sources if sees_everything(each) and not missing_of(each, facts.hour)]
    return sorted(whole, key=_preference)


def _preference(each: SourceHour) -> tuple[bool, SourceName]:
    """What is complete at once comes before what is so later."""
    return each.label is not CoverageLabel.COMPLETE, each.source


def _reference_of(each: SourceHour, references: Sequence[SourceHour]) -> SourceHour | None:
    return next((reference for reference in references if reference.source != each.source), None)
