"""The compiled step: lazy Adam, and item vectors that are sums with their attributes'."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.training.build import Plan, network, plan
from app.training.feed import Feed
from app.training.fit import compiled_score, fit
from app.training.step import Known, Step
from models.base import Attributes, Interactions
from tests.models import toys

pytestmark = pytest.mark.tensorflow
SMALL = {"embedding_size": 8, "heads": 2, "dropout": 0.0, "negatives": 3, "batch_size": 4, "look_ahead": 1}


def small(**overrides: Any) -> Plan:
    return plan("sasrec", {**SMALL, **overrides})


def with_attributes(facts: Interactions) -> Interactions:
    """Odd items have attribute 0, even ones 1, each its own beside it; the last item has no own one."""
    bags = [
        [item % 2, *([] if item == facts.n_items else [1 + item])] for item in range(1, facts.n_items + 1)
    ]
    indptr = np.cumsum([0, 0, *(len(bag) for bag in bags)]).astype(np.int64)
    names = [str(number) for number in range(facts.n_items + 2)]
    return replace(facts, attributes=Attributes(names, np.concatenate(bags).astype(np.int32), indptr))


def table(made: Any) -> np.ndarray:
    return np.array(made.items.vectors.value)


def test_a_step_moves_only_the_items_of_its_batch() -> None:
    facts = toys.rings(n_items=40, users=4, length=5)
    made = network(small(), 40, seed=1)
    before, step = table(made), Step(made)
    batch = next(Feed(small(), facts, bag=False, seed=1).epoch())
    step(batch, 0.01)
    step.bake()
    moved = np.flatnonzero(np.abs(table(made) - before).max(axis=1) > 0)
    assert 0 < len(moved) < 40
    assert set(moved) <= set(batch["rows"].tolist())


def test_adams_first_step_moves_by_the_learning_rate() -> None:
    made = network(small(), 12, seed=1)
    before, step = table(made), Step(made)
    batch = next(Feed(small(), toys.rings(), bag=False, seed=1).epoch())
    step(batch, 0.01)
    step.bake()
    rows = np.unique(batch["rows"][batch["target_idx"]])
    np.testing.assert_allclose(np.abs(table(made) - before)[rows], 0.01, rtol=1e-2)


def test_a_padded_step_leaves_padding_as_it_is() -> None:
    made = network(small(), 12, seed=1)
    before, step = table(made)[0], Step(made)
    for batch in Feed(small(), toys.rings(), bag=False, seed=1).epoch():
        step(batch, 0.01)
    step.bake()
    np.testing.assert_array_equal(table(made)[0], before)


def test_weight_decay_takes_a_share_off_each_matrix() -> None:
    plain, decayed = network(small(), 12, seed=1), network(small(), 12, seed=1)
    batch = next(Feed(small(), toys.rings(), bag=False, seed=1).epoch())
    Step(plain)(batch, 0.01)
    start = np.array(decayed.stacks[0].blocks[0].widen.kernel.value)
    Step(decayed, weight_decay=0.5)(batch, 0.01)
    difference = np.array(plain.stacks[0].blocks[0].widen.kernel.value) - np.array(
        decayed.stacks[0].blocks[0].widen.kernel.value
    )
    np.testing.assert_allclose(difference, 0.005 * start, atol=1e-6)


def test_items_without_events_are_read_by_their_attributes_alone() -> None:
    facts = with_attributes(toys.rings(n_items=12, users=20, length=4))
    kept = facts.item <= 8
    facts = replace(
        facts,
        **{name: getattr(facts, name)[kept] for name in ("user", "item", "time", "weight", "half_life")},
    )
    made, _ = fit(small(), facts, seed=1, epochs=2, validate=None, on_epoch=lambda _epoch, _most: None)
    # Item 12 has the shared attribute alone; 10 has it and one of its own.
    assert np.abs(table(made)[12]).max() > 0
    assert np.abs(table(made)[10] - table(made)[12]).max() > 1e-3
    again, _ = fit(small(), facts, seed=1, epochs=2, validate=None, on_epoch=lambda _epoch, _most: None)
    np.testing.assert_array_equal(table(made), table(again))


def test_the_baked_table_holds_own_vectors_and_the_mean_of_attributes() -> None:
    facts = with_attributes(toys.rings(n_items=12))
    made = network(small(), 12, seed=1)
    own = table(made)
    assert facts.attributes is not None
    has_events = np.arange(13) < 12
    step = Step(made, known=Known(facts.attributes, has_events), seed=3)
    step.bake()
    size = (len(facts.attributes), 8)
    vectors = np.random.default_rng(3).normal(0.0, 8**-0.5, size).astype(np.float32)
    np.testing.assert_allclose(table(made)[3], own[3] + (vectors[1] + vectors[4]) / 2, atol=1e-6)
    np.testing.assert_allclose(table(made)[12], vectors[0], atol=1e-6)


def test_a_baked_table_is_parted_so_that_items_with_events_are_read_as_before() -> None:
    facts = with_attributes(toys.rings(n_items=12))
    made = network(small(), 12, seed=1)
    before = table(made)
    assert facts.attributes is not None
    has_events = np.arange(13) < 12
    Step(made, known=Known(facts.attributes, has_events, is_baked=True), seed=3).bake()
    np.testing.assert_allclose(table(made)[:12], before[:12], atol=1e-6)
    # The twelfth has no events: it is the mean of those that share its attribute.
    owner = np.repeat(np.arange(13), np.diff(facts.attributes.indptr))
    attribute = facts.attributes.indices[owner == 12]
    alike = owner[np.isin(facts.attributes.indices, attribute) & (owner < 12)]
    np.testing.assert_allclose(table(made)[12], before[alike].mean(axis=0), atol=1e-6)


def test_a_fit_with_attributes_needs_nothing_but_its_weights() -> None:
    facts = with_attributes(toys.rings(n_items=12))
    made, _ = fit(small(), facts, seed=1, epochs=1, validate=None, on_epoch=lambda _epoch, _most: None)
    other = network(small(), 12, seed=2)
    other.set_weights(made.get_weights())
    query = (np.array([[1, 2]], np.int32), np.ones((1, 2), np.float32))
    np.testing.assert_array_equal(compiled_score(made)(*query), compiled_score(other)(*query))


def test_a_deadline_ends_the_fit_with_fewer_epochs() -> None:
    told: list[int] = []
    _, history = fit(
        small(),
        toys.rings(),
        seed=1,
        epochs=1000,
        validate=None,
        on_epoch=lambda epoch, _: told.append(epoch.number),
        deadline_s=1.5,
    )
    assert 1 <= len(told) < 1000
    assert history.best_epoch == len(told)


def test_a_fit_may_begin_at_other_weights() -> None:
    first, _ = fit(small(), toys.rings(), seed=1, epochs=1, validate=None, on_epoch=lambda *_: None)
    begun: list[np.ndarray] = []

    def begin(made: Any) -> None:
        made.set_weights(first.get_weights())
        begun.append(table(made))

    fit(small(), toys.rings(), seed=2, epochs=1, validate=None, on_epoch=lambda *_: None, begin=begin)
    np.testing.assert_array_equal(begun[0], table(first))
