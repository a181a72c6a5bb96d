"""The gate on real trainings: a model of shuffled labels never goes live, the same model again may."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from app.adapters.scorers.loader import FolderLoader
from app.domain.ports import Scorer
from app.domain.types import ModelVersion, VersionState
from app.domain.weights import DEFAULT_WEIGHTS
from app.evaluation.splits import TimeSplit, split_by_share
from app.training.build import plan
from app.training.evidence import evidence_of
from app.training.fitted import fitted_until
from app.training.gate import Verdict, judge
from app.training.measure import Rival, measure
from app.training.preprocess import Labelled, moment, prepare
from app.training.progress import Stages
from app.training.run import TrainRequest, train
from tests.clocks import NOON, FixedClock

N_ITEMS, N_USERS, EVENTS_EACH = 40, 200, 20
START = datetime(2026, 9, 1, tzinfo=UTC)


def walks(seed: int) -> pl.DataFrame:
    """People who mostly go from an item to the next one, an hour apart, each from a moment of their own."""
    chance = np.random.default_rng(seed)
    step = np.where(
        chance.random((N_USERS, EVENTS_EACH)) < 0.85, 1, chance.integers(1, N_ITEMS, (N_USERS, EVENTS_EACH))
    )
    item = (chance.integers(0, N_ITEMS, (N_USERS, 1)) + np.cumsum(step, axis=1)) % N_ITEMS
    hour = np.sort(chance.uniform(0, 24 * 60, (N_USERS, EVENTS_EACH)), axis=1)
    rows = N_USERS * EVENTS_EACH
    return pl.DataFrame(
        {
            "seq": np.arange(rows),
            "user_key": [f"user:{number}" for number in np.repeat(np.arange(N_USERS), EVENTS_EACH)],
            "item_id": [f"item-{number:02d}" for number in item.ravel()],
            "name": ["purchase"] * rows,
            "happened_at": [START + timedelta(hours=float(at)) for at in hour.ravel()],
            "quantity": [1.0] * rows,
            "value": [1.0] * rows,
        }
    ).sort("happened_at")


def shuffled(labelled: Labelled, seed: int) -> Labelled:
    """The same people, moments and popularity, the items dealt out anew."""
    order = np.random.default_rng(seed).permutation(labelled.frame.height)
    items = labelled.frame.get_column("item_id").gather(order)
    return Labelled(labelled.frame.with_columns(items), labelled.counts)


@dataclass(frozen=True)
class Bench:
    """A slice of time, and a live version that was fitted on all before it."""

    labelled: Labelled
    split: TimeSplit
    live: ModelVersion
    scorer: Scorer

    def verdict(self, learned: Labelled, *, model: str = "transitions", first: bool = False) -> Verdict:
        """What the gate says of a model fitted on these events; as the first version if that is asked."""
        chosen, stages = plan(model, {}), Stages(lambda _: None)
        fitted = fitted_until(chosen, learned, self.split.test_from, 0, stages, stage="refit", seed=7)
        rivals = {} if first else {"live": Rival(self.scorer, self.live.window_end)}
        metrics = measure(chosen, fitted, self.labelled, self.split, rivals)
        live = None if first else self.live
        return judge(evidence_of({**metrics, "model": model}, live=live, parity=None))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    labelled = prepare(walks(1), DEFAULT_WEIGHTS, now=NOON)
    split = split_by_share(labelled.frame.get_column("time").to_numpy())
    before = walks(1).filter(pl.col("happened_at") < moment(split.test_from))
    trained = train(
        TrainRequest(model="transitions", version="transitions-1"),
        before,
        workdir=tmp_path_factory.mktemp("live"),
        progress=lambda _: None,
        clock=FixedClock(NOON),
    )
    row = ModelVersion(
        trained.version,
        trained.model,
        VersionState.LIVE,
        window_end=trained.window_end,
        metrics=trained.metrics,
    )
    scorer = FolderLoader().load(trained.folder)
    return Bench(labelled, split, row, scorer)


def test_a_model_as_good_as_the_live_one_passes(bench: Bench) -> None:
    verdict = bench.verdict(bench.labelled)
    assert verdict.passed, verdict.to_json()
    assert "users after its data window" in verdict.checks[-1].said


@pytest.mark.parametrize("seed", range(20))
def test_a_model_of_shuffled_labels_does_not(bench: Bench, seed: int) -> None:
    verdict = bench.verdict(shuffled(bench.labelled, seed))
    assert [check.name for check in verdict.checks if not check.passed][-1:] == ["live"]


@pytest.mark.parametrize("model", ["transitions", "itemknn"])
@pytest.mark.parametrize("seed", range(20))
def test_nor_does_it_where_nothing_is_live(bench: Bench, model: str, seed: int) -> None:
    verdict = bench.verdict(shuffled(bench.labelled, seed), model=model, first=True)
    assert "popularity" in [check.name for check in verdict.checks if not check.passed], verdict.to_json()


@pytest.mark.parametrize("model", ["transitions", "popularity"])
def test_a_sound_first_version_passes(bench: Bench, model: str) -> None:
    verdict = bench.verdict(bench.labelled, model=model, first=True)
    assert verdict.passed, verdict.to_json()
