"""The page of sources: what each aggregator says of the source it reads."""

from __future__ import annotations

import inspect
from datetime import timedelta
from pathlib import Path
from typing import Final

from kamiyo.aggregators.base import BaseAggregator, Toolbox
from kamiyo.kit.clock import SystemClock
from kamiyo.runtime.settings import Settings
from kamiyo.runtime.wiring import build_aggregators
from tools.reference.markdown import code, page, prose, section, table

INTRODUCTION: Final = """\
For whoever wants to know where the rows come from. Each source is one module of `kamiyo.aggregators`;
lower priority starts first. A stream is called live only while it was heard within its silence limit and
what it says is not older than its lag limit. [Data quality](../explanation/data-quality.md) explains
states and labels, [settings](settings.md) what can be set, [rules](rules.md) why something is refused."""


def sources_page() -> str:
    built = sorted(described_sources(), key=lambda each: (each.description.priority, each.name))
    return page("Sources", INTRODUCTION, *map(_source, built))


def described_sources() -> list[BaseAggregator]:
    return build_aggregators(Settings(), Toolbox(clock=SystemClock()))


def _source(aggregator: BaseAggregator) -> str:
    said = aggregator.description
    module = inspect.getmodule(type(aggregator))
    rows = (
        ("type", code(said.type)),
        ("reads", code(_portable(said.url))),
        ("priority", str(said.priority)),
        ("coverage label", code(said.label)),
        ("silence limit", _seconds(said.silence_limit)),
        ("lag limit", _seconds(said.lag_limit)),
    )
    about = "\n\n".join(prose(each.__doc__) for each in (module, type(aggregator)))
    return section(f"`{said.name}`", about, table(("", "As shipped"), rows))


def _portable(url: str) -> str:
    """Name the home directory as anybody would: the page must not depend on who made it."""
    home = str(Path("~/x").expanduser()).removesuffix("/x")
    return url.replace(f"file:{home}/", "file:~/")


def _seconds(duration: timedelta) -> str:
    return f"{duration // timedelta(seconds=1)} s"
