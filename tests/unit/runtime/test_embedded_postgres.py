"""What PostgreSQL's answers to a request for a session mean."""

import pytest

from kamiyo.runtime.embedded_postgres import first_statements, is_ready


@pytest.mark.parametrize(
    ("reply", "ready"),
    [
        (b"R\0\0\0\x08\0\0\0\0", True),
        (b"E\0\0\0\x60SFATAL\0VFATAL\0C57P03\0Mthe database system is shutting down\0\0", False),
        (b"E\0\0\0\x50SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0", True),
        (b"", False),
        (b"HTTP/1.1 400 Bad Request", False),
    ],
)
def test_only_a_server_that_accepts_sessions_is_ready(reply: bytes, ready: bool) -> None:
    """A server that starts or stops is not ready; one that has too many sessions is."""
    assert is_ready(reply) is ready


def test_each_first_statement_is_one_line() -> None:
    """The single-user mode takes a line for a statement, so there are as many lines as statements."""
    assert [line.split()[:2] for line in first_statements("p").splitlines()] == [
        ["CREATE", "ROLE"],
        ["CREATE", "DATABASE"],
    ]
