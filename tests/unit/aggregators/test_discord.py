import pytest

from kamiyo.aggregators.discord import DiscordAggregator, DiscordSettings
from kamiyo.core.errors import InvalidSettings
from kamiyo.core.reports import Grade
from kamiyo.kit.secret import Secret
from tests.fakes import tools


@pytest.mark.parametrize(
    "settings",
    [
        DiscordSettings(channels="announcements"),
        DiscordSettings(channels="123:gospel"),
        DiscordSettings(url="https://me:secret@discord.com"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: DiscordSettings) -> None:
    """A channel is a number, a grade is known, an address holds no password; the password is not repeated."""
    with pytest.raises(InvalidSettings) as told:
        DiscordAggregator(settings, tools())
    assert "secret" not in str(told.value)


def test_channels_are_a_text_or_a_table() -> None:
    """Both name the same channels in the same grades, and the token is not shown."""
    for channels in ("123:primary, 456", {"123": Grade.PRIMARY, "456": Grade.CLAIM}):
        source = DiscordAggregator(DiscordSettings(channels=channels, token=Secret("canary")), tools())
        assert [source.grade_of(each) for each in ("123", "456", "789")] == [Grade.PRIMARY, Grade.CLAIM, None]
        assert "canary" not in repr(vars(source))
