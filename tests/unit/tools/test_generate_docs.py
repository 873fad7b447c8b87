"""The reference is written from the code, and differences are found."""

import pytest

from tools.generate_docs import PAGES, main

ONE_PAGE = {"one.md": lambda: "# One\n\nfirst\nsecond\n"}


def test_pages_are_written_and_then_agree(tmp_path, capsys) -> None:
    """What was written passes the check, and writing again changes nothing."""
    assert main([], tmp_path / "reference", ONE_PAGE) == 0
    assert (tmp_path / "reference" / "one.md").read_text() == "# One\n\nfirst\nsecond\n"
    assert "one.md" in capsys.readouterr().out
    assert main(["--check"], tmp_path / "reference", ONE_PAGE) == 0
    assert main([], tmp_path / "reference", ONE_PAGE) == 0
    assert capsys.readouterr().out == ""


def test_a_page_that_differs_fails_with_the_difference(tmp_path, capsys) -> None:
    """The check prints what is there, what the code says and what to do, and changes nothing."""
    (tmp_path / "one.md").write_text("# One\n\nfirst\nsomething old\n")
    assert main(["--check"], tmp_path, ONE_PAGE) == 1
    printed = capsys.readouterr().out.splitlines()
    assert "-something old" in printed
    assert "+second" in printed
    assert "./dev docs" in printed[-1]
    assert (tmp_path / "one.md").read_text() == "# One\n\nfirst\nsomething old\n"


def test_a_missing_page_fails(tmp_path) -> None:
    """A page nobody has committed yet is a difference."""
    assert main(["--check"], tmp_path, ONE_PAGE) == 1


def test_other_arguments_are_refused(tmp_path, capsys) -> None:
    """A misspelt option neither writes nor passes."""
    assert main(["--chek"], tmp_path, ONE_PAGE) == 2
    assert "usage" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_every_page_is_the_same_twice() -> None:
    """No page holds the time, an order that varies or anything else of the run that made it."""
    assert {name: make() for name, make in PAGES.items()} == {name: make() for name, make in PAGES.items()}
