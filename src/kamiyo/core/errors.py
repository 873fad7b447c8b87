"""Everything KAMIYO raises on purpose.

KamiyoError
├── Transient               trying again may work
│   ├── SourceUnavailable
│   │   ├── RateLimited     (it answered that we asked too much)
│   │   └── ConnectionEnded (a WebSocket was closed; carries the code)
│   ├── StorageUnavailable
│   └── LeaseLost           (another worker does what this one did)
└── Permanent               trying again cannot work
    ├── MalformedPayload    (one payload or row; the stream goes on; carries the rule it broke)
    ├── CorruptObject       (an object of an archive does not hold what it should; names it)
    ├── QuestionRefused     (a source will never answer this question)
    │   └── NoSuchThing     (it knows nothing of the name that was asked for)
    ├── InvalidSettings
    ├── InvalidQuery
    ├── CursorExpired
    ├── UnknownCase         (no exploit, report, review or event has this name)
    ├── CaseConflict        (the case is no longer, or not, as a change of it needs it)
    ├── StorageRefused      (the database will never take this batch)
    ├── EngineFailed
    └── SchemaMismatch
"""

from __future__ import annotations


class KamiyoError(Exception):
    """Something went wrong."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or type(self).__doc__)


class Transient(KamiyoError):
    """The operation failed but may succeed if repeated."""


class SourceUnavailable(Transient):
    """A source could not be reached or stopped answering."""


class RateLimited(SourceUnavailable):
    """A source answered that it was asked too much."""


class ConnectionEnded(SourceUnavailable):
    """A connection that was open ended."""

    def __init__(self, detail: str = "", *, code: int | None = None) -> None:
        super().__init__(detail)
        self.code = code  # of the close frame, or the one that stands for a lack of it


class StorageUnavailable(Transient):
    """The database could not be reached or did not accept the work."""


class LeaseLost(Transient):
    """Another worker was given what this one held; nothing of what this one wrote since was stored."""


class Permanent(KamiyoError):
    """The operation failed and repeating it cannot help."""


class MalformedPayload(Permanent):
    """A source sent something that does not match its documented shape."""

    def __init__(self, detail: str = "", *, rule: str = "malformed") -> None:
        super().__init__(detail)
        self.rule = rule


class CorruptObject(Permanent):
    """An object of an archive is cut off, or does not hold what its name says."""


class QuestionRefused(Permanent):
    """A source refused a question and would refuse it again."""


class NoSuchThing(QuestionRefused):
    """A source knows nothing of what it was asked about."""


class InvalidSettings(Permanent):
    """The configuration is not usable."""


class InvalidQuery(Permanent):
    """A caller asked for something that cannot be answered."""


class CursorExpired(Permanent):
    """The stream can no longer be resumed from this cursor."""


class UnknownCase(Permanent):
    """What a person named is not in the casebook."""


class CaseConflict(Permanent):
    """What a person asked for does not fit what stands in the casebook now."""


class StorageRefused(Permanent):
    """The database will never accept this work as it is."""


class EngineFailed(Permanent):
    """An embedded engine could not be started."""


class SchemaMismatch(Permanent):
    """The database's schema is not the one this version of KAMIYO knows."""
