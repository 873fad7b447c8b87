"""What the helpers of the reference read out of source text."""

from textwrap import dedent

from tools.reference.markdown import page, prose, table
from tools.reference.source import public_classes


def test_classes_are_read_with_their_fields_and_comments(tmp_path) -> None:
    """Types, defaults, members and comments are as in the source; private classes are left out."""
    module = tmp_path / "module.py"
    module.write_text(
        dedent('''
            class Colour(enum.StrEnum):
                """Which."""

                RED = "red"  # as a rose

            class Thing(Struct):
                """What."""

                size: int | None = None
                name: str  # noqa: A003

            class _Hidden:
                x: int
        ''')
    )
    colour, thing = public_classes(module)
    assert (colour.name, colour.docstring, colour.bases) == ("Colour", "Which.", ("enum.StrEnum",))
    assert [(each.name, each.default, each.comment) for each in colour.fields] == [
        ("RED", "'red'", "as a rose")
    ]
    assert [(each.name, each.type, each.default, each.comment) for each in thing.fields] == [
        ("size", "int | None", "None", ""),
        ("name", "str", "", ""),
    ]


def test_a_bar_stays_inside_its_cell() -> None:
    """A union of types does not become two columns."""
    assert table(("a",), [("x | y",)]).splitlines()[-1] == "| x \\| y |"


def test_docstrings_become_markdown() -> None:
    """Indentation goes, and two backticks become one."""
    assert prose("One ``two``.\n\n        Three.\n") == "One `two`.\n\nThree."


def test_a_page_ends_with_one_newline() -> None:
    """Parts are apart by an empty line; empty parts leave no trace."""
    text = page("Title", "Intro", "", "Last\n\n")
    assert text.startswith("# Title\n\n<!--")
    assert text.endswith("Intro\n\nLast\n")
