from datetime import timedelta
from decimal import Decimal

import pytest

from kamiyo.api.services.health import Database, Status, judge
from kamiyo.api.services.sources import EXPLOITS, LIQUIDATIONS, SOURCES, build_freshness
from kamiyo.core.coverage import Measured
from kamiyo.core.sources import CoverageLabel, SourceState, SourceType, Subject
from kamiyo.core.time import rfc3339
from tests.builders import API, NODE, NOW, a_source_status

CATALOGUE = a_source_status(
    name="catalogue",
    type=SourceType.CATALOGUE,
    state=SourceState.LOADED,
    label=CoverageLabel.CURATED,
    heard_at=None,
)
NEVER = a_source_status(heard_at=None, last_event_at=None, state=SourceState.STARTING)
UNREACHABLE = a_source_status(
    heard_at=None, last_event_at=None, state=SourceState.UNREACHABLE, detail="no such directory"
)
LIVE = a_source_status()
SILENT = a_source_status(heard_at=NOW - timedelta(hours=1))
BEHIND = a_source_status(last_event_at=NOW - timedelta(hours=1))
INACTIVE = a_source_status(name=API, active=False)
NOT_HEARD = "no source of liquidations has been heard: "
NOT_LIVE = "no source of liquidations is live: "
CURRENT = Database(reachable=True, schema_current=True)


@pytest.mark.parametrize(
    ("sources", "stale", "label", "warning"),
    [
        ([], True, "not measured", "no source of liquidations is set up"),
        ([CATALOGUE], True, "not measured", "no source of liquidations is set up"),
        (
            [NEVER],
            True,
            "not measured",
            f"{NOT_HEARD}hyperliquid_node is unknown",
        ),
        (
            [UNREACHABLE],
            True,
            "not measured",
            f"{NOT_HEARD}hyperliquid_node is unreachable: no such directory",
        ),
        (
            [SILENT],
            True,
            "complete",
            f"{NOT_LIVE}hyperliquid_node is stale (last heard 2025-10-10T20:16:00.250Z)",
        ),
        (
            [BEHIND],
            True,
            "complete",
            f"{NOT_LIVE}hyperliquid_node is behind (its newest event is of 2025-10-10T20:16:00.250Z)",
        ),
        ([LIVE, CATALOGUE, INACTIVE], False, "complete", None),
    ],
)
def test_freshness_of_liquidations(sources, stale, label, warning):
    """A list is stale unless a stream is live, and says in words what is wrong."""
    known = build_freshness(sources, {}, LIQUIDATIONS, NOW)
    assert (known.stale, known.coverage.label) == (stale, label)
    assert list(known.warnings) == ([] if warning is None else [warning])
    assert known.coverage.measured_pct is None
    assert "catalogue" not in {each.name for each in known.coverage.sources}


def test_one_live_source_does_not_hide_another():
    """Beside a live source the others' condition is still told."""
    sources = [LIVE, a_source_status(name=API, heard_at=None)]
    known = build_freshness(sources, {NODE: 2}, LIQUIDATIONS, NOW)
    assert not known.stale
    assert list(known.warnings) == [
        "hyperliquid_api is unknown",
        "open gaps of hyperliquid_node: 2; liquidations may be missing",
    ]
    assert known.coverage.label == "not measured"


SAMPLE = a_source_status(name=API, label=CoverageLabel.SAMPLE)


@pytest.mark.parametrize(
    ("sources", "gaps", "label"),
    [
        ([SAMPLE, LIVE], {}, "complete"),
        ([SAMPLE, SILENT], {}, "sample"),
        ([SAMPLE, LIVE], {NODE: 1}, "not measured"),
        ([SAMPLE], {API: 1}, "sample"),
    ],
)
def test_the_label_is_the_strongest_among_those_who_speak(sources, gaps, label):
    """Who has fallen silent completes nothing; a gap takes away a claim to everything, and only that."""
    assert build_freshness(sources, gaps, LIQUIDATIONS, NOW).coverage.label == label


def test_a_source_nobody_set_up_is_no_concern_beside_a_live_one():
    """Whoever has no node gets no warning about it and a health that is ok."""
    unset = a_source_status(heard_at=None, last_event_at=None, state=SourceState.NOT_CONFIGURED)
    known = build_freshness([SAMPLE, unset], {}, LIQUIDATIONS, NOW)
    assert (known.warnings, known.coverage.label) == ([], "sample")
    assert judge(CURRENT, [SAMPLE, unset], NOW) == (Status.OK, [])


@pytest.mark.parametrize("subject", [Subject.CLAIMS, Subject.EXPLOITS])
def test_a_live_stream_of_something_else_stands_for_no_liquidation(subject):
    """What others claim or report being heard makes neither liquidations fresh nor the server healthy."""
    other = a_source_status(name="other", subject=subject)
    alone = build_freshness([other], {}, LIQUIDATIONS, NOW)
    assert (alone.stale, alone.coverage.sources) == (True, [])
    assert alone.warnings == ["no source of liquidations is set up"]
    assert judge(CURRENT, [other], NOW)[0] is Status.DOWN
    assert judge(CURRENT, [other, LIVE], NOW) == (Status.OK, [])


def test_exploits_are_never_fresh_without_a_stream():
    """Exploits come from a catalogue, so that no answer about them is called fresh."""
    known = build_freshness([LIVE, CATALOGUE], {}, EXPLOITS, NOW)
    assert (known.stale, known.coverage.label) == (True, "curated")


def test_what_watches_for_exploits_makes_them_fresh():
    """A live source of reports does; a silent one is named, and one nobody set up is no concern."""
    feeds = a_source_status(name="feeds", subject=Subject.EXPLOITS, label=CoverageLabel.SAMPLE)
    silent = a_source_status(name="x", subject=Subject.EXPLOITS, heard_at=NOW - timedelta(hours=1))
    unset = a_source_status(
        name="discord", subject=Subject.EXPLOITS, heard_at=None, state=SourceState.NOT_CONFIGURED
    )
    known = build_freshness([LIVE, CATALOGUE, feeds, silent, unset], {}, EXPLOITS, NOW)
    assert (known.stale, known.coverage.label) == (False, "sample")
    assert [each.name for each in known.coverage.sources] == ["catalogue", "feeds", "x", "discord"]
    assert [warning.partition(" is ")[0] for warning in known.warnings] == ["x"]

    alone = build_freshness([CATALOGUE, silent, unset], {}, EXPLOITS, NOW)
    assert alone.stale
    assert alone.warnings[0].startswith("nothing watches for new exploits now")
    assert [warning.partition(" is ")[0] for warning in alone.warnings[1:]] == ["x"]

    [never] = build_freshness([CATALOGUE, unset], {}, EXPLOITS, NOW).warnings
    assert "nothing watches for new ones" in never


def test_all_sources_together_have_no_label():
    """What several kinds of sources cover together is not measured."""
    assert build_freshness([CATALOGUE, LIVE], {}, SOURCES, NOW).coverage.label == "not measured"


@pytest.mark.parametrize(
    ("database", "sources", "status"),
    [
        (CURRENT, [LIVE], Status.OK),
        (CURRENT, [LIVE, CATALOGUE, INACTIVE], Status.OK),
        (CURRENT, [LIVE, a_source_status(name=API, heard_at=None)], Status.DEGRADED),
        (CURRENT, [BEHIND], Status.DOWN),
        (CURRENT, [SILENT], Status.DOWN),
        (CURRENT, [NEVER, CATALOGUE], Status.DOWN),
        (CURRENT, [CATALOGUE], Status.DOWN),
        (CURRENT, [INACTIVE], Status.DOWN),
        (CURRENT, [], Status.DOWN),
        (Database(reachable=True, schema_current=False), [LIVE], Status.DOWN),
        (Database(reachable=False, schema_current=None), None, Status.DOWN),
    ],
)
def test_health_is_never_better_than_what_was_heard(database, sources, status):
    """Only a stream heard just now, and a database that answers, make a server healthy."""
    found, reasons = judge(database, sources, NOW)
    assert found is status
    assert bool(reasons) == (status is not Status.OK)


def test_a_label_has_the_share_of_the_source_it_is_of() -> None:
    """A sample tells its measured share; what is complete stays so, with its own beside; gaps take both."""
    share = Measured(
        seen_usd=Decimal(61),
        reference_usd=Decimal(100),
        hours=2,
        first_hour=NOW,
        last_hour=NOW,
        measured_at=NOW,
    )
    sample = a_source_status(name=API, label=CoverageLabel.SAMPLE)
    measured: dict[str, Measured] = {API: share, NODE: share}
    told = build_freshness([sample], {API: 3}, LIQUIDATIONS, NOW, measured).coverage
    assert (told.label, told.measured_pct) == ("sample 61 % (2 hours, 2025-10-10)", "61")
    told = build_freshness([sample, LIVE], {}, LIQUIDATIONS, NOW, measured).coverage
    assert (told.label, told.measured_pct, told.measured_at) == ("complete", "61", rfc3339(NOW))
    told = build_freshness([LIVE], {NODE: 1}, LIQUIDATIONS, NOW, measured).coverage
    assert (told.label, told.measured_pct, told.measured_at) == ("not measured", None, None)
    assert build_freshness([sample], {}, LIQUIDATIONS, NOW).coverage.label == "sample"
