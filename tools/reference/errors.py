"""The page of errors: what KAMIYO raises, what its commands end with, and what its API answers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from itertools import pairwise
from typing import Final

from kamiyo.cli import exits
from kamiyo.core.errors import KamiyoError
from tools.reference.markdown import code, codes, one_line, page, section, table
from tools.reference.source import PACKAGE, calls, literal, modules, tree_of

INTRODUCTION: Final = """\
For whoever calls the API, runs a command in a script, or reads the log. Every error of the API is
`application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail`, `instance`, `request_id`,
`code` and `errors`; a program should look at `code`, which is stable, and never at `detail`. The log has
more under the same `request_id`."""

# What each code means; a code used in the code without a sentence here is an error of `./dev docs`.
PROBLEMS: Final = {
    "body_too_large": "the body of a change is larger than any change needs",
    "case_conflict": "the change does not fit what stands in the casebook now; `detail` says why",
    "cross_site": "a page of another origin asked for a change; only own pages and programs may",
    "cursor_expired": "the stream no longer holds what follows the cursor: read the lists again",
    "export_elsewhere": "the file is not on this machine: servers and workers must share a home",
    "export_not_done": "the export has no whole file: it waits, is being written, or failed as `detail` says",
    "exports_full": "the files of exports take all the room they may: delete some",
    "http_error": "any other error of HTTP itself",
    "idempotency_key_reused": "something else was asked for under this `Idempotency-Key`",
    "internal_error": "a defect of ours; the log has it under the `request_id`",
    "invalid_body": "the body is cut off, no JSON, or not of the documented form; `detail` says where",
    "invalid_cursor": "a list's cursor was not given out for this list in this order",
    "invalid_parameters": "a parameter is unknown, repeated, malformed or out of range; `errors` names each",
    "method_not_allowed": "the path is not asked by this method",
    "no_exports_here": "what is shown is played, and cannot be exported",
    "not_found": "nothing is stored under this id, or there is no such path",
    "not_json": "the body of a change must be sent as `application/json`",
    "range_not_satisfiable": "the file has no such bytes; `Content-Range` says how many it has",
    "schema_mismatch": "the database has another schema than this version of KAMIYO: see its log",
    "storage_unavailable": "the database does not answer; asking again later works, nothing stored is lost",
    "too_long": "path and query together are too long",
    "too_many_exports": "so many exports are open that no other is begun: wait for one, or delete one",
    "unknown_host": "the server does not answer under the name it was asked by",
}
FIELDS: Final = {
    "invalid_cursor": "not a cursor of this list",
    "malformed": "not of the documented form",
    "missing": "needed and not given",
    "not_an_integer": "no whole number",
    "not_one_of_the_allowed": "not one of the documented words",
    "out_of_range": "too small, too large, or an empty or too long window",
    "repeated_parameter": "given more than once",
    "too_many_parameters": "more parameters than anybody needs",
    "unknown_parameter": "no parameter of this path: a misspelt filter must not be ignored",
}
_CODE: Final = re.compile(r"[a-z]+(_[a-z]+)*")
_API: Final = "api"
_STREAM: Final = "api/stream"


def errors_page() -> str:
    return page(
        "Errors",
        INTRODUCTION,
        section("Problems of the API", _problems()),
        section("Codes in `errors`", _fields()),
        section("Exit codes of commands", table(("Code", "Name"), _exit_codes()), exits.TABLE),
        section("What the code raises", "An error that ends a command sets its exit code.", _raised()),
    )


def own_errors(kind: type[KamiyoError] = KamiyoError) -> Iterator[type[KamiyoError]]:
    """Every error of ours, parents first, in the order of the module."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == KamiyoError.__module__:
            yield from own_errors(child)


def problem_codes() -> dict[str, set[int]]:
    """Every problem code of the API with the statuses it is answered with."""
    found: dict[str, set[int]] = {}
    for path in modules(_API):
        if _STREAM not in path.as_posix():
            for status, name in _pairs(tree_of(path)):
                found.setdefault(name, set()).add(status)
    found.setdefault("http_error", set())
    return found


def field_codes() -> set[str]:
    """Every code that names what is wrong with one parameter."""
    found = {"malformed"}
    for path in modules(_API):
        for called, call in calls(tree_of(path)):
            if called == "FieldError" and len(call.args) > 1 and _is_code(value := literal(call.args[1])):
                found.add(str(value))
    for key, value in _dictionary_items(tree_of(PACKAGE / _API / "problems.py")):
        if isinstance(literal(key), str) and _is_code(name := literal(value)):
            found.add(str(name))
    return found


def _pairs(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        elements = (
            node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
        )
        yield from _adjacent(elements)
    for key, value in _dictionary_items(tree):
        yield from _adjacent([key, value])


def _adjacent(elements: list[ast.expr]) -> Iterator[tuple[int, str]]:
    values = [literal(each) for each in elements]
    for status, name in pairwise(values):
        if isinstance(status, int) and status in set(HTTPStatus) and _is_code(name):
            yield status, str(name)


def _dictionary_items(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield from ((k, v) for k, v in zip(node.keys, node.values, strict=True) if k is not None)


def _is_code(value: object) -> bool:
    return isinstance(value, str) and _CODE.fullmatch(value) is not None


def _problems() -> str:
    rows = [
        (code(name), ", ".join(str(status) for status in sorted(statuses)) or "as HTTP says", PROBLEMS[name])
        for name, statuses in sorted(problem_codes().items())
    ]
    return table(("`code`", "Status", "Means"), rows)


def _fields() -> str:
    return table(
        ("`code`", "The parameter is"), [(code(name), FIELDS[name]) for name in sorted(field_codes())]
    )


def _exit_codes() -> list[tuple[str, str]]:
    return [(str(each.value), code(each.name)) for each in exits.Exit]


def _raised() -> str:
    rows = [
        (code(each.__name__), codes(_parents(each)), one_line(each.__doc__), str(exits.code_of(each()).value))
        for each in own_errors()
    ]
    return table(("Error", "Is a", "Means", "Exit code"), rows)


def _parents(kind: type[KamiyoError]) -> list[str]:
    return [each.__name__ for each in kind.__bases__ if issubclass(each, KamiyoError)]
