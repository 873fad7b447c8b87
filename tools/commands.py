"""The commands of ./dev."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from tools.environment import REPOSITORY, EnvironmentUnusableError, prepare, python_of, variables
from tools.steps import Outcome, Step, explain, run_all

BIN: Final = REPOSITORY / ".venv" / "bin"
NEEDS_SERVERS: Final = ("contract", "integration", "replay", "faults", "system", "browser")
NEEDS_ENGINES: Final = ("contract", "integration", "faults")
# Of these: what starts engines of its own, asks other services, or asks the document and not the database.
# Tests that ask no engine at all are left out by their mark, see tests/conftest.py.
ANY_ENGINES: Final = ("runtime", "services", "api/test_schema.py")
INTERRUPTED: Final = 130  # what a shell reports for a program ended by Ctrl-C
# One more than processors: half of the time of tests is waiting, for servers, clocks and other processes.
PARALLEL: Final = ("-n", str(max(2, os.cpu_count() or 1) + 1), "--dist", "loadgroup")
# Where Python was told to keep no caches, each process of the tests would compile all of them anew.
WITH_CACHES: Final = {"PYTHONDONTWRITEBYTECODE": ""}


@dataclass(frozen=True, slots=True)
class Command:
    """One word after ./dev."""

    help: str
    profile: str
    run: Callable[[Sequence[str]], int]


def static_steps() -> list[Step]:
    """Everything that judges the text of the repository, the slowest first."""
    python = str(python_of())
    return [
        Step("pyright", (_tool("pyright"),)),
        Step("mypy", (_tool("mypy"),)),
        Step("docs", (python, "-m", "tools.generate_docs", "--check")),
        Step("layers", (_tool("lint-imports"), "--no-logo")),
        Step("project lint", (python, "-m", "tools.lint_project")),
        Step("spelling", (_tool("codespell"),)),
        Step("lint", (_tool("ruff"), "check")),
        Step("format", (_tool("ruff"), "format", "--check")),
    ]


def fast_tests() -> Step:
    """The tests that need no server and no patience."""
    without = tuple(f"--ignore=tests/{folder}" for folder in NEEDS_SERVERS)
    return Step("fast tests", (*_pytest(), "-q", *PARALLEL, "-m", "not slow", *without, "tests"))


def check(arguments: Sequence[str]) -> int:
    """Judge the text, then run the tests that need no server."""
    _take_no(arguments, "check")
    failures = [*_run(static_steps()), *_run([fast_tests()])]
    explain(failures)
    return 1 if failures else 0


def test(arguments: Sequence[str]) -> int:
    """Run everything; pytest comes last, so that its summary is the last line."""
    if arguments:
        _replace(*_pytest(), *arguments)
    coverage = Step("own coverage", (str(python_of()), "-m", "tools.own_coverage"))
    failures = _run([coverage, *static_steps()])  # the longest first
    explain(failures)
    for failure in failures:
        print(failure.line, flush=True)
    external = _test_on_external_engines()
    return _pytest_run("tests") or external or (1 if failures else 0)


def _test_on_external_engines() -> int:
    """The suites that need servers, on Debian's PostgreSQL and Redis where they are installed.

    The default run takes the embedded engines; this is what an operator with servers of his own stands on.
    """
    if not (Path("/usr/lib/postgresql").is_dir() and shutil.which("redis-server")):
        print(
            "Debian's PostgreSQL and Redis are not installed: external engines are not tested here",
            flush=True,
        )
        return 0
    suites = [f"tests/{folder}" for folder in NEEDS_ENGINES]
    without = [f"--ignore=tests/integration/{each}" for each in ANY_ENGINES]
    return _pytest_run(*suites, *without, "-m", "engines", KAMIYO_TEST_ENGINES="debian")


def _pytest_run(*arguments: str, **environment: str) -> int:
    command = [*_pytest(), *PARALLEL, *arguments]
    given = variables() | WITH_CACHES | environment
    return subprocess.run(command, check=False, cwd=REPOSITORY, env=given).returncode


def fix(arguments: Sequence[str]) -> int:
    """Format, and apply the fixes that cannot change behaviour."""
    _take_no(arguments, "fix")
    steps = [Step("fixes", (_tool("ruff"), "check", "--fix")), Step("format", (_tool("ruff"), "format"))]
    failures = [outcome for step in steps for outcome in _run([step])]
    explain(failures)
    return 1 if failures else 0


def run(arguments: Sequence[str]) -> NoReturn:
    _replace(_tool("kamiyo"), "run", *arguments)


def kamiyo(arguments: Sequence[str]) -> NoReturn:
    _replace(_tool("kamiyo"), *arguments)


def bench(arguments: Sequence[str]) -> NoReturn:
    _replace(str(python_of()), "-m", "benchmarks", *arguments)


def fuzz(arguments: Sequence[str]) -> NoReturn:
    _replace(str(python_of()), "-m", "tools.fuzz", *arguments)


def docs(arguments: Sequence[str]) -> NoReturn:
    _replace(str(python_of()), "-m", "tools.generate_docs", *arguments)


COMMANDS: Final = {
    "run": Command("start KAMIYO; what follows goes to `kamiyo run`", "run", run),
    "kamiyo": Command("start any other command of the program", "run", kamiyo),
    "test": Command("check, then every test; with arguments: pytest alone", "dev", test),
    "check": Command(
        "format, lint, layers, types, spelling, docs and the quick tests without servers", "dev", check
    ),
    "fix": Command("format and apply safe fixes", "dev", fix),
    "fuzz": Command("send mutated payloads through the pipeline", "dev", fuzz),
    "docs": Command("write the reference pages anew", "dev", docs),
    "bench": Command("measure", "bench", bench),
}


def main(arguments: Sequence[str]) -> int:
    """Prepare the environment the command needs, then run it."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(usage())
        return 0
    command = COMMANDS.get(arguments[0])
    if command is None:
        print(f"./dev has no command {arguments[0]!r}\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        prepare(command.profile)
        return command.run(arguments[1:])
    except EnvironmentUnusableError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def usage() -> str:
    lines = [f"  {name:<8} {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: ./dev COMMAND [ARGUMENTS]", "", *lines])


def _run(steps: Sequence[Step]) -> list[Outcome]:
    return run_all(steps, REPOSITORY, variables() | WITH_CACHES)


def _tool(name: str) -> str:
    return str(BIN / name)


def _pytest() -> tuple[str, ...]:
    return (str(python_of()), "-m", "pytest")


def _take_no(arguments: Sequence[str], command: str) -> None:
    if arguments:
        sys.exit(f"./dev {command} takes no arguments, so {arguments[0]!r} would have been ignored")


def _replace(program: str, *arguments: str) -> NoReturn:
    """Become the program: signals and the exit status are its own."""
    if not Path(program).exists():
        sys.exit(f"{program} is missing from .venv; remove .venv and try again")
    if Path(program).name != "kamiyo":
        os.chdir(REPOSITORY)
    os.execve(program, [program, *arguments], variables())  # noqa: S606  (no shell is wanted)
