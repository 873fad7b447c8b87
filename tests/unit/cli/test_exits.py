"""What a script may rely on."""

import pytest

from kamiyo.cli.exits import TABLE, Exit, code_of, ungrouped
from kamiyo.core import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidSettings(), 3),
        (errors.EngineFailed(), 3),
        (errors.SchemaMismatch(), 3),
        (errors.InvalidQuery(), 2),
        (errors.SourceUnavailable(), 4),
        (errors.StorageUnavailable(), 4),
        (errors.MalformedPayload(), 1),
    ],
)
def test_each_error_has_its_code(error: errors.KamiyoError, code: int) -> None:
    """Codes are promises: this table does not change."""
    assert code_of(error) == code


def test_every_code_is_documented() -> None:
    """The help names each number."""
    assert all(f"{code.value} " in TABLE for code in Exit)


def test_the_first_error_of_nested_groups_is_raised() -> None:
    """A task group in a task group does not hide what went wrong."""
    inner = ExceptionGroup("inner", [errors.InvalidSettings("this"), ValueError()])
    with pytest.raises(errors.InvalidSettings, match="this"), ungrouped():
        raise ExceptionGroup("outer", [inner])


def test_an_error_without_a_group_passes() -> None:
    """It is raised as it is."""
    with pytest.raises(errors.InvalidQuery), ungrouped():
        raise errors.InvalidQuery
