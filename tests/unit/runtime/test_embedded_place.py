"""Where the sockets of a home go."""

import os
from pathlib import Path

import pytest

from kamiyo.runtime.embedded_place import (
    LONGEST_SOCKET_NAME,
    LONGEST_SOCKET_PATH,
    SHORT_DIRECTORY,
    _socket_directory,
)

LONGEST = LONGEST_SOCKET_PATH - LONGEST_SOCKET_NAME - len("/run")


@pytest.mark.parametrize("directory", ["/srv/kamiyo/engines", "/" + "x" * (LONGEST - 1)])
def test_sockets_are_beside_the_data_where_they_fit(directory: str) -> None:
    """An ordinary path keeps everything in one directory, up to the last byte the system allows."""
    assert _socket_directory(Path(directory)) == Path(directory) / "run"


@pytest.mark.parametrize("directory", ["/" + "x" * LONGEST, "/" + "ü" * (LONGEST // 2 + 1), "/a,b", '/a"b'])
def test_sockets_move_where_the_path_cannot_be_used(directory: str) -> None:
    """A path that is too long in bytes, or that contains a separator, gives a short one, always the same."""
    sockets = _socket_directory(Path(directory))
    assert sockets.parent == SHORT_DIRECTORY
    assert len(os.fsencode(sockets)) + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH
    assert sockets == _socket_directory(Path(directory))
    assert sockets != _socket_directory(Path(directory) / "other")
