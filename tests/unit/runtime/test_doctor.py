"""Each check of the doctor, by what it is shown."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kamiyo.core.time import EPOCH
from kamiyo.kit.secret import Secret
from kamiyo.runtime.doctor import (
    Check,
    Grade,
    check_disk,
    check_home,
    check_node,
    check_python,
    check_sources,
    effective_settings,
    judge_clock,
    judge_schema,
    judge_version,
    worst,
)
from kamiyo.runtime.settings import Settings
from kamiyo.storage.probe import DatabaseFacts
from tests.fakes import ManualClock, tools

NOW = datetime(2025, 10, 10, tzinfo=UTC)


def facts(**changes: object) -> DatabaseFacts:
    values: dict = {
        "version": "18.1",
        "major": 18,
        "now": NOW,
        "schema_version": 3,
        "schema_current": True,
    }
    return DatabaseFacts(**(values | changes))


def test_secrets_are_stars_and_everything_else_is_shown() -> None:
    """A password in a URL is not shown, and neither is a key of a source nobody declared harmless."""
    settings = Settings(
        database_url=Secret("postgresql://me:pass@host/db"),
        sources={"hyperliquid_node": {"path": "/node", "token": "hidden"}, "nobody": {"key": "hidden"}},
    )
    shown = effective_settings(settings)
    assert "pass" not in str(shown)
    assert "hidden" not in str(shown)
    assert shown["database_url"] == "********"
    assert shown["port"] == 8000
    assert shown["sources"] == {
        "hyperliquid_node": {"path": "/node", "token": "********"},
        "nobody": {"key": "********"},
    }


@pytest.mark.parametrize(("version", "grade"), [((3, 10), Grade.RED), ((3, 11), Grade.GREEN)])
def test_an_old_python_is_red(version: tuple[int, int], grade: Grade) -> None:
    """3.11 is the oldest."""
    assert check_python(version).grade is grade


@pytest.mark.parametrize(
    ("free", "grade"), [(1 << 29, Grade.RED), (5 << 30, Grade.AMBER), (11 << 30, Grade.GREEN)]
)
def test_little_room_is_amber_and_too_little_red(tmp_path: Path, free: int, grade: Grade) -> None:
    """The disk of a directory that does not exist yet is that of the nearest one above it."""
    assert check_disk(tmp_path / "not" / "yet", free).grade is grade


def test_a_home_that_does_not_exist_is_not_called_well(tmp_path: Path) -> None:
    """It is amber until it is there."""
    assert check_home(tmp_path).grade is Grade.GREEN
    assert check_home(tmp_path / "not" / "yet").grade is Grade.AMBER


def test_a_home_that_is_a_file_is_red(tmp_path: Path) -> None:
    """Nothing can be kept in it."""
    file = tmp_path / "home"
    file.touch()
    assert check_home(file).grade is Grade.RED


def a_node(root: Path, hours: dict[str, datetime]) -> Path:
    for name, written in hours.items():
        file = root / "node_fills_by_block" / "hourly" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        seconds = (written - EPOCH) // timedelta(seconds=1)
        os.utime(file, (seconds, seconds))
    return root


@pytest.mark.parametrize(("age", "grade"), [(30, Grade.GREEN), (90, Grade.RED), (-90, Grade.RED)])
def test_a_node_is_well_while_it_writes(tmp_path: Path, age: int, grade: Grade) -> None:
    """The newest file counts, and one from the future is no sign of life."""
    written = NOW - timedelta(seconds=age)
    root = a_node(tmp_path, {"20251009/23": NOW - timedelta(hours=2), "20251010/0": written})
    assert check_node(root, ManualClock(NOW)).grade is grade


def test_without_a_node_nothing_is_called_well(tmp_path: Path) -> None:
    """KAMIYO runs without one, but hears no liquidations."""
    check = check_node(tmp_path / "none", ManualClock(NOW))
    assert check.grade is Grade.AMBER
    assert "PATH" in check.remedy


def test_unusable_settings_of_a_source_are_red() -> None:
    """With what is wrong about them."""
    [check] = check_sources(Settings(sources={"nobody": {}}), tools())
    assert check.grade is Grade.RED
    assert "nobody" in check.finding


@pytest.mark.parametrize(("major", "grade"), [(14, Grade.RED), (15, Grade.GREEN)])
def test_an_old_postgresql_is_red(major: int, grade: Grade) -> None:
    """15 is the oldest."""
    assert judge_version(facts(major=major)).grade is grade


@pytest.mark.parametrize(
    ("step", "current", "grade"),
    [(3, True, Grade.GREEN), (None, False, Grade.AMBER), (2, False, Grade.AMBER),
     (3, False, Grade.RED), (4, False, Grade.RED)],
)  # fmt: skip
def test_an_older_schema_is_amber_and_another_red(step: int | None, current: bool, grade: Grade) -> None:
    """What the next start brings forward is no fault; what it refuses is."""
    assert judge_schema(facts(schema_version=step, schema_current=current), 3).grade is grade


@pytest.mark.parametrize(
    ("drift", "grade"), [(0, Grade.GREEN), (-3, Grade.AMBER), (3, Grade.AMBER), (31, Grade.RED)]
)
def test_clocks_that_disagree_are_told(drift: int, grade: Grade) -> None:
    """In either direction."""
    assert judge_clock(NOW + timedelta(seconds=drift), NOW).grade is grade


def test_a_clock_before_this_program_existed_is_red() -> None:
    """Even where the database is on the same machine and agrees."""
    assert judge_clock(EPOCH, EPOCH).grade is Grade.RED


def test_the_whole_is_as_bad_as_its_worst_part() -> None:
    """And no check at all is not green."""
    checks = [Check("a", Grade.GREEN, ""), Check("b", Grade.RED, ""), Check("c", Grade.AMBER, "")]
    assert worst(checks) is Grade.RED
    assert worst(checks[:1]) is Grade.GREEN
    assert worst([]) is Grade.AMBER
