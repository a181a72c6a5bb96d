"""Step 2c: an epoch's batches, complete with what the loss needs beside them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.training import batches
from app.training.augment import viewed
from app.training.batches import Batch, Places
from app.training.build import Plan
from models.base import Attributes, Interactions

WARM_UP_STEPS = 200
MOST_ATTRIBUTES = 16
"""Of an item; a bag of words beyond it says little more and costs time in each step."""


class Feed:
    """Training batches of one epoch after the other.

    Args:
        chosen: Hyper-parameters.
        interactions: The training slice.
        bag: Whether an example is a bag or a sequence.
        seed: Of every draw.
    """

    def __init__(self, chosen: Plan, interactions: Interactions, *, bag: bool, seed: int) -> None:
        self._training = chosen.training
        self._bag = bag
        self._rng = np.random.default_rng(seed)
        self._steps = 0
        self._places: Places = batches.places_of(interactions)
        self._target_weight = batches.recency(interactions, float(chosen.training["target_half_life_days"]))
        if not bag:
            self._negatives = batches.negatives_of(
                interactions,
                count=int(chosen.training["negatives"]),
                power=float(chosen.training.get("negative_power", 0.75)),
                correction=float(chosen.training.get("correction", 1.0)),
            )
            self._log_q = self._negatives.log_q
            self._attributes = None if interactions.attributes is None else Bags(interactions.attributes)
        length = int(chosen.training["max_length"])
        rows = interactions.n_users if bag else len(batches.windows(self._places, length)[0])
        self.batches_expected = max(1, -(-rows // int(chosen.training["batch_size"])))

    def epoch(self) -> Iterator[Batch]:
        """The batches of one pass."""
        training = self._training
        sizes = {"max_length": int(training["max_length"]), "batch_size": int(training["batch_size"])}
        if self._bag:
            share = float(training["future_share"])
            rows = batches.bag_batches(
                self._places, self._target_weight, future_share=share, rng=self._rng, **sizes
            )
        else:
            ahead = int(training["look_ahead"])
            view_of = partial(
                viewed,
                way=str(training.get("augment", "none")),
                share=float(training.get("augment_share", 0.5)),
                rng=self._rng,
            )
            rows = batches.sequence_batches(
                self._places, self._target_weight, look_ahead=ahead, rng=self._rng, view_of=view_of, **sizes
            )
        for batch in rows:
            self._steps += 1
            yield self._with_warm_up(batch) if self._bag else self._with_rows(batch)

    def _with_warm_up(self, batch: Batch) -> Batch:
        beta = float(self._training["beta"]) * min(1.0, self._steps / WARM_UP_STEPS)
        return batch | {"beta": np.full(len(batch["item_idx"]), beta, np.float32)}

    def _with_rows(self, batch: Batch) -> Batch:
        negatives = self._negatives.draw(self._rng)
        made = as_rows(batch, negatives)
        made["log_q"] = self._log_q[negatives]
        return made if self._attributes is None else made | self._attributes.of(made["rows"])


def as_rows(batch: Batch, negatives: NDArray[np.int32]) -> Batch:
    """The batch in numbers of its own, so that a step touches only the item vectors that it needs.

    Returns:
        `rows` int32 (rows,), the items that appear, rising from 0, the padding; `item_idx` (batch, time),
        `target_idx` (places,) and `negatives` (s,) as places in `rows`; `weight`; `place` int32 (places,),
        where of the batch * time there is a target; `target_weight` (places,).
    """
    place = np.flatnonzero(batch["target_weight"])
    item_idx, target_idx = batch["item_idx"], batch["target_idx"].reshape(-1)[place]
    every = np.concatenate([[0], item_idx.reshape(-1), target_idx, negatives])
    rows, numbers = np.unique(every, return_inverse=True)
    cuts = np.cumsum([1, item_idx.size, len(target_idx)])
    _, read, wanted, against = np.split(numbers.reshape(-1).astype(np.int32), cuts)
    return {
        "rows": rows.astype(np.int32),
        "item_idx": read.reshape(item_idx.shape),
        "weight": batch["weight"],
        "place": place.astype(np.int32),
        "target_idx": wanted,
        "target_weight": batch["target_weight"].reshape(-1)[place],
        "negatives": against,
    }


class Bags:
    """The attributes of some items as flat columns.

    Args:
        attributes: Of all items; the first `MOST_ATTRIBUTES` of each are read.
    """

    def __init__(self, attributes: Attributes) -> None:
        self._indices = attributes.indices
        self._start = attributes.indptr[:-1]
        self._length = np.minimum(np.diff(attributes.indptr), MOST_ATTRIBUTES)

    def of(self, items: NDArray[np.generic]) -> Batch:
        """Columns of the items' attributes.

        Args:
            items: int32 (rows,).

        Returns:
            `attribute_rows` int32 (a,), the attributes that appear; `attribute_idx` int32 (m,), places in
            them; `attribute_of` int32 (m,), which of the items has it; `attribute_share` float32 (m,), one
            over the number of that item's attributes.
        """
        length = self._length[items]
        owner = np.repeat(np.arange(len(items)), length)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length)
        flat = self._indices[self._start[items][owner] + within]
        rows, numbers = np.unique(flat, return_inverse=True)
        return {
            "attribute_rows": rows.astype(np.int32),
            "attribute_idx": numbers.reshape(-1).astype(np.int32),
            "attribute_of": owner.astype(np.int32),
            "attribute_share": (1.0 / np.maximum(length[owner], 1)).astype(np.float32),
        }
