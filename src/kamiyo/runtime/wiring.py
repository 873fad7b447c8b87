"""The composition root: the only place that knows both the ports and who implements them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, cast

import msgspec

from kamiyo import aggregators
from kamiyo.aggregators.base import AggregatorSettings, AggregatorSpec, BaseAggregator, Toolbox
from kamiyo.core.errors import InvalidSettings
from kamiyo.kit.plugins import discover
from kamiyo.runtime.settings import Settings, decode_setting

_NOTICED_SILENCE = timedelta(seconds=2)
_SHARED = frozenset({"base", "social"})


def known_aggregators() -> Mapping[str, AggregatorSpec[Any]]:
    """Every aggregator shipped, by name."""
    kind = cast("type[AggregatorSpec[Any]]", AggregatorSpec)
    return discover(aggregators, "AGGREGATOR", kind, shared=_SHARED)


def check_sources(settings: Settings) -> None:
    """InvalidSettings for a table no source or key answers to."""
    _tables(settings)


def build_aggregators(
    settings: Settings, tools: Toolbox, *, only: Collection[str] | None = None, speed: int = 1
) -> list[BaseAggregator]:
    """Every aggregator, or only those, with its own settings; InvalidSettings as in ``check_sources``.

    Where time runs ``speed`` times as fast as the machine's, a moment's pause of the machine is a long
    silence: a source is called stale only after one that the machine, too, would notice.
    """
    return [
        _build(spec, table, tools, speed * _NOTICED_SILENCE)
        for spec, table in _tables(settings)
        if only is None or spec.name in only
    ]


def _build(
    spec: AggregatorSpec[Any], table: AggregatorSettings, tools: Toolbox, shortest_silence: timedelta
) -> BaseAggregator:
    aggregator = spec.build(table, tools)
    aggregator.active = table.active
    described = aggregator.description
    aggregator.description = msgspec.structs.replace(
        described, silence_limit=max(described.silence_limit, shortest_silence)
    )
    return aggregator


def _tables(settings: Settings) -> list[tuple[AggregatorSpec[Any], AggregatorSettings]]:
    known = known_aggregators()
    unknown = sorted(set(settings.sources) - set(known))
    if unknown:
        raise InvalidSettings(f"no source is named {unknown[0]!r}; known: {', '.join(sorted(known))}")
    return [
        (spec, _table(name, spec.settings, settings.sources.get(name, {}))) for name, spec in known.items()
    ]


def _table(name: str, kind: type[AggregatorSettings], table: Mapping[str, object]) -> AggregatorSettings:
    try:
        return msgspec.convert(dict(table), kind, strict=False, dec_hook=decode_setting)
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"sources.{name}: {error}") from error
