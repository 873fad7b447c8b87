import os
import sys
from textwrap import dedent

from tools.steps import Outcome, Step, explain, run_all

MEET = dedent("""
    import pathlib, sys, time
    mine, other = map(pathlib.Path, sys.argv[1:])
    mine.touch()
    deadline = time.monotonic() + 20
    while not other.exists():
        if time.monotonic() > deadline:
            sys.exit("nobody came")
        time.sleep(0.01)
""")


def python(name: str, program: str, *arguments: str) -> Step:
    return Step(name, (sys.executable, "-c", program, *arguments))


def test_every_step_is_run_and_the_failed_ones_are_returned(tmp_path, capsys) -> None:
    """A failure stops nothing, keeps its status and what it printed on either stream."""
    noisy = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    failures = run_all([python("bad", noisy), python("good", "")], tmp_path, os.environ)
    assert [(outcome.step.name, outcome.status) for outcome in failures] == [("bad", 3)]
    assert {"out", "err"} == set(failures[0].output.split())
    printed = sorted(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    assert printed == [["FAILED", "bad"], ["ok", "good"]]


def test_steps_run_side_by_side(tmp_path) -> None:
    """Two steps that wait for each other both pass."""
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert run_all([python("a", MEET, a, b), python("b", MEET, b, a)], tmp_path, os.environ) == []


def test_a_program_that_is_missing_is_a_failure(tmp_path) -> None:
    """What cannot be started has not passed."""
    (failure,) = run_all([Step("none", (str(tmp_path / "none"),))], tmp_path, os.environ)
    assert failure.status == 127
    assert "could not be started" in failure.output


def test_steps_run_where_and_with_what_they_are_told(tmp_path) -> None:
    """Folder and environment are the caller's."""
    program = "import os, sys; sys.exit(os.getcwd() != sys.argv[1] or os.environ['WORD'] != 'word')"
    step = python("where", program, str(tmp_path.resolve()))
    assert run_all([step], tmp_path, {**os.environ, "WORD": "word"}) == []


def test_an_explanation_names_the_command_and_its_words(capsys) -> None:
    """Silence is said to be silence."""
    explain(
        [Outcome(Step("lint", ("ruff", "check")), 1, 0.1, "E501\n"), Outcome(Step("b", ("b",)), 2, 0.1, "")]
    )
    printed = capsys.readouterr().out
    assert "--- lint (status 1): ruff check\nE501\n" in printed
    assert "--- b (status 2): b\n(it printed nothing)" in printed
