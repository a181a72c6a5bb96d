"""The whole run with a network: from events to a folder that serves."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.adapters.scorers.loader import FolderLoader
from app.domain.probes import probe_queries
from app.domain.weights import EventWeight
from app.training.build import plan
from app.training.fit import fit
from app.training.run import Progress, TrainedVersion, TrainingError, TrainRequest, train
from app.training.warm import EPOCHS_SHARE
from tests.clocks import FixedClock
from tests.models import toys
from tests.unit.training.build import START
from tests.unit.training.test_run import shop

pytestmark = pytest.mark.tensorflow

SMALL = {
    "gru4rec": {"embedding_size": 8, "units": 12, "look_ahead": 1, "negatives": 5, "max_length": 16},
    "multvae": {"hidden_size": 12, "latent_size": 4, "max_length": 16},
}


@pytest.mark.parametrize("model", SMALL)
def test_a_network_is_fitted_judged_and_served(tmp_path: Path, model: str) -> None:
    told: list[Progress] = []
    made = train(
        TrainRequest(model, overrides={**SMALL[model], "epochs": 3, "batch_size": 16, "learning_rate": 0.02}),
        shop(),
        workdir=tmp_path,
        progress=told.append,
        clock=FixedClock(START + timedelta(days=60)),
    )
    names = {path.name for path in made.folder.iterdir()}
    # Scores of Mult-VAE are no product with item vectors.
    encoder = set() if model == "multvae" else {"encoder.onnx", "item_biases.npy"}
    assert names == encoder | {
        "config.json",
        "items.json",
        "weights.weights.h5",
        "serving.onnx",
        "item_vectors.npy",
        "metrics.json",
        "history.json",
        "curves.png",
        "manifest.json",
        *(f"{stage}.{name}" for stage in ("fit", "refit") for name in ("weights.weights.h5", "items.json")),
    }
    history = json.loads((made.folder / "history.json").read_text())
    assert len(history["loss"]) == len(history["val_loss"]) == len(history["ndcg@10"]) <= 3
    assert made.metrics["losses"] == history["loss"]
    assert made.metrics["export"]["max_difference"] < 1e-4
    assert made.verdict == made.metrics["verdict"]
    epochs = [progress for progress in told if progress.loss is not None]
    assert [progress.epoch for progress in epochs] == list(range(1, len(history["loss"]) + 1))
    assert all(progress.val_loss is not None and progress.metric is not None for progress in epochs)
    onnx, keras = (FolderLoader(runtime=runtime).load(made.folder) for runtime in ("onnx", "keras"))
    queries = probe_queries(onnx.item_ids, max_length=20, count=6)
    np.testing.assert_allclose(onnx.score(queries)[:, 1:], keras.score(queries)[:, 1:], atol=1e-4)
    assert onnx.item_vectors is not None


def test_a_run_that_diverges_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    # To the tenth, labels as large as these are beyond float32.
    wild, huge = {**SMALL["multvae"], "epochs": 3, "power": 10.0}, {"view_item": EventWeight(1e30, 14.0)}
    with pytest.raises(TrainingError, match="diverged"):
        train(
            TrainRequest("multvae", overrides=wild, weights=huge),
            shop(),
            workdir=tmp_path,
            progress=lambda _: None,
            clock=FixedClock(START + timedelta(days=60)),
        )
    assert not list(tmp_path.iterdir())


def test_a_retraining_starts_from_the_live_version_s_weights(tmp_path: Path) -> None:
    overrides = {**SMALL["gru4rec"], "epochs": 10, "batch_size": 16, "learning_rate": 0.02, "patience": 10}
    clock = FixedClock(START + timedelta(days=60))

    def made(days: int, **options: object) -> TrainedVersion:
        return train(
            TrainRequest("gru4rec", overrides=overrides, **options),
            shop(days=days),
            workdir=tmp_path,
            progress=lambda _: None,
            clock=clock,
        )

    live = made(30, version="first")
    grown = made(33, version="second", warm_from=live.folder)
    assert "warm_start" not in live.metrics
    assert grown.metrics["warm_start"] == {"from": "first", "epochs": live.metrics["epochs"], "in_a_row": 1}
    assert len(grown.metrics["losses"]) == max(1, round(EPOCHS_SHARE * live.metrics["epochs"]))
    assert grown.metrics["losses"][0] < live.metrics["losses"][0]
    # Its slices end later than those of the shorter log: it saw what would be asked.
    assert "warm_start" not in made(28, version="third", warm_from=grown.folder).metrics


def test_few_people_are_passed_over_more_often_and_asked_as_seldom() -> None:
    sizes = {**SMALL["gru4rec"], "epochs": 2, "validate_every": 1, "patience": 2, "batch_size": 16}
    asked = iter((0.1, 0.2))
    # 60 people are 4 batches: 20 steps take three times the 2 epochs.
    _, history = fit(
        plan("gru4rec", {**sizes, "least_steps": 20}),
        toys.rings(),
        seed=1,
        epochs=2,
        validate=lambda _: (1.0, next(asked)),
        on_epoch=lambda _epoch, _most: None,
    )
    assert [epoch.metric for epoch in history.epochs] == [None, None, 0.1, None, None, 0.2]


@pytest.mark.parametrize("model", ["transitions", *SMALL, "auto"])
def test_nothing_that_is_fitted_or_chosen_reads_the_test_slice(tmp_path: Path, model: str) -> None:
    clean = judged(model, shop(), tmp_path / "clean")
    since = datetime.fromisoformat(clean.metrics["protocol"]["test_from"])
    poison = pl.format("poison-{}", pl.int_range(pl.len()))
    is_test = pl.col("happened_at") >= since
    frame = shop().with_columns(pl.when(is_test).then(poison).otherwise(pl.col("item_id")).alias("item_id"))
    assert frame.select(is_test.sum()).item() > 0
    poisoned = judged(model, frame, tmp_path / "poisoned")
    assert poisoned.metrics["test"] != clean.metrics["test"]
    assert poisoned.metrics["epochs"] == clean.metrics["epochs"]
    one, other = (FolderLoader(runtime="onnx").load(made.folder) for made in (clean, poisoned))
    assert one.item_ids == other.item_ids
    queries = probe_queries(one.item_ids, max_length=20, count=12)
    np.testing.assert_array_equal(one.score(queries), other.score(queries))
    for name in ("item_vectors.npy", "blend.json"):
        files = [made.folder / name for made in (clean, poisoned)]
        assert [path.is_file() for path in files] in ([True, True], [False, False])
        assert not files[0].is_file() or files[0].read_bytes() == files[1].read_bytes()


def judged(model: str, events: pl.DataFrame, folder: Path) -> TrainedVersion:
    """The model as the test slice judges it: chosen on the slice before, fitted on all until then."""
    small = SMALL.get(model)
    fits = {**small, "epochs": 2, "batch_size": 16} if small else {}
    # Too short for a network, and far longer than the tables need: no choice is made by the clock.
    overrides = {"budget_s": 20.0} if model == "auto" else fits
    return train(
        TrainRequest(model, version="v", overrides=overrides, refit=False),
        events,
        workdir=folder,
        progress=lambda _: None,
        clock=FixedClock(START + timedelta(days=60)),
    )
