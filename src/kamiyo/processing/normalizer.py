"""Turn payloads into facts: apply a source's pure function, and keep what it refuses."""

from __future__ import annotations

from collections.abc import Callable

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ports import Counted, Normalized, Raw, reject

Normalize = Callable[[Raw], Normalized]


def normalize(source_normalize: Normalize, raw: Raw) -> Normalized:
    """What the payload says, or the one reject it becomes. Never an exception, never silence."""
    try:
        return source_normalize(raw)
    except MalformedPayload as error:
        refused = reject(raw, rule=error.rule, detail=str(error))
        return Normalized(rejects=(refused,), counts={Counted.PAYLOADS: 1, Counted.REJECTS: 1})
