"""Names that mean one protocol."""

from kamiyo.processing._matching.aliases import NAMED_TWICE


def test_an_alias_is_not_an_alias_of_another() -> None:
    """What is read as another name is read once: no name is both."""
    assert not NAMED_TWICE.keys() & set(NAMED_TWICE.values())
    assert all(name.isalnum() and name.islower() for pair in NAMED_TWICE.items() for name in pair)
