"""A home for the tests of the whole system."""

from collections.abc import Iterator

import pytest

from tests.system.harness import Ground, a_ground


@pytest.fixture
def ground() -> Iterator[Ground]:
    """Give a fresh home and a node's folder that does not exist yet."""
    with a_ground() as made:
        yield made
