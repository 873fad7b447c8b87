"""What is said of a dataset whose past is not kept, or was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from kamiyo.api.pages import Freshness
from kamiyo.core.retention import Dataset, Retained
from kamiyo.core.time import rfc3339
from kamiyo.storage.pool import Connection
from kamiyo.storage.retained import read_retained

# What is kept by a policy, by the name of the list that shows it.
_SHOWN_AS: Mapping[str, Dataset] = {
    "liquidations": Dataset.LIQUIDATIONS,
    "claims": Dataset.CLAIMS,
    "claimed_totals": Dataset.ROLLING_TOTALS,
}


async def with_retention(connection: Connection, known: Freshness, dataset: str) -> Freshness:
    """The same words on freshness, and those on what of the dataset was let go."""
    found = retained_of(await read_retained(connection), dataset) if dataset in _SHOWN_AS else None
    warnings = [] if found is None else warnings_of(found, dataset)
    return msgspec.structs.replace(known, warnings=[*known.warnings, *warnings]) if warnings else known


def retained_of(retained: Sequence[Retained], dataset: str) -> Retained | None:
    """What is known of the list's past; None where all of it is, and was, kept."""
    wanted = _SHOWN_AS.get(dataset)
    return next((each for each in retained if each.dataset is wanted), None)


def warnings_of(found: Retained, dataset: str) -> list[str]:
    """From when on it is kept, and before when only what was read again since is there."""
    name = "rolling totals" if dataset == "claimed_totals" else dataset
    kept, dropped = found.stored_from, found.dropped_before
    if kept is not None:
        return [f"{name} before {rfc3339(kept)} are not kept here"]
    if dropped is not None and found.dataset is Dataset.LIQUIDATIONS:
        return [
            f"{name} before {rfc3339(dropped)} were dropped once: only what was read again since is there"
        ]
    return [f"{name} before {rfc3339(dropped)} were dropped"] if dropped is not None else []
