"""What people read in the terminal."""

from io import StringIO

import pytest
from rich.console import Console

from kamiyo.cli.client import Coverage, Meta, SourceLine
from kamiyo.cli.output import amount, amount_range, build_table, clean, freshness_lines, print_json
from kamiyo.core.modes import Mode


def a_meta(*sources: SourceLine, **changes: object) -> Meta:
    values: dict = {
        "mode": Mode.LIVE,
        "recording": None,
        "as_of": "2025-10-10T21:16:05.000Z",
        "stale": False,
        "coverage": Coverage(label="complete", sources=sources),
        "has_more": False,
        "next_cursor": None,
        "warnings": (),
    }
    return Meta(**(values | changes))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1234567.891", "1,234,567.89"),
        ("0", "0.00"),
        ("0.004", "0.004"),
        ("-11.3475", "-11.35"),
        (None, "unknown"),
        ("", "unknown"),
    ],
)
def test_an_amount_is_grouped_and_an_unknown_one_is_not_zero(number: str | None, text: str) -> None:
    """What is too small for cents is not rounded to nothing, what nobody knows is called so."""
    assert amount(number) == text


@pytest.mark.parametrize(
    ("known", "low", "high", "text"),
    [
        ("5", "3", "7", "3.00\u20137.00"),
        ("5", "5", "5", "5.00"),
        (None, "3", "3", "3.00"),
        (None, "3", None, "at least 3.00"),
        (None, None, "7", "at most 7.00"),
        (None, None, None, "unknown"),
        ("5", None, None, "5.00"),
        ("0", None, None, "0.00"),
    ],
)
def test_an_amount_shows_the_bounds_sources_disagree_on(
    known: str | None, low: str | None, high: str | None, text: str
) -> None:
    """A range where the bounds differ, one bound as what it is, and unknown where there is nothing."""
    assert amount_range(known, low, high) == text


def test_a_text_cannot_steer_the_terminal() -> None:
    """Escape sequences and line breaks of a source become visible characters."""
    assert clean("\x1b[2JBTC\n\u202e") == "�[2JBTC��"
    assert clean("kPEPE ä€") == "kPEPE ä€"


def test_freshness_names_age_coverage_sources_and_warnings() -> None:
    """Staleness is loud, an unmeasured coverage is called so, and a silent source was never heard."""
    meta = a_meta(SourceLine("hyperliquid_node", "complete", "down"), stale=True, warnings=("no source",))
    assert freshness_lines(meta) == [
        "as of 2025-10-10T21:16:05.000Z, STALE; coverage: complete, not measured",
        "source hyperliquid_node: down, last heard never",
        "warning: no source",
    ]


def test_a_fresh_and_measured_answer_says_so() -> None:
    """A measured coverage is shown as the server gives it."""
    labelled = Coverage(label="sample 97 % (7 days, 2025-10-10)", sources=(), measured_pct="97.5")
    assert freshness_lines(a_meta(coverage=labelled))[0].endswith(
        "; coverage: sample 97 % (7 days, 2025-10-10)"
    )
    unknown = Coverage(label="not measured", sources=())
    assert freshness_lines(a_meta(coverage=unknown))[0].endswith("; coverage: not measured")
    meta = a_meta(coverage=Coverage(label="sample", sources=(), measured_pct="97.5"))
    assert freshness_lines(meta) == [
        "as of 2025-10-10T21:16:05.000Z, fresh; coverage: sample, 97.5 % measured"
    ]


def test_a_table_takes_its_cells_literally() -> None:
    """Square brackets are no markup, and numbers stand to the right."""
    console = Console(file=StringIO(), width=80)
    console.print(build_table(("asset", "USD#"), [["[red]X[/red]", "1.00"], ["Y", "1,000.00"]]))
    assert isinstance(console.file, StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert lines == ["asset              USD", "[red]X[/red]      1.00", "Y             1,000.00"]


def test_json_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A reader of lines gets one value with each."""
    print_json({"text": "a\nb", "none": None})
    assert capsys.readouterr().out == '{"text":"a\\nb","none":null}\n'
