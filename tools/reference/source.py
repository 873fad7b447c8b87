"""Reads what the source code says of itself: classes, fields, constants and the comments beside them."""

from __future__ import annotations

import ast
import functools
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = REPOSITORY / "src" / "kamiyo"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a class, or one member of an enumeration (then without a type)."""

    name: str
    type: str
    default: str
    comment: str


@dataclass(frozen=True, slots=True)
class ClassText:
    """One public class as it stands in the source."""

    name: str
    docstring: str
    bases: tuple[str, ...]
    fields: tuple[Field, ...]


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name_of(path: Path) -> str:
    """Name a module as the code imports it, without the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (PACKAGE / folder).rglob("*.py"))


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the last part of the name that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node


def literal(node: ast.expr | None) -> object:
    """Give what a literal stands for; None for anything else."""
    return node.value if isinstance(node, ast.Constant) else None


def public_classes(path: Path) -> Iterator[ClassText]:
    comments = _comments(path)
    for node in tree_of(path).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bases = tuple(ast.unparse(base) for base in node.bases)
            fields = tuple(_fields(node, comments))
            yield ClassText(node.name, ast.get_docstring(node) or "", bases, fields)


def _fields(node: ast.ClassDef, comments: dict[int, str]) -> Iterator[Field]:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            default = "" if item.value is None else ast.unparse(item.value)
            comment = comments.get(item.lineno, "")
            yield Field(item.target.id, ast.unparse(item.annotation), default, comment)
        elif isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
            name, value = item.targets[0].id, ast.unparse(item.value)
            yield Field(name, "", value, comments.get(item.lineno, ""))


@functools.cache
def _comments(path: Path) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    found = {each.start[0]: each.string for each in tokens if each.type == tokenize.COMMENT}
    return {line: text.lstrip("# ") for line, text in found.items() if "noqa" not in text}
