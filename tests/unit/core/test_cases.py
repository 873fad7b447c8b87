"""The id a case is born with, and the matching that joins nothing."""

from kamiyo.core.cases import Candidate, NoMatching, Outcome, birth_id
from kamiyo.core.exploits import exploit_id
from kamiyo.core.ids import ExploitId
from kamiyo.core.reports import Facts
from tests.builders import HASH, OTHER_HASH, a_record, a_report


def test_a_case_is_born_with_its_first_transaction() -> None:
    """Of several the first, as the report names them."""
    assert birth_id(a_report(facts=Facts(transactions=(HASH, OTHER_HASH)))) == ExploitId(HASH)


def test_a_case_without_a_transaction_is_born_with_its_reports_id() -> None:
    """So that the same report opens the same case wherever it is read."""
    report = a_report(facts=Facts())
    assert birth_id(report) == exploit_id(report.report_id)


def test_a_curator_names_the_case() -> None:
    """Whatever transactions the record names."""
    record = a_record()
    assert record.curated is not None
    assert birth_id(record) == record.curated.tx_hash


def test_where_nothing_is_matched_each_report_is_a_case() -> None:
    """Not even the same report, known already, is found."""
    report = a_report()
    assert NoMatching().keys(report) == ()
    decision = NoMatching().decide(report, [Candidate(ExploitId("case"), (report,))])
    assert (decision.outcome, decision.tx_hash) == (Outcome.DIFFERENT, None)
