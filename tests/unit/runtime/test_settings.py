"""Settings: what wins, what is refused, and what is never shown."""

from pathlib import Path

import pytest

from kamiyo.core.errors import InvalidSettings
from kamiyo.core.retention import RetentionRule
from kamiyo.runtime.settings import DESCRIPTIONS, Settings, load


def a_file(folder: Path, text: str) -> Path:
    file = folder / "kamiyo.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_anything_set_the_defaults_hold() -> None:
    """They listen on this machine only and start engines of their own."""
    settings = load({})
    assert settings == Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.database_url is None
    assert settings.home_path == Path("~/.local/share/kamiyo").expanduser()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """What neither sets keeps its default, and an empty variable sets nothing."""
    file = a_file(tmp_path, 'port = 9000\nhome = "/file"\n')
    settings = load({"KAMIYO_PORT": "9001", "KAMIYO_HOME": "", "PORT": "1"}, file)
    assert (settings.port, settings.home, settings.host) == (9001, "/file", "127.0.0.1")


def test_sources_come_from_both_and_merge(tmp_path: Path) -> None:
    """A variable names source and key; everything after the second separator is the key."""
    file = a_file(tmp_path, '[sources.hyperliquid_node]\npath = "/file"\nchain = "kept"\n')
    environment = {
        "KAMIYO__SOURCES__HYPERLIQUID_NODE__PATH": "/environment",
        "KAMIYO__SOURCES__OTHER__A__B": "1",
        "KAMIYO__SOURCES__IGNORED": "no key",
    }
    assert load(environment, file).sources == {
        "hyperliquid_node": {"path": "/environment", "chain": "kept"},
        "other": {"a__b": "1"},
    }


def test_secrets_are_not_shown_by_what_holds_them() -> None:
    """A password in a URL stays out of every representation."""
    settings = load({"KAMIYO_DATABASE_URL": "postgresql://me:hunter2@host/db"})
    assert settings.database_url is not None
    assert settings.database_url.reveal() == "postgresql://me:hunter2@host/db"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("KAMIYO_DATABASE_URL", "mysql://me:hunter2@host/db"),
        ("KAMIYO_DATABASE_URL", "host=localhost password=hunter2"),
        ("KAMIYO_REDIS_URL", "http://:hunter2@host"),
    ],
)
def test_a_url_nobody_answers_to_is_refused_without_its_password(variable: str, url: str) -> None:
    """Waiting for it would be waiting for ever."""
    with pytest.raises(InvalidSettings, match=variable.removeprefix("KAMIYO_").lower()) as refused:
        load({variable: url})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("port", ["http", "1.5", "-7x"])
def test_a_variable_of_the_wrong_kind_is_refused_and_named(port: str) -> None:
    """Instead of starting somewhere nobody looks."""
    with pytest.raises(InvalidSettings, match="port"):
        load({"KAMIYO_PORT": port})


@pytest.mark.parametrize("text", ["prot = 1\n", "port = [\n", "sources = 3\n", "[sources]\nnode = 3\n"])
def test_a_file_that_says_what_nobody_understands_is_refused(tmp_path: Path, text: str) -> None:
    """A misspelt setting must not be ignored."""
    with pytest.raises(InvalidSettings):
        load({}, a_file(tmp_path, text))


def test_a_file_that_is_named_and_missing_is_refused(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(InvalidSettings, match=r"absent\.toml"):
        load({}, tmp_path / "absent.toml")


def test_every_setting_is_described() -> None:
    """The reference page is made of these sentences."""
    assert set(DESCRIPTIONS) == set(Settings.__struct_fields__)


def test_retention_is_set_by_dataset_in_both_places(tmp_path: Path) -> None:
    """As sources are; one that cannot be followed stops the start."""
    file = a_file(tmp_path, '[retention.liquidations]\nkeep = "3 months"\nexport_to = "/file"\n')
    settings = load({"KAMIYO__RETENTION__LIQUIDATIONS__KEEP": "ever"}, file)
    assert settings.retention == {"liquidations": RetentionRule(keep="ever", export_to="/file")}
    for variable, value in (
        ("LIQUIDATIONS__KEEP", "long"),
        ("LIQUIDATIONS__KEPT", "ever"),
        ("A__KEEP", "ever"),
    ):
        with pytest.raises(InvalidSettings):
            load({f"KAMIYO__RETENTION__{variable}": value}, file)
