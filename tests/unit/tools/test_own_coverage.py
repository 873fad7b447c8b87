import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tools import own_coverage

pytestmark = pytest.mark.xdist_group("own_coverage")

REPOSITORY = Path(own_coverage.__file__).parents[1]
BRANCH = """
    def pick(flag):
        if flag:
            return 1
        return 2
"""
FILES = {
    "pyproject.toml": """
        [tool.pytest.ini_options]
        addopts = ["--import-mode=importlib"]
        asyncio_mode = "auto"
    """,
    # covered by its own file
    "src/sample/core/own.py": BRANCH,
    "tests/unit/core/test_own.py": """
        import pytest
        from sample.core.own import pick

        @pytest.mark.parametrize("flag", [True, False])
        def test_pick(flag):
            assert pick(flag) == 2 - flag
    """,
    # covered in full, but by a stranger, and at import by another module
    "src/sample/core/stranger.py": BRANCH,
    "src/sample/core/importer.py": """
        from sample.core.stranger import pick

        VALUES = (pick(True), pick(False))
    """,
    "tests/unit/core/test_elsewhere.py": """
        from sample.core.stranger import pick

        def test_pick():
            assert pick(True) + pick(False) == 3
    """,
    # its own file takes one branch, a fixture of a stranger and the loading of a stranger the other
    "src/sample/core/half.py": BRANCH,
    "tests/unit/core/test_half.py": """
        from sample.core.half import pick

        def test_pick():
            assert pick(True) == 1
    """,
    "tests/unit/core/test_fixture.py": """
        import pytest
        from sample.core.half import pick

        LOADED = pick(False)

        @pytest.fixture
        def two():
            return pick(False)

        def test_two(two):
            assert two == LOADED
    """,
    # covered by a fixture and by concurrent tasks of its own file
    "src/sample/core/waiting.py": """
        import asyncio

        async def wait(flag):
            if flag:
                await asyncio.sleep(0)
                return 1
            return 2
    """,
    "tests/unit/core/test_waiting.py": """
        import asyncio
        import pytest
        from sample.core.waiting import wait

        @pytest.fixture
        async def two():
            return await wait(False)

        async def test_wait(two):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(wait(True)) for _ in range(3)]
            assert [task.result() for task in tasks] == [1, 1, 1]
            assert two == 2
    """,
    # covered by a constant and by a table of its own file
    "src/sample/core/table.py": BRANCH,
    "tests/unit/core/test_table.py": """
        import pytest
        from sample.core.table import pick

        TWO = pick(False)

        class TestTable:
            @pytest.mark.parametrize("one", [pick(True)])
            def test_pick(self, one):
                assert one + 1 == TWO
    """,
    # nothing in it can go wrong
    "src/sample/core/plain.py": "class Plain:\n    size: int = 1\n",
    "src/sample/core/__init__.py": '"""Core."""\n',
    "src/sample/__init__.py": "",
    # a private module is tested under its plain name
    "src/sample/core/_hidden.py": "def one():\n    return 1\n",
    "tests/unit/core/test_hidden.py": """
        from sample.core._hidden import one

        def test_one():
            assert one() == 1
    """,
    # a test that fails must not go unseen
    "tests/unit/core/test_failing.py": "def test_it():\n    assert False\n",
    # not held to anything
    "src/sample/kit/free.py": BRANCH,
}
PROGRAM = """
import sys
from pathlib import Path
from tools.own_coverage import Layout, measure, report
layout = Layout(Path.cwd(), "sample", {"core": 100})
status, shortfalls = measure(layout, ["-q", "-p", "pytest_asyncio.plugin", "tests/unit"])
print("pytest said", status)
report(layout, shortfalls)
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> str:
    """Measure the sample once, in a process of its own, because coverage cannot measure itself."""
    root = tmp_path_factory.mktemp("sample").resolve()
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(dedent(text), "utf-8")
    path = f"{root / 'src'}{os.pathsep}{REPOSITORY}"
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_only_what_a_modules_own_tests_execute_counts(report) -> None:
    """Strangers' tests, fixtures, loading and imports cover nothing; own tests, tables and fixtures do."""
    named = [line.partition(":")[0] for line in report.splitlines() if "wanted" in line]
    assert named == ["src/sample/core/half.py", "src/sample/core/stranger.py"]
    assert "7 of 9 modules" in report


def test_what_is_missing_is_named(report) -> None:
    """The report names lines nobody reached, and branches only where their line was reached."""
    half = report.partition("core/half.py")[2].partition("src/sample/core/stranger.py")[0]
    assert half.startswith(": 66.7 % by tests/unit/core/test_half.py, 100 % wanted\n")
    assert "lines    5" in half
    assert "branches 3->5" in half
    stranger = report.partition("core/stranger.py")[2]
    assert "lines    3, 4, 5" in stranger
    assert "branches" not in stranger


def test_failing_tests_are_told(report) -> None:
    """What pytest said comes with the measurement, because coverage by a test that fails is none."""
    assert "pytest said 1" in report


@pytest.mark.parametrize(("floor", "short"), [(100, True), (81, True), (80, False), (0, False)])
def test_a_floor_may_be_lower(floor: int, short: bool) -> None:
    """Lines and branches count alike; reaching the floor is enough."""
    layout = own_coverage.Layout(REPOSITORY, "kamiyo", {"core": floor})
    file = own_coverage.FileReport(
        executed_lines=[1, 2, 3], missing_lines=[4], executed_branches=[(1, 2)], missing_branches=[]
    )
    assert (own_coverage.shortfall(layout, Path("core/money.py"), file) is not None) == short


def test_function_lines_are_bodies_only() -> None:
    """Signatures, defaults and decorators run at import; bodies need a call, nested ones too."""
    text = dedent("""\
        @decorate
        def f(
            a=1,
        ):
            b = 2
            def g(): return 3
        class C:
            x = 4
            def m(self):
                return 5
        def one_line(): return 6
    """)
    assert own_coverage.function_lines(text) == {5, 6, 10}


def test_the_packages_whose_errors_cost_money_are_held_to_everything() -> None:
    """The floors are what the design says."""
    assert own_coverage.FLOORS == {"core": 100, "extraction": 100, "hyperliquid": 100, "processing": 100}
