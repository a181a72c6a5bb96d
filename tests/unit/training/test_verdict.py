from __future__ import annotations

import math

import pytest

from app.training.fit import Epoch, History
from app.training.verdict import verdict


def history(losses: list[float], val_losses: list[float], *, best: int) -> History:
    epochs = [
        Epoch(number, loss, val_loss, 0.1, 1.0)
        for number, (loss, val_loss) in enumerate(zip(losses, val_losses, strict=True), start=1)
    ]
    return History(epochs, best_epoch=best)


NAN = math.nan


@pytest.mark.parametrize(
    ("losses", "val_losses", "best", "code", "words"),
    [
        ([10, 3, 2, 9.5], [10, 4, 3, 30], 3, "diverging", "rose from 2.000 in epoch 3 to 9.500"),
        ([5, 6, 8], [5, 6, 8], 1, "diverging", "Lower the learning rate"),
        ([9, 5, 4, 4.3, 4.6, 5.0], [9, 5, 4, 4, 4, 4], 3, "diverging", "rose from 4.000"),
        ([5, NAN], [5, 5], 1, "diverging", "training loss was not finite in epoch 2"),
        ([5, 4, 3], [5, NAN, NAN], 1, "diverging", "validation loss was not finite in epoch 2"),
        ([5, 4, math.inf], [5, 4, 3], 1, "diverging", "not finite in epoch 3"),
        ([5], [5], 1, "too_short", "One epoch is too short"),
        ([7.0, 7.05], [7, 7], 1, "too_short", "2 epochs are too short"),
        ([5, 4, 3, 2], [5, 4, 4.3, 4.8], 2, "overfitted", "After epoch 2 the training loss kept falling"),
        ([9, 6, 4, 3, 2], [7, 8, 9, 10, 12], 5, "overfitted", "rose from 7.000 to 12.000"),
        ([5, 4, 3, 2, 1], [5, 4, 3, 2.9, 2.8], 5, "still_improving", "more epochs may still help"),
        (
            [9, 7, 5, 3],
            [9, 8, 7, 6],
            2,
            "fine",
            "training loss was still falling and the validation loss was",
        ),
        ([9, 5, 4, 4, 4], [9, 6, 5, 5, 5], 3, "fine", "was flat and the validation loss was flat"),
        ([9, 5, 4, 4, 4], [9, 5, 6, 7, 8], 2, "overfitted", "rose from 5.000"),
        ([5, 4, 4, 4, 4], [9, 9, 5, 6, 7], 3, "fine", "validation loss was above its lowest"),
    ],
)
def test_curves_are_put_in_words(
    losses: list[float], val_losses: list[float], best: int, code: str, words: str
) -> None:
    said = verdict(history(losses, val_losses, best=best), epochs=5)
    assert said.code == code
    assert words in said.text
    assert f"The weights of epoch {best} were kept." in said.text


def test_a_fit_without_a_validation_slice_says_so() -> None:
    epochs = [Epoch(number, loss, None, None, 1.0) for number, loss in enumerate([9, 5, 4, 4, 4], start=1)]
    assert "no validation slice" in verdict(History(epochs, best_epoch=5), epochs=9).text


def test_an_overfitted_run_says_so() -> None:
    said = verdict(history([5, 4, 3, 2], [5, 4, 4.3, 4.8], best=2), epochs=10)
    assert "overfits" in said.text
    assert "epoch 2" in said.text


def test_a_counted_table_has_no_curves() -> None:
    assert verdict(History(), epochs=0).code == "no_curves"
