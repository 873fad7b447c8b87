import pytest

from kamiyo.aggregators.telegram import TelegramAggregator, TelegramSettings
from kamiyo.core.errors import InvalidSettings
from kamiyo.core.ids import Cursor
from kamiyo.core.reports import Grade
from tests.fakes import tools


@pytest.mark.parametrize(
    "settings",
    [
        TelegramSettings(channels="not a name/at all"),
        TelegramSettings(preview_channels="-1001234567890"),
        TelegramSettings(channels="name:gospel"),
        TelegramSettings(url="https://me:secret@api.telegram.org"),
        TelegramSettings(preview_url="https://me:secret@t.me"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: TelegramSettings) -> None:
    """Names are names, only a bot knows a channel by its number, and an address holds no password."""
    with pytest.raises(InvalidSettings) as told:
        TelegramAggregator(settings, tools())
    assert "secret" not in str(told.value)


def test_both_lists_are_believed() -> None:
    """A channel's grade is the one it is listed with, with or without the sign before its name."""
    settings = TelegramSettings(channels="-1001234567890:primary", preview_channels="@Investigations:press")
    source = TelegramAggregator(settings, tools())
    known = [source.grade_of(each) for each in ("-1001234567890", "investigations", "somebody")]
    assert known == [Grade.PRIMARY, Grade.PRESS, None]


def test_what_is_stored_before_anything_was_asked_is_no_concern() -> None:
    """A source without a bot confirms nothing."""
    TelegramAggregator(TelegramSettings(), tools()).stored(Cursor("{}"))
