"""What every model keeps to. A new model's test inherits one of these in three lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from app.training.build import Plan, network, plan, table
from app.training.export import check, export
from app.training.fit import compiled_score, fit
from models.base import Interactions, Value
from models.item_item import ItemItem
from tests.models import toys

N_ITEMS = 30


def histories(rows: int = 6, width: int = 9, *, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Left-padded histories of different lengths, the first one empty."""
    rng = np.random.default_rng(seed)
    there = np.arange(width)[None, :] >= width - np.linspace(0, width, rows).astype(int)[:, None]
    items = np.where(there, rng.integers(1, N_ITEMS + 1, (rows, width)), 0).astype(np.int32)
    return items, np.where(there, rng.uniform(0.1, 8.0, (rows, width)), 0.0).astype(np.float32)


def unsettle(made: Any, *, seed: int) -> None:
    """Give a network random weights everywhere: fresh biases are zero and would hide what padding does."""
    rng = np.random.default_rng(seed)
    made.set_weights([rng.normal(0.0, 0.3, weight.shape).astype(np.float32) for weight in made.get_weights()])


class ScoresContract:
    """What holds for anything that scores."""

    model: ClassVar[str]
    parameters: ClassVar[dict[str, Value]] = {}

    @property
    def plan(self) -> Plan:
        return plan(self.model, self.parameters)

    def make(self, *, seed: int = 1) -> Any:
        raise NotImplementedError

    def ask(self, made: Any, items: np.ndarray, weights: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def test_scores_are_float32_with_a_column_for_each_item_and_padding(self) -> None:
        scores = self.ask(self.make(), *histories())
        assert (scores.dtype, scores.shape) == (np.float32, (6, N_ITEMS + 1))

    def test_padding_never_wins(self) -> None:
        scores = self.ask(self.make(), *histories())
        assert (scores[:, 0] < scores[:, 1:].min(axis=1) - 1e6).all()

    def test_scores_are_finite_also_of_an_empty_history(self) -> None:
        scores = self.ask(self.make(), *histories())
        assert np.isfinite(scores[:, 1:]).all()

    def test_scores_stay_when_padding_is_added(self) -> None:
        made, (items, weights) = self.make(), histories()
        padding = ((0, 0), (7, 0))
        wider = self.ask(made, np.pad(items, padding), np.pad(weights, padding))
        np.testing.assert_allclose(wider[:, 1:], self.ask(made, items, weights)[:, 1:], atol=1e-5)

    def test_a_batch_scores_as_its_rows_alone(self) -> None:
        made, (items, weights) = self.make(), histories()
        alone = [self.ask(made, items[row : row + 1], weights[row : row + 1])[0] for row in range(len(items))]
        np.testing.assert_allclose(self.ask(made, items, weights)[:, 1:], np.stack(alone)[:, 1:], atol=1e-5)

    def test_the_same_seed_gives_the_same_scores(self) -> None:
        first, second = (self.ask(self.make(seed=5), *histories()) for _ in range(2))
        np.testing.assert_array_equal(first, second)


@pytest.mark.tensorflow
class ModelContract(ScoresContract):
    """What every network keeps to."""

    toy_training: ClassVar[dict[str, Value]] = {}
    toy_accuracy: ClassVar[float] = 0.9
    # Nats that the fit must win: the ring is certain, of a circle half the items remain.
    toy_gain: ClassVar[float] = 1.5

    def make(self, *, seed: int = 1) -> Any:
        made = network(self.plan, N_ITEMS, seed=seed)
        unsettle(made, seed=seed)
        return made

    def ask(self, made: Any, items: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.asarray(made({"item_idx": items, "weight": weights}, training=False))

    def test_another_seed_gives_other_scores(self) -> None:
        first, second = (self.ask(self.make(seed=seed), *histories()) for seed in (1, 2))
        assert np.abs(first - second)[:, 1:].max() > 1e-3

    def test_places_without_weight_count_as_padding(self) -> None:
        made, (items, weights) = self.make(), histories()
        without = weights.copy()
        without[:, :4] = 0.0
        blank = np.where(without > 0, items, 0)
        np.testing.assert_allclose(
            self.ask(made, items, without)[:, 1:], self.ask(made, blank, without)[:, 1:], atol=1e-5
        )

    def test_saved_weights_score_the_same(self, tmp_path: Path) -> None:
        made, other = self.make(seed=1), self.make(seed=2)
        made.save_weights(tmp_path / "made.weights.h5")
        other.load_weights(tmp_path / "made.weights.h5")
        np.testing.assert_array_equal(self.ask(made, *histories()), self.ask(other, *histories()))

    def test_a_saved_network_scores_the_same(self, tmp_path: Path) -> None:
        import keras

        made = self.make()
        made.save(tmp_path / "made.keras")
        loaded = keras.saving.load_model(tmp_path / "made.keras", compile=False)
        np.testing.assert_array_equal(self.ask(made, *histories()), self.ask(loaded, *histories()))

    def test_the_exported_graph_scores_the_same(self, tmp_path: Path) -> None:
        found = export(self.make(), tmp_path / "serving.onnx", seed=1)
        assert found["max_difference"] < 1e-4
        assert found["probes"] >= 20

    def test_a_graph_of_other_weights_is_refused(self, tmp_path: Path) -> None:
        from app.training.errors import ExportError

        export(self.make(seed=1), tmp_path / "serving.onnx", seed=1)
        with pytest.raises(ExportError):
            check(self.make(seed=2), tmp_path / "serving.onnx", seed=1)

    def test_vectors_are_those_of_the_items(self) -> None:
        vectors = self.make().vectors()
        assert (vectors.dtype, vectors.shape[0]) == (np.float32, N_ITEMS + 1)
        assert not vectors[0].any()
        assert np.isfinite(vectors).all()

    def test_a_compiled_step_lowers_the_loss_of_its_batch(self) -> None:
        from app.training.feed import Feed
        from app.training.step import Step

        made = network(self.plan, N_ITEMS, seed=1)
        step = Step(made)
        batch = next(Feed(self.toy_plan, self.toy(), bag=made.targets == "bag", seed=1).epoch())
        first = step(batch, 0.01)
        for _ in range(20):
            last = step(batch, 0.01)
        assert last < first

    def test_it_learns_toy_data(self) -> None:
        told: list[float] = []
        facts = self.toy()
        made, history = fit(
            self.toy_plan,
            facts,
            seed=1,
            epochs=30,
            validate=None,
            on_epoch=lambda epoch, _: told.append(epoch.loss),
        )
        assert told[-1] < told[0] - self.toy_gain
        assert history.best_epoch == 30
        assert self.accuracy(compiled_score(made)) >= self.toy_accuracy

    @property
    def toy_plan(self) -> Plan:
        training: dict[str, Value] = {"batch_size": 16, "learning_rate": 0.02, "max_length": 16}
        return plan(self.model, {**self.parameters, **training, **self.toy_training})

    def toy(self) -> Interactions:
        raise NotImplementedError

    def accuracy(self, score: Any) -> float:
        raise NotImplementedError


class SequenceContract(ModelContract):
    """What a network that reads in order keeps to as well."""

    toy_training: ClassVar[dict[str, Value]] = {"look_ahead": 1}

    def toy(self) -> Interactions:
        return toys.rings(n_items=N_ITEMS)

    def accuracy(self, score: Any) -> float:
        starts = np.arange(N_ITEMS)
        items = ((starts[:, None] + np.arange(5)[None, :]) % N_ITEMS + 1).astype(np.int32)
        best = score(items, np.ones_like(items, np.float32)).argmax(axis=1)
        return float(np.mean(best == (starts + 5) % N_ITEMS + 1))

    def test_what_comes_later_changes_no_earlier_state(self) -> None:
        made, (items, weights) = self.make(), histories(rows=4, width=9)
        items, weights = np.maximum(items, 1), np.maximum(weights, 0.5)
        changed = items.copy()
        changed[:, 5:] = changed[:, 5:] % N_ITEMS + 1
        one = np.asarray(made.hidden({"item_idx": items, "weight": weights}, training=False))
        two = np.asarray(made.hidden({"item_idx": changed, "weight": weights}, training=False))
        np.testing.assert_allclose(one[:, :5], two[:, :5], atol=1e-6)
        assert np.abs(one[:, 5:] - two[:, 5:]).max() > 1e-4


class BagContract(ModelContract):
    """What a network that reads a bag keeps to as well."""

    toy_gain: ClassVar[float] = 0.3

    def toy(self) -> Interactions:
        return toys.circles(n_items=N_ITEMS)

    def accuracy(self, score: Any) -> float:
        half = N_ITEMS // 2
        items = np.array([[1, 2, 3], [half + 1, half + 2, half + 3]], np.int32)
        top = np.argsort(-score(items, np.ones_like(items, np.float32)), axis=1)[:, :half]
        return float(np.mean([(top[0] <= half).mean(), (top[1] > half).mean()]))

    def test_order_does_not_matter(self) -> None:
        made, (items, weights) = self.make(), histories()
        back = self.ask(made, items[:, ::-1], weights[:, ::-1])
        np.testing.assert_allclose(back[:, 1:], self.ask(made, items, weights)[:, 1:], atol=1e-5)

    def test_an_item_twice_is_one_of_twice_the_weight(self) -> None:
        made = self.make()
        twice = self.ask(made, np.array([[4, 4, 9]], np.int32), np.array([[1, 1, 2]], np.float32))
        once = self.ask(made, np.array([[4, 9]], np.int32), np.array([[2, 2]], np.float32))
        np.testing.assert_allclose(twice[:, 1:], once[:, 1:], atol=1e-5)


class TableContract(ScoresContract):
    """What every counted table keeps to."""

    def make(self, *, seed: int = 1) -> ItemItem:
        return table(self.plan, toys.circles(n_items=N_ITEMS, length=6))

    def ask(self, made: ItemItem, items: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return made.score(items, weights)

    def test_a_saved_table_scores_the_same(self, tmp_path: Path) -> None:
        made = self.make()
        made.save(tmp_path / "item_item.npz")
        loaded = ItemItem.load(tmp_path / "item_item.npz")
        np.testing.assert_array_equal(self.ask(made, *histories()), self.ask(loaded, *histories()))

    def test_it_is_sound(self) -> None:
        self.make().check()

    def test_an_item_never_recommends_itself(self) -> None:
        made = self.make()
        for item in range(1, N_ITEMS + 1):
            assert item not in made.indices[made.indptr[item] : made.indptr[item + 1]]
