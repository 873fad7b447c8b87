"""What reports of one case make together: its exploit, each field with the report and rule it comes from."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

from kamiyo.core.case_amounts import Amounts, fold_amounts, lost_usd
from kamiyo.core.case_voices import (
    Rule,
    Statement,
    affirms,
    believed,
    by_standing,
    decide,
    denies,
    find_voices,
    is_disproved,
    is_heard,
    newest_of_each,
    weigh,
)
from kamiyo.core.cases import StatusSet, birth_id
from kamiyo.core.exploits import CaseKind, Confidence, Exploit, ExploitStatus, Provenance, ReportLine
from kamiyo.core.ids import ExploitId
from kamiyo.core.money import plain
from kamiyo.core.reports import Curated, Precision, Report, ReportId, ReportKind

UNKNOWN: Final = "unknown"
LONGEST_DESCRIPTION: Final = 1_000

_CONFIDENCES: Final = (Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH)
_SPANS: Final = {
    Precision.SECOND: timedelta(seconds=1),
    Precision.MINUTE: timedelta(minutes=1),
    Precision.HOUR: timedelta(hours=1),
    Precision.DAY: timedelta(days=1),
    Precision.MONTH: timedelta(days=31),
    Precision.YEAR: timedelta(days=366),
}

V = TypeVar("V")


class _Told(NamedTuple):
    """A field's value and where it comes from."""

    value: Any
    report: Report | None
    rule: Rule


class _Case(NamedTuple):
    """The reports of a case as they are looked at: all, those that affirm, those believed; the best first."""

    tx_hash: ExploitId
    reports: list[Report]
    affirming: list[Report]
    believed: list[Report]
    voices: dict[ReportId, str]
    curated: Report | None

    def decide(
        self,
        name: str,
        read: Callable[[Report], V | None],
        *,
        of: Iterable[Report] | None = None,
        same: Callable[[V, V], bool] = operator.eq,
    ) -> tuple[Statement[V], Rule] | None:
        """The statement on a field that holds, if there is any."""
        spoken = self.statements(name, read, of=of)
        return decide(spoken, same) if spoken else None

    def statements(
        self, name: str, read: Callable[[Report], V | None], *, of: Iterable[Report] | None = None
    ) -> list[Statement[V]]:
        """What the affirming reports, or those given, say of a field."""
        return [
            Statement(each, self.voices[each.report_id], value, _sureness(each, name))
            for each in (self.affirming if of is None else of)
            if (value := read(each)) is not None
        ]

    def tell(self, name: str, read: Callable[[Report], V | None], otherwise: object = UNKNOWN) -> _Told:
        """A field as the statement that holds has it."""
        found = self.decide(name, read)
        if found is None:
            return _Told(otherwise, None, Rule.NOBODY)
        return _Told(found[0].value, found[0].report, found[1])

    def unite(self, read: Callable[[Report], Sequence[str]]) -> _Told:
        """Everything the believed reports name, the weightiest report's first."""
        ordered = dict.fromkeys(each for report in self.believed for each in read(report))
        first = next((each for each in self.believed if read(each)), None)
        return _Told(tuple(ordered), first, Rule.UNION if ordered else Rule.NOBODY)


def build_exploit(
    tx_hash: ExploitId,
    reports: Sequence[Report],
    *,
    status_set: StatusSet | None = None,
    former_ids: Sequence[ExploitId] = (),
) -> Exploit:
    """The exploit that these reports, at least one, make together, whatever the order they come in.

    ``status_set`` is what a person last set; ``former_ids`` are those of cases that became part of this one.
    """
    case = _look(tx_hash, reports)
    fields = _words(case) | _moments(case) | _losses(case) | _judgements(case, status_set)
    fields |= {
        "aliases": _aliases(case, former_ids),
        "conflicts": _conflicts(case, fields["amount_usd"]),
        "tx_hash": _Told(tx_hash, _birth(case), Rule.BIRTH),
    }
    provenance = {
        name: Provenance(report_id=None if told.report is None else told.report.report_id, rule=told.rule)
        for name, told in sorted(fields.items())
    }
    values: dict[str, Any] = {name: told.value for name, told in fields.items()}
    lines = tuple(line for each in case.reports for line in report_lines(each))
    return Exploit(**values, reports=lines, provenance=provenance)


def report_lines(report: Report) -> tuple[ReportLine, ...]:
    """A report as a case lists it: itself, or the sources it rests on where it names them."""
    if not report.citations:
        return (_line(report, report.report_id, report.source_url, report.title, report.grade),)
    return tuple(
        _line(report, _citation_id(report, cited.source_url or cited.title), cited.source_url, cited.title,
              cited.grade)
        for cited in report.citations
    )  # fmt: skip


def _line(report: Report, identity: str, source_url: str, title: str, grade: str) -> ReportLine:
    return ReportLine(
        report_id=identity, source=report.source, source_url=source_url, title=title, grade=str(grade)
    )


def _citation_id(report: Report, where: str) -> str:
    return f"{report.report_id}:{hashlib.blake2b(where.encode(), digest_size=8).hexdigest()}"


def _look(tx_hash: ExploitId, reports: Sequence[Report]) -> _Case:
    ordered = by_standing(reports)
    affirming = [each for each in ordered if affirms(each)]
    curated = next((each for each in affirming if each.curated is not None), None)
    return _Case(tx_hash, ordered, affirming, believed(ordered), find_voices(ordered), curated)


def _sureness(report: Report, name: str) -> int:
    return round(10 * report.facts.confidence.get(name, 1.0))


def _words(case: _Case) -> dict[str, _Told]:
    """What is said of the case in words and names."""
    leading = next(iter([*case.affirming, *filter(is_heard, case.reports), *case.reports]))
    name = case.tell("name", lambda each: each.facts.name or None)
    if name.report is None:
        name = _Told(leading.title or UNKNOWN, leading, Rule.LEADING)
    return {
        "name": name,
        "kind": _decided(case, lambda curated: curated.kind, CaseKind.INCIDENT),
        "protocol": case.tell("protocol", lambda each: each.facts.protocol),
        "chain": case.tell("chains", lambda each: next(iter(each.facts.chains), None)),
        "category": case.tell("category", lambda each: each.facts.category),
        "description": case.tell("description", _description, ""),
        "timeline": _decided(case, lambda curated: curated.timeline, ()),
        "assets": case.unite(lambda each: each.facts.assets),
        "addresses": case.unite(lambda each: each.facts.addresses),
        "source": _Told(leading.source, leading, Rule.LEADING),
        "source_url": _Told(leading.source_url, leading, Rule.LEADING),
    }


def _decided(case: _Case, read: Callable[[Curated], object], otherwise: object) -> _Told:
    """What only a curated report says."""
    if case.curated is None or case.curated.curated is None:
        return _Told(otherwise, None, Rule.NOBODY)
    return _Told(read(case.curated.curated), case.curated, Rule.CURATED)


def _description(report: Report) -> str | None:
    if report.curated is not None:
        return report.curated.description
    words = " ".join(report.text.split())
    if len(words) > LONGEST_DESCRIPTION:
        words = words[:LONGEST_DESCRIPTION].rpartition(" ")[0] + " …"
    return words or None


def _moments(case: _Case) -> dict[str, _Told]:
    """When it happened, as precisely as anybody says it within the word that holds."""
    found = case.decide("occurred_at", _occurrence)
    if found is None:
        oldest = min(case.reports, key=lambda each: (each.published_at, each.report_id))
        moment, precision, report, rule = oldest.published_at, Precision.DAY, oldest, Rule.PUBLISHED
    else:
        (report, _voice, (moment, precision), _sure), rule = found
        finer = [each for each in case.statements("occurred_at", _occurrence) if _lies_within(
            each.value, moment, precision)]  # fmt: skip
        if finer:
            finest, _rule = decide(_most_precise(finer), operator.eq)
            report, (moment, precision), rule = finest.report, finest.value, Rule.FINEST
    ended = case.tell("ended_at", lambda each: _end(each, moment), None)
    return {
        "timestamp": _Told(moment, report, rule),
        "timestamp_precision": _Told(str(precision), report, rule),
        "ended_at": ended,
    }


def _occurrence(report: Report) -> tuple[datetime, Precision] | None:
    happened = report.facts.occurred_at
    return None if happened is None else (happened, report.facts.precision or Precision.DAY)


def _lies_within(finer: tuple[datetime, Precision], moment: datetime, precision: Precision) -> bool:
    return _SPANS[finer[1]] < _SPANS[precision] and moment <= finer[0] < moment + _SPANS[precision]


def _most_precise(
    statements: Sequence[Statement[tuple[datetime, Precision]]],
) -> list[Statement[tuple[datetime, Precision]]]:
    finest = min(_SPANS[each.value[1]] for each in statements)
    return [each for each in statements if _SPANS[each.value[1]] == finest]


def _end(report: Report, start: datetime) -> datetime | None:
    ended = report.facts.ended_at
    return None if ended is None or ended < start else ended


def _losses(case: _Case) -> dict[str, _Told]:
    """What was lost, what came back, and between which bounds what is said of it lies."""
    counted = [each for each in case.affirming if each.kind is not ReportKind.RECOVERY]
    found = case.decide("amount_usd", lost_usd, of=counted, same=Amounts.agrees_with)
    bounding = [each for each in counted if each in case.believed]
    bounds = newest_of_each(case.statements("amount_usd", lost_usd, of=bounding or counted))
    amounts = fold_amounts(found, bounds)
    told = {name: _Told(*getattr(amounts, name)) for name in amounts._fields}
    told["amount_note"] = _note(case, counted)
    told["recovery_status"] = _recovery(case)
    return told


def _note(case: _Case, counted: Sequence[Report]) -> _Told:
    found = case.decide("amounts", _amounts_in_words, of=counted)
    if found is None:
        return _Told("", None, Rule.NOBODY)
    rule = Rule.CURATED if found[0].report.curated else found[1]
    return _Told(found[0].value, found[0].report, rule)


def _amounts_in_words(report: Report) -> str | None:
    if report.curated is not None:
        return report.curated.amount_note
    return ", ".join(f"{each.amount} {each.asset}" for each in report.facts.amounts) or None


def _recovery(case: _Case) -> _Told:
    told = case.tell("returned_usd", _recovery_in_words)
    return told._replace(rule=Rule.CURATED) if told.report is not None and told.report.curated else told


def _recovery_in_words(report: Report) -> str | None:
    if report.curated is not None:
        return report.curated.recovery_status
    if report.facts.returned_usd is not None:
        return f"{_usd(report.facts.returned_usd)} returned"
    return "returned in part or whole, amount unknown" if report.kind is ReportKind.RECOVERY else None


def _judgements(case: _Case, status_set: StatusSet | None) -> dict[str, _Told]:
    """How sure the record is, and what is held of the claim."""
    others = [each for each in case.reports if each.curated is None]
    weighed = weigh(others)
    stated = _decided(case, lambda curated: curated.confidence, None)
    if stated.value is None or _CONFIDENCES.index(stated.value) < _CONFIDENCES.index(weighed):
        stated = _Told(weighed, None, Rule.VOICES)
    return {"confidence": stated, "status": _status(case, weighed, others, status_set)}


def _status(
    case: _Case, weighed: Confidence, others: Sequence[Report], status_set: StatusSet | None
) -> _Told:
    if status_set is not None:
        return _Told(status_set.status, None, Rule.PERSON)
    stated = _decided(case, lambda curated: curated.status, None)
    if stated.value not in {None, ExploitStatus.SUSPECTED}:
        return stated
    if weighed is Confidence.HIGH:
        return _Told(ExploitStatus.CONFIRMED, None, Rule.VOICES)
    if stated.value is None and is_disproved(others):
        return _Told(ExploitStatus.REFUTED, None, Rule.VOICES)
    return stated if stated.value is not None else _Told(ExploitStatus.SUSPECTED, None, Rule.VOICES)


def _aliases(case: _Case, former_ids: Sequence[ExploitId]) -> _Told:
    """Every other name of the case: its curator's, its further transactions, the ids it took over."""
    curators = [
        alias
        for each in case.affirming
        if each.curated is not None
        for alias in (*each.curated.aliases, each.curated.tx_hash)
    ]
    hashes = [each for report in case.believed for each in report.facts.transactions]
    named = dict.fromkeys([*curators, *hashes, *sorted(former_ids)])
    named.pop(case.tx_hash, None)
    return _Told(tuple(named), None, Rule.UNION if named else Rule.NOBODY)


def _birth(case: _Case) -> Report | None:
    return next((each for each in case.reports if birth_id(each) == case.tx_hash), None)


def _conflicts(case: _Case, amount: _Told) -> _Told:
    """What does not agree, in words: the curator's, other amounts, and who denies it."""
    stated = _decided(case, lambda curated: curated.conflicts, ())
    found = [f"{each.origin} denies it: {each.title}" for each in case.reports if denies(each)]
    if amount.value is not None:
        found += _other_amounts(case, Amounts.of(amount.value))
    return stated._replace(
        value=(*stated.value, *sorted(dict.fromkeys(found))),
        rule=Rule.UNION if found else stated.rule,
    )


def _other_amounts(case: _Case, decided: Amounts) -> list[str]:
    curated_bounds = None if case.curated is None else lost_usd(case.curated)
    counted = [
        each for each in case.affirming if each.kind is not ReportKind.RECOVERY and each.curated is None
    ]
    return [
        f"{each.voice} says {_usd(each.value.best)}"
        for each in newest_of_each(case.statements("amount_usd", lost_usd, of=counted))
        if each.value.best is not None
        and not each.value.agrees_with(decided)
        and (curated_bounds is None or not curated_bounds.holds(each.value.best))
    ]


def _usd(amount: Decimal) -> str:
    return f"{plain(amount)} USD"
