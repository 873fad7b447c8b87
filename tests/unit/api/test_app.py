"""The documentation the routes make of themselves."""

from typing import Any, cast

from kamiyo.api.app import build_api
from kamiyo.api.routes.document import build_document
from kamiyo.api.state import ApiState

ROUTES = {
    "/exploits", "/exploits/{tx_hash}", "/liquidations", "/liquidations/{liquidation_id}", "/honest-cases",
    "/markets", "/markets/{asset}", "/vaults", "/vaults/{address}", "/positions",
    "/claims", "/claims/totals", "/claims/positions",
    "/stats", "/meta", "/sources", "/coverage", "/coverage/days", "/coverage/slots",
    "/health", "/health/live", "/health/ready", "/metrics",
    "/reports", "/reviews", "/exploits/{tx_hash}/history", "/backfills", "/backfills/{backfill_id}",
    "/exports/{export_id}/file",
}  # fmt: skip
CHANGES = {
    "/exploits/{tx_hash}/merge", "/exploits/{tx_hash}/split", "/exploits/{tx_hash}/status",
    "/exploits/{tx_hash}/history/{event_id}/undo", "/reviews/{review_id}/answer",
}  # fmt: skip


def document():
    nothing = cast("Any", None)
    state = ApiState(pool=nothing, cache=nothing, clock=nothing, version="1", started_at=nothing)
    return build_document(build_api(state))


def references(node):
    """Every reference in a document."""
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


def test_every_route_is_documented():
    """The document has the routes of the product, each read with GET or changed with POST."""
    paths = document()["paths"]
    assert {path for path, methods in paths.items() if set(methods) == {"get"}} == ROUTES
    assert {path for path, methods in paths.items() if set(methods) == {"post"}} == CHANGES
    others = {path: set(methods) for path, methods in paths.items() if path not in ROUTES | CHANGES}
    assert others == {
        "/sources/{name}": {"patch"},
        "/exports": {"get", "post"},
        "/exports/{export_id}": {"get", "delete"},
    }


def test_every_change_says_what_it_takes():
    """Its body is described, with who changes and why, and so is what it may be refused for."""
    paths = document()["paths"]
    for path in CHANGES:
        described = paths[path]["post"]
        schema = described["requestBody"]["content"]["application/json"]["schema"]
        assert {"author", "reason"} <= set(schema["required"]), path
        assert {"403", "404", "409", "413", "415", "422"} <= set(described["responses"]), path


def test_every_answer_is_described():
    """Each route says what a success looks like and that errors are problems, in shapes that exist."""
    found = document()
    for path, methods in found["paths"].items():
        for method, described in methods.items():
            answers = described["responses"]
            good = [status for status in ("200", "202", "204") if status in answers]
            assert len(good) == 1, path
            assert method == "delete" or answers[good[0]]["content"], path
            assert list(answers["422"]["content"]) == ["application/problem+json"], path
    shapes = found["components"]["schemas"]
    assert {each.rpartition("/")[2] for each in references(found)} <= set(shapes)
    assert "HTTPValidationError" not in shapes
