"""Checks the rules of this project that no general linter knows; CONTRIBUTING.md argues for them."""

import ast
import functools
import io
import re
import statistics
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]

MODULE_LINES: Final = 300
FUNCTION_LINES: Final = 40
MEDIAN_FUNCTION_LINES: Final = 6
BROAD_HANDLERS: Final = 4

FLOAT_ALLOWED: Final = {
    "src/kamiyo/detectors/_statistics.py": "scores are statistics, not money",
    "src/kamiyo/processing/_matching/": "scores are statistics, not money",
    "src/kamiyo/core/cases.py": "how probable, and how much a reason weighs: not money",
    "src/kamiyo/core/reports.py": "how sure a field was read rightly: not money",
    "src/kamiyo/storage/read_cases.py": "how probable: not money",
    "src/kamiyo/api/case_schemas.py": "how probable, and how much a reason weighs: not money",
    "src/kamiyo/cli/reviews.py": "how probable: not money",
    "src/kamiyo/aggregators/_discord/wire.py": "seconds to wait, as Discord writes them",
    "src/kamiyo/kit/": "tools count seconds for the interpreter's own clocks",
    "benchmarks/": "measurements",
    "tools/": "durations",
}
PLUGIN_CONSTANTS: Final = {"aggregators": "AGGREGATOR", "detectors": "DETECTOR", "notifiers": "NOTIFIER"}
NOT_PLUGINS: Final = {"__init__", "base", "social"}
METRIC_TYPES: Final = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
SQL: Final = re.compile(
    r"\b(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+(\s+\w+)?\s+SET\s|DELETE\s+FROM\s"
    r"|(CREATE|ALTER|DROP|TRUNCATE)\s+(TABLE|INDEX|UNIQUE|SCHEMA|TYPE|VIEW)\b|COPY\s+\w+.*\s(FROM|TO)\s)",
    re.DOTALL,
)
PROMISE: Final = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!\W{0,3}#\d)")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed file."""

    path: str  # from the root of the repository, with forward slashes
    text: str
    tree: ast.Module

    @property
    def package(self) -> str | None:
        """The layer this module belongs to, if it is part of the product."""
        parts = self.path.split("/")
        return parts[2] if parts[:2] == ["src", "kamiyo"] and len(parts) > 3 else None  # noqa: PLR2004  (src/kamiyo/LAYER/...)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2].removesuffix(".py")

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place that breaks a rule, why the rule exists, and what to do."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


Rule = Callable[[Module], Iterable[Finding]]


def parse(path: str, text: str) -> Module:
    return Module(path, text, ast.parse(text, filename=path))


# --- size ---------------------------------------------------------------------------------------------------


def too_long(module: Module) -> Iterator[Finding]:
    """Modules and functions that no longer fit in one reading."""
    lines = code_lines(module)
    if len(lines) > MODULE_LINES and not module.is_test:
        message = (
            f"{len(lines)} code lines, {MODULE_LINES} at most: too much to keep in mind; split by subject"
        )
        yield Finding(module.path, 1, "module-size", message)
    for function in functions(module.tree):
        size = body_lines(function, lines)
        if size > FUNCTION_LINES:
            message = (
                f"{function.name} has {size} code lines, {FUNCTION_LINES} at most: make its steps functions"
            )
            yield Finding(module.path, function.lineno, "function-size", message)


@functools.cache
def code_lines(module: Module) -> frozenset[int]:
    """Lines that hold code: neither blank, nor comment, nor docstring."""
    documented = {line for text in docstrings(module.tree) for line in spanned(text)}
    return frozenset(
        number
        for number, line in enumerate(module.text.splitlines(), start=1)
        if number not in documented and line.strip() and not line.lstrip().startswith("#")
    )


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def body_lines(function: Function, lines: frozenset[int]) -> int:
    """Count the code lines of the body; a signature is written out for the caller, not for the length."""
    return len(lines & set(range(function.body[0].lineno, (function.end_lineno or function.lineno) + 1)))


def docstrings(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str()) as text), *_]:
                    yield text
                case _:
                    pass


def spanned(node: ast.expr) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def median_function(modules: Iterable[Module]) -> float:
    sizes = [
        body_lines(function, code_lines(module)) for module in modules for function in functions(module.tree)
    ]
    return statistics.median(sizes) if sizes else 0


# --- values -------------------------------------------------------------------------------------------------


def float_annotation(module: Module) -> Iterator[Finding]:
    """Binary fractions where money may be."""
    if module.is_test or module.path.startswith(tuple(FLOAT_ALLOWED)):
        return
    for annotation in annotations(module.tree):
        for node in ast.walk(annotation):
            if isinstance(node, ast.Name) and node.id == "float":
                message = "no float holds 0.1: money is Decimal, a duration timedelta (see FLOAT_ALLOWED)"
                yield Finding(module.path, node.lineno, "float", message)


def annotations(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, Function) and node.returns is not None:
            yield node.returns


def default_for_absence(module: Module) -> Iterator[Finding]:
    """Lookups that turn what the venue did not say into a value."""
    if module.package not in {"aggregators", "hyperliquid"}:
        return
    requests = {node.value for node in ast.walk(module.tree) if isinstance(node, ast.Await)}
    for call in set(calls(module.tree, "get")) - requests:
        if len(call.args) > 1 or any(keyword.arg == "default" for keyword in call.keywords):
            message = "a default makes absence a plausible lie: decode into a struct, or refuse the payload"
            yield Finding(module.path, call.lineno, "get-default", message)


def calls(tree: ast.AST, *methods: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
            yield node


# --- places -------------------------------------------------------------------------------------------------


def sql_outside_storage(module: Module) -> Iterator[Finding]:
    """Statements that no migration would find."""
    if module.package in {None, "storage"}:
        return
    written = set(docstrings(module.tree))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and node not in written and is_sql(node.value):
            message = (
                "only storage speaks SQL, so a migration has one place to look at: give it a function there"
            )
            yield Finding(module.path, node.lineno, "sql", message)


def is_sql(value: object) -> bool:
    return isinstance(value, str) and SQL.search(value) is not None


def plugin_constant(module: Module) -> Iterator[Finding]:
    """Plug-in modules that discovery could not use."""
    constant = PLUGIN_CONSTANTS.get(module.package or "")
    nested = module.path.count("/") > 3  # noqa: PLR2004  (src/kamiyo/PACKAGE/module.py)
    if constant is None or nested or module.name in NOT_PLUGINS or module.name.startswith("_"):
        return
    found = [name for statement in module.tree.body for name in assigned(statement) if name == constant]
    if len(found) != 1:
        message = (
            f"{len(found)} constants {constant}: discovery takes one per public module; a helper is _private"
        )
        yield Finding(module.path, 1, "plugin-constant", message)


def assigned(statement: ast.stmt) -> Iterator[str]:
    targets: Sequence[ast.expr] = ()
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = (statement.target,)
    return (target.id for target in targets if isinstance(target, ast.Name))


def metric_elsewhere(module: Module) -> Iterator[Finding]:
    """Metrics that the reference page and the dashboards would not know."""
    if module.path == "src/kamiyo/kit/metrics.py" or module.package is None:
        return
    for node in ast.walk(module.tree):
        names = imported_metrics(node)
        if names:
            message = f"{', '.join(names)} outside kit/metrics.py: made there, every metric is documented"
            yield Finding(module.path, getattr(node, "lineno", 1), "metric", message)


def imported_metrics(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "prometheus_client":
        return [alias.name for alias in node.names if alias.name in METRIC_TYPES]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return [node.attr] if node.value.id == "prometheus_client" and node.attr in METRIC_TYPES else []
    return []


# --- words --------------------------------------------------------------------------------------------------


def module_sentence(module: Module) -> Iterator[Finding]:
    """Public modules that do not say what they are for."""
    if module.is_test or (module.name.startswith("_") and not module.name.startswith("__")):
        return
    first = (ast.get_docstring(module.tree) or "").partition("\n\n")[0].strip()
    if not is_sentence(first):
        message = "begin with a docstring whose first paragraph is one sentence: what is this module for?"
        yield Finding(module.path, 1, "module-docstring", message)


def test_sentence(module: Module) -> Iterator[Finding]:
    """Tests that do not say what is true when they pass."""
    if not module.is_test or not module.name.startswith("test_"):
        return
    for function in functions(module.tree):
        first = (ast.get_docstring(function) or "").partition("\n\n")[0].strip()
        if function.name.startswith("test_") and not is_sentence(first):
            message = f"{function.name} needs a docstring of one sentence: what is true when it passes?"
            yield Finding(module.path, function.lineno, "test-docstring", message)


def is_sentence(text: str) -> bool:
    """One sentence: it begins like one, ends like one, and no second one follows."""
    return bool(text) and text.endswith((".", "!", "?")) and not re.search(r"[a-z0-9)`][.!?]\s+[A-Z]", text)


def todo_without_issue(module: Module) -> Iterator[Finding]:
    """Promises that nobody could find again."""
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT and PROMISE.search(token.string):
            message = "a promise without an issue number (#12) is forgotten: open an issue, or do it now"
            yield Finding(module.path, token.start[0], "todo", message)


# --- the whole system ---------------------------------------------------------------------------------------


def broad_handlers(modules: Iterable[Module]) -> list[Finding]:
    """Handlers that catch what nobody foresaw, if there are more than the budget."""
    found = [
        Finding(module.path, node.lineno, "broad-except", "")
        for module in modules
        if module.package is not None
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type)
    ]
    message = (
        f"{len(found)} handlers catch every error, {BROAD_HANDLERS} in all of src at most: "
        "name the error you can handle, let the supervisor have the rest"
    )
    over = len(found) > BROAD_HANDLERS
    return [Finding(place.path, place.line, place.rule, message) for place in found] if over else []


def is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(is_broad(one) for one in caught.elts)
    return caught is None or (isinstance(caught, ast.Name) and caught.id in {"Exception", "BaseException"})


def long_median(modules: Iterable[Module]) -> list[Finding]:
    median = median_function(modules)
    if median <= MEDIAN_FUNCTION_LINES:
        return []
    message = (
        f"the median function has {median:g} code lines, {MEDIAN_FUNCTION_LINES} at most: split the longest"
    )
    return [Finding("src/kamiyo", 1, "function-median", message)]


RULES: Final[tuple[Rule, ...]] = (
    too_long,
    float_annotation,
    default_for_absence,
    sql_outside_storage,
    plugin_constant,
    metric_elsewhere,
    module_sentence,
    test_sentence,
    todo_without_issue,
)


def judge(modules: Sequence[Module]) -> list[Finding]:
    """Apply every rule; the two that count over many files look at the product only."""
    product = [module for module in modules if module.package is not None]
    findings = [finding for module in modules for rule in RULES for finding in rule(module)]
    return sorted([*findings, *broad_handlers(product), *long_median(product)])


def load(root: Path) -> list[Module]:
    places = [root / name for name in ("src", "tools", "tests", "benchmarks", "sdk/python")]
    files = [file for place in places for file in sorted(place.rglob("*.py")) if "samples" not in file.parts]
    return [parse(file.relative_to(root).as_posix(), file.read_text("utf-8")) for file in files]


def measure(modules: Iterable[Module]) -> str:
    """Report what is watched as well as what is forbidden."""
    product = [module for module in modules if module.package is not None]
    tests = sum(len(code_lines(module)) for module in modules if module.is_test)
    ratio = tests / max(1, sum(len(code_lines(module)) for module in product))
    return f"median function {median_function(product):g} lines, test:code {ratio:.2f}"


def main() -> int:
    """Print what breaks a rule, then what the budgets measure."""
    modules = load(REPOSITORY)
    findings = judge(modules)
    for finding in findings:
        print(finding)
    print(f"{len(modules)} files, {measure(modules)}, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
