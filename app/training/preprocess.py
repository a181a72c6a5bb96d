"""Step 1: the log of events to labelled interactions. Cleaning, labels, negatives, bots, the numbering."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.domain.ports import EventColumns
from app.domain.weights import DEFAULT_WEIGHTS, UNKNOWN_WEIGHT, EventWeight, strength
from app.training.attributes import Described
from app.training.parquet import read_events
from models.base import Interactions

MICROSECONDS_PER_DAY = 86_400e6
SCHEMA: Mapping[str, pl.DataType] = {
    "seq": pl.Int64(),
    "user_key": pl.String(),
    "item_id": pl.String(),
    "name": pl.String(),
    "happened_at": pl.Datetime("us", "UTC"),
    "quantity": pl.Float64(),
    "value": pl.Float64(),
}
KINDS: Mapping[str, int] = {name: number for number, name in enumerate(DEFAULT_WEIGHTS, start=1)}
"""The number of each event type that has a weight of its own; any other is 0."""
DELIBERATE = ("purchase", "refund")


@dataclass(frozen=True, slots=True)
class BotRule:
    """When somebody acts faster than people do.

    Purchases and refunds come as whole baskets and are not counted.

    Attributes:
        per_minute: More events than this within one minute.
        per_day: More events than this within one UTC day.
    """

    per_minute: int = 60
    per_day: int = 2000


@dataclass(frozen=True, slots=True)
class Labelled:
    """Clean, labelled events and what was left out on the way.

    Attributes:
        frame: `user_key`, `item_id`, `time` (days since 1970, float64), `strength` (float64, not 0),
            `half_life` (days) and `kind` (a number of `KINDS`), ordered by user, time and place in the log.
        counts: Lines read, kept, and set aside by reason; `bot_users` counts people.
        catalogue: What is known of the items beside their events.
    """

    frame: pl.DataFrame
    counts: Mapping[str, int]
    catalogue: Described = field(default_factory=Described)

    @property
    def start(self) -> datetime:
        """When the first event happened, UTC."""
        return moment(float(self.frame.get_column("time").to_numpy().min()))

    @property
    def end(self) -> datetime:
        """When the last event happened, UTC."""
        return moment(float(self.frame.get_column("time").to_numpy().max()))

    def before(self, time: float) -> pl.DataFrame:
        """Events before a moment in days since 1970."""
        return self.frame.filter(pl.col("time") < time)

    def between(self, start: float, end: float) -> pl.DataFrame:
        """Events from `start` on and before `end`, in days since 1970."""
        return self.frame.filter((pl.col("time") >= start) & (pl.col("time") < end))


@dataclass(frozen=True, slots=True)
class Numbered:
    """Interactions by number, and the names behind the numbers.

    Attributes:
        interactions: Positive labels only.
        user_keys: Names of users 0 to n_users - 1, sorted.
        item_ids: External ids of items 1 to n_items, sorted by code point.
        opposed: Pairs of user and item whose labels add up to less than 0, left out.
    """

    interactions: Interactions
    user_keys: list[str]
    item_ids: list[str]
    opposed: int


def frame_of(batches: Iterable[EventColumns] | pl.DataFrame | Path) -> pl.DataFrame:
    """The log as one frame with the columns of `SCHEMA`.

    Args:
        batches: A Parquet file or a folder of them; or as the event log's port gives them; or a frame that
            has the columns already. Its names may be numbers for their texts (`pl.Enum`, in the texts'
            order), which take a fraction of the memory.

    Raises:
        EventsFileError: The file cannot be read.
    """
    if isinstance(batches, Path):
        batches = read_events(batches)
    if isinstance(batches, pl.DataFrame):
        given = batches.schema
        return batches.select(
            pl.col(name) if isinstance(given[name], pl.Enum) else pl.col(name).cast(kind)
            for name, kind in SCHEMA.items()
        )
    frames = [
        pl.DataFrame(
            {
                "seq": batch.seq,
                "user_key": batch.user_key,
                "item_id": batch.item_id,
                "name": batch.name,
                "happened_at": pl.Series(batch.happened_at.astype("datetime64[us]")).dt.replace_time_zone(
                    "UTC"
                ),
                "quantity": batch.quantity,
                "value": batch.value,
            },
            schema_overrides=dict(SCHEMA),
        )
        for batch in batches
        if len(batch)
    ]
    return pl.concat(frames) if frames else pl.DataFrame(schema=dict(SCHEMA))


def prepare(
    frame: pl.DataFrame,
    weights: Mapping[str, EventWeight],
    *,
    now: datetime,
    bots: BotRule | None = None,
    catalogue: Described | None = None,
) -> Labelled:
    """Clean and label.

    Set aside, in this order, each counted: events dated more than a day after `now`; types that say nothing;
    everything of users that act faster than people do; the same event line again (same user, item, type and
    moment).

    Args:
        frame: Columns of `SCHEMA`.
        weights: Weight and half-life by event type.
        now: The clock's time.
        bots: The thresholds.
        catalogue: What is known of the items.
    """
    counts = {"lines": frame.height}
    frame = _drop(
        frame.drop("quantity"), counts, "in_the_future", pl.col("happened_at") > now + timedelta(days=1)
    )
    labelled = _with_labels(frame, weights)
    labelled = _drop(labelled, counts, "say_nothing", pl.col("strength") == 0.0)
    suspects = bot_users(labelled, bots or BotRule())
    counts["bot_users"] = len(suspects)
    labelled = _drop(labelled, counts, "of_bots", pl.col("user_key").is_in(suspects.implode()))
    unique = labelled.unique(
        ["user_key", "item_id", "name", "happened_at"], keep="first", maintain_order=True
    )
    counts["repeated"] = labelled.height - unique.height
    counts["kept"] = unique.height
    ordered = (
        unique.with_columns(time=pl.col("happened_at").dt.epoch("us") / MICROSECONDS_PER_DAY)
        .sort("user_key", "time", "seq")
        .select("user_key", "item_id", "time", "strength", "half_life", kind=_kind())
    )
    return Labelled(ordered, counts, catalogue or Described())


def bot_users(frame: pl.DataFrame, rule: BotRule) -> pl.Series:
    """User keys that break the rule."""
    browsing = frame.filter(~pl.col("name").is_in(DELIBERATE))
    suspects = [
        browsing.group_by("user_key", pl.col("happened_at").dt.truncate(every))
        .len()
        .filter(pl.col("len") > limit)
        .get_column("user_key")
        for every, limit in (("1m", rule.per_minute), ("1d", rule.per_day))
    ]
    return pl.concat(suspects).unique().sort()


def numbered(
    frame: pl.DataFrame,
    *,
    now: float,
    catalogue: Described | None = None,
    entered_by: float = float("inf"),
) -> Numbered:
    """Number users and items of a slice; leave out what a user's labels, added up at `now`, speak against.

    Args:
        frame: A slice of `Labelled.frame`.
        now: Days since 1970 that decay is counted to.
        catalogue: Gives the items their attributes, and numbers to items that can be bought and have
            attributes but no events: a model may know a new item by what it is.
        entered_by: Days since 1970; items without events that came into the catalogue later have no number.
    """
    kept, opposed = _for(frame, now=now)
    catalogue = catalogue or Described()
    user_keys, with_events = _names(kept, "user_key"), _names(kept, "item_id")
    had = with_events.to_list()
    item_ids = pl.Series([*had, *catalogue.new_items(had, until=entered_by)], dtype=pl.String).sort()
    kind = kept.get_column("kind").to_numpy().astype(np.int32)
    interactions = Interactions(
        user=_codes(kept, "user_key", user_keys).astype(np.int64),
        item=(_codes(kept, "item_id", item_ids) + 1).astype(np.int32),
        time=kept.get_column("time").to_numpy(),
        weight=kept.get_column("strength").to_numpy().astype(np.float32),
        half_life=kept.get_column("half_life").to_numpy().astype(np.float32),
        n_users=len(user_keys),
        n_items=len(item_ids),
        now=now,
        attributes=catalogue.of(item_ids.to_list(), had),
        kind=kind if len(kind) and kind.min() != kind.max() else None,
    )
    return Numbered(interactions, user_keys.to_list(), item_ids.to_list(), opposed)


def _for(frame: pl.DataFrame, *, now: float) -> tuple[pl.DataFrame, int]:
    """The lines that speak for an item, and the pairs of user and item left out since the sum is against."""
    age = (pl.lit(now) - pl.col("time")).clip(lower_bound=0.0)
    faded = pl.col("strength") * (0.5 ** (age / pl.col("half_life")))
    net = faded.sum().over("user_key", "item_id")
    marked = frame.with_columns(against=net < 0.0)
    opposed = marked.filter("against").select(pl.struct("user_key", "item_id").n_unique()).item()
    return marked.filter(~pl.col("against") & (pl.col("strength") > 0.0)), int(opposed)


def _names(frame: pl.DataFrame, column: str) -> pl.Series:
    return frame.get_column(column).unique().cast(pl.String).sort()


def moment(days: float) -> datetime:
    """Days since 1970 as a UTC time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)


def days_of(time: datetime) -> float:
    """A UTC time as days since 1970."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(days=1)


def _codes(frame: pl.DataFrame, column: str, names: pl.Series) -> NDArray[np.int64]:
    # Sorted names make a binary search of the lookup.
    values = frame.get_column(column)
    if isinstance(values.dtype, pl.Enum):
        of_number: NDArray[np.int64] = (
            names.search_sorted(values.dtype.categories).to_numpy().astype(np.int64)
        )
        return np.asarray(of_number[values.to_physical().to_numpy()])
    codes: NDArray[np.int64] = names.search_sorted(values).to_numpy().astype(np.int64)
    return codes


def _kind() -> pl.Expr:
    names = pl.col("name").cast(pl.String)
    return names.replace_strict(KINDS, default=0, return_dtype=pl.Int8)


def _with_labels(frame: pl.DataFrame, weights: Mapping[str, EventWeight]) -> pl.DataFrame:
    # Only a rating's value matters to its label: a label is worked out once for each type and rating.
    rating = pl.when(pl.col("name") == "rate").then(pl.col("value").fill_nan(None))
    frame = frame.with_columns(rating=rating)
    kinds = frame.select("name", "rating").unique()
    labels = kinds.with_columns(
        strength=pl.Series(
            [strength(name, value, weights) for name, value in kinds.iter_rows()], dtype=pl.Float64
        ),
        half_life=pl.Series(
            [weights.get(name, UNKNOWN_WEIGHT).half_life_days for name in kinds.get_column("name")],
            dtype=pl.Float64,
        ),
    )
    return frame.join(labels, on=["name", "rating"], how="left", nulls_equal=True)


def _drop(frame: pl.DataFrame, counts: dict[str, int], reason: str, condition: pl.Expr) -> pl.DataFrame:
    kept = frame.filter(~condition)
    counts[reason] = frame.height - kept.height
    return kept
