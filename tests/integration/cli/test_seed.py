"""``kamiyo seed``, in a process of its own, on a real database."""

from pathlib import Path

import msgspec
import pytest

from tests.integration.cli.server import kamiyo
from tests.services.defillama import a_hack


def _copy(folder: Path) -> Path:
    copy = folder / "hacks.json"
    copy.write_bytes(msgspec.json.encode([a_hack("One"), a_hack("Two"), a_hack("")]))
    return copy


def test_a_copy_is_loaded_and_accounted_for(database_url: str, tmp_path: Path) -> None:
    """The account is one JSON array; refused rows do not fail it, and a second load finds nothing."""
    command = ("seed", "--from-file", str(_copy(tmp_path)), "--json")
    first = kamiyo(*command, cwd=tmp_path, KAMIYO_DATABASE_URL=database_url)
    said = [line for line in first.stderr.splitlines() if "outbox_days_dropped" not in line]
    assert (first.returncode, said) == (0, [])
    assert msgspec.json.decode(first.stdout) == [
        {
            "source": "defillama",
            "rows": 3,
            "new": 2,
            "changed": 0,
            "known": 0,
            "unrelated": 0,
            "refused": {"hack_without_name": 1},
            "unreachable": None,
        }
    ]
    second = kamiyo(*command, cwd=tmp_path, KAMIYO_DATABASE_URL=database_url)
    assert second.returncode == 0
    assert msgspec.json.decode(second.stdout)[0]["rows"] == 0


def test_services_that_are_not_there_end_it_with_4(database_url: str, tmp_path: Path) -> None:
    """A table names each source with what came of it, and the code says that not all was reached."""
    nowhere = "http://127.0.0.1:9"
    run = kamiyo(
        "seed",
        cwd=tmp_path,
        KAMIYO_DATABASE_URL=database_url,
        KAMIYO__SOURCES__DEFILLAMA__URL=nowhere,
        KAMIYO__SOURCES__DEFIHACKLABS__URL=nowhere,
        KAMIYO__SOURCES__DEFIHACKLABS__TOKEN="canary-token",
    )
    assert run.returncode == 4
    assert "defillama: NOT LOADED: 127.0.0.1: ConnectError" in run.stdout
    assert "defihacklabs: NOT LOADED: 127.0.0.1: ConnectError" in run.stdout
    assert "canary" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("catalogue",), "catalogue has no history to load; there are: defillama, defihacklabs"),
        (("defillama", "--from-file", "x.json"), "name sources or give copies"),
    ],
)
def test_what_cannot_be_loaded_is_wrong_usage(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """A source without history, or both ways at once, is refused before anything is started."""
    run = kamiyo("seed", *arguments, cwd=tmp_path, KAMIYO_DATABASE_URL="postgresql://x@127.0.0.1:9/x")
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr
