"""A fit that starts from an earlier one keeps what is known and guesses the rest from what is like it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.training.build import Plan, network, plan
from app.training.fit import fit
from app.training.warm import Likeness, shortened, start_of, warm_from
from models.base import Attributes
from tests.models.toys import rings

pytestmark = pytest.mark.tensorflow

SMALL = {
    "gru4rec": {"embedding_size": 8, "units": 12},
    "nextitnet": {"embedding_size": 8},
    "multvae": {"hidden_size": 12, "latent_size": 4},
}
OLD, NEW = ["a", "b", "c", "d"], ["0", "a", "b", "d", "e", "x", "y"]


def small(model: str, **more: object) -> Plan:
    return plan(model, {**SMALL[model], **more})


@pytest.mark.parametrize("model", SMALL)
def test_a_warm_network_answers_about_known_items_as_before(model: str) -> None:
    chosen = small(model)
    earlier, fresh = network(chosen, len(OLD), seed=1), network(chosen, len(NEW), seed=2)
    start_of(chosen, earlier, OLD).into(fresh, NEW)

    def asked(of: object, ids: list[str]) -> np.ndarray:
        item_idx = np.array([[ids.index(item) + 1 for item in ("a", "d", "b")]], np.int32)
        scores = np.asarray(of({"item_idx": item_idx, "weight": np.ones((1, 3), np.float32)}))[0]
        return scores[[ids.index(item) + 1 for item in ("a", "b", "d")]]

    np.testing.assert_allclose(asked(fresh, NEW), asked(earlier, OLD), atol=1e-5)


def test_a_new_item_s_vector_is_the_mean_of_the_known_ones() -> None:
    chosen = small("gru4rec")
    earlier, fresh = network(chosen, len(OLD), seed=1), network(chosen, len(NEW), seed=2)
    start_of(chosen, earlier, OLD).into(fresh, NEW)
    known = earlier.vectors()[[OLD.index(item) + 1 for item in ("a", "b", "d")]]
    np.testing.assert_allclose(fresh.vectors()[NEW.index("x") + 1], known.mean(axis=0), atol=1e-6)


def test_a_row_by_attributes_is_their_means_the_rarer_the_more() -> None:
    # Item 1 and 2: attribute 0; item 3: attribute 1; items 4 and 5 are unknown: both attributes, and none.
    attributes = Attributes(["p", "q"], np.array([0, 0, 1, 0, 1], np.int32), np.array([0, 0, 1, 2, 3, 5, 5]))
    table = np.array([[0, 0], [1, 0], [3, 0], [0, 6], [9, 9], [9, 9]], np.float32)
    found = Likeness(np.array([True, True, True, True, False, False]), attributes).rows(table)
    share = np.array([1 / np.sqrt(2), 1.0])
    np.testing.assert_allclose(
        found[4], (share[0] * np.array([2, 0]) + share[1] * np.array([0, 6])) / share.sum()
    )
    np.testing.assert_allclose(found[5], [4 / 3, 2.0], rtol=1e-6)


def test_what_a_version_left_is_read_back(tmp_path: Path) -> None:
    chosen = small("gru4rec")
    earlier = network(chosen, len(OLD), seed=1)
    earlier.save_weights(tmp_path / "fit.weights.weights.h5")
    (tmp_path / "items.json").write_text('["a", "b", "c", "d"]')
    start = warm_from(tmp_path, "fit.", chosen=chosen)
    assert start is not None
    assert list(start.item_ids) == OLD
    for ours, theirs in zip(start.weights, earlier.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert warm_from(tmp_path, "other.", chosen=chosen) is None
    assert warm_from(tmp_path, "fit.", chosen=small("gru4rec", units=16)) is None


def test_a_warm_fit_is_short_and_begins_where_the_earlier_one_ended() -> None:
    facts = rings(users=120)
    chosen = small("gru4rec", epochs=30, look_ahead=1, negatives=0, learning_rate=0.02, batch_size=32)
    ids = [str(item) for item in range(1, 13)]

    def run(of: Plan, begin: object = lambda _: None) -> tuple[object, list[float]]:
        done, history = fit(
            of,
            facts,
            seed=1,
            epochs=int(of.training["epochs"]),
            validate=None,
            on_epoch=lambda _epoch, _most: None,
            begin=begin,
        )
        return done, [epoch.loss for epoch in history.epochs]

    earlier, losses = run(chosen)
    short = shortened(chosen, 30)
    assert (short.training["epochs"], short.training["decay"]) == (10, "linear")
    assert short.training["target_half_life_days"] == chosen.training["target_half_life_days"] / 3
    start = start_of(chosen, earlier, ids)
    _, warm = run(
        replace(short, training={**short.training, "epochs": 1}), lambda fresh: start.into(fresh, ids)
    )
    assert warm[0] < 0.5 * losses[0]
