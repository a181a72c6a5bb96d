"""What a person sees while a model is fitted: everything that matters fits a narrow terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from app.cli.console import progress_bar
from app.cli.training import COLUMNS, _Evaluated, _note, _table, compared
from app.domain.types import Job, JobState, JsonObject
from app.training.progress import Progress

CURVES = {"loss": [9.1, 10.0974], "val_loss": [9.2, 7.0281], "metric": [0.1, 0.1411]}


def a_job(stage: str, **detail: object) -> Job:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    body: JsonObject = {"epoch": 12, "epochs": 30, **CURVES, **detail}
    return Job(
        job_id="j",
        state=JobState.RUNNING,
        model="nextitnet",
        promote="auto",
        trigger="cli",
        stage=stage,
        progress=0.53,
        seconds_left=754.0,
        detail=body,
        created_at=now,
    )


def line_of(job: Job, *, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """The bar as a terminal of that width shows it."""
    monkeypatch.setenv("COLUMNS", str(width))
    bar = progress_bar()
    task = bar.add_task(job.model, total=1.0, note="")
    bar.update(task, completed=job.progress, note=_note(job), left_s=job.seconds_left)
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(bar.get_renderable())
    return out.getvalue().rstrip("\n")


@pytest.mark.parametrize("width", [80, 100])
def test_progress_of_a_fit_fits_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    line = line_of(a_job("fit"), width=width, monkeypatch=monkeypatch)
    assert "\n" not in line
    for part in ("nextitnet", "53%", "12:34 left", "fit, epoch 12/30", "loss 10.10", "NDCG@10 .141"):
        assert part in line
    assert "━━━━     " in line, "the bar keeps its eight cells"
    assert ("val. loss 7.03" in line) == (width == 100)


@pytest.mark.parametrize("stage", ["refit", "final"])
def test_progress_of_a_later_fit_shows_no_figures_of_the_first(stage: str) -> None:
    assert _note(a_job(stage, epoch=1, epochs=3)) == f"{stage}, epoch 1/3"


def test_progress_between_fits_shows_no_epoch() -> None:
    assert _note(a_job("evaluate")) == "evaluate"


def test_evaluation_keeps_the_figures_of_the_last_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    bar = progress_bar()
    seen = _Evaluated(bar, ["gru4rec", "multvae"])
    seen.report("gru4rec", Progress("fit", 0.2, epoch=1, epochs=9, loss=7.0, val_loss=7.5, metric=0.1))
    seen.report("gru4rec", Progress("fit", 0.21, epoch=2, epochs=9))
    assert bar.tasks[0].description == "gru4rec"
    assert bar.tasks[0].fields["note"] == "fit, epoch 2/9, loss 7.00, NDCG@10 .100, val. loss 7.50"
    seen.report("multvae", Progress("fit", 0.05, epoch=1, epochs=9))
    assert bar.tasks[0].fields["note"] == "fit, epoch 1/9", "another model's figures are gone"


def a_report() -> JsonObject:
    return {
        reading: {key: 0.25 for _, where, key in COLUMNS if where == reading} for reading in ("unseen", "all")
    }


def test_table_of_a_training_fits_100_columns_in_readable_names(capsys: pytest.CaptureFixture[str]) -> None:
    baselines = {
        name: a_report() for name in ("popularity", "popularity_decayed", "first_order", "transitions")
    }
    rows = compared("transitions", {"baselines": baselines, "test": a_report()})
    _table("bought from 2011-11-10 on", rows)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert [line[:28].strip() for line in lines[1:]] == [
        "popularity",
        "popularity, 14-day half-life",
        "first-order transitions",
        "transitions, at its defaults",
        "transitions",
    ]
