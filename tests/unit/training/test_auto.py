"""The recipe with counted members: what it chooses, how it is served, and what it says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from app.adapters.scorers.loader import FolderLoader, open_reference
from app.domain import manifest
from app.domain.errors import ArtifactRefusedError
from app.domain.types import Query
from app.domain.weights import DEFAULT_WEIGHTS
from app.evaluation.protocol import pad_left
from app.training.artifact import Folder
from app.training.auto import fit_auto
from app.training.build import plan
from app.training.fitted import Fitted
from app.training.making import task_between
from app.training.preprocess import Numbered, days_of, prepare
from app.training.run import TrainedVersion, TrainRequest, train
from app.training.task import Task
from tests.clocks import FixedClock
from tests.unit.training.build import START
from tests.unit.training.test_run import shop
from tests.versions import seal, table

QUICK = {"budget_s": 4.0}


def quick(tmp_path: Path) -> TrainedVersion:
    return train(
        TrainRequest("auto", overrides=QUICK),
        shop(),
        workdir=tmp_path,
        progress=lambda _: None,
        clock=FixedClock(START + timedelta(days=60)),
    )


def task() -> Task:
    labelled = prepare(shop(), DEFAULT_WEIGHTS, now=START + timedelta(days=60))
    since, until = (days_of(START + timedelta(days=days)) for days in (24, 27))
    return task_between(labelled, since, until, max_length=200)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TrainedVersion:
    """A trained blend of tables: too little time for a network."""
    return quick(tmp_path_factory.mktemp("auto"))


def test_a_blend_is_complete_sealed_and_served(made: TrainedVersion) -> None:
    sealed = manifest.verify(made.folder, model="auto", version=made.version)
    body = json.loads((made.folder / "blend.json").read_text())
    names = {f"{member['model']}.item_item.npz" for member in body["members"]}
    assert names
    records = {"blend.json", "config.json", "items.json", "metrics.json", "history.json"}
    assert set(sealed.files) == names | records
    scorer = FolderLoader().load(made.folder)
    assert (scorer.model, scorer.source) == ("auto", "blend")


def test_what_is_served_answers_as_what_was_fitted(tmp_path: Path) -> None:
    facts, people = task().interactions, task().validation
    fitted = fit_auto(task(), budget_s=4.0, seed=1)
    folder = Folder(tmp_path / "auto-1", plan("auto", QUICK), seed=1)
    ids = [f"i{number}" for number in range(facts.n_items)]
    folder.write_model(Fitted(fitted.score, Numbered(facts, [], ids, 0), blend=fitted))
    seal(tmp_path / "auto-1", model="auto", n_items=facts.n_items)
    served = FolderLoader().load(tmp_path / "auto-1")
    item_idx, weight = pad_left(people.item_idx, people.weight, range(5))
    queries = [
        Query(tuple(ids[item - 1] for item in row[row > 0]), tuple(of[row > 0].tolist()))
        for row, of in zip(item_idx, weight, strict=True)
    ]
    np.testing.assert_allclose(served.score(queries)[:, 1:], fitted.score(item_idx, weight)[:, 1:], atol=1e-5)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "blend.json").write_text("{}"), "holds no blend"),
        (lambda folder: (folder / "blend.json").unlink(), "holds no blend"),
        (lambda folder: next(folder.glob("*.npz")).write_bytes(b"no table"), "cannot be read"),
        (lambda folder: table(4).save(next(folder.glob("*.npz"))), "another number of items"),
    ],
)
def test_a_damaged_blend_is_refused(
    made: TrainedVersion, tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    folder = tmp_path / made.version
    shutil.copytree(made.folder, folder)
    damage(folder)
    seal(folder, model="auto", n_items=made.n_items)
    with pytest.raises(ArtifactRefusedError, match=reason):
        FolderLoader().load(folder)


def test_a_blend_of_tables_has_no_reference(made: TrainedVersion) -> None:
    assert open_reference(made.folder) is None


def test_a_training_says_what_counts_and_what_was_left_out(made: TrainedVersion) -> None:
    assert made.verdict.startswith("Blend of ")
    assert "times as good" in made.verdict
    assert "Left out, because the time that was given did not suffice: " in made.verdict
    figures = made.metrics["blend"]
    assert sum(member["share_new"] for member in figures["members"]) == pytest.approx(1.0, abs=1e-3)
    assert set(figures["fitted"]) >= {member["model"] for member in figures["members"]}


def test_the_blend_is_as_good_as_its_best_member() -> None:
    found = fit_auto(task(), budget_s=4.0, seed=1)
    assert found.metric >= 0.98 * max(member.metric for member in found.fitted)


def test_the_same_seed_gives_the_same_blend() -> None:
    one, two = (fit_auto(task(), budget_s=4.0, seed=1) for _ in range(2))
    assert one.mix.to_json() == two.mix.to_json()


def test_members_that_are_handed_in_are_not_fitted_again_and_their_seconds_count() -> None:
    first = fit_auto(task(), budget_s=4.0, seed=1)
    given = first.fitted[:2]
    again = fit_auto(task(), budget_s=4.0, seed=1, fitted=given)
    assert again.fitted[:2] == given
    assert again.seconds >= sum(member.seconds for member in given)
