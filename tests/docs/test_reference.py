"""Whatever the code has that a reader may meet stands in the reference, and nothing else does."""

import re
from pathlib import Path

import msgspec
import pytest
from prometheus_client import Counter, Gauge, Histogram

from kamiyo.api.routes.page import page_routes
from kamiyo.api.stream.grammar import parse_request
from kamiyo.core import errors as core_errors
from kamiyo.core.retention import Dataset, policies_of
from kamiyo.kit import metrics
from kamiyo.runtime.settings import DESCRIPTIONS, Settings
from kamiyo.runtime.wiring import known_aggregators
from tools.reference import errors, http, rules, settings, tables
from tools.reference.cli import documented_commands

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = sorted((REPOSITORY / "src" / "kamiyo").rglob("*.py"))


def reference(name: str) -> str:
    return (REPOSITORY / "docs" / "reference" / name).read_text()


def test_every_setting_is_documented() -> None:
    """By its name, its variable and its meaning, those of sources included."""
    text = reference("settings.md")
    for name in Settings.__struct_fields__:
        assert f"`{name}`" in text
        assert DESCRIPTIONS[name] in text
    of_sources = {
        f"{name}.{field.name}"
        for name, spec in known_aggregators().items()
        for field in msgspec.structs.fields(spec.settings)
    }
    assert set(settings.SOURCE_SETTINGS) == of_sources
    assert all(f"`KAMIYO__SOURCES__{key.replace('.', '__').upper()}`" in text for key in of_sources)


def test_retention_is_what_the_policies_say() -> None:
    """Of every dataset: its table, its setting and its default; no other table claims to go by a policy."""
    assert set(settings.DATASETS) == set(Dataset)
    text = reference("settings.md")
    for each in policies_of({}):
        assert f"| `retention.{each.dataset}.keep` |" in text
    page = reference("tables.md").split("\n## ")
    told = {part.partition("\n")[0].strip("`"): part for part in page[1:]}
    by_policy = {name for name, (noted, _rows) in tables.NOTES.items() if noted == tables.BY_POLICY}
    assert by_policy == {
        name for name, part in told.items() if "`retention." in part.partition("rows a day")[0]
    }
    assert "`retention.market_minutes` says otherwise" in told["market_minutes"]
    assert "| retention | 3 months, then its month is dropped;" in told["market_minutes"]


def test_every_metric_is_documented() -> None:
    """As the running program exposes it."""
    text = reference("metrics.md")
    collectors = [each for each in vars(metrics).values() if isinstance(each, Counter | Gauge | Histogram)]
    families = [family for each in collectors for family in each.describe()]
    assert len(families) > 10
    for family in families:
        name = family.name + ("_total" if family.type == "counter" else "")
        assert f"`{name}`" in text
        assert family.documentation in text


def test_every_rule_is_documented() -> None:
    """Those that are functions and those named where payloads are read, found by looking for them."""
    text = reference("rules.md")
    named = {name for path in SOURCES for name in re.findall(r'\brule="(\w+)"', path.read_text())}
    validation = (REPOSITORY / "src" / "kamiyo" / "core" / "validation.py").read_text()
    named |= set(re.findall(r'return (?:None if .+ else )?"(\w+)"', validation))
    assert len(named) > 15
    for name in named | set(rules.rule_functions()):
        assert f"`{name}`" in text
    assert set(rules.MEANINGS) == set(rules.reasons_in_code())


def test_every_error_is_documented() -> None:
    """Every class of ours, every problem of the API, every word about a parameter."""
    text = reference("errors.md")
    classes = [each for each in vars(core_errors).values() if isinstance(each, type)]
    assert all(f"`{each.__name__}`" in text for each in classes)
    assert set(errors.PROBLEMS) == set(errors.problem_codes())
    assert set(errors.FIELDS) == errors.field_codes()
    assert all(f"`{name}`" in text for name in (*errors.PROBLEMS, *errors.FIELDS))


def test_every_endpoint_is_documented() -> None:
    """Every path with every parameter, each with a sentence on what it answers."""
    text = reference("http.md")
    found = list(http.endpoints())
    assert len(found) > 10
    for method, path, answers, parameters in found:
        line = next(line for line in text.splitlines() if line.startswith(f"| `{method} {path}` |"))
        assert answers
        assert all(f"`{name}`" in line for name in parameters)
    assert "`GET /`" in text
    assert "/" in {route.path for route in page_routes()}
    assert "`WS /stream`" in text


def test_every_code_of_the_stream_is_documented() -> None:
    """Error codes and close codes, neither more nor fewer."""
    assert set(http.STREAM_CODES) == http.stream_codes()
    assert set(http.CLOSE_CODES) == set(http.close_codes())
    text = reference("stream.md")
    assert all(f"| {number} |" in text for number in http.close_codes().values())


def test_the_requests_shown_for_the_stream_are_accepted() -> None:
    """Each line of the example is a request of the grammar."""
    lines = [line for line in http.STREAM_EXAMPLE.splitlines() if line.startswith("{")]
    assert len(lines) == 4
    for line in lines:
        parse_request(line)


@pytest.mark.parametrize("name", sorted(documented_commands()))
def test_every_command_is_documented(name) -> None:
    """With a sentence on it and on each of its options."""
    command = documented_commands()[name]
    text = reference("cli.md")
    assert f"## `kamiyo {name}`" in text
    assert command.help
    for parameter in command.params:
        if parameter.name != "help":
            assert parameter.help
            assert parameter.help in text


def test_every_table_is_documented() -> None:
    """With its key, how long rows are kept and how many come on a day."""
    found = {each.name: each for each in tables.migrated_tables()}
    assert set(tables.NOTES) == set(found)
    assert all(each.key and each.columns for each in found.values())
    assert "counterparty" in dict(found["liquidation_fills"].columns)  # which a later step added
    migrations = "".join(
        path.read_text() for path in (REPOSITORY / "src" / "kamiyo" / "storage" / "migrations").glob("*.sql")
    )
    made = set(re.findall(r"^CREATE TABLE (\w+) \(", migrations, re.MULTILINE))
    assert made == set(found)


def test_every_source_is_documented() -> None:
    """Each aggregator that is shipped has its section."""
    text = reference("sources.md")
    assert all(f"## `{name}`" in text for name in known_aggregators())
