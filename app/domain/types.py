"""The service's own types: plain, frozen, known to every layer.

Events are structs of msgspec, as they are made by the thousand a second: a frozen dataclass of as many fields
takes twenty times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

JsonObject = dict[str, Any]


class EventItem(msgspec.Struct, frozen=True):
    """One line of an event: a product that was seen, put in a cart, bought."""

    item_id: str
    quantity: float | None = None
    price: Decimal | None = None
    index: int | None = None


class Event(msgspec.Struct, frozen=True):
    """Something that happened once. `name` is GA4's name (aliases are already resolved), or a custom one.

    Attributes:
        event_id: Made by the client; unique per tenant.
        happened_at: UTC, as the client says (or the time of receipt).
        received_at: UTC, the service's clock.
        value: Of the whole event, in `currency`.
    """

    event_id: str
    name: str
    happened_at: datetime
    received_at: datetime
    user_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    items: tuple[EventItem, ...] = ()
    value: Decimal | None = None
    currency: str | None = None
    recommendation_id: str | None = None
    context: JsonObject = {}


class EventStatus(StrEnum):
    """What became of one event of a batch."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One stored line of a person's past: an event's name, its item, when."""

    item_id: str
    name: str
    happened_at: datetime
    quantity: float | None = None
    value: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ItemEvents:
    """All lines of one event's name that one person has with one item.

    Attributes:
        count: How many.
        newest_at: When the newest happened.
        value: The mean of the values given; None without any.
    """

    item_id: str
    name: str
    count: int
    newest_at: datetime
    value: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it is shown back, with its place in the log (`seq`, rising)."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class Item:
    """A product, video, article: what is recommended.

    Attributes:
        revision: The catalogue's counter when this row last changed; 0 for one not stored yet.
        cold: Created on first sight by an event; nobody has described it yet.
        deleted: Kept as a marker so that readers of changes see it go.
    """

    item_id: str
    title: str | None = None
    description: str | None = None
    categories: tuple[str, ...] = ()
    price: Decimal | None = None
    currency: str | None = None
    image_url: str | None = None
    url: str | None = None
    brand: str | None = None
    in_stock: bool = True
    hidden: bool = False
    published_at: datetime | None = None
    attributes: JsonObject = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    revision: int = 0
    cold: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class User:
    """A known customer, as the shop describes them."""

    user_id: str
    country: str | None = None
    attributes: JsonObject = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    cold: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose history a list is made from: any of the three ids, or none (a guest without a past)."""

    user_id: str | None = None
    session_id: str | None = None
    anonymous_id: str | None = None

    def names(self) -> tuple[str, ...]:
        """The subject's stamp names, in a fixed order: ``user:…``, ``session:…``, ``anonymous:…``."""
        pairs = (("user", self.user_id), ("session", self.session_id), ("anonymous", self.anonymous_id))
        return tuple(f"{kind}:{value}" for kind, value in pairs if value is not None)


@dataclass(frozen=True, slots=True)
class Query:
    """What a model is asked: a person's positive interactions, oldest first.

    Attributes:
        item_ids: External ids, oldest first; repeats allowed.
        weights: One a place, > 0: the event's weight times its decay at the time of asking.
    """

    item_ids: tuple[str, ...]
    weights: tuple[float, ...]


class KeyKind(StrEnum):
    """Browser, server, admin."""

    PUB = "pub"
    SEC = "sec"
    ADM = "adm"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored: its public id and digest, never the key."""

    key_id: str
    kind: KeyKind
    scopes: frozenset[str]
    digest: bytes
    name: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class JobState(StrEnum):
    """A job's life: queued, running, then one of the three ends."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A retraining: what was asked, how far it is, how it ended.

    Attributes:
        progress: 0 to 1 over all stages.
        detail: Live figures: ``{"epoch", "epochs", "loss": [...], "val_loss": [...], "metric": [...]}``.
        trigger: ``api``, ``schedule``, ``events`` or ``cli``.
    """

    job_id: str
    state: JobState
    model: str
    promote: str
    trigger: str
    stage: str | None = None
    progress: float = 0.0
    seconds_left: float | None = None
    detail: JsonObject = field(default_factory=dict)
    error: str | None = None
    version: str | None = None
    cancel_requested: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lease_until: datetime | None = None


class VersionState(StrEnum):
    """Where a model version stands. One at most is live."""

    CANDIDATE = "candidate"
    LIVE = "live"
    RETIRED = "retired"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A row of the registry; its files are the folder `artifacts/<model>/<version>/`."""

    version: str
    model: str
    state: VersionState
    window_start: datetime | None = None
    window_end: datetime | None = None
    event_count: int = 0
    metrics: JsonObject = field(default_factory=dict)
    gate: JsonObject = field(default_factory=dict)
    reason: str | None = None
    created_at: datetime | None = None
    activated_at: datetime | None = None
    activated_by: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A slice of a long list and where the next one starts (None at the end)."""

    rows: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erasure did. It names nobody: only who holds the service's secret can link it to a user.

    Attributes:
        user_digest: HMAC-SHA-256 of the user's id, hexadecimal; the tombstone carries the same.
        rows: Rows deleted, by table.
    """

    receipt_id: str
    user_digest: str
    erased_at: datetime
    rows: Mapping[str, int]
