"""Measures how much of each module its own test file covers: what other tests reach by accident is worthless.

tests/unit/core/test_money.py has to take every line and every branch of src/kamiyo/core/money.py. One run of
pytest measures all: while a test runs, what is executed is booked to the file of the test. Statements of
modules and classes run once, at import, whoever imports first; they count for everybody. Function bodies that
an import runs do not.
"""

import ast
import importlib
import sys
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import coverage
import msgspec
import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[1]
FLOORS: Final[Mapping[str, int]] = {"core": 100, "extraction": 100, "hyperliquid": 100, "processing": 100}
IMPORT: Final = "import"
ELSEWHERE: Final = "elsewhere"

Arc = tuple[int, int]


class FileReport(msgspec.Struct, frozen=True):
    """What coverage says about one file."""

    executed_branches: list[Arc] = []
    missing_branches: list[Arc] = []
    executed_lines: list[int] = []
    missing_lines: list[int] = []


class _Report(msgspec.Struct, frozen=True):
    files: dict[str, FileReport]


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A module that its own test file does not cover as far as it must."""

    module: str
    test: str
    percent: float
    floor: int
    lines: tuple[int, ...]
    branches: tuple[Arc, ...]

    def __str__(self) -> str:
        parts = [f"{self.module}: {self.percent:.1f} % by {self.test}, {self.floor} % wanted"]
        if self.lines:
            parts.append(f"  lines    {', '.join(map(str, self.lines))}")
        if self.branches:
            parts.append(
                f"  branches {', '.join(f'{start}->{_target(end)}' for start, end in self.branches)}"
            )
        return "\n".join(parts)


@dataclass(frozen=True)
class Layout:
    """Where the product and its unit tests are, and which packages are held to which floor."""

    root: Path
    package: str
    floors: Mapping[str, int]

    @property
    def source(self) -> Path:
        return self.root / "src" / self.package

    @cached_property
    def modules(self) -> list[Path]:
        """List the modules once, so that one that appears during the run is judged in the next."""
        found = (file for name in self.floors for file in sorted((self.source / name).rglob("*.py")))
        return [file.relative_to(self.source) for file in found]

    def own_test(self, module: Path) -> Path:
        return Path("tests", "unit", module.parent, f"test_{module.stem.lstrip('_')}.py")

    def floor(self, module: Path) -> int:
        return self.floors[module.parts[0]]


class _Bookkeeper:
    """Tells coverage which test file is running."""

    def __init__(self, measuring: coverage.Coverage, root: Path) -> None:
        self._measuring = measuring
        self._root = root
        self._current = ""

    def switch(self, context: str) -> None:
        if context != self._current:
            self._measuring.switch_context(context)
            self._current = context

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, object, object]:
        """Book the loading of a test file, its tables and constants, to that file."""
        with self._booked_to(collector):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Book the test with its fixtures to the file it is in."""
        with self._booked_to(item):
            return (yield)

    @contextmanager
    def _booked_to(self, node: pytest.Item | pytest.Collector) -> Generator[None]:
        path = node.path
        self.switch(path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else ELSEWHERE)
        try:
            yield
        finally:
            self.switch(ELSEWHERE)


def measure(layout: Layout, arguments: Sequence[str]) -> tuple[int, list[Shortfall]]:
    """Run the tests once, then judge each module by its own part of the run."""
    with tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder, "recorded")
        status = _record(layout, recorded, arguments)
        return status, judge(layout, recorded)


def _record(layout: Layout, file: Path, arguments: Sequence[str]) -> int:
    measuring = coverage.Coverage(
        data_file=str(file), config_file=False, branch=True, source=[str(layout.source)], messages=False
    )
    bookkeeper = _Bookkeeper(measuring, layout.root)
    measuring.start()
    try:
        bookkeeper.switch(IMPORT)
        for module in layout.modules:
            importlib.import_module(_dotted(layout, module))
        bookkeeper.switch(ELSEWHERE)
        return int(pytest.main(list(arguments), plugins=[bookkeeper]))
    finally:
        measuring.stop()
        measuring.save()


def _dotted(layout: Layout, module: Path) -> str:
    parts = module.with_suffix("").parts
    return ".".join([layout.package, *(parts[:-1] if parts[-1] == "__init__" else parts)])


def judge(layout: Layout, recorded: Path) -> list[Shortfall]:
    """Keep of the recording only what each module's own tests did, and report on that."""
    kept = recorded.with_name("kept")
    everything = coverage.CoverageData(str(recorded))
    everything.read()
    own = coverage.CoverageData(str(kept))
    own.add_arcs(
        {str(layout.source / module): own_arcs(layout, module, everything) for module in layout.modules}
    )
    own.write()
    files = _report(layout, kept)
    shortfalls = [shortfall(layout, module, files[str(layout.source / module)]) for module in layout.modules]
    return [found for found in shortfalls if found is not None]


def own_arcs(layout: Layout, module: Path, recorded: coverage.CoverageData) -> set[Arc]:
    path = layout.source / module
    recorded.set_query_context(IMPORT)
    inside = function_lines(path.read_text("utf-8"))
    at_import = {arc for arc in recorded.arcs(str(path)) or [] if not {abs(arc[0]), abs(arc[1])} & inside}
    recorded.set_query_context(layout.own_test(module).as_posix())
    return at_import | set(recorded.arcs(str(path)) or [])


def function_lines(text: str) -> set[int]:
    """Lines inside function bodies, where being executed takes a call."""
    inside: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside |= set(range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)) - {node.lineno}
    return inside


def _report(layout: Layout, kept: Path) -> dict[str, FileReport]:
    reporting = coverage.Coverage(
        data_file=str(kept), config_file=str(layout.root / "pyproject.toml"), branch=True, messages=False
    )
    reporting.load()
    output = kept.with_suffix(".json")
    reporting.json_report(outfile=str(output), ignore_errors=False)
    files = msgspec.json.decode(output.read_bytes(), type=_Report).files
    return {str(Path(layout.root, name).resolve()): file for name, file in files.items()}


def shortfall(layout: Layout, module: Path, file: FileReport) -> Shortfall | None:
    done = len(file.executed_lines) + len(file.executed_branches)
    missing = len(file.missing_lines) + len(file.missing_branches)
    percent = 100 * done / (done + missing) if missing else 100
    floor = layout.floor(module)
    if percent >= floor:
        return None
    lines = tuple(file.missing_lines)
    branches = tuple(branch for branch in file.missing_branches if branch[0] not in lines)
    name = (layout.source / module).relative_to(layout.root).as_posix()
    return Shortfall(name, layout.own_test(module).as_posix(), percent, floor, lines, branches)


def _target(line: int) -> str:
    return "exit" if line < 0 else str(line)


def report(layout: Layout, shortfalls: Iterable[Shortfall]) -> int:
    """Print each shortfall, or one line of praise."""
    count = 0
    for count, found in enumerate(shortfalls, start=1):  # noqa: B007  (the last number is wanted)
        print(found)
    judged = len(layout.modules)
    print(f"{judged - count} of {judged} modules are covered by their own test file")
    return count


def main(arguments: Sequence[str]) -> int:
    """Judge the product; arguments go to pytest."""
    layout = Layout(REPOSITORY, "kamiyo", FLOORS)
    options = ["-q", "-p", "no:cacheprovider", *(f"tests/unit/{package}" for package in FLOORS)]
    status, shortfalls = measure(layout, [*options, *arguments])
    return 1 if report(layout, shortfalls) or status != 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
