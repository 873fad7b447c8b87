"""Which reports tell of the same case: decisions, their reasons, and the history they leave."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Protocol

import msgspec

from kamiyo.core.exploits import ExploitStatus, exploit_id
from kamiyo.core.ids import ExploitId
from kamiyo.core.reports import Report

RULES = "rules"  # the author of what no person decided


class Outcome(enum.StrEnum):
    """Whether a report tells of a case that is known."""

    SAME = "same"
    DIFFERENT = "different"  # from all that are known: a case of its own
    ASK = "ask"  # a case of its own until a person decides


class Answer(enum.StrEnum):
    """What a person says of a report that the rules could not decide."""

    SAME = "same"
    DIFFERENT = "different"


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that spoke for or against. ``weight`` is in bits: one doubles the odds of the same case."""

    feature: str
    detail: str
    weight: float


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided of a report. ``tx_hash`` is the case meant, unless there is none.

    ``probability`` is that of the same case, from 0 to 1, by the calibrated score.
    """

    outcome: Outcome
    tx_hash: ExploitId | None = None
    probability: float
    reasons: tuple[Reason, ...] = ()


class Candidate(msgspec.Struct, frozen=True):
    """A known case that shares a key with a report, with the reports it is made of."""

    tx_hash: ExploitId
    reports: tuple[Report, ...]


class Matching(Protocol):
    """Are two reports the same case? Pure: the same reports give the same answer."""

    def keys(self, report: Report) -> tuple[str, ...]:
        """What a report is found by: two of the same case share at least one, and few others share any."""
        ...

    def decide(self, report: Report, candidates: Sequence[Candidate]) -> Decision:
        """Which of the cases found by its keys a report tells of, if any."""
        ...


class NoMatching:
    """What joins nothing: each report is a case of its own."""

    def keys(self, report: Report) -> tuple[str, ...]:
        """None: nothing is found again."""
        del report
        return ()

    def decide(self, report: Report, candidates: Sequence[Candidate]) -> Decision:
        """A case of its own."""
        del report, candidates
        return Decision(outcome=Outcome.DIFFERENT, probability=0.0)


class StatusSet(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided to hold of a case."""

    status: ExploitStatus
    author: str
    reason: str


class CaseEventKind(enum.StrEnum):
    """What was done to a case."""

    OPENED = "opened"  # by a report that tells of no case known
    JOINED = "joined"  # a report was added
    CHANGED = "changed"  # a report of it was edited or deleted
    MERGED = "merged"  # another case turned out to be this one
    SPLIT = "split"  # reports were taken out into a case of their own
    STATUS_SET = "status_set"
    ASKED = "asked"  # a person is asked whether a report belongs here
    ANSWERED = "answered"
    UNDONE = "undone"  # an earlier event was taken back


def birth_id(report: Report) -> ExploitId:
    """The id of the case a report opens: the curator's, the first transaction, or a hash of its own id."""
    if report.curated is not None:
        return report.curated.tx_hash
    if report.facts.transactions:
        return ExploitId(report.facts.transactions[0])
    return exploit_id(report.report_id)
