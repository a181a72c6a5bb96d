"""What the use cases need from outside, one protocol a need. `adapters/` fills them, tests fake them.

Stores are bound to one tenant when they are built. Every writing method is one transaction of its own and has
committed when it returns. A database that does not answer in time raises `StorageUnavailableError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from app.domain.exposures import Exposure, Outcome, Response
from app.domain.segments import Segment
from app.domain.steering import Definition, DefinitionKind
from app.domain.types import (
    ApiKey,
    Event,
    EventStatus,
    Interaction,
    Item,
    ItemEvents,
    Job,
    JobState,
    JsonObject,
    ModelVersion,
    Page,
    Query,
    StoredEvent,
    Subject,
    User,
    VersionState,
)


class Clock(Protocol):
    """Wall time, UTC."""

    def now(self) -> datetime:
        """The current time with a UTC offset."""


# --- SQL: the truth ---


@dataclass(frozen=True, slots=True)
class Appended:
    """What a committed group of events did.

    Attributes:
        statuses: One an event, in order: accepted, duplicate, or rejected for an unknown item.
        new_item_ids: Items created on first sight.
        revision: The catalogue's, where items were created; 0 where none were.
        unknown: ``(event, line)`` positions in the group of the items that caused a rejection.
        merged_user_ids: Users whose merged guests have events in the group, duplicates included.
    """

    statuses: tuple[EventStatus, ...]
    new_item_ids: tuple[str, ...] = ()
    unknown: tuple[tuple[int, int], ...] = ()
    merged_user_ids: tuple[str, ...] = ()
    revision: int = 0


class EventStore(Protocol):
    """The append-only log of events."""

    async def append(self, events: Sequence[Event], *, create_unknown: bool) -> Appended:
        """Store a group in one transaction; ids seen before are duplicates, also inside the group.

        Unknown items and users become cold rows when `create_unknown`; otherwise events that name an
        unknown item are `rejected`, and those of an unknown user are kept without one.
        """

    async def history(self, subject: Subject, *, limit: int) -> list[Interaction]:
        """The newest `limit` item interactions of any of the subject's ids and aliases, oldest first."""

    async def met(self, subject: Subject, *, lines: int) -> list[ItemEvents]:
        """The items that any of the subject's ids and aliases had to do with, summed up by event name.

        By item and name, in no order. Of each id at least the newest `lines` lines are counted; older ones
        may be left out, so that one id's log, however long, cannot hold up a list.
        """

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> Page[StoredEvent]:
        """A user's events, newest first."""

    async def count_since(self, seq: int) -> tuple[int, int]:
        """How many event lines came after `seq`, and the highest seq there is."""

    async def daily_counts(self, since: datetime) -> list[tuple[str, str, str, int]]:
        """``(item_id, event name, UTC day YYYY-MM-DD, distinct people)`` of events after `since`."""

    async def segment_counts(
        self, since: datetime, *, lines: int, people: int, most: int
    ) -> list[tuple[Segment, str, str, str, int]]:
        """``(segment, item_id, event name, UTC day YYYY-MM-DD, distinct people)``.

        Of the newest `lines` lines after `since` that name an item.
        An event is of the segments that its own context names; without a country there, of its user's. Only
        segments of at least so many `people`, of each kind at most so many, the largest. Sorted.
        """

    async def baskets(self, since: datetime, *, lines: int) -> list[tuple[str, str]]:
        """``(event_id, item_id)`` of the newest `lines` lines of purchases after `since`, sorted."""


@dataclass(frozen=True, slots=True)
class EventColumns:
    """A batch of event lines that name an item, in columns of equal length, by rising `seq`.

    Attributes:
        seq: int64, the line's place in the log.
        user_key: Whose line it is: ``user:…`` (merged guests count as their user), else ``anonymous:…``,
            else ``session:…``.
        item_id: External ids.
        name: GA4 event names.
        happened_at: datetime64[us], UTC.
        quantity: float64, NaN where the event gave none.
        value: float64, of the whole event, NaN where it gave none.
    """

    seq: NDArray[np.int64]
    user_key: list[str]
    item_id: list[str]
    name: list[str]
    happened_at: NDArray[np.datetime64]
    quantity: NDArray[np.float64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.item_id)


class EventLog(Protocol):
    """All events, for training. Synchronous: it is read in the training child, never on an event loop."""

    def scan(self, *, since_seq: int = 0) -> Iterator[EventColumns]:
        """Every line with an item after `since_seq` that stood there at the start, batch by batch.

        Memory is bounded by one batch.
        """


class ItemLog(Protocol):
    """The catalogue as training reads it. Synchronous, like `EventLog`."""

    def scan(self) -> Iterator[Sequence[Item]]:
        """Every item that is there (deleted ones are not), by id, batch by batch.

        Memory is bounded by one batch.
        """


class Dump(Protocol):
    """Whole tables, slice by slice, for an export; and what an import asks of them."""

    async def first_named(self, prefix: str) -> tuple[str, datetime] | None:
        """The least event id that begins so, and when it happened; None where none does."""

    async def events(self, *, after: int, limit: int) -> list[StoredEvent]:
        """Events in the order of their receipt, from the first `seq` above `after`."""

    async def users(self, *, after: str, limit: int) -> list[User]:
        """Users by id, from the first id above `after`."""

    async def exposures(self, *, after: Exposure | None, limit: int) -> list[Exposure]:
        """Lists that were answered, in the order of that, from the first one behind `after`."""


class ItemStore(Protocol):
    """The catalogue. Every write takes the next `revision`, so that readers can ask for changes."""

    async def get(self, item_id: str) -> Item:
        """One item. Raises `NotFoundError`."""

    async def many(self, item_ids: Sequence[str]) -> list[Item]:
        """Those of the items that exist (deleted ones do not), by id."""

    async def put(self, items: Sequence[Item]) -> int:
        """Create or replace; returns the catalogue's new revision."""

    async def patch(self, item_id: str, changes: Mapping[str, object]) -> Item:
        """Change named fields. Raises `NotFoundError`."""

    async def delete(self, item_id: str) -> int:
        """Mark as deleted; returns the catalogue's new revision. Raises `NotFoundError`."""

    async def page(
        self, *, q: str | None, category: str | None, limit: int, cursor: str | None
    ) -> Page[Item]:
        """Items by id; `q` is found in the title or the id, without regard to case."""

    async def revision(self) -> int:
        """The catalogue's current revision."""

    async def changed_since(self, revision: int) -> list[Item]:
        """Rows written after `revision`, deleted ones included, by revision."""


class UserStore(Protocol):
    """Customers and their guest aliases."""

    async def get(self, user_id: str) -> User:
        """One user. Raises `NotFoundError`."""

    async def put(self, user: User) -> User:
        """Create or replace."""

    async def put_many(self, users: Sequence[User]) -> None:
        """Create or replace each, all in one transaction; of one id twice the last counts."""

    async def merge(self, user_id: str, anonymous_id: str) -> bool:
        """Make a guest's past the user's; False where it was so already.

        Raises:
            ConflictError: The guest belongs to another user.
        """

    async def unmerge(self, user_id: str, anonymous_id: str) -> bool:
        """Take a merge back. False where there was none."""

    async def aliases(self, user_id: str) -> tuple[str, ...]:
        """The guests merged into this user."""

    async def export(self, user_id: str) -> JsonObject:
        """Every row the service holds about the user. Raises `NotFoundError` where there is none."""

    async def erase(self, user_id: str, *, digest: str) -> Mapping[str, int]:
        """Delete all rows of the user and aliases, leave a tombstone; returns rows deleted by table."""


class KeyStore(Protocol):
    """API keys, digests only."""

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""

    async def get(self, key_id: str) -> ApiKey | None:
        """A key by its public id."""

    async def all(self) -> list[ApiKey]:
        """Every key, newest first."""

    async def revoke(self, key_id: str, at: datetime) -> None:
        """Raises `NotFoundError`."""

    async def touch(self, key_id: str, at: datetime) -> None:
        """Record a use."""


class JobStore(Protocol):
    """Retraining jobs. One at most is queued or running: the database's own lease."""

    async def create(self, job: Job) -> Job:
        """Raises `JobRunningError` while one is queued or running (leases that ran out are failed first)."""

    async def get(self, job_id: str) -> Job:
        """A job whose lease ran out reads as failed. Raises `NotFoundError`."""

    async def page(self, *, limit: int, cursor: str | None) -> Page[Job]:
        """Newest first; a job whose lease ran out reads as failed."""

    async def fail_expired(self) -> list[Job]:
        """Write down that running jobs whose lease ran out have failed; which those were."""

    async def claim(self, *, lease_s: float) -> Job | None:
        """Take the queued job, if any, and mark it running."""

    async def heartbeat(self, job_id: str, *, lease_s: float) -> Job:
        """Keep the lease; the answer carries `cancel_requested`."""

    async def progress(
        self, job_id: str, *, stage: str, progress: float, seconds_left: float | None, detail: JsonObject
    ) -> None:
        """Write how far it is."""

    async def finish(
        self, job_id: str, state: JobState, *, error: str | None = None, version: str | None = None
    ) -> Job:
        """End it; a second end changes nothing."""

    async def request_cancel(self, job_id: str) -> Job:
        """Ask a running job to stop; a queued one is cancelled at once."""


class ModelVersionStore(Protocol):
    """The registry's rows; which version is live is decided here, in one transaction."""

    async def add(self, version: ModelVersion) -> None:
        """Record a published version."""

    async def get(self, version: str) -> ModelVersion:
        """Raises `NotFoundError`."""

    async def page(self, *, limit: int, cursor: str | None) -> Page[ModelVersion]:
        """Newest first."""

    async def live(self) -> ModelVersion | None:
        """The live one."""

    async def activate(self, version: str, *, by: str) -> ModelVersion:
        """Make it live and retire the one that was. Raises `NotFoundError`."""

    async def previous(self) -> ModelVersion | None:
        """The version that was live before the live one, for a rollback; none that a rollback left."""

    async def restore(self, version: str, *, by: str) -> ModelVersion:
        """Make an earlier version live in its old place, and take the live one out of the history.

        So a further rollback goes one further back. Raises `NotFoundError`.
        """

    async def mark(self, version: str, state: VersionState, reason: str | None) -> None:
        """Set the state of a version that is not live."""


class DefinitionStore(Protocol):
    """Scenarios, rules and settings in versions. Every write takes the next `revision`."""

    async def revision(self) -> int:
        """The revision of the newest write; 0 before the first."""

    async def current(self) -> list[Definition]:
        """The newest version of each name that is not deleted, by kind and name."""

    async def history(self, kind: DefinitionKind, name: str) -> list[Definition]:
        """Every version, newest first; empty where the name was never used."""

    async def put(self, kind: DefinitionKind, name: str, body: JsonObject, *, by: str) -> Definition:
        """Write the next version."""

    async def delete(self, kind: DefinitionKind, name: str, *, by: str) -> None:
        """Write that it is gone; its versions stay. Raises `NotFoundError`."""


class ExposureStore(Protocol):
    """What was shown to whom, and what the log of events says came of it."""

    async def append(self, shown: Sequence[Exposure]) -> None:
        """Store a group in one transaction; one that is there already stays as it is."""

    async def forget(self, before: datetime, *, most: int) -> int:
        """Delete at most so many that were shown before; how many there were."""

    async def outcomes(self, since: datetime, until: datetime, *, scenario: str | None) -> list[Outcome]:
        """What came of the lists shown from `since` to before `until`, by cell."""

    async def responses(self, experiment: str, since: datetime, until: datetime) -> list[Response]:
        """What the people did who met each variant in that time, by variant."""


class AuditLog(Protocol):
    """Who did what; append-only."""

    async def write(self, *, actor: str, action: str, target: str, detail: JsonObject) -> None:
        """Add a line."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Every store of one tenant, as one adapter gives them."""

    events: EventStore
    event_log: EventLog
    items: ItemStore
    item_log: ItemLog
    users: UserStore
    keys: KeyStore
    jobs: JobStore
    versions: ModelVersionStore
    definitions: DefinitionStore
    exposures: ExposureStore
    audit: AuditLog


# --- Redis, or the process itself: what can be rebuilt ---


class CacheRead(NamedTuple):
    """What a look into the cache gave.

    Attributes:
        body: The list, only if every stamp is still the one it was stored under.
        token: What `store` needs; None where the cache cannot be used now (nothing may be stored).
    """

    body: bytes | None
    token: str | None


class ListCache(Protocol):
    """Lists stamped by everything they depend on. Never raises: a failing cache is a miss, counted."""

    async def read(self, subjects: Sequence[str], key: str) -> CacheRead:
        """Stamps and body in one round trip."""

    def look(self, subjects: Sequence[str], key: str, done: Callable[[CacheRead], None]) -> None:
        """As `read`, but `done` gets what was found, now or later and once."""

    async def store(self, subjects: Sequence[str], key: str, body: bytes, *, token: str) -> None:
        """Keep the body if no stamp has changed since `token` was read."""

    async def bump(self, subjects: Sequence[str]) -> None:
        """Change the stamps: no list stored or being computed under the old ones is served after this."""

    async def ping(self) -> bool:
        """Whether it works now."""


class QuotaStore(Protocol):
    """Counters. Never raises."""

    async def add(self, name: str, amount: int, *, ttl_s: float) -> int | None:
        """The count with `amount` added, forgotten after `ttl_s`; None where it cannot be had."""


# --- Trained models ---


class Scorer(Protocol):
    """A loaded model version that can be asked. Thread-safe for one thread at a time."""

    @property
    def version(self) -> str:
        """The version's name."""

    @property
    def model(self) -> str:
        """The registry name of its architecture."""

    @property
    def source(self) -> str:
        """What its answers are called: sequence, autoencoder, transitions, popular."""

    @property
    def item_ids(self) -> Sequence[str]:
        """External ids of `item_idx` 1 to n."""

    @property
    def item_vectors(self) -> NDArray[np.float32] | None:
        """float32 (n + 1, d), row 0 zero, or None for models without vectors."""

    def score(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """float32 (len(queries), n + 1); column 0 is -inf. Items it does not know are passed over."""


@runtime_checkable
class CandidateScorer(Protocol):
    """A `Scorer` over a catalogue too large to score whole: an index finds what is worth scoring.

    Attributes:
        recall: Of the true best 100, the share that the index found when it was made.
    """

    recall: float

    def read(self, query: Query) -> NDArray[np.float32]:
        """float32 (1, d): the query as the next two methods take it."""

    def near(self, state: NDArray[np.float32]) -> NDArray[np.int64]:
        """int64 (candidates,): `item_idx` of items that score high, in no order that counts."""

    def scores_of(self, state: NDArray[np.float32], item_idx: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 (items,): their scores, exact."""


class ScorerLoader(Protocol):
    """Opens a verified version folder."""

    def load(self, folder: Path) -> Scorer:
        """Verify the manifest, load, ask it once. Raises `ArtifactRefusedError`. Slow: not on the loop."""


class ArtifactStore(Protocol):
    """Write-once version folders `<model>/<version>/` under one fsspec URL."""

    def publish(self, folder: Path, *, model: str, version: str) -> None:
        """Copy and rename into place. Raises `ConflictError` where the version exists."""

    def fetch(self, *, model: str, version: str) -> Path:
        """A local folder with the version's files (the folder itself where the store is local).

        Raises:
            ArtifactRefusedError: It is missing.
        """


# --- Retraining children ---


class Child(Protocol):
    """A process that runs one job."""

    async def wait(self) -> int:
        """Its exit code, once it ended; minus the signal's number where one killed it."""

    async def kill(self) -> None:
        """End it and whatever it started; returns once it is gone. Does nothing where it ended."""

    def has_spoken(self) -> bool:
        """Whether it ever gave a sign of life."""

    def silent_s(self) -> float:
        """Seconds since it last gave a sign of life, or since it was started."""

    def last_words(self) -> str:
        """The end of what it wrote to its standard error."""


class ChildLauncher(Protocol):
    """Starts children: a process of its own each, so that none can take the service down."""

    async def start(self, job_id: str) -> Child:
        """Start the child of a claimed job."""
