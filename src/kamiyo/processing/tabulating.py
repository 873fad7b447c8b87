"""Rows of a list as rows of a table: what is nested becomes columns of its own, or JSON."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, get_args, get_origin

import msgspec

from kamiyo.core.exports import ExportDataset
from kamiyo.kit.parquet import Column, Kind
from kamiyo.storage.export_sets import SETS, in_columns

_PLAIN: dict[object, Kind] = {str: Kind.TEXT, int: Kind.INTEGER, bool: Kind.TRUTH, list[str]: Kind.TEXTS}
_NULL = "null"


class _Path(NamedTuple):
    """Where a column's value is in a row: attributes one below the other."""

    names: tuple[str, ...]
    kind: object

    @property
    def column(self) -> str:
        return "_".join(self.names)


class Table(msgspec.Struct, frozen=True):
    """The columns of a list. ``jsons`` are those, by their place, whose values are told as JSON."""

    columns: tuple[Column, ...]
    jsons: tuple[int, ...]
    read: Callable[[msgspec.Struct], tuple[object, ...]]

    @property
    def names(self) -> list[str]:
        """What the columns are called."""
        return [each.name for each in self.columns]

    def places(self, *kinds: Kind) -> list[int]:
        """Where the columns of these kinds are."""
        return [place for place, each in enumerate(self.columns) if each.kind in kinds]

    def cells(self, row: msgspec.Struct) -> list[object]:
        """A row of the list as cells: numbers and moments as the text they are shown as."""
        cells = list(self.read(in_columns(row)))
        for place in self.jsons:
            cells[place] = _json(cells[place])
        return cells


@cache
def table_of(dataset: ExportDataset) -> Table:
    """The columns of a list, in the order of its fields."""
    known = SETS[dataset]
    paths = list(_paths(known.table, ()))
    columns = [Column(each.column, _kind(each, known.decimals, known.moments)) for each in paths]
    jsons = [place for place, each in enumerate(paths) if each.kind not in _PLAIN]
    read: Callable[[Any], tuple[object, ...]] = attrgetter(*(".".join(each.names) for each in paths))
    return Table(tuple(columns), tuple(jsons), read)


def _paths(kind: type[msgspec.Struct], above: tuple[str, ...]) -> Iterator[_Path]:
    for field in msgspec.structs.fields(kind):
        names, known = (*above, field.name), _known(field.type)
        if isinstance(known, type) and issubclass(known, msgspec.Struct):
            yield from _paths(known, names)
        else:
            yield _Path(names, known)


def _known(kind: object) -> object:
    """What it is where it is known."""
    if get_origin(kind) is not types.UnionType:
        return kind
    return next(each for each in get_args(kind) if each is not types.NoneType)


def _kind(path: _Path, decimals: frozenset[str], moments: frozenset[str]) -> Kind:
    if path.column in decimals:
        return Kind.DECIMAL
    return Kind.MOMENT if path.column in moments else _PLAIN.get(path.kind, Kind.TEXT)


def _json(value: object) -> str | None:
    text = msgspec.json.encode(value).decode()
    return None if text == _NULL else text
