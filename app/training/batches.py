"""Step 2b: interactions to padded batches. Bucketed by length, with negatives that a batch shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.base import Interactions

Batch = dict[str, NDArray[np.generic]]
LENGTH_STEP = 4


@dataclass(frozen=True, slots=True)
class Places:
    """Interactions as networks read them: each user's lines in order.

    Attributes:
        item: int32 (n,).
        weight: float32 (n,), labels decayed to the interactions' `now`.
        user_start: int64 (n_users,), each user's first line.
        user_stop: int64 (n_users,), just after the last.
        n_items: Items, padding not counted.
    """

    item: NDArray[np.int32]
    weight: NDArray[np.float32]
    user_start: NDArray[np.int64]
    user_stop: NDArray[np.int64]
    n_items: int


def places_of(interactions: Interactions) -> Places:
    """Find the users in the columns."""
    users = np.arange(interactions.n_users)
    return Places(
        interactions.item,
        decayed(interactions),
        np.searchsorted(interactions.user, users, side="left").astype(np.int64),
        np.searchsorted(interactions.user, users, side="right").astype(np.int64),
        interactions.n_items,
    )


def decayed(interactions: Interactions) -> NDArray[np.float32]:
    """Labels at the interactions' `now`, float32 (n,)."""
    age = np.maximum(interactions.now - interactions.time, 0.0)
    return np.asarray(interactions.weight * 0.5 ** (age / interactions.half_life), dtype=np.float32)


def recency(interactions: Interactions, half_life_days: float) -> NDArray[np.float32]:
    """What each line counts as a target: its label in units of the mean, halved by age, float32 (n,).

    Args:
        interactions: The lines.
        half_life_days: In place of the event type's own, since it says how fast demand moves on.
    """
    age = np.maximum(interactions.now - interactions.time, 0.0)
    mean = max(float(interactions.weight.mean()), 1e-9) if len(interactions) else 1.0
    return np.asarray(interactions.weight / mean * 0.5 ** (age / half_life_days), dtype=np.float32)


def popularity(interactions: Interactions, half_life_days: float) -> NDArray[np.float32]:
    """Decayed demand of each item, float32 (n + 1,), row 0 zero."""
    weights = recency(interactions, half_life_days)
    counts = np.bincount(interactions.item, weights=weights, minlength=interactions.n_items + 1)
    return counts.astype(np.float32)


def in_buckets(
    lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Row numbers in batches of similar length, in random order.

    Args:
        lengths: int64 (rows,).
        batch_size: Rows a batch; the last one may have fewer.
        rng: Draws the order.
    """
    shuffled = rng.permutation(len(lengths))
    by_length = shuffled[np.argsort(-(-lengths[shuffled] // LENGTH_STEP), kind="stable")]
    batches = [by_length[start : start + batch_size] for start in range(0, len(by_length), batch_size)]
    for number in rng.permutation(len(batches)):
        yield batches[number]


def padded_left(
    starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Line numbers of rows of lines, left-padded to a width that is a multiple of `LENGTH_STEP`.

    Args:
        starts: int64 (rows,).
        stops: int64 (rows,).

    Returns:
        Line numbers int64 (rows, width), 0 where padded, and bool (rows, width), where there is a line.
    """
    longest = max(1, int((stops - starts).max(initial=1)))
    width = -(-longest // LENGTH_STEP) * LENGTH_STEP
    lines = stops[:, None] - width + np.arange(width)[None, :]
    there = lines >= starts[:, None]
    return np.where(there, lines, 0), there


def windows(places: Places, max_length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each user's lines cut into runs of at most `max_length`, the newest run full.

    Returns:
        Starts and stops, int64 (windows,) each.
    """
    lengths = places.user_stop - places.user_start
    pieces = np.maximum(1, -(-lengths // max_length))
    user = np.repeat(np.arange(len(lengths)), pieces)
    number = np.arange(len(user)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    stops = places.user_stop[user] - number * max_length
    return np.maximum(stops - max_length, places.user_start[user]), stops


def later_lines(places: Places, look_ahead: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """For each line one of its user's next `look_ahead` lines, -1 where the user has no more; int64 (n,)."""
    line = np.arange(len(places.item))
    lengths = places.user_stop - places.user_start
    room = np.minimum(np.repeat(places.user_stop, lengths) - 1 - line, look_ahead)
    return np.where(room > 0, line + 1 + np.floor(rng.random(len(line)) * room).astype(np.int64), -1)


@dataclass(frozen=True, slots=True)
class View:
    """A batch of windows as they are to be read and asked.

    Attributes:
        read: int64 (rows, width), the line whose item stands at each place.
        lines: int64 (rows, width), the line that stood there, which says what comes next.
        is_read: bool (rows, width), where there is an item.
        is_asked: bool (rows, width), where there may be a target.
    """

    read: NDArray[np.int64]
    lines: NDArray[np.int64]
    is_read: NDArray[np.bool_]
    is_asked: NDArray[np.bool_]


ViewOf = Callable[[NDArray[np.int64], NDArray[np.int64]], View]
"""First lines and stops of windows to how they are read."""


def as_they_were(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> View:
    """Windows read as they happened."""
    lines, there = padded_left(starts, stops)
    return View(lines, lines, there, there)


def sequence_batches(
    places: Places,
    target_weight: NDArray[np.float32],
    *,
    max_length: int,
    batch_size: int,
    look_ahead: int,
    rng: np.random.Generator,
    view_of: ViewOf = as_they_were,
) -> Iterator[Batch]:
    """A target at each place: one of the user's next lines, drawn anew each time.

    Baskets come with their lines in no order that means much, and a shop wants what is bought next week as
    well: so the very next line is too narrow a question where `look_ahead` is 1.

    Args:
        places: The lines.
        target_weight: float32 (n,), what each line counts as a target.
        max_length: Places of a window.
        batch_size: Windows a batch.
        look_ahead: How many lines ahead a target may lie.
        rng: Draws targets and the order of the batches.
        view_of: How windows are read.

    Yields:
        `item_idx`, `weight`, `target_idx`, `target_weight`, each (batch, time).
    """
    later = later_lines(places, look_ahead, rng)
    starts, stops = windows(places, max_length)
    useful = later[starts] >= 0
    starts, stops = starts[useful], stops[useful]
    for rows in in_buckets(stops - starts, batch_size, rng):
        view = view_of(starts[rows], stops[rows])
        after = np.where(view.is_asked, later[view.lines], -1)
        has_next = after >= 0
        yield {
            "item_idx": np.where(view.is_read, places.item[view.read], 0).astype(np.int32),
            "weight": np.where(view.is_read, places.weight[view.read], 0.0).astype(np.float32),
            "target_idx": np.where(has_next, places.item[after], 0).astype(np.int32),
            "target_weight": np.where(has_next, target_weight[after], 0.0).astype(np.float32),
        }


def bag_batches(
    places: Places,
    target_weight: NDArray[np.float32],
    *,
    max_length: int,
    batch_size: int,
    future_share: float,
    rng: np.random.Generator,
) -> Iterator[Batch]:
    """A bag and its targets, which add up to 1: its own items, or those that came after a moment.

    Args:
        places: The lines.
        target_weight: float32 (n,), what each line counts as a target.
        max_length: Newest places of a user that are read.
        batch_size: Users a batch.
        future_share: Share of the rows that are cut at a random place: what came before is the bag, what
            came after the targets.
        rng: Draws the cuts and the order of the batches.

    Yields:
        `item_idx`, `weight`, `target_idx`, `target_weight`, each (batch, time).
    """
    users = np.flatnonzero(places.user_stop > places.user_start)
    starts = np.maximum(places.user_start, places.user_stop - max_length)[users]
    stops = places.user_stop[users]
    for rows in in_buckets(stops - starts, batch_size, rng):
        lines, there = padded_left(starts[rows], stops[rows])
        read, wanted = _cut(lines, there, share=future_share, rng=rng)
        targets = np.where(wanted, target_weight[lines], 0.0).astype(np.float32)
        targets /= np.maximum(targets.sum(axis=1, keepdims=True), 1e-12)
        yield {
            "item_idx": np.where(read, places.item[lines], 0).astype(np.int32),
            "weight": np.where(read, places.weight[lines], 0.0).astype(np.float32),
            "target_idx": np.where(wanted, places.item[lines], 0).astype(np.int32),
            "target_weight": targets,
        }


def _cut(
    lines: NDArray[np.int64], there: NDArray[np.bool_], *, share: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which lines are read and which are wanted: all of them, or before and after a cut."""
    length = there.sum(axis=1)
    whole = (rng.random(len(lines)) >= share) | (length < 2)
    kept = 1 + np.floor(rng.random(len(lines)) * (length - 1)).astype(np.int64)
    position = np.arange(lines.shape[1])[None, :] - (lines.shape[1] - length)[:, None]
    before = position < kept[:, None]
    return there & (before | whole[:, None]), there & (~before | whole[:, None])


@dataclass(frozen=True, slots=True)
class Negatives:
    """Draws the items that a batch is contrasted with.

    Attributes:
        share: float64 (n + 1,), how likely each item is drawn; row 0 zero.
        count: Items a batch; 0 for the softmax over all items.
        correction: What log q counts in the loss: 1 makes the sampled softmax an estimate of the whole one.
    """

    share: NDArray[np.float64]
    count: int
    correction: float = 1.0

    def draw(self, rng: np.random.Generator) -> NDArray[np.int32]:
        """Items, with repeats, int32 (count,); each one once where `count` is 0."""
        if self.count == 0:
            return np.arange(1, len(self.share), dtype=np.int32)
        cumulative = np.cumsum(self.share)
        drawn = np.searchsorted(cumulative, rng.random(self.count) * cumulative[-1], side="right")
        return np.asarray(drawn, dtype=np.int32)

    @property
    def log_q(self) -> NDArray[np.float32]:
        """Log of how often each item is expected in a draw times the correction, float32 (n + 1,)."""
        if self.count == 0:
            return np.zeros(len(self.share), np.float32)
        expected = np.maximum(self.share * self.count, 1e-12)
        return (self.correction * np.log(expected)).astype(np.float32)


def negatives_of(
    interactions: Interactions, *, count: int, power: float = 0.75, correction: float = 1.0
) -> Negatives:
    """Negatives by popularity to the power, every item possible.

    Args:
        interactions: What popularity is counted in.
        count: Items a batch; 0, or as many as there are, for all of them.
        power: 0 draws all items alike.
        correction: What log q counts in the loss, 0 to 1.

    Source:
        The exponent: Mikolov et al., NIPS 2013, arXiv 1310.4546.
    """
    if count >= interactions.n_items:
        count = 0
    counts = np.bincount(interactions.item, minlength=interactions.n_items + 1) + 1.0
    share = counts**power
    share[0] = 0.0
    return Negatives(share / share.sum(), count, correction)
