"""The page of values: what flows through the pipeline, field by field."""

from __future__ import annotations

from typing import Final

from tools.reference.markdown import code, page, prose, section, table
from tools.reference.source import PACKAGE, ClassText, public_classes

MODULES: Final = {
    "events": "What happened on the venue",
    "liquidations": "What fills fold into",
    "exploits": "Cases and the reports behind them",
    "claims": "What others say happened",
    "sources": "What a source is and what may be believed of it",
    "ports": "What moves between the stages",
}
INTRODUCTION: Final = """\
For whoever reads the code, writes a source or wonders what a field means. Values are frozen. Money is
`Decimal`, in USD unless said otherwise; times are aware and in UTC. `None` is always "not known", never
"none of it". What the API answers is in [http](http.md) and [openapi.json](openapi.json)."""


def events_page() -> str:
    return page("Values", INTRODUCTION, *(_module(name, title) for name, title in MODULES.items()))


def documented_classes(module: str) -> list[ClassText]:
    found = public_classes(PACKAGE / "core" / f"{module}.py")
    return [each for each in found if each.fields and "Protocol" not in each.bases]


def _module(name: str, title: str) -> str:
    return section(title, f"Module `kamiyo.core.{name}`.", *map(_class, documented_classes(name)))


def _class(each: ClassText) -> str:
    rows = [_row(field.name, field.type or field.default, field.comment) for field in each.fields]
    commented = any(row[2] for row in rows)
    head = ("Field" if any(field.type for field in each.fields) else "Member", "Is")
    listed = table((*head, "Note"), rows) if commented else table(head, [row[:2] for row in rows])
    return "\n\n".join((f"### {each.name}", prose(each.docstring), listed))


def _row(name: str, kind: str, comment: str) -> tuple[str, str, str]:
    return code(name), code(kind), comment
