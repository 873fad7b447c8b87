from collections.abc import Callable, Iterable
from textwrap import dedent

import pytest

from tools import lint_project as lint

CORE = "src/kamiyo/core/money.py"


def found(rule: Callable[[lint.Module], Iterable[lint.Finding]], path: str, text: str) -> list[str]:
    return [f"{finding.rule}:{finding.line}" for finding in rule(lint.parse(path, dedent(text)))]


def lines(count: int, indent: str = "") -> str:
    return "".join(f"{indent}x{number} = {number}\n" for number in range(count))


def test_a_module_of_300_code_lines_passes_and_301_do_not() -> None:
    """Blank lines, comments and docstrings cost nothing; the 301st line of code does."""
    padding = '"""Doc.\n\nMore.\n"""\n\n# why\n\n'
    assert found(lint.too_long, CORE, padding + lines(300)) == []
    assert found(lint.too_long, CORE, padding + lines(301)) == ["module-size:1"]


def test_long_test_modules_pass() -> None:
    """A file of tests is a list, which may be long."""
    assert found(lint.too_long, "tests/unit/core/test_money.py", lines(301)) == []


def test_a_function_of_40_code_lines_passes_and_41_do_not() -> None:
    """The signature does not count, the body does, in async functions too."""
    head = "async def f(\n    a,\n    b,\n):\n    '''Doc.'''\n"
    assert found(lint.too_long, CORE, head + lines(40, "    ")) == []
    assert found(lint.too_long, CORE, head + lines(41, "    ")) == ["function-size:1"]


@pytest.mark.parametrize(
    "annotation", ["x: float = 1", "def f(x: float): ...", "def f() -> list[float]: ..."]
)
def test_a_float_annotation_is_refused_where_money_may_be(annotation: str) -> None:
    """Variables, parameters and results are all looked at; places with a reason are not."""
    assert found(lint.float_annotation, CORE, annotation) == ["float:1"]
    assert found(lint.float_annotation, "src/kamiyo/detectors/_statistics.py", annotation) == []
    assert found(lint.float_annotation, "src/kamiyo/kit/retry.py", annotation) == []
    assert found(lint.float_annotation, "benchmarks/decoding.py", annotation) == []


def test_decimals_pass() -> None:
    """What is asked for instead is not refused."""
    assert found(lint.float_annotation, CORE, "x: Decimal = Decimal(1)\ny = float") == []


@pytest.mark.parametrize("call", ["row.get('sz', 0)", "row.get('sz', default=None)", "row['a'].get('b', {})"])
def test_a_default_for_what_the_venue_left_out_is_refused(call: str) -> None:
    """Where payloads are decoded, absence stays absence; elsewhere a default may be right."""
    assert found(lint.default_for_absence, "src/kamiyo/hyperliquid/fills.py", call) == ["get-default:1"]
    assert found(lint.default_for_absence, "src/kamiyo/aggregators/x.py", call) == ["get-default:1"]
    assert found(lint.default_for_absence, "src/kamiyo/api/pages.py", call) == []


def test_a_lookup_without_default_and_a_request_pass() -> None:
    """An awaited get is a request: its second argument is no default."""
    text = """
    async def f(row, transport):
        row.get("sz")
        await transport.get("https://host", {"a": "b"})
    """
    assert found(lint.default_for_absence, "src/kamiyo/aggregators/x.py", text) == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM exploits",
        "INSERT INTO exploits VALUES (1)",
        "UPDATE exploits SET a = 1",
        "DELETE FROM exploits",
        "CREATE TABLE a (b int)",
        "COPY exploits (a, b) FROM STDIN",
        "WITH a AS (\\nSELECT b\\nFROM c) TABLE a",
    ],
)
def test_sql_is_refused_outside_storage(statement: str) -> None:
    """Each kind of statement is known by its shape; storage may hold them."""
    assert found(lint.sql_outside_storage, CORE, f'Q = "{statement}"') == ["sql:1"]
    assert found(lint.sql_outside_storage, "src/kamiyo/storage/exploits.py", f'Q = "{statement}"') == []


def test_words_that_only_resemble_sql_pass() -> None:
    """Prose, docstrings and log events are no statements."""
    text = '''
    def f():
        """SELECT a FROM b is what storage says."""
        return "select a channel from the list", "update the cursor", "batch_stored"
    '''
    assert found(lint.sql_outside_storage, CORE, text) == []


def test_a_public_plugin_has_exactly_one_constant() -> None:
    """None and two stop discovery, so both are refused; annotated and plain ones count."""
    path = "src/kamiyo/aggregators/coinglass.py"
    assert found(lint.plugin_constant, path, "AGGREGATOR: Final = 1") == []
    assert found(lint.plugin_constant, path, "AGGREGATOR = 1") == []
    assert found(lint.plugin_constant, path, "OTHER = 1\nAGGREGATOR: int") == ["plugin-constant:1"]
    assert found(lint.plugin_constant, path, "AGGREGATOR = 1\nAGGREGATOR = 2") == ["plugin-constant:1"]
    assert found(lint.plugin_constant, "src/kamiyo/detectors/cascade.py", "AGGREGATOR = 1") != []


@pytest.mark.parametrize(
    "path", ["aggregators/base.py", "aggregators/social.py", "aggregators/_node_files.py", "api/app.py"]
)
def test_modules_that_are_no_plugins_need_no_constant(path: str) -> None:
    """What plug-ins share, what is private and what lies elsewhere is left alone."""
    assert found(lint.plugin_constant, f"src/kamiyo/{path}", "") == []


@pytest.mark.parametrize(
    "text",
    ["from prometheus_client import Counter", "import prometheus_client\nprometheus_client.Gauge('a', 'b')"],
)
def test_metrics_are_made_in_one_file(text: str) -> None:
    """Both ways to reach a metric type are seen; kit/metrics.py may."""
    assert len(found(lint.metric_elsewhere, "src/kamiyo/api/app.py", text)) == 1
    assert found(lint.metric_elsewhere, "src/kamiyo/kit/metrics.py", text) == []


def test_other_counters_pass() -> None:
    """A Counter of the standard library and the exposition of metrics are no metrics."""
    text = "from collections import Counter\nfrom prometheus_client import generate_latest"
    assert found(lint.metric_elsewhere, "src/kamiyo/api/app.py", text) == []


@pytest.mark.parametrize(
    "text", ["x = 1", '"""no period"""', '"""One thing. Another thing."""', '"""Two. Of\nThem."""']
)
def test_a_public_module_without_one_sentence_is_refused(text: str) -> None:
    """Absent, unfinished and doubled sentences are refused; private modules may be silent."""
    assert found(lint.module_sentence, CORE, text) == ["module-docstring:1"]
    assert found(lint.module_sentence, "src/kamiyo/detectors/_windows.py", text) == []


@pytest.mark.parametrize(
    "text", ['"""Money."""', '"""What 0.5 of it is,\nin two lines."""', '"""One.\n\nMore. And more."""']
)
def test_one_sentence_passes_with_anything_after_a_blank_line(text: str) -> None:
    """A number is not the end of a sentence, and only the first paragraph is counted."""
    assert found(lint.module_sentence, CORE, text) == []


def test_a_test_says_what_is_true_when_it_passes() -> None:
    """A silent test is refused; helpers beside it are not."""
    text = 'def test_a(): ...\n\ndef test_b():\n    """It holds."""\n\ndef helper(): ...\n'
    assert found(lint.test_sentence, "tests/unit/test_a.py", text) == ["test-docstring:1"]
    assert found(lint.test_sentence, "tests/support/rows.py", text) == []


def test_a_promise_needs_an_issue_number() -> None:
    """The word in a comment is refused without a number; in a string it is only a word."""
    assert found(lint.todo_without_issue, CORE, "x = 1  # TODO later") == ["todo:1"]
    assert found(lint.todo_without_issue, CORE, "# FIXME: later") == ["todo:1"]
    assert found(lint.todo_without_issue, CORE, "# TODO #12: later\nx = '# TODO later'") == []


HANDLERS = "try: ...\nexcept Exception: ...\n"


def test_four_broad_handlers_are_affordable_and_five_are_not() -> None:
    """The budget is for all of src; beyond it every place is named, bare ones and tuples included."""
    four = [lint.parse(f"src/kamiyo/kit/m{number}.py", HANDLERS) for number in range(4)]
    assert lint.broad_handlers(four) == []
    for fifth in ("except: ...", "except BaseException: ...", "except (ValueError, Exception): ..."):
        module = lint.parse("src/kamiyo/kit/m4.py", f"try: ...\n{fifth}\n")
        assert [finding.path for finding in lint.broad_handlers([*four, module])] == [
            f"src/kamiyo/kit/m{number}.py" for number in range(5)
        ]


def test_named_errors_and_tests_do_not_use_up_the_budget() -> None:
    """Handlers that say what they handle are free, and so are those of tests."""
    named = lint.parse(CORE, "try: ...\nexcept (ValueError, KeyError): ...\n" * 5)
    tests = lint.parse("tests/unit/test_a.py", HANDLERS * 5)
    assert lint.broad_handlers([named, tests]) == []


def test_the_median_function_is_held_to_six_lines() -> None:
    """Six pass, seven do not, and a few long ones do not matter."""
    bodies = {size: f"def f{size}():\n" + lines(size, "    ") for size in (6, 7, 30)}
    assert lint.long_median([lint.parse(CORE, bodies[6])]) == []
    assert lint.long_median([lint.parse(CORE, bodies[6] * 2 + bodies[30])]) == []
    assert [finding.rule for finding in lint.long_median([lint.parse(CORE, bodies[7])])] == [
        "function-median"
    ]


def test_every_rule_is_applied() -> None:
    """One bad module shows that the rules are not only defined but used."""
    text = """
    import prometheus_client
    # TODO later
    prometheus_client.Counter("a", "b")
    x: float = row.get("a", 0)
    y = "SELECT a FROM b"
    """
    bad = lint.parse(
        "src/kamiyo/aggregators/bad.py", dedent(text) + lines(301) + "def f():\n" + lines(41, "    ")
    )
    silent = lint.parse("tests/unit/test_a.py", "def test_a(): ...")
    broad = lint.parse("src/kamiyo/kit/broad.py", '"""Broad."""\n' + HANDLERS * 5)
    assert {finding.rule for finding in lint.judge([bad, silent, broad])} == {
        "broad-except",
        "float",
        "function-median",
        "function-size",
        "get-default",
        "metric",
        "module-docstring",
        "module-size",
        "plugin-constant",
        "sql",
        "test-docstring",
        "todo",
    }


def test_each_finding_reads_as_a_place_and_a_reason() -> None:
    """Editors jump to path:line, people read the rest."""
    (finding,) = lint.todo_without_issue(lint.parse(CORE, "# TODO later"))
    assert str(finding).startswith("src/kamiyo/core/money.py:1: todo: a promise without")


def test_files_are_found_and_samples_are_not(tmp_path) -> None:
    """Paths are relative to the root, whatever the root is."""
    for name in ("src/kamiyo/core/a.py", "tests/unit/samples/b.py", "tools/c.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x = 1", "utf-8")
    assert [module.path for module in lint.load(tmp_path)] == ["src/kamiyo/core/a.py", "tools/c.py"]
