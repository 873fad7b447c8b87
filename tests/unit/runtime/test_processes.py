"""What a process agrees to before it starts anything."""

import pytest

from kamiyo.core.errors import InvalidSettings
from kamiyo.runtime.processes import Role, check_host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_addresses_are_listened_on(host: str) -> None:
    """Nobody beyond this machine reaches them."""
    check_host(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "", "192.168.1.7", "example.org", "localhost.example.org", "127.0.0.1.example.org"],
)
def test_everything_else_is_refused(host: str) -> None:
    """Nothing guards it yet, and a name may mean anything tomorrow."""
    with pytest.raises(InvalidSettings, match="loopback"):
        check_host(host)


def test_the_roles_are_those_the_command_line_names() -> None:
    """Scripts of operators depend on these words."""
    assert [role.value for role in Role] == ["ingest", "serve", "work"]
