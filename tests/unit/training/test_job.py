from __future__ import annotations

import errno
from collections.abc import MutableMapping
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from app.adapters.memory_stores import memory_stores
from app.domain.errors import ArtifactRefusedError
from app.domain.types import Job, JobState, ModelVersion
from app.training.job import JobRun, Report, Retraining, Told, in_words
from app.training.run import NotEnoughDataError, Progress
from tests.clocks import FixedClock


class Failing:
    """A retraining that begins and then ends with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.by = ""

    async def run(self, *, report: Report, by: str, **_: object) -> ModelVersion:
        self.by = by
        report(Progress("preprocess", 0.02))
        raise self._error


async def failed(error: Exception) -> tuple[Job, Failing, list[MutableMapping[str, Any]]]:
    jobs = memory_stores(clock=FixedClock()).jobs
    await jobs.create(Job("j1", JobState.QUEUED, model="ease", promote="auto", trigger="cli"))
    await jobs.claim(lease_s=30)
    work = Failing(error)
    with capture_logs() as lines:
        row = await JobRun(jobs=jobs, retraining=cast("Retraining", work)).run("j1")
    return row, work, lines


async def test_failed_job_keeps_the_stage_it_failed_in_and_its_plain_reason() -> None:
    row, _, lines = await failed(NotEnoughDataError("There are no events yet."))
    assert (row.state, row.stage, row.error) == (JobState.FAILED, "preprocess", "There are no events yet.")
    assert lines == [
        {"event": "training.failed", "log_level": "warning", "reason": "There are no events yet."}
    ]


async def test_bug_is_logged_with_where_it_came_from() -> None:
    row, _, [line] = await failed(KeyError("secret"))
    assert row.error == "The training failed with KeyError; the log has the details."
    assert (line["event"], line["log_level"], line["error"]) == ("training.crashed", "error", "KeyError")
    assert line["frames"]


async def test_what_a_job_activates_says_what_asked_for_it() -> None:
    _, work, _ = await failed(NotEnoughDataError("x"))
    assert work.by == "retraining (cli)"


def test_told_counts_the_epochs_of_each_fit_anew() -> None:
    told = Told({})
    told.add(Progress("fit", 0.4, epoch=1, epochs=16, loss=1.5))
    told.add(Progress("refit", 0.5))
    assert (told.detail["epoch"], told.detail["epochs"]) == (None, None)
    told.add(Progress("refit", 0.6, epoch=1, epochs=1))
    assert (told.detail["epoch"], told.detail["epochs"]) == (1, 1)


def test_told_collects_the_curves_epoch_by_epoch() -> None:
    told = Told({"events_seq": 7})
    told.add(Progress("preprocess", 0.1, message="12,000 lines read"))
    told.add(Progress("fit", 0.2, epoch=1, epochs=3, loss=2.0))
    told.add(Progress("fit", 0.3, epoch=1, epochs=3, loss=2.0, val_loss=2.5, metric=0.1))
    told.add(Progress("fit", 0.4, epoch=2, epochs=3, loss=1.5, val_loss=2.4, metric=0.2))
    assert told.detail == {
        "events_seq": 7,
        "epoch": 2,
        "epochs": 3,
        "message": "12,000 lines read",
        "loss": [2.0, 1.5],
        "val_loss": [2.5, 2.4],
        "metric": [0.1, 0.2],
    }
    assert told.latest is not None
    assert told.latest.fraction == 0.4


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NotEnoughDataError("There are no events yet."), "There are no events yet."),
        (ArtifactRefusedError("serving.onnx is missing."), "serving.onnx is missing."),
        (MemoryError(), "The training ran out of memory."),
        (
            OSError(errno.ENOSPC, "No space left on device", "/secret/path"),
            "The training could not use its files: No space left on device.",
        ),
        (KeyError("secret"), "The training failed with KeyError; the log has the details."),
    ],
)
def test_in_words_tells_a_user_what_they_can_mend_and_no_more(error: Exception, words: str) -> None:
    assert in_words(error) == words
