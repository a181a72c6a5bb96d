"""The one tree of errors that a caller may see.

    RecserveError
    ├── InvalidInputError        422  invalid-input        carries [FieldError]
    │   └── UnreadableInputError 400  unreadable-input     not JSON, not UTF-8, NaN, a member named twice
    ├── UnauthorizedError        401  unauthorized
    ├── ForbiddenError           403  forbidden
    ├── NotFoundError            404  not-found
    ├── ConflictError            409  conflict
    │   └── JobRunningError      409  job-running          carries the running job's id
    ├── TooLargeError            413  too-large
    ├── UnsupportedMediaError    415  unsupported-media-type
    ├── ArtifactRefusedError     409  artifact-refused     missing, damaged, not finite, not of this catalogue
    ├── RateLimitedError         429  rate-limited         carries retry_after_s and the quota
    └── UnavailableError         503  unavailable          carries retry_after_s
        └── StorageUnavailableError   storage-unavailable

Nothing here knows HTTP beyond the number; `api/problems.py` turns these into RFC 9457 answers.
"""

from __future__ import annotations

from dataclasses import dataclass

DETAILS_LOGGED = "the log has the details"
"""How the reason of a failed job ends where a bug failed it."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field at fault.

    Attributes:
        pointer: JSON pointer into the body (``/events/0/items/1/item_id``), or ``?name`` for a query
            parameter, or ``path:name`` for a part of the path.
        reason: What is wrong, in words, without the value itself.
    """

    pointer: str
    reason: str


class RecserveError(Exception):
    """Anything the service tells its caller about. `str(error)` is safe to show."""

    slug = "internal"
    title = "Internal error"
    status = 500


class InvalidInputError(RecserveError):
    """The input was read but a field of it cannot be accepted."""

    slug, title, status = "invalid-input", "The input is not valid", 422

    def __init__(self, detail: str, errors: list[FieldError] | None = None) -> None:
        super().__init__(detail)
        self.errors = errors or []


class UnreadableInputError(InvalidInputError):
    """The input is not the JSON this service reads."""

    slug, title, status = "unreadable-input", "The input cannot be read", 400


class UnauthorizedError(RecserveError):
    """No key, or one that is unknown, revoked or expired."""

    slug, title, status = "unauthorized", "A valid key is needed", 401


class ForbiddenError(RecserveError):
    """The key is good but may not do this."""

    slug, title, status = "forbidden", "This key may not do that", 403


class NotFoundError(RecserveError):
    """The named thing does not exist."""

    slug, title, status = "not-found", "Not found", 404


class ConflictError(RecserveError):
    """The state of things forbids it now."""

    slug, title, status = "conflict", "In conflict with the current state", 409


class JobRunningError(ConflictError):
    """A retraining runs already."""

    slug, title = "job-running", "A job is running already"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job {job_id} is running; wait for it or cancel it.")
        self.job_id = job_id


class TooLargeError(RecserveError):
    """A body or a batch over its limit; nothing was stored."""

    slug, title, status = "too-large", "Too large", 413


class UnsupportedMediaError(RecserveError):
    """A content type that this call does not take."""

    slug, title, status = "unsupported-media-type", "Unsupported media type", 415


class ArtifactRefusedError(RecserveError):
    """A model version that must not serve: missing, damaged, not finite, or of another catalogue."""

    slug, title, status = "artifact-refused", "The model version was refused", 409


class RateLimitedError(RecserveError):
    """The key has made all the requests that it may make for now."""

    slug, title, status = "rate-limited", "Too many requests", 429

    def __init__(self, detail: str, *, retry_after_s: int, quota: int) -> None:
        super().__init__(detail)
        self.retry_after_s, self.quota = retry_after_s, quota


class UnavailableError(RecserveError):
    """Not now; try again after `retry_after_s` seconds."""

    slug, title, status = "unavailable", "Not available right now", 503

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class StorageUnavailableError(UnavailableError):
    """The database did not take or give the data in time."""

    slug, title = "storage-unavailable", "The database is not available"
