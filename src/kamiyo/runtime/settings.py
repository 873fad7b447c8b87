"""The one place that reads the environment: code defaults, then kamiyo.toml, then KAMIYO_* variables."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from kamiyo.core.errors import InvalidSettings
from kamiyo.core.retention import RetentionRule, policies_of
from kamiyo.kit.secret import Secret

DEFAULT_HOME = "~/.local/share/kamiyo"
_PREFIX = "KAMIYO_"
_TABLES = ("sources", "retention")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Each field is ``KAMIYO_<NAME>`` in the environment."""

    home: str = DEFAULT_HOME
    database_url: Secret | None = None
    redis_url: Secret | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    log_json: bool = False
    database_pool_size: int = 8
    backfill_objects_at_once: Annotated[int, msgspec.Meta(ge=2, le=32)] = 2
    gap_backfill_after_hours: Annotated[int, msgspec.Meta(ge=0, le=8760)] = 2
    export_keep_hours: Annotated[int, msgspec.Meta(ge=1, le=8760)] = 72
    export_most_bytes: Annotated[int, msgspec.Meta(ge=1_000_000)] = 20_000_000_000
    export_most_open: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 8
    sources: dict[str, dict[str, object]] = {}
    retention: dict[str, RetentionRule] = {}

    @property
    def home_path(self) -> Path:
        """Where embedded engines keep their data, and files of exports are."""
        return Path(self.home).expanduser()


DESCRIPTIONS = {
    "home": "directory of the embedded engines' data, and of the files of exports",
    "database_url": "external PostgreSQL (15 or later); unset: an embedded PostgreSQL is started",
    "redis_url": "external Redis or Valkey; unset: an embedded Valkey is started",
    "host": "address the API listens on; only loopback addresses are allowed while there are no API keys",
    "port": "port the API listens on",
    "log_json": "log JSON lines instead of text",
    "database_pool_size": "connections to the database each process may use",
    "backfill_objects_at_once": "objects of history each worker reads at a time, 2 to 32",
    "gap_backfill_after_hours": "how long after its end a gap is looked for in an archive",
    "export_keep_hours": "how long the file of an export is kept",
    "export_most_bytes": "how many bytes all files of exports may take",
    "export_most_open": "how many exports may be waiting or being written at a time",
    "sources": "a table for each source: [sources.NAME] in kamiyo.toml, or KAMIYO__SOURCES__NAME__KEY",
    "retention": "a table for each dataset: [retention.NAME] in kamiyo.toml, or KAMIYO__RETENTION__NAME__KEY",
}


def load(environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """The settings in force; InvalidSettings names the first thing that is wrong and where it is set."""
    table: dict[str, object] = {} if file is None else _read(file)
    for name in (field for field in Settings.__struct_fields__ if field not in _TABLES):
        value = environment.get(_PREFIX + name.upper())
        if value:
            table[name] = value
    for name in _TABLES:
        table[name] = _tables(name, environment, table.get(name, {}))
    try:
        settings = msgspec.convert(table, Settings, strict=False, dec_hook=decode_setting)
    except msgspec.ValidationError as error:
        raise InvalidSettings(
            f"{error}; settings come from {file or 'no file'} and {_PREFIX}* variables"
        ) from error
    policies_of(settings.retention)
    _check_url("database_url", settings.database_url, ("postgresql", "postgres"))
    _check_url("redis_url", settings.redis_url, ("redis", "rediss", "unix"))
    return settings


def load_from_process(file: Path | None = None) -> Settings:
    """The settings of this process: its environment, and ``file`` or ``./kamiyo.toml`` where there is one."""
    default = Path("kamiyo.toml")
    return load(os.environ, file or (default if default.exists() else None))


def _check_url(name: str, url: Secret | None, schemes: tuple[str, ...]) -> None:
    """InvalidSettings for a kind of URL nobody answers to. It may hold a password, so it is not shown."""
    if url is not None and url.reveal().partition("://")[0] not in schemes:
        known = " or ".join(f"{scheme}://" for scheme in schemes)
        raise InvalidSettings(f"{name} must begin with {known}")


def _read(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"{file}: {error}") from error


def _tables(kind: str, environment: Mapping[str, str], table: object) -> dict[str, dict[str, object]]:
    try:
        found = msgspec.convert(table, dict[str, dict[str, object]])
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"{kind}: {error}") from error
    prefix = f"{_PREFIX}_{kind.upper()}__"
    for variable, value in environment.items():
        name, separator, key = variable.removeprefix(prefix).partition("__")
        if variable.startswith(prefix) and separator:
            found.setdefault(name.lower(), {})[key.lower()] = value
    return found


def decode_setting(kind: type, value: object) -> object:
    """A setting whose kind is our own; TypeError for what cannot be set."""
    if kind is object:  # a setting of a source: checked when that source is built
        return value
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"cannot be set: {kind.__name__}")
