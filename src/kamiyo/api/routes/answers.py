"""Bytes as an answer."""

from __future__ import annotations

from starlette.responses import Response


def json_answer(content: bytes, status: int = 200) -> Response:
    """Encoded JSON; a reader must ask again rather than show it later as if it were now."""
    return Response(content, status, {"Cache-Control": "no-cache"}, "application/json")
