"""What the commands say, and do, where nothing runs or the wrong thing does."""

import socket
from pathlib import Path

import msgspec
import pytest

from tests.integration.cli.server import a_free_port, kamiyo


@pytest.mark.parametrize("command", ["exploits", "liquidations", "watch"])
def test_without_a_server_one_line_says_how_to_start_it(command: str, tmp_path: Path) -> None:
    """Code 4, nothing on standard output, for people and machines alike."""
    server = f"http://127.0.0.1:{a_free_port()}"
    run = kamiyo(command, "--json", "--server", server, cwd=tmp_path)
    lines = run.stderr.splitlines()
    assert (run.returncode, len(lines)) == (4, 1)
    assert lines[0].startswith(f"kamiyo: no answer from {server}: start it with: ./dev run")


def test_a_wrong_address_is_wrong_usage(tmp_path: Path) -> None:
    """Code 2, and how an address looks."""
    run = kamiyo("exploits", "--server", "localhost:8000", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    assert "must look like http://127.0.0.1:8000" in run.stderr


def test_the_help_documents_the_exit_codes(tmp_path: Path) -> None:
    """Every command is there, and so are the codes."""
    run = kamiyo("--help", cwd=tmp_path)
    assert "4 the server or the database cannot be reached" in " ".join(run.stdout.split())
    commands = ("run", "replay", "exploits", "liquidations", "watch", "doctor")
    assert all(f" {command} " in run.stdout for command in commands)


def test_the_doctor_of_nothing_changes_nothing(tmp_path: Path) -> None:
    """A home that was never used is amber, stays unmade, and secrets stay secret."""
    url = "postgresql://me:secret@127.0.0.1:1/x"
    home = tmp_path / "home"
    run = kamiyo("doctor", "--json", cwd=tmp_path, KAMIYO_HOME=str(home), KAMIYO_DATABASE_URL=url)
    report = msgspec.json.decode(run.stdout)
    grades = {check["name"]: check["grade"] for check in report["checks"]}
    assert (run.returncode, report["grade"]) == (5, "red")
    assert (grades["home"], grades["engines"], grades["database"]) == ("amber", "amber", "red")
    assert "secret" not in run.stdout + run.stderr
    assert not home.exists()


def test_the_doctor_finds_a_taken_port(tmp_path: Path) -> None:
    """Another program on the port is red, with what to do, and the code is 5."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        run = kamiyo("doctor", cwd=tmp_path, KAMIYO_HOME=str(tmp_path / "home"), KAMIYO_PORT=str(port))
    assert run.returncode == 5
    assert f"red    port: another program listens on 127.0.0.1:{port}" in run.stdout
    assert "what to do: stop that program, or choose another port" in run.stdout


def test_unusable_settings_are_one_line(tmp_path: Path) -> None:
    """Code 3."""
    run = kamiyo("doctor", cwd=tmp_path, KAMIYO_PORT="many")
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (3, "", 1)
