"""What a person sees while a model is fitted: everything that matters fits a narrow terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from app.cli.console import progress_bar
from app.cli.training import _note
from app.domain.types import Job, JobState, JsonObject

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
