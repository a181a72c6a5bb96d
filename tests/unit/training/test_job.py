from __future__ import annotations

import errno

import pytest

from app.domain.errors import ArtifactRefusedError
from app.training.job import Told, in_words
from app.training.run import NotEnoughDataError, Progress


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
