"""A casebook in memory: which case each report belongs to, and what the cases say."""

from collections.abc import Iterator, Sequence
from itertools import chain, count

from kamiyo.core.case_rules import build_exploit
from kamiyo.core.cases import Candidate, Decision, Matching, Outcome, birth_id
from kamiyo.core.exploits import exploit_id
from kamiyo.core.ids import ExploitId
from kamiyo.core.ports import Event
from kamiyo.core.reports import Report, ReportDeleted, ReportId
from kamiyo.storage.casebook import is_news, without_words
from kamiyo.storage.exploits import exploit_message


class SameTransaction:
    """Reports that share a transaction tell of the same case; one that shares an address may."""

    def keys(self, report: Report) -> tuple[str, ...]:
        return tuple(chain(report.facts.transactions, report.facts.addresses))

    def decide(self, report: Report, candidates: Sequence[Candidate]) -> Decision:
        keys = set(report.facts.transactions)
        for candidate in candidates:
            if any(keys.intersection(each.facts.transactions) for each in candidate.reports):
                return Decision(outcome=Outcome.SAME, tx_hash=candidate.tx_hash, probability=1.0)
        return Decision(outcome=Outcome.ASK, tx_hash=candidates[0].tx_hash, probability=0.5)


class MemoryCases:
    """Reports by id, each with its case, and the cases' messages with their versions."""

    def __init__(self) -> None:
        self.reports: dict[ReportId, tuple[ExploitId, Report]] = {}
        self.exploits: dict[str, tuple[bytes, int]] = {}

    def copy(self) -> "MemoryCases":
        copied = MemoryCases()
        copied.reports, copied.exploits = self.reports.copy(), self.exploits.copy()
        return copied

    def store(self, events: Sequence[Event], matching: Matching) -> tuple[int, list[bytes]]:
        """How many reports were new or changed, and what is told."""
        touched = dict.fromkeys(self._file(events, matching))
        told = [
            message
            for each in dict.fromkeys(case for case, _report in touched)
            for message in self._fold(each)
        ]
        return len(touched), told

    def _file(self, events: Sequence[Event], matching: Matching) -> Iterator[tuple[ExploitId, str]]:
        for report in [each for each in events if isinstance(each, Report)]:
            case, known = self.reports.get(report.report_id, (None, None))
            if known is not None and not is_news(known, report):
                continue
            self.reports[report.report_id] = (case or self._case_of(report, matching), report)
            yield self.reports[report.report_id][0], report.report_id
        for gone in [each for each in events if isinstance(each, ReportDeleted)]:
            case, known = self.reports.get(gone.report_id, (None, None))
            if case is not None and known is not None and known.deleted_at is None:
                self.reports[gone.report_id] = (case, without_words(known, gone))
                yield case, f"deleted {gone.report_id}"

    def _case_of(self, report: Report, matching: Matching) -> ExploitId:
        keys = set(matching.keys(report))
        found: dict[ExploitId, list[Report]] = {}
        for case, other in self.reports.values():
            if other.deleted_at is None and keys.intersection(matching.keys(other)):
                found.setdefault(case, []).append(other)
        decision = (
            matching.decide(report, [Candidate(case, tuple(own)) for case, own in found.items()])
            if found
            else None
        )
        if decision is not None and decision.outcome is Outcome.SAME and decision.tx_hash is not None:
            return decision.tx_hash
        taken = {case for case, _report in self.reports.values()}
        made = (exploit_id(f"{report.report_id} {number}") for number in count())
        return next(each for each in chain([birth_id(report)], made) if each not in taken)

    def _fold(self, case: ExploitId) -> list[bytes]:
        exploit = build_exploit(case, [report for own, report in self.reports.values() if own == case])
        known, version = self.exploits.get(case, (b"", 0))
        if known == exploit_message(exploit, version):
            return []
        told = exploit_message(exploit, version + 1)
        self.exploits[case] = (told, version + 1)
        return [told]
