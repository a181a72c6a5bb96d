"""The run with a counted model: every step but the network."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.domain import manifest
from app.domain.moments import rfc3339
from app.domain.types import Item
from app.domain.weights import DEFAULT_WEIGHTS
from app.training.build import plan
from app.training.evaluate import cases
from app.training.preprocess import days_of, prepare
from app.training.run import NotEnoughDataError, Progress, Rival, TrainRequest, train
from tests.clocks import FixedClock
from tests.unit.training.build import START, log


def shop(*, users: int = 40, days: int = 30, seed: int = 1) -> pl.DataFrame:
    """People who walk a ring of ten items, a view a day."""
    rng = random.Random(seed)
    lines = []
    for user in range(users):
        place = rng.randrange(10)
        lines += [
            (f"u{user:02d}", f"i{(place + day) % 10}", "view_item", day + rng.random() / 2)
            for day in range(days)
        ]
    return log(*lines)


def run(tmp_path: Path, frame: pl.DataFrame, **options: object) -> object:
    told: list[Progress] = []
    clock = FixedClock(START + timedelta(days=60))
    request = TrainRequest(**{"model": "transitions", **options.pop("request", {})})
    return train(request, frame, workdir=tmp_path, progress=told.append, clock=clock, **options), told


def test_a_version_is_complete_and_sealed(tmp_path: Path) -> None:
    made, _ = run(tmp_path, shop(), git_commit="abc")
    sealed = manifest.verify(made.folder, model="transitions", version=made.version)
    assert {"config.json", "items.json", "item_item.npz", "metrics.json", "history.json"} == set(sealed.files)
    assert (sealed.n_items, sealed.provenance.git_commit) == (10, "abc")
    assert sealed.provenance.event_count == made.event_count == 1200
    config = json.loads((made.folder / "config.json").read_text())
    assert (config["model"], config["format"], config["source"]) == (
        "transitions",
        "item_item",
        "transitions",
    )


def test_a_version_dates_its_slices_as_the_service_writes_times(tmp_path: Path) -> None:
    made, _ = run(tmp_path, shop())
    written = made.metrics["protocol"]["test_from"]
    assert written == rfc3339(datetime.fromisoformat(written))


def test_transitions_beat_popularity_where_one_item_leads_to_the_next(tmp_path: Path) -> None:
    made, _ = run(tmp_path, shop(), request={"overrides": {"recency": 0.1}})
    ours, theirs = made.metrics["test"]["all"], made.metrics["baselines"]["popularity"]["all"]
    assert ours["people"] == 40
    assert ours["ndcg@10"] > theirs["ndcg@10"]


def test_a_described_item_without_events_is_part_of_the_version(tmp_path: Path) -> None:
    items = [Item("i1", brand="X"), Item("i2", brand="X"), Item("i3"), Item("new", brand="X")]
    made, _ = run(tmp_path, shop(), items=[items])
    assert json.loads((made.folder / "items.json").read_text())[-1] == "new"
    assert made.n_items == 11
    # It was bought by nobody: whoever is asked, it stands behind what was.
    assert np.isfinite(made.metrics["test"]["all"]["coverage@10"])


def test_progress_rises_to_the_end(tmp_path: Path) -> None:
    _, told = run(tmp_path, shop())
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert told[0].stage == "preprocess"
    assert told[-1].stage == "write"


def test_an_exception_from_the_progress_ends_it(tmp_path: Path) -> None:
    class CancelledError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.stage == "evaluate":
            raise CancelledError

    with pytest.raises(CancelledError):
        train(
            TrainRequest("transitions"),
            shop(),
            workdir=tmp_path,
            progress=stop,
            clock=FixedClock(START + timedelta(days=60)),
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (log(), "labelled events"),
        (log(*[("u", f"i{n % 9}", "view_item", n / 10) for n in range(200)]), "people"),
        (log(*[(f"u{n % 9}", "i", "view_item", n / 10) for n in range(200)]), "items"),
        (log(*[(f"u{n % 9}", f"i{n}", "view_item", 1) for n in range(200)]), "slices of time"),
    ],
)
def test_too_little_is_said_in_words(tmp_path: Path, frame: pl.DataFrame, words: str) -> None:
    with pytest.raises(NotEnoughDataError, match=words):
        run(tmp_path, frame)


@pytest.mark.parametrize("overrides", [{"windows": 3}, {"window": "three"}, {"window": -1}, {"prior": True}])
def test_a_wrong_hyper_parameter_is_refused(tmp_path: Path, overrides: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"window|prior"):
        run(tmp_path, shop(), request={"overrides": overrides})


def test_an_integer_serves_where_a_fraction_is_meant() -> None:
    assert plan("transitions", {"recency": 1}).parameters["recency"] == 1.0


class Oracle:
    """A rival that knows the ring."""

    version, model, source = "transitions-0", "transitions", "transitions"
    item_ids = tuple(f"i{number}" for number in reversed(range(10)))
    item_vectors = None

    def score(self, queries: object) -> np.ndarray:
        scores = np.zeros((len(queries), 11), np.float32)
        for row, query in enumerate(queries):
            if query.item_ids:
                following = f"i{(int(query.item_ids[-1][1:]) + 1) % 10}"
                scores[row, self.item_ids.index(following) + 1] = 1.0
        scores[:, 0] = -np.inf
        return scores


def test_a_rival_is_asked_by_its_own_numbers_after_its_window(tmp_path: Path) -> None:
    window_end = START + timedelta(days=28)
    made, _ = run(tmp_path, shop(), rivals={"live": Rival(Oracle(), window_end)})
    duel = made.metrics["rivals"]["live"]
    assert duel["since"].startswith("2026-01-29")
    assert duel["rival"]["all"]["people"] == duel["candidate"]["all"]["people"] == 40
    assert duel["rival"]["all"]["accuracy"] == 1.0


def test_a_rival_that_saw_everything_is_not_compared(tmp_path: Path) -> None:
    made, _ = run(tmp_path, shop(), rivals={"live": Rival(Oracle(), START + timedelta(days=50))})
    assert made.metrics["rivals"] == {}


def test_a_rival_is_not_asked_about_its_last_moment_however_much_happened_then(tmp_path: Path) -> None:
    by_the_day = shop().with_columns(pl.col("happened_at").dt.truncate("1d"))
    last = START + timedelta(days=29)
    made, _ = run(tmp_path / "knows", by_the_day, rivals={"live": Rival(Oracle(), last)})
    assert made.metrics["rivals"] == {}
    day_before = Rival(Oracle(), last - timedelta(days=1))
    made, _ = run(tmp_path / "learns", by_the_day, rivals={"live": day_before})
    assert made.metrics["rivals"]["live"]["candidate"]["all"]["people"] == 40


def test_cases_hold_history_before_and_targets_after() -> None:
    frame = log(
        ("u", "a", "view_item", 1),
        ("u", "b", "view_item", 2),
        ("u", "c", "view_item", 5),
        ("v", "a", "view_item", 6),
        ("w", "a", "view_item", 1),
    )
    labelled = prepare(frame, DEFAULT_WEIGHTS, now=START + timedelta(days=60))
    cut = days_of(START + timedelta(days=4))
    found = cases(
        labelled.before(cut), labelled.between(cut, float("inf")), ["b", "a"], now=cut, max_length=1
    )
    assert len(found) == 2
    assert found.item_idx.row(0).tolist() == [1]
    assert sorted(found.seen.row(0).tolist()) == [1, 2]
    assert found.targets.row(0).tolist() == [3]
    assert found.is_new.tolist() == [False, True]
    assert found.targets.row(1).tolist() == [2]
    np.testing.assert_allclose(found.weight.row(0), [0.5 ** (2 / 14)], rtol=1e-6)
