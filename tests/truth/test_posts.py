"""Posts and cells are read as well as people labelled them, and no worse than the page says."""

from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.truth.labels import read_rows
from tools.measure_extraction import HALVES, load_posts, measure, table
from tools.measure_rows import measure_cells, measure_lists, measure_pairs

POSTS = load_posts()
PAGE = REPOSITORY / "docs" / "explanation" / "extraction.md"
SCORES = measure(POSTS)


def test_every_post_is_labelled_once() -> None:
    """At least a hundred texts, each with its own id and in one part, no two alike."""
    assert len(POSTS) >= 100
    assert max(Counter(post.id for post in POSTS).values()) == 1
    assert max(Counter(post.text for post in POSTS).values()) == 1
    assert {post.half for post in POSTS} == set(HALVES)


@pytest.mark.parametrize(
    ("field", "precision", "recall"),
    [
        ("claims anything", 0.995, 0.98),
        ("kind", 0.995, 0.98),
        ("protocol", 0.97, 0.95),
        ("chains", 0.95, 0.98),
        ("assets", 0.98, 0.96),
        ("amount_usd", 0.98, 0.97),
        ("low_high", 1, 1),
        ("amounts", 0.9, 0.95),
        ("returned_usd", 1, 1),
        ("addresses", 1, 1),
        ("transactions", 1, 1),
        ("occurred_at", 1, 1),
    ],
)
def test_no_field_is_read_worse_than_it_was(field: str, precision: float, recall: float) -> None:
    """The floors are a little below what was measured last."""
    assert SCORES[field].precision >= precision
    assert SCORES[field].recall >= recall


def test_the_page_shows_what_is_measured() -> None:
    """The table in the documentation is the one the tool prints."""
    assert "\n".join(table(SCORES)) in PAGE.read_text("utf-8")


def test_cells_of_the_lists_are_read(shared_data: Path) -> None:
    """At least 95 of 100 amounts are read rightly; one cell that names its unit twice removed is not."""
    score, wrong = measure_cells(read_rows(shared_data))
    assert score.right >= 0.995 * score.wanted
    assert len(wrong) <= 1


def test_names_chains_and_links_of_the_lists_are_known(shared_data: Path) -> None:
    """Chains and links all of them, names nearly; two lists' names of one victim mostly agree."""
    rows = read_rows(shared_data)
    shares = {
        what: right / count for what, right, count in (*measure_lists(rows), *measure_pairs(rows)) if count
    }
    assert shares["DefiLlama's chains known"] == 1
    assert shares["links read to one hash or address"] == 1
    assert shares["DefiLlama's names known"] >= 0.98
    assert shares["same identifier"] >= 0.88
