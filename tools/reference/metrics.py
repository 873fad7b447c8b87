"""The page of metrics, read from the one module that makes them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tools.reference.markdown import code, codes, page, table
from tools.reference.source import PACKAGE, calls, literal, tree_of

KINDS: Final = ("Counter", "Gauge", "Histogram")
INTRODUCTION: Final = """\
For whoever watches a running KAMIYO. `GET /metrics` answers in the text format Prometheus reads. What is
not known is absent, never 0: a source that was never heard has no age. Labels come from closed sets; none
holds an asset, an account or a path as somebody typed it."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is declared."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def metrics_page() -> str:
    rows = [
        (code(each.name), each.kind.lower(), codes(each.labels), each.meaning) for each in declared_metrics()
    ]
    return page("Metrics", INTRODUCTION, table(("Metric", "Kind", "Labels", "Meaning"), rows))


def declared_metrics() -> Iterator[Metric]:
    for kind, call in calls(tree_of(PACKAGE / "kit" / "metrics.py")):
        if kind in KINDS:
            yield _metric(kind, call)


def _metric(kind: str, call: ast.Call) -> Metric:
    name, meaning, *rest = call.args
    elements = rest[0].elts if rest and isinstance(rest[0], ast.List) else []
    return Metric(
        name=str(literal(name)),
        kind=kind,
        labels=tuple(str(literal(element)) for element in elements),
        meaning=str(literal(meaning)),
    )
