"""How the program ends."""

import subprocess
import sys

import pytest
import typer

from kamiyo.cli import main as program
from kamiyo.core.errors import EngineFailed, KamiyoError


def ended(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> object:
    def fail() -> None:
        raise error

    monkeypatch.setattr(program, "build", lambda _names: fail)
    with pytest.raises(SystemExit) as caught:
        program.main()
    return caught.value.code


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (EngineFailed("it did not start"), 3, "kamiyo: it did not start\n"),
        (KamiyoError(), 1, "kamiyo: Something went wrong.\n"),
        (PermissionError(13, "Permission denied", "x.zst"), 1, "kamiyo: x.zst: Permission denied\n"),
    ],
)
def test_an_error_is_one_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    text: str,
) -> None:
    """What we foresaw needs no traceback."""
    assert ended(monkeypatch, error) == code
    assert capsys.readouterr() == ("", text)


def test_a_defect_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody foresaw is not made to look like one of the user's."""

    def fail() -> None:
        raise OSError("without a file")

    monkeypatch.setattr(program, "build", lambda _names: fail)
    with pytest.raises(OSError, match="without a file"):
        program.main()


def test_every_command_has_a_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the help promises of options can be asked for by name."""
    for command in ("run", "replay", "exploits", "liquidations", "markets", "positions", "watch", "doctor"):
        monkeypatch.setattr(sys, "argv", ["kamiyo", command, "--help"])
        with pytest.raises(SystemExit) as caught:
            program.main()
        assert caught.value.code == 0
        assert f"kamiyo {command}" in capsys.readouterr().out


def test_only_what_is_asked_for_is_loaded() -> None:
    """Asking a server takes no server of our own, and a program without one stays a program with commands."""
    loads = (
        "import sys; from kamiyo.cli.main import build; build(['exploits']); print('fastapi' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert typer.main.get_command(program.build(["exploits"])).list_commands(None) == ["exploits"]  # type: ignore[attr-defined]
