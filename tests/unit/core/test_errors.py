import pytest

from kamiyo.core import errors

TRANSIENT = [
    errors.SourceUnavailable,
    errors.RateLimited,
    errors.ConnectionEnded,
    errors.StorageUnavailable,
    errors.LeaseLost,
]
PERMANENT = [
    errors.MalformedPayload,
    errors.CorruptObject,
    errors.QuestionRefused,
    errors.NoSuchThing,
    errors.InvalidSettings,
    errors.InvalidQuery,
    errors.CursorExpired,
    errors.UnknownCase,
    errors.CaseConflict,
    errors.StorageRefused,
    errors.EngineFailed,
    errors.SchemaMismatch,
]


def test_the_tables_below_name_every_error() -> None:
    """An error added to the module is also added to these tests."""
    defined = {value for value in vars(errors).values() if isinstance(value, type)}
    assert defined == {errors.KamiyoError, errors.Transient, errors.Permanent, *TRANSIENT, *PERMANENT}


@pytest.mark.parametrize("error", TRANSIENT)
def test_what_may_work_again_is_transient_only(error) -> None:
    """A caller that retries Transient retries this error and no permanent one."""
    assert issubclass(error, errors.Transient)
    assert not issubclass(error, errors.Permanent)


@pytest.mark.parametrize("error", PERMANENT)
def test_what_cannot_work_again_is_permanent_only(error) -> None:
    """A caller that retries Transient lets this error through."""
    assert issubclass(error, errors.Permanent)
    assert not issubclass(error, errors.Transient)


def test_a_refusal_is_told_apart_from_a_pause() -> None:
    """Being rate limited is a way of being unavailable, and an unknown name a way of being refused."""
    assert issubclass(errors.RateLimited, errors.SourceUnavailable)
    assert issubclass(errors.NoSuchThing, errors.QuestionRefused)


@pytest.mark.parametrize("error", [errors.KamiyoError, *TRANSIENT, *PERMANENT])
def test_an_error_says_something(error) -> None:
    """Without a detail an error says what its class means, and with one it says the detail."""
    assert str(error()) == error.__doc__
    assert error.__doc__
    assert str(error("the disk is full")) == "the disk is full"


def test_a_malformed_payload_names_the_rule_it_broke() -> None:
    """The rule is carried beside the words, and there always is one."""
    error = errors.MalformedPayload("not a number: 'x'", rule="not_a_number")
    assert (str(error), error.rule) == ("not a number: 'x'", "not_a_number")
    assert errors.MalformedPayload().rule == "malformed"


def test_the_end_of_a_connection_tells_its_code() -> None:
    """What the other side closed with is carried beside the words, where it is known."""
    error = errors.ConnectionEnded("closed: 4004 Authentication failed.", code=4004)
    assert (str(error), error.code) == ("closed: 4004 Authentication failed.", 4004)
    assert errors.ConnectionEnded().code is None
    assert issubclass(errors.ConnectionEnded, errors.SourceUnavailable)
