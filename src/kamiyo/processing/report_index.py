"""Reports found by their keys, in memory: what a database does, for measuring and for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kamiyo.core.cases import Candidate, Decision, Matching, Outcome, birth_id
from kamiyo.core.ids import ExploitId
from kamiyo.core.reports import Report

MOST_PER_KEY: Final = 16  # of cases; a key that so many share counts only where no rarer one is shared
MOST_CANDIDATES: Final = 6
ENOUGH_SHARED: Final = 10  # a case counts if it shares a tenth of what the one shares that shares most
_ONE: Final = 720_720  # what a key is worth: whole for any number of cases that have it
MOST_REPORTS: Final = 3  # of a case: the oldest two tell what it is, the newest what is said of it now


class ReportIndex:
    """Cases by the keys of their reports. Each key keeps its newest cases, so that none grows without end."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._found: dict[int, int | list[int]] = {}  # most keys are one case's: no list for those
        self._cases: list[list[Report]] = []
        self._ids: list[ExploitId] = []
        self._numbers: dict[ExploitId, int] = {}

    def __len__(self) -> int:
        return len(self._cases)

    def place(self, report: Report) -> Decision:
        """Decide of a report and put it where it belongs: with a case, or as a case of its own."""
        keys = self._keys(report)
        decision = self._matching.decide(report, self._candidates(keys))
        joined = decision.tx_hash if decision.outcome is Outcome.SAME else None
        self._put(report, keys, joined or birth_id(report))
        return decision

    def add(self, report: Report, tx_hash: ExploitId) -> None:
        """Put a report with a case, undecided."""
        self._put(report, self._keys(report), tx_hash)

    def candidates(self, report: Report) -> list[Candidate]:
        """The cases that share keys with a report, those first that share what few others have."""
        return self._candidates(self._keys(report))

    def cases(self) -> dict[ExploitId, tuple[Report, ...]]:
        """Every case with its reports in the order they came."""
        return {self._ids[number]: tuple(reports) for number, reports in enumerate(self._cases)}

    def _keys(self, report: Report) -> list[int]:
        return [hash(key) for key in self._matching.keys(report)]

    def _candidates(self, keys: Iterable[int]) -> list[Candidate]:
        known = [numbers for key in keys if (numbers := self._found.get(key)) is not None]
        found = [numbers if isinstance(numbers, list) else [numbers] for numbers in known]
        rarity = _rarity([numbers for numbers in found if len(numbers) < MOST_PER_KEY]) or _rarity(found)
        least = max(rarity.values(), default=0) // ENOUGH_SHARED
        rare = [number for number, shared in rarity.items() if shared >= least]
        rare.sort(key=lambda number: (-rarity[number], number))
        return [self._candidate(number) for number in rare[:MOST_CANDIDATES]]

    def _candidate(self, number: int) -> Candidate:
        reports = self._cases[number]
        if len(reports) > MOST_REPORTS:
            reports = [*reports[: MOST_REPORTS - 1], reports[-1]]
        return Candidate(self._ids[number], tuple(reports))

    def _put(self, report: Report, keys: Iterable[int], tx_hash: ExploitId) -> None:
        number = self._numbers.setdefault(tx_hash, len(self._cases))
        if number == len(self._cases):
            self._cases.append([])
            self._ids.append(tx_hash)
        self._cases[number].append(report)
        for key in keys:
            known = self._found.setdefault(key, number)
            if known != number:
                numbers = known if isinstance(known, list) else [known]
                if number not in numbers:
                    self._found[key] = [*numbers[-MOST_PER_KEY + 1 :], number]


def _rarity(found: Iterable[list[int]]) -> dict[int, int]:
    """What each case shares, the more the fewer share it."""
    rarity: dict[int, int] = {}
    for numbers in found:
        worth = _ONE // len(numbers)
        for number in numbers:
            rarity[number] = rarity.get(number, 0) + worth
    return rarity
